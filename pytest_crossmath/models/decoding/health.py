"""Health: whether a model computes numbers at all, looked at in every step.

::

    health = Health(rows=8, device=model.device, samples=False)
    model.generate(**inputs, logits_processor=[health], stopping_criteria=[health.stop])
    health.faults()     # ['', '', 'NaN', '', …]

A model whose logits are NaN still "answers": the token with the number 0, usually. What it
says is no measurement. The largest logit of a row tells: it is NaN if any logit is, it is +inf
if any logit is, and it is -inf only if no token is possible. Masked tokens, at -inf, are fine.
Nothing is copied from the device until the end.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria

_NAMES = {"nan": "NaN", "inf": "an infinite value", "-inf": "no finite value"}


class Health(LogitsProcessor):
    """Watches the logits of a batch, one value a row."""

    def __init__(self, rows: int, device: Any, *, samples: bool) -> None:
        """With `samples`, logits that no token can be drawn from are replaced."""
        self.rows, self.samples = rows, samples
        self.largest = torch.zeros(rows, device=device)
        """The first largest logit of each row that was not finite, or the latest one."""
        self.sound = torch.ones(rows, dtype=torch.bool, device=device)
        """Whether the logits of each row were finite so far."""
        self.stop = _Stop(self)

    def __call__(self, _input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The logits, shape (rows, vocabulary), unchanged where they are finite."""
        # A search over beams has several rows for each of ours.
        largest = scores.amax(dim=-1).view(self.rows, -1).amax(dim=-1).to(self.largest)
        self.largest = torch.where(self.sound, largest, self.largest)
        self.sound = self.largest.isfinite()
        if self.samples:
            # Drawing from NaN is an error on a CPU, and on a GPU the end of the process.
            ill = ~self.sound.repeat_interleave(len(scores) // self.rows).to(scores.device)
            return scores.masked_fill(ill[:, None], 0.0)
        return scores

    def faults(self) -> list[str]:
        """What each row's logits were when they were not finite; empty for a sound row."""
        return [_NAMES.get(str(value), "") for value in self.largest.tolist()]


class _Stop(StoppingCriteria):
    """Stops a row once its logits were not finite."""

    def __init__(self, health: Health) -> None:
        self.health = health
        self.lengths = torch.zeros_like(health.largest, dtype=torch.long)
        """Number of steps of each row, the one that stopped it included."""
        self.running = torch.ones_like(health.sound)

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_: Any) -> torch.Tensor:
        """Which rows stop, shape (rows,)."""
        self.lengths += self.running
        self.running = self.health.sound
        return ~self.running.repeat_interleave(len(input_ids) // self.health.rows)
