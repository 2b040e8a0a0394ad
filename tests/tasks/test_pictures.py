"""Pictures: intact ones pass, and each kind of damage is reported."""

import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks import pictures
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.suite import load_suite
from tests.tasks.odd_pictures import encoded


@pytest.fixture(scope="module")
def picture() -> Picture:
    """A picture of the bundled mini suite."""
    return load_suite("mini").tasks[0].images["original"]


def test_a_whole_picture_passes(picture: Picture) -> None:
    """A committed picture is fine."""
    picture.check()


def test_a_picture_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """A path without a file is said to be one."""
    with pytest.raises(SuiteError, match=r"the picture .*nothing\.png is missing"):
        Picture(tmp_path / "nothing.png").check()


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a pipe"])
def test_what_is_not_a_file_is_said_so_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    """Opening a pipe would wait for ever."""
    path = tmp_path / "x.png"
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to(os.devnull)
    else:
        pipe = path if kind == "pipe" else tmp_path / "pipe"
        os.mkfifo(pipe)
        if pipe != path:
            path.symlink_to(pipe)
    picture = Picture(path)
    for use in (picture.check, picture.rgb, lambda: picture.digest, lambda: picture.sent):
        with pytest.raises(SuiteError, match=r"the picture .*x\.png is not a regular file"):
            use()
    assert picture.content == b""


@pytest.mark.parametrize(
    "name", ["a\0b.png", "x" * 5_000, "x.png/y.png"], ids=["null", "long", "below a file"]
)
def test_a_path_that_no_file_can_have_is_one_line(tmp_path: Path, name: str) -> None:
    """Whatever the system says of a path, it is said of the picture."""
    (tmp_path / "x.png").touch()
    with pytest.raises(SuiteError, match=r"the picture .* cannot be read"):
        Picture(tmp_path / name).check()


def test_a_file_that_is_too_large_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit holds before anything is decoded, and for the hash of the suite too."""
    monkeypatch.setattr(pictures, "_MOST_BYTES", 100)
    path = tmp_path / "large.png"
    path.write_bytes(bytes(101))
    for use in (Picture(path).check, lambda: Picture(path).content):
        with pytest.raises(SuiteError, match=r"large\.png is larger than"):
            use()


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """Digest, note and pixels are those of the bytes that lie there now."""
    picture = Picture(tmp_path / "x.png")
    clear, opaque = (encoded(Image.new("RGBA", (2, 2), (0, 0, 0, a)), "PNG") for a in (0, 255))
    picture.path.write_bytes(clear)
    first = picture.digest, picture.note, picture.rgb().getpixel((0, 0))
    picture.path.write_bytes(opaque)
    second = picture.digest, picture.note, picture.rgb().getpixel((0, 0))
    assert (first[1:], second[1:]) == (
        ("transparency over white", (255, 255, 255)), (None, (0, 0, 0))
    )  # fmt: skip
    assert first[0] != second[0]


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.6, 0.9])
def test_a_truncated_picture_is_broken(tmp_path: Path, picture: Picture, kept: float) -> None:
    """A download that stopped early is reported before a model is asked."""
    data = picture.data
    path = tmp_path / "cut.png"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SuiteError, match=r"the picture .*cut\.png is broken"):
        Picture(path).check()


@pytest.mark.parametrize("place", [0, 12, 17, 24, 40, 60, 200, -30])
def test_a_picture_with_flipped_bits_is_broken(
    tmp_path: Path, picture: Picture, place: int
) -> None:
    """A damaged header, checksum or pixel stream is found."""
    data = bytearray(picture.data)
    data[place] ^= 0xFF
    path = tmp_path / "bits.png"
    path.write_bytes(data)
    with pytest.raises(SuiteError, match=r"the picture .*bits\.png is broken"):
        Picture(path).check()


@pytest.mark.parametrize("data", [b"\x00" * 4_096, b"version https://git-lfs", b"<html></html>"])
def test_garbage_is_no_picture(tmp_path: Path, data: bytes) -> None:
    """A different kind of file with a picture's name is broken."""
    path = tmp_path / "garbage.png"
    path.write_bytes(data)
    with pytest.raises(SuiteError, match=r"the picture .*garbage\.png is broken"):
        Picture(path).check()


def test_a_picture_that_claims_a_monstrous_size_is_broken(tmp_path: Path) -> None:
    """A few bytes that would decompress to gigabytes are refused."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum)
    with pytest.raises(SuiteError, match=r"the picture .*bomb\.png is broken"):
        Picture(path).check()
