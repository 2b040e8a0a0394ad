r"""Choices: finds out which of a question's choices a text means.

>>> from pytest_crossmath.tasks.questions.question import Kind
>>> asked = Question(Kind.CHOICE, ("B",), ("30°", "45°"))
>>> named_choice(asked, "(B) 45°"), named_choice(asked, "45"), named_choice(asked, "A or B")
('B', 'B', None)
>>> unmarked_choice(asked, "So it is not (B)."), unmarked_choice(asked, "So I take option B.")
(None, 'B')

A text that names two choices, or retracts the one it names, means none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pytest_crossmath.tasks.questions.question import LETTERS, Question
from pytest_crossmath.tasks.questions.values import (
    LONGEST,
    normalised,
    same_text,
    same_value,
    states_value,
)
from pytest_crossmath.tasks.responses import PLAIN

_FRAME = " \t\r\n#*_`$\"'“”‘’.。,;!"
_LONE = re.compile(r"[(\[{]?([A-Za-z])[)\]}]?[.:]?")
_LEADING = re.compile(
    r"(?:(?:option|choice|answer|letter)\s{1,3})?"
    r"(?:[(\[]([A-Z])[)\]]|([A-Z])\s?(?:[:)]|\.(?![A-Za-z])))",
    re.IGNORECASE,
)
_FIRST = re.compile(r"[(\[]?([A-Z])[)\]]?(?=\s?[,;]|\s(?:because|since|as|which|for|rather|not)\b)")
_NAMED = re.compile(r"(?:option|choice|letter)\s{1,3}[(\[]?([A-Z])(?![A-Za-z])", re.IGNORECASE)
_CHOSEN = re.compile(
    r"\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s?[-:]?\s{0,3}[(\[*]{0,3}([A-Z])(?![\w'’])"
)
_MARKED = re.compile(
    r"\(([A-Z])\)|\*\*\(?([A-Z])[).:]{0,2}\*\*|\\(?:text|math)(?:bf|rm)?\{\(?([A-Z])\)?\}"
)
_WRITTEN = re.compile(r"\\(?:text|math)(?:bf|rm)?\{([^{}]*)\}")
_LISTED = re.compile(r"[(\[]?([A-Z])[)\]]?\s?[-.:)–—]?\s?(?=\S)")
_LED = re.compile(r"^[^\w\n]{0,4}([A-Z])[.):][^\w\n]{0,3}\s(?=[A-Z\d$\\])", re.MULTILINE)
_CORRECT = re.compile(
    r"(?<![\w.'])[(\[*]{0,3}([A-Z])[)\]*]{0,3}\s(?:is|must\sbe)\s(?:the\s)?(?:correct|right)\b"
)
_REASON = re.compile(r"\b(?:because|since|as|which|for|given)\b", re.IGNORECASE)
_RULED_OUT = re.compile(
    r"\b(?:not|rather\sthan|instead\sof)\s(?:option\s|choice\s)?[(\[]?[A-Z]\b[)\]]?"
)
_TAKEN_BACK = re.compile(
    r"(?:[,;/?]|\b(?:and|or|but|nor?))[\s*]{0,3}(?:(?:option|choice)\s)?[(\[]?"
    r"(?!I\s[a-z])(?-i:[A-Z])(?![\w'’])"
    r"|[?]|\b(?:wrong|incorrect|cannot|unless|if|could|might|maybe|tempting)\b"
    r"|\b(?:is|it['’]?s)\s(?:not|false)\b|n['’]t\b",
    re.IGNORECASE,
)
"""After a letter: another letter, or words that leave the answer open."""
_OPEN = re.compile(
    r"\b(?:if|unless|whether|assum\w{1,4}|suppos\w{1,4}|thought|doubt\w{0,3}|says|mistake|glance"
    r"|initially|opposite|may|might)\b|\b(?:least\slikely|possible|second\sbest)[\s*]{0,3}$",
    re.IGNORECASE,
)
"""Before an answer, in the same sentence: the answer is only considered, not given."""
_DENIED = re.compile(
    r"\b(?:not?|never|neither|nor|wrong|incorrect|false|cannot|except|unlike|rather|instead"
    r"|eliminat\w{1,3}|exclud\w{1,3}|rul\w{1,3}\sout)\b|n['’]t\b",
    re.IGNORECASE,
)
"""Before an answer, in the same clause: the answer is denied."""
_STOP = re.compile(r"[.!?]\s|\n|\b(?:but|however)\b", re.IGNORECASE)
_COMMA = re.compile(r"[,;:]\s")
_IS = re.compile(r"\b(?:is|are|was|were|belongs?|called|namely|choose|select|it['’]s)\b")
_RELATED = re.compile(
    r"\b(?:by|with|than|before|after|like|could|might|may|perhaps)\b"
    r"|\b(?:parallel|perpendicular|similar|close|opposed|compared|related)\sto\b"
)
_NEAR = 160
"""Characters before and after a letter that are searched for the bounds of its sentence."""
_LONG_ENOUGH = 4
"""Fewest characters of a choice's text for it to be recognised inside a line."""
_BETWEEN = re.compile(r"[\s,;&/()\[\]]+")


def named_letters(text: str) -> frozenset[str]:
    """The letters in a text that consists only of letters of choices, else none.

    >>> sorted(named_letters("(C) and D"))
    ['C', 'D']
    """
    words = [word for word in _BETWEEN.split(text) if word and word.casefold() != "and"]
    single = all(len(word) == 1 and word in LETTERS for word in words)
    return frozenset(words) if single else frozenset()


def named_choice(question: Question, bare: str) -> str | None:
    """The choice that a short text names, by its letter or by its text."""
    bare = bare_text(_WRITTEN.sub(r"\1", bare))
    if (lone := _LONE.fullmatch(bare)) and lone[1].upper() in question.letters:
        return lone[1].upper()
    if (whole := _whole_choice(question, bare, same_value)) is not None:
        return whole
    marked = {_letter(found) for found in _MARKED.finditer(bare)}
    if (first := _LEADING.match(bare) or _NAMED.match(bare)) is None:
        return _only(question, marked) if not _DENIED.search(bare) else None
    letter, rest = _letter(first).upper(), bare[first.end() :]
    by_text = _by_text(question, bare_text(rest), same_value)
    is_open = by_text is None and _is_taken_back(rest)
    return None if is_open or by_text not in {None, letter} else _only(question, marked | {letter})


def said_choice(question: Question, bare: str) -> str | None:
    """The choice in a text after "the answer is": as in `named_choice`, or followed by a reason."""
    first = _FIRST.match(bare)
    if first and first[1] in question.letters:
        return None if _is_taken_back(bare[first.end() :]) else first[1]
    return named_choice(question, bare)


def unmarked_choice(question: Question, spoken: str) -> str | None:
    """The choice in a response that never says "the answer is"."""
    if called := _single(question, _CORRECT, spoken):
        return called
    start, end = (bare_text(line) for line in (first_line(spoken), last_line(spoken)))
    for line in (end, start):
        if (lone := _LONE.fullmatch(line)) and lone[1] in question.letters:
            return lone[1]
    whole = _whole_choice(question, end, states_value) if 0 < len(end) <= LONGEST else None
    found = {whole, _led(question, spoken)} - {None}
    if found:
        return found.pop() if len(found) == 1 else None
    sentence = _STOP.split(end)[-1]
    chosen = _single(question, _CHOSEN, sentence) if not _MARKED.search(spoken) else None
    return chosen or _single(question, _MARKED, spoken) or _in_line(question, end)


def is_doubted(spoken: str, at: int) -> bool:
    """Whether the words before a position, in the same sentence, deny it or leave it open."""
    before = _STOP.split(spoken[max(0, at - _NEAR) : at])[-1]
    return bool(_OPEN.search(before) or _DENIED.search(_COMMA.split(before)[-1]))


def bare_text(text: str) -> str:
    """A text on one line, without surrounding marks; overlong text stays too long for an answer."""
    plain = " ".join(text[: 4 * LONGEST].translate(PLAIN).split())
    return plain.strip(_FRAME)


def first_line(text: str) -> str:
    """The first line that is not empty."""
    return text.lstrip().partition("\n")[0]


def last_line(text: str) -> str:
    """The last line that is not empty."""
    return text.rstrip().rpartition("\n")[2]


def _is_taken_back(rest: str) -> bool:
    """Whether the words after a letter name another or leave it open; reasons are ignored."""
    return _TAKEN_BACK.search(_RULED_OUT.sub("", _REASON.split(rest)[0])) is not None


def _whole_choice(question: Question, bare: str, same: Callable[[str, str], bool]) -> str | None:
    """The choice that a line repeats as it was listed, with its letter or without."""
    if (by_text := _by_text(question, bare, same)) is not None:
        return by_text
    if listed := _LISTED.match(bare):
        place = question.letters.find(listed[1])
        texts = question.choices[place : place + 1] if place >= 0 else ()
        if any(same_text(bare[listed.end() :], text) for text in texts):
            return listed[1]
    return None


def _by_text(question: Question, bare: str, same: Callable[[str, str], bool]) -> str | None:
    """The only choice with this text, or this number."""
    if not bare:
        return None
    for compare in (same_text, same):
        found = [
            letter
            for letter, choice in zip(question.letters, question.choices, strict=False)
            if compare(bare, choice)
        ]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _led(question: Question, spoken: str) -> str | None:
    """The letter at the start of the response, as in ``B. The angle …``, if no other is marked."""
    text = spoken.lstrip()
    first = _LED.match(text)
    if first is None or _is_taken_back(_STOP.split(text[first.end() : first.end() + _NEAR])[0]):
        return None
    found = {_letter(match) for pattern in (_LED, _MARKED) for match in pattern.finditer(text)}
    return _only(question, found)


def _single(question: Question, pattern: re.Pattern[str], spoken: str) -> str | None:
    """The only letter that a pattern finds, unless its last sentence retracts it."""
    found: set[str] = set()
    last = None
    for last in pattern.finditer(spoken):
        found.add(_letter(last))
    if last is None or is_doubted(spoken, last.start()):
        return None
    if _is_taken_back(_STOP.split(spoken[last.end() : last.end() + _NEAR])[0]):
        return None
    return _only(question, found)


def _in_line(question: Question, line: str) -> str | None:
    """The only choice in a line, as whole words, if the line ends by stating it."""
    words = f" {' '.join(line[-LONGEST:].casefold().split())}"
    found = {
        letter: match.span()
        for letter, choice in zip(question.letters, question.choices, strict=False)
        if len(normalised(choice)) >= _LONG_ENOUGH
        for match in re.finditer(
            rf"(?<!\w){re.escape(' '.join(choice.casefold().split()))}(?!\w)", words
        )
    }
    # If y = 2x and y = 2x + 1 match at the same position, the longer one is meant.
    ends = {start: max(e for s, e in found.values() if s == start) for start, _ in found.values()}
    longest = [letter for letter, (start, end) in found.items() if ends[start] == end]
    if len(longest) != 1:
        return None
    letter, (_, end) = longest[0], found[longest[0]]
    others = words.replace(question.choices[LETTERS.index(letter)].casefold(), " ")
    is_last = not words[end:].strip(_FRAME + ")")
    is_other = any(one.search(others) for one in (_DENIED, _OPEN, _RELATED))
    return letter if is_last and _IS.search(others) and not is_other else None


def _letter(found: re.Match[str]) -> str:
    """The letter of a match, whichever group holds it."""
    return str(found[found.lastindex or 0])


def _only(question: Question, letters: Iterable[str]) -> str | None:
    """The letter, if there is exactly one and it is that of a choice."""
    named = set(letters)
    letter = named.pop() if len(named) == 1 else ""
    return letter if letter and letter in question.letters else None
