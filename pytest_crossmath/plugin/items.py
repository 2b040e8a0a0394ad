"""The built-in items: the tests of a module that is not in any directory.

Their node ids start with ``crossmath::`` wherever the package is installed, and can be given on
the command line. pytest itself would look for a file of that name, so they are taken out of the
arguments first.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

NAME = "crossmath"
"""The first part of every built-in node id."""

TEST = f"{NAME}::test_problem"
"""The node id of the built-in test without parameters."""

selection = pytest.StashKey[tuple[str, ...] | None]()
"""The built-in node ids to run; empty for all, None for none."""

_FORWARDED = "crossmath_selection"


class BuiltinModule(pytest.Module):
    """The module `pytest_crossmath.plugin.builtin` under the node id ``crossmath``."""

    @classmethod
    def of(cls, session: pytest.Session) -> BuiltinModule:
        """The module as a child of the session."""
        from pytest_crossmath.plugin import builtin

        # With the root as its path, the user's conftest.py there applies, and --lf, which skips
        # files without failures, never skips the module.
        root = session.config.rootpath
        module: BuiltinModule = cls.from_parent(session, path=root, name=NAME, nodeid=NAME)
        # Set here, so that pytest does not import it by its path.
        module.obj = builtin
        return module

    def istestfunction(self, obj: object, name: str) -> bool:  # noqa: ARG002 - pytest passes it
        """Whether it is the built-in test, whatever `python_functions` says in an ini file."""
        return name == TEST.rpartition("::")[2]

    def istestclass(self, obj: object, name: str) -> bool:  # noqa: ARG002 - pytest passes both
        """Never, whatever `python_classes` says."""
        return False

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """The items, or those that the command line names."""
        items = list(super().collect())
        for item in items:
            if isinstance(item, pytest.Item):
                # Otherwise -v shows the path of this package next to each item.
                item.location = (NAME, None, item.name)
        wanted = self.config.stash[selection]
        if not wanted:
            return items
        return [item for item in items if any(_names(argument, item) for argument in wanted)]


def take_selection(config: pytest.Config) -> None:
    """Take the built-in node ids out of the arguments.

    Without arguments all built-in items run along with whatever pytest finds; with arguments,
    only those that are named. The controller of xdist passes its selection on to the workers,
    which get the remaining arguments.
    """
    forwarded = getattr(config.option, _FORWARDED, None)
    if forwarded is None:
        ours = [arg for arg in config.args if _is_ours(arg)]
        rest = [arg for arg in config.args if arg not in ours]
        named = config.args_source is pytest.Config.ArgsSource.ARGS
        forwarded = {
            "ids": [] if NAME in ours else ours,
            "run": bool(ours) or not named,
            "only": bool(ours) and not rest,
        }
        setattr(config.option, _FORWARDED, forwarded)
        config.args[:] = rest
    elif forwarded["only"]:
        config.args[:] = []
    config.stash[selection] = tuple(forwarded["ids"]) if forwarded["run"] else None


def check_selection(config: pytest.Config, parameters: Iterable[str]) -> None:
    """Raise `pytest.UsageError` for a built-in node id that does not exist.

    `parameters` are the texts in brackets. They are known without collecting, so the controller
    of xdist, which does not collect, can report the mistake too.
    """
    wanted = config.stash[selection]
    if wanted:
        known = {TEST, *(f"{TEST}[{parameter}]" for parameter in parameters)}
        for argument in wanted:
            if argument not in known:
                raise pytest.UsageError(f"crossmath: there is no built-in test {argument}")


def hide_from_syrupy(config: pytest.Config) -> None:
    """Remove the built-in items from syrupy's list of collected items.

    syrupy looks for unused snapshots next to every test file. The built-in items have the root
    as their file, so it would look next to the root and delete files of other projects there.
    """
    # syrupy has no public way to do this; a test fails if the names change.
    syrupy = getattr(config, "_syrupy", None)
    for attribute in ("_collected_items", "_selected_items"):
        known: dict[str, object] = getattr(syrupy, attribute, {})
        for id in [id for id in known if id.startswith(f"{TEST}[")]:
            del known[id]


def has_unused_snapshots(config: pytest.Config) -> bool:
    """Whether syrupy fails the run for snapshots of the user's own tests that are left over."""
    syrupy = getattr(config, "_syrupy", None)
    report = getattr(syrupy, "report", None)
    if not getattr(report, "num_unused", 0):
        return False
    return not (config.option.update_snapshots or config.option.warn_unused_snapshots)


def _is_ours(argument: str) -> bool:
    # `crossmath` alone may be a file or folder of the user, which then takes precedence.
    head, colons, _ = argument.partition("::")
    return head == NAME and (bool(colons) or not Path(NAME).exists())


def _names(argument: str, node: pytest.Item | pytest.Collector) -> bool:
    """Whether an argument names this node, with or without its parameters."""
    return node.nodeid == argument or node.nodeid.partition("[")[0] == argument
