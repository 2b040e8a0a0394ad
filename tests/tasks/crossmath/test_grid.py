"""Cells, equations and puzzles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.errors import GridError
from pytest_crossmath.tasks.crossmath.grid import Cell, CellKind, Direction, Equation, Puzzle
from pytest_crossmath.tasks.crossmath.table import parse_table

TEXTS = st.sampled_from(("", "?", "=", "+", "-", "×", "÷", "1", "7", "12", "250", "x"))

CROSS = """\
| 5 | + | ? | = | 8 |
| × |   |   |   |   |
| ? |   |   |   |   |
| = |   |   |   |   |
| 20 |   |   |   |   |"""


def grid(*rows: tuple[str, ...]) -> Puzzle:
    """A puzzle made from the texts of its cells."""
    return Puzzle(tuple(tuple(Cell(text) for text in row) for row in rows))


@st.composite
def grids(draw: st.DrawFn) -> Puzzle:
    """Any rectangle of cells, whether it makes sense or not."""
    width = draw(st.integers(1, 7))
    row = st.lists(TEXTS, min_size=width, max_size=width).map(tuple)
    return grid(*draw(st.lists(row, min_size=1, max_size=7)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", CellKind.EMPTY),
        ("?", CellKind.BLANK),
        ("=", CellKind.EQUALS),
        ("+", CellKind.OPERATOR),
        ("-", CellKind.OPERATOR),
        ("×", CellKind.OPERATOR),
        ("÷", CellKind.OPERATOR),
        ("0", CellKind.NUMBER),
        ("250", CellKind.NUMBER),
        ("x", CellKind.UNKNOWN),
        ("/", CellKind.UNKNOWN),
        ("-5", CellKind.UNKNOWN),
        ("1.5", CellKind.UNKNOWN),
        ("??", CellKind.UNKNOWN),
        ("٧", CellKind.UNKNOWN),
        ("²", CellKind.UNKNOWN),
        (" ", CellKind.UNKNOWN),
    ],
)
def test_the_kind_of_a_cell_is_read_off_its_text(text: str, kind: CellKind) -> None:
    """The text of a cell determines its kind, and only ASCII digits make a number."""
    cell = Cell(text)
    assert cell.kind is kind
    assert cell.holds_value == (kind in (CellKind.NUMBER, CellKind.BLANK))


@pytest.mark.parametrize("rows", [(), ((),), (("1",), ()), (("1", "2"), ("3",))])
def test_a_grid_is_a_rectangle(rows: tuple[tuple[str, ...], ...]) -> None:
    """Rows of different lengths are refused, and so is a grid without cells."""
    with pytest.raises(GridError, match="must have the same length"):
        grid(*rows)


def test_equations_are_found_across_then_down() -> None:
    """Both equations of a cross are found, with operands, operator and line."""
    across, down = parse_table(CROSS).equations
    assert across == Equation(Direction.ACROSS, (0, 0), "+", ("5", "?", "8"))
    assert across.operands == ((0, 0), (0, 2), (0, 4))
    assert str(across) == "row 1: 5 + ? = 8"
    assert down == Equation(Direction.DOWN, (0, 0), "×", ("5", "?", "20"))
    assert down.operands == ((0, 0), (2, 0), (4, 0))
    assert str(down) == "column 1: 5 × ? = 20"


def test_a_formula_shows_the_values_that_are_known() -> None:
    """Known values replace blanks in the formula and leave the rest alone."""
    across, _ = parse_table(CROSS).equations
    assert across.formula({(0, 2): 3, (9, 9): 1}) == "5 + 3 = 8"


@pytest.mark.parametrize(
    "row",
    [
        "| 1 | + | 2 | = |",
        "| 1 | = | 2 | + | 3 |",
        "| 1 | x | 2 | = | 3 |",
        "| 1 | + |   | = | 3 |",
        "| 1 | + | a | = | 3 |",
        "| + | 1 | = | 2 | 3 |",
    ],
)
def test_five_cells_that_are_no_equation_make_none(row: str) -> None:
    """An equation needs two operands, an operator, an equals sign and a result."""
    assert parse_table(row).equations == ()


def test_two_equations_may_share_a_row() -> None:
    """Equations are found wherever they start in a line."""
    puzzle = parse_table("| 1 | + | 2 | = | 3 |   | 9 | - | ? | = | 4 |")
    assert [equation.start for equation in puzzle.equations] == [(0, 0), (0, 6)]


@pytest.mark.parametrize("values", [[], ["3"], ["3", "4", "5"]])
def test_filling_needs_one_value_for_each_blank(values: list[str]) -> None:
    """Too few and too many values are refused."""
    with pytest.raises(GridError, match=f"2 blanks cannot take {len(values)} values"):
        parse_table(CROSS).filled(values)


@given(grids())
def test_transposing_twice_changes_nothing(puzzle: Puzzle) -> None:
    """Transposition is its own inverse, and exchanges height and width."""
    mirrored = puzzle.transposed()
    assert (mirrored.height, mirrored.width) == (puzzle.width, puzzle.height)
    assert mirrored.transposed() == puzzle


@given(grids())
def test_transposing_turns_each_equation(puzzle: Puzzle) -> None:
    """The mirrored puzzle has the same equations, read in the other direction."""
    turned = {(e.direction, e.start[::-1], e.formula()) for e in puzzle.transposed().equations}
    other = {Direction.ACROSS: Direction.DOWN, Direction.DOWN: Direction.ACROSS}
    assert turned == {(other[e.direction], e.start, e.formula()) for e in puzzle.equations}


@given(grids(), grids())
def test_a_fingerprint_is_equal_exactly_up_to_transposition(one: Puzzle, two: Puzzle) -> None:
    """A puzzle shares its fingerprint with its mirror image and nothing else."""
    # The corners are not empty, because empty margins around a grid do not count.
    one, two = (
        puzzle.replaced({(0, 0): "7", (puzzle.height - 1, puzzle.width - 1): "8"})
        for puzzle in (one, two)
    )
    assert one.fingerprint == one.transposed().fingerprint
    assert (one.fingerprint == two.fingerprint) == (two in (one, one.transposed()))


def test_what_is_around_a_grid_makes_no_other_puzzle() -> None:
    """Neither empty margins nor leading zeros can disguise a known puzzle."""
    puzzle = parse_table("| 7 | - | ? | = | 2 |")
    same = parse_table("||||||||\n|| 07 | - | ? | = | 002 ||\n||||||||")
    assert same.fingerprint == puzzle.fingerprint


@given(grids(), st.data())
def test_filling_replaces_the_blanks_and_nothing_else(puzzle: Puzzle, data: st.DataObject) -> None:
    """Values fill the blanks in reading order; every other cell keeps its text."""
    numbers = st.lists(
        st.integers(1, 999), min_size=len(puzzle.blanks), max_size=len(puzzle.blanks)
    )
    values = data.draw(numbers)
    filled = puzzle.filled(values)
    assert filled.blanks == ()
    assert [filled[blank].text for blank in puzzle.blanks] == [str(value) for value in values]
    assert filled.replaced(dict.fromkeys(puzzle.blanks, "?")) == puzzle
    assert filled == puzzle.filled([str(value) for value in values])


@given(grids())
def test_numbers_and_blanks_are_where_the_cells_are(puzzle: Puzzle) -> None:
    """Blanks come in reading order, and numbers are the integers in the cells."""
    assert list(puzzle.blanks) == sorted(puzzle.blanks)
    assert all(puzzle[blank].text == "?" for blank in puzzle.blanks)
    assert {p: str(n) for p, n in puzzle.numbers.items()} == {
        p: cell.text for p, cell in puzzle.cells() if cell.kind is CellKind.NUMBER
    }
