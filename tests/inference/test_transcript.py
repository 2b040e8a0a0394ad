"""Transcripts as lines of the record."""

from __future__ import annotations

import json

import pytest

from pytest_crossmath.inference.transcript import Transcript, parse_line
from pytest_crossmath.tasks.diagnosis import Cause
from pytest_crossmath.tasks.request import RequestId
from pytest_crossmath.tasks.task import Form, Modality

TRANSCRIPT = Transcript("m", "p", "image", "original", 0, Cause.MISREAD, "| 1 |")


def test_a_transcript_survives_json() -> None:
    """A transcript that went through a file or to another process is equal to the original."""
    assert parse_line(json.loads(json.dumps(TRANSCRIPT.to_json()))) == TRANSCRIPT
    assert TRANSCRIPT.id == ("m", RequestId("p", Form(Modality.IMAGE, "original")))


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", 5), ("response", None), ("sample", "0"), ("cause", "bored"), ("style", [])],
)
def test_a_value_that_cannot_be_is_told(name: str, value: object) -> None:
    """An invalid value, as in an edited record, is reported."""
    with pytest.raises((TypeError, ValueError)):
        Transcript.from_json({**TRANSCRIPT.to_json(), name: value})
