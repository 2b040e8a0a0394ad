r"""Answers as values: decides whether two answers are the same.

>>> same_value("x = \\frac{3}{4}", "0.75"), same_value("2\\sqrt{3} cm", "3.46")
(True, True)
>>> normalised("The Hubble  telescope.") == normalised("hubble telescope")
True

Two numbers are the same if their values are equal. A decimal with two or more places also matches
any number that rounds to it and is within 1 %. Units, currencies and degree signs are ignored,
not converted. A percentage equals its fraction, and also its number without the sign.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pytest_crossmath.tasks.questions.expressions import DEEPEST, evaluate
from pytest_crossmath.tasks.responses import PLAIN

LONGEST = 300
"""Maximum length of an answer; anything longer is not read as one."""

_PLACES, _NEAR = 2, 0.01
_SIGNS = {
    **PLAIN,
    **dict.fromkeys(
        map(ord, "\N{MINUS SIGN}\N{EN DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}"), "-"
    ),
    **dict.fromkeys(map(ord, "×·∙⋅"), "*"),
    ord("÷"): "/",
    **dict.fromkeys(map(ord, "≈≃≅"), "="),
    **dict.fromkeys(map(ord, "°˚º$€£¥~"), " "),
    ord("²"): "^2",
    ord("³"): "^3",
}
_WORDS = (
    (re.compile(r"\\(?:left|right|displaystyle|quad|qquad|Large|big)(?![A-Za-z])|\\[,;:! ]"), " "),
    (re.compile(r"\\[()\[\]]"), " "),
    (re.compile(r"\^\s?\{?\s?\\circ\s?\}?|\\(?:circ|degree)(?![A-Za-z])"), " "),
    (
        re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox|operatorname)\s?\{([^{}]*)\}"),
        r" \1 ",
    ),
    (re.compile(r"\\(?:times|cdot)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"(?<=[\d.])\s?[xX]\s?(?=10\s?\^)"), "*"),
    (re.compile(r"\\(?:approx|simeq)(?![A-Za-z])"), "="),
    (re.compile(r"\\pi(?![A-Za-z])|(?<![A-Za-z])pi(?![A-Za-z])"), "π"),
    (re.compile(r"\\([%$&#_])"), r"\1"),
)
_FRACTION = re.compile(r"\\[dt]?frac\s?(?:\{([^{}]*)\}|(\d))\s?(?:\{([^{}]*)\}|(\d))")
_ROOT = re.compile(r"\\sqrt\s?(?:\{([^{}]*)\}|(\d))")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_LENGTH = (
    "mm|cm|dm|km|m|in|inch|inches|ft|foot|feet|yd|yards?|mi|miles?"
    "|(?:milli|centi|kilo)?met(?:er|re)s?"
)
_UNIT = (
    rf"(?:(?:square|sq\.?|cubic|cu\.?)\s)?(?:{_LENGTH}|units?|degrees?|deg|rad|radians?|kg|mg|grams?"
    r"|ml|lit(?:er|re)s?|sec|seconds?|min|minutes?|hours?|hrs?|days?|weeks?|months?|years?"
    r"|dollars?|usd|euros?|points?|mol|[kM]?Ω|[μµ][A-Za-z]{1,2})"
)
_LETTER_UNIT = "[gslLhVAWJNKCF]"
_UNITS = re.compile(
    rf"(?:(?:(?<=[\d)π.])|\s){_UNIT}|\s{_LETTER_UNIT})(?:\s{{0,3}}\^?\{{?[23]\}}?)?"
    rf"(?:/(?:{_UNIT}|{_LETTER_UNIT})(?:\^?[23])?)?\.?$"
)
"""A unit at the end of a number. A one-letter unit needs a space: 2h is an expression."""
_SPAN = re.compile(r"\d-\d")
_LEFT_SIDE = re.compile(r"[A-Za-z∠△\s_'()]{1,40}=(?=[^=]*$)")
_DECIMAL = re.compile(r"[+-]?\d*\.(\d+)")
_LONE = re.compile(
    r"(?<![\w.^])[+-]?(?:\d{1,40}(?:\.\d{1,40})?|\.\d{1,40})(?:\s?/\s?\d{1,40})?%?(?![\w^/]|\.\d)"
)
_SIDES = re.compile(
    r"(?<![<>!=/\\])=(?![/=])|\b(?:is|are|equals)\b(?:\s(?:equal\sto|about|approximately|exactly))?",
    re.IGNORECASE,
)
"""What separates the subject of a statement from its value; not ``>=``, ``!=`` or ``=/=``."""
_THEN = re.compile(r"\b(?:so|then|thus|therefore|hence)\b", re.IGNORECASE)
_SEVERAL = re.compile(r"[,;]|\b(?:and|or)\b", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?:not|never|false|wrong|incorrect|impossible|unless|if)\b|n['’]t\b", re.IGNORECASE
)
_CHANGED = re.compile(
    r"[^A-Za-z\s.,;:()\[\]\"“”_`'’-]|(?<![A-Za-z])-|-(?![A-Za-z])"
    r"|(?<![A-Za-z'’])(?!a\s[a-z])[A-Za-z](?![A-Za-z])"
    r"|\b(?:and|or|no|none|nor|n?either|less|more|fewer|than|least|most|greater|smaller|larger|between"
    r"|over|under|above|below|from|except|without|too|up|minus|negative|plus|times|divided|multiplied|squared"
    r"|cubed|root|power|log|ln|exp|sin|cos|tan|cot|half|third|quarter|double|twice|triple|hundred"
    r"|thousand|million|billion|trillion|[mb]n|dozen|mod|modulo|factorial|inverse|reciprocal"
    r"|step|figure|fig|equation|eq|part|option|choice|line|question|image|diagram|picture|table|page"
    r"|section|problem|theorem|case|row|column|example)s?\b",
    re.IGNORECASE,
)
"""Words and signs that change the number next to them, or make it a name: ``5 million``,
``x + 5``, ``at least 5``, ``step 5``."""
_MIXED = re.compile(r"(\d)\s+(\d{1,9}/\d{1,9})$")
_ARTICLES = re.compile(r"\b(?:an?|the)\s+(?=[a-z])")
_BRACKETS = re.compile(r"\((\w+)\)")
_FRAME = " \t\r\n#*_`\"'“”‘’.。,;:!"


@dataclass(frozen=True, slots=True)
class _Number:
    value: float
    """Its value; for a percentage, the number before the sign."""
    places: int | None
    """Digits after the decimal point; None if the number is exact."""
    is_percentage: bool
    """Whether a percent sign follows."""


def same_value(given: str, wanted: str) -> bool:
    """Whether two texts are the same number."""
    return _same(_number(given) or _stated(given) or _only_number(given), _number(wanted))


def states_value(line: str, wanted: str) -> bool:
    """Whether a line is, or ends by stating, the same number as `wanted`."""
    return _same(_number(line) or _stated(line), _number(wanted))


def is_number(text: str) -> bool:
    """Whether the whole text is a number, possibly with a unit or after ``x =``."""
    return _number(text) is not None


def states_number(line: str) -> bool:
    """Whether a line is a number, or ends by stating one."""
    return (_number(line) or _stated(line)) is not None


def holds_number(text: str) -> bool:
    """Whether a text is or states a number, or contains exactly one that stands for itself."""
    return (_number(text) or _stated(text) or _only_number(text)) is not None


def same_text(given: str, wanted: str) -> bool:
    """Whether two texts are the same once normalised."""
    return normalised(given) == normalised(wanted)


def same_choice(one: str, other: str) -> bool:
    """Whether two choices are the same answer: equal when normalised, or equal numbers.

    Stricter than `same_value`, which ignores units and rounding: these may be the point.
    """
    if normalised(one) and same_text(one, other):
        return True
    if re.search("[A-Za-z°$€£¥]", one + other):
        return False
    first, second = _number(one), _number(other)
    if first is None or second is None:
        return False
    values = (_fraction(first).value, _fraction(second).value)
    return math.isclose(*values, rel_tol=1e-12)


def normalised(text: str) -> str:
    """A text without case, articles, spaces, LaTeX markup and final punctuation."""
    plain = _plain(text).casefold().strip(_FRAME)
    short = re.sub(r"[\s{}]+", "", _ARTICLES.sub("", plain) or plain)
    for _ in range(2):
        short = _BRACKETS.sub(r"\1", short)
    whole = re.fullmatch(r"\(([^()]*)\)", short)
    return whole[1] if whole else short


def _plain(text: str) -> str:
    """A text with its LaTeX markup replaced by plain characters."""
    plain = text[: LONGEST + 1].translate(_SIGNS)
    for pattern, replacement in _WORDS:
        plain = pattern.sub(replacement, plain)
    for _ in range(DEEPEST):
        before = plain
        plain = _ROOT.sub(lambda m: f"√({m[1] or m[2]})", plain)
        plain = _FRACTION.sub(lambda m: f"(({m[1] or m[2]})/({m[3] or m[4]}))", plain)
        if plain == before:
            break
    return plain


def _number(text: str) -> _Number | None:
    """The whole text as a number; None if it is not one."""
    if len(text) > LONGEST:
        return None
    plain = _THOUSANDS.sub(lambda m: m[0].replace(",", ""), _plain(text)).strip(_FRAME)
    if (left := _LEFT_SIDE.match(plain)) and _DENIED.search(left[0]):
        return None
    plain = plain[left.end() :] if left else plain
    plain = _UNITS.sub("", plain.strip())
    is_percentage = plain.endswith("%")
    plain = _MIXED.sub(r"\1+\2", plain.removesuffix("%").strip())
    value = evaluate(re.sub(r"[\s{}]+", "", plain)) if re.search(r"[\dπ]", plain) else None
    if value is None or re.search(r"\d\s+\d", plain):
        return None
    if _SPAN.search(plain) and not re.search("[√π]", plain):
        return None  # a range such as 2-3, or a date
    decimal = _DECIMAL.fullmatch(plain)
    return _Number(value, len(decimal[1]) if decimal else None, is_percentage)


def _stated(text: str) -> _Number | None:
    """The number after the last equals sign, or the last "is", of a single statement."""
    text = text[: LONGEST + 1].translate(_SIGNS)
    *reasons, clause = (piece.strip(" ,:") for piece in _THEN.split(text))
    *before, last = _SIDES.split(clause)
    if not (before or reasons) or _DENIED.search(text):
        return None
    if len(before) > 1 and _SEVERAL.search(clause):
        return None
    return _number(last) or (_only_number(last) if _LONE.match(last.strip(_FRAME)) else None)


def _only_number(text: str) -> _Number | None:
    """The only number in a text among plain words; None if the words change its meaning."""
    if len(text) > LONGEST:
        return None
    plain = _THOUSANDS.sub(lambda m: m[0].replace(",", ""), _plain(text)).replace("**", " ")
    found = set(_LONE.findall(plain))
    words = _LONE.sub(" ", plain)
    if len(found) != 1 or _DENIED.search(words) or _CHANGED.search(words):
        return None
    return _number(found.pop())


def _same(one: _Number | None, other: _Number | None) -> bool:
    if one is None or other is None:
        return False
    if _close(one, other):
        return True
    if one.is_percentage == other.is_percentage:
        return False
    return _close(_fraction(one), other) or _close(one, _fraction(other))


def _close(one: _Number, other: _Number) -> bool:
    if math.isclose(one.value, other.value, rel_tol=1e-9, abs_tol=1e-12):
        return True
    apart = abs(one.value - other.value)
    if apart > _NEAR * max(abs(one.value), abs(other.value)):
        return False
    places = (n.places for n in (one, other) if n.places is not None and n.places >= _PLACES)
    # The tolerance is for halves that floats cannot represent exactly.
    return any(apart <= 0.5 * 10.0**-digits * (1 + 1e-6) for digits in places)


def _fraction(number: _Number) -> _Number:
    if not number.is_percentage:
        return number
    places = None if number.places is None else number.places + 2
    return _Number(number.value / 100, places, is_percentage=False)
