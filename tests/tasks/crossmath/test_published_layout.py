"""The published layout, tested on made-up lines in its fields and on the published sample."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.verify import verify

SAMPLE = Path(__file__).parents[4] / "shared" / "official-sample"
FILES = ["Original/testset_hr.jsonl", "Noborder/testset_noborder.jsonl",
         "Beige/testset_hr_beige.jsonl", "Altstyle/testset_altstyle.jsonl"]  # fmt: skip
LINE = {
    "img": "full/math_puzzle_0007.png",
    "img_blank": "blank/math_puzzle_0007_blank.png",
    "problems": 1,
    "difficulty": "easy",
    "markdown_table": "| ? | + | 2 | = | ? |\n| 4 | - | ? | = | 3 |",
    "markdown_answer": "| 1 |   |   |   | 3 |\n|   |   | 1 |   |   |",
    "markdown_answer_step": "| step2 |   |   |   | step1 |\n|   |   | step1 |   |   |",
}


def load(folder: Path, name: str = "testset_hr.jsonl", **fields: object) -> Path:
    """Load a file with one line."""
    file = folder / name
    file.write_text(json.dumps(LINE | fields) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("testset_hr.jsonl", "original"),
        ("testset_hr_beige.jsonl", "beige"),
        ("testset_noborder.jsonl", "noborder"),
        ("testset_altstyle.jsonl", "altstyle"),
    ],
)
def test_fields(tmp_path: Path, name: str, style: str) -> None:
    """Id, key, steps and picture come from the published fields, the style from the file's name."""
    suite = load_suite(str(load(tmp_path, name)))
    [problem] = suite.tasks
    assert problem.id == "math_puzzle_0007"
    assert problem.key == ("1", "3", "1")
    assert problem.steps == (2, 1, 1)
    assert problem.images == {style: Picture(tmp_path / "blank" / "math_puzzle_0007_blank.png")}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"markdown_answer": "| 1 |"}, "'markdown_answer' must be a grid of the table's size"),
        ({"markdown_answer": 5}, "'markdown_answer' must be a string"),
        ({"markdown_table": "| 1 |"}, "'markdown_table' must be a table with at least one"),
        ({"markdown_answer_step": LINE["markdown_answer"]}, "'markdown_answer_step' must be step1"),
        ({"difficulty": "extreme"}, "'difficulty' must be easy or medium or hard"),
        ({"img": ""}, "'img' must be a non-empty ASCII string"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    """The error names the file, the line and the field that is wrong."""
    with pytest.raises(SuiteError, match=r"testset_hr\.jsonl:1: ") as caught:
        load_suite(str(load(tmp_path, **fields)))
    assert message in str(caught.value)


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the published sample is not here")
@pytest.mark.parametrize("file", FILES)
def test_the_published_sample(file: str) -> None:
    """Its known defects are found in every style, and no others."""
    problems = load_suite(str(SAMPLE / file)).tasks
    assert len(problems) == 15
    report = verify(problems)
    kinds = Counter(defect.kind for defect in report.defects)
    assert kinds["contradiction"] == 1
    assert kinds["alphabet"] == 2
    assert set(kinds) <= {"contradiction", "unsolvable", "alphabet", "ambiguous-picture"}
    # Only white boxes on white make an enclosed square look like a blank.
    assert (kinds["ambiguous-picture"] > 0) is ("Original" in file)
    # In sans-serif everything is read except the picture that shows an x for ×, and blanks that
    # are framed only by their neighbours.
    unread = {unread.id.split("_")[2] for unread in report.unread}
    framed = {"0013", "0029", "0199", "0226", "0250"} if "Original" in file else set()
    assert unread == {"0043"} | framed or "Altstyle" in file
