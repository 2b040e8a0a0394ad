"""Training problems, each a function of seed, stage, step and number alone.

Nothing is carried from step to step, so a run that was killed goes on with
exactly the problems it would have had.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

from pytest_crossmath.tasks.crossmath.generator import (
    PRESETS,
    generate_problem,
    solution_fingerprint,
)
from pytest_crossmath.tasks.crossmath.grid import Problem

TRAINING = replace(PRESETS["mini"], depths=(1, 2))
"""The mini suite's kind, with more of the puzzles that take two steps: they are the hard ones."""


def draw_problem(rng: random.Random, exclude: Collection[str]) -> Problem:
    """A problem of the mini suite's kind whose solved grid is not excluded."""
    while True:
        problem = generate_problem(TRAINING, rng, "training")
        if solution_fingerprint(problem) not in exclude:
            return problem
