"""SIGTERM is an interrupt, in the process that asked for it and nowhere else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from pytest_crossmath.signals import held_back, interrupt_on_sigterm


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    """SIGTERM ends the process, as outside of tests."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_interrupts_and_is_undone() -> None:
    """After it, the signal means what it did before."""
    with pytest.raises(KeyboardInterrupt), interrupt_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_somebody_else_stays() -> None:
    """A trainer's or a scheduler's own handler knows better."""
    seen = []
    signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        with interrupt_on_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert seen == [1]


def test_other_threads_set_nothing() -> None:
    """Python allows it in the main thread only."""
    raised = []

    def enter() -> None:
        try:
            with interrupt_on_sigterm():
                pass
        except ValueError as error:
            raised.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert raised == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_dies_of_it() -> None:
    """A process that a user's test forks and terminates says nothing."""
    with interrupt_on_sigterm():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_step_is_done_as_a_whole(number: signal.Signals) -> None:
    """A signal in the middle is delivered after the block."""
    done = []

    def step() -> None:
        with held_back():
            os.kill(os.getpid(), number)
            done.append("whole")

    handler = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            step()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, handler)
    assert done == ["whole"]
