"""Results: a scored response in the form used in run records and sent between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from pytest_crossmath.fields import parse_fields, require_counts
from pytest_crossmath.models.backend import Response
from pytest_crossmath.models.lines import check_outcome, check_request, check_steps
from pytest_crossmath.tasks.request import Request, RequestId
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import Form, Modality

ResultId = tuple[str, RequestId]
"""Name of the model, and the id of the request."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one request to one model. Its fields are those of a line of the record."""

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
    """The outcome."""
    response: str
    """The raw text; for an error, its message."""
    answer: tuple[str, ...] | None
    """The values read from the response; None if no answer was found."""
    key: tuple[str, ...]
    """The right values."""
    right: tuple[bool, ...]
    """Whether each blank is right."""
    steps: tuple[int, ...]
    """The step of each blank."""
    new_tokens: int
    """Number of generated tokens."""
    seconds: float
    """Its share of the time that its batch took."""
    cached: bool = False
    """Whether it came from the cache instead of being inferred."""
    family: str | None = None
    """Family of the problem; None in a record without this field."""
    answered_by: str | None = None
    """The model that a server says has answered; None if it does not say, or is not a server."""
    picture: str | None = None
    """What was done to a picture that was not plain, as short phrases; None if it was plain."""

    @property
    def form(self) -> Form:
        """The form of the request."""
        return form_of(self.modality, self.style)

    @property
    def id(self) -> ResultId:
        """Identifies a result within a run."""
        return self.model, RequestId(self.problem, self.form, self.sample)

    def to_json(self) -> dict[str, Any]:
        """The fields as builtin types only, for JSON and for xdist's channel."""
        fields = asdict(self)
        listed = {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}
        if self.picture is None:
            del listed["picture"]
        return {"type": "result", **listed, "outcome": self.outcome.value}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Result:
        """The inverse of `to_json`; fields added by later versions are ignored.

        Raises `ValueError` that names the first field that is missing or invalid.
        """
        result = parse_fields(cls, record)
        if not len(result.key) == len(result.right) == len(result.steps) > 0:
            raise ValueError("the fields 'key', 'right' and 'steps' do not have the same length")
        check_request(result.problem, result.modality, result.style, result.model)
        check_outcome(result.outcome, result.answer, result.key, result.right, result.family)
        check_steps(result.steps)
        require_counts(result.sample, result.new_tokens, result.seconds)
        return result


@cache
def form_of(modality: str, style: str | None) -> Form:
    """The form that a line of the record gives in two fields; equal forms share one object."""
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
        request.task.family, response.answered_by, request.picture_note,
    )  # fmt: skip


def failed(model: str, request: Request, message: str) -> Result:
    """The result of a request whose backend failed: nothing was measured."""
    result = _without_response(model, request, Outcome.ERROR, message)
    return replace(result, picture=request.picture_note)


def pending(model: str, request: Request) -> Result:
    """The result of a request that has not been asked yet."""
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
