"""Grids as markdown tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.errors import GridError
from pytest_crossmath.tasks.crossmath.generator import PRESETS
from pytest_crossmath.tasks.crossmath.grid import Cell, Puzzle
from pytest_crossmath.tasks.crossmath.table import format_table, parse_table
from tests.tasks.crossmath.made_up import generated

TEXTS = st.text("0123456789+-×÷=?x", max_size=4)


@st.composite
def grids(draw: st.DrawFn) -> Puzzle:
    """Any rectangle of cells without spaces or pipes in them."""
    width = draw(st.integers(1, 7))
    row = st.lists(TEXTS.map(Cell), min_size=width, max_size=width).map(tuple)
    return Puzzle(tuple(draw(st.lists(row, min_size=1, max_size=7))))


@given(grids())
def test_parsing_is_the_inverse_of_formatting(puzzle: Puzzle) -> None:
    """Any grid that is written as a table is read back cell by cell."""
    assert parse_table(format_table(puzzle)) == puzzle


@given(st.integers(min_value=0))
def test_formatting_is_the_inverse_of_parsing_a_generated_table(seed: int) -> None:
    """A generated table comes back as exactly the same text and the same puzzle."""
    problem = generated(PRESETS["mini"], seed)
    assert parse_table(problem.text) == problem.content
    assert format_table(parse_table(problem.text)) == problem.text


@pytest.mark.parametrize(
    "table",
    [
        "|7|-|?|=|2|",
        "  |  7 | -|? |=  | 2 |  ",
        "\n| 7 | - | ? | = | 2 |\n\n",
        "| 7 | - | ? | = | 2 |\r\n",
        "|\t7 | - | ? | = | 2\t|",
    ],
)
def test_spaces_around_cells_and_lines_do_not_matter(table: str) -> None:
    """A table may be typed loosely: only the cells count."""
    assert format_table(parse_table(table)) == "| 7 | - | ? | = | 2 |"


def test_an_empty_square_is_three_spaces() -> None:
    """A square that is not a cell is written as in the published tables."""
    assert format_table(parse_table("|1||2|")) == "| 1 |   | 2 |"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "the table is empty"),
        (" \n \n", "the table is empty"),
        ("7 - ? = 2", "line 1 of the table"),
        ("| 1 |\n2 |", r"line 2 of the table .*'2 \|'"),
        ("| 1 |\n\n| 2 |", "line 2 of the table"),
        ("||", "line 1 of the table"),
        ("|", "line 1 of the table"),
        ("| 1 | 2 |\n| 3 |", r"same length, not \[1, 2\]"),
    ],
)
def test_a_text_that_is_no_table_is_refused(table: str, message: str) -> None:
    """The error says which line is wrong, or that the rows differ in length."""
    with pytest.raises(GridError, match=message):
        parse_table(table)
