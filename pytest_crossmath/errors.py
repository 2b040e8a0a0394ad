"""Every error that pytest-crossmath raises on purpose.

::

    CrossmathError
    ├── OptionError      a value on the command line, in the ini file or in a prompt file
    ├── SuiteError       a suite file: which one, which line, what is wrong
    ├── GridError        a table that is not a cross-math grid
    ├── ModelError       a model specification, a missing extra, a damaged checkpoint
    ├── RecordError      a run record: which one, which line, what is wrong
    ├── ComparisonError  two runs that cannot be compared: what differs
    ├── SnapshotError    a snapshot of outcomes: which one, which line, what is wrong
    └── NoResultError    what was requested could not be measured, judged or written
        ├── BackendError     inference failed: nothing was measured
        ├── FamilyError      a family of tasks failed: which one, doing what
        └── OutputError      a file could not be written at the end

Each message is one line that says what is wrong, where, and what to do. Before anything runs,
pytest ends with status 4 for any of them. Later, what could not be measured makes an item an
*error*, never a wrong answer; if nothing worse is known, the status is then 6. A command ends
with 3 for the last kind, and with 2 for the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SETTING = re.compile("\0([a-z-]+)\0")


def setting(name: str) -> str:
    """A setting as part of a message: each front end shows it as its own flag."""
    return f"\0{name}\0"


class CrossmathError(Exception):
    """Base of all errors of this package; its text is one line for people."""

    def __str__(self) -> str:
        return self.with_flags("--crossmath-{}".format)

    def with_flags(self, flag: Callable[[str], str]) -> str:
        """The text, with each setting that it names written as `flag` returns it."""
        return _SETTING.sub(lambda found: flag(found[1]), super().__str__())


class OptionError(CrossmathError):
    """An option has a value that it cannot take."""


class GridError(CrossmathError):
    """A table is not a rectangular cross-math grid."""


class SuiteError(CrossmathError):
    """A suite cannot be loaded: the message names file, line and field."""


class NoResultError(CrossmathError):
    """What was requested could not be measured, judged or written; the request itself was valid."""


class FamilyError(NoResultError):
    """A family of tasks, usually one from another package, failed."""


class ModelError(CrossmathError):
    """A model cannot be found or loaded, so nothing was inferred."""


class RecordError(CrossmathError):
    """A run record cannot be read: the message names file and line."""


class ComparisonError(CrossmathError):
    """Two runs cannot be compared: the message says what differs."""


class SnapshotError(CrossmathError):
    """A snapshot cannot be read: the message names file and line."""


class OutputError(NoResultError):
    """A file that was requested could not be written at the end."""


class BackendError(NoResultError):
    """A backend failed during generation; the affected requests have no score."""
