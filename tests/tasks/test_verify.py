"""Verification: sound suites are proved, and duplicate tasks are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.tasks.crossmath.table import format_table
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.verify import verify
from tests.tasks.crossmath.made_up import SOUND, changed, pictured


@pytest.mark.parametrize("suite", ["mini", "standard"])
def test_bundled_suites_are_proved(suite: str) -> None:
    """Every problem is sound; the reader's tests check the pictures."""
    problems = load_suite(suite).tasks
    report = verify([pictured(problem, {}) for problem in problems])
    assert report.defects == ()
    assert report.problems == len(problems)


def test_a_transposed_copy_is_a_duplicate() -> None:
    """Two problems that are mirror images of each other count as one."""
    mirrored = SOUND.content.transposed()
    order = [SOUND.content.blanks.index((c, r)) for r, c in mirrored.blanks]
    copy = changed(
        id="copy", table=format_table(mirrored),
        key=tuple(SOUND.key[i] for i in order), steps=tuple(SOUND.steps[i] for i in order),
    )  # fmt: skip
    [defect] = verify([changed(), copy]).defects
    assert (defect.id, defect.kind) == ("copy", "duplicate")
    [leak] = verify([copy], against=[changed()]).defects
    assert leak.kind == "leak"


@pytest.mark.parametrize(
    "change",
    [
        {"table": "| ? | x | 2 | = | 6 |"},
        {"table": "||||||\n| ? | × | 02 | = | 6 |"},
        {"key": ("003",)},
        {"table": "| 3 | × | ? | = | 6 |", "key": ("2",)},
    ],
    ids=["letter", "padding", "zeros", "other blank"],
)
def test_a_disguised_copy_is_found(change: dict[str, Any]) -> None:
    """A copy is found within a suite and in another one if its numbers are unchanged."""
    one = changed(id="a", table="| ? | × | 2 | = | 6 |", key=("3",), steps=(1,))
    fields: dict[str, Any] = {"id": "b", "table": one.text, "key": ("3",), "steps": (1,)}
    two = changed(**(fields | change))
    assert [d.id for d in verify([one, two]).defects if d.kind == "duplicate"] == ["b"]
    assert [d.id for d in verify([two], against=[one]).defects if d.kind == "leak"] == ["b"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_broken_picture_is_one_defect_among_others(tmp_path: Path, content: bytes) -> None:
    """A broken picture does not hide the other defects."""
    (tmp_path / "p.png").write_bytes(content)
    broken = changed(id="a", images={"original": tmp_path / "p.png"})
    report = verify([broken, changed(id="b", key=("1", "15", "8"))])
    assert {(d.id, d.kind) for d in report.defects} >= {("a", "picture"), ("b", "contradiction")}
