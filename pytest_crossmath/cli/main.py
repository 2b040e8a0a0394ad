"""The `crossmath` command: everything that is not a test run.

Each command is a module with `HELP`, `EXAMPLE`, `add_arguments(parser)` and `run(arguments)`,
which returns the exit status: 0 if all is well, 1 if a check found something, 3 if something
could not be measured, judged or written. A `CrossmathError` gives status 2, and its subclass
`NoResultError` gives 3.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import NoReturn, Protocol

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
from pytest_crossmath.cli.output import print_note
from pytest_crossmath.errors import CrossmathError, NoResultError
from pytest_crossmath.files import FULL
from pytest_crossmath.signals import interrupt_on_sigterm
from pytest_crossmath.text import log_line

NO_RESULT = 3
"""Exit status if something could not be measured, judged or written, and nothing is worse."""


class Command(Protocol):
    """What the module of a command must define."""

    HELP: str
    """One line for the list of commands."""
    EXAMPLE: str
    """Lines of at most 76 columns that can be run as they stand, in an empty directory."""

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
    "train sft": train_sft,
    "train grpo": train_grpo,
    "train pocket": train_pocket,
}
"""The commands, in the order of the help; those of one group one after the other."""

GROUPS = {"train": "train a model"}
"""What the commands that begin with one word have in common, for the list of commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal cannot show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    command: Command = parsed.command
    try:
        with interrupt_on_sigterm():
            status = command.run(parsed)
        sys.stdout.flush()
    except CrossmathError as error:
        print_note(error.with_flags(partial(_flag, parsed)))
        return NO_RESULT if isinstance(error, NoResultError) else 2
    except KeyboardInterrupt:
        print("crossmath: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in {errno.EPIPE, *FULL}:
            print_note(str(error))
            return 2
        # The reader is gone, as with `| head`, or the disk is full. Discard what Python still
        # writes while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            print_note(f"the output was not written: {error}")
        return NO_RESULT
    return status


def _flag(arguments: argparse.Namespace, setting: str) -> str:
    """The flag for a setting in a command; a setting that the command lacks is one of pytest."""
    name = {"compare-fail": "fail"}.get(setting, setting)
    known = hasattr(arguments, name.replace("-", "_"))
    return f"--{name}" if known else f"--crossmath-{setting}"


class _Parser(argparse.ArgumentParser):
    """A parser whose messages, which repeat arguments, are one line."""

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and exit with status 2."""
        super().error(log_line(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="crossmath", description="Command-line tools of pytest-crossmath.")
    parser.add_argument("--version", action="version", version=version("pytest-crossmath"))
    places = {"": parser.add_subparsers(required=True, metavar="COMMAND")}
    for words, command in COMMANDS.items():
        group, _, name = words.rpartition(" ")
        if group not in places:
            about = places[""].add_parser(group, help=GROUPS[group])
            places[group] = about.add_subparsers(required=True, metavar="KIND")
        # The formatter keeps the lines of the example, so that they can be copied and run.
        one = places[group].add_parser(
            name, help=command.HELP, description=f"{command.HELP[0].upper()}{command.HELP[1:]}.",
            epilog=f"example:\n{command.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.add_arguments(one)
        one.set_defaults(command=command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
