"""Results: one scored response, as a line of the run record and between processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from math import isfinite
from typing import Any

from pytest_crossmath.models.backend import Response
from pytest_crossmath.tasks.request import Sample
from pytest_crossmath.tasks.scoring import Outcome, Score
from pytest_crossmath.tasks.task import Modality

Key = tuple[str, str, str, str | None, int]
"""Model, problem, modality, style and sample number."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one sample of one model. Fields are those of the record's lines."""

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

    @property
    def identity(self) -> Key:
        """What no two results of a run share."""
        return self.model, self.problem, self.modality, self.style, self.sample

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
            if field.name not in record and field.name == "cached":
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


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "model": _is_text,
    "problem": _is_text,
    "modality": lambda value: value in list(Modality),
    "style": lambda value: value is None or _is_text(value),
    "sample": _is_count,
    "outcome": lambda value: value in list(Outcome),
    "response": _is_text,
    "answer": lambda value: value is None or _are(str)(value),
    "key": _are(str),
    "right": _are(bool),
    "steps": _are(int),
    "new_tokens": _is_count,
    "seconds": lambda value: isinstance(value, int | float) and isfinite(value),
    "cached": lambda value: isinstance(value, bool),
}


def scored(
    model: str, sample: Sample, response: Response, score: Score, *, cached: bool = False
) -> Result:
    """The result of a response."""
    problem, modality, style, index = sample.key
    return Result(
        model, problem, modality, style, index, score.outcome, response.text, score.answer,
        score.key, score.right, score.steps, response.new_tokens, response.seconds, cached,
    )  # fmt: skip


def failed(model: str, sample: Sample, message: str) -> Result:
    """The result of a sample whose backend failed: nothing was measured."""
    problem, modality, style, index = sample.key
    key, steps = sample.problem.key, sample.problem.steps
    return Result(
        model, problem, modality, style, index, Outcome.ERROR, message, None,
        key, (False,) * len(key), steps, 0, 0.0,
    )  # fmt: skip
