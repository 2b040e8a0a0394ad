"""Under pytest-xdist: which worker gets which tests, and which GPU.

Workers get *stretches*: all tests of a few consecutive problems of one model. A worker infers a
stretch in batches, so no request is made by two workers, and a worker that dies loses only what
it was working on. The stretch of a test follows from the list of test ids alone, see
`run.plan.stretches`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.transcript import Transcript, parse_line
from pytest_crossmath.run.plan import Scopes
from pytest_crossmath.signals import end_with

if TYPE_CHECKING:
    import pytest

GPU = "crossmath_gpu"
"""Field of the worker input: the GPU of the worker."""

PARENT = "crossmath_parent"
"""Field of the worker input: the process that started the worker."""

FLAGS = "crossmath_flags"
"""Field of the worker input: the folder whose flags say which models are decided."""

_RESULTS = "crossmath_results"
"""Field of test reports and of worker output: results as builtin types."""

_TROUBLES = "crossmath_troubles"
"""Field of worker output: what went wrong with the cache of the worker."""

_SECONDS = "crossmath_seconds"
"""Field of worker output: how long the worker asked models."""

_UNWRITTEN = "crossmath_unwritten"
"""The key of a worker's final output for snapshots that it could not write."""


class Outbox:
    """In a worker: the lines of the record that wait to be sent to the controller."""

    def __init__(self) -> None:
        """Start without any lines."""
        self._fresh: list[Result | Transcript] = []

    def put(self, line: Result | Transcript) -> None:
        """Add a line, for the next report."""
        self._fresh.append(line)

    def attach(self, report: pytest.TestReport) -> None:
        """Attach to this report the lines added since the last one."""
        if self._fresh:
            setattr(report, _RESULTS, self._take())

    def last_word(
        self, troubles: Sequence[str], unwritten: Sequence[str], seconds: float
    ) -> dict[str, Any]:
        """The worker's output: lines that no report has carried, what went wrong, and its time."""
        return {
            _RESULTS: self._take(), _TROUBLES: list(troubles), _UNWRITTEN: list(unwritten),
            _SECONDS: seconds,
        }  # fmt: skip

    def _take(self) -> list[dict[str, Any]]:
        fresh = [line.to_json() for line in self._fresh]
        self._fresh.clear()
        return fresh


class Inbox:
    """In the controller: what arrives from the workers."""

    def __init__(self, add: Callable[[Result | Transcript], object]) -> None:
        """`add` is called with every line of the record."""
        self._add = add
        self.troubles: dict[str, None] = {}
        """What went wrong with the workers' caches, without duplicates."""
        self.unwritten: dict[str, None] = {}
        """Why workers could not write snapshots, without duplicates."""
        self.seconds: float | None = None
        """How long the busiest worker asked models; None if none has said."""

    def take(self, report: pytest.TestReport) -> None:
        """Take the lines that a report carries."""
        self._take(getattr(report, _RESULTS, ()))

    def take_last_word(self, said: Mapping[str, Any]) -> None:
        """Take the final output of a worker."""
        self._take(said.get(_RESULTS, ()))
        self.troubles.update(dict.fromkeys(said.get(_TROUBLES, ())))
        self.unwritten.update(dict.fromkeys(said.get(_UNWRITTEN, ())))
        if _SECONDS in said:
            self.seconds = max(self.seconds or 0.0, said[_SECONDS])

    def _take(self, lines: Iterable[Mapping[str, Any]]) -> None:
        for fields in lines:
            self._add(parse_line(fields))


def make_scheduler(
    config: pytest.Config, log: Any, stretches_of: Callable[[Sequence[str], int], Scopes]
) -> Any:
    """A scheduler of pytest-xdist that hands out stretches in order."""
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
            workload = self.assigned_work[node]
            pending: list[str] = [
                id for unit in workload.values() for id, is_done in unit.items() if not is_done
            ]
            if not pending:
                return cast("str | None", super().remove_node(node))
            # xdist would give the test that killed this worker to the next one. It would also hand
            # out again what is done, and wait for ever for a report on it.
            crashed = pending[0]
            workload[self._scopes[crashed]][crashed] = True
            del self.assigned_work[node]
            self.workqueue.update(
                {scope: unit for scope, unit in workload.items() if not all(unit.values())}
            )
            for other in self.assigned_work:
                self._reschedule(other)
            return crashed

    # xdist orders scopes by size by default. The stretches of several models would alternate,
    # and each worker would load each model many times.
    config.option.loadscopereorder = False
    return StretchScheduling(config, log)


def visible_gpus() -> list[str]:
    """The usable GPUs, as ``CUDA_VISIBLE_DEVICES`` names them. Does not import torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        listed = [name.strip() for name in named.split(",")]
        # CUDA ignores everything from the first unknown name on, such as -1.
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
    """One worker per GPU; without a GPU at most two, as a model on a CPU needs several cores."""
    return len(visible_gpus()) or min(2, os.cpu_count() or 1)


class GpuAssignment:
    """Which worker has which GPU; the GPU of a worker that died becomes free again."""

    def __init__(self, gpus: Sequence[str]) -> None:
        """`gpus` as `visible_gpus` returns them; if there are none, nothing is assigned."""
        self._held: dict[str, list[str]] = {gpu: [] for gpu in gpus}

    def take(self, worker: str) -> str | None:
        """The GPU with the fewest workers."""
        if not self._held:
            return None
        gpu = min(self._held, key=lambda name: len(self._held[name]))
        self._held[gpu].append(worker)
        return gpu

    def release(self, worker: str) -> None:
        """Free the GPU of a worker that is gone."""
        for workers in self._held.values():
            if worker in workers:
                workers.remove(worker)


def prepare_worker(workerinput: Mapping[str, Any]) -> None:
    """Give a worker its GPU and its share of the cores. Call it before torch is imported.

    Otherwise torch uses all cores in every worker. A value set by the user is kept. The worker
    ends with the process that started it.
    """
    if PARENT in workerinput:
        end_with(workerinput[PARENT])
    if gpu := workerinput.get(GPU):
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    workers = workerinput.get("workercount", 1)
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
