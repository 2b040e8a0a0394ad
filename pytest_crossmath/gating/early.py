"""Stopping early: a model gets no more requests once its gates are decided.

*Exact* is curtailment: it stops when no remaining response can change a verdict, in whatever
order the samples are asked. *Sequential* stops when a test that may be evaluated at any time
has decided, see `gating.sequential`.

Under pytest-xdist only the controller sees all results. For each model that it stops, it
leaves a file, which the workers check before each request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_crossmath.gating.gatekeeper import Gatekeeper
from pytest_crossmath.inference.result import Result, ResultId

_PAUSE = 16
"""Number of new results between two checks of the gates."""


class EarlyStop:
    """Decides when to stop each model, in the process that sees all results."""

    def __init__(
        self, keeper: Gatekeeper, results: Mapping[ResultId, Result], how: str | None
    ) -> None:
        """`results` is read again whenever it has grown."""
        self._keeper = keeper
        self._results = results
        self._how = how
        self._looked: dict[str, int] = {}
        self._over: set[str] = set()

    def is_over(self, model: str) -> bool:
        """Whether a model's gates are decided."""
        if self._how is None:
            return False
        if model in self._over:
            return True
        if len(self._results) - self._looked.get(model, -_PAUSE) >= _PAUSE:
            self._looked[model] = len(self._results)
            if self._keeper.is_decided(model, self._results):
                self._over.add(model)
        return model in self._over

    def tell(self, models: Iterable[str], folder: Path) -> None:
        """Leave a file for each stopped model, for other processes."""
        for model in models:
            if self.is_over(model):
                _flag(folder, model).touch()

    def lines(self) -> Iterator[str]:
        """One line for each model that was stopped, for the report."""
        for model, asked in self._stopped().items():
            yield f"stopped early: the gates of {model} were decided after {asked} responses"

    def to_json(self) -> dict[str, Any]:
        """The rule, and for each model that was stopped, after how many responses."""
        stopped = self._stopped()
        return {"how": self._how, "models": stopped} if stopped else {}

    def _stopped(self) -> dict[str, int]:
        """Models that did not get all their requests, with their number of responses."""
        return {
            model: asked
            for model in self._over
            if (asked := sum(key[0] == model for key in self._results))
            < self._keeper.planned(model)
        }


def was_told(model: str, folder: Path) -> bool:
    """Whether another process has stopped a model."""
    return _flag(folder, model).exists()


def _flag(folder: Path, model: str) -> Path:
    return folder / hashlib.sha256(model.encode()).hexdigest()
