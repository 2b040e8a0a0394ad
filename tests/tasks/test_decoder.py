"""The decoder: every kind of picture becomes the pixels that a person sees, or an error."""

from __future__ import annotations

import io
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile

from pytest_crossmath.tasks import decoder
from pytest_crossmath.tasks.decoder import DecodeError, decode, flattened, is_plain_png
from tests.tasks.odd_pictures import (
    BLACK,
    CHANGED,
    PLAIN,
    RED,
    UNKNOWN,
    WHITE,
    Pixel,
    encoded,
    png,
    turned,
)


def pixels(image: Image.Image) -> list[Pixel]:
    """The pixels, row by row."""
    return [tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3).tolist()]


@pytest.mark.parametrize(
    ("data", "expected", "note"),
    [case[1:] for case in (*PLAIN, *CHANGED)],
    ids=[case[0] for case in (*PLAIN, *CHANGED)],
)
def test_a_picture_is_shown_as_a_person_sees_it(
    data: bytes, expected: list[Pixel], note: str | None
) -> None:
    """Each mode in each format has the right pixels, and what was done to it is said."""
    decoded = decode(data)
    assert decoded.image.mode == "RGB"
    assert pixels(decoded.image) == expected
    assert ("; ".join(decoded.changes) or None) == note


@pytest.mark.parametrize(("name", "data", "reason"), UNKNOWN, ids=[case[0] for case in UNKNOWN])
def test_what_is_not_known_is_an_error(name: str, data: bytes, reason: str) -> None:
    """A picture without a defined range, or in another format, is never guessed."""
    with pytest.raises(DecodeError, match=reason):
        decode(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "size", "black"),
    [
        (1, (16, 8), "left"), (2, (16, 8), "right"), (3, (16, 8), "right"), (4, (16, 8), "left"),
        (5, (8, 16), "top"), (6, (8, 16), "top"), (7, (8, 16), "bottom"), (8, (8, 16), "bottom"),
        (9, (16, 8), "left"),
    ],
)  # fmt: skip
def test_exif_orientation_is_applied(
    format: str, orientation: int, size: tuple[int, int], black: str
) -> None:
    """All eight, once each; a number that is none of them is ignored."""
    image = decode(turned(format, orientation)).image
    corner = {"left": (0, 0), "top": (0, 0), "right": (15, 0), "bottom": (0, 15)}[black]
    other = (size[0] - 1 - corner[0], size[1] - 1 - corner[1])
    assert image.size == size
    assert (image.getpixel(corner), image.getpixel(other)) == (BLACK, WHITE)


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("1", 255, WHITE), ("L", 7, (7, 7, 7)), ("LA", (0, 0), WHITE), ("La", (0, 0), WHITE),
        ("PA", (0, 0), WHITE), ("RGB", RED, RED), ("RGBA", (0, 0, 0, 0), WHITE),
        ("RGBa", (0, 0, 0, 0), WHITE), ("RGBX", (*RED, 0), RED), ("CMYK", (0, 0, 0, 0), WHITE),
        ("YCbCr", (255, 128, 128), WHITE), ("HSV", (0, 255, 255), RED),
        ("LAB", (128, 128, 128), (119, 119, 119)),
        ("I;16", 0x8000, (128, 128, 128)), ("I;16B", 0x8000, (128, 128, 128)),
        ("I;16L", 0x8000, (128, 128, 128)),
    ],
)  # fmt: skip
def test_an_image_in_memory_is_flattened_too(mode: str, pixel: int, expected: Pixel) -> None:
    """What a family draws, and what a reader is given, follow the same rules."""
    assert pixels(flattened(Image.new(mode, (1, 1), pixel))[0]) == [expected]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_an_image_without_a_range_is_refused(mode: str) -> None:
    """Nobody knows which of its values is white."""
    with pytest.raises(DecodeError, match="no range from black to white"):
        flattened(Image.new(mode, (1, 1)))


@pytest.mark.parametrize("case", PLAIN, ids=[case[0] for case in PLAIN])
def test_a_png_that_is_plain_at_first_sight_is_plain(
    case: tuple[str, bytes, list[Pixel], str | None],
) -> None:
    """What is not decoded has nothing that would change it."""
    name, data, *_ = case
    cheap = {"RGB PNG", "L PNG", "1 PNG", "P PNG", "L 2 bits"}
    assert is_plain_png(data) is (name in cheap)


@pytest.mark.parametrize("case", CHANGED, ids=[case[0] for case in CHANGED])
def test_a_picture_that_is_changed_is_never_plain(
    case: tuple[str, bytes, list[Pixel], str | None],
) -> None:
    """Whatever changes pixels is seen without decoding them."""
    assert not is_plain_png(case[1])


def test_every_flipped_byte_of_a_plain_png_is_seen() -> None:
    """Nothing that differs from a whole file passes as one."""
    data = png(3, 8, 2, [bytes(9)] * 2)
    assert is_plain_png(data)
    for place in range(len(data)):
        assert not is_plain_png(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        assert not is_plain_png(data[:place])


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_file_is_an_error_whatever_others_have_set(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training code often tells Pillow to accept half a picture; the rest would be grey."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), format)
    with pytest.raises(DecodeError, match="is broken"):
        decode(data[: len(data) // 2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes can claim gigabytes."""
    data = encoded(Image.new("RGB", (2, 2)), format)
    assert decode(data).image.size == (2, 2)
    monkeypatch.setattr(decoder, "MOST_PIXELS", 3)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(DecodeError, match=r"has more than .* pixels"):
        decode(data)
    assert not is_plain_png(data)


def test_a_bomb_of_text_is_an_error() -> None:
    """A PNG may hold compressed text that would fill the memory."""
    text = b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9)
    with pytest.raises(DecodeError, match="is broken"):
        decode(png(1, 8, 0, [b"\0"], (b"zTXt", text)))


def test_no_other_plugin_of_pillow_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An EPS file would start Ghostscript."""
    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was started")
    )
    with pytest.raises(DecodeError, match="is not PNG, JPEG"):
        decode(encoded(Image.new("RGB", (4, 4)), "EPS"))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damage_raises_nothing_else(format: str) -> None:
    """Whatever Pillow raises for a damaged file, it is the one error that callers know."""
    noise = np.random.default_rng(1).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), format)
    for place in range(0, len(data), max(1, len(data) // 60)):
        damaged = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
        with suppress(DecodeError):
            assert decode(damaged).image.mode == "RGB"


def test_a_picture_is_the_same_again_as_png() -> None:
    """What is sent in place of a file has the pixels that the decoder found."""
    for _, data, expected, _ in CHANGED:
        with Image.open(io.BytesIO(decode(data).png())) as again:
            assert (again.mode, pixels(again)) == ("RGB", expected)
