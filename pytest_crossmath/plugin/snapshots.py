"""Snapshots by syrupy: where outcomes are kept, and how a run uses them.

They follow syrupy's own options and report. The difference from other snapshots is what counts
as a match: an outcome fails only if the problem was solved before, and an outcome without a
snapshot is not a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.data import SnapshotCollection, SnapshotCollections
from syrupy.extensions.base import AbstractSyrupyExtension
from syrupy.location import PyTestLocation
from syrupy.utils import (
    cleanup_snapshot_write_sidecars,
    exclusive_file_lock,
    snapshot_file_lock_enabled,
)

from pytest_crossmath.errors import SnapshotError
from pytest_crossmath.files import relative, require_outputs, write_whole
from pytest_crossmath.gating.snapshot import (
    Entries,
    SnapshotChange,
    change,
    entry,
    format_snapshot,
    line_order,
    name_of,
    no_worse,
    parse_line,
    parse_name,
    read_snapshot,
)
from pytest_crossmath.locks import Lock
from pytest_crossmath.plugin.options import SNAPSHOT_EXTENSION
from pytest_crossmath.tasks.request import Request, RequestId
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.tasks.suite import Suite

FOLDER = "crossmath"
"""The folder of these files among the user's snapshots."""

_WORDS = {
    SnapshotChange.REGRESSED: "regressed",
    SnapshotChange.IMPROVED: "improved",
    SnapshotChange.SAME: "as before",
    SnapshotChange.NEW: "new",
}


class _RequestLocation(PyTestLocation):
    """Where the outcome of one test is kept: a line in the file of its model."""

    def __init__(self, item: pytest.Item, file: Path, name: str) -> None:
        # The base is a frozen dataclass, which sets its fields in the same way.
        object.__setattr__(self, "file", str(file))
        object.__setattr__(self, "line", name)
        super().__init__(item)

    file: str
    line: str

    @property
    def snapshot_name(self) -> str:
        """Problem and form instead of the name of the test."""
        return self.line

    def matches_snapshot_name(self, snapshot_name: str) -> bool:
        """Whether a line is about this request."""
        return snapshot_name == self.line


class OutcomeExtension(AbstractSyrupyExtension):
    """Outcomes in files with a layout of this plugin; syrupy compares and stores whole lines."""

    file_extension = SNAPSHOT_EXTENSION

    def serialize(self, data: Any, **_: Any) -> str:
        """The line as it is."""
        return str(data)

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Whether an outcome is no worse than the one in the snapshot."""
        return no_worse(snapshot_data, serialized_data)

    @classmethod
    def get_location(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:  # noqa: ARG003 - one for each test
        """The file of the model."""
        assert isinstance(test_location, _RequestLocation)
        return test_location.file

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:  # noqa: ARG003 - one for each test
        """Problem and form."""
        return test_location.snapshot_name

    @classmethod
    def matches_test_location(
        cls, *, test_location: PyTestLocation, snapshot_location: str
    ) -> bool:
        """Whether a file belongs to the model of the test."""
        # syrupy also asks about tests that are not from this plugin.
        return getattr(test_location, "file", None) == snapshot_location

    def discover_snapshots(self, **_: Any) -> SnapshotCollections:
        """None: what -k or a limit leaves out of a run is not unused. See `Snapshots.finish`."""
        return SnapshotCollections()

    def read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        """An empty collection, see `discover_snapshots`."""
        return SnapshotCollection(location=snapshot_location)

    def read_snapshot_data_from_location(
        self, *, snapshot_location: str, snapshot_name: str, session_id: str
    ) -> str | None:
        """The line of a request, or None."""
        text = _entries(snapshot_location, session_id).get(parse_name(snapshot_name))
        return None if text is None else f"{snapshot_name}\t{text}"

    @classmethod
    def write_snapshot_collection(
        cls,
        *,
        snapshot_collection: SnapshotCollection,
        name_order: Any = None,  # noqa: ARG003 - lines have an order of their own
    ) -> None:
        """Write some lines of a file and leave the others unchanged."""
        fresh = dict(parse_line(str(snapshot.data)) for snapshot in snapshot_collection)
        with _noting_failures():
            _rewrite(Path(snapshot_collection.location), lambda entries: {**entries, **fresh})

    def delete_snapshots(self, *, snapshot_location: str, snapshot_names: set[str]) -> None:
        """Remove lines from a file, and the file itself with its last line."""
        gone = frozenset(map(parse_name, snapshot_names))
        _rewrite(Path(snapshot_location), lambda entries: _without(entries, gone))


class ExactOutcomeExtension(OutcomeExtension):
    """The comparison of an update, in which every difference is written."""

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Whether the lines are the same."""
        return bool(serialized_data == snapshot_data)


class Snapshots:
    """The snapshots of a run, in one process."""

    def __init__(
        self, config: pytest.Config, suite: Suite, models: Iterable[str], *, is_cut: bool
    ) -> None:
        """Read the files of `models`; `is_cut` says whether a limit cut the suite.

        Raises `SnapshotError`.
        """
        self._is_cut = is_cut
        self._config = config
        self._suite = suite
        self._update = bool(config.option.update_snapshots)
        self._new_only = bool(config.option.update_new_snapshots_only)
        self._folder: Path = (
            config.rootpath / config.option.snapshot_dirname / FOLDER / _file_name(suite.name)
        )
        _entries.cache_clear()
        _unwritten.clear()
        self._entries = {model: read_snapshot(self._file(model)) for model in models}
        self._changes: dict[str, dict[tuple[str, ...], SnapshotChange]] = {}
        self._locks: list[Lock] = []

    @property
    def files(self) -> list[Path]:
        """The file of each model, whether it exists yet or not."""
        return [self._file(model) for model in self._entries]

    def check_writable(self) -> None:
        """Raise `OptionError` if an update could not be written, or another run is writing it."""
        if not (self._update or self._new_only):
            return
        require_outputs([("the snapshot", file) for file in self.files])
        # In the process that collects: its workers write together.
        for file in self.files:
            self._locks.append(Lock(file, "the snapshot", noun="folder"))

    def release(self) -> None:
        """Let other runs write the files, after syrupy has written."""
        while self._locks:
            self._locks.pop().release()

    def check(
        self, item: pytest.Item, model: str, request: Request, score: Score
    ) -> tuple[SnapshotChange, bool]:
        """How an outcome changed, and whether it passes against the snapshot.

        If an update was requested, the outcome is written to the snapshot and passes.
        """
        name = name_of(request.id)
        before = self._entries[model].get(request.id)
        what = change(before, score)
        is_asked = self._update or (self._new_only and before is None)
        if what is SnapshotChange.NEW and not is_asked:
            return what, True
        snapshot = SnapshotAssertion(
            update_snapshots=self._update,
            update_new_snapshots_only=self._new_only,
            extension_class=ExactOutcomeExtension if self._update else OutcomeExtension,
            test_location=_RequestLocation(item, self._file(model), name),
            session=self._config._syrupy,  # type: ignore[attr-defined]  # noqa: SLF001 - set by syrupy
        )
        return what, snapshot == f"{name}\t{entry(score)}"

    def is_kept(self, model: str) -> bool:
        """Whether there is a snapshot of a model, or one will be written."""
        return bool(self._entries[model] or self._update or self._new_only)

    def count(self, request: tuple[str, ...], what: str) -> None:
        """Take the change that the report of a test carries, and replace that of an earlier one.

        `request` is model, problem and form: however often a test is run, it counts once.
        """
        model, *rest = request
        self._changes.setdefault(model, {})[tuple(rest)] = SnapshotChange(what)

    @property
    def _counts(self) -> dict[str, Counter[SnapshotChange]]:
        return {model: Counter(changes.values()) for model, changes in self._changes.items()}

    @property
    def unwritten(self) -> list[str]:
        """Why snapshots could not be written, in lines."""
        return list(_unwritten)

    def finish(self) -> None:
        """If an update was requested, remove unused lines, as syrupy does for other snapshots."""
        for model in filter(self._is_cleaned, self._counts):
            if gone := self._unused(model):
                with _noting_failures():
                    _rewrite(self._file(model), partial(_without, gone=gone))
                    cleanup_snapshot_write_sidecars(self._file(model))

    def lines(self) -> Iterator[str]:
        """The lines of the report on snapshots; none if there is no snapshot."""
        for model, counts in self._counts.items():
            unused = self._unused(model)
            yield f"snapshot: {relative(self._file(model))}"
            words = (f"{counts[what]} {word}" for what, word in _WORDS.items() if counts[what])
            written = "written: " if self._update else ""
            yield f"  {model}: {written}{', '.join(words)}"
            if unused and self._config.option.include_snapshot_details:
                names = map(name_of, sorted(unused, key=line_order))
                yield from (f"  unused: {name.expandtabs(1)}" for name in names)
            if unused:
                fate = (
                    "removed"
                    if self._is_cleaned(model)
                    else "--snapshot-update with the whole suite removes them"
                )
                yield f"  {len(unused)} unused (problems that the suite no longer has): {fate}"

    def to_json(self) -> dict[str, dict[str, int]]:
        """The counts by model, for the record."""
        return {
            model: {what.value: count for what, count in counts.items()}
            for model, counts in self._counts.items()
        }

    def _file(self, model: str) -> Path:
        return self._folder / f"{_file_name(model)}.{SNAPSHOT_EXTENSION}"

    def _is_cleaned(self, model: str) -> bool:
        """Whether an update removes unused lines: only if it ran every problem of the suite.

        Two suites may share a name, and a user who runs a few tests expects only these to change.
        """
        option = self._config.option
        kept = option.no_cleanup or getattr(option, "disable_unused_snapshots", False)
        problems = {task.id for task in self._suite.tasks}
        ran = {problem for problem, _ in self._changes[model]}
        return self._update and not kept and ran == problems

    def _unused(self, model: str) -> frozenset[RequestId]:
        """Lines of problems that the suite does not have; none if only part of it was loaded."""
        if self._is_cut:
            return frozenset()
        known = {task.id for task in self._suite.tasks}
        return frozenset(id for id in self._entries[model] if id.task not in known)


def _file_name(name: str) -> str:
    """A name as part of a path, without separators and without a leading dot."""
    quoted = quote(name, safe=" +@=")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


@lru_cache(maxsize=64)
def _entries(file: str, session_id: str) -> dict[RequestId, str]:  # noqa: ARG001 - a session reads once
    return read_snapshot(Path(file))


def _rewrite(file: Path, edit: Callable[[Entries], Entries]) -> None:
    """Replace a file as a whole: other workers change it too, and a kill may come at any time."""
    with exclusive_file_lock(file) if snapshot_file_lock_enabled() else nullcontext():
        entries = edit(read_snapshot(file))
        if not entries:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, format_snapshot(entries))


# syrupy writes at the very end, from a class method, and an error there would end pytest's summary.
_unwritten: dict[str, None] = {}


@contextmanager
def _noting_failures() -> Iterator[None]:
    """Note why a file could not be written, for the end of the run."""
    try:
        yield
    except (OSError, SnapshotError) as error:
        _unwritten[f"a snapshot was not written: {error}"] = None


def _without(entries: Entries, gone: frozenset[RequestId]) -> Entries:
    return {name: text for name, text in entries.items() if name not in gone}
