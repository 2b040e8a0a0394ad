"""The help of every command and group, and of pytest's options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from pytest_crossmath.cli.main import _parser
from pytest_crossmath.plugin.options import OPTIONS


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and all below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in dict.fromkeys(action.choices.values()):
                yield from parsers(one)


@pytest.mark.parametrize("parser", list(parsers(_parser())), ids=lambda parser: parser.prog)
def test_every_option_and_command_is_explained(parser: argparse.ArgumentParser) -> None:
    """Each has a sentence of its own; a number as a limit is in per cent, as everywhere."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help for one in action._choices_actions}
            assert set(helps) == set(action.choices)
            assert all(helps.values())
        elif action.dest != "version":
            assert action.help, (parser.prog, action.dest)
        assert not re.search(r"(text|image):0\.", action.help or "")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_of_pytest_names_its_default(option: object) -> None:
    """So that a reader of `pytest --help` need not look elsewhere."""
    assert "(default: " in getattr(option, "help", "")
