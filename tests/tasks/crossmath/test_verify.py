"""Verification: sound suites are proved, and each kind of damage is found."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.tasks.crossmath.grid import Problem
from pytest_crossmath.tasks.crossmath.render import STYLES, render
from pytest_crossmath.tasks.crossmath.table import format_table, parse_table
from pytest_crossmath.tasks.crossmath.verify import verify
from pytest_crossmath.tasks.suite import load_suite

SOUND = load_suite("mini").problems[1]


def changed(problem: Problem = SOUND, *, table: str | None = None, **fields: object) -> Problem:
    """A problem with other fields, and without pictures unless they are given."""
    if table is not None:
        fields |= {"table": table, "puzzle": parse_table(table)}
    return dataclasses.replace(problem, **({"images": {}} | fields))  # type: ignore[arg-type]  # fields of Problem


@pytest.mark.parametrize("suite", ["mini", "standard"])
def test_bundled_suites_are_proved(suite: str) -> None:
    """Every problem is sound; pictures are held to the same in the reader's tests."""
    problems = load_suite(suite).problems
    report = verify([dataclasses.replace(problem, images={}) for problem in problems])
    assert report.defects == ()
    assert report.problems == len(problems)


@pytest.mark.parametrize(
    ("problem", "kind", "detail"),
    [
        (changed(key=("1", "15", "8")), "contradiction", "15 - 8 = 8 is wrong"),
        (changed(key=("1", "fifteen", "7")), "key", "fifteen"),
        (changed(steps=(1, 1, 3)), "steps", "labelled step 3, is step 2"),
        (changed(table="|  ? | + | 2 | = | 3 |", key=("1",), steps=(1,)), "table", "another text"),
        (changed(table="| ? | x | 2 | = | 6 |", key=("3",), steps=(1,)), "alphabet", "'x'"),
        (changed(table="| ? | × | 2 | = | 7 |", key=("3",), steps=(1,)), "unsolvable", "? × 2 = 7"),
        (changed(table="| ? | - | 9 | = | ? |", key=("11", "2"), steps=(1, 1)), "not-unique", ""),
        (
            changed(table="| ? | + | 2 | = | 3 |   | 7 |", key=("1",), steps=(1,)),
            "structure",
            "'7'",
        ),
    ],
)
def test_each_kind_of_damage_is_found(problem: Problem, kind: str, detail: str) -> None:
    """The defect is of the right kind and says what is wrong."""
    found = [defect for defect in verify([problem]).defects if defect.kind == kind]
    assert found
    assert detail in found[0].detail


def test_a_puzzle_too_open_to_decide_is_not_called_proved() -> None:
    """Where the search for another solution has no end in sight, verify says so and goes on."""
    open_sums = "| ? | + | ? | = | 900 |\n||||||\n" * 3
    parity = "| ? | × | 2 | = | ? |\n||||| - |\n| ? | × | 2 | = | ? |\n||||| = |\n||||| 1 |"
    problem = changed(table=open_sums + parity, key=("1",) * 10, steps=(1,) * 10)
    assert "not-proved" in {defect.kind for defect in verify([problem]).defects}


def test_one_wrong_letter_hides_nothing_else() -> None:
    """An x for × is reported, and the equation is still checked."""
    problem = changed(table="| ? | x | 2 | = | 6 |", key=("4",), steps=(1,))
    kinds = {defect.kind for defect in verify([problem]).defects}
    assert kinds == {"alphabet", "contradiction"}


def test_a_transposed_copy_is_a_duplicate() -> None:
    """Two problems that are mirror images of each other are one problem."""
    mirrored = SOUND.puzzle.transposed()
    order = [SOUND.puzzle.blanks.index((c, r)) for r, c in mirrored.blanks]
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
    """Within a suite and against another, whatever is changed that changes no number."""
    one = changed(id="a", table="| ? | × | 2 | = | 6 |", key=("3",), steps=(1,))
    fields: dict[str, Any] = {"id": "b", "table": one.table, "key": ("3",), "steps": (1,)}
    two = changed(**(fields | change))
    assert [d.id for d in verify([one, two]).defects if d.kind == "duplicate"] == ["b"]
    assert [d.id for d in verify([two], against=[one]).defects if d.kind == "leak"] == ["b"]


def test_a_number_that_a_picture_leaves_out_is_found(tmp_path: Path) -> None:
    """An empty box where all four neighbours are cells may be a blank, but no number."""
    rows = ["|   |   | 5 |   |   |", "|   |   | + |   |   |", "| ? | + | 2 | = | 3 |",
            "|   |   | = |   |   |", "|   |   | 7 |   |   |"]  # fmt: skip
    table = "\n".join(rows)
    whole = parse_table(table)
    style = dataclasses.replace(STYLES["original"], blank_text="")
    render(whole.replaced({(2, 2): "?"}), style).save(tmp_path / "p.png")
    problem = changed(
        table=table, key=("1",), steps=(1,),
        images={"original": tmp_path / "p.png"},
    )  # fmt: skip
    assert "picture" in {defect.kind for defect in verify([problem]).defects}


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_broken_picture_is_one_defect_among_others(tmp_path: Path, content: bytes) -> None:
    """The report on all others is not lost."""
    (tmp_path / "p.png").write_bytes(content)
    broken = changed(id="a", images={"original": tmp_path / "p.png"})
    report = verify([broken, changed(id="b", key=("1", "15", "8"))])
    assert {(d.id, d.kind) for d in report.defects} >= {("a", "picture"), ("b", "contradiction")}


@pytest.mark.parametrize("key", [" 5", "5 ", "0_5", "５"])
def test_a_key_that_no_answer_can_equal_is_a_defect(key: str) -> None:
    """Python takes it for a number, and scoring does not."""
    problem = changed(table="| 7 | - | ? | = | 2 |", key=(key,), steps=(1,))
    assert "key" in {defect.kind for defect in verify([problem]).defects}


def test_a_picture_of_another_grid_is_found(tmp_path: Path) -> None:
    """One number changed in a picture names its cell and both readings."""
    puzzle = SOUND.puzzle.replaced({(0, 0): "20"})
    render(puzzle, STYLES["original"]).save(tmp_path / "p.png")
    problem = changed(images={"original": tmp_path / "p.png"})
    [defect] = verify([problem]).defects
    assert (defect.kind, defect.where) == ("picture", "original, row 1, column 1")
    assert defect.detail == "shows '20', the table says '19'"


def test_an_enclosed_square_is_ambiguous_among_bare_boxes(tmp_path: Path) -> None:
    """A square that is no cell but looks like an empty blank is a defect of the picture."""
    style = dataclasses.replace(STYLES["original"], blank_text="")
    render(SOUND.puzzle, style).save(tmp_path / "p.png")
    report = verify([changed(images={"original": tmp_path / "p.png"})])
    assert {defect.kind for defect in report.defects} == {"ambiguous-picture"}


def test_a_picture_that_cannot_be_read_is_no_defect(tmp_path: Path) -> None:
    """Doubt is told apart from a defect."""
    puzzle = SOUND.puzzle.replaced({(0, 1): "&"})
    render(puzzle, STYLES["original"]).save(tmp_path / "p.png")
    report = verify([changed(images={"original": tmp_path / "p.png"})])
    assert report.defects == ()
    assert [unread.style for unread in report.unread] == ["original"]
