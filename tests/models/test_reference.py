"""The calibrator: right on every sound suite, using only what it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.reference import ReferenceBackend
from pytest_crossmath.tasks.crossmath.render import STYLES, render
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality, Task
from tests.tasks.crossmath.made_up import pictured

PROBLEM = load_suite("mini").tasks[1]


def outcome(request: Request) -> Outcome:
    """The calibrator's outcome on a request."""
    [(_, response)] = ReferenceBackend().generate([request], Settings(), batch_size=1)
    assert isinstance(response, Response)
    return score_response(request.task, response.text).outcome


@pytest.mark.parametrize(
    ("suite", "some"),
    [
        pytest.param("mini", slice(40), id="mini"),
        pytest.param("standard", slice(None, None, 50), id="standard"),
        pytest.param("standard", slice(40), id="more", marks=pytest.mark.nightly),
    ],
)
def test_it_solves_both_suites(suite: str, some: slice) -> None:
    """Each problem in each form and style is solved."""
    for problem in load_suite(suite).tasks[some]:
        for form in problem.forms:
            assert outcome(make_request(problem, form)) is Outcome.SOLVED


@pytest.fixture
def misleading(tmp_path: Path) -> Task:
    """A problem whose picture shows a different puzzle than its table."""
    render(PROBLEM.content.replaced({(0, 0): "20"}), STYLES["original"]).save(tmp_path / "p.png")
    return pictured(PROBLEM, {"original": tmp_path / "p.png"})


def test_it_looks_at_nothing_but_the_prompt(misleading: Task) -> None:
    """With a wrong picture it is wrong on images, right on text, and gives no answer to both."""
    found = {form.modality: outcome(make_request(misleading, form)) for form in misleading.forms}
    assert found == {
        Modality.TEXT: Outcome.SOLVED,
        Modality.IMAGE: Outcome.MISSED,
        Modality.IMAGE_TEXT: Outcome.UNPARSED,
    }


def test_a_picture_that_cannot_be_read_is_not_answered(tmp_path: Path) -> None:
    """An unreadable picture gets no answer, even with the table next to it."""
    Image.new("RGB", (275, 275), "white").save(tmp_path / "p.png")
    blank = pictured(PROBLEM, {"original": tmp_path / "p.png"})
    for modality in (Modality.IMAGE, Modality.IMAGE_TEXT):
        form = Form(modality, "original")
        assert outcome(make_request(blank, form)) is Outcome.UNPARSED
    place = next(iter(PROBLEM.content.numbers))
    render(PROBLEM.content.replaced({place: "S"}), STYLES["original"]).save(tmp_path / "p.png")
    doubtful = pictured(PROBLEM, {"original": tmp_path / "p.png"})
    image = Form(Modality.IMAGE, "original")
    assert outcome(make_request(doubtful, image)) is Outcome.UNPARSED


def test_an_instruction_with_a_table_does_not_confuse_it() -> None:
    """Only the table at the end of the prompt is the puzzle."""
    instruction = "For example\n| 1 | + | ? | = | 2 |\nhas the answer 1."
    request = make_request(PROBLEM, Form(Modality.TEXT), instruction=instruction)
    assert outcome(request) is Outcome.SOLVED
