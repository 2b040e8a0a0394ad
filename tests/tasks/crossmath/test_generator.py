"""Random puzzles."""

import os
import random
import subprocess
import sys
from collections.abc import Collection
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_crossmath.tasks.crossmath.generator import (
    PRESETS,
    GeneratorSpec,
    _draw,
    difficulty_of,
    generate_mixed,
    generate_problem,
    generate_problems,
    solution_fingerprint,
)
from pytest_crossmath.tasks.crossmath.grid import Problem
from pytest_crossmath.tasks.crossmath.solver import holds
from pytest_crossmath.tasks.suite import load_suite

MINI = PRESETS["mini"]
WIDE = GeneratorSpec((4, 7), (2, 6), (1, 2, 3), 60, 9, 11, "+-×÷")
FLAT = GeneratorSpec((1, 1), (1, 2), (1,), 9, 1, 5, "+-×÷")
SEEDS = st.integers(min_value=0)


def first(count: int, exclude: Collection[str] = ()) -> list[Problem]:
    """The first problems of the mini preset under seed 11."""
    return list(islice(generate_problems(MINI, seed=11, prefix="p", exclude=exclude), count))


def test_two_processes_make_the_same_problems() -> None:
    """The problems of a seed do not depend on the process or on its hash seed."""
    program = (
        "from itertools import islice\n"
        "from pytest_crossmath.tasks.crossmath.generator import PRESETS, generate_problems\n"
        "problems = generate_problems(PRESETS['mini'], seed=11, prefix='p')\n"
        "print([(p.id, p.table, p.key, p.steps, p.difficulty) for p in islice(problems, 20)])\n"
    )
    one, two = (
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-X", "utf8", "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    )
    here = [(p.id, p.table, p.key, p.steps, p.difficulty) for p in first(20)]
    assert one == two == f"{here}\n"


def test_two_processes_write_the_same_files(tmp_path: Path) -> None:
    """All strata with their pictures and the manifest, byte for byte."""
    found = []
    for hash_seed in ("1", "2"):
        out = tmp_path / hash_seed / "suite"
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "pytest_crossmath.cli.main", "generate", "--count", "6",
             "--seed", "3", "--style", "original", "altstyle", "--out", str(out)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True, capture_output=True,
        )  # fmt: skip
        files = sorted(path for path in out.rglob("*") if path.is_file())
        found.append({str(path.relative_to(out)): path.read_bytes() for path in files})
    assert len(found[0]) == 14
    assert found[0] == found[1]


def test_the_standard_suite_is_what_its_seed_makes() -> None:
    """The first problems of the bundled suite come out of the generator again."""
    bundled = load_suite("standard").problems[:12]
    made = islice(generate_mixed(seed=2604, prefix="standard"), 12)
    assert [(p.id, p.table, p.key, p.steps, p.difficulty) for p in made] == [
        (p.id, p.table, p.key, p.steps, p.difficulty) for p in bundled
    ]


def test_no_factor_of_the_standard_suite_is_one() -> None:
    """163 × 1 = 163 is copied and not reckoned."""
    for problem in load_suite("standard").problems:
        solved = problem.puzzle.filled(problem.key)
        for equation in solved.equations:
            a, b, c = (solved.numbers[place] for place in equation.operands)
            if equation.operator in "×÷":
                assert min(b, a if equation.operator == "×" else c) > 1


def test_another_seed_makes_other_problems() -> None:
    """Seeds are worlds apart: they share no problem among the first few."""
    other = islice(generate_problems(MINI, seed=12, prefix="p"), 20)
    assert not {p.table for p in first(20)} & {p.table for p in other}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from((MINI, WIDE, FLAT)), SEEDS)
def test_a_problem_keeps_within_its_specification(spec: GeneratorSpec, seed: int) -> None:
    """Equations, blanks, depth, numbers, size and operators stay in their ranges."""
    problem = generate_problem(spec, random.Random(seed), "p")
    puzzle = problem.puzzle
    solved = puzzle.filled(problem.key)
    assert spec.equations[0] <= len(puzzle.equations) <= spec.equations[1]
    assert spec.blanks[0] <= len(puzzle.blanks) <= spec.blanks[1]
    assert len(problem.key) == len(problem.steps) == len(puzzle.blanks)
    assert max(problem.steps) in spec.depths
    assert set(range(1, max(problem.steps) + 1)) == set(problem.steps)
    assert problem.difficulty == difficulty_of(problem.steps)
    assert all(1 <= number <= spec.max_number for number in solved.numbers.values())
    assert puzzle.height <= spec.max_height
    assert puzzle.width <= spec.max_width
    assert {equation.operator for equation in puzzle.equations} <= set(spec.operators)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from((MINI, WIDE)), SEEDS)
def test_a_problem_is_one_connected_crossword(spec: GeneratorSpec, seed: int) -> None:
    """Every cell belongs to an equation, every equation holds, and all of them hang together."""
    problem = generate_problem(spec, random.Random(seed), "p")
    solved = problem.puzzle.filled(problem.key)
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


def test_problems_are_named_and_numbered() -> None:
    """Ids are the prefix and a number of four digits that counts from one."""
    assert [problem.id for problem in first(3)] == ["p-0001", "p-0002", "p-0003"]


def test_no_two_problems_are_alike_up_to_transposition() -> None:
    """Neither a solved grid nor its mirror image is made a second time."""
    grids = [problem.puzzle.filled(problem.key) for problem in first(400)]
    seen = {grid.rows for grid in grids} | {grid.transposed().rows for grid in grids}
    symmetric = sum(grid == grid.transposed() for grid in grids)
    assert len(seen) == 2 * len(grids) - symmetric


def test_the_same_solved_grid_has_the_same_fingerprint_whatever_is_blank() -> None:
    """A fingerprint speaks of the solution: other blanks and the mirror image do not change it."""
    problem = first(1)[0]
    solved = problem.puzzle.filled(problem.key)
    place = next(place for place in solved.numbers if place not in problem.puzzle.blanks)
    other = solved.replaced({place: "?"}).transposed()
    mirrored = Problem("q", "", other, (solved[place].text,), (1,), "easy")
    assert solution_fingerprint(mirrored) == solution_fingerprint(problem)


def test_what_is_excluded_is_skipped_and_the_rest_stays() -> None:
    """Excluding some solved grids removes exactly these from the sequence."""
    problems = first(30)
    banned = {solution_fingerprint(problem) for problem in problems[::3]}
    rest = [p.table for p in problems if solution_fingerprint(p) not in banned]
    assert [p.table for p in first(len(rest), banned)] == rest


@pytest.mark.parametrize(
    ("steps", "word"),
    [((1,), "easy"), ((1, 1), "easy"), ((2, 1), "medium"), ((3, 1, 2), "hard"), ((7,), "hard")],
)
def test_the_deepest_step_says_the_difficulty(steps: tuple[int, ...], word: str) -> None:
    """One round is easy, two are medium, more are hard."""
    assert difficulty_of(steps) == word


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from("+-×÷"),
    st.lists(st.none() | st.integers(1, 15), min_size=3, max_size=3),
    SEEDS,
)
def test_drawn_numbers_hold_and_keep_what_is_known(
    op: str, known: list[int | None], seed: int
) -> None:
    """A draw either fails or completes the equation with positive numbers up to the largest."""
    drawn = _draw(op, known, 15, random.Random(seed))
    if drawn is not None:
        assert holds(op, *drawn)
        assert all(1 <= number <= 15 for number in drawn)
        assert all(k in (None, d) for k, d in zip(known, drawn, strict=True))
