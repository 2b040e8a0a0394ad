"""The live line: what a long batch is doing, shown behind pytest's own dots.

It is written at the cursor and erased before pytest writes again, so the final output is the
same with and without it. It appears only on a terminal, and not under ``-q``.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

import pytest

from pytest_crossmath.inference.result import Result, ResultId
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.text import log_line

_SAVE, _RESTORE, _CLEAR = "\x1b7", "\x1b8", "\x1b[K"
_PAUSE = 0.1
"""Seconds between two updates; a terminal on a slow connection must keep up."""
_LEAST = 12
"""Columns below which a line would be too short to be useful."""


class Progress:
    """The progress of a run, for a person who is waiting."""

    def __init__(self, config: pytest.Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._totals: Counter[str] = Counter()
        self._done: dict[str, set[ResultId]] = {}
        self._inferred: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._since: dict[str, float] = {}
        self._drawn = float("-inf")
        self._is_shown = False
        self._is_off = False

    def plan(self, requests: Iterable[tuple[str, Request]]) -> None:
        """Set the requests that each model will get; duplicates are asked once."""
        self._totals = Counter(model for model, _ in {(model, one.id) for model, one in requests})

    @contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """Say that a model is being loaded."""
        self._draw(f"loading {model} …", at_once=True)
        self._since[model] = self._clock()
        try:
            yield
        finally:
            self.clear()

    def arrived(self, result: Result) -> None:
        """Count a result and show the progress."""
        model, now = result.model, self._clock()
        self._since.setdefault(model, now)
        done = self._done.setdefault(model, set())
        done.add(result.id)  # a measurement may come after an error
        if not result.cached:
            self._inferred[model] += 1
            self._tokens[model] += result.new_tokens
        elapsed = now - self._since[model]
        inferred, left = self._inferred[model], self._totals[model] - len(done)
        self._draw(
            status(
                model, result.modality, len(done), self._totals[model],
                tokens_per_second=self._tokens[model] / elapsed if elapsed > 1 else None,
                seconds_left=elapsed / inferred * left if inferred and elapsed > 1 else None,
            )
        )  # fmt: skip

    def clear(self) -> None:
        """Erase the line before pytest writes."""
        if self._is_shown:
            self._is_shown = False
            with self._at_most_once():
                self._write(_CLEAR)

    def _draw(self, text: str, *, at_once: bool = False) -> None:
        text = log_line(text)
        if self._is_off or (not at_once and self._clock() - self._drawn < _PAUSE):
            return
        with self._at_most_once():
            self._show(text)

    @contextmanager
    def _at_most_once(self) -> Iterator[None]:
        """Show no more lines after an error: a terminal that takes none is no error of a test."""
        try:
            yield
        except Exception:  # noqa: BLE001 - another plugin's terminal, a pipe that is closed
            self._is_off = True

    def _show(self, text: str) -> None:
        if not self._is_wanted():
            return
        writer = self._config.get_terminal_writer()
        room = writer.fullwidth - writer.width_of_current_line - 2
        if room < _LEAST:
            return
        self._drawn = self._clock()
        self._write(f"{_SAVE}{_CLEAR} {text[:room]}{_RESTORE}")
        self._is_shown = True

    def _is_wanted(self) -> bool:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        return (
            terminal is not None
            and bool(getattr(terminal, "isatty", False))
            and self._config.get_verbosity() >= 0
            and os.environ.get("TERM", "dumb") != "dumb"
        )

    def _write(self, text: str) -> None:
        # Output is being captured for a test here, but this line is not output of a test.
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            # Not with the writer, which would count the columns as used.
            stream = self._config.get_terminal_writer()._file  # noqa: SLF001 - it has no other name
            stream.write(text)
            stream.flush()


def status(
    model: str,
    form: str,
    done: int,
    total: int,
    *,
    tokens_per_second: float | None,
    seconds_left: float | None,
) -> str:
    """The line, most important part first, because the terminal's width cuts it off."""
    parts = [f"{done:,} of {total:,}" if total else f"{done:,}"]
    if seconds_left is not None:
        parts.append(f"{_duration(seconds_left)} left")
    parts.append(f"{model} as {form}")
    if tokens_per_second:
        parts.append(f"{tokens_per_second:,.0f} tokens/s")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
