"""The circuit breaker: what counts, what resets, and what it says."""

from __future__ import annotations

import pytest

from pytest_crossmath.errors import BackendError
from pytest_crossmath.models.backend import OutOfMemoryError
from pytest_crossmath.models.circuit import Circuit, GaveUpError, UnfitRequestError
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form

FAILED = BackendError("no")
TASK = load_suite("mini").tasks[0]
TEXT, IMAGE = (make_request(TASK, Form.parse(form)) for form in ("text", "image/original"))


def counted(circuit: Circuit, arrivals: str) -> Circuit:
    """A circuit after failures (``x``), responses (``.``) and unfit requests (``u``)."""
    kinds = {"x": FAILED, ".": None, "u": UnfitRequestError("unreadable")}
    for arrival in arrivals:
        circuit.count(TEXT, kinds[arrival])
    return circuit


@pytest.mark.parametrize(
    ("arrivals", "breaks"),
    [("xx", False), ("xxx", True), ("xx.xx.xx", False), ("...xxx", True), ("xxuuuuux", True),
     ("uuuuuu", False), ("xxx.", True)],
)  # fmt: skip
def test_what_breaks_a_circuit_of_three(arrivals: str, breaks: bool) -> None:
    """Three failures in a row; a response resets them, and an unfit request says nothing."""
    assert (counted(Circuit(3), arrivals).broken_for(TEXT) is not None) is breaks


def test_zero_never_breaks() -> None:
    """No number of failures is too many."""
    assert counted(Circuit(0), "x" * 99).broken_for(TEXT) is None


def test_any_kind_of_failure_counts_and_the_last_is_told() -> None:
    """Memory that runs out with a single request is a failure like others."""
    circuit = counted(Circuit(2), "x")
    circuit.count(TEXT, OutOfMemoryError("no memory left"))
    assert (
        str(circuit.broken_for(TEXT))
        == "gave up after 2 failures in a row; the last: no memory left"
    )
    circuit.count(TEXT, BackendError("another"))  # of a request that was in flight
    assert "no memory left" in str(circuit.broken_for(TEXT))


def test_the_word_of_a_backend_that_gave_up_is_taken() -> None:
    """A message is not wrapped twice."""
    circuit = counted(Circuit(3), "xx")
    circuit.count(TEXT, GaveUpError("gave up after 9 failures in a row; the last: no"))
    assert str(circuit.broken_for(TEXT)) == "gave up after 9 failures in a row; the last: no"


def test_one_failure_in_plain_words() -> None:
    """Singular where it is one."""
    assert str(counted(Circuit(1), "x").broken_for(TEXT)).startswith(
        "gave up after 1 failure in a row"
    )


def test_a_model_that_cannot_see_is_still_asked_to_read() -> None:
    """Failures with pictures say nothing about text, until the first of these fails too."""
    circuit = Circuit(3)
    for _ in range(3):
        circuit.count(IMAGE, FAILED)
    assert circuit.broken_for(IMAGE) is not None
    circuit.count(TEXT, None)
    assert circuit.broken_for(TEXT) is None
    assert circuit.broken_for(IMAGE) is not None
    circuit.count(TEXT, FAILED)
    assert circuit.broken_for(TEXT) is not None


def test_failures_of_both_kinds_are_one_row() -> None:
    """A server that is gone is not tried for each kind anew."""
    circuit = Circuit(3)
    for request in (IMAGE, TEXT, IMAGE):
        circuit.count(request, FAILED)
    assert None not in {circuit.broken_for(IMAGE), circuit.broken_for(TEXT)}
