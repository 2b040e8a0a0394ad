"""Signals: SIGTERM, which schedulers send, is treated like Ctrl-C; neither cuts a step in two."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupt_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into a `KeyboardInterrupt`, so that finished work is kept.

    An existing handler is left alone, and nothing happens outside the main thread, where no
    handler can be set.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    owner = os.getpid()

    def interrupt(*_: object) -> None:
        if os.getpid() == owner:
            raise KeyboardInterrupt
        # A forked child, for example of a user's test, dies of the signal as usual.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the end of a block, so that it is done as a whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    # A handler that is not Python's own cannot be put back.
    ours = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) is not None]
    before = {s: signal.signal(s, lambda number, _: arrived.append(number)) for s in ours}
    try:
        yield
    finally:
        for held, handler in before.items():
            signal.signal(held, handler)
    for number in arrived:
        signal.raise_signal(number)
