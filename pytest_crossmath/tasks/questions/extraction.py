r"""Extraction: finds the answer in a response by the usual rules, and judges it.

The first rule that finds an answer decides:

1. the last ``<answer>…</answer>`` outside thinking
2. the last ``\boxed{…}``
3. the text after the last "answer is", "answer:" or "correct option is" in a sentence that does
   not leave the answer open
4. for a choice, what `choices.unmarked_choice` finds; for a number, the last line, if it is a
   number or ends by stating one

Nothing is guessed at random: if no rule finds an answer, there is none. The time is linear in the
length of the response.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from pytest_crossmath.tasks.questions.choices import (
    bare_text,
    is_doubted,
    last_line,
    named_choice,
    named_letters,
    said_choice,
    unmarked_choice,
)
from pytest_crossmath.tasks.questions.question import Kind, Question
from pytest_crossmath.tasks.questions.values import (
    LONGEST,
    holds_number,
    same_text,
    same_value,
    states_number,
)
from pytest_crossmath.tasks.responses import answer_block

_BOXED = ("\\boxed{", "\\fbox{")
_SAID = re.compile(
    r"\b(?:answer|letter|(?:correct|right|best)\s(?:option|choice))\b[\s*_]{0,6}"
    r"(?:is|should\sbe|would\sbe|must\sbe|:|=)[\s*_:]{0,6}",
    re.IGNORECASE,
)
_TRIED = 20
_SENTENCE_END = re.compile(r"\n|\.(?:\s|$)")


def read_answer(question: Question, spoken: str, *, is_whole: bool = True) -> str | None:
    """The answer in a response without its thinking; for a choice its letter, if it has one.

    If the response was cut off, only the first two rules apply: its last words may be half of a
    number or an intermediate thought.
    """
    block = answer_block(spoken)
    for found in (_boxed(block or ""), block, _boxed(spoken)):
        if found is not None and (answer := _as_answer(question, found)):
            return answer
    if not is_whole:
        return None
    for found in _said(spoken):
        if answer := _as_said(question, found):
            return answer
    if question.kind is Kind.CHOICE:
        return unmarked_choice(question, spoken)
    last = bare_text(last_line(spoken))
    return last if question.kind is Kind.NUMBER and states_number(last) else None


def is_right(question: Question, answer: str) -> bool:
    """Whether an answer is the right one, or another accepted one."""
    accepted = question.accepted
    if question.kind is Kind.CHOICE:
        given = named_letters(answer)
        return bool(given) and any(given == named_letters(one) for one in accepted)
    if question.kind is Kind.NUMBER and any(same_value(answer, one) for one in accepted):
        return True
    return any(same_text(answer, one) for one in accepted)


def _as_answer(question: Question, found: str) -> str | None:
    """The answer in a place reserved for it: any text there counts as an answer."""
    bare = bare_text(found)
    if not bare or len(bare) > LONGEST:
        return None
    if question.kind is Kind.CHOICE:
        said = (named_choice(question, bare_text(one)) for one in _said(bare))
        return said_choice(question, bare) or next(filter(None, said), bare)
    return bare


def _as_said(question: Question, found: str) -> str | None:
    """The text after "the answer is", if it can be an answer."""
    bare = bare_text(found)
    if not bare or len(bare) > LONGEST:
        return None
    if question.kind is Kind.CHOICE:
        return said_choice(question, bare) or (bare if len(named_letters(bare)) > 1 else None)
    if question.kind is Kind.NUMBER and not holds_number(bare):
        return None
    return bare


def _said(spoken: str) -> Iterator[str]:
    for found in reversed(deque(_SAID.finditer(spoken), maxlen=_TRIED)):
        if is_doubted(spoken, found.start()):
            continue
        rest = spoken[found.end() : found.end() + LONGEST]
        end = _SENTENCE_END.search(rest)
        yield rest[: end.start()] if end else rest


def _boxed(text: str) -> str | None:
    """The content of the last box; None if there is none, or if it is not closed."""
    start = max(text.rfind(mark) + len(mark) if mark in text else -1 for mark in _BOXED)
    if start < 0:
        return None
    depth = 1
    for at in range(start, min(len(text), start + 2 * LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return None
