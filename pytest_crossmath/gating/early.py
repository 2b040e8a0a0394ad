"""Stopping early: a model is asked no more once its gates are decided.

*Exact* is curtailment: it stops where the verdicts are those of the full run, whatever the
answers to come, and in whatever order the samples are asked. *Sequential* stops where a test
that may look at any time has decided, see `gating.sequential`.

Under pytest-xdist only the controller sees all results. It leaves a file where the workers
look before they ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_crossmath.gating.gatekeeper import Gatekeeper
from pytest_crossmath.inference.result import Result, ResultId

_PAUSE = 16
"""Results between two looks at the gates."""


class EarlyStop:
    """Whether each model is to be asked any more, for who sees all results."""

    def __init__(
        self, keeper: Gatekeeper, results: Mapping[ResultId, Result], how: str | None
    ) -> None:
        """`results` is looked at again whenever it has grown."""
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
        """Leave a file for each model that is over, for other processes."""
        for model in models:
            if self.is_over(model):
                _flag(folder, model).touch()

    def lines(self) -> Iterator[str]:
        """What was left out, for the report."""
        for model, asked in self._stopped().items():
            yield f"stopped early: the gates of {model} were decided after {asked} responses"

    def to_json(self) -> dict[str, Any]:
        """How it stops, and for each model that was stopped after how many responses."""
        stopped = self._stopped()
        return {"how": self._how, "models": stopped} if stopped else {}

    def _stopped(self) -> dict[str, int]:
        """Models that were not asked everything, with their responses."""
        return {
            model: asked
            for model in self._over
            if (asked := sum(key[0] == model for key in self._results))
            < self._keeper.planned(model)
        }


def was_told(model: str, folder: Path) -> bool:
    """Whether another process has said that a model is over."""
    return _flag(folder, model).exists()


def _flag(folder: Path, model: str) -> Path:
    return folder / hashlib.sha256(model.encode()).hexdigest()
