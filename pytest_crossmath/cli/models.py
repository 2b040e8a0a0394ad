"""`crossmath models`: lists the models that are known by name."""

from __future__ import annotations

import argparse

HELP = "list the models that are known by name"
EXAMPLE = "crossmath models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: there are no arguments."""


def run(_: argparse.Namespace) -> int:
    """Print the list."""
    from tabulate import tabulate

    from pytest_crossmath.models.registry import model_names, usages

    print(tabulate(model_names().items(), headers=("name", "model"), tablefmt="simple"))
    print(f"\nor {', '.join(usages())}; NAME=SPEC gives a model your own name")
    return 0
