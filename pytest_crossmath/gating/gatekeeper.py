"""The gates of one run, with what they need: the run's plan and the baseline.

::

    keeper = Gatekeeper(gates, baseline=Baseline(read_record(path), model=None))
    keeper.check_asked(header)                # before anything is loaded
    keeper.plan(requests)                     # so that missing results are noticed
    verdicts = keeper.verdicts(results)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_crossmath.gating.answering import answering_difference, answering_lines
from pytest_crossmath.gating.comparison import (
    Change,
    changes,
    check_headers,
    copies,
    differences,
    of_model,
    pick_model,
    same_requests,
    same_targets,
)
from pytest_crossmath.gating.gate import Gate
from pytest_crossmath.gating.sequential import sequential_words
from pytest_crossmath.gating.verdicts import Evidence, Verdict, decided, judge
from pytest_crossmath.inference.result import Result, ResultId
from pytest_crossmath.inference.run import Run

_ON_THE_WAY = "decided early, by the sequential test"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The earlier run that a run is compared with."""

    run: Run
    """Its header and results."""
    model: str | None
    """Which of its models; None for the one of the same name, or the only one."""
    file: Path | None = None
    """Its record, if that can be read again."""


class Gatekeeper:
    """Judges gates, both during a run and at its end."""

    def __init__(
        self,
        gates: Sequence[Gate],
        baseline: Baseline | None,
        *,
        sequential: bool = False,
        name: str = "this run",
    ) -> None:
        """With `sequential`, gates may also be decided early, see `gating.sequential`.

        `name` is what messages call the run.
        """
        self._name = name
        self.gates = tuple(gates)
        self._sequential = sequential
        self.baseline = baseline
        self._models: tuple[str, ...] = ()
        self._planned: dict[ResultId, Result] = {}
        self._base: dict[str, tuple[Result, ...]] = {}

    def check_asked(self, header: Mapping[str, Any], models: Iterable[str]) -> None:
        """Set the models to judge, including any that will have no results.

        Raises `ComparisonError` if the runs clearly cannot be compared.
        """
        self._models = tuple(models)
        if self.baseline is not None:
            check_headers(self.baseline.run, header, self._name)
            for model in self._models:
                self.base_of(model)

    def plan(self, requests: Iterable[Result]) -> None:
        """Add the requests that will be made, as pending results.

        Raises `ComparisonError` if the baseline has different ones.
        """
        self._planned.update((pending.id, pending) for pending in requests)
        if self.baseline is None:
            return
        for model in dict.fromkeys(result.model for result in self._planned.values()):
            planned = of_model(tuple(self._planned.values()), model)
            same_requests(self.baseline.run.name, self.base_of(model), self._name, planned)
            same_targets(self.baseline.run.name, self.base_of(model), self._name, planned)

    def planned(self, model: str) -> int:
        """How many requests are planned for a model."""
        return sum(key[0] == model for key in self._planned)

    def verdicts(
        self, results: Mapping[ResultId, Result], header: Mapping[str, Any] | None = None
    ) -> tuple[Verdict, ...]:
        """The verdicts on the results so far.

        With the header of the run, each says if another model answered than was asked for.
        """
        answering = answering_lines(header or {}, results.values())
        return tuple(
            replace(verdict, notes=(*verdict.notes, answering[verdict.model]))
            if verdict.model in answering
            else verdict
            for verdict in self._verdicts(results)
        )

    def _verdicts(self, results: Mapping[ResultId, Result]) -> tuple[Verdict, ...]:
        evidence = self._evidence(results)
        verdicts = judge(self.gates, evidence)
        if not self._sequential:
            return verdicts
        on_the_way = (
            word for seen in evidence.values() for word in sequential_words(self.gates, seen)
        )
        return tuple(
            replace(verdict, word=word, notes=(_ON_THE_WAY,)) if word else verdict
            for verdict, word in zip(verdicts, on_the_way, strict=True)
        )

    def is_decided(self, model: str, results: Mapping[ResultId, Result]) -> bool:
        """Whether no outstanding response can change a verdict on a model.

        Every gate is judged with all outstanding responses solved, and with all of them
        missed: if both verdicts agree, so do all in between. A sequential test may decide
        earlier, with its error rate.
        """
        if not self.gates:
            return False
        evidence = self._evidence(results, only=model)[model]
        if self._sequential and all(sequential_words(self.gates, evidence)):
            return True
        return decided(self.gates, evidence)

    def changes(
        self, results: Mapping[ResultId, Result]
    ) -> Iterator[tuple[str, str, list[Change]]]:
        """For each model, its counterpart in the baseline and the problems that changed."""
        if self.baseline is None:
            return
        for model in dict.fromkeys(result.model for result in results.values()):
            here = of_model(tuple(results.values()), model)
            base = self.base_of(model)
            yield model, base[0].model if base else "", list(changes(base, here))

    def copies(self, results: Mapping[ResultId, Result]) -> Iterator[str]:
        """A line for each model whose responses are all copies of the baseline's."""
        if self.baseline is not None:
            for model in dict.fromkeys(result.model for result in results.values()):
                here = of_model(tuple(results.values()), model)
                yield from (f"{model}: {line}" for line in copies(self.base_of(model), here))

    def differences(
        self, header: Mapping[str, Any], results: Mapping[ResultId, Result]
    ) -> Iterator[str]:
        """Settings, backends, versions and answering models that differ from the baseline's."""
        if self.baseline is not None:
            everything = tuple(results.values())
            for model in header.get("models", {}):
                there = pick_model(self.baseline.run, model, self.baseline.model)
                yield from differences(self.baseline.run.header, header, (there, model))
                here = of_model(everything, model)
                yield from answering_difference(model, self.base_of(model), here)

    def _evidence(
        self, results: Mapping[ResultId, Result], only: str | None = None
    ) -> dict[str, Evidence]:
        everything = {**self._planned, **results}
        named = (*self._models, *(result.model for result in everything.values()))
        models = [only] if only else dict.fromkeys(named)
        return {
            model: Evidence(of_model(tuple(everything.values()), model), self.base_of(model))
            for model in models
        }

    def base_of(self, model: str) -> tuple[Result, ...]:
        """The baseline's results that a model is compared with; none without a baseline.

        Raises `ComparisonError` if it is not clear which of its models they belong to.
        """
        if self.baseline is None:
            return ()
        if model not in self._base:
            run = self.baseline.run
            picked = pick_model(run, model, self.baseline.model)
            self._base[model] = of_model(run.results, picked)
        return self._base[model]
