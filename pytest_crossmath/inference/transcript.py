"""Transcripts: what a model wrote when it was asked to copy a picture that it missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pytest_crossmath.fields import parse_fields
from pytest_crossmath.inference.result import Result, ResultId, form_of
from pytest_crossmath.tasks.diagnosis import Cause
from pytest_crossmath.tasks.request import RequestId


@dataclass(frozen=True, slots=True)
class Transcript:
    """One line of the run record, in addition to the result of the same request."""

    model: str
    """Name of the model."""
    problem: str
    """Id of the problem."""
    modality: str
    """``image``."""
    style: str | None
    """Image style; None if the style has no name."""
    sample: int
    """Sample number, from 0."""
    cause: Cause
    """Why the picture was missed."""
    response: str
    """What the model wrote."""

    @classmethod
    def of(cls, result: Result, cause: Cause, response: str) -> Transcript:
        """The transcript for a result, with what the model wrote about its picture."""
        return cls(
            result.model, result.problem, result.modality, result.style, result.sample, cause,
            response,
        )  # fmt: skip

    @property
    def id(self) -> ResultId:
        """The id of the result that it explains."""
        form = form_of(self.modality, self.style)
        return self.model, RequestId(self.problem, form, self.sample)

    def to_json(self) -> dict[str, Any]:
        """The fields as builtin types only, for JSON and for xdist's channel."""
        return {"type": "transcript", **asdict(self), "cause": self.cause.value}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Transcript:
        """The inverse of `to_json`. Raises `ValueError` that names the first invalid field."""
        transcript = parse_fields(cls, record)
        form_of(transcript.modality, transcript.style)
        return transcript


def parse_line(fields: Mapping[str, Any]) -> Result | Transcript:
    """Parse a line sent between processes: a result or a transcript."""
    kind = Transcript if fields["type"] == "transcript" else Result
    return kind.from_json(fields)
