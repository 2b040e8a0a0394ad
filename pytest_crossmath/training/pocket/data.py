"""Training problems, each a function of seed, stage, step and number alone.

Nothing is carried from step to step, so a run that was killed goes on with
exactly the problems it would have had.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.crossmath.generator import PRESETS, generate_puzzle
from pytest_crossmath.tasks.task import Task

TRAINING = replace(PRESETS["mini"], depths=(1, 2))
"""The mini suite's kind, with more of the puzzles that take two steps: they are the hard ones."""


def draw_problem(rng: random.Random, exclude: Collection[str]) -> Task:
    """A problem of the mini suite's kind whose solved grid is not excluded."""
    while True:
        puzzle = generate_puzzle(TRAINING, rng)
        found = FAMILY.solve(puzzle)
        assert found is not None  # the generator leaves nothing open
        task = FAMILY.task("training", puzzle, found.values, found.steps, "")
        if FAMILY.fingerprint(task) not in exclude:
            return task
