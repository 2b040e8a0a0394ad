r"""Scores: from the text of a response to right and wrong blanks, and to metrics.

>>> from pytest_crossmath.puzzle.suite import load_suite
>>> problem = load_suite("mini").problems[0]
>>> problem.key
('20', '1', '17')
>>> score = score_response(problem, "20 - 3 = 17 … <answer>20, 1, 9</answer>")
>>> score.outcome, score.right, score.reason
(<Outcome.MISSED: 'missed'>, (True, True, False), 'missed: 1 of 3 blanks')

The answer is the last ``<answer>…</answer>`` outside any thinking block. Its
values are compared with the key by position, as numbers. A value that is
missing between two commas or pipes keeps its place, so one gap does not shift the
rest; a line may end in a comma or stand between pipes, and empty lines do not count.

Source of the metrics: CrossMath (arXiv 2604.16256), evaluation protocol.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from statistics import fmean

from pytest_crossmath.errors import GridError
from pytest_crossmath.puzzle.grid import Problem
from pytest_crossmath.puzzle.solver import propagate

_ANSWER_TAG = re.compile(r"</?answer>", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,2})?")
_MINUS = str.maketrans(
    dict.fromkeys("\N{MINUS SIGN}\N{EN DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}", "-")
)
_SEPARATORS = re.compile(r"[,|;]")
_THOUSANDS = re.compile(r"(?<![\d.])(?<!\d,)\d{1,3}(,\d{3})+(?!,?\d)")
_DECORATION = " \t\r*_`$\"'()[]{}"
_MAX_ANSWER = 10_000
"""Characters of an answer that are looked at; a longer one is no list of numbers."""


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    """It ended its turn."""
    LENGTH = "length"
    """It ran into the limit of new tokens."""
    REFUSED = "refused"
    """The backend says that it declined or was filtered."""


class Outcome(StrEnum):
    """What became of one sample."""

    SOLVED = "solved"
    """Every blank is right."""
    MISSED = "missed"
    """There is an answer, and some blank is wrong."""
    UNPARSED = "unparsed"
    """There is no answer to read."""
    TRUNCATED = "truncated"
    """The limit of new tokens came before an answer."""
    REFUSED = "refused"
    """The model or its server declined."""
    ERROR = "error"
    """The backend failed. This is no measurement and counts nowhere."""


@dataclass(frozen=True, slots=True)
class Score:
    """One scored response."""

    outcome: Outcome
    """Never `Outcome.ERROR`: what failed is not scored."""
    answer: tuple[str, ...] | None
    """The values that were read, in the order given; None without an answer."""
    key: tuple[str, ...]
    """The right values."""
    right: tuple[bool, ...]
    """For each blank whether it is right."""
    steps: tuple[int, ...]
    """For each blank its step."""
    consistent: bool
    """Whether the answer, put into the grid, satisfies every equation."""

    @property
    def reason(self) -> str:
        """The outcome in a few words."""
        if self.outcome is Outcome.MISSED:
            blanks = len(self.right)
            wrong = blanks - sum(self.right)
            if wrong == 0:
                given = len(self.answer or ())
                return f"missed: {given} values for {blanks} blanks"
            return f"missed: {wrong} of {blanks} blank{'s' if blanks > 1 else ''}"
        return _REASONS[self.outcome]


@dataclass(frozen=True, slots=True)
class Metrics:
    """The published metrics over some scored problems. Fractions are 0 to 1."""

    problems: int
    """How many problems."""
    micro: float
    """Mean over problems of the fraction of blanks right."""
    macro: float
    """Fraction of problems with every blank right."""
    by_step: Mapping[str, float]
    """Fraction of blanks right, pooled, for steps ``1``, ``2``, ``3`` and ``4+``."""
    outcomes: Mapping[Outcome, int]
    """How many problems ended in each way."""


def score_response(problem: Problem, text: str, finish: Finish = Finish.STOP) -> Score:
    """Score one response to a problem."""
    answer = parse_answer(text, blanks=len(problem.key))
    if finish is Finish.REFUSED:
        outcome, answer = Outcome.REFUSED, None
    elif answer is None:
        outcome = Outcome.TRUNCATED if finish is Finish.LENGTH else Outcome.UNPARSED
    else:
        given = (*answer, *("",) * len(problem.key))
        right = tuple(same_number(a, k) for a, k in zip(given, problem.key, strict=False))
        exact = all(right) and len(answer) == len(problem.key)
        return Score(
            Outcome.SOLVED if exact else Outcome.MISSED,
            answer, problem.key, right, problem.steps, exact or _is_consistent(problem, answer),
        )  # fmt: skip
    wrong = (False,) * len(problem.key)
    return Score(outcome, None, problem.key, wrong, problem.steps, consistent=False)


def parse_answer(text: str, *, blanks: int | None = None) -> tuple[str, ...] | None:
    """The values in the last answer block outside thinking; None if no number is there.

    A comma separates values. Only where that gives another count than `blanks`, and
    reading ``1,234`` as one number gives that count, it separates thousands.
    """
    spoken = _without_thinking(text)
    tags = list(_ANSWER_TAG.finditer(spoken))
    pairs = [(a, b) for a, b in pairwise(tags) if a[0][1] != "/" and b[0][1] == "/"]
    if not pairs:
        return None
    body = spoken[pairs[-1][0].end() : pairs[-1][1].start()]
    if len(body.strip()) > _MAX_ANSWER or not _DIGIT.search(body):
        return None
    # Full-width digits and commas become plain ones; LaTeX boxes are opened.
    body = re.sub(r"\\(boxed|text)\b", "", unicodedata.normalize("NFKC", body)).replace("、", ",")
    values = _values(body)
    if blanks is not None and len(values) != blanks:
        joined = _values(_THOUSANDS.sub(lambda number: number[0].replace(",", ""), body))
        return joined if len(joined) == blanks else values
    return values


def same_number(given: str, wanted: str) -> bool:
    """Whether two texts are the same number: ``7``, ``07`` and ``7.0`` are."""
    if given == wanted:
        return True
    numbers = [text.translate(_MINUS) for text in (given, wanted)]
    return all(map(_NUMBER.fullmatch, numbers)) and Decimal(numbers[0]) == Decimal(numbers[1])


def summarize(scores: Sequence[Score]) -> Metrics:
    """The published metrics of one run: one score per problem. Needs at least one score."""
    return Metrics(
        problems=len(scores),
        micro=fmean(fmean(score.right) for score in scores),
        macro=fmean(score.outcome is Outcome.SOLVED for score in scores),
        by_step=_step_rates(scores),
        outcomes=dict(Counter(score.outcome for score in scores)),
    )


_REASONS = {
    Outcome.SOLVED: "solved",
    Outcome.UNPARSED: "unparsed: no <answer>…</answer> with a number in it",
    Outcome.TRUNCATED: "truncated: the token limit came before an answer",
    Outcome.REFUSED: "refused: the model or its server declined",
}


def _without_thinking(text: str) -> str:
    """The text outside ``<think>…</think>``; an unclosed block hides all that follows.

    Some chat templates open the block in the prompt, so what precedes a closing
    tag that nothing opened is thinking too.
    """
    *closed, last = text.split("</think>")
    spoken = [piece.partition("<think>")[0] for piece in closed if "<think>" in piece]
    return "".join([*spoken, last.partition("<think>")[0]])


def _values(body: str) -> tuple[str, ...]:
    """The values between the separators of an answer block."""
    lines = [_unframed(stripped) for line in body.split("\n") if (stripped := _bare(line))]
    if len(lines) == 1 and not _SEPARATORS.search(lines[0]):
        return tuple(_bare(part) for part in lines[0].split())
    return tuple(_bare(part) for line in lines for part in _SEPARATORS.split(line))


def _bare(text: str) -> str:
    return text.strip(_DECORATION).removesuffix(".").strip(_DECORATION)


def _unframed(line: str) -> str:
    """A line without the pipes around it, and without the comma with which a list goes on."""
    return re.sub(r"^\||[,|;]$", "", line)


def _is_consistent(problem: Problem, answer: Sequence[str]) -> bool:
    try:
        state = propagate(problem.puzzle.filled([str(int(value)) for value in answer]))
    except (GridError, ValueError):
        return False
    # The equations of the puzzle: with a negative number in it, a filled one has fewer.
    return not state.contradictions and all(
        position in state.values and state.values[position] > 0
        for equation in problem.puzzle.equations
        for position in equation.operands
    )


def _step_rates(scores: Iterable[Score]) -> dict[str, float]:
    pools: dict[str, list[bool]] = {}
    for score in scores:
        for right, step in zip(score.right, score.steps, strict=True):
            pools.setdefault(str(step) if step < 4 else "4+", []).append(right)
    return {step: fmean(pool) for step, pool in sorted(pools.items())}
