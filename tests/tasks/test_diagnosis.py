"""Why a picture was missed: misread, or reasoned about wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.tasks.crossmath.table import format_table
from pytest_crossmath.tasks.crossmath.transcription import read_transcription
from pytest_crossmath.tasks.diagnosis import Cause, diagnose
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Task
from tests.tasks.crossmath.made_up import grid

TABLE = "| 7 | - | ? | = | 2 |\n|   |   | × |   |   |\n|   |   | 3 |   |   |"
PROBLEM = grid(TABLE, ("5",))


@pytest.mark.parametrize(
    ("answer", "text", "cause"),
    [
        (("4",), TABLE, Cause.READ_RIGHT),
        (("4",), f"Here it is:\n\n```\n{TABLE}\n```\nDone.", Cause.READ_RIGHT),
        (("4",), TABLE.replace("7", "6"), Cause.MISREAD),
        (("4.0",), TABLE.replace("7", "6"), Cause.MISREAD),
        (("9",), TABLE.replace("7", "6"), Cause.BOTH),
        (("4", "1"), TABLE.replace("7", "6"), Cause.BOTH),
        (("4",), TABLE.replace("- | ?", "- | 5"), Cause.BOTH),
        (("4",), "I see a grid with seven minus something.", Cause.NO_GRID),
        (("4",), "", Cause.NO_GRID),
        (("4",), f"<think>{TABLE}</think> I cannot.", Cause.NO_GRID),
        (("4",), "|   |   |\n|   |   |", Cause.NO_GRID),
    ],
)
def test_the_cause_follows_from_what_it_wrote(
    answer: tuple[str, ...], text: str, cause: Cause
) -> None:
    """The copied grid is compared with the true one, and solved as it was written."""
    assert diagnose(PROBLEM, answer, text) is cause


@pytest.mark.parametrize(
    "text",
    [
        TABLE.replace("×", "*"),
        TABLE.replace("×", "x"),
        TABLE.replace("-", "\N{MINUS SIGN}"),
        TABLE.replace("?", "_"),
        TABLE.replace("7", "07").replace("?", "**?**"),
        TABLE.replace(" |\n", " |\n|---|---|---|---|---|\n", 1),
        TABLE.replace(" |\n", " |\n|-|-|-|-|-|\n", 1),
        "\n".join(line.removesuffix("|   |   |").rstrip() for line in TABLE.splitlines()),
        "\n".join(line.strip("| ") + " |" for line in TABLE.splitlines()[:1]) + TABLE[20:],
        f"A first try:\n| 1 |\n| 2 |\n\nBetter:\n{TABLE}",
        "|  |  |  |  |  |\n" + TABLE,
    ],
)
def test_a_table_is_read_however_it_is_written(text: str) -> None:
    """Variants of signs, rules, short rows and decoration do not hide what the model saw."""
    assert diagnose(PROBLEM, ("4",), text) is Cause.READ_RIGHT


def test_a_row_of_minus_signs_is_no_rule() -> None:
    """Such a row occurs when two equations run down side by side."""
    grid = read_transcription("| 7 | | 9 |\n| - | | - |\n| 5 | | 4 |\n| = | | = |\n| ? | | ? |")
    assert grid is not None
    assert [cell.text for cell in grid.rows[1]] == ["-", "", "-"]


@pytest.mark.parametrize("problem", load_suite("standard").tasks[::50], ids=lambda p: p.id)
def test_every_problem_reads_back(problem: Task) -> None:
    """Both its own table and the formatted puzzle are read back."""
    for text in (problem.text, format_table(problem.content)):
        assert diagnose(problem, ("0",) * len(problem.key), text) is Cause.READ_RIGHT


@given(st.text(alphabet="|-? 12=+\n`*x×:", max_size=200))
def test_no_text_is_an_error(text: str) -> None:
    """A model may write anything without causing an error."""
    assert diagnose(PROBLEM, ("4",), text) in set(Cause)


def test_a_huge_text_is_no_trouble() -> None:
    """Neither a wide nor a long text causes trouble."""
    assert diagnose(PROBLEM, ("4",), "| 1 " * 200_000 + "|") is not Cause.READ_RIGHT
    assert diagnose(PROBLEM, ("4",), "| 1 | 2 |\n" * 200_000) is Cause.NO_GRID
