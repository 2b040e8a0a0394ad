"""`crossmath export SUITE --format trl --out DIR`: a suite as a training set."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.errors import OptionError
from pytest_crossmath.forms import Modality
from pytest_crossmath.options import parse_choice
from pytest_crossmath.prompting import INSTRUCTION, load_instruction
from pytest_crossmath.puzzle.suite import (
    Suite,
    bundled_suites,
    check_pictures,
    load_grids,
    load_suite,
)
from pytest_crossmath.training.export import (
    Example,
    Target,
    examples,
    write_llava,
    write_lmms_eval,
    write_openai,
    write_parquet,
    write_trl,
)

LMMS_EVAL = "lmms-eval"
FORMATS = {"trl": write_trl, "llava": write_llava, "openai": write_openai, "parquet": write_parquet}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("suite", help="suite to export, such as one of `crossmath generate`")
    parser.add_argument("--format", choices=[*FORMATS, LMMS_EVAL], required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--target", choices=[target.value for target in Target], default=Target.STEPS.value,
        help="what is to be written: the solution in steps (default), or the answer alone",
    )  # fmt: skip
    parser.add_argument(
        "--modality", default=",".join(Modality), metavar="LIST",
        help="forms to export: text,image,image+text (default: all)",
    )  # fmt: skip
    parser.add_argument("--style", nargs="+", metavar="NAME", help="image styles (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="draws the wording of the steps")
    parser.add_argument("--prompt", type=Path, metavar="FILE", help="your own instruction")


def export(arguments: argparse.Namespace) -> list[str]:
    """Write the training set. Gives lines to print. Raises `CrossmathError`."""
    out: Path = arguments.out
    suite = load_grids(arguments.suite, "crossmath export")
    evaluates = arguments.format == LMMS_EVAL
    if not evaluates and suite.digest in {load_suite(name).digest for name in bundled_suites()}:
        raise OptionError(
            f"suite {suite.name} is for testing: a model that learnt it cannot be tested with it."
            " Make problems to learn from with crossmath generate"
        )
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise OptionError(f"{out} is there already: name another folder")
    found = _examples(arguments, suite)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if evaluates:
            count = write_lmms_eval(found, out, task=f"crossmath_{_plain(suite.name)}")
        else:
            count = FORMATS[arguments.format](found, out)
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error}") from None
    except ValueError as error:
        raise OptionError(f"suite {suite.name}: {error}: export it with --target=answer") from None
    return [f"{count} examples in {out}"]


def _examples(arguments: argparse.Namespace, suite: Suite) -> Iterable[Example]:
    words = [word.strip() for word in arguments.modality.split(",") if word.strip()]
    modalities = [Modality(parse_choice("modality", word, list(Modality))) for word in words]
    shown = any(modality.shows_image for modality in modalities)
    styles = arguments.style or list(suite.styles)
    if shown:
        if not styles:
            raise OptionError(f"suite {suite.name} has no pictures: add --modality=text")
        for style in styles:
            if style not in suite.styles:
                known = ", ".join(suite.styles) or "none"
                raise OptionError(f"suite {suite.name} has no style {style!r}; it has: {known}")
        check_pictures(suite, styles)
    return examples(
        suite, modalities=modalities, styles=styles, target=Target(arguments.target),
        seed=arguments.seed,
        instruction=load_instruction(arguments.prompt) if arguments.prompt else INSTRUCTION,
    )  # fmt: skip


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
