"""The exact solver: forward propagation, its rounds, and a search for other solutions.

Round *k* fills every blank that is the only unknown in some equation, given what the rounds
before *k* filled. That round is the blank's **step**.

>>> from pytest_crossmath.tasks.crossmath.table import parse_table
>>> puzzle = parse_table("| 7 | - | ? | = | 2 |")
>>> [(d.position, d.value, d.step) for d in propagate(puzzle).deductions]
[((0, 2), 5, 1)]
>>> count_solutions(puzzle)
1

Source: CrossMath (arXiv 2604.16256), step-wise evaluation. The rounds defined
here reproduce the step labels of the published set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from pytest_crossmath.errors import CrossmathError
from pytest_crossmath.tasks.crossmath.grid import Equation, Position, Puzzle

_MOST_WORK = 500_000
"""Maximum number of squares that a search may look at, over all tries."""


@dataclass(frozen=True, slots=True)
class Deduction:
    """One blank filled by one equation."""

    position: Position
    """The blank."""
    value: int
    """Its value, a positive integer."""
    step: int
    """The round in which it is filled, from 1."""
    equation: Equation
    """The equation in which it was the only unknown."""


@dataclass(frozen=True, slots=True)
class Propagation:
    """What forward propagation finds."""

    deductions: tuple[Deduction, ...]
    """The deductions in solving order: by round, and in reading order within a round."""
    values: Mapping[Position, int]
    """Every known number, given or deduced."""
    contradictions: tuple[Equation, ...]
    """Equations that cannot hold, given the numbers and the deductions."""

    def steps(self, puzzle: Puzzle) -> tuple[int, ...] | None:
        """The step of each blank in reading order; None if any blank stays unknown."""
        at = {deduction.position: deduction.step for deduction in self.deductions}
        if any(blank not in at for blank in puzzle.blanks):
            return None
        return tuple(at[blank] for blank in puzzle.blanks)


def holds(operator: str, a: int, b: int, c: int) -> bool:
    """Whether ``a op b = c``; division must be exact."""
    match operator:
        case "+":
            return a + b == c
        case "-":
            return a - b == c
        case "×":
            return a * b == c
        case "÷":
            return b != 0 and a == b * c
    return False


def violated(puzzle: Puzzle, values: Mapping[Position, int]) -> list[Equation]:
    """The equations that do not hold in positive integers; `values` must have every operand."""
    return [
        equation
        for equation in puzzle.equations
        if min(abc := [values[position] for position in equation.operands]) < 1
        or not holds(equation.operator, *abc)
    ]


def solve_for(operator: str, values: Sequence[int | None]) -> int | None:
    """The positive integer for the one None among ``(a, b, c)``; None if no integer fits."""
    a, b, c = values
    # Every equation is "part + other = whole" or "part × other = whole", read in some order.
    part, other, whole = (a, b, c) if operator in "+×" else (b, c, a)
    additive = operator in "+-"
    found: int | None
    if whole is None:
        assert part is not None
        assert other is not None
        found = part + other if additive else part * other
    else:
        known = part if other is None else other
        assert known is not None
        if additive:
            found = whole - known
        else:
            found = whole // known if known and whole % known == 0 else None
    return found if found is not None and found > 0 else None


def propagate(puzzle: Puzzle, known: Mapping[Position, int] | None = None) -> Propagation:
    """Fill every blank that some equation determines, round by round.

    `known` are values of blanks that are taken as given. Contradictions are reported, not
    raised, because some published puzzles contain them.
    """
    values = {**puzzle.numbers, **(known or {})}
    deductions: list[Deduction] = []
    step = 0
    while True:
        step += 1
        found = _round(puzzle, values, step)
        if not found:
            break
        deductions.extend(found[position] for position in sorted(found))
        values.update((d.position, d.value) for d in found.values())
    wrong = tuple(e for e in puzzle.equations if _contradicts(e, values))
    return Propagation(tuple(deductions), values, wrong)


class SearchLimitError(CrossmathError):
    """A search for solutions was abandoned after too many tries."""


def count_solutions(
    puzzle: Puzzle, *, limit: int = 2, max_value: int = 999, max_tries: int | None = None
) -> int:
    """The number of solutions in positive integers, counted up to `limit`.

    If propagation fills every blank, the solution is unique among all integers. Otherwise
    values up to `max_value` are tried for the open blanks.

    Raises `SearchLimitError` after `max_tries` values without a result, by default after a few
    seconds: every unconstrained blank multiplies the number of tries.
    """
    if max_tries is None:
        max_tries = max(100, _MOST_WORK // (puzzle.height * puzzle.width))
    return sum(1 for _ in islice(_search(puzzle, {}, max_value, iter(range(max_tries))), limit))


def _round(puzzle: Puzzle, values: Mapping[Position, int], step: int) -> dict[Position, Deduction]:
    found: dict[Position, Deduction] = {}
    for equation in puzzle.equations:
        operands = equation.operands
        unknown = [p for p in operands if p not in values]
        if len(unknown) != 1 or unknown[0] in found:
            continue
        value = solve_for(equation.operator, [values.get(p) for p in operands])
        if value is not None:
            found[unknown[0]] = Deduction(unknown[0], value, step, equation)
    return found


def _contradicts(equation: Equation, values: Mapping[Position, int]) -> bool:
    """Whether no positive integers can make the equation hold; False with two unknowns or more."""
    a, b, c = (values.get(p) for p in equation.operands)
    if a is not None and b is not None and c is not None:
        return not holds(equation.operator, a, b, c)
    if [a, b, c].count(None) == 1:
        return solve_for(equation.operator, [a, b, c]) is None
    return False


def _search(
    puzzle: Puzzle, known: dict[Position, int], max_value: int, tries: Iterator[int]
) -> Iterator[Mapping[Position, int]]:
    if next(tries, None) is None:
        raise SearchLimitError("the search for other solutions was given up: too many open blanks")
    state = propagate(puzzle, known)
    if state.contradictions:
        return
    open_blanks = [blank for blank in puzzle.blanks if blank not in state.values]
    if not open_blanks:
        yield state.values
        return
    # Branch on the blank whose equations have the most known numbers: most values fail at once.
    blank = max(open_blanks, key=lambda p: _known_neighbours(puzzle, p, state.values))
    for value in range(1, max_value + 1):
        yield from _search(puzzle, {**state.values, blank: value}, max_value, tries)


def _known_neighbours(puzzle: Puzzle, blank: Position, values: Mapping[Position, int]) -> int:
    return max(
        (sum(p in values for p in e.operands) for e in puzzle.equations if blank in e.operands),
        default=0,
    )
