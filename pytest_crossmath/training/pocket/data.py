"""Training problems, which depend only on seed, stage, step and number.

No random state is carried from step to step, so a resumed run gets exactly
the problems that it would have had without the interruption.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.crossmath.generator import PRESETS, generate_puzzle
from pytest_crossmath.tasks.task import Task

TRAINING = replace(PRESETS["mini"], depths=(1, 2))
"""The mini suite's preset, with more puzzles of two steps, which are the harder ones."""


def draw_problem(rng: random.Random, exclude: Collection[str]) -> Task:
    """A problem like those of the mini suite whose solved grid is not excluded."""
    while True:
        puzzle = generate_puzzle(TRAINING, rng)
        found = FAMILY.solve(puzzle)
        assert found is not None  # generated puzzles are always solvable
        task = FAMILY.task("training", puzzle, found.values, found.steps, "")
        if FAMILY.fingerprint(task) not in exclude:
            return task
