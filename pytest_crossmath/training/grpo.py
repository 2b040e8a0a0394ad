"""Reinforcement learning with TRL: a model tries, and right blanks are rewarded.

Group relative policy optimisation (GRPO): several completions of a prompt are compared
with each other. A prompt to which all are equally good teaches nothing.

Source: CrossMath (arXiv 2604.16256), section on reinforcement learning; DeepSeekMath
(arXiv 2402.03300).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.loading import Checkpoint
from pytest_crossmath.training.recipe import Recipe
from pytest_crossmath.training.run import on_one_gpu, training_arguments


@dataclass(frozen=True, slots=True)
class Rollouts:
    """How completions are drawn and compared."""

    generations: int
    """Completions of a prompt that are compared with each other."""
    temperature: float
    """Softmax temperature of sampling."""
    max_new_tokens: int
    """Most tokens in a completion; a longer one is cut off, and has no answer."""
    beta: float
    """Weight of the divergence from the model as it came; 0 does without."""


class _Trainer(GRPOTrainer):
    """TRL's trainer, with an order of prompts that a resumed run takes up in any epoch."""

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        sampler: Any = super()._get_train_sampler(dataset)
        # Its own generator goes on from epoch to epoch, and starts anew in a resumed run.
        sampler.set_epoch = lambda epoch: sampler.generator.manual_seed(self.args.seed + epoch)
        return sampler


def grpo_trainer(
    trainee: Checkpoint,
    dataset: Any,
    recipe: Recipe,
    rollouts: Rollouts,
    reward: Callable[..., list[float | None]],
    *,
    settings: Settings,
) -> Any:
    """TRL's trainer over prompts, with one reward function."""
    arguments = GRPOConfig(
        **training_arguments(recipe, settings),
        num_generations=rollouts.generations,
        temperature=rollouts.temperature,
        max_completion_length=rollouts.max_new_tokens,
        beta=rollouts.beta,
        # Drawn batch by batch, so that the size of a batch is what a device has to hold.
        steps_per_generation=1,
        # As models are asked: a template that can would open a thinking block.
        chat_template_kwargs={"enable_thinking": False},
    )
    return _Trainer(
        trainee.model,
        reward_funcs=reward,
        args=on_one_gpu(arguments),
        train_dataset=dataset,
        processing_class=trainee.processor,
    )
