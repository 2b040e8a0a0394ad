"""Supervised fine-tuning with TRL: a model learns to write worked solutions."""

from __future__ import annotations

from typing import Any

from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from pytest_crossmath.models.checkpoint import Checkpoint
from pytest_crossmath.training.recipe import Recipe
from pytest_crossmath.training.run import on_one_gpu, training_arguments


def sft_trainer(trainee: Checkpoint, dataset: Any, recipe: Recipe, *, device: str) -> Any:
    """TRL's trainer over prompts and completions. The loss is that of the completions only."""
    arguments = SFTConfig(
        **training_arguments(recipe, device),
        completion_only_loss=True,
        # A limit that cuts a completion off makes its loss 0, and one that cuts a picture fails.
        max_length=None,
        packing=False,
    )
    return SFTTrainer(
        trainee.model,
        on_one_gpu(arguments),
        train_dataset=dataset,
        processing_class=trainee.processor,
    )
