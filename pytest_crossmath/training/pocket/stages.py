"""The plan of a training run: its stages, their lengths and their data.

::

    words    only the language model: it learns to solve, prompted mostly with random words
    prose    the same, prompted mostly with whole instructions
    eyes     only the vision tower: it learns to name each cell

and, only on request, `both`: the whole network on pictures and text together.
Stages are measured in steps, never in seconds, so that a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_crossmath.training.pocket.batches import Input
from pytest_crossmath.training.pocket.wordings import WordingMix


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training."""

    name: str
    """Its name in the log."""
    steps: int
    """Optimizer steps."""
    forms: Mapping[Input, int]
    """Number of examples of each form per step; if empty, the vision tower is trained on cells."""
    wording: WordingMix = field(default_factory=lambda: WordingMix(0.0, 0.0))
    """Wordings of the prompts."""
    rates: tuple[float, float] = (1.0, 1.0)
    """Learning rate at start and end, as shares of the full rate; linear in between."""
    warmup: int = 50
    """Steps over which the rate rises from zero."""

    def rate(self, step: int) -> float:
        """Share of the full learning rate at a step, counted from 0."""
        first, last = self.rates
        share = first + (last - first) * step / self.steps
        return share * min(1.0, (step + 1) / max(1, self.warmup))


PLAN = (
    Stage("words", 650, {Input.TEXT: 40, Input.CELLS: 24}, WordingMix(0.15, 0.1), (1.0, 0.6)),
    Stage(
        "prose",
        700,
        {Input.TEXT: 36, Input.CELLS: 18, Input.CELLS_TEXT: 10},
        WordingMix(0.65, 0.3),
        rates=(0.6, 0.0),
    ),
    Stage("eyes", 175, {}, rates=(1.0, 0.1)),
)
"""The plan of `crossmath train pocket`. The length of `eyes` decides how well pictures are read."""

JOINT = Stage(
    "both",
    0,
    {Input.TEXT: 28, Input.IMAGE: 24, Input.IMAGE_TEXT: 12},
    WordingMix(0.65, 0.25),
    rates=(0.4, 0.0),
)
"""The stage that `--joint-steps` adds. It nearly closes the gap that `pocket` is meant to show."""


def shortened(plan: tuple[Stage, ...], steps: int) -> tuple[Stage, ...]:
    """The plan with at most `steps` steps per stage, for tests and trials."""
    return tuple(replace(stage, steps=min(steps, stage.steps)) for stage in plan)


def with_vision(plan: tuple[Stage, ...], steps: int) -> tuple[Stage, ...]:
    """The plan with `steps` steps in the stage that trains the vision tower."""
    return tuple(stage if stage.forms else replace(stage, steps=steps) for stage in plan)
