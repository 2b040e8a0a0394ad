"""The `crossmath` command: the jobs that are not tests.

Each command is a module with `HELP`, `EXAMPLE`, `add_arguments(parser)` and `run(arguments)`,
which gives the exit status: 0 when all is well, 1 when a check failed. A mistake of the
user's is a `CrossmathError` and ends with 2.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Protocol

from pytest_crossmath.cli import (
    calibrate,
    compare,
    export,
    generate,
    models,
    report,
    score,
    train_grpo,
    train_pocket,
    train_sft,
    verify,
)
from pytest_crossmath.errors import CrossmathError


class Command(Protocol):
    """What the module of a command has."""

    HELP: str
    """One line for the list of commands."""
    EXAMPLE: str
    """A line that can be run as it stands, in an empty directory."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it, and give the exit status. Raises `CrossmathError`."""


COMMANDS: Mapping[str, Command] = {
    "models": models,
    "generate": generate,
    "verify": verify,
    "score": score,
    "compare": compare,
    "calibrate": calibrate,
    "report": report,
    "export": export,
}
"""The commands, in the order of the help."""

TRAINING: Mapping[str, Command] = {
    "sft": train_sft,
    "grpo": train_grpo,
    "pocket": train_pocket,
}
"""What `crossmath train` does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal cannot show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    command: Command = parsed.command
    try:
        return command.run(parsed)
    except CrossmathError as error:
        print(f"crossmath: {error.with_flags(partial(_flag, parsed))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("crossmath: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # As `| head` does. What Python still has to write on its way out goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _flag(arguments: argparse.Namespace, setting: str) -> str:
    """What a command calls a setting; one that it does not have is one of the run."""
    name = {"compare-fail": "fail"}.get(setting, setting)
    known = hasattr(arguments, name.replace("-", "_"))
    return f"--{name}" if known else f"--crossmath-{setting}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crossmath", description="Tools of pytest-crossmath.")
    parser.add_argument("--version", action="version", version=version("pytest-crossmath"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, COMMANDS)
    train = commands.add_parser("train", help="train a model")
    _add(train.add_subparsers(required=True, metavar="KIND"), TRAINING)
    return parser


def _add(
    parsers: argparse._SubParsersAction[argparse.ArgumentParser],
    commands: Mapping[str, Command],
) -> None:
    for name, command in commands.items():
        # The formatter keeps the lines of the example, so that they can be copied and run.
        parser = parsers.add_parser(
            name, help=command.HELP, epilog=f"example:\n{command.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.add_arguments(parser)
        parser.set_defaults(command=command)


if __name__ == "__main__":
    sys.exit(main())
