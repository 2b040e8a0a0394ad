"""What the commands that take a suite to learn from have in common."""

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
    """Declare which examples are made from a suite; `modalities` is the default of `--modality`."""
    parser.add_argument(
        "--modality", default=modalities, metavar="LIST",
        help="forms to learn from, a comma-separated list of text, image and image+text"
        f" (default: {modalities})",
    )  # fmt: skip
    parser.add_argument(
        "--style", nargs="+", metavar="NAME",
        help="image styles to learn from (default: all that the suite has)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N",
        help="seed for everything random (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--prompt", type=Path, metavar="FILE",
        help="file with an instruction to use instead of the built-in one",
    )  # fmt: skip


def add_completion_argument(parser: argparse.ArgumentParser) -> None:
    """Declare what the model learns to write."""
    parser.add_argument(
        "--completion", choices=[one.value for one in Completion],
        default=Completion.STEPS.value,
        help="what the model learns to write: steps (the solution with every step spelt out),"
        " brief (the steps in short form) or answer (the answer alone) (default: steps)",
    )  # fmt: skip


def load_learning_suite(name: str) -> Suite:
    """The suite. Raises `OptionError` if it contains a problem of a bundled suite, or a defect.

    Bundled problems are for testing; one is recognised by its data, even when mirrored. A
    defect is anything that differs from how the suite was made: a model would learn it.
    """
    suite = load_provable(name, "a training set")
    taken = taken_fingerprints()
    known = next((task.id for task in suite.tasks if fingerprint_of(task) in taken), None)
    if known is not None:
        raise OptionError(
            f"suite {suite.name}: {known} is a problem of a bundled suite, which is for testing: a"
            " model that learnt it cannot be tested on it. Make training problems with crossmath"
            " generate"
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
    """The forms that `--modality` names, without duplicates. Raises `OptionError`."""
    words = dict.fromkeys(word.strip() for word in arguments.modality.split(",") if word.strip())
    if not words:
        raise OptionError("--modality does not name a form: write --modality=image,text")
    for word in words:
        if word not in list(Modality):
            raise OptionError(f"--modality cannot be {word!r}; it takes: {', '.join(Modality)}")
    return [Modality(word) for word in words]


def chosen_instruction(arguments: argparse.Namespace) -> str | None:
    """The instruction in the `--prompt` file; None for the built-in one. Raises `OptionError`."""
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
