"""Signals: SIGTERM and SIGHUP are treated like Ctrl-C, and none of them cuts a step in two.

A worker that is a process of its own ends with the process that started it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

_PR_SET_PDEATHSIG = 1
"""From Linux's ``sys/prctl.h``."""


_ENDING = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
"""What schedulers send to end a job, and what a terminal sends when it is closed."""


@contextmanager
def interrupt_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into a `KeyboardInterrupt`, so that finished work is kept.

    An existing handler is left alone, as is a signal that is ignored, such as SIGHUP under nohup.
    Nothing happens outside the main thread, where no handler can be set.
    """
    is_main = threading.current_thread() is threading.main_thread()
    ours = [s for s in _ENDING if is_main and signal.getsignal(s) is signal.SIG_DFL]
    owner = os.getpid()

    def interrupt(number: int, _: object) -> None:
        if os.getpid() == owner:
            raise KeyboardInterrupt
        # A forked child, for example of a user's test, dies of the signal as usual.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    with _handled(ours, interrupt):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Finish a block that ends the run anyway: signals that would end it earlier are dropped.

    Only a third Ctrl-C interrupts it, for a person who cannot wait. What is ignored or ends the
    process without a handler stays as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    patience = 2

    def drop(number: int, _: object) -> None:
        nonlocal patience
        patience -= number == signal.SIGINT
        if patience < 0:
            raise KeyboardInterrupt

    ours = [s for s in (signal.SIGINT, *_ENDING) if callable(signal.getsignal(s))]
    with _handled(ours, drop):
        yield


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back Ctrl-C, SIGTERM and SIGHUP until a block is done, so that it is not cut in two."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    # A handler that is not Python's own cannot be put back.
    ours = [s for s in (signal.SIGINT, *_ENDING) if signal.getsignal(s) is not None]
    try:
        with _handled(ours, lambda number, _: arrived.append(number)):
            yield
    finally:
        for number in arrived:
            signal.raise_signal(number)


@contextmanager
def _handled(
    numbers: Sequence[signal.Signals], handler: Callable[[int, Any], object]
) -> Iterator[None]:
    """Handle signals in another way during a block; all are handled as before at its end."""
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            signal.signal(number, handler)
        yield
    finally:
        with _blocked(numbers):
            for number, own in before.items():
                signal.signal(number, own)


@contextmanager
def _blocked(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Let signals wait, where the system can: one that arrives now could end the block half-way."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def end_with(parent: int) -> None:
    """End this process as soon as its parent is gone, however that died.

    Otherwise a worker goes on with what it infers, and holds the memory of a GPU that the next
    run needs. Does nothing if `parent` is not the parent of this process, as on another machine.
    """
    if os.getppid() != parent:
        return
    if sys.platform == "linux":
        # The kernel does it, even while a library keeps Python busy.
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(parent,), name="crossmath-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
