"""How a model is trained: the settings that supervised and reinforcement learning share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class LoraTargets(StrEnum):
    """The linear layers that get a LoRA adapter."""

    ALL = "all"
    """All of them: a model that sees badly learns to see."""
    LANGUAGE = "language"
    """Those of the language model: what the vision tower gives stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings of a training run.

    Of the command's defaults for fine-tuning rank, learning rate, schedule, warm-up and epochs
    are those of the paper, the others ours.

    Source: CrossMath (arXiv 2604.16256), section on training.
    """

    out: Path
    """Folder for the adapter, its checkpoints and the log."""
    seed: int
    """Of the adapter's first weights and of the order of examples."""
    epochs: float
    """Passes over the examples; `max_steps` goes before it."""
    max_steps: int | None
    """Optimizer steps; None for as many as `epochs` takes."""
    learning_rate: float
    """Its highest value."""
    schedule: str
    """How it falls: what transformers calls the scheduler, such as ``cosine``."""
    warmup: float
    """Share of the steps in which it rises, below 1."""
    batch_size: int
    """Examples, or completions, that a device works on at once."""
    accumulate: int
    """Batches in an optimizer step."""
    lora_rank: int
    """Rank of the adapter; 0 trains all weights of the model itself."""
    lora_alpha: float
    """The adapter counts this much divided by its rank."""
    lora_dropout: float
    """Share of its inputs that an adapter drops while training."""
    lora_targets: LoraTargets
    """The layers that get one."""
    checkpointing: bool
    """Whether activations are computed twice, to save memory."""
    log_every: int
    """Steps between two lines of the log."""
    save_every: int
    """Steps between two checkpoints."""
    report_to: tuple[str, ...]
    """Trackers that transformers reports to, such as ``wandb``."""

    @property
    def checkpoints(self) -> Path:
        """Where a run that is broken off goes on from."""
        return self.out / "checkpoints"
