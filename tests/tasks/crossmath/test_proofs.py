"""Proofs about one puzzle: each kind of damage is found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pytest_crossmath.tasks.crossmath.render import STYLES, render
from pytest_crossmath.tasks.crossmath.table import parse_table
from pytest_crossmath.tasks.task import Task
from pytest_crossmath.tasks.verify import verify
from tests.tasks.crossmath.made_up import SOUND, changed


@pytest.mark.parametrize(
    ("problem", "kind", "detail"),
    [
        (changed(key=("1", "15", "8")), "contradiction", "15 - 8 = 8 is wrong"),
        (changed(key=("1", "fifteen", "7")), "key", "fifteen"),
        (changed(steps=(1, 1, 3)), "steps", "labelled step 3, but is step 2"),
        (changed(table="|  ? | + | 2 | = | 3 |", key=("1",), steps=(1,)), "table", "changes when"),
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
def test_each_kind_of_damage_is_found(problem: Task, kind: str, detail: str) -> None:
    """The defect has the right kind and says what is wrong."""
    found = [defect for defect in verify([problem]).defects if defect.kind == kind]
    assert found
    assert detail in found[0].detail


def test_a_puzzle_too_open_to_decide_is_not_called_proved() -> None:
    """If the search for another solution does not end, verify says so and continues."""
    open_sums = "| ? | + | ? | = | 900 |\n||||||\n" * 3
    parity = "| ? | × | 2 | = | ? |\n||||| - |\n| ? | × | 2 | = | ? |\n||||| = |\n||||| 1 |"
    problem = changed(table=open_sums + parity, key=("1",) * 10, steps=(1,) * 10)
    assert "not-proved" in {defect.kind for defect in verify([problem]).defects}


def test_one_wrong_letter_hides_nothing_else() -> None:
    """An x instead of × is reported, and the equation is still checked."""
    problem = changed(table="| ? | x | 2 | = | 6 |", key=("4",), steps=(1,))
    kinds = {defect.kind for defect in verify([problem]).defects}
    assert kinds == {"alphabet", "contradiction"}


def test_a_number_that_a_picture_leaves_out_is_found(tmp_path: Path) -> None:
    """An empty box with cells on all four sides may be a blank, but not a number."""
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


@pytest.mark.parametrize("key", [" 5", "5 ", "0_5", "５"])
def test_a_key_that_no_answer_can_equal_is_a_defect(key: str) -> None:
    """Python accepts such a key as a number, but scoring does not."""
    problem = changed(table="| 7 | - | ? | = | 2 |", key=(key,), steps=(1,))
    assert "key" in {defect.kind for defect in verify([problem]).defects}


def test_a_picture_of_another_grid_is_found(tmp_path: Path) -> None:
    """If one number of a picture differs, the defect names its cell and both values."""
    puzzle = SOUND.content.replaced({(0, 0): "20"})
    render(puzzle, STYLES["original"]).save(tmp_path / "p.png")
    problem = changed(images={"original": tmp_path / "p.png"})
    [defect] = verify([problem]).defects
    assert (defect.kind, defect.where) == ("picture", "original, row 1, column 1")
    assert defect.detail == "shows '20', the table says '19'"


def test_an_enclosed_square_is_ambiguous_among_bare_boxes(tmp_path: Path) -> None:
    """A square that is not a cell but looks like an empty blank is a defect of the picture."""
    style = dataclasses.replace(STYLES["original"], blank_text="")
    render(SOUND.content, style).save(tmp_path / "p.png")
    report = verify([changed(images={"original": tmp_path / "p.png"})])
    assert {defect.kind for defect in report.defects} == {"ambiguous-picture"}


def test_a_picture_that_cannot_be_read_is_no_defect(tmp_path: Path) -> None:
    """Doubt is reported separately from defects."""
    puzzle = SOUND.content.replaced({(0, 1): "&"})
    render(puzzle, STYLES["original"]).save(tmp_path / "p.png")
    report = verify([changed(images={"original": tmp_path / "p.png"})])
    assert report.defects == ()
    assert [unread.style for unread in report.unread] == ["original"]
