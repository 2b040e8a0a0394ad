"""The plan of a training run: which stages, how long, on what.

::

    words    the language model alone learns to solve, first under loose words
    prose    the same under whole instructions
    eyes     the vision tower alone learns to say each cell
    both     everything together, on pictures and text

Stages are counted in steps, never in seconds, so that a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_crossmath.training.pocket.batches import Form
from pytest_crossmath.training.pocket.wordings import WordingMix


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training."""

    name: str
    """Its name in the log."""
    steps: int
    """Optimizer steps."""
    forms: Mapping[Form, int]
    """Samples of each form in a step; none trains the vision tower on cells."""
    wording: WordingMix = field(default_factory=lambda: WordingMix(0.0, 0.0))
    """Wordings of the prompts."""
    rates: tuple[float, float] = (1.0, 1.0)
    """Learning rate at start and end as shares of the full one; linear between."""
    warmup: int = 50
    """Steps over which the rate rises from zero."""

    def rate(self, step: int) -> float:
        """Share of the full learning rate at a step, counted from 0."""
        first, last = self.rates
        share = first + (last - first) * step / self.steps
        return share * min(1.0, (step + 1) / max(1, self.warmup))


PLAN = (
    Stage("words", 650, {Form.TEXT: 40, Form.CELLS: 24}, WordingMix(0.15, 0.1), (1.0, 0.6)),
    Stage(
        "prose",
        500,
        {Form.TEXT: 32, Form.CELLS: 20, Form.CELLS_TEXT: 12},
        WordingMix(0.5, 0.35),
        rates=(0.6, 0.4),
    ),
    Stage("eyes", 500, {}, rates=(1.0, 0.1)),
    Stage(
        "both",
        700,
        {Form.TEXT: 28, Form.IMAGE: 24, Form.IMAGE_TEXT: 12},
        WordingMix(0.65, 0.25),
        rates=(0.4, 0.0),
    ),
)
"""What `crossmath train pocket` does."""


def shortened(plan: tuple[Stage, ...], steps: int) -> tuple[Stage, ...]:
    """The plan with at most `steps` steps a stage, for tests and trials."""
    return tuple(replace(stage, steps=min(steps, stage.steps)) for stage in plan)
