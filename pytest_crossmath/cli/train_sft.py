"""`crossmath train sft SUITE --model MODEL --out DIR`: supervised fine-tuning on a suite."""

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
)
from pytest_crossmath.cli.training_options import (
    add_sft_arguments,
    check_options,
    prepared,
    settings_of,
)
from pytest_crossmath.errors import OptionError
from pytest_crossmath.training.dataset import Completion, make_dataset

HELP = "fine-tune a model on worked solutions"
EXAMPLE = """\
crossmath generate --count 8 --seed 3 --difficulty mini --out lessons
crossmath train sft lessons --model pocket --completion brief \\
    --max-steps 2 --out tuned"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_sft_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fine-tune a model on worked solutions. Raises `CrossmathError`."""
    check_options(arguments)
    suite, spec = load_learning_suite(arguments.suite), chosen_model(arguments)
    completion = Completion(arguments.completion)
    found = chosen_examples(arguments, suite, completion)
    callbacks = chosen_callbacks(arguments, spec)
    recipe, asked = prepared(arguments, spec, suite)

    from pytest_crossmath.training.folder import locked
    from pytest_crossmath.training.run import train
    from pytest_crossmath.training.sft import missing_end, sft_trainer

    # From here on, before the model is loaded: the second of two runs need not wait for that.
    with locked(recipe):
        settings = settings_of(arguments)
        trainee = loaded_trainee(arguments, spec, settings, recipe)
        ending = missing_end(trainee)
        with tempfile.TemporaryDirectory() as cache:
            try:
                dataset = make_dataset(found, Path(cache), embed=False, ending=ending)
            except ValueError as error:
                raise OptionError(f"suite {suite.name}: {error}: add --completion=answer") from None
            if not trainee.reads_images:
                # The trainer takes the column for pictures even if it is empty.
                dataset = dataset.remove_columns("images")
            say(f"{len(dataset)} examples, problems: {len(suite.tasks)}")
            train(
                lambda: sft_trainer(trainee, dataset, recipe, settings=settings),
                callbacks, trainee, recipe, asked, resume=arguments.resume,
            )  # fmt: skip
        say_where(recipe)
    return 0
