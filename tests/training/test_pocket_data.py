"""The training data of `pocket`."""

import random

import pytest

from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.crossmath.grid import Puzzle
from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from pytest_crossmath.tasks.crossmath.table import parse_table
from pytest_crossmath.tasks.crossmath.worked import brief_solution
from pytest_crossmath.tasks.provable import fingerprint_of
from pytest_crossmath.tasks.suite import load_suite, taken_fingerprints
from pytest_crossmath.training.pocket.data import draw_problem
from pytest_crossmath.training.pocket.evaluation import read_answer
from pytest_crossmath.training.pocket.pictures import Jitter, draw_picture, shifted
from pytest_crossmath.training.pocket.wordings import OTHER_WORDINGS, WordingMix, draw_wording

PUZZLE = parse_table("| 7 | - | ? | = | 2 |")


def test_trace_walks_in_solving_order_and_answers_in_reading_order() -> None:
    """Each line uses only values from the lines above it; the answer follows the key's order."""
    problem = load_suite("mini").tasks[0]
    assert brief_solution(problem).splitlines() == [
        "column 5: 1 × ? = 1 → r3c5 = 1",
        "row 5: ? - 16 = 1 → r5c1 = 17",
        "column 1: ? - 3 = 17 → r1c1 = 20",
        "<answer>20, 1, 17</answer>",
    ]


def test_every_trace_answers_with_the_key() -> None:
    """The answer read from a worked solution equals the key, for the whole suite."""
    for problem in load_suite("mini").tasks:
        assert read_answer(brief_solution(problem)) == list(problem.key)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("<answer>3</answer>", ["3"]),
        ("<answer>1</answer> no: <answer>2,  4</answer>", ["2", "4"]),
        ("<answer>5, 6", ["5", "6"]),
        ("I do not know", []),
        ("", []),
    ],
)
def test_last_answer_counts(text: str, values: list[str]) -> None:
    """The last answer is read, even an unclosed one; without an answer the list is empty."""
    assert read_answer(text) == values


def test_problems_depend_on_the_seed_alone() -> None:
    """The same seed gives the same problems, a different seed gives different ones."""
    first, again, other = (draw_problem(random.Random(s), ()) for s in ("1/a/0", "1/a/0", "2/a/0"))
    assert first == again
    assert first.text != other.text


def test_an_excluded_grid_is_never_drawn() -> None:
    """Excluding the grid that a seed would draw gives a different grid."""
    fingerprint = FAMILY.fingerprint(draw_problem(random.Random("x"), ()))
    assert FAMILY.fingerprint(draw_problem(random.Random("x"), {fingerprint})) != fingerprint


def test_the_bundled_suites_are_held_out() -> None:
    """Every solved grid of the mini suite is in the set that training avoids."""
    fingerprints = {fingerprint_of(problem) for problem in load_suite("mini").tasks}
    assert fingerprints <= taken_fingerprints()


def test_pictures_depend_on_the_seed_alone() -> None:
    """The same seed gives the same jittered picture, a different seed gives a different one."""
    first, again, other = (_picture(PUZZLE, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_shift_moves_whole_pixels() -> None:
    """The uncovered edges are background."""
    picture = draw_picture(PUZZLE, random.Random(3), Jitter())
    moved = shifted(picture, 2, -1, (9, 8, 7))
    assert moved.size == picture.size
    assert moved.getpixel((12, 10)) == picture.getpixel((10, 11))
    assert moved.getpixel((0, 0)) == (9, 8, 7)


def test_wordings_follow_their_shares() -> None:
    """Shares of 1 always give the instruction or another wording; shares of 0, random words."""
    rng = random.Random(4)
    assert draw_wording(rng, WordingMix(own=1.0, other=0.0)) == INSTRUCTION
    assert draw_wording(rng, WordingMix(own=0.0, other=1.0)) in OTHER_WORDINGS
    assert len(draw_wording(rng, WordingMix(own=0.0, other=0.0)).split()) <= 12


def _picture(puzzle: Puzzle, seed: int) -> bytes:
    return draw_picture(puzzle, random.Random(seed), Jitter()).tobytes()
