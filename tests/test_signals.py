"""SIGTERM is an interrupt, in the process that asked for it and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_crossmath.signals import end_with, held_back, interrupt_on_sigterm, undisturbed

ENDING = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    """SIGTERM and SIGHUP end the process, as outside of tests."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_it_interrupts_and_is_undone(number: signal.Signals) -> None:
    """After it, the signal means what it did before."""
    with pytest.raises(KeyboardInterrupt), interrupt_on_sigterm():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_what_is_ignored_stays_ignored() -> None:
    """As SIGHUP under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interrupt_on_sigterm(), undisturbed():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
def test_a_signal_too_late_is_dropped(number: signal.Signals) -> None:
    """The run is ending: what it writes is written as a whole."""
    done = []
    with interrupt_on_sigterm():
        with undisturbed():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            done.append("whole")
        assert done == ["whole"]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_a_person_can_insist() -> None:
    """The third Ctrl-C ends also what writes for ever."""
    with undisturbed():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=1)
child.wait()
"""
CHILD = """
import os, sys, time
from pytest_crossmath.signals import end_with
WITHOUT
end_with(int(sys.argv[1]))
print(os.getpid(), flush=True)
while True: time.sleep(0.01)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
@pytest.mark.parametrize("without", ["", "sys.platform = 'another'"])
def test_a_worker_ends_with_its_parent(without: str) -> None:
    """Whether the kernel or a thread looks after it."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PARENT, CHILD.replace("WITHOUT", without)], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
        # The pipe is closed when the last process that holds it is gone.
        assert parent.stdout.read() == b""
    assert not Path(f"/proc/{worker}/fd/1").exists()


def test_a_process_of_somebody_else_is_not_watched() -> None:
    """A worker on another machine has another parent."""
    threads = threading.active_count()
    end_with(os.getppid() + 1)
    assert threading.active_count() == threads


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


def test_a_signal_is_not_lost_with_a_block_that_fails() -> None:
    """It is raised after the block, whatever the block raised itself."""

    def fail() -> None:
        signal.raise_signal(signal.SIGINT)
        raise ValueError("a full disk")

    with pytest.raises(KeyboardInterrupt), held_back():
        fail()


def test_handlers_are_put_back_whatever_happens() -> None:
    """Also if the block ends with an error."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ValueError, match="full"), held_back():
        raise ValueError("full")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
