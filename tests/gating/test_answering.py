"""Which model answered: what is the same model by another name, and what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_crossmath.gating.answering import (
    another_answered,
    answering_difference,
    is_as_asked,
)
from pytest_crossmath.inference.result import Result, failed, scored
from pytest_crossmath.models.backend import Response
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality

TASKS = load_suite("mini").tasks[:9]
ASKED = {"models": {"m": {"kind": "openai", "target": "gpt-4o@http://127.0.0.1:1/v1"}}}
SAVED = {"models": {"m": {"kind": "replay", "target": "r.jsonl"}}}


def results(*answered_by: str | None, model: str = "m") -> list[Result]:
    """A result for each answering model."""
    found = []
    for task, name in zip(TASKS, answered_by, strict=False):
        response = Response("<answer>1</answer>", Finish.STOP, 3, 0.1, name)
        score = score_response(task, response.text)
        found.append(scored(model, make_request(task, Form(Modality.TEXT)), response, score))
    return found


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o"), ("gpt-4o", "gpt-4o-2024-08-06"), ("gpt-4", "gpt-4-0613"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"), ("claude-x-latest", "claude-x-20241022"),
        ("gemini-pro", "models/gemini-pro-001"), ("org/llava", "llava"), ("llava", "org/LLaVA"),
        ("llava", "llava:latest"), ("org/m", "org/m@main"), ("/models/m/", "m"),
        ("m", "C:\\models\\m"), ("org/m:free", "org/m"), ("gpt-4o-2024-08-06", "gpt-4o"),
    ],
)  # fmt: skip
def test_the_same_model_by_another_name(asked: str, answered: str) -> None:
    """Snapshots, owners, folders and tags do not make another model."""
    assert is_as_asked(asked, answered)
    assert (
        another_answered({"models": {"m": {"kind": "openai", "target": asked}}}, results(answered))
        == []
    )


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"), ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"), ("a", "b"),
        ("gpt-4", "gpt-4-turbo"), ("org/m", "org/m2"), ("llava:7b", "llava:13b"),
        ("step-2000", "step-4000"), ("gpt-4o", "gpt-3.5-turbo-0125"),
    ],
)  # fmt: skip
def test_another_model(asked: str, answered: str) -> None:
    """A different name, or the wrong snapshot where one was asked for."""
    assert not is_as_asked(asked, answered)


def test_another_model_is_told_with_its_share() -> None:
    """One line a model, in which errors do not count."""
    some = results("gpt-4o", "another", "another (fp_1)")
    some.append(failed("m", make_request(TASKS[8], Form(Modality.TEXT)), "no"))
    [line] = another_answered(ASKED, some)
    assert line == (
        "ANOTHER MODEL ANSWERED  m: asked for gpt-4o, answered by another (2 of 3), gpt-4o (1 of 3)"
    )


@pytest.mark.parametrize("header", [ASKED, SAVED])
def test_a_change_within_a_run_is_told(header: dict[str, object]) -> None:
    """Two snapshots of the model that was asked for are two models; saved responses count too."""
    [line] = another_answered(header, results("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"))
    assert line.endswith("answered by gpt-4o-2024-05-13 (1 of 2), gpt-4o-2024-08-06 (1 of 2)")


@pytest.mark.parametrize("names", [(None, None), ("gpt-4o (fp_1)", "gpt-4o (fp_2)"), ("gpt-4o",)])
def test_what_is_not_told(names: tuple[str | None, ...]) -> None:
    """Servers that do not say who answered, and configurations, which change all the time."""
    assert another_answered(ASKED, results(*names)) == []


def test_a_line_of_the_record_cannot_break_the_report() -> None:
    """Control characters of an edited record do not reach the terminal."""
    [line] = another_answered(ASKED, results("x\n::error::y\x1b[31m"))
    assert line.isprintable()


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [
        (("a", "a"), ("a", "a"), []),
        (("a",), ("b",), ["answering model of m: a, now b"]),
        (("a (fp_1)",), ("a (fp_2)",), ["answering model of m: a (fp_1), now a (fp_2)"]),
        (("a", "b"), ("b", "a"), []),
        (("a", "b"), ("b",), ["answering model of m: a, b, now b"]),
        ((None,), ("b",), []),
        (("a",), (None,), []),
    ],
)
def test_what_differs_between_two_runs(
    base: tuple[str, ...], new: tuple[str, ...], expected: list[str]
) -> None:
    """A difference where both runs say who answered."""
    assert list(answering_difference("m", results(*base), results(*new))) == expected
    assert replace(results("a")[0], answered_by=None) != results("a")[0]
