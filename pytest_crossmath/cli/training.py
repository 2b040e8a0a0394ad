"""What `crossmath train sft` and `crossmath train grpo` share.

Torch and TRL are imported when a command runs, not when its options are declared.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_crossmath.cli.learning import (
    chosen_instruction,
    chosen_modalities,
)
from pytest_crossmath.cli.training_options import (
    settings_of,
)
from pytest_crossmath.errors import OptionError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.registry import check_spec, default_suite, parse_spec
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.text import log_line
from pytest_crossmath.training.recipe import Recipe

if TYPE_CHECKING:
    from pytest_crossmath.models.checkpoint.loading import Checkpoint
    from pytest_crossmath.training.callback import CrossmathCallback


def chosen_model(arguments: argparse.Namespace) -> ModelSpec:
    """The model that `--model` names, checked. Raises `ModelError`."""
    spec = parse_spec(arguments.model)
    check_spec(spec)
    return spec


def loaded_trainee(
    arguments: argparse.Namespace, spec: ModelSpec, settings: Settings, recipe: Recipe
) -> Checkpoint:
    """The model to train, loaded.

    Raises `ModelError`, and `OptionError` for a prompt that the model cannot take.
    """
    from pytest_crossmath.training.trainee import load_trainee

    trainee = load_trainee(spec, settings, recipe, with_pictures=shows_pictures(arguments))
    sign = getattr(trainee.processor, "image_token", None)
    if sign and sign in (chosen_instruction(arguments) or ""):
        raise OptionError(
            f"--prompt {arguments.prompt} contains {sign}, which stands for a picture"
        )
    return trainee


def shows_pictures(arguments: argparse.Namespace) -> bool:
    """Whether any form that the model learns from has a picture."""
    return any(modality.shows_image for modality in chosen_modalities(arguments))


def chosen_callbacks(arguments: argparse.Namespace, spec: ModelSpec) -> list[CrossmathCallback]:
    """The callback that measures the model during training, if `--eval-every` is given."""
    if arguments.eval_every is None:
        return []

    from pytest_crossmath.training.callback import CrossmathCallback

    return [
        CrossmathCallback(
            arguments.eval_suite or default_suite([spec]),
            every=arguments.eval_every,
            limit=arguments.eval_limit,
            settings=replace(settings_of(arguments), max_new_tokens=arguments.eval_max_new_tokens),
            instruction=chosen_instruction(arguments),
        )
    ]


def say(text: str) -> None:
    """Print a line; in a distributed run, only the first process does."""
    from pytest_crossmath.training.folder import is_first_process

    if is_first_process():
        print(log_line(text), flush=True)


def say_where(recipe: Recipe) -> None:
    """Print where the result is and how to evaluate it."""
    option = shlex.quote(f"--crossmath-model={recipe.out}")
    say(f"trained: {recipe.out}; evaluate it with pytest {option}")
