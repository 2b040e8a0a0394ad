r"""Scoring: from the text of a response to a score, and from scores to the published metrics.

>>> from pytest_crossmath.tasks.suite import load_suite
>>> task = load_suite("mini").tasks[0]
>>> task.target
('20', '1', '17')
>>> score = score_response(task, "20 - 3 = 17 … <answer>20, 1, 9</answer>")
>>> score.outcome, score.right, score.reason
(<Outcome.MISSED: 'missed'>, (True, True, False), 'missed: 1 of 3 blanks')

Source of the metrics: CrossMath (arXiv 2604.16256), evaluation protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pytest_crossmath.tasks.family import family_of, guarded, must_be
from pytest_crossmath.tasks.score import Finish, Outcome, Score, contradiction
from pytest_crossmath.tasks.task import Task

RULES = 1
"""Version of the rules for reading and comparing answers; `scoring` in a run record.

Increased whenever a response could be scored differently than before: runs scored by different
rules are not compared."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The published metrics over some scored problems. Fractions are from 0 to 1."""

    problems: int
    """How many problems."""
    micro: float
    """Mean over problems of the fraction of correct blanks."""
    macro: float
    """Fraction of problems with every blank correct."""
    by_step: Mapping[str, float]
    """Fraction of correct blanks, pooled, for steps ``1``, ``2``, ``3`` and ``4+``."""
    outcomes: Mapping[Outcome, int]
    """How many problems had each outcome."""


def score_response(task: Task, text: str, finish: Finish = Finish.STOP) -> Score:
    """Score one response to a task. Raises `FamilyError` if its family fails to."""
    family = family_of(task)
    if finish is not Finish.REFUSED:
        with guarded(family, f"score a response to {task.id}"):
            score = family.score(task, text, is_whole=finish is Finish.STOP)
            if score is not None:
                return _checked(task, must_be(Score, score, "score"))
    wrong = (False,) * len(task.target)
    outcome, reason = {
        Finish.STOP: (Outcome.UNPARSED, f"unparsed: {family.unparsed}"),
        Finish.LENGTH: (
            Outcome.TRUNCATED, "truncated: the token limit was reached before an answer"
        ),
        Finish.REFUSED: (Outcome.REFUSED, "refused: the model or its server declined"),
    }[finish]  # fmt: skip
    return Score(outcome, None, task.target, wrong, task.steps, reason)


def _checked(task: Task, score: Score) -> Score:
    """A family's score, if it can be kept in a record. Raises `ValueError`."""
    if (score.target, score.steps) != (task.target, task.steps):
        raise ValueError("score() returned a target or steps that are not the task's")
    if len(score.right) != len(score.target):
        raise ValueError("score() does not say for each value whether it is right")
    if said := contradiction(score.outcome, score.answer, score.target, score.right):
        raise ValueError(f"score() contradicts itself: {said}")
    return score


def summarize(scores: Sequence[Score]) -> Metrics:
    """The published metrics of one run: one score per problem. Needs at least one score."""
    return Metrics(
        problems=len(scores),
        micro=fmean(fmean(score.right) for score in scores),
        macro=fmean(score.outcome is Outcome.SOLVED for score in scores),
        by_step=step_rates((score.right, score.steps) for score in scores),
        outcomes=dict(Counter(score.outcome for score in scores)),
    )


def step_rates(blanks: Iterable[tuple[Sequence[bool], Sequence[int]]]) -> dict[str, float]:
    """The fraction of correct blanks, pooled, for steps ``1``, ``2``, ``3`` and ``4+``.

    For each problem, `blanks` says which blanks are correct, and their steps.
    """
    pools: dict[str, list[bool]] = {}
    for rights, steps in blanks:
        for right, step in zip(rights, steps, strict=True):
            if step:  # a question has none
                pools.setdefault(str(step) if step < 4 else "4+", []).append(right)
    return {step: fmean(pool) for step, pool in sorted(pools.items())}
