"""Pictures that are not plain RGB, with the pixels that a person sees."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageCms

Pixel = tuple[int, int, int]
Case = tuple[str, bytes, list[Pixel], str | None]
"""Name, file, its pixels row by row, and what has to be said of it."""

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)
OVER_WHITE, FROM_16 = "transparency over white", "16 bits reduced to 8"


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    """An image as a file."""
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def made(mode: str, pixels: Iterable[Any]) -> Image.Image:
    """An image of one row."""
    listed = list(pixels)
    image = Image.new(mode, (len(listed), 1))
    for place, pixel in enumerate(listed):
        image.putpixel((place, 0), pixel)
    return image


def png(
    width: int, depth: int, color: int, rows: Sequence[bytes], *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG with exactly these bytes and chunks, since Pillow cannot write all kinds."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, len(rows), depth, color, 0, 0, 0)
    stream = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", stream), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def grey(*values: int) -> list[Pixel]:
    """Shades of grey."""
    return [(value, value, value) for value in values]


def palette(*colors: Pixel) -> Image.Image:
    """An image with a palette, whose pixels show each colour once."""
    image = Image.new("P", (len(colors), 1))
    image.putpalette([value for color in colors for value in color])
    for place in range(len(colors)):
        image.putpixel((place, 0), place)
    return image


def frames(format: str) -> bytes:
    """A red picture, then a green and a blue one."""
    first, *others = (Image.new("RGB", (2, 2), c) for c in ("red", "lime", "blue"))
    extra = {"lossless": True} if format == "WEBP" else {}
    return encoded(first, format, save_all=True, append_images=others, **extra)


def turned(format: str, orientation: int) -> bytes:
    """Two pixels, black and white, stored as EXIF orientation says."""
    image, exif = made("RGB", [BLACK, WHITE]), Image.Exif()
    exif[0x0112] = orientation
    extra: dict[str, dict[str, Any]] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
    }
    return encoded(image.resize((16, 8), 0), format, exif=exif, **extra.get(format, {}))


def swapped_profile() -> bytes:
    """A colour profile with red and blue exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


_CLEAR_INK = [(0, 0, 0, 255), (0, 0, 0, 0), (0, 0, 0, 128)]
_ON_PAPER = [BLACK, WHITE, (127, 127, 127)]
_SHADES = Image.fromarray(np.array([[0, 0x1000, 0x8000, 0xFFFF]], dtype=np.uint16))
_SHADES_IN_8 = grey(0, 0x10, 0x80, 0xFF)
_PLTE = (b"PLTE", bytes([*BLACK, *RED, 9, 9, 9]))

PLAIN: list[Case] = [
    *((f"RGB {format}", encoded(made("RGB", [RED, BLACK]), format, **extra), [RED, BLACK], None)
      for format, extra in (("PNG", {}), ("WEBP", {"lossless": True}), ("GIF", {}))),
    ("L PNG", encoded(made("L", [0, 99, 255]), "PNG"), grey(0, 99, 255), None),
    ("L GIF", encoded(made("L", [0, 99, 255]), "GIF"), grey(0, 99, 255), None),
    ("L JPEG", encoded(Image.new("L", (3, 1), 99), "JPEG"), grey(99, 99, 99), None),
    ("RGB JPEG", encoded(Image.new("RGB", (3, 1), WHITE), "JPEG"), [WHITE] * 3, None),
    ("1 PNG", encoded(made("1", [0, 255, 0]), "PNG"), grey(0, 255, 0), None),
    ("P PNG", encoded(palette(RED, BLACK, WHITE), "PNG"), [RED, BLACK, WHITE], None),
    ("L 2 bits", png(4, 2, 0, [b"\x1b"]), grey(0, 85, 170, 255), None),
    ("RGBA opaque", encoded(made("RGBA", [(*RED, 255)]), "PNG"), [RED], None),
    ("sRGB profile", encoded(
        made("RGB", [RED]), "PNG",
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ), [RED], None),
]  # fmt: skip
"""Files that are sent as they are."""

CHANGED: list[Case] = [
    ("RGBA PNG", encoded(made("RGBA", _CLEAR_INK), "PNG"), _ON_PAPER, OVER_WHITE),
    ("RGBA WEBP", encoded(made("RGBA", _CLEAR_INK), "WEBP", lossless=True), _ON_PAPER,
     OVER_WHITE),
    ("RGBA TIFF", encoded(made("RGBA", _CLEAR_INK), "TIFF"), _ON_PAPER,
     f"{OVER_WHITE}; TIFF as PNG"),
    ("LA PNG", encoded(made("LA", [(0, 255), (0, 0), (0, 128)]), "PNG"), _ON_PAPER, OVER_WHITE),
    ("LA TIFF", encoded(made("LA", [(0, 255), (0, 0)]), "TIFF"), [BLACK, WHITE],
     f"{OVER_WHITE}; TIFF as PNG"),
    ("P GIF", encoded(palette(RED, BLACK), "GIF", transparency=1), [RED, WHITE], OVER_WHITE),
    ("P tRNS one", png(3, 2, 3, [b"\x18"], _PLTE, (b"tRNS", b"\0")), [WHITE, RED, (9, 9, 9)],
     OVER_WHITE),
    ("P tRNS some", png(3, 2, 3, [b"\x18"], _PLTE, (b"tRNS", b"\x80\xff\0")),
     [(127, 127, 127), RED, WHITE], OVER_WHITE),
    ("RGB tRNS", png(2, 8, 2, [bytes([1, 2, 3, 1, 2, 4])], (b"tRNS", b"\0\1\0\2\0\3")),
     [WHITE, (1, 2, 4)], OVER_WHITE),
    ("L tRNS", png(2, 8, 0, [b"\x05\x06"], (b"tRNS", b"\0\x05")), [WHITE, (6, 6, 6)], OVER_WHITE),
    ("1 tRNS black", png(2, 1, 0, [b"\x40"], (b"tRNS", b"\0\0")), [WHITE, WHITE], OVER_WHITE),
    ("1 tRNS white", png(2, 1, 0, [b"\x40"], (b"tRNS", b"\0\1")), [BLACK, WHITE], OVER_WHITE),
    ("L 2 bits tRNS", png(4, 2, 0, [b"\x1b"], (b"tRNS", b"\0\1")), grey(0, 255, 170, 255),
     OVER_WHITE),
    ("L 4 bits tRNS", png(2, 4, 0, [b"\x5a"], (b"tRNS", b"\0\5")), grey(255, 170), OVER_WHITE),
    ("I;16 PNG", encoded(_SHADES, "PNG"), _SHADES_IN_8, FROM_16),
    ("I;16 TIFF", encoded(_SHADES, "TIFF"), _SHADES_IN_8, f"{FROM_16}; TIFF as PNG"),
    ("I;16B TIFF", encoded(_SHADES.convert("I").convert("I;16B"), "TIFF"), _SHADES_IN_8,
     f"{FROM_16}; TIFF as PNG"),
    ("I;16 tRNS", png(2, 16, 0, [b"\x05\xaf\x05\x00"], (b"tRNS", b"\x05\xaf")), grey(255, 5),
     f"{FROM_16}; {OVER_WHITE}"),
    ("RGB 16 bits", png(1, 16, 2, [b"\1\2\x80\1\xff\4"]), [(1, 128, 255)], FROM_16),
    ("LA 16 bits", png(2, 16, 4, [b"\0\0\0\0\0\0\xff\xff"]), [WHITE, BLACK],
     f"{FROM_16}; {OVER_WHITE}"),
    ("CMYK TIFF", encoded(made("CMYK", [(0, 255, 255, 0), (0, 0, 0, 0)]), "TIFF"), [RED, WHITE],
     "CMYK converted to RGB; TIFF as PNG"),
    ("CMYK JPEG", encoded(Image.new("CMYK", (2, 1)), "JPEG"), [WHITE, WHITE],
     "CMYK converted to RGB"),
    ("YCbCr TIFF", encoded(Image.new("YCbCr", (8, 1), (255, 128, 128)), "TIFF"), [WHITE] * 8,
     "YCbCr converted to RGB; TIFF as PNG"),
    ("LAB TIFF", encoded(Image.new("LAB", (2, 1), (128, 128, 128)), "TIFF"), grey(119, 119),
     "LAB converted to RGB; TIFF as PNG"),
    ("RGB BMP", encoded(made("RGB", [RED, BLACK]), "BMP"), [RED, BLACK], "BMP as PNG"),
    ("RGB TIFF", encoded(made("RGB", [RED, BLACK]), "TIFF"), [RED, BLACK], "TIFF as PNG"),
    *((f"frames {format}", frames(format), [RED] * 4, said)
      for format, said in (("GIF", "first of 3 frames"), ("PNG", "first of 3 frames"),
                           ("WEBP", "first of 3 frames"),
                           ("TIFF", "first of 3 frames; TIFF as PNG"))),
    *((f"turned {format}", turned(format, 3), ([WHITE] * 8 + [BLACK] * 8) * 8,
       "turned by its EXIF orientation" + ("; TIFF as PNG" if format == "TIFF" else ""))
      for format in ("PNG", "JPEG", "WEBP", "TIFF")),
    ("another profile", encoded(made("RGB", [RED]), "PNG", icc_profile=swapped_profile()),
     [(0, 0, 255)], "colour profile applied"),
    ("damaged profile", encoded(made("RGB", [RED]), "PNG", icc_profile=b"?" * 200), [RED],
     "unusable colour profile ignored"),
    ("gamma 1.0", png(3, 8, 0, [b"\x00\x80\xff"], (b"gAMA", struct.pack(">I", 100_000))),
     grey(0, 186, 255), "gamma applied"),
]  # fmt: skip
"""Files that are shown in another way than they are stored."""

UNKNOWN: list[tuple[str, bytes, str]] = [
    ("I", encoded(Image.new("I", (2, 1)), "TIFF"), "32-bit whole numbers have no range"),
    ("F", encoded(Image.new("F", (2, 1)), "TIFF"), "32-bit floats have no range"),
    ("RGB 16 bits tRNS", png(1, 16, 2, [bytes(6)], (b"tRNS", bytes(6))), "one transparent colour"),
    *((format, encoded(Image.new("RGB", (16, 16)), format), "is not PNG, JPEG, WebP, GIF, BMP")
      for format in ("EPS", "PPM", "ICO", "PCX", "TGA", "ICNS", "PDF")),
]  # fmt: skip
"""Files that cannot be shown, and the reason."""
