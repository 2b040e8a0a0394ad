"""What commands have in common that take a suite to learn from."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from pytest_crossmath.errors import OptionError
from pytest_crossmath.tasks.provable import fingerprint_of
from pytest_crossmath.tasks.request import load_instruction
from pytest_crossmath.tasks.suite import (
    Suite,
    check_pictures,
    check_styles,
    find_suite,
    load_provable,
    taken_fingerprints,
)
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.tasks.verify import verify_manifest, wrong_target
from pytest_crossmath.training.dataset import Completion, Example, examples


def add_example_arguments(parser: argparse.ArgumentParser, *, modalities: str) -> None:
    """Declare which examples are made of a suite; `modalities` is the default."""
    parser.add_argument(
        "--modality", default=modalities, metavar="LIST",
        help=f"forms to learn from, of text,image,image+text (default: {modalities})",
    )  # fmt: skip
    parser.add_argument("--style", nargs="+", metavar="NAME", help="image styles (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of whatever is drawn (default: 0)")
    parser.add_argument("--prompt", type=Path, metavar="FILE", help="your own instruction")


def add_completion_argument(parser: argparse.ArgumentParser) -> None:
    """Declare what is to be written."""
    parser.add_argument(
        "--completion", choices=[one.value for one in Completion],
        default=Completion.STEPS.value,
        help="what is to be written: the solution in steps (default), the steps in a few signs,"
        " or the answer alone",
    )  # fmt: skip


def load_learning_suite(name: str) -> Suite:
    """The suite. Raises `OptionError` where a problem of a bundled one is in it.

    Those are for testing; a problem is known by its data, mirrored or not.
    And where something in it is other than it was made: a model would learn what is wrong.
    """
    suite = load_provable(name, "a training set")
    taken = taken_fingerprints()
    known = next((task.id for task in suite.tasks if fingerprint_of(task) in taken), None)
    if known is not None:
        raise OptionError(
            f"suite {suite.name}: {known} is a problem of a bundled suite, which is for testing: a"
            " model that learnt it cannot be tested with it. Make problems to learn from with"
            " crossmath generate"
        )
    found = chain(
        verify_manifest(find_suite(name), suite.tasks),
        filter(None, map(wrong_target, suite.tasks)),
    )
    if defect := next(found, None):
        raise OptionError(
            f"suite {suite.name} has defects, which a model would learn: {defect};"
            f" crossmath verify {shlex.quote(name)} lists them all"
        )
    return suite


def chosen_modalities(arguments: argparse.Namespace) -> list[Modality]:
    """The forms that `--modality` names, each once. Raises `OptionError`."""
    words = dict.fromkeys(word.strip() for word in arguments.modality.split(",") if word.strip())
    if not words:
        raise OptionError("--modality names no form: write --modality=image,text")
    for word in words:
        if word not in list(Modality):
            raise OptionError(f"--modality cannot be {word!r}; it takes: {', '.join(Modality)}")
    return [Modality(word) for word in words]


def chosen_instruction(arguments: argparse.Namespace) -> str | None:
    """The instruction in the file that `--prompt` names; None for our own. Raises `OptionError`."""
    return None if arguments.prompt is None else load_instruction(arguments.prompt)


def chosen_examples(
    arguments: argparse.Namespace, suite: Suite, completion: Completion
) -> Iterator[Example]:
    """The examples that the arguments ask for. Raises `OptionError` or `SuiteError`."""
    modalities = chosen_modalities(arguments)
    styles = list(dict.fromkeys(arguments.style or suite.styles))
    if any(modality.shows_image for modality in modalities):
        if not styles:
            raise OptionError(f"suite {suite.name} has no pictures: add --modality=text")
        check_styles(suite, styles)
        check_pictures(suite, styles)
    return examples(
        suite, modalities=modalities, styles=styles, completion=completion, seed=arguments.seed,
        instruction=chosen_instruction(arguments),
    )  # fmt: skip
