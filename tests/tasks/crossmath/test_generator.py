"""Random puzzles."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.crossmath.generator import (
    PRESETS,
    GeneratorSpec,
    _draw,
)
from pytest_crossmath.tasks.crossmath.solver import holds
from pytest_crossmath.tasks.crossmath.table import format_table
from pytest_crossmath.tasks.suite import load_suite
from tests.tasks.crossmath.made_up import generated, grid

MINI = PRESETS["mini"]
WIDE = GeneratorSpec((4, 7), (2, 6), (1, 2, 3), 60, 9, 11, "+-×÷")
FLAT = GeneratorSpec((1, 1), (1, 2), (1,), 9, 1, 5, "+-×÷")
SEEDS = st.integers(min_value=0)


def test_no_factor_of_the_standard_suite_is_one() -> None:
    """An equation like 163 × 1 = 163 can be copied without any arithmetic."""
    for problem in load_suite("standard").tasks:
        solved = problem.content.filled(problem.key)
        for equation in solved.equations:
            a, b, c = (solved.numbers[place] for place in equation.operands)
            if equation.operator in "×÷":
                assert min(b, a if equation.operator == "×" else c) > 1


@given(st.sampled_from((MINI, WIDE, FLAT)), SEEDS)
def test_a_problem_keeps_within_its_specification(spec: GeneratorSpec, seed: int) -> None:
    """Equations, blanks, depth, numbers, size and operators stay in their ranges."""
    problem = generated(spec, seed)
    puzzle = problem.content
    solved = puzzle.filled(problem.key)
    assert spec.equations[0] <= len(puzzle.equations) <= spec.equations[1]
    assert spec.blanks[0] <= len(puzzle.blanks) <= spec.blanks[1]
    assert len(problem.key) == len(problem.steps) == len(puzzle.blanks)
    assert max(problem.steps) in spec.depths
    assert set(range(1, max(problem.steps) + 1)) == set(problem.steps)
    assert problem.difficulty == {1: "easy", 2: "medium"}.get(max(problem.steps), "hard")
    assert all(1 <= number <= spec.max_number for number in solved.numbers.values())
    assert puzzle.height <= spec.max_height
    assert puzzle.width <= spec.max_width
    assert {equation.operator for equation in puzzle.equations} <= set(spec.operators)


@given(st.sampled_from((MINI, WIDE)), SEEDS)
def test_a_problem_is_one_connected_crossword(spec: GeneratorSpec, seed: int) -> None:
    """Every cell belongs to an equation, every equation holds, and all of them are connected."""
    problem = generated(spec, seed)
    solved = problem.content.filled(problem.key)
    for equation in solved.equations:
        a, b, c = (solved.numbers[place] for place in equation.operands)
        assert holds(equation.operator, a, b, c)
    reached = set(solved.equations[0].operands)
    for _ in solved.equations:
        for equation in solved.equations:
            if reached & set(equation.operands):
                reached.update(equation.operands)
    assert reached == set(solved.numbers)
    signs = sum(cell.text in {*"+-×÷="} for _, cell in solved.cells())
    assert signs == 2 * len(solved.equations)


def test_the_same_solved_grid_has_the_same_fingerprint_whatever_is_blank() -> None:
    """A fingerprint depends on the solution only: neither blanks nor mirroring change it."""
    problem = generated(MINI, 11)
    solved = problem.content.filled(problem.key)
    place = next(place for place in solved.numbers if place not in problem.content.blanks)
    other = solved.replaced({place: "?"}).transposed()
    mirrored = grid(format_table(other), (solved[place].text,), id="q")
    assert FAMILY.fingerprint(mirrored) == FAMILY.fingerprint(problem)


@pytest.mark.parametrize(
    ("steps", "word"),
    [((1,), "easy"), ((1, 1), "easy"), ((2, 1), "medium"), ((3, 1, 2), "hard"), ((7,), "hard")],
)
def test_the_deepest_step_says_the_difficulty(steps: tuple[int, ...], word: str) -> None:
    """One round is easy, two are medium, and more are hard."""
    assert FAMILY.difficulty("mini", steps) == word


@given(
    st.sampled_from("+-×÷"),
    st.lists(st.none() | st.integers(1, 15), min_size=3, max_size=3),
    SEEDS,
)
def test_drawn_numbers_hold_and_keep_what_is_known(
    op: str, known: list[int | None], seed: int
) -> None:
    """A draw either fails or completes the equation with positive numbers within the limit."""
    drawn = _draw(op, known, 15, random.Random(seed))
    if drawn is not None:
        assert holds(op, *drawn)
        assert all(1 <= number <= 15 for number in drawn)
        assert all(k in (None, d) for k, d in zip(known, drawn, strict=True))
