r"""Extraction: the answer in a response, by the usual rules, and whether it is right.

The first rule that finds something decides:

1. the last ``<answer>…</answer>``, outside of thinking
2. the last ``\boxed{…}``
3. what follows the last "answer is", "answer:" or "correct option is"; of a choice also the only
   letter that "is correct"
4. for a choice: a line that is nothing but its letter, ``(B)``, ``B.`` or ``**B**``, or its
   text; a letter so marked where no other is; the text of exactly one choice in the last line.
   For a number: the last line, where that is a number as a whole

Nothing is drawn by lot: where no rule finds anything there is no answer. Takes time in
proportion to the length of a response.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from pytest_crossmath.questions.question import LETTERS, Kind, Question
from pytest_crossmath.questions.values import (
    LONGEST,
    holds_number,
    is_number,
    normalised,
    same_text,
    same_value,
)
from pytest_crossmath.spoken import PLAIN, answer_block

_FRAME = " \t\r\n#*_`$\"'“”‘’.。,;!"
_BOXED = ("\\boxed{", "\\fbox{")
_SAID = re.compile(
    r"\b(?:answer|letter|(?:correct|right|best)\s(?:option|choice))\b[\s*_]{0,6}"
    r"(?:is|should\sbe|would\sbe|must\sbe|:|=)[\s*_:]{0,6}",
    re.IGNORECASE,
)
_TRIED = 20
_SENTENCE_END = re.compile(r"\n|\.(?:\s|$)")
_LONE = re.compile(r"[(\[{]?([A-Za-z])[)\]}]?[.:]?")
_LEADING = re.compile(
    r"(?:(?:option|choice|answer)\s{1,3})?"
    r"(?:[(\[]([A-Z])[)\]]|([A-Z])\s?(?:[:)]|\.(?![A-Za-z])))",
    re.IGNORECASE,
)
_FIRST = re.compile(r"[(\[]?([A-Z])[)\]]?(?=\s?[,;]|\s(?:because|since|as|which|for)\b)")
_SECOND = re.compile(r"(?:,|\b(?:and|or))\s?[(\[]?[A-Z]\b")
_NAMED = re.compile(r"(?:option|choice)\s{1,3}[(\[]?([A-Z])(?![A-Za-z])", re.IGNORECASE)
_MARKED = re.compile(r"\(([A-Z])\)|\*\*\(?([A-Z])[).:]{0,2}\*\*|\\text(?:bf)?\{\(?([A-Z])\)?\}")
_LISTED = re.compile(r"[(\[]?([A-Z])[)\]]?\s?[-.:)–—]?\s?(?=\S)")
_CORRECT = re.compile(
    r"(?<![\w.'])[(\[*]{0,3}([A-Z])[)\]*]{0,3}\s(?:is|must\sbe)\s(?:the\s)?(?:correct|right)\b"
)
_BETWEEN = re.compile(r"[\s,;&/()\[\]]+")
_LONG_ENOUGH = 4
"""Characters of a choice's text from which it may stand inside a line."""


def read_answer(question: Question, spoken: str, *, is_whole: bool = True) -> str | None:
    """The answer in a response without its thinking; of a choice its letter where it has one.

    Of a response that was cut off only the first two rules are used: what it says last may be
    half of a number, or a thought on the way.
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
        called = _only(_named(_CORRECT.finditer(spoken)), question.letters)
        return called or _unmarked_choice(question, spoken)
    last = _last_line(spoken)
    return _bare(last) if question.kind is Kind.NUMBER and is_number(last) else None


def is_right(question: Question, answer: str) -> bool:
    """Whether an answer is the right one, or one that is accepted."""
    wanted = (*question.key, *question.accepted)
    if question.kind is Kind.CHOICE:
        given = named_letters(answer)
        return bool(given) and any(given == named_letters(one) for one in wanted)
    if question.kind is Kind.NUMBER and any(same_value(answer, one) for one in wanted):
        return True
    return any(same_text(answer, one) for one in wanted)


def named_letters(text: str) -> frozenset[str]:
    """The letters of a text that is nothing but letters of choices; else none.

    >>> sorted(named_letters("(C) and D"))
    ['C', 'D']
    """
    words = [word for word in _BETWEEN.split(text) if word and word.casefold() != "and"]
    single = all(len(word) == 1 and word in LETTERS for word in words)
    return frozenset(words) if single else frozenset()


def _as_answer(question: Question, found: str) -> str | None:
    """What stands in a place that is for the answer: it is one, whatever it is."""
    bare = _bare(found)
    if not bare or len(bare) > LONGEST:
        return None
    if question.kind is Kind.CHOICE:
        said = (_letter(question, _bare(one)) for one in _said(bare))
        return _letter(question, bare) or next(filter(None, said), bare)
    return bare


def _as_said(question: Question, found: str) -> str | None:
    """What stands behind "the answer is", if it can be one."""
    bare = _bare(found)
    if not bare or len(bare) > LONGEST:
        return None
    if question.kind is Kind.CHOICE:
        first = _FIRST.match(bare)
        if first and first[1] in question.letters and not _SECOND.search(bare, first.end()):
            return first[1]
        return _letter(question, bare) or (bare if len(named_letters(bare)) > 1 else None)
    if question.kind is Kind.NUMBER and not holds_number(bare):
        return None
    return bare


def _said(spoken: str) -> Iterator[str]:
    for found in reversed(deque(_SAID.finditer(spoken), maxlen=_TRIED)):
        rest = spoken[found.end() : found.end() + LONGEST]
        end = _SENTENCE_END.search(rest)
        yield rest[: end.start()] if end else rest


def _boxed(text: str) -> str | None:
    """What stands in the last box; None where there is none, or it is not closed."""
    start = max(text.rfind(mark) + len(mark) if mark in text else -1 for mark in _BOXED)
    if start < 0:
        return None
    depth = 1
    for at in range(start, min(len(text), start + 2 * LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return None


def _letter(question: Question, bare: str) -> str | None:
    """The choice that a short text names: by its letter, or by its text."""
    letters = question.letters
    if (lone := _LONE.fullmatch(bare)) and lone[1].upper() in letters:
        return lone[1].upper()
    if (whole := _whole_choice(question, bare)) is not None:
        return whole
    marked = _named(_MARKED.finditer(bare))
    first = _LEADING.match(bare) or _NAMED.match(bare)
    if first is not None:
        letter = str(first[first.lastindex or 0]).upper()
        return letter if letter in letters and marked <= {letter} else None
    return _only(marked, letters)


def _by_text(question: Question, bare: str) -> str | None:
    """The one choice whose text this is, or whose number."""
    for same in (same_text, same_value):
        found = [
            letter
            for letter, choice in zip(question.letters, question.choices, strict=False)
            if same(bare, choice)
        ]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _unmarked_choice(question: Question, spoken: str) -> str | None:
    last = _bare(_last_line(spoken))
    for bare in (last, _bare(spoken.lstrip().partition("\n")[0])):
        if (lone := _LONE.fullmatch(bare)) and lone[1] in question.letters:
            return lone[1]
    if 0 < len(last) <= LONGEST and (whole := _whole_choice(question, last)) is not None:
        return whole
    marked = _named(_MARKED.finditer(spoken))
    return _only(marked, question.letters) or _in_line(question, last)


def _whole_choice(question: Question, bare: str) -> str | None:
    """A line that is a choice as it was listed, with its letter or without."""
    if (by_text := _by_text(question, bare)) is not None:
        return by_text
    if listed := _LISTED.match(bare):
        place = question.letters.find(listed[1])
        texts = question.choices[place : place + 1] if place >= 0 else ()
        if any(same_text(bare[listed.end() :], text) for text in texts):
            return listed[1]
    return None


def _in_line(question: Question, line: str) -> str | None:
    """The only choice whose text stands in a line, as whole words."""
    words = f" {' '.join(line[-LONGEST:].casefold().split())} "
    found = [
        letter
        for letter, choice in zip(question.letters, question.choices, strict=False)
        if len(normalised(choice)) >= _LONG_ENOUGH
        and re.search(rf"(?<!\w){re.escape(' '.join(choice.casefold().split()))}(?!\w)", words)
    ]
    return found[0] if len(found) == 1 else None


def _named(found: Iterator[re.Match[str]]) -> set[str]:
    """The letters of all matches."""
    return {str(match[match.lastindex or 0]) for match in found}


def _only(named: set[str], letters: str) -> str | None:
    """The one letter that is named, where there is one."""
    letter = next(iter(named)) if len(named) == 1 else ""
    return letter if letter and letter in letters else None


def _last_line(spoken: str) -> str:
    return spoken.rstrip().rpartition("\n")[2]


def _bare(text: str) -> str:
    """A text on one line, without what frames it; what is too long stays so."""
    plain = " ".join(text[: 4 * LONGEST].translate(PLAIN).split())
    return plain.strip(_FRAME)
