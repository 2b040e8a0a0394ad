"""Signals: SIGTERM, as sent by a job scheduler, is treated like Ctrl-C."""

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
        # A child that was forked, by a user's test for one: it ends as it would without us.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
