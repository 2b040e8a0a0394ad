"""`crossmath models`: the models that have a name."""

from __future__ import annotations

import argparse

HELP = "list the models that have a name"
EXAMPLE = "crossmath models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments: there are none."""


def run(_: argparse.Namespace) -> int:
    """Print them."""
    from tabulate import tabulate

    from pytest_crossmath.models.spec import ALIASES, POCKET, REFERENCE

    rows = [
        (POCKET, "bundled with pytest-crossmath: tiny and real"),
        (REFERENCE, "the exact solver, with a reader for pictures: always right"),
        *sorted(ALIASES.items()),
    ]
    print(tabulate(rows, headers=("name", "model"), tablefmt="simple"))
    print(
        "\nor ./DIRECTORY, hf:ORG/NAME[@REVISION], openai:NAME@URL, replay:FILE.jsonl;"
        " NAME=SPEC gives your own name"
    )
    return 0
