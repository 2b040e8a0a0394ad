"""The built-in items: a module that exists in no directory.

Its node ids start with ``crossmath::`` wherever the package is installed, and
are taken back on the command line. pytest itself would look for a file of that
name, so they are picked out of the arguments before it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

NAME = "crossmath"
"""First part of every built-in node id."""

TEST = f"{NAME}::test_problem"
"""Node id of the built-in test without its parameters."""

selection = pytest.StashKey[tuple[str, ...] | None]()
"""Node ids that were asked for; empty for all, None for none."""

_FORWARDED = "crossmath_selection"


class BuiltinModule(pytest.Module):
    """The module `pytest_crossmath.plugin.builtin` under the node id ``crossmath``."""

    @classmethod
    def of(cls, session: pytest.Session) -> BuiltinModule:
        """The module as a child of the session."""
        from pytest_crossmath.plugin import builtin

        # The root as its path: the hooks of the user's conftest.py there apply, and --lf,
        # which skips files that did not fail, always takes the root for one that did.
        root = session.config.rootpath
        module: BuiltinModule = cls.from_parent(session, path=root, name=NAME, nodeid=NAME)
        # Set, so that pytest does not import it again by its path.
        module.obj = builtin
        return module

    def istestfunction(self, obj: object, name: str) -> bool:  # noqa: ARG002 - pytest passes it
        """Only our own test, whatever `python_functions` says in the user's ini file."""
        return name == TEST.rpartition("::")[2]

    def istestclass(self, obj: object, name: str) -> bool:  # noqa: ARG002 - pytest passes both
        """None, whatever `python_classes` says."""
        return False

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """The items, or those that the command line names."""
        items = list(super().collect())
        for item in items:
            if isinstance(item, pytest.Item):
                # Else -v shows the path of this package beside each.
                item.location = (NAME, None, item.name)
        wanted = self.config.stash[selection]
        if not wanted:
            return items
        return [item for item in items if any(_names(argument, item) for argument in wanted)]


def take_selection(config: pytest.Config) -> None:
    """Move our node ids out of the arguments.

    Without arguments all built-in items run, beside whatever pytest finds; with
    arguments, those that are named. A worker of xdist is told what its
    controller found, since it gets the arguments that are left.
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
    """Raise `pytest.UsageError` for a node id of ours that names nothing.

    `parameters` are what stands in brackets. Known without collecting, so that the
    controller of xdist, which does not collect, tells the mistake too.
    """
    wanted = config.stash[selection]
    if wanted:
        known = {TEST, *(f"{TEST}[{parameter}]" for parameter in parameters)}
        for argument in wanted:
            if argument not in known:
                raise pytest.UsageError(f"crossmath: there is no built-in test {argument}")


def hide_from_syrupy(config: pytest.Config) -> None:
    """Take our items out of what syrupy has for collected.

    It looks for unused snapshots beside every test file. Ours stand for the root, so it
    would look beside that, and delete what belongs to another project there.
    """
    # It has no public way to say this; should the names change, a test tells.
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
    # `crossmath` alone may be a file or folder of the user's, which then goes first.
    head, colons, _ = argument.partition("::")
    return head == NAME and (bool(colons) or not Path(NAME).exists())


def _names(argument: str, node: pytest.Item | pytest.Collector) -> bool:
    """Whether an argument names this node, with or without its parameters."""
    return node.nodeid == argument or node.nodeid.partition("[")[0] == argument
