"""A whole run: its header and every result, as gates and reports take it.

The current run builds one from its results, and `reporting.record.read_record` builds
one from a file, so that both lead to the same verdict.
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
    """Its name in messages: the record's path, or ``this run``."""
    header: Mapping[str, Any]
    """The first line of the record: models, suite, modalities, settings, versions."""
    results: tuple[Result, ...]
    """The results that exist, one per request."""
    transcripts: tuple[Transcript, ...]
    """What the model saw in the pictures that it missed, if the run asked for that."""
    summary: Mapping[str, Any] | None
    """The last line of the record: its figures; None for an interrupted run."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models with results, in order of first appearance."""
        return tuple(dict.fromkeys(result.model for result in self.results))
