"""Results in files and between processes."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytest_crossmath.inference.result import Result, failed, scored
from pytest_crossmath.models.backend import Response
from pytest_crossmath.tasks.request import RequestId, make_request
from pytest_crossmath.tasks.score import Finish, Outcome
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.task import Form, Modality
from tests.tasks.crossmath.made_up import grid

TABLE = "| ? | + | ? | = | 9 |"
PROBLEM = grid(TABLE, ("4", "5"), (1, 2))
REQUEST = make_request(PROBLEM, Form(Modality.TEXT), sample=3)
BLANKS = st.integers(1, 6)
_OPTIONAL = {"cached", "family", "answered_by", "picture"}
"""Fields that were added later."""
NAMES = st.text("abcé+:-. ", min_size=1).filter(str.strip)


@st.composite
def results(draw: st.DrawFn) -> Result:
    """Any result that can be in a record."""
    blanks = draw(BLANKS)

    def tuple_of(values: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
        return st.lists(values, min_size=blanks, max_size=blanks).map(tuple)

    made = st.builds(
        Result,
        model=NAMES,
        problem=NAMES,
        style=st.none() | NAMES,
        modality=st.sampled_from([modality.value for modality in Modality]),
        sample=st.integers(0, 999),
        outcome=st.sampled_from([one for one in Outcome if one is not Outcome.PENDING]),
        seconds=st.floats(0, 1e6),
        new_tokens=st.integers(0, 10**6),
        key=tuple_of(st.text()),
        right=tuple_of(st.booleans()),
        steps=tuple_of(st.integers(1, 9)),
    )
    result = draw(made)
    # The answer is that of the outcome, in values that are not numbers and so are right if equal.
    if result.outcome is Outcome.SOLVED:
        return replace(result, answer=result.key, right=(True,) * blanks)
    if result.outcome is Outcome.MISSED:
        wrong = tuple(value + " not" for value in result.key)
        return replace(result, answer=wrong, right=(False,) * blanks)
    return replace(result, answer=None, right=(False,) * blanks)


@given(results())
def test_a_result_survives_json(result: Result) -> None:
    """A result that went through a file or to another process is equal to the original."""
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert Result.from_json(result.to_json()) == result


def test_the_fields_of_a_line_are_fixed() -> None:
    """Other tools rely on these names and plain types."""
    response = Response("<answer>4, 6</answer>", Finish.STOP, new_tokens=9, seconds=0.25)
    result = scored("m", REQUEST, response, score_response(PROBLEM, response.text))
    assert result.to_json() == {
        "type": "result",
        "model": "m",
        "problem": "p",
        "modality": "text",
        "style": None,
        "sample": 3,
        "outcome": "missed",
        "response": "<answer>4, 6</answer>",
        "answer": ["4", "6"],
        "key": ["4", "5"],
        "right": [True, False],
        "steps": [1, 2],
        "new_tokens": 9,
        "seconds": 0.25,
        "cached": False,
        "family": "crossmath",
        "answered_by": None,
    }
    assert type(result.to_json()["outcome"]) is str
    assert type(result.to_json()["modality"]) is str


def test_a_failed_request_has_no_score() -> None:
    """A failed result keeps the message and the key, and none of its blanks are right."""
    result = failed("m", REQUEST, "the server is down")
    assert (result.outcome, result.response) == (Outcome.ERROR, "the server is down")
    assert (result.answer, result.right) == (None, (False, False))
    assert (result.key, result.steps) == (PROBLEM.key, PROBLEM.steps)
    assert (result.new_tokens, result.seconds) == (0, 0.0)


def test_a_result_is_known_by_model_and_request() -> None:
    """No two results of a run have the same id, and the response is not part of it."""
    result = failed("m", REQUEST, "")
    assert result.id == ("m", RequestId("p", Form(Modality.TEXT), 3))
    assert replace(result, response="other", cached=True).id == result.id
    for name, value in (
        ("model", "n"),
        ("problem", "q"),
        ("modality", "image"),
        ("style", "bold"),
        ("sample", 4),
    ):
        other = Result.from_json({**result.to_json(), name: value})
        assert other.id != result.id


@pytest.mark.parametrize(
    "name", [field.name for field in fields(Result) if field.name not in _OPTIONAL]
)
def test_a_line_without_a_field_is_no_result(name: str) -> None:
    """A missing field is an error, unless it was added in a later version."""
    record = failed("m", REQUEST, "").to_json()
    for added in _OPTIONAL:
        record.pop(added, None)
    assert Result.from_json(record).cached is False
    assert Result.from_json(record).family is None
    assert Result.from_json(record).answered_by is None
    del record[name]
    with pytest.raises(ValueError, match=name):
        Result.from_json(record)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", 5), ("problem", None), ("modality", "smell"), ("modality", ["text"]),
        ("style", ["a"]), ("sample", "0"), ("sample", True), ("sample", -1), ("outcome", "great"),
        ("outcome", {}), ("outcome", "pending"), ("response", None), ("answer", "4"),
        ("answer", [4]), ("key", "45"), ("right", [1, 0]), ("right", [True]), ("steps", ["1", "2"]),
        ("new_tokens", 1.5), ("seconds", float("nan")), ("seconds", "1"), ("cached", 1),
        ("family", 1), ("answered_by", 1),
    ],
)  # fmt: skip
def test_a_line_with_a_value_that_cannot_be_is_no_result(name: str, value: object) -> None:
    """An invalid value, as in an edited record, is reported with its field."""
    with pytest.raises(ValueError, match=name):
        Result.from_json({**failed("m", REQUEST, "").to_json(), name: value})


def test_fields_of_later_versions_are_left_out() -> None:
    """An older plugin reads what a newer one wrote."""
    result = failed("m", REQUEST, "")
    assert Result.from_json({**result.to_json(), "logprob": 0.5}) == result


@pytest.mark.parametrize(
    ("field", "value"),
    [("seconds", -1.0), ("seconds", math.inf), ("new_tokens", -1), ("sample", -1),
     ("outcome", "solved"), ("outcome", "pending"), ("modality", "sound")],
)  # fmt: skip
def test_a_line_that_cannot_be_is_not_a_result(field: str, value: object) -> None:
    """Figures are not computed from what no run can have written."""
    record = failed("m", REQUEST, "").to_json() | {field: value}
    with pytest.raises(ValueError, match=field):
        Result.from_json(record)


def test_what_was_done_to_a_picture_is_part_of_a_result(tmp_path: Path) -> None:
    """A response or an error to a picture that is not plain says so; to a plain one it does not."""
    Image.new("RGBA", (4, 4)).save(tmp_path / "clear.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    response = Response("<answer>4, 6</answer>", Finish.STOP, 9, 0.25)
    for name, note in (("clear.png", "transparency over white"), ("plain.png", None), ("no", None)):
        task = grid(PROBLEM.text, PROBLEM.target, images={"bold": tmp_path / name})
        request = make_request(task, Form(Modality.IMAGE, "bold"))
        for result in (
            scored("m", request, response, score_response(task, response.text)),
            failed("m", request, "no"),
        ):
            assert result.picture == note
            assert result.to_json().get("picture") == note
            assert ("picture" in result.to_json()) is (note is not None)
            assert Result.from_json(result.to_json()) == result
