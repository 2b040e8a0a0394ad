"""Rows of users' own files, and pictures from parquet."""

from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.installing import pip_install
from pytest_crossmath.tasks.datasets.tables import Record, Store, files_below, read_rows
from pytest_crossmath.tasks.pictures import Picture
from tests.tasks.questions.made_up import mmmu_rows, picture, write_parquet

COLUMNS = ("id", "answer", "image_1", "not there")


def test_parquet_rows(tmp_path: Path) -> None:
    """Only requested columns that exist are read, and each row knows its place."""
    file = write_parquet(tmp_path / "rows.parquet", mmmu_rows(count=40))
    rows = list(read_rows(file, COLUMNS))
    assert len(rows) == 40
    assert set(rows[0].fields) == {"id", "answer", "image_1"}
    assert rows[39].origin == f"{file}, row 40"


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_json_rows(tmp_path: Path, suffix: str) -> None:
    """A JSON file may hold a list, or one object per line."""
    file = tmp_path / f"rows{suffix}"
    rows = [{"a": 1}, {"a": 2}]
    lines = "\n".join(map(json.dumps, rows))
    file.write_text(json.dumps(rows) if suffix == ".json" else f"{lines}\n\n")
    assert [row.fields for row in read_rows(file, ())] == rows


def test_pictures_are_kept_once(tmp_path: Path) -> None:
    """Pictures are named by their content, in a folder that git ignores."""
    pictures = Store(tmp_path)
    first, again = pictures.keep(picture(1)), pictures.keep(picture(1))
    assert first == again
    assert pictures.keep(picture(2, "JPEG")).path.suffix == ".jpg"
    assert first.path.parent == tmp_path / ".crossmath" / "pictures"
    assert (tmp_path / ".crossmath" / ".gitignore").read_text() == "*\n"
    first.path.write_bytes(b"cut off")
    assert pictures.keep(picture(1)).data == picture(1)


def test_many_may_keep_one_picture_at_once(tmp_path: Path) -> None:
    """When several workers store one picture, it is always complete and no drafts remain."""
    data = picture(3) * 1000

    def keep(_: int) -> bytes:
        return Store(tmp_path).keep(data).data

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(keep, range(64))) == {data}
    assert len(list((tmp_path / ".crossmath" / "pictures").iterdir())) == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The error is a single line."""
    (tmp_path / ".crossmath").write_text("a file")
    with pytest.raises(SuiteError, match="pictures cannot be stored in"):
        Store(tmp_path).keep(picture(1))


def test_a_picture_of_a_row(tmp_path: Path) -> None:
    """A picture is bytes, or a path under the first folder that has it."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_bytes(picture(1))
    store, folders = Store(tmp_path), [tmp_path / "a", tmp_path / "b"]
    for value in ("x.png", {"bytes": None, "path": "x.png"}):
        record = Record({"image": value}, "here")
        assert record.picture("image", store, folders) == Picture(tmp_path / "b" / "x.png")
    gone = Record({"image": "y.png"}, "here").picture("image", store, folders)
    assert gone == Picture(tmp_path / "a" / "y.png")
    for nothing in (None, "", {"bytes": None, "path": None}, {"bytes": b"", "path": ""}, 3):
        with pytest.raises(SuiteError, match="here: the field 'image' holds no picture"):
            Record({"image": nothing}, "here").picture("image", store, folders)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b'[{"id": "1"', "a.json: not JSON:"),
        ("a.json", b'{"id": "1"}', "must be a JSON list of rows, not dict"),
        ("a.json", b"[]", "a.json holds no rows"),
        ("a.json", b"[3]", "a.json, row 1: a row must be a JSON object, not int"),
        ("a.json", b"\xff\xfe\xff", "cannot be read"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.jsonl", b'{"id": 1}\n{"id":\n', "a.jsonl:2: not JSON"),
        ("a.parquet", b"PAR1 not really", "a.parquet cannot be read"),
        ("a.parquet", b"", "a.parquet cannot be read"),
    ],
)
def test_broken_files_are_told(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """The error is a single line that names the file."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(SuiteError) as caught:
        list(read_rows(file, COLUMNS))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parquet_that_is_cut_off_anywhere(tmp_path: Path) -> None:
    """A truncated file gives a `SuiteError`, or rows as far as it is intact."""
    whole = write_parquet(tmp_path / "whole.parquet", mmmu_rows()).read_bytes()
    cut = tmp_path / "cut.parquet"
    for place in range(0, len(whole), 97):
        cut.write_bytes(whole[:place])
        with pytest.raises(SuiteError, match=r"cut\.parquet cannot be read"):
            list(read_rows(cut, COLUMNS))


def test_damaged_parquet(tmp_path: Path) -> None:
    """A file with any byte changed gives a `SuiteError` or rows."""
    whole = write_parquet(tmp_path / "whole.parquet", mmmu_rows()).read_bytes()
    damaged = tmp_path / "damaged.parquet"
    for place in range(0, len(whole), 41):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            rows = list(read_rows(damaged, COLUMNS))
        except SuiteError:
            continue
        assert rows


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message contains the command that installs pyarrow."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = tmp_path / "a.parquet"
    file.write_bytes(b"")
    with pytest.raises(SuiteError, match=re.escape(f"pyarrow: {pip_install('train')}")):
        list(read_rows(file, COLUMNS))


def test_parquet_goes_before_json_of_the_same_name(tmp_path: Path) -> None:
    """The parquet file has the pictures in it."""
    for name in ("a.json", "a.parquet", "b/c.json", "d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert files_below(tmp_path) == [tmp_path / "a.parquet", tmp_path / "b" / "c.json"]
