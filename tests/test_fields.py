"""Fields of files: what is taken, and the line for what is not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pytest_crossmath.fields import parse_fields


@dataclass(frozen=True)
class Inner:
    """A part of a line."""

    low: float


@dataclass(frozen=True)
class Line:
    """A line of a file."""

    name: str
    count: int = 0
    flags: tuple[bool, ...] = ()
    inner: Inner | None = None


def test_a_line_becomes_a_dataclass() -> None:
    """Lists become tuples, whole numbers floats, and unknown fields are ignored."""
    content = {"name": "a", "flags": [True], "inner": {"low": 1}, "later": 2}
    assert parse_fields(Line, content) == Line("a", 0, (True,), Inner(1.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "the field 'name' is missing"),
        ({"name": 3}, "the field 'name': expected str, got int"),
        ({"name": "a", "count": True}, "the field 'count': expected int, got bool"),
        ({"name": "a", "count": "1"}, "the field 'count': expected int, got str"),
        ({"name": "a", "flags": [True, 1]}, r"the field 'flags\[1\]': expected bool, got int"),
        ({"name": "a", "inner": {}}, "the field 'inner.low' is missing"),
        ([1], "expected object, got array"),
        (None, "expected object, got null"),
    ],
)
def test_a_wrong_field_is_named(content: object, message: str) -> None:
    """One line says which field, and what was expected."""
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_fields(Line, content)
