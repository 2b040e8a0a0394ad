"""Where pictures may lie: inside the suite's folder, in every layout."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks import family
from pytest_crossmath.tasks.crossmath.family import CrossmathFamily
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.suite import check_pictures, load_suite
from pytest_crossmath.tasks.task import Task
from tests.tasks.crossmath.test_published_layout import LINE
from tests.tasks.questions.made_up import mathverse_rows, picture

OURS = {
    "id": "one", "table": "| 7 | - | ? | = | 2 |", "key": ["5"], "steps": [1],
    "difficulty": "easy", "equations": [],
}  # fmt: skip
QUESTION = {"id": "q", "kind": "number", "answer": "4"}

Layout = Callable[[str], Mapping[str, Any]]
LAYOUTS: dict[str, tuple[str, str, Layout]] = {
    "ours": ("lines.jsonl", "images: bold", lambda path: OURS | {"images": {"bold": path}}),
    "published": ("testset_hr.jsonl", "img_blank", lambda path: LINE | {"img_blank": path}),
    "question": (
        "lines.jsonl", "forms: image: images",
        lambda path: QUESTION | {"forms": {"image": {"images": [path]}}},
    ),
    "question with styles": (
        "lines.jsonl", "forms: image: bold: images",
        lambda path: QUESTION | {"forms": {"image": {"styles": {"bold": {"images": [path]}}}}},
    ),
}  # fmt: skip
"""File, field with the picture, and a line with a path."""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A picture next to the folder of the suite."""
    file = tmp_path / "outside.png"
    file.write_bytes(picture(1))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the suite, with a picture."""
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    (tmp_path / "mine" / "in.png").write_bytes(picture(2))
    return tmp_path / "mine"


def load(folder: Path, name: str, line: Mapping[str, Any]) -> None:
    """Load the suite of one line, and look at its pictures."""
    (folder / name).write_text(json.dumps(line) + "\n", encoding="utf-8")
    suite = load_suite(str(folder / name))
    check_pictures(suite, suite.styles)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "path",
    ["../outside.png", "sub/../../outside.png", "sub/../in.png", "..\\outside.png", "C:\\x.png",
     "/etc/hostname", "{outside}", "{inside}", "a\0b.png"],
)  # fmt: skip
def test_a_path_is_relative_and_goes_down(
    folder: Path, outside: Path, layout: str, path: str
) -> None:
    """No absolute path and no `..`, even if it leads back: file, line and field are named."""
    name, field, line = LAYOUTS[layout]
    written = path.format(outside=outside, inside=folder / "in.png")
    with pytest.raises(SuiteError) as said:
        load(folder, name, line(written))
    assert f"{name}:1: the field {field!r} must be a path relative to the file" in str(said.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("link", ["file", "folder", "chain"])
def test_a_link_does_not_lead_out(folder: Path, outside: Path, layout: str, link: str) -> None:
    """Links are followed, and where they end counts."""
    name, _, line = LAYOUTS[layout]
    (folder / "link").symlink_to(outside if link == "file" else outside.parent)
    (folder / "again").symlink_to(folder / "link")
    path = {"file": "link", "folder": "link/outside.png", "chain": "again/outside.png"}[link]
    with pytest.raises(SuiteError) as said:
        load(folder, name, line(path))
    place = f"{name}:1: the field "
    assert place in str(said.value)
    assert f"the picture {folder / path} lies outside the folder {folder}" in str(said.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_links_within_the_folder_are_fine(folder: Path, layout: str) -> None:
    """So is a folder that is a link itself."""
    name, _, line = LAYOUTS[layout]
    (folder / "sub" / "link.png").symlink_to(folder / "in.png")
    load(folder, name, line("sub/link.png"))
    other = folder.with_name("other")
    other.symlink_to(folder)
    load(other, name, line("sub/link.png"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing", "device"])
def test_what_is_not_a_file_is_named_with_its_line(folder: Path, layout: str, kind: str) -> None:
    """It is said before a model is loaded, and nothing waits for it."""
    name, _, line = LAYOUTS[layout]
    if kind == "pipe":
        os.mkfifo(folder / "x.png")
    elif kind == "folder":
        (folder / "x.png").mkdir()
    elif kind == "device":
        (folder / "x.png").symlink_to(os.devnull)
    said = "is missing|is not a regular file|lies outside"
    with pytest.raises(SuiteError, match=rf"{name}:1: .*the picture .*x\.png ({said})"):
        load(folder, name, line("x.png"))


class Foreign(CrossmathFamily):
    """A family that makes its pictures in its own way."""

    name = "foreign"

    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The picture may be anywhere."""
        line = dict(record) | {"images": {}}
        task = super().parse(line, file, origin)
        shown = {"bold": Picture(file.parent / record["deep"]["list"][0])}
        return self.task(
            task.id, task.content, task.target, task.steps, "easy", images=shown, origin=origin
        )


@pytest.mark.parametrize("path", ["../outside.png", "sub/../in.png", "{outside}", "link.png"])
def test_a_family_of_another_package_is_held_to_it_too(
    folder: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """It is checked where every line passes, and the field is found by its text."""
    monkeypatch.setitem(family._loaded, "foreign", Foreign())
    (folder / "link.png").symlink_to(outside)
    written = path.format(outside=outside)
    line = OURS | {"family": "foreign", "images": {}, "deep": {"list": [written]}}
    with pytest.raises(SuiteError) as said:
        load(folder, "lines.jsonl", line)
    assert "lines.jsonl:1: the field 'deep: list': the picture" in str(said.value)
    assert f"lies outside the folder {folder}" in str(said.value)
    load(folder, "lines.jsonl", line | {"deep": {"list": ["in.png"]}})


@pytest.mark.parametrize(
    "path", ["../outside.png", "{outside}", "link.png", "..\\outside.png", "/etc/hostname"]
)
def test_a_dataset_is_held_to_it_too(folder: Path, outside: Path, path: str) -> None:
    """A row that names a picture by its path, next to the file or under `images`."""
    (folder / "link.png").symlink_to(outside)
    [row, *_] = [row for row in mathverse_rows() if row["image"]]
    row |= {"image": path.format(outside=outside)}
    (folder / "testmini.json").write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(SuiteError, match=r"testmini\.json, row 1: the field 'image'"):
        load_suite(f"mathverse:{folder}", root=folder)


def test_a_picture_inside_a_row_lies_in_the_project(folder: Path, tmp_path: Path) -> None:
    """Bytes of a dataset are kept in `.crossmath`, wherever the dataset is."""
    pytest.importorskip("pyarrow")
    from tests.tasks.questions.made_up import write_parquet

    rows = [row | {"image": {"bytes": picture(3), "path": "../x.png"}} for row in mathverse_rows()]
    write_parquet(folder / "testmini.parquet", rows)
    suite = load_suite(f"mathverse:{folder}", root=tmp_path)
    check_pictures(suite, suite.styles)
    shown = [one for task in suite.tasks for found in task.pictures.values() for one in found]
    assert {one.path.parent for one in shown} == {tmp_path / ".crossmath" / "pictures"}


def test_a_picture_that_cannot_be_shown_is_named_with_its_line(folder: Path) -> None:
    """Before any model is loaded."""
    (folder / "float.png").write_bytes((folder / "in.png").read_bytes()[:40])
    line = OURS | {"images": {"bold": "float.png"}}
    with pytest.raises(SuiteError, match=r"lines\.jsonl:1: the picture .*float\.png is broken"):
        load(folder, "lines.jsonl", line)
