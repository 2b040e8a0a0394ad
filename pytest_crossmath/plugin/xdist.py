"""Under pytest-xdist: which worker gets which tests, and which GPU.

Workers are given *stretches*: all tests of a few consecutive problems of one
model. A worker infers a stretch in batches, so no request is made by two, and
one that dies loses no more than what it was working on. Which stretch a test
belongs to follows from the list of test ids alone, see `run.plan.stretches`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.transcript import Transcript, parse_line
from pytest_crossmath.run.plan import Scopes

if TYPE_CHECKING:
    import pytest

GPU = "crossmath_gpu"
"""Where a worker is told which GPU is its own."""

FLAGS = "crossmath_flags"
"""Where a worker is told which folder says that a model is not to be asked any more."""

_RESULTS = "crossmath_results"
"""Where a test report, and a worker's last word, carry results as builtin types."""

_TROUBLES = "crossmath_troubles"
"""Where a worker's last word carries what is to be said about its cache."""


class Outbox:
    """In a worker: the lines of the record that are on their way to the controller."""

    def __init__(self) -> None:
        """Nothing is on its way yet."""
        self._fresh: list[Result | Transcript] = []

    def put(self, line: Result | Transcript) -> None:
        """Take a line, for the next report."""
        self._fresh.append(line)

    def attach(self, report: pytest.TestReport) -> None:
        """Put what arrived since the last report on this one."""
        if self._fresh:
            setattr(report, _RESULTS, self._take())

    def last_word(self, troubles: Sequence[str]) -> dict[str, Any]:
        """What no report has carried."""
        return {_RESULTS: self._take(), _TROUBLES: list(troubles)}

    def _take(self) -> list[dict[str, Any]]:
        fresh = [line.to_json() for line in self._fresh]
        self._fresh.clear()
        return fresh


class Inbox:
    """In the controller: what comes from the workers."""

    def __init__(self, add: Callable[[Result | Transcript], None]) -> None:
        """`add` takes every line of the record."""
        self._add = add
        self.troubles: dict[str, None] = {}
        """What went wrong with the workers' caches, each once."""

    def take(self, report: pytest.TestReport) -> None:
        """Take the lines that a report carries."""
        self._take(getattr(report, _RESULTS, ()))

    def take_last_word(self, said: Mapping[str, Any]) -> None:
        """Take what a worker said when it left."""
        self._take(said.get(_RESULTS, ()))
        self.troubles.update(dict.fromkeys(said.get(_TROUBLES, ())))

    def _take(self, lines: Iterable[Mapping[str, Any]]) -> None:
        for fields in lines:
            self._add(parse_line(fields))


def make_scheduler(
    config: pytest.Config, log: Any, stretches_of: Callable[[Sequence[str], int], Scopes]
) -> Any:
    """A scheduler of pytest-xdist that hands out stretches in their order."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class StretchScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        """Like ``--dist=loadscope``, with stretches as scopes."""

        def schedule(self) -> None:
            if self.collection is None and self.registered_collections:
                ids = next(iter(self.registered_collections.values()))
                self._scopes = stretches_of(ids, self.numnodes)
            super().schedule()

        def _split_scope(self, nodeid: str) -> str:
            return self._scopes[nodeid]

        def remove_node(self, node: Any) -> str | None:
            crashed: str | None = super().remove_node(node)
            if crashed is not None:
                # xdist would give the test that killed a worker to the next one.
                for unit in (self.workqueue, *self.assigned_work.values()):
                    if crashed in unit.get(self._scopes[crashed], {}):
                        unit[self._scopes[crashed]][crashed] = True
            return crashed

    # By size, as xdist orders scopes by default, stretches of several models would alternate,
    # and each worker would load each model many times.
    config.option.loadscopereorder = False
    return StretchScheduling(config, log)


def visible_gpus() -> list[str]:
    """The GPUs that may be used, as ``CUDA_VISIBLE_DEVICES`` names them. Loads no torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        listed = [name.strip() for name in named.split(",")]
        # CUDA ignores what comes after a name that it does not know, such as -1.
        known = listed.index("-1") if "-1" in listed else len(listed)
        return [name for name in listed[:known] if name]
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607 - wherever the driver put it
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(i) for i, _ in enumerate(re.findall(r"^GPU \d+:", done.stdout, re.MULTILINE))]


def automatic_workers() -> int:
    """One worker for each GPU. Without one two at most: a model on a CPU wants several cores."""
    return len(visible_gpus()) or min(2, os.cpu_count() or 1)


class GpuAssignment:
    """Which worker has which GPU; that of a worker that died is free again."""

    def __init__(self, gpus: Sequence[str]) -> None:
        """`gpus` as `visible_gpus` gives them; none means that nothing is assigned."""
        self._held: dict[str, list[str]] = {gpu: [] for gpu in gpus}

    def take(self, worker: str) -> str | None:
        """The GPU with the fewest workers."""
        if not self._held:
            return None
        gpu = min(self._held, key=lambda name: len(self._held[name]))
        self._held[gpu].append(worker)
        return gpu

    def release(self, worker: str) -> None:
        """The worker is gone."""
        for workers in self._held.values():
            if worker in workers:
                workers.remove(worker)


def prepare_worker(workerinput: Mapping[str, Any]) -> None:
    """Give a worker its GPU and its share of the cores. Before torch is imported, which asks once.

    Torch takes all cores in every worker otherwise. What the user set stays.
    """
    if gpu := workerinput.get(GPU):
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    workers = workerinput.get("workercount", 1)
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
