"""The optimizers: Muon for the weight matrices of the layers, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Rates:
    """Full learning rates."""

    muon: float = 8e-3
    """For matrices; updates are scaled to be about as large as AdamW's."""
    adam: float = 3e-3
    """For embeddings, norms, biases and the patch filter."""


@dataclass(frozen=True)
class Optimizers:
    """Both optimizers over one set of weights."""

    muon: torch.optim.Muon
    """Updates the matrices."""
    adam: torch.optim.AdamW
    """Updates the other weights."""
    rates: Rates
    """Full learning rates."""

    @classmethod
    def over(cls, named: Iterable[tuple[str, nn.Parameter]], rates: Rates) -> Optimizers:
        """Optimizers for these named weights."""
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, weight in named:
            (matrices if weight.ndim == 2 and "embed" not in name else rest).append(weight)
        muon = torch.optim.Muon(
            matrices, lr=rates.muon, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        )
        adam = torch.optim.AdamW(rest, lr=rates.adam, betas=(0.9, 0.98), weight_decay=0.0)
        return cls(muon, adam, rates)

    def step(self, share: float) -> None:
        """Take one step at a share of the full rates, then clear the gradients."""
        both: tuple[Any, ...] = (self.muon, self.adam)
        for optimizer, rate in zip(both, (self.rates.muon, self.rates.adam), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a saved state."""
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
