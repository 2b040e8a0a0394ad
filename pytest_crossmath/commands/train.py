"""`crossmath train sft|grpo SUITE --model MODEL --out DIR`: fine-tune a model on puzzles.

Torch and TRL are imported when a command runs, not when its options are declared.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_crossmath.commands.learning import (
    chosen_examples,
    chosen_instruction,
    chosen_modalities,
    load_learning_suite,
)
from pytest_crossmath.commands.training_options import (
    check_options,
    check_rollouts,
    prepared,
    settings_of,
)
from pytest_crossmath.errors import OptionError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.registry import (
    ModelSpec,
    check_spec,
    is_pocket,
    parse_spec,
)
from pytest_crossmath.training.dataset import Target, make_dataset
from pytest_crossmath.training.recipe import Recipe

if TYPE_CHECKING:
    from pytest_crossmath.models.checkpoint import Checkpoint
    from pytest_crossmath.training.callback import CrossmathCallback


def train_sft(arguments: argparse.Namespace) -> None:
    """Fine-tune a model on worked solutions. Raises `CrossmathError`."""
    check_options(arguments)
    suite, spec = load_learning_suite(arguments.suite), _model(arguments)
    target = Target(arguments.target)
    found = chosen_examples(arguments, suite, target)
    callbacks = _callbacks(arguments, spec)
    recipe, asked = prepared(arguments, spec, suite)

    from pytest_crossmath.training.run import run
    from pytest_crossmath.training.sft import missing_end, sft_trainer

    settings = settings_of(arguments)
    trainee = _trainee(arguments, spec, settings, recipe)
    ending = missing_end(trainee)
    with tempfile.TemporaryDirectory() as cache:
        try:
            dataset = make_dataset(found, Path(cache), embed=False, ending=ending)
        except ValueError as error:
            raise OptionError(f"suite {suite.name}: {error}: add --target=answer") from None
        if not trainee.reads_images:
            # A column of no pictures is taken for pictures.
            dataset = dataset.remove_columns("images")
        _say(f"{len(dataset)} examples, problems: {len(suite.problems)}")
        run(
            lambda: sft_trainer(trainee, dataset, recipe, settings=settings),
            callbacks, trainee, recipe, asked, resume=arguments.resume,
        )  # fmt: skip
    _closing(recipe)


def train_grpo(arguments: argparse.Namespace) -> None:
    """Reward a model for right blanks. Raises `CrossmathError`."""
    check_options(arguments)
    check_rollouts(arguments)
    suite, spec = load_learning_suite(arguments.suite), _model(arguments)
    found = chosen_examples(arguments, suite, Target.ANSWER)
    callbacks = _callbacks(arguments, spec)
    recipe, asked = prepared(arguments, spec, suite)

    from pytest_crossmath.training.grpo import Rollouts, grpo_trainer
    from pytest_crossmath.training.reward import crossmath_reward
    from pytest_crossmath.training.run import run

    settings = settings_of(arguments)
    trainee = _trainee(arguments, spec, settings, recipe)
    reward = crossmath_reward(
        suite.problems,
        depth_weight=arguments.depth_weight, format_weight=arguments.format_weight,
    )  # fmt: skip
    rollouts = Rollouts(
        arguments.generations, arguments.temperature, arguments.max_new_tokens, arguments.beta
    )
    with tempfile.TemporaryDirectory() as cache:
        dataset = make_dataset(found, Path(cache), embed=False)
        # What is right is the reward's to know.
        unused = ["completion", *([] if _shown(arguments) else ["images"])]
        dataset = dataset.remove_columns(unused)
        _say(f"{len(dataset)} prompts, problems: {len(suite.problems)}")
        run(
            lambda: grpo_trainer(
                trainee, dataset, recipe, rollouts, reward, settings=settings
            ),
            callbacks, trainee, recipe, asked, resume=arguments.resume,
        )  # fmt: skip
    _closing(recipe)


def _model(arguments: argparse.Namespace) -> ModelSpec:
    spec = parse_spec(arguments.model)
    check_spec(spec)
    return spec


def _trainee(
    arguments: argparse.Namespace, spec: ModelSpec, settings: Settings, recipe: Recipe
) -> Checkpoint:
    from pytest_crossmath.training.trainee import load_trainee

    trainee = load_trainee(spec, settings, recipe, with_pictures=_shown(arguments))
    sign = getattr(trainee.processor, "image_token", None)
    if sign and sign in chosen_instruction(arguments):
        raise OptionError(
            f"--prompt {arguments.prompt} has {sign} in it, which stands for a picture"
        )
    return trainee


def _shown(arguments: argparse.Namespace) -> bool:
    return any(modality.shows_image for modality in chosen_modalities(arguments))


def _callbacks(arguments: argparse.Namespace, spec: ModelSpec) -> list[CrossmathCallback]:
    if arguments.eval_every is None:
        return []

    from pytest_crossmath.training.callback import CrossmathCallback

    return [
        CrossmathCallback(
            arguments.eval_suite or ("mini" if is_pocket(spec) else "standard"),
            every=arguments.eval_every,
            limit=arguments.eval_limit,
            settings=replace(settings_of(arguments), max_new_tokens=arguments.eval_max_new_tokens),
            instruction=chosen_instruction(arguments),
        )
    ]


def _say(text: str) -> None:
    from pytest_crossmath.training.folder import is_first_process

    if is_first_process():
        print(text, flush=True)


def _closing(recipe: Recipe) -> None:
    option = shlex.quote(f"--crossmath-model={recipe.out}")
    _say(f"trained: {recipe.out}; ask it with pytest {option}")
