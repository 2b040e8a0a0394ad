"""Gates decided early: when, in which order, and how often wrongly."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_crossmath.gating.gate import Word
from pytest_crossmath.gating.gates import parse_gate
from pytest_crossmath.gating.sequential import ALPHA, random_order, sequential_words
from pytest_crossmath.gating.verdicts import Evidence
from pytest_crossmath.tasks.score import Outcome
from tests.gating.made_up import results

HALF = parse_gate("fail-under", "image:50%")
DROP = parse_gate("compare-fail", "image:5%")


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [("1" * 40, Word.PASS), ("0" * 40, Word.FAIL), ("10" * 20, None), ("", None)],
)
def test_a_clear_case_is_decided_on_the_way(outcomes: str, word: Word | None) -> None:
    """And one that is not, is left to the full run."""
    assert sequential_words([HALF], Evidence(results(image=outcomes))) == [word]


@pytest.mark.parametrize(
    ("new", "word"),
    [("1" * 400, Word.PASS), ("0" * 160 + "1" * 240, Word.FAIL)],
    ids=["as before", "worse"],
)
def test_a_comparison_is_decided_on_the_way(new: str, word: Word) -> None:
    """Paired with the other run."""
    base = results(image="1" * 400)
    assert sequential_words([DROP], Evidence(results(image=new), base)) == [word]


def test_it_looks_no_further_than_the_first_problem_that_is_open() -> None:
    """In the random order: what was answered out of turn would not be a random sample."""
    seen = results(image="1" * 100)
    first = min(seen, key=lambda result: random_order(result.problem))
    seen[seen.index(first)] = replace(first, outcome=Outcome.ERROR, right=(False,))
    assert sequential_words([HALF], Evidence(seen)) == [None]


def test_the_order_is_not_that_of_the_suite() -> None:
    """Suites are sorted by difficulty: their first problems are no sample of all."""
    ids = [f"p{number:03}" for number in range(100)]
    order = sorted(ids, key=random_order)
    assert order != ids
    assert sum(id < "p050" for id in order[:50]) in range(15, 36)


def test_false_decisions_are_as_rare_as_stated() -> None:
    """A model right at the limit is decided, either way, in at most 1 run of 100 each."""
    draw = random.Random(7)
    gate = parse_gate("fail-under", "image:70%")
    runs = 400
    words = [
        sequential_words(
            [gate],
            Evidence(results(image="".join("01"[draw.random() < 0.7] for _ in range(150)))),
        )[0]
        for _ in range(runs)
    ]
    # Binomial with chance 0.02 in all: more than 20 of 400 has a chance below 1 in 10,000.
    assert sum(word is not None for word in words) <= 20
    assert ALPHA == 0.01
