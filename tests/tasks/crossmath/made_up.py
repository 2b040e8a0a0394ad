"""Grids made up for the tests."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pytest_crossmath.tasks.crossmath import generator
from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.crossmath.generator import PRESETS, GeneratorSpec
from pytest_crossmath.tasks.crossmath.grid import Puzzle
from pytest_crossmath.tasks.crossmath.table import parse_table
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Task

SOUND = load_suite("mini").tasks[1]
"""A problem in which nothing is wrong."""


def grid(
    table: str,
    key: Sequence[str],
    steps: tuple[int, ...] = (),
    *,
    id: str = "p",
    images: Mapping[str, Path] | None = None,
) -> Task:
    """A problem with this table."""
    return FAMILY.task(
        id, parse_table(table), tuple(key), steps or (1,) * len(key), "easy", text=table,
        images={style: Picture(path) for style, path in (images or {}).items()},
    )  # fmt: skip


def changed(
    *,
    id: str = SOUND.id,
    table: str = SOUND.text,
    key: Sequence[str] = SOUND.target,
    steps: tuple[int, ...] = SOUND.steps,
    images: Mapping[str, Path] | None = None,
) -> Task:
    """The sound problem with some fields changed, and without pictures unless they are given."""
    return grid(table, key, steps, id=id, images=images)


def pictured(problem: Task, images: Mapping[str, Path]) -> Task:
    """A problem with these pictures only."""
    return FAMILY.task(
        problem.id, problem.content, problem.target, problem.steps, problem.difficulty,
        text=problem.text, images={style: Picture(path) for style, path in images.items()},
        origin=problem.origin,
    )  # fmt: skip


def generated(spec: GeneratorSpec, seed: int) -> Task:
    """A problem drawn from a seed; its key is what the generator removed."""
    blank, grown = generator._blank, list[Puzzle]()

    def watched(solved: Puzzle, *others: Any) -> Puzzle | None:
        grown.append(solved)
        return blank(solved, *others)

    with patch.object(generator, "_blank", watched), patch.dict(PRESETS, {"own": spec}):
        problem = FAMILY.new("p", "own", random.Random(seed))
    return replace(problem, target=tuple(grown[-1][p].text for p in problem.content.blanks))
