r"""Scores: from the text of a response to right and wrong blanks, and to metrics.

>>> from pytest_crossmath.tasks.suite import load_suite
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
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from statistics import fmean

from pytest_crossmath.tasks.crossmath.grid import Problem
from pytest_crossmath.tasks.questions.extraction import is_right, read_answer
from pytest_crossmath.tasks.questions.question import Question, Task
from pytest_crossmath.tasks.responses import PLAIN, answer_block, without_thinking
from pytest_crossmath.text import cut, without_controls

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,2})?")
_MINUS = str.maketrans(
    dict.fromkeys("\N{MINUS SIGN}\N{EN DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}", "-")
)
_SEPARATORS = re.compile(r"[,|;]")
_RULE = re.compile(r"[-:|\s]*-[-:|\s]*")
"""The line below the header of a markdown table."""
_LATEX = re.compile(r"\\(?:boxed|fbox|text|textbf|mathbf|mathrm|left|right|quad)\b|\\[\[\]()]")
_FENCE = re.compile(r"^\s*```\w*\s*$", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:[-+•]|\d{1,2}[.)])\s+(?=\S)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_THOUSANDS = re.compile(r"(?<![\d.])(?<!\d,)\d{1,3}(,\d{3})+(?!,?\d)")
_DECORATION = " \t\r*_`$\"'()[]{}“”‘’。"
_SHOWN = 40
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
    """What became of one request."""

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
    PENDING = "pending"
    """It was not asked yet. Never in a record."""


@dataclass(frozen=True, slots=True)
class Score:
    """One scored response."""

    outcome: Outcome
    """Neither `Outcome.ERROR` nor `Outcome.PENDING`: what has no response is not scored."""
    answer: tuple[str, ...] | None
    """The values that were read, in the order given; None without an answer."""
    key: tuple[str, ...]
    """The right values."""
    right: tuple[bool, ...]
    """For each blank whether it is right."""
    steps: tuple[int, ...]
    """For each blank its step; 0 for the one of a question."""

    @property
    def reason(self) -> str:
        """The outcome in a few words."""
        is_question = self.steps == (0,)
        if self.outcome is Outcome.MISSED and is_question:
            return f"missed: answered {_shown(self.answer or ())}, right is {_shown(self.key)}"
        if self.outcome is Outcome.UNPARSED and is_question:
            return "unparsed: no answer that can be read"
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


def score_response(problem: Task, text: str, finish: Finish = Finish.STOP) -> Score:
    """Score one response to a problem or a question."""
    if finish is not Finish.REFUSED:
        score = (
            _score_question(problem, text, is_whole=finish is Finish.STOP)
            if isinstance(problem, Question)
            else _score_grid(problem, text)
        )
        if score is not None:
            return score
    wrong = (False,) * len(problem.key)
    outcome = _WITHOUT_ANSWER[finish]
    return Score(outcome, None, problem.key, wrong, problem.steps)


def _score_grid(problem: Problem, text: str) -> Score | None:
    answer = parse_answer(text, blanks=len(problem.key))
    if answer is None:
        return None
    given = (*answer, *("",) * len(problem.key))
    right = tuple(same_number(a, k) for a, k in zip(given, problem.key, strict=False))
    exact = all(right) and len(answer) == len(problem.key)
    outcome = Outcome.SOLVED if exact else Outcome.MISSED
    return Score(outcome, answer, problem.key, right, problem.steps)


def _score_question(question: Question, text: str, *, is_whole: bool) -> Score | None:
    answer = read_answer(question, without_thinking(text), is_whole=is_whole)
    if answer is None:
        return None
    right = is_right(question, answer)
    outcome = Outcome.SOLVED if right else Outcome.MISSED
    return Score(outcome, (answer,), question.key, (right,), question.steps)


def parse_answer(text: str, *, blanks: int | None = None) -> tuple[str, ...] | None:
    """The values in the last answer block outside thinking; None if no number is there.

    A comma separates values. Only where that gives another count than `blanks`, and
    reading ``1,234`` as one number gives that count, it separates thousands.
    """
    body = answer_block(without_thinking(text))
    if body is None:
        return None
    if len(body.strip()) > _MAX_ANSWER or not _DIGIT.search(body):
        return None
    body = _FENCE.sub("", _LATEX.sub("", _COLOUR.sub("", body.translate(PLAIN))))
    values = _values(body)
    if blanks is not None and len(values) != blanks:
        joined = _values(_THOUSANDS.sub(lambda number: number[0].replace(",", ""), body))
        return joined if len(joined) == blanks else values
    return values


def same_number(given: str, wanted: str) -> bool:
    """Whether two texts are the same number: ``7``, ``07`` and ``7.0`` are."""
    if given == wanted:
        return True
    number = _number(given)
    return number is not None and number == _number(wanted)


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
    """The fraction of blanks right, pooled, for steps ``1``, ``2``, ``3`` and ``4+``.

    Takes for each problem whether its blanks are right, and their steps.
    """
    pools: dict[str, list[bool]] = {}
    for rights, steps in blanks:
        for right, step in zip(rights, steps, strict=True):
            if step:  # a question has none
                pools.setdefault(str(step) if step < 4 else "4+", []).append(right)
    return {step: fmean(pool) for step, pool in sorted(pools.items())}


_WITHOUT_ANSWER = {
    Finish.STOP: Outcome.UNPARSED,
    Finish.LENGTH: Outcome.TRUNCATED,
    Finish.REFUSED: Outcome.REFUSED,
}
_REASONS = {
    Outcome.SOLVED: "solved",
    Outcome.UNPARSED: "unparsed: no <answer>…</answer> with a number in it",
    Outcome.TRUNCATED: "truncated: the token limit came before an answer",
    Outcome.REFUSED: "refused: the model or its server declined",
}


def _shown(values: Sequence[str]) -> str:
    """An answer as part of a line: short, and nothing that could steer a terminal."""
    return cut(without_controls(", ".join(values)), _SHOWN)


def _values(body: str) -> tuple[str, ...]:
    """The values between the separators of an answer block."""
    lines = [_unframed(stripped) for line in body.split("\n") if (stripped := _bare(line))]
    if len(lines) > 1 and all(map(_BULLET.match, lines)):
        lines = [_BULLET.sub("", line) for line in lines]
    return tuple(
        _bare(part)
        for line in lines
        if not _RULE.fullmatch(line)
        for part in (_SEPARATORS.split(line) if _SEPARATORS.search(line) else line.split() or [""])
    )


def _bare(text: str) -> str:
    return text.strip(_DECORATION).removesuffix(".").strip(_DECORATION)


def _unframed(line: str) -> str:
    """A line without the pipes around it, and without the comma with which a list goes on."""
    return re.sub(r"^\||[,|;]$", "", line)


def _number(text: str) -> Decimal | None:
    """The number that a text is; None for one that is no number of sensible length."""
    plain = text.translate(_MINUS)
    return Decimal(plain) if _NUMBER.fullmatch(plain) else None
