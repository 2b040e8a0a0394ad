"""`crossmath export SUITE --format trl --out DIR`: a suite as a training set."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.cli.learning import (
    add_completion_argument,
    add_example_arguments,
    chosen_examples,
    load_learning_suite,
)
from pytest_crossmath.cli.output import print_lines
from pytest_crossmath.errors import OptionError
from pytest_crossmath.files import require_free_folder, write_error
from pytest_crossmath.locks import Lock
from pytest_crossmath.tasks.suite import Suite, load_provable
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.training.dataset import Completion, Example
from pytest_crossmath.training.export import (
    write_llava,
    write_lmms_eval,
    write_openai,
    write_parquet,
    write_trl,
)

LMMS_EVAL = "lmms-eval"
FORMATS = {"trl": write_trl, "llava": write_llava, "openai": write_openai, "parquet": write_parquet}


HELP = "write a suite as a training set"
EXAMPLE = """\
crossmath generate --count 5 --seed 3 --out learn
crossmath export learn --format trl --out learn-trl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("suite", help="suite to export, such as one made by `crossmath generate`")
    parser.add_argument(
        "--format", choices=[*FORMATS, LMMS_EVAL], required=True,
        help="layout of the files: trl, llava, openai or parquet for training, lmms-eval for"
        " evaluation with that harness",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="folder to create"
    )
    add_completion_argument(parser)
    add_example_arguments(parser, modalities=",".join(Modality))


def run(arguments: argparse.Namespace) -> int:
    """Write the training set. Raises `CrossmathError`."""
    out: Path = arguments.out
    suite = (
        load_provable(arguments.suite, "a task of lmms-eval")
        if arguments.format == LMMS_EVAL
        else load_learning_suite(arguments.suite)
    )
    with Lock(out, "--out"):
        require_free_folder(out)
        found = chosen_examples(arguments, suite, Completion(arguments.completion))
        count = _write(arguments, suite, found)
    print_lines([f"{count} examples in {out}"])
    return 0


def _write(arguments: argparse.Namespace, suite: Suite, found: Iterable[Example]) -> int:
    """Write the files, and return how many examples there are. Raises `OptionError`."""
    out: Path = arguments.out
    # Written under another name and then renamed: a folder called `out` is always complete.
    unfinished = out.with_name(f"{out.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        if arguments.format == LMMS_EVAL:
            count = write_lmms_eval(found, unfinished, task=f"crossmath_{_plain(suite.name)}")
        else:
            count = FORMATS[arguments.format](found, unfinished)
        if out.is_dir():
            out.rmdir()
        unfinished.replace(out)
    except OSError as error:
        raise write_error(f"--out {out} cannot be written", error) from None
    except ValueError as error:
        raise OptionError(f"suite {suite.name}: {error}: add --completion=answer") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return count


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
