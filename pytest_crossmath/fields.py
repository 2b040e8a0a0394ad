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

import re
from math import isfinite
from typing import TypeVar

Fields = TypeVar("Fields")

_PLACED = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<place>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")


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
    if not all(isfinite(number) and number >= 0 for number in (sample, new_tokens, seconds)):
        raise ValueError(
            "the fields 'sample', 'new_tokens' and 'seconds' must not be negative or infinite"
        )


def _sentence(text: str) -> str:
    found = _PLACED.fullmatch(text)
    what, place = (found["what"], found["place"] or "") if found else (text, "")
    missing = _MISSING.fullmatch(what)
    if missing:
        whole = f"{place}.{missing[1]}".removeprefix(".")
        return f"the field {whole!r} is missing"
    plain = f"{what[:1].lower()}{what[1:]}".replace("`", "")
    return f"the field {place.removeprefix('.')!r}: {plain}" if place else plain
