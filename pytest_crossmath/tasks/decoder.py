"""The decoder: from the bytes of a picture file to the RGB pixels that everybody is shown.

Local model, server, reader, page and hash all get their pixels here, so they agree, and they
agree with what a person sees who opens the file:

>>> half_clear = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
>>> image, changes = flattened(half_clear)
>>> image.getpixel((0, 0)), changes
((127, 127, 127), ('transparency over white',))

What it does not know how to show, such as a picture in 32-bit floats, is an error: a guess would
be a picture that nobody asked about.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError
from PIL.Image import Transpose

from pytest_crossmath.text import one_line

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""The formats that are read. No other plugin of Pillow runs: some start other programs."""
MOST_PIXELS = 2**26
"""Size of the largest picture, in pixels."""

_KNOWN = "PNG, JPEG, WebP, GIF, BMP or TIFF"
_SENT_AS_THEY_ARE = {"PNG", "JPEG", "WEBP", "GIF"}
"""The formats that servers accept."""
_COUNTED = 2**20
"""Size in bytes up to which frames are counted, since counting reads the whole file."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PLAIN_CHUNKS = frozenset(
    (b"PLTE", b"IDAT", b"IEND", b"cHRM", b"sRGB", b"pHYs", b"tIME", b"sBIT", b"bKGD")
)
"""What may follow the header of a PNG whose pixels are shown as they are stored."""
_TIFF_BITS, _TIFF_POLARITY = 258, 262
_OPAQUE = (255, 255)
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}  # fmt: skip
"""What undoes each EXIF orientation."""
_SCREEN_GAMMA, _ABOUT = 1 / 2.2, 0.05
_GREY = {"1", "L", "LA", "La"}
_decoding = Lock()


class DecodeError(ValueError):
    """The bytes cannot be shown; the text continues a sentence that starts with their name."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as it is shown."""

    image: Image.Image
    """Its pixels, in RGB with 8 bits each."""
    mime: str
    """The type of its file: ``image/png``."""
    changes: tuple[str, ...]
    """What was done to it, as short phrases; empty for a plain picture."""

    def png(self) -> bytes:
        """Its pixels as a PNG file."""
        stream = io.BytesIO()
        self.image.save(stream, "PNG")
        return stream.getvalue()


def decode(data: bytes) -> Decoded:
    """The picture in the bytes of a file. Raises `DecodeError`."""
    try:
        with _complete(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _decoded(image, data)
    except (DecodeError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise DecodeError(f"is broken, or is not {_KNOWN}") from None
    except Image.DecompressionBombError:
        raise _too_big() from None
    except Exception as error:  # noqa: BLE001 - damaged bytes may raise anything in a decoder
        raise DecodeError(f"is broken: {one_line(error, 120)}") from None


def flattened(image: Image.Image, *, bits: int = 8) -> tuple[Image.Image, tuple[str, ...]]:
    """An image in RGB with its transparent parts over white, and what was changed.

    `bits` is the depth of its channels in its file. Raises `DecodeError` for an image that does
    not say which value is white, such as one in floats.
    """
    if image.mode in {"I", "F"}:
        what = "whole numbers" if image.mode == "I" else "floats"
        raise DecodeError(f"cannot be shown: its 32-bit {what} have no range from black to white")
    changes: list[str] = []
    profile, gamma, alpha = image.info.get("icc_profile"), _gamma(image), None
    if image.mode.startswith("I;16"):
        bits = bits if bits > 8 else 16
        image, alpha = _from_16_bits(image, bits)
    is_grey = image.mode in _GREY
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode == "La" else image.mode).convert("RGBA")
        alpha = image.getchannel("A")
    if bits > 8:
        changes.append(f"{bits} bits reduced to 8")
    if image.mode not in {*_GREY, "P", "RGB", "RGBA"}:
        changes.append(f"{image.mode} converted to RGB")
    if profile:
        shown, change = _managed(image, profile, is_grey=is_grey)
        changes += change
    else:
        shown = _in_rgb(image)
    if gamma is not None and not profile:
        shown = shown.point([round(255 * (value / 255) ** gamma) for value in range(256)] * 3)
        changes.append("gamma applied")
    if alpha is not None and alpha.getextrema() != _OPAQUE:
        shown = Image.composite(shown, Image.new("RGB", shown.size, "white"), alpha)
        changes.append("transparency over white")
    # Profile, gamma and transparent colour are applied, and must not be saved again.
    shown = shown.copy()
    shown.info = {}
    return shown, tuple(changes)


def is_plain_png(data: bytes) -> bool:
    """Whether the bytes are a whole PNG whose pixels are shown as they are stored.

    It has at most 8 bits, and nothing that changes how it looks. Its checksums are verified; it
    is not decompressed, which would take most of the time.
    """
    if data[:16] != _SIGNATURE + b"\0\0\0\rIHDR" or len(data) < 33:
        return False
    width, height, depth, color, compression, filtering, interlaced = struct.unpack_from(
        ">IIBBBBB", data, 16
    )
    known = (color == 2 and depth == 8) or (color in {0, 3} and depth in {1, 2, 4, 8})
    if not known or compression or filtering or interlaced > 1:
        return False
    if not 0 < width * height <= MOST_PIXELS:
        return False
    _, *kinds = _chunks(data)
    needed = {b"IDAT", b"PLTE"} if color == 3 else {b"IDAT"}
    return kinds[-1:] == [b"IEND"] and needed <= set(kinds) <= _PLAIN_CHUNKS


def _chunks(data: bytes) -> Iterator[bytes]:
    """The kinds of a PNG's chunks; it stops after IEND, or before the first damaged one."""
    place, kind, view = len(_SIGNATURE), b"", memoryview(data)
    while kind != b"IEND" and place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4])
        checksum = data[end : end + 4]
        if len(checksum) < 4 or zlib.crc32(view[place + 4 : end]) != int.from_bytes(checksum):
            kind = b"????"
            yield kind
            return
        kind = data[place + 4 : place + 8]
        yield kind
        place = end + 4


def _decoded(image: Image.Image, data: bytes) -> Decoded:
    if not 0 < image.width * image.height <= MOST_PIXELS:
        raise _too_big()
    # A JPEG with more pictures behind the first, as phones write them, is called MPO.
    format = "JPEG" if image.format == "MPO" else str(image.format)
    before = _orientation(image) if format == "TIFF" else 1
    bits = _depth(image, format, data)
    image.load()
    if format == "PNG":
        _check_transparent_color(image, bits)
    shown, changes = flattened(image, bits=bits)
    # Loading a TIFF turns it, and forgets its orientation.
    turn = _TURNS.get(before if format == "TIFF" else _orientation(image))
    if turn is not None and format != "TIFF":
        shown = shown.transpose(turn)
    found = [
        *changes,
        *(["turned by its EXIF orientation"] if turn is not None else []),
        *(_frames(image, data) if getattr(image, "is_animated", False) else []),
        *([] if format in _SENT_AS_THEY_ARE else [f"{format} as PNG"]),
    ]
    return Decoded(shown, f"image/{format.lower()}", tuple(found))


def _depth(image: Image.Image, format: str, data: bytes) -> int:
    """Bits per channel in the file."""
    if format == "PNG":
        return data[24]
    if format != "TIFF":
        return 8
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # a TIFF has it
    if image.mode.startswith("I;16") and tags.get(_TIFF_POLARITY) == 0:
        raise DecodeError("cannot be shown: it has 16 bits, and its lowest value is white")
    return max(map(int, tags.get(_TIFF_BITS, (8,))))


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF data, which viewers ignore too
        return 1


def _frames(image: Any, data: bytes) -> list[str]:
    count = str(image.n_frames) if len(data) <= _COUNTED else "several"
    return [f"first of {count} frames"]


def _check_transparent_color(image: Image.Image, bits: int) -> None:
    """Correct the transparent colour of a PNG, which Pillow leaves as a number of `bits` bits."""
    color, most = image.info.get("transparency"), 2**bits - 1
    if image.mode == "1" and isinstance(color, int):
        image.info["transparency"] = 255 * (color > 0)
    if image.mode == "L" and isinstance(color, int):
        image.info["transparency"] = (color & most) * 255 // most
    if image.mode == "RGB" and isinstance(color, tuple):
        if bits > 8:
            raise DecodeError("cannot be shown: it has 16 bits and one transparent colour")
        image.info["transparency"] = tuple(value & most for value in color)


def _from_16_bits(image: Image.Image, bits: int) -> tuple[Image.Image, Image.Image | None]:
    """A grey image of up to 16 bits with 8, and its alpha channel if one value is transparent."""
    values = np.asarray(image.convert("I"))
    grey = Image.fromarray((values >> (bits - 8)).clip(0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if clear is None:
        return grey, None
    return grey, Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))


def _managed(
    image: Image.Image, profile: bytes, *, is_grey: bool
) -> tuple[Image.Image, tuple[str, ...]]:
    """An image in RGB as its colour profile means it, which is how a viewer shows it."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return _in_rgb(image), ()
        space = source.profile.xcolor_space.strip()
        mode = "L" if space == "GRAY" and is_grey else image.mode if space == image.mode else "RGB"
        shown = ImageCms.profileToProfile(
            image.convert(mode), source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except Exception:  # noqa: BLE001 - damaged, or not for this mode: viewers ignore it too
        return _in_rgb(image), ("unusable colour profile ignored",)
    assert shown is not None
    return shown, ("colour profile applied",)


def _gamma(image: Image.Image) -> float | None:
    """The exponent from a PNG's own gamma to that of a screen; None if they are about equal."""
    stored = image.info.get("gamma")
    if not isinstance(stored, float) or stored <= 0 or "srgb" in image.info:
        return None
    exponent = _SCREEN_GAMMA / stored
    return exponent if abs(exponent - 1) > _ABOUT else None


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode != "LAB":
        return image.convert("RGB")
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    shown = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert shown is not None
    return shown


@contextmanager
def _complete() -> Iterator[None]:
    """Refuse truncated files, whatever another library has set for the whole process."""
    # A warning, about damaged EXIF for one, is an error where the user has made it one.
    with _decoding, warnings.catch_warnings(action="ignore"):
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def _too_big() -> DecodeError:
    return DecodeError(
        f"is empty, or has more than {MOST_PIXELS / 1e6:.0f} million pixels: make it smaller"
    )
