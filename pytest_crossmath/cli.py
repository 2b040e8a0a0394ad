"""The `crossmath` command: the jobs that are not tests.

Exit status: 0 when all is well, 1 when a check failed, 2 for a mistake of the user's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from pytest_crossmath.errors import CrossmathError, OptionError

Run = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parsed = _parser().parse_args(arguments)
    run: Run = parsed.run
    try:
        return run(parsed)
    except CrossmathError as error:
        print(f"crossmath: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crossmath", description="Tools of pytest-crossmath.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_models(commands.add_parser("models", help="list the models that have a name"))
    _add_generate(
        commands.add_parser(
            "generate",
            help="make a suite of new problems",
            epilog="example: crossmath generate --count 5 --seed 1 --out my-suite",
        )
    )
    train = commands.add_parser("train", help="train a model").add_subparsers(
        required=True, metavar="KIND"
    )
    _add_train_pocket(
        train.add_parser(
            "pocket",
            help="train the bundled model anew",
            epilog="example: crossmath train pocket --out my-pocket --seed 1",
        )
    )
    return parser


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run_models)


def _run_models(_: argparse.Namespace) -> int:
    from tabulate import tabulate

    from pytest_crossmath.models.registry import ALIASES, POCKET

    rows = [(POCKET, "bundled with pytest-crossmath"), *sorted(ALIASES.items())]
    print(tabulate(rows, headers=("name", "model"), tablefmt="simple"))
    print("\nor ./DIRECTORY, hf:ORG/NAME, replay:FILE.jsonl; NAME=SPEC gives a name of your own")
    return 0


def _add_generate(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.puzzle.generator import PRESETS

    parser.add_argument("--count", type=int, required=True, help="how many problems")
    parser.add_argument("--seed", type=int, required=True, help="same seed, same problems")
    parser.add_argument("--difficulty", choices=sorted(PRESETS), default="mini")
    parser.add_argument("--style", nargs="+", default=["original"], help="image styles")
    parser.add_argument("--name", default=None, help="name of the suite (default: the folder's)")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.set_defaults(run=_run_generate)


def _run_generate(arguments: argparse.Namespace) -> int:
    from pytest_crossmath.puzzle.generator import PRESETS, generate_problems
    from pytest_crossmath.puzzle.render import STYLES
    from pytest_crossmath.puzzle.suite import PROBLEMS_FILE, save_suite

    out: Path = arguments.out
    for style in arguments.style:
        if style not in STYLES:
            raise OptionError(f"--style: there is no {style!r}; it takes {', '.join(STYLES)}")
    if arguments.count < 1:
        raise OptionError("--count must be at least 1")
    if (out / PROBLEMS_FILE).exists():
        raise OptionError(f"{out / PROBLEMS_FILE} is there already: name another folder")
    name = arguments.name or out.resolve().name
    endless = generate_problems(PRESETS[arguments.difficulty], seed=arguments.seed, prefix=name)
    try:
        save_suite(
            list(islice(endless, arguments.count)),
            out,
            styles=arguments.style,
            about={
                "name": name,
                "version": 1,
                "generator": f"crossmath generate --difficulty {arguments.difficulty}",
                "seed": arguments.seed,
                "licence": "MIT",
            },
        )
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error}") from None
    print(f"{arguments.count} problems in {out}")
    return 0


def _add_train_pocket(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.training.pocket import command

    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


if __name__ == "__main__":
    sys.exit(main())
