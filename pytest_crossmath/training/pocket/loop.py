"""The training loop: stages, log, saved states, and resuming after a kill."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pytest_crossmath.errors import OptionError
from pytest_crossmath.training.pocket.batches import Batcher
from pytest_crossmath.training.pocket.data import draw_problem
from pytest_crossmath.training.pocket.files import LOG_FILE, STATE_FILE
from pytest_crossmath.training.pocket.losses import cell_loss, text_loss
from pytest_crossmath.training.pocket.optimizers import Optimizers, Rates
from pytest_crossmath.training.pocket.stages import Stage

_EYE_BATCH = 64
_LOG_EVERY = 25
_SAVE_EVERY = 100


@dataclass
class Training:
    """A run in progress: the only mutable object in this package."""

    model: Any
    """The network."""
    batcher: Batcher
    """Draws the examples."""
    plan: tuple[Stage, ...]
    """The stages."""
    seed: int
    """Seed of the data."""
    folder: Path
    """Folder for log and state."""
    save_every: int = _SAVE_EVERY
    """Steps between two saved states."""
    rates: Rates = field(default_factory=Rates)
    """Full learning rates."""
    stage_index: int = 0
    """Index of the current or next stage."""
    step: int = 0
    """Steps of that stage done so far."""
    optimizers: Optimizers | None = None
    """Optimizers of the current stage."""
    seconds: float = 0.0
    """Training time so far, including earlier runs."""

    def run(self) -> None:
        """Train to the end of the plan."""
        self.model.train()
        while self.stage_index < len(self.plan):
            self._run_stage(self.plan[self.stage_index])
            self.stage_index, self.step, self.optimizers = self.stage_index + 1, 0, None
            self.save()

    def save(self) -> None:
        """Write the whole state; a kill while writing leaves the previous one intact."""
        state = {
            "model": self.model.state_dict(),
            "optimizers": self.optimizers and self.optimizers.state_dict(),
            "seed": self.seed,
            "stage_index": self.stage_index,
            "step": self.step,
            "seconds": self.seconds,
        }
        new = self.folder / f"{STATE_FILE}.new"
        torch.save(state, new)
        new.replace(self.folder / STATE_FILE)

    def restore(self) -> None:
        """Load the saved state.

        Raises `OptionError` if it comes from a run with a different seed.
        """
        file = self.folder / STATE_FILE
        state = torch.load(file, weights_only=True, map_location=self.batcher.device)
        if state["seed"] != self.seed:
            raise OptionError(
                f"--resume: {file} was saved with --seed {state['seed']}, not {self.seed}"
            )
        self.model.load_state_dict(state["model"])
        self.stage_index, self.step = state["stage_index"], state["step"]
        self.seconds = state["seconds"]
        if state["optimizers"]:
            self.optimizers = self._optimizers(self.plan[self.stage_index])
            self.optimizers.load_state_dict(state["optimizers"])

    def _run_stage(self, stage: Stage) -> None:
        self.optimizers = self.optimizers or self._optimizers(stage)
        weights = [w for _, w in self._trained(stage)]
        started = time.perf_counter()
        figures: list[dict[str, float]] = []
        while self.step < stage.steps:
            rng = random.Random(f"{self.seed}/{stage.name}/{self.step}")
            figures.append(self._eye_step(rng) if not stage.forms else self._text_step(stage, rng))
            nn.utils.clip_grad_norm_(weights, 1.0)
            self.optimizers.step(stage.rate(self.step))
            self.step += 1
            if self.step % _LOG_EVERY == 0 or self.step == stage.steps:
                now = time.perf_counter()
                self.seconds, started = self.seconds + now - started, now
                self._log(stage, figures)
                figures = []
            if self.step % self.save_every == 0:
                self.save()

    def _text_step(self, stage: Stage, rng: random.Random) -> dict[str, float]:
        total, figures = sum(stage.forms.values()), {}
        for form, count in stage.forms.items():
            batch = self.batcher.draw(rng, form, count, stage.wording)
            with _half_precision(self.batcher.device):
                loss, fine = text_loss(self.model, batch)
            torch.autograd.backward(loss * count / total)
            figures[f"{form} loss"], figures[f"{form} right"] = loss.item(), fine
        return figures

    def _eye_step(self, rng: random.Random) -> dict[str, float]:
        problems = [draw_problem(rng, self.batcher.exclude) for _ in range(_EYE_BATCH)]
        pixels: Tensor = self.batcher.pixels(problems, rng)
        with _half_precision(self.batcher.device):
            loss, right = cell_loss(self.model, pixels, self.batcher.cell_ids(problems))
        torch.autograd.backward(loss)
        return {"cells loss": loss.item(), "cells right": right}

    def _optimizers(self, stage: Stage) -> Optimizers:
        return Optimizers.over(self._trained(stage), self.rates)

    def _trained(self, stage: Stage) -> list[tuple[str, nn.Parameter]]:
        """The weights that a stage trains: one half of the network, or all if it shows pictures."""
        named: Iterable[tuple[str, nn.Parameter]] = self.model.named_parameters()
        if any(form.shows_image for form in stage.forms):
            return list(named)
        text = bool(stage.forms)
        return [(n, w) for n, w in named if ("language_model" in n or "lm_head" in n) is text]

    def _log(self, stage: Stage, figures: list[dict[str, float]]) -> None:
        means = {name: sum(f[name] for f in figures) / len(figures) for name in figures[0]}
        record = {
            "stage": stage.name,
            "step": self.step,
            "seconds": round(self.seconds, 1),
            **means,
        }
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        shown = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        print(f"{stage.name} {self.step}/{stage.steps}  {self.seconds:.0f} s  {shown}", flush=True)


def _half_precision(device: str) -> Any:
    return torch.autocast(device, dtype=torch.bfloat16)
