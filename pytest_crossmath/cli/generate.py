"""`crossmath generate --count N --seed S --out DIR`: a suite of new problems."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

from pytest_crossmath.cli.output import announce, print_lines
from pytest_crossmath.errors import OptionError
from pytest_crossmath.files import require_free_folder, write_error
from pytest_crossmath.tasks.generating import MIXED, numbered
from pytest_crossmath.tasks.provable import ProvableFamily, provable

HELP = "make a suite of new problems"
EXAMPLE = "crossmath generate --count 5 --seed 1 --out my-suite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--count", type=int, required=True, metavar="N", help="number of problems")
    parser.add_argument(
        "--seed", type=int, required=True, metavar="N",
        help="random seed: the same seed makes the same problems",
    )  # fmt: skip
    parser.add_argument(
        "--family",
        default="crossmath",
        metavar="NAME",
        help="family of the problems: crossmath, or another one that can be proved"
        " (default: crossmath)",
    )
    parser.add_argument(
        "--difficulty", metavar="PRESET",
        help="for crossmath: mini, easy, medium, hard or mixed (default: mixed); for another"
        " family: one of its presets (default: mixed if it has that, else its first)",
    )  # fmt: skip
    parser.add_argument(
        "--style", nargs="+", default=["original"], metavar="NAME",
        help="image styles to draw: for crossmath original, noborder, beige, altstyle, background"
        " or NAME.toml, a file with the fields of a style (default: original)",
    )  # fmt: skip
    parser.add_argument(
        "--palette", type=int, metavar="N",
        help="reduce pictures to N colours, 8 to 256; pictures with a varied background keep all"
        " their colours (default: no reduction)",
    )  # fmt: skip
    parser.add_argument("--name", help="name of the suite (default: the name of the folder)")
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="SUITE",
        help="suites whose problems are left out too, in addition to the bundled ones",
    )  # fmt: skip
    parser.add_argument(
        "--rebuild", action="store_true",
        help="rebuild a bundled suite: do not leave out the problems that it already has",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="folder to create"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the suite, or resume one that was interrupted. Raises `CrossmathError`."""
    from tqdm import tqdm

    from pytest_crossmath.tasks.lines import check_id
    from pytest_crossmath.tasks.saving import SuiteWriter
    from pytest_crossmath.tasks.suite import UNFINISHED_FILE, load_provable, taken_fingerprints

    out: Path = arguments.out
    family = provable(arguments.family, "generate")
    styles = [_style(family, style) for style in arguments.style]
    preset = _preset(family, arguments.difficulty)
    if not 1 <= arguments.count <= sys.maxsize:
        raise OptionError(f"--count must be from 1 to {sys.maxsize}")
    if arguments.palette is not None and not 8 <= arguments.palette <= 256:
        raise OptionError("--palette must be from 8 to 256")
    begun = (out / UNFINISHED_FILE).is_file()
    if not begun:
        require_free_folder(out)
    name = arguments.name or out.resolve().name
    check_id("--name (default: the folder)", name)
    against = [load_provable(suite, "--against") for suite in arguments.against]
    taken = taken_fingerprints(*against, apart_from=name if arguments.rebuild else None)
    exclude = {known for name, known in taken if name == family.name}
    about = {
        "name": name,
        "version": 1,
        "generator": _command(arguments, preset),
        "seed": arguments.seed,
        "licence": "MIT",
    }
    made_by = f"{_command(arguments, preset)} --seed {arguments.seed} --name {name}"
    try:
        writer = SuiteWriter(
            out, styles=styles, palette=arguments.palette, made_by=made_by, seed=arguments.seed
        )
        with closing(writer):
            if writer.made:
                print(f"resuming: {writer.made} problems are already there")
            endless = numbered(
                family, preset, seed=arguments.seed, prefix=name,
                exclude={*exclude, *writer.fingerprints}, made=writer.made, index=writer.index,
            )  # fmt: skip
            total = max(arguments.count, writer.made)
            left = islice(endless, total - writer.made)
            announce(f"making {total - writer.made} problems")
            # Only on a terminal: a log does not need a progress bar.
            bar = tqdm(left, initial=writer.made, total=total, unit="problem", disable=None)
            for index, task in bar:
                writer.add(task, index)
            writer.finish(about)
    except OSError as error:
        raise write_error(f"--out {out} cannot be written", error) from None
    print_lines([f"{total} problems in {out}"])
    return 0


def _preset(family: ProvableFamily, asked: str | None) -> str:
    presets = [*family.presets, *([MIXED] if family.mixture else [])]
    preset = asked or (MIXED if family.mixture else presets[0])
    if preset not in presets:
        raise OptionError(
            f"--difficulty cannot be {preset!r}; for {family.name} it takes: {', '.join(presets)}"
        )
    return preset


def _style(family: ProvableFamily, text: str) -> str:
    """The name of a style; a style read from a file is registered under the file's name."""
    if text.endswith(".toml"):
        return family.register_style(Path(text))
    if text not in family.styles:
        raise OptionError(
            f"--style: there is no style {text!r}; use {', '.join(family.styles)}, or NAME.toml"
        )
    return text


def _command(arguments: argparse.Namespace, preset: str) -> str:
    """The command that makes the same suite; the seed is in the manifest already."""
    family = f" --family {arguments.family}" if arguments.family != "crossmath" else ""
    palette = f" --palette {arguments.palette}" if arguments.palette else ""
    return f"crossmath generate{family} --difficulty {preset}{palette}"
