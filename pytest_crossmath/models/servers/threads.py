"""A thread with an event loop of its own, which never holds up the thread that waits for it.

>>> async def answer():
...     return 42
>>> run_apart(answer(), seconds=5)
42
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_CLOSING_SECONDS = 5.0
"""How long to wait for connections to close: a server may never let go of one, and the look-up of
a name cannot be cancelled."""


class LoopThread(Generic[T]):
    """One task in a thread of its own, which runs while the caller does something else."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], *, at_end: Callable[[], object] = lambda: None
    ) -> None:
        """Start the task. `at_end` is called in the thread when it has ended."""
        self._loop = asyncio.new_event_loop()
        self.task = self._loop.create_task(coroutine)
        """The task."""
        self.task.add_done_callback(lambda _: at_end())
        self._thread = Thread(target=self._run, name="crossmath-openai", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end of the task."""
        self._thread.join(seconds)

    def close(self) -> None:
        """Cancel the task if it still runs, and wait for its end, but not for ever."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.task.cancel)
        self.join(_CLOSING_SECONDS)

    def _run(self) -> None:
        """Run the task until it ends or fails; checking its result is left to the caller."""
        self._loop.run_until_complete(asyncio.wait([self.task]))
        # Unlike `asyncio.run`, this does not wait for look-ups of names.
        self._loop.close()


def run_apart(coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result of a coroutine, run in a thread: the caller may be inside of a loop itself.

    Raises `TimeoutError` if it takes longer.
    """
    thread = LoopThread(coroutine)
    try:
        thread.join(seconds)
    finally:
        thread.close()
    if not thread.task.done() or thread.task.cancelled():
        raise TimeoutError
    return thread.task.result()
