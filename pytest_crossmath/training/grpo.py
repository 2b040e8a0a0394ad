"""Reinforcement learning with TRL: completions are sampled and rewarded for right blanks.

Group relative policy optimisation (GRPO) compares several completions of a prompt with
each other. A prompt whose completions are all equally good teaches nothing.

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
    """How completions are sampled and compared."""

    generations: int
    """Completions per prompt that are compared with each other."""
    temperature: float
    """Softmax temperature for sampling."""
    max_new_tokens: int
    """Maximum number of tokens in a completion; a longer one is truncated and has no answer."""
    beta: float
    """Weight of the divergence from the original model; 0 turns it off."""


class _Trainer(GRPOTrainer):
    """TRL's trainer, with an order of prompts that a resumed run can continue in any epoch."""

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        sampler: Any = super()._get_train_sampler(dataset)
        # Its generator would carry on from epoch to epoch, but start again in a resumed run.
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
        # Generate batch by batch, so that a device holds no more than one batch.
        steps_per_generation=1,
        # As in evaluation; some templates would otherwise open a thinking block.
        chat_template_kwargs={"enable_thinking": False},
    )
    return _Trainer(
        trainee.model,
        reward_funcs=reward,
        args=on_one_gpu(arguments),
        train_dataset=dataset,
        processing_class=trainee.processor,
    )
