"""Seeded random puzzles: grow a crossword of equations, then blank what stays solvable.

>>> puzzle = generate_puzzle(PRESETS["mini"], random.Random("7/0"))
>>> len(puzzle.equations), len(puzzle.blanks)
(2, 2)

The solved grid is made first. Numbers are then removed one by one as long as forward
propagation still fills every blank, so the solution is always unique.
The same seed gives the same problems in every process and on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache

from pytest_crossmath.tasks.crossmath.grid import (
    EQUALS,
    Cell,
    Direction,
    Position,
    Puzzle,
)
from pytest_crossmath.tasks.crossmath.solver import propagate

_LAYOUT_TRIES = 60
_BLANKING_TRIES = 12

Line = tuple[Direction, Position]
"""The place of an equation: its direction and the position of ``a``."""


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """What kind of puzzle to make. All ranges are inclusive."""

    equations: tuple[int, int]
    """Number of equations."""
    blanks: tuple[int, int]
    """Number of blanks."""
    depths: tuple[int, ...]
    """Deepest step, drawn uniformly from these; repeat one to give it more weight."""
    max_number: int
    """Largest number in the solved grid."""
    max_height: int
    """Largest number of rows."""
    max_width: int
    """Largest number of columns."""
    operators: str = "+-×÷"
    """Operators, drawn uniformly from these; repeat one to give it more weight."""
    smallest_factor: int = 1
    """Smallest factor, divisor and quotient; 2 excludes equations like ``163 × 1 = 163``."""
    enclosed: bool = True
    """Whether a square that is not a cell may have cells on all four sides, like an empty box."""
    deepen: bool = False
    """Whether the first blanks are placed to form a chain of steps of the drawn depth.

    A grid that cannot take as many blanks as drawn is then kept with fewer, within the range.
    """


# Equations and operators as in the published set (966 +, 891 -, 426 ×, 290 ÷). The weights
# differ from its shares because × and ÷ fit an existing number less often.
_PUBLISHED = GeneratorSpec(
    equations=(5, 15), blanks=(3, 15), depths=(1,), max_number=250, max_height=17, max_width=21,
    smallest_factor=2, operators="+" * 20 + "-" * 18 + "×" * 14 + "÷" * 9, enclosed=False,
    deepen=True,
)  # fmt: skip

PRESETS = {
    "mini": GeneratorSpec((2, 6), (1, 3), (1, 1, 2), 20, 5, 5, "++--×"),
    "easy": _PUBLISHED,
    "medium": replace(_PUBLISHED, blanks=(4, 14), depths=(2, 2, 2, 3, 3)),
    "hard": replace(_PUBLISHED, blanks=(8, 15), depths=(3, 3, 3, 4, 4, 5, 6, 7)),
}
"""Named specifications. `mini` is what `pocket` is trained for; the others are published strata."""


MIXED = {"easy": 90, "medium": 85, "hard": 75}
"""Shares of the published strata."""


def generate_puzzle(spec: GeneratorSpec, rng: random.Random) -> Puzzle:
    """One puzzle that fits `spec`, drawn from `rng`."""
    while True:
        blanks, depth = rng.randint(*spec.blanks), rng.choice(spec.depths)
        solved = _grow(spec, rng)
        if solved is None:
            continue
        for _ in range(_BLANKING_TRIES):
            puzzle = _blank(solved, blanks, depth, spec, rng)
            if puzzle is not None:
                return puzzle


def _blank(
    solved: Puzzle, blanks: int, depth: int, spec: GeneratorSpec, rng: random.Random
) -> Puzzle | None:
    puzzle, steps = _chain(solved, depth, rng) if spec.deepen else (solved, ())
    positions = list(puzzle.numbers)
    rng.shuffle(positions)
    for position in positions:
        if len(steps) >= blanks:
            break
        candidate = puzzle.replaced({position: "?"})
        found = propagate(candidate).steps(candidate)
        if found is not None and max(found) <= depth:
            puzzle, steps = candidate, found
    fewest = spec.blanks[0] if spec.deepen else blanks
    return puzzle if len(steps) >= fewest and max(steps) == depth else None


def _chain(solved: Puzzle, depth: int, rng: random.Random) -> tuple[Puzzle, tuple[int, ...]]:
    """Place one blank per step until `depth` steps are needed, or fewer if it gets stuck."""
    puzzle = solved
    steps: tuple[int, ...] = ()
    for wanted in range(1, depth + 1):
        positions = list(puzzle.numbers)
        rng.shuffle(positions)
        for position in positions:
            candidate = puzzle.replaced({position: "?"})
            found = propagate(candidate).steps(candidate)
            if found is not None and max(found) == wanted:
                puzzle, steps = candidate, found
                break
    return puzzle, steps


def _grow(spec: GeneratorSpec, rng: random.Random) -> Puzzle | None:
    """A solved grid with the drawn number of equations; None if it gets stuck."""
    target = rng.randint(*spec.equations)
    texts: dict[Position, str] = {}
    lines: list[Line] = []
    for _ in range(max(_LAYOUT_TRIES, 10 * target)):
        line = _candidate_line(lines, rng)
        if line in lines or not _fits(line, texts, spec):
            continue
        filling = _fill(line, texts, spec, rng)
        if filling is None or (not spec.enclosed and _encloses({**texts, **filling})):
            continue
        texts.update(filling)
        lines.append(line)
        if len(lines) == target:
            return _cropped(texts)
    return None


def _candidate_line(lines: list[Line], rng: random.Random) -> Line:
    """A random line through a number of the grid, or the first line if there is none."""
    if not lines:
        return rng.choice(list(Direction)), (2, 2)
    direction, (row, column) = rng.choice(lines)
    along, shift = 2 * rng.randrange(3), 2 * rng.randrange(3)
    if direction is Direction.ACROSS:
        return Direction.DOWN, (row - shift, column + along)
    return Direction.ACROSS, (row + along, column - shift)


def _squares(line: Line) -> tuple[Position, ...]:
    direction, (row, column) = line
    if direction is Direction.ACROSS:
        return tuple((row, column + i) for i in range(5))
    return tuple((row + i, column) for i in range(5))


def _fits(line: Line, texts: dict[Position, str], spec: GeneratorSpec) -> bool:
    """Whether the line stays within bounds and touches others only where numbers cross."""
    squares = _squares(line)
    rows, columns = zip(*texts, *squares, strict=True)
    if max(rows) - min(rows) >= spec.max_height or max(columns) - min(columns) >= spec.max_width:
        return False
    down = line[0] is Direction.DOWN
    ahead, aside = ((1, 0), (0, 1)) if down else ((0, 1), (1, 0))
    (r0, c0), (r4, c4) = squares[0], squares[4]
    if (r0 - ahead[0], c0 - ahead[1]) in texts or (r4 + ahead[0], c4 + ahead[1]) in texts:
        return False
    for i, (r, c) in enumerate(squares):
        if (r, c) in texts:
            if i % 2 or not texts[r, c].isdigit():
                return False
        elif (r - aside[0], c - aside[1]) in texts or (r + aside[0], c + aside[1]) in texts:
            return False
    return True


def _encloses(texts: Collection[Position]) -> bool:
    """Whether some square that is not a cell has cells on all four sides."""
    return any(
        (r, c + 1) not in texts
        and all(p in texts for p in ((r, c + 2), (r - 1, c + 1), (r + 1, c + 1)))
        for r, c in texts
    )


def _fill(
    line: Line, texts: dict[Position, str], spec: GeneratorSpec, rng: random.Random
) -> dict[Position, str] | None:
    """Texts for the five squares, consistent with the numbers already in the grid."""
    squares = _squares(line)
    known = [int(texts[p]) if p in texts else None for p in squares[::2]]
    operator = rng.choice(spec.operators)
    numbers = _draw(operator, known, spec.max_number, rng, spec.smallest_factor)
    if numbers is None:
        return None
    a, b, c = (str(number) for number in numbers)
    return dict(zip(squares, (a, operator, b, EQUALS, c), strict=True))


def _draw(
    operator: str, known: list[int | None], top: int, rng: random.Random, smallest_factor: int = 1
) -> tuple[int, int, int] | None:
    """Random ``(a, b, c)`` up to `top` with ``a op b = c``; None if this draw does not fit."""
    a, b, c = known
    # As in the solver: "part + other = whole" or "part × other = whole", read in some order.
    part, other, whole = (a, b, c) if operator in "+×" else (b, c, a)
    additive = operator in "+-"
    least = 1 if additive else smallest_factor
    if least > 1 and part is None and other is None and whole is None:
        # The product first: a factor drawn first is usually too large to leave a choice.
        whole = rng.choice(_products(least, top))
    if part is None and other is not None:
        swapped = _draw_parts(other, part, whole, additive, top, rng, least)
        drawn = None if swapped is None else (swapped[1], swapped[0], swapped[2])
    else:
        drawn = _draw_parts(part, other, whole, additive, top, rng, least)
    if drawn is None:
        return None
    p, q, w = drawn
    return (p, q, w) if operator in "+×" else (w, p, q)


@cache
def _products(least: int, top: int) -> tuple[int, ...]:
    """The numbers up to `top` that are products of two factors of at least `least`."""
    return tuple(n for n in range(1, top + 1) if any(_divides(f, n, least) for f in range(1, n)))


def _divides(factor: int, number: int, least: int) -> bool:
    """Whether `factor` divides `number`, and both it and the quotient are at least `least`."""
    return number % factor == 0 and factor >= least and number // factor >= least


def _draw_parts(
    part: int | None,
    other: int | None,
    whole: int | None,
    additive: bool,
    top: int,
    rng: random.Random,
    least: int,
) -> tuple[int, int, int] | None:
    """Complete ``part (+|×) other = whole``; `other` may be known only if `part` is."""
    limit = top if whole is None else whole
    if part is None:
        if additive:
            if limit < 2:
                return None
            part = rng.randint(1, limit - 1)
        else:
            parts = [n for n in range(1, limit + 1) if whole is None or _divides(n, whole, least)]
            if not parts:
                return None
            part = rng.choice(parts)
    if other is None:
        if whole is not None:
            other = whole - part if additive else whole // part
        else:
            most = top - part if additive else top // part
            other = rng.randint(least, most) if most >= least else 0
    total = part + other if additive else part * other
    if min(part, other) < least or total > top or whole not in (None, total):
        return None
    return part, other, total


def _cropped(texts: dict[Position, str]) -> Puzzle:
    rows, columns = zip(*texts, strict=True)
    return Puzzle(
        tuple(
            tuple(Cell(texts.get((r, c), "")) for c in range(min(columns), max(columns) + 1))
            for r in range(min(rows), max(rows) + 1)
        )
    )
