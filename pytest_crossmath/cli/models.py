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

    from pytest_crossmath.models.registry import model_names, usages

    print(tabulate(model_names().items(), headers=("name", "model"), tablefmt="simple"))
    print(f"\nor {', '.join(usages())}; NAME=SPEC gives your own name")
    return 0
