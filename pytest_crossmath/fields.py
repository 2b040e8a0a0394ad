"""Fields of our own files: JSON objects as dataclasses, with one-line errors.

>>> from dataclasses import dataclass
>>> @dataclass
... class Line:
...     problem: str
...     sample: int = 0
>>> parse_fields(Line, {"problem": "mini-0001", "added": "by a later version"})
Line(problem='mini-0001', sample=0)
>>> parse_fields(Line, {"problem": "mini-0001", "sample": "two"})
Traceback (most recent call last):
ValueError: the field 'sample': expected int, got str
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import isfinite
from typing import Any, NoReturn, TypeVar

from pytest_crossmath.text import excerpt

Fields = TypeVar("Fields")

_PLACED = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<place>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_MOST = 1e12


def parse_json(text: str) -> Any:
    """What a JSON text holds, read strictly. Raises `ValueError` in one line.

    Refused besides what `json.loads` refuses: a field that is given twice, of which the last would
    win in silence; NaN and Infinity, which are not JSON; numbers too large for a float; and lists
    nested too deeply.
    """
    try:
        return _STRICT.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_fields(kind: type[Fields], content: object) -> Fields:
    """An instance of a dataclass from what `json.loads` gives; unknown fields are left out.

    Types are strict: a bool is not an int, and a number is not a string. Raises `ValueError`
    that names the first field that is missing or wrong.
    """
    import msgspec

    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_sentence(str(error))) from None


def require_counts(sample: float, new_tokens: float, seconds: float) -> None:
    """Raise `ValueError` unless the numbers of a response are finite and not below 0."""
    # Compared, not passed to `isfinite`: a whole number may be too large for a float.
    if not all(0 <= number < _MOST for number in (sample, new_tokens, seconds)):
        raise ValueError(
            "the fields 'sample', 'new_tokens' and 'seconds' must not be negative or infinite"
        )


def require_schema(schema: object, supported: int) -> None:
    """Raise `ValueError` unless a file has the layout that this version reads and writes."""
    if type(schema) is not int or schema != supported:
        raise ValueError(f"schema {excerpt(schema, 40)} is not supported, only {supported}")


def _sentence(text: str) -> str:
    found = _PLACED.fullmatch(text)
    what, place = (found["what"], found["place"] or "") if found else (text, "")
    missing = _MISSING.fullmatch(what)
    if missing:
        whole = f"{place}.{missing[1]}".removeprefix(".")
        return f"the field {whole!r} is missing"
    plain = f"{what[:1].lower()}{what[1:]}".replace("`", "")
    return f"the field {place.removeprefix('.')!r}: {plain}" if place else plain


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {excerpt(twice)} is given twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


_STRICT = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant
)
