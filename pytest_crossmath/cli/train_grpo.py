"""`crossmath train grpo SUITE --model MODEL --out DIR`: reinforcement learning on a suite."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pytest_crossmath.cli.learning import chosen_examples, load_learning_suite
from pytest_crossmath.cli.training import (
    chosen_callbacks,
    chosen_model,
    loaded_trainee,
    say,
    say_where,
    shows_pictures,
)
from pytest_crossmath.cli.training_options import (
    add_grpo_arguments,
    check_options,
    check_rollouts,
    prepared,
    settings_of,
)
from pytest_crossmath.training.dataset import Completion, make_dataset

HELP = "train a model by rewarding it for right blanks (GRPO)"
EXAMPLE = """\
crossmath generate --count 8 --seed 4 --difficulty mini --out tasks
crossmath train grpo tasks --model pocket --max-steps 1 \\
    --max-new-tokens 64 --out rewarded"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_grpo_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train a model by rewarding it for right blanks. Raises `CrossmathError`."""
    check_options(arguments)
    check_rollouts(arguments)
    suite, spec = load_learning_suite(arguments.suite), chosen_model(arguments)
    found = chosen_examples(arguments, suite, Completion.ANSWER)
    callbacks = chosen_callbacks(arguments, spec)
    recipe, asked = prepared(arguments, spec, suite)

    from pytest_crossmath.training.folder import locked
    from pytest_crossmath.training.grpo import Rollouts, grpo_trainer
    from pytest_crossmath.training.reward import crossmath_reward
    from pytest_crossmath.training.run import train

    # From here on, before the model is loaded: the second of two runs need not wait for that.
    with locked(recipe):
        settings = settings_of(arguments)
        trainee = loaded_trainee(arguments, spec, settings, recipe)
        reward = crossmath_reward(
            suite.tasks,
            depth_weight=arguments.depth_weight, format_weight=arguments.format_weight,
        )  # fmt: skip
        rollouts = Rollouts(
            arguments.generations, arguments.temperature, arguments.max_new_tokens, arguments.beta
        )
        with tempfile.TemporaryDirectory() as cache:
            dataset = make_dataset(found, Path(cache), embed=False)
            # Only the reward needs the right answers.
            unused = ["completion", *([] if shows_pictures(arguments) else ["images"])]
            dataset = dataset.remove_columns(unused)
            say(f"{len(dataset)} prompts, problems: {len(suite.tasks)}")
            train(
                lambda: grpo_trainer(
                    trainee, dataset, recipe, rollouts, reward, settings=settings
                ),
                callbacks, trainee, recipe, asked, resume=arguments.resume,
            )  # fmt: skip
        say_where(recipe)
    return 0
