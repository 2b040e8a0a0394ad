"""An endless stream of new tasks of a family, no two of them alike.

::

    family = provable("crossmath", "generate")
    for index, task in numbered(family, "mixed", seed=7, prefix="demo"):
        ...                                      # demo-0001, demo-0002, …

The same seed gives the same tasks in every process and on every machine.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice, repeat

from pytest_crossmath.errors import FamilyError
from pytest_crossmath.tasks.provable import ProvableFamily, fingerprint_of
from pytest_crossmath.tasks.task import Task

_TRIES = 10_000
"""Number of known tasks in a row after which the search for a new one is given up."""

MIXED = "mixed"
"""The preset that mixes the others in the family's shares."""


def numbered(
    family: ProvableFamily,
    preset: str,
    *,
    seed: int,
    prefix: str,
    exclude: Collection[str] = (),
    made: int = 0,
    index: int = 0,
) -> Iterator[tuple[int, Task]]:
    """Tasks of a preset, or `MIXED`, each with the index at which the generator resumes.

    Tasks whose fingerprint is in `exclude` are skipped. To resume an interrupted job with the
    same tasks, pass how many were `made`, the `index` that came with the last of them, and their
    fingerprints in `exclude`. Raises `FamilyError` when nothing new can be found.
    """
    names = _mixed(family.mixture) if preset == MIXED else repeat(preset)
    seen = set(exclude)
    for number, name in enumerate(islice(names, made, None), start=made + 1):
        for _ in range(_TRIES):
            task = family.new("", name, random.Random(f"{seed}/{index}"))
            index += 1
            _, fingerprint = fingerprint_of(task)
            if fingerprint not in seen:
                break
        else:
            raise FamilyError(
                f"the family {family.name!r} finds nothing new for {name!r} after {number - 1}"
                f" tasks: request fewer"
            )
        seen.add(fingerprint)
        yield index, replace(task, id=f"{prefix}-{number:04d}")


def _mixed(shares: Mapping[str, int]) -> Iterator[str]:
    """Presets in an order that keeps every prefix as close to the shares as possible."""
    made = Counter(dict.fromkeys(shares, 0))
    while True:
        furthest_behind = min(shares, key=lambda name: (made[name] + 0.5) / shares[name])
        made[furthest_behind] += 1
        yield furthest_behind
