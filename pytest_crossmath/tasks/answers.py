r"""Answers that are lists of numbers: what stands in the last answer block, and what is right.

>>> parse_answer("20 - 3 = 17 … <answer>20, 1, 9</answer>")
('20', '1', '9')
>>> same_number("07", "7.0")
True

The answer is the last ``<answer>…</answer>`` outside any thinking block. A value that is
missing between two commas or pipes keeps its place, so one gap does not shift the
rest; a line may end in a comma or stand between pipes, and empty lines do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from pytest_crossmath.tasks.responses import PLAIN, answer_block, without_thinking

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


def marked(values: Iterable[str]) -> str:
    """An answer as a model is to write it.

    >>> marked(["20", "1"])
    '<answer>20, 1</answer>'
    """
    return f"<answer>{', '.join(values)}</answer>"


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
