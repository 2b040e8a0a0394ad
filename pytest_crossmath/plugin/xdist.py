"""Under pytest-xdist: which worker gets which tests, and which GPU.

Workers are given *stretches*: all tests of a few consecutive problems of one
model. A worker infers a stretch in batches, so no request is made by two, and
one that dies loses no more than what it was working on. Which stretch a test
belongs to follows from the list of test ids alone, the same in every process::

    scopes = stretches(ids, models=["llava"], problems=["mini-0001", …], workers=4)
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

GPU = "crossmath_gpu"
"""Where a worker is told which GPU is its own."""

_SMALLEST, _LARGEST = 32, 512
"""Tests in a stretch: enough to fill batches, few enough to share out evenly."""
_STRETCHES_PER_WORKER = 4

Scopes = Mapping[str, str]
"""Test id to the name of its stretch."""


def stretches(
    ids: Sequence[str], *, models: Iterable[str], problems: Iterable[str], workers: int
) -> Scopes:
    """The stretch of every test; a test that asks no model is a stretch of its own."""
    find_model, find_problem = _finder(models), _finder(problems)
    asked: dict[str, tuple[str, str]] = {}
    for id in ids:
        parameters = id.partition("[")[2].removesuffix("]")
        model, problem = find_model(parameters), find_problem(parameters)
        if model is not None and problem is not None:
            asked[id] = model, problem
    tests = Counter(model for model, _ in asked.values())
    place: dict[str, dict[str, int]] = {model: {} for model in tests}
    for model, problem in asked.values():
        place[model].setdefault(problem, len(place[model]))
    scopes = {id: id for id in ids}
    for id, (model, problem) in asked.items():
        size = min(max(tests[model] / (workers * _STRETCHES_PER_WORKER), _SMALLEST), _LARGEST)
        problems_at_once = max(1, round(size * len(place[model]) / tests[model]))
        scopes[id] = f"{model}, stretch {place[model][problem] // problems_at_once}"
    return scopes


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


def _finder(names: Iterable[str]) -> Callable[[str], str | None]:
    """Finds which of `names` stands between the hyphens of a test's parameters."""
    known = set(names)
    longest = max((name.count("-") for name in known), default=0) + 1

    def find(parameters: str) -> str | None:
        words = parameters.split("-")
        for start in range(len(words)):
            for stop in range(min(start + longest, len(words)), start, -1):
                if (name := "-".join(words[start:stop])) in known:
                    return name
        return None

    return find
