r"""Answers that are lists of numbers: parsing the last answer block, and comparing values.

>>> parse_answer("20 - 3 = 17 … <answer>20, 1, 9</answer>")
('20', '1', '9')
>>> same_number("07", "7.0")
True

The answer is the last ``<answer>…</answer>`` outside any thinking block. A missing value
between two commas or pipes keeps its place, so one gap does not shift the rest. A line may
end in a comma or be enclosed in pipes, and empty lines do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
"""Maximum length of an answer; anything longer is not read as a list of numbers."""


def marked(values: Iterable[str]) -> str:
    """An answer in the format that models are asked for.

    >>> marked(["20", "1"])
    '<answer>20, 1</answer>'
    """
    return f"<answer>{', '.join(values)}</answer>"


def parse_answer(text: str, *, blanks: int | None = None) -> tuple[str, ...] | None:
    """The values in the last answer block outside thinking; None if it contains no number.

    A comma separates values. It is read as a thousands separator only if there would otherwise
    not be `blanks` values, and reading ``1,234`` as one number gives exactly that many.
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


def right_values(answer: Sequence[str], target: Sequence[str]) -> tuple[bool, ...]:
    """For each right value, whether the answer has the same number in its place."""
    given = (*answer, *("",) * len(target))
    return tuple(same_number(a, t) for a, t in zip(given, target, strict=False))


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
    """A line without a leading pipe, and without a trailing separator."""
    return re.sub(r"^\||[,|;]$", "", line)


def _number(text: str) -> Decimal | None:
    """The text as a number; None if it is not a number of sensible length."""
    plain = text.translate(_MINUS)
    return Decimal(plain) if _NUMBER.fullmatch(plain) else None
