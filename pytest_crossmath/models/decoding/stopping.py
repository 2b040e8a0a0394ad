"""When decoding in slots stops: each row at its own end, the chunk soon after.

::

    stop = Stop([256, 250], ends={2}, patience=16, health=health)
    model.generate(**inputs, stopping_criteria=[stop])
    lengths, finished = stop.result(steps)
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from transformers import StoppingCriteria

from pytest_crossmath.models.decoding.health import Health


class Stop(StoppingCriteria):
    """Stops each row at its end, and the chunk once finished rows have idled long enough."""

    def __init__(
        self, remaining: list[int], ends: Collection[int], patience: int, health: Health
    ) -> None:
        self.health, device = health, health.sound.device
        self.remaining = torch.tensor(remaining, device=device)
        self.ends = torch.tensor(sorted(ends), dtype=torch.long, device=device)
        self.patience = patience
        self.steps = 0
        self.idle = torch.zeros((), dtype=torch.long, device=device)
        self.open = torch.ones_like(self.remaining, dtype=torch.bool)
        self.lengths = torch.zeros_like(self.remaining)
        """Number of tokens that each row got before it ended."""

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_: Any) -> torch.Tensor:
        """Which rows stop after this step, shape (rows,): all of them when the chunk ends."""
        # Nothing is copied from the device here; `generate` already does so once per step.
        self.steps += 1
        self.lengths += self.open
        self.open &= torch.isin(input_ids[:, -1], self.ends, invert=True)
        self.open &= self.remaining > self.steps
        self.open &= self.health.sound
        closed = ~self.open
        stop = closed | (self.idle >= self.patience)
        self.idle += closed.sum()
        return stop

    def result(self, steps: int) -> tuple[list[int], list[bool]]:
        """The number of tokens that each row got in these steps, and whether it finished in them.

        Some devices run one step more than they report.
        """
        lengths, closed = self.lengths.tolist(), (~self.open).tolist()
        finished = [over and length <= steps for length, over in zip(lengths, closed, strict=True)]
        return [min(length, steps) for length in lengths], finished
