"""The basic types of the family: cells, equations, puzzles.

A cross-math puzzle is a crossword of equations ``a op b = c``, read across
and down, over positive integers. Here two equations share the ``5``::

    | 5 | + | ? | = | 8 |      row 1:     5 + ? = 8
    | × |   |   |   |   |
    | ? |   |   |   |   |
    | = |   |   |   |   |
    | 20 |  |   |   |   |      column 1:  5 × ? = 20

>>> from pytest_crossmath.tasks.crossmath.table import parse_table
>>> puzzle = parse_table("| 5 | + | ? | = | 8 |")
>>> [str(equation) for equation in puzzle.equations]
['row 1: 5 + ? = 8']
>>> puzzle.blanks
((0, 2),)

Source: CrossMath (arXiv 2604.16256), section on the construction of puzzles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from pytest_crossmath.errors import GridError

OPERATORS = ("+", "-", "×", "÷")
EQUALS = "="
BLANK = "?"
MEANT = {
    "x": "×", "X": "×", "*": "×", "·": "×", "✕": "×", "/": "÷", ":": "÷", "−": "-", "–": "-",
}  # fmt: skip
"""What people and models write instead of a sign in the alphabet."""

Position = tuple[int, int]
"""Row and column of a cell, both counted from 0."""


class CellKind(StrEnum):
    """What a cell holds."""

    EMPTY = "empty"
    NUMBER = "number"
    BLANK = "blank"
    OPERATOR = "operator"
    EQUALS = "equals"
    UNKNOWN = "unknown"
    """Text outside the alphabet. Published files contain some; `verify` reports it."""


class Direction(StrEnum):
    """The direction in which an equation is read."""

    ACROSS = "across"
    DOWN = "down"


_MOST_DIGITS = 18
"""A longer sequence of digits is not treated as a number."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One square of the grid."""

    text: str
    """Its text: digits, an operator, ``=``, ``?``, or nothing."""

    @property
    def kind(self) -> CellKind:
        """The kind, determined by the text."""
        if self.text == "":
            return CellKind.EMPTY
        if self.text == BLANK:
            return CellKind.BLANK
        if self.text == EQUALS:
            return CellKind.EQUALS
        if self.text in OPERATORS:
            return CellKind.OPERATOR
        if self.text.isascii() and self.text.isdigit() and len(self.text) <= _MOST_DIGITS:
            return CellKind.NUMBER
        return CellKind.UNKNOWN

    @property
    def holds_value(self) -> bool:
        """Whether this is a number or a blank."""
        return self.kind in (CellKind.NUMBER, CellKind.BLANK)


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation ``a op b = c`` in five consecutive cells."""

    direction: Direction
    """Across or down."""
    start: Position
    """Position of ``a``."""
    operator: str
    """One of `OPERATORS`."""
    texts: tuple[str, str, str]
    """What the puzzle shows for ``a``, ``b`` and ``c``; a blank is ``?``."""

    @property
    def cells(self) -> tuple[Position, ...]:
        """Positions of all five cells."""
        row, column = self.start
        if self.direction is Direction.ACROSS:
            return tuple((row, column + i) for i in range(5))
        return tuple((row + i, column) for i in range(5))

    @property
    def operands(self) -> tuple[Position, Position, Position]:
        """Positions of ``a``, ``b`` and ``c``."""
        a, _, b, _, c = self.cells
        return a, b, c

    @property
    def line(self) -> str:
        """Its row or column, counted from 1: ``row 3`` or ``column 1``."""
        if self.direction is Direction.ACROSS:
            return f"row {self.start[0] + 1}"
        return f"column {self.start[1] + 1}"

    def formula(self, values: Mapping[Position, int] | None = None) -> str:
        """The text ``a op b = c``, with known `values` filled in."""
        known = values or {}
        a, b, c = (
            str(known.get(position, text))
            for position, text in zip(self.operands, self.texts, strict=True)
        )
        return f"{a} {self.operator} {b} {EQUALS} {c}"

    def __str__(self) -> str:
        return f"{self.line}: {self.formula()}"


@dataclass(frozen=True)
class Puzzle:
    """A grid of cells, as a solver sees it."""

    rows: tuple[tuple[Cell, ...], ...]
    """The cells, row by row; all rows have the same length."""

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.rows}
        if len(widths) != 1 or widths == {0}:
            raise GridError(f"the rows of a grid must have the same length, not {sorted(widths)}")

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.rows[0])

    def __getitem__(self, position: Position) -> Cell:
        return self.rows[position[0]][position[1]]

    def cells(self) -> Iterator[tuple[Position, Cell]]:
        """Every cell with its position, in reading order."""
        for r, row in enumerate(self.rows):
            for c, cell in enumerate(row):
                yield (r, c), cell

    @cached_property
    def blanks(self) -> tuple[Position, ...]:
        """Positions of the blanks in reading order, the order of a key."""
        return tuple(position for position, cell in self.cells() if cell.text == BLANK)

    @cached_property
    def numbers(self) -> Mapping[Position, int]:
        """The numbers that are given."""
        return {p: int(cell.text) for p, cell in self.cells() if cell.kind is CellKind.NUMBER}

    @cached_property
    def equations(self) -> tuple[Equation, ...]:
        """All equations: first those across, in reading order, then those down."""
        across = _equations_in(self.rows, Direction.ACROSS)
        down = _equations_in(tuple(zip(*self.rows, strict=True)), Direction.DOWN)
        return (*across, *down)

    @cached_property
    def strays(self) -> tuple[Position, ...]:
        """Positions of the cells that are not part of any equation, in reading order."""
        covered = {position for equation in self.equations for position in equation.cells}
        return tuple(p for p, cell in self.cells() if cell.text and p not in covered)

    def filled(self, values: Sequence[str] | Sequence[int]) -> Puzzle:
        """The puzzle with its blanks replaced, in reading order.

        Raises `GridError` if there are more or fewer values than blanks.
        """
        if len(values) != len(self.blanks):
            raise GridError(f"{len(self.blanks)} blanks cannot take {len(values)} values")
        at = dict(zip(self.blanks, values, strict=True))
        return self.replaced({position: str(value) for position, value in at.items()})

    def replaced(self, texts: Mapping[Position, str]) -> Puzzle:
        """The puzzle with these texts at these positions."""
        return Puzzle(
            tuple(
                tuple(Cell(texts.get((r, c), cell.text)) for c, cell in enumerate(row))
                for r, row in enumerate(self.rows)
            )
        )

    def transposed(self) -> Puzzle:
        """The puzzle with rows and columns exchanged, that is, mirrored at its diagonal."""
        return Puzzle(tuple(zip(*self.rows, strict=True)))

    @property
    def bare(self) -> str:
        """The grid as text, without the empty rows and columns around it."""
        return _plain(self)

    @property
    def fingerprint(self) -> str:
        """A text that is equal for two puzzles exactly if they are equal up to transposition.

        Empty rows and columns around the grid and leading zeros make no difference.
        """
        return min(_plain(self), _plain(self.transposed()))


def as_meant(puzzle: Puzzle) -> Puzzle:
    """The puzzle with variants of signs replaced, so that they do not hide other defects."""
    return puzzle.replaced(
        {p: MEANT[cell.text] for p, cell in puzzle.cells() if cell.text in MEANT}
    )


def at(position: Position) -> str:
    """A cell's name, counted from 1: ``row 3, column 1`` is the first cell of the third row."""
    return f"row {position[0] + 1}, column {position[1] + 1}"


def _equations_in(lines: tuple[tuple[Cell, ...], ...], direction: Direction) -> Iterator[Equation]:
    for i, line in enumerate(lines):
        for j in range(len(line) - 4):
            a, op, b, equals, c = line[j : j + 5]
            if (
                op.kind is CellKind.OPERATOR
                and equals.kind is CellKind.EQUALS
                and a.holds_value
                and b.holds_value
                and c.holds_value
            ):
                start = (i, j) if direction is Direction.ACROSS else (j, i)
                yield Equation(direction, start, op.text, (a.text, b.text, c.text))


def _plain(puzzle: Puzzle) -> str:
    places = [position for position, cell in puzzle.cells() if cell.text] or [(0, 0)]
    rows, columns = zip(*places, strict=True)
    top, bottom, left, right = min(rows), max(rows), min(columns), max(columns)
    return "\n".join(
        "|".join(
            str(int(cell.text)) if cell.kind is CellKind.NUMBER else cell.text
            for cell in row[left : right + 1]
        )
        for row in puzzle.rows[top : bottom + 1]
    )
