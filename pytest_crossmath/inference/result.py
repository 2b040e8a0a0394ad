"""Results: one scored response, as a line of the run record and between processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from functools import cache
from math import isfinite
from typing import Any

from pytest_crossmath.models.backend import Response
from pytest_crossmath.tasks.request import Request, RequestId
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import Form, Modality

ResultId = tuple[str, RequestId]
"""Name of the model, and what it was asked."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request to one model. Fields are those of the record's lines."""

    model: str
    """Name of the model."""
    problem: str
    """Id of the problem."""
    modality: str
    """``text``, ``image`` or ``image+text``."""
    style: str | None
    """Image style; None without an image."""
    sample: int
    """Sample number, from 0."""
    outcome: Outcome
    """What became of it."""
    response: str
    """The raw text; for an error, its message."""
    answer: tuple[str, ...] | None
    """The values that were read."""
    key: tuple[str, ...]
    """The right values."""
    right: tuple[bool, ...]
    """For each blank whether it is right."""
    steps: tuple[int, ...]
    """For each blank its step."""
    new_tokens: int
    """Generated tokens."""
    seconds: float
    """Share of the batch's time."""
    cached: bool = False
    """Whether it was in the cache and not inferred again."""
    family: str | None = None
    """Family of the problem; None in a record that does not say it."""

    @property
    def form(self) -> Form:
        """The form that was asked."""
        return form_of(self.modality, self.style)

    @property
    def id(self) -> ResultId:
        """What no two results of a run share."""
        return self.model, RequestId(self.problem, self.form, self.sample)

    def to_json(self) -> dict[str, Any]:
        """Builtin types only, so that JSON and xdist's channel take it."""
        fields = asdict(self)
        listed = {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}
        return {"type": "result", **listed, "outcome": self.outcome.value}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Result:
        """The inverse of `to_json`; fields of later versions are left out.

        Raises `KeyError` for a field that is missing and `ValueError` for one that cannot be.
        """
        fields: dict[str, Any] = {}
        for field in dataclass_fields(cls):
            if field.name not in record and field.name in _OPTIONAL:
                continue
            value = record[field.name]
            if not _CHECKS[field.name](value):
                raise ValueError(f"the field {field.name!r} cannot be {value!r:.40}")
            fields[field.name] = tuple(value) if isinstance(value, list) else value
        if not len(fields["key"]) == len(fields["right"]) == len(fields["steps"]):
            raise ValueError("the fields 'key', 'right' and 'steps' are not of one length")
        fields["outcome"] = Outcome(fields["outcome"])
        return cls(**fields)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(type(one) is kind for one in value)


_OPTIONAL = frozenset({"cached", "family"})
"""Fields that were added to the record later."""

_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "model": _is_text,
    "problem": _is_text,
    "modality": lambda value: value in list(Modality),
    "style": lambda value: value is None or _is_text(value),
    "sample": _is_count,
    "outcome": lambda value: value in list(Outcome) and value != Outcome.PENDING,
    "response": _is_text,
    "answer": lambda value: value is None or _are(str)(value),
    "key": _are(str),
    "right": _are(bool),
    "steps": _are(int),
    "new_tokens": _is_count,
    "seconds": lambda value: isinstance(value, int | float) and isfinite(value),
    "cached": lambda value: isinstance(value, bool),
    "family": lambda value: value is None or _is_text(value),
}


@cache
def form_of(modality: str, style: str | None) -> Form:
    """The form of a line of the record, which says it in two fields; the same value each time."""
    return Form(Modality(modality), style)


def replaces(known: Result, later: Result) -> bool:
    """Whether a later result of the same request counts instead: a measurement after an error."""
    return known.outcome is Outcome.ERROR and later.outcome is not Outcome.ERROR


def scored(
    model: str, request: Request, response: Response, score: Score, *, cached: bool = False
) -> Result:
    """The result of a response."""
    return Result(
        *_named(model, request), score.outcome, response.text, score.answer,
        score.target, score.right, score.steps, response.new_tokens, response.seconds, cached,
        request.task.family,
    )  # fmt: skip


def failed(model: str, request: Request, message: str) -> Result:
    """The result of a request whose backend failed: nothing was measured."""
    return _without_response(model, request, Outcome.ERROR, message)


def pending(model: str, request: Request) -> Result:
    """The result of a request that was not asked yet."""
    return _without_response(model, request, Outcome.PENDING, "")


def _without_response(model: str, request: Request, outcome: Outcome, message: str) -> Result:
    key, steps = request.task.target, request.task.steps
    return Result(
        *_named(model, request), outcome, message, None,
        key, (False,) * len(key), steps, 0, 0.0, family=request.task.family,
    )  # fmt: skip


def _named(model: str, request: Request) -> tuple[str, str, str, str | None, int]:
    form = request.form
    return model, request.task.id, form.modality.value, form.style, request.sample
