"""Evaluates expressions of numbers, + - * / ^ √ π and brackets.

>>> evaluate("(1+2)*√9"), evaluate("2√"), evaluate("1/0")
(9.0, None, None)

Adjacent factors are multiplied: ``2√3`` and ``4π``.
"""

from __future__ import annotations

import math
import re

DEEPEST = 20
"""Deepest nesting of brackets; a deeper expression does not have a value."""

_NUMBER = re.compile(r"\d{1,40}(?:\.\d{0,40})?(?:[eE][+-]?\d{1,2})?|\.\d{1,40}")


def evaluate(text: str) -> float | None:
    """The value of an expression; None if it cannot be parsed or is not finite."""
    try:
        value, end = _sum(text, 0, 0)
    except (ValueError, ArithmeticError, IndexError):
        return None
    return value if end == len(text) and math.isfinite(value) else None


def _sum(text: str, at: int, depth: int) -> tuple[float, int]:
    value, at = _product(text, at, depth)
    while at < len(text) and text[at] in "+-":
        more, end = _product(text, at + 1, depth)
        value, at = value + (more if text[at] == "+" else -more), end
    return value, at


def _product(text: str, at: int, depth: int) -> tuple[float, int]:
    value, at = _power(text, at, depth)
    while at < len(text) and text[at] in "*/√π(":
        divides = text[at] == "/"
        more, at = _power(text, at + (text[at] in "*/"), depth)
        value = value / more if divides else value * more
    return value, at


def _power(text: str, at: int, depth: int) -> tuple[float, int]:
    if text[at] in "+-":
        value, end = _power(text, at + 1, _deeper(depth))
        return (value if text[at] == "+" else -value), end
    value, at = _factor(text, at, depth)
    if at < len(text) and text[at] == "^":
        exponent, at = _power(text, at + 1, _deeper(depth))
        # Floats overflow at once, whereas integers would be multiplied for ever.
        value = math.pow(value, exponent)
    return value, at


def _factor(text: str, at: int, depth: int) -> tuple[float, int]:
    if text[at] == "π":
        return math.pi, at + 1
    if text[at] == "√":
        value, end = _factor(text, at + 1, _deeper(depth))
        return math.sqrt(value), end
    if text[at] == "(":
        value, end = _sum(text, at + 1, _deeper(depth))
        if text[end] != ")":
            raise ValueError(text)
        return value, end + 1
    found = _NUMBER.match(text, at)
    if found is None:
        raise ValueError(text)
    return float(found[0]), found.end()


def _deeper(depth: int) -> int:
    if depth >= DEEPEST:
        raise ValueError("too deep")
    return depth + 1
