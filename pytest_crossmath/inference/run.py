"""A whole run: what was asked, and every result. What gates and reports look at.

The run that is going on builds one from its results, and `reporting.record.read_record`
one from a file, so that both reach the same verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Run:
    """A run and where it came from."""

    name: str
    """What to call it: the record's path, or ``this run``."""
    header: Mapping[str, Any]
    """The first line of the record: models, suite, modalities, settings, versions."""
    results: tuple[Result, ...]
    """One for each request that has one."""
    transcripts: tuple[Transcript, ...]
    """What the model saw in pictures that it missed, where that was asked."""
    summary: Mapping[str, Any] | None
    """The last line of the record: its figures; None for a run that was broken off."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models with results, in the order of their first."""
        return tuple(dict.fromkeys(result.model for result in self.results))
