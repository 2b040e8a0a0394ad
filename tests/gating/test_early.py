"""When a model is asked no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_crossmath.gating.early import EarlyStop, was_told
from pytest_crossmath.gating.gatekeeper import Gatekeeper
from pytest_crossmath.gating.gates import parse_gate
from pytest_crossmath.inference.result import Result, ResultId
from pytest_crossmath.tasks.score import Outcome
from tests.gating.made_up import results


def stop(
    text: str, how: str | None = "exact"
) -> tuple[EarlyStop, dict[ResultId, Result], list[Result]]:
    """Who stops a run with a gate at 50 %; the results so far, and those to come."""
    keeper = Gatekeeper((parse_gate("fail-under", "image:50%"),), None, sequential=False)
    to_come = results(image=text)
    keeper.plan(replace(result, outcome=Outcome.PENDING) for result in to_come)
    so_far: dict[ResultId, Result] = {}
    return EarlyStop(keeper, so_far, how), so_far, to_come


def test_it_stops_once_no_answer_can_change_the_verdict() -> None:
    """And says after how many."""
    early, so_far, to_come = stop("0" * 100)
    asked = 0
    for result in to_come:
        if early.is_over("m"):
            break
        so_far[result.id] = result
        asked += 1
    assert 50 < asked < 100
    assert list(early.lines()) == [
        f"stopped early: the gates of m were decided after {asked} responses"
    ]
    assert early.to_json() == {"how": "exact", "models": {"m": asked}}


def test_it_never_stops_where_it_is_not_asked_to() -> None:
    """`--crossmath-stop-early` was not given."""
    early, so_far, to_come = stop("0" * 100, how=None)
    so_far.update((result.id, result) for result in to_come)
    assert not early.is_over("m")
    assert early.to_json() == {}


def test_a_run_that_was_asked_everything_was_not_stopped() -> None:
    """Though its gates are decided by then."""
    early, so_far, to_come = stop("0" * 20)
    so_far.update((result.id, result) for result in to_come)
    assert early.is_over("m")
    assert list(early.lines()) == []


def test_workers_are_told_by_a_file(tmp_path: Path) -> None:
    """Under any name that a model may have."""
    early, so_far, to_come = stop("0" * 100)
    early.tell(["m"], tmp_path)
    assert not was_told("m", tmp_path)
    so_far.update((result.id, result) for result in to_come[:90])
    early.tell(["m"], tmp_path)
    assert was_told("m", tmp_path)
    assert not was_told("../m", tmp_path)
