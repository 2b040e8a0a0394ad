"""The solver, compared with slower ones that share no code with it."""

import operator
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_crossmath.tasks.crossmath.generator import PRESETS, GeneratorSpec
from pytest_crossmath.tasks.crossmath.solver import (
    SearchLimitError,
    count_solutions,
    holds,
    propagate,
    solve_for,
)
from pytest_crossmath.tasks.crossmath.table import parse_table
from tests.tasks.crossmath.made_up import generated

SLOW = settings(max_examples=min(25, settings().max_examples))
SEEDS = st.integers(min_value=0)
WIDE = GeneratorSpec((4, 7), (2, 6), (1, 2, 3), 60, 9, 9, "+-×÷")
SPECS = st.sampled_from((PRESETS["mini"], WIDE))

# These work on numbers as well as on arrays of numbers.
TRUTH: dict[str, Callable[..., Any]] = {
    "+": lambda a, b, c: operator.add(a, b) == c,
    "-": lambda a, b, c: operator.sub(a, b) == c,
    "×": lambda a, b, c: operator.mul(a, b) == c,
    "÷": lambda a, b, c: (b != 0) & (a == operator.mul(b, c)),
}

Known = dict[tuple[int, int], int]


def lines(table: str) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    """Operator and operand positions of each equation, taken from the text alone."""
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    for r, c in product(range(len(rows)), range(len(rows[0]))):
        for down, right in ((0, 1), (1, 0)):
            squares = [(r + i * down, c + i * right) for i in range(5)]
            if squares[4][0] < len(rows) and squares[4][1] < len(rows[0]):
                a, op, b, equals, result = (rows[y][x] for y, x in squares)
                if op in TRUTH and equals == "=" and a and b and result:
                    yield op, tuple(squares[::2])


def givens(table: str) -> Known:
    """The numbers printed in a table."""
    return {
        (r, c): int(cell)
        for r, row in enumerate(table.splitlines())
        for c, cell in enumerate(row.split("|")[1:-1])
        if cell.strip().isdigit()
    }


def slow_rounds(table: str, top: int) -> tuple[Known, Known]:
    """Values and rounds, found by trying every number from 1 to `top` in every equation."""
    values, current = givens(table), 0
    rounds: Known = {}
    while True:
        current += 1
        found = {}
        for op, places in lines(table):
            unknown = [place for place in places if place not in values]
            if len(unknown) == 1:
                for guess in range(1, top + 1):
                    a, b, c = (values.get(place, guess) for place in places)
                    if TRUTH[op](a, b, c):
                        found[unknown[0]] = guess
        if not found:
            return values, rounds
        values.update(found)
        rounds.update(dict.fromkeys(found, current))


@given(SPECS, SEEDS)
def test_propagation_reproduces_the_key_and_the_steps(spec: GeneratorSpec, seed: int) -> None:
    """Forward propagation alone finds every value that the generator removed."""
    problem = generated(spec, seed)
    state = propagate(problem.content)
    assert tuple(str(state.values[blank]) for blank in problem.content.blanks) == problem.key
    assert state.steps(problem.content) == problem.steps
    assert state.contradictions == ()


@given(SPECS, SEEDS)
def test_steps_are_rounds_of_filling_what_is_alone_unknown(spec: GeneratorSpec, seed: int) -> None:
    """A slow solver that tries every number finds the same values in the same rounds."""
    problem = generated(spec, seed)
    values, rounds = slow_rounds(problem.text, spec.max_number)
    state = propagate(problem.content)
    assert state.values == values
    assert {d.position: d.step for d in state.deductions} == rounds


@SLOW
@given(SPECS, SEEDS)
def test_a_generated_problem_has_one_solution(spec: GeneratorSpec, seed: int) -> None:
    """A puzzle that propagation solves cannot be solved in another way."""
    assert count_solutions(generated(spec, seed).content) == 1


@given(SPECS, SEEDS, st.data())
def test_deductions_come_in_solving_order(
    spec: GeneratorSpec, seed: int, data: st.DataObject
) -> None:
    """Deductions are sorted by round and position, and each equation supports its own."""
    problem = generated(spec, seed)
    state = propagate(problem.content)
    order = [(deduction.step, deduction.position) for deduction in state.deductions]
    assert order == sorted(order)
    for deduction in state.deductions:
        a, b, c = (state.values[place] for place in deduction.equation.operands)
        assert deduction.position in deduction.equation.operands
        assert TRUTH[deduction.equation.operator](a, b, c)


@given(
    st.sampled_from("+-×÷"),
    st.lists(st.integers(0, 12), min_size=3, max_size=3),
    st.integers(0, 2),
)
def test_solving_for_one_unknown_agrees_with_trying_all(
    op: str, numbers: list[int], gap: int
) -> None:
    """The value is the only positive integer that fits; if none or several fit, there is none."""
    fitting = []
    for guess in range(1, 200):
        a, b, c = (guess if i == gap else number for i, number in enumerate(numbers))
        if TRUTH[op](a, b, c):
            fitting.append(guess)
    known = [None if i == gap else number for i, number in enumerate(numbers)]
    assert solve_for(op, known) == (fitting[0] if len(fitting) == 1 else None)


@given(st.sampled_from("+-×÷"), st.integers(0, 30), st.integers(0, 30), st.integers(0, 60))
def test_an_equation_holds_as_arithmetic_says(op: str, a: int, b: int, c: int) -> None:
    """Each operator has its usual meaning, and division must leave no remainder."""
    assert holds(op, a, b, c) == TRUTH[op](a, b, c)


@pytest.mark.parametrize("op", ["x", "/", "", "="])
def test_nothing_holds_under_a_sign_that_is_no_operator(op: str) -> None:
    """An equation with an unknown sign is never true."""
    assert not holds(op, 1, 1, 1)


@pytest.mark.parametrize(
    ("table", "count"),
    [
        ("| 7 | - | ? | = | 2 |", 1),
        ("| 7 | - | 5 | = | 2 |", 1),
        ("| ? | + | ? | = | 2 |", 1),
        ("| ? | × | ? | = | 1 |", 1),
        ("| ? | + | ? | = | 3 |", 2),
        ("| ? | ÷ | ? | = | 9 |", 9),
        ("| ? | + | ? | = | 5 |", 4),
        ("| ? | × | ? | = | 12 |", 6),
        ("| ? | + | ? | = | 99 |", 9),
        ("| ? |", 9),
        ("| 2 | - | ? | = | 7 |", 0),
        ("| 7 | - | 7 | = | ? |", 0),
        ("| 5 | × | ? | = | 7 |", 0),
        ("| ? | + | ? | = | 1 |", 0),
        ("| 1 | + | 1 | = | 3 |", 0),
        ("| 1 | + | ? | = | 3 | + | ? | = | 9 |", 1),
    ],
)
def test_solutions_are_counted_up_to_the_limit(table: str, count: int) -> None:
    """Unique, ambiguous and contradictory puzzles differ in count, and counting stops at nine."""
    assert count_solutions(parse_table(table), limit=9) == count
    assert count_solutions(parse_table(table)) == min(count, 2)


def test_a_search_without_end_is_given_up() -> None:
    """Two even numbers that differ by one, next to open sums: trying all would take years."""
    open_sums = "| ? | + | ? | = | 900 |\n||||||\n" * 3
    parity = "| ? | × | 2 | = | ? |\n||||| - |\n| ? | × | 2 | = | ? |\n||||| = |\n||||| 1 |"
    assert count_solutions(parse_table(parity), max_value=99) == 0
    with pytest.raises(SearchLimitError, match="given up"):
        count_solutions(parse_table(open_sums + parity))


@SLOW
@given(SEEDS, st.data())
def test_counting_agrees_with_trying_every_pair(seed: int, data: st.DataObject) -> None:
    """With two random blanks, a brute-force search agrees on unique, ambiguous or contradictory."""
    problem = generated(PRESETS["mini"], seed)
    solved = problem.content.filled(problem.key)
    blanks = sorted(
        data.draw(st.lists(st.sampled_from(sorted(solved.numbers)), min_size=2, max_size=2))
    )
    spoiled = data.draw(st.sampled_from(sorted(solved.numbers)))
    shown = data.draw(st.integers(1, 20))
    puzzle = solved.replaced({spoiled: str(shown)}).replaced(dict.fromkeys(blanks, "?"))
    equations = [(TRUTH[e.operator], e.operands) for e in puzzle.equations]
    # Values up to 60 are tried, but a value deduced from them may be larger: 4 × 60 = 240.
    guesses = np.meshgrid(*[np.arange(1, 1301)] * len(puzzle.blanks))
    values = {**puzzle.numbers, **dict(zip(puzzle.blanks, guesses, strict=True))}
    right = np.ones_like(guesses[0], dtype=bool)
    for true, places in equations:
        right &= true(*(values[place] for place in places))
    small = right & np.all([guess <= 60 for guess in guesses], axis=0)
    assert min(small.sum(), 2) <= count_solutions(puzzle, max_value=60) <= min(right.sum(), 2)


def test_a_contradiction_is_reported_and_not_raised() -> None:
    """If two equations require different values for a blank, one fills it, the other is named."""
    rows = ["| ? | + | 1 | = | 3 |", *(f"| {c} |   |   |   |   |" for c in "+1=9")]
    puzzle = parse_table("\n".join(rows))
    state = propagate(puzzle)
    assert [(d.position, d.value) for d in state.deductions] == [((0, 0), 2)]
    assert [str(equation) for equation in state.contradictions] == ["column 1: ? + 1 = 9"]


def test_values_taken_as_given_are_built_upon() -> None:
    """A blank whose value is given is not deduced again, and other deductions follow from it."""
    puzzle = parse_table("| ? | + | ? | = | 5 |")
    state = propagate(puzzle, {(0, 0): 2})
    assert [(d.position, d.value, d.step) for d in state.deductions] == [((0, 2), 3, 1)]


def test_steps_are_unknown_where_a_blank_stays_open() -> None:
    """A puzzle that propagation cannot complete has no steps."""
    puzzle = parse_table("| ? | + | ? | = | 5 |")
    assert propagate(puzzle).steps(puzzle) is None
