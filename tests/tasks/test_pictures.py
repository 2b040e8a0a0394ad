"""Pictures: intact ones pass, and each kind of damage is reported."""

import struct
import zlib
from pathlib import Path

import pytest

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.suite import load_suite


@pytest.fixture(scope="module")
def picture() -> Picture:
    """A picture of the bundled mini suite."""
    return load_suite("mini").tasks[0].images["original"]


def test_a_whole_picture_passes(picture: Picture) -> None:
    """A committed picture is fine."""
    picture.check()


@pytest.mark.parametrize("name", ["nothing.png", "."])
def test_a_picture_that_is_not_there_is_missing(tmp_path: Path, name: str) -> None:
    """Neither a path without a file nor a folder is a picture."""
    with pytest.raises(SuiteError, match=r"the picture .* is missing"):
        Picture(tmp_path / name).check()


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
