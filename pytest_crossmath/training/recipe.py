"""The settings that supervised fine-tuning and reinforcement learning share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class LoraTargets(StrEnum):
    """The linear layers that get a LoRA adapter."""

    ALL = "all"
    """All of them, so that a model with poor vision can learn to see."""
    LANGUAGE = "language"
    """Only those of the language model; the vision tower stays unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings of a training run.

    The command's defaults for rank, learning rate, schedule, warm-up and epochs in fine-tuning
    are those of the paper; the other defaults are ours.

    Source: CrossMath (arXiv 2604.16256), section on training.
    """

    out: Path
    """Folder for the adapter, its checkpoints and the log."""
    seed: int
    """Seed for the adapter's initial weights and the order of examples."""
    epochs: float
    """Passes over the examples; `max_steps` overrides it."""
    max_steps: int | None
    """Optimizer steps; None for as many as `epochs` takes."""
    learning_rate: float
    """Peak learning rate."""
    schedule: str
    """How it decays: a scheduler of transformers, such as ``cosine``."""
    warmup: float
    """Share of the steps over which it rises, below 1."""
    batch_size: int
    """Examples, or completions, per device and batch."""
    accumulate: int
    """Batches per optimizer step."""
    lora_rank: int
    """Rank of the adapter; 0 trains all weights of the model itself."""
    lora_alpha: float
    """Scale of the adapter: its output is weighted by alpha divided by rank."""
    lora_dropout: float
    """Dropout on the adapter's inputs while training."""
    lora_targets: LoraTargets
    """The layers that get an adapter."""
    checkpointing: bool
    """Whether to recompute activations in the backward pass, to save memory."""
    log_every: int
    """Steps between two lines of the log."""
    save_every: int
    """Steps between two checkpoints."""
    report_to: tuple[str, ...]
    """Trackers that transformers reports to, such as ``wandb``."""

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints from which an interrupted run resumes."""
        return self.out / "checkpoints"
