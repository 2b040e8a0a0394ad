"""Results: one scored response, as a line of the run record and between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pytest_crossmath.models.backend import Response
from pytest_crossmath.prompting import Sample
from pytest_crossmath.scoring import Outcome, Score

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
        """The inverse of `to_json`."""
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k != "type"
        }
        fields["outcome"] = Outcome(fields["outcome"])
        return cls(**fields)


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
