"""Saved responses as a model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.replay import SCHEME, ReplayBackend
from pytest_crossmath.tasks.request import Request, RequestId, make_request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality

PROBLEM = load_suite("mini").tasks[0]
TEXT = make_request(PROBLEM, Form(Modality.TEXT))
IMAGE = make_request(PROBLEM, Form(Modality.IMAGE, "original"))


def write(path: Path, *lines: object) -> str:
    """A JSONL file of these lines."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return str(path)


def said(backend: ReplayBackend, *requests: Request) -> list[Response]:
    """The responses in the order of the requests; none is an error."""
    found = dict(backend.generate(requests, Settings(), batch_size=1))
    responses = [found[i] for i in range(len(requests))]
    assert all(isinstance(response, Response) for response in responses)
    return responses  # type: ignore[return-value]  # asserted


def test_responses_made_elsewhere(tmp_path: Path) -> None:
    """Lines with id, modality and text are enough; without a style they match any style."""
    file = write(
        tmp_path / "r.jsonl",
        {"id": "mini-0001", "modality": "text", "text": "a"},
        {"id": "mini-0001", "modality": "image", "text": "b"},
    )
    backend = ReplayBackend.open(file)
    assert [r.text for r in said(backend, IMAGE, TEXT)] == ["b", "a"]


def test_how_a_response_ended_is_kept(tmp_path: Path) -> None:
    """Truncated and refused responses of a record keep their finish."""
    common = {"type": "result", "model": "m", "problem": "mini-0001", "response": ""}
    file = write(
        tmp_path / "r.jsonl",
        {"type": "run", "schema": 1},
        common | {"modality": "text", "style": None, "sample": 0, "outcome": "truncated"},
        common | {"modality": "image", "style": "original", "sample": 0, "outcome": "refused"},
    )
    found = said(ReplayBackend.open(file), TEXT, IMAGE)
    assert [response.finish for response in found] == [Finish.LENGTH, Finish.REFUSED]


def test_errors_of_a_record_are_no_responses(tmp_path: Path) -> None:
    """An error in the record is an error again, not a response."""
    line = {"type": "result", "model": "m", "problem": "mini-0001", "modality": "text",
            "style": None, "sample": 0, "outcome": "error", "response": "server down"}  # fmt: skip
    file = write(tmp_path / "r.jsonl", line, line | {"modality": "image", "outcome": "missed"})
    backend = ReplayBackend.open(file)
    [(_, error), (_, response)] = backend.generate([TEXT, IMAGE], Settings(), batch_size=1)
    assert isinstance(error, BackendError)
    assert str(error).endswith("has no response for mini-0001 as text")
    assert isinstance(response, Response)


def test_one_of_several_models_is_picked(tmp_path: Path) -> None:
    """A file with several models needs the name after #."""
    line = {"id": "mini-0001", "modality": "text"}
    file = write(
        tmp_path / "r.jsonl", line | {"text": "a", "model": "x"}, line | {"text": "b", "model": "y"}
    )
    assert said(ReplayBackend.open(f"{file}#y"), TEXT)[0].text == "b"
    with pytest.raises(ModelError, match=r"responses of x, y: pick one with replay:.*#NAME"):
        ReplayBackend.open(file)
    with pytest.raises(ModelError, match="no responses of 'z', only of x, y"):
        ReplayBackend.open(f"{file}#z")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", ":2: not a response line"),
        ("[]", ":2: not a response line"),
        ({"id": "a", "text": "b"}, ":2: .*the field 'modality' is missing"),
        ({"id": "a", "modality": "sound", "text": "b"}, ":2: .*'sound'"),
        (
            {"id": "a", "modality": "text", "text": 5},
            ":2: .*.text.: expected str",
        ),
        ({"id": "a", "modality": "text", "text": "b", "sample": -1}, ":2: .*must not be negative"),
        ({"id": "a", "modality": "text", "text": "b", "seconds": math.nan}, ":2: .*NaN is not"),
        ({"id": "a", "modality": "text", "text": "b", "new_tokens": -7}, ":2: .*must not be"),
        ([1, 2], ":2: .*expected object, got array"),
        ({"id": "a", "modality": "text", "text": "b", "sample": "x"}, ":2: not a response line"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: object, message: str) -> None:
    """The error names the file and the invalid line."""
    good = {"id": "mini-0001", "modality": "text", "text": "a"}
    file = write(tmp_path / "r.jsonl", good, line)
    with pytest.raises(ModelError, match=message):
        ReplayBackend.open(file)


def test_a_file_that_ends_within_a_line_is_used_up_to_there(tmp_path: Path) -> None:
    """An incomplete last line, as left by a full disk, is ignored."""
    file = tmp_path / "r.jsonl"
    file.write_text('{"id": "mini-0001", "modality": "text", "text": "a"}\n{"id": "mi')
    assert list(ReplayBackend.open(str(file)).responses) == [
        RequestId("mini-0001", Form(Modality.TEXT), 0)
    ]


def test_a_file_without_responses_is_refused(tmp_path: Path) -> None:
    """An empty file is not a model."""
    with pytest.raises(ModelError, match="holds no responses"):
        ReplayBackend.open(write(tmp_path / "r.jsonl"))


@pytest.mark.parametrize(
    ("line", "suite"),
    [
        ({"type": "run", "suite": {"name": "mini"}}, "mini"),
        ({"type": "run", "suite": {"name": "somebody's"}}, None),
        ({"type": "run", "suite": {"name": 3}}, None),
        ({"id": "a", "modality": "text", "text": "b"}, None),
    ],
)
def test_the_suite_of_a_record_is_the_default(
    tmp_path: Path, line: object, suite: str | None
) -> None:
    """A record of a bundled suite is scored again on that one."""
    file = tmp_path / "run.jsonl"
    file.write_text(json.dumps(line) + "\n", encoding="utf-8")
    spec = SCHEME.parse(str(file))
    assert SCHEME.default_suite(spec) == suite
    file.unlink()
    assert SCHEME.default_suite(spec) is None
