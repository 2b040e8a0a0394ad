"""Every error that pytest-crossmath raises on purpose.

::

    CrossmathError
    ├── OptionError      a value on the command line, in the ini file or in a prompt file
    ├── SuiteError       a suite file: which one, which line, what is wrong
    ├── GridError        a table that is not a cross-math grid
    ├── FamilyError      a family of tasks failed: which one, doing what
    ├── ModelError       a model specification, a missing extra, a damaged checkpoint
    ├── RecordError      a run record: which one, which line, what is wrong
    ├── ComparisonError  two runs that cannot be compared: what differs
    ├── SnapshotError    a snapshot of outcomes: which one, which line, what is wrong
    └── BackendError     inference failed: nothing was measured

Each message is one line that says what is wrong, where, and what to do. The
plugin turns all but the last into `pytest.UsageError` (exit status 4). A
`BackendError` makes the item an *error*, never a wrong answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SETTING = re.compile("\0([a-z-]+)\0")


def setting(name: str) -> str:
    """Mark the name of a setting in a message, so that each front end shows its own flag for it."""
    return f"\0{name}\0"


class CrossmathError(Exception):
    """Base of all errors of this package; its message is one line."""

    def __str__(self) -> str:
        return self.with_flags("--crossmath-{}".format)

    def with_flags(self, flag: Callable[[str], str]) -> str:
        """The text, with each marked setting replaced by the result of `flag`."""
        return _SETTING.sub(lambda found: flag(found[1]), super().__str__())


class OptionError(CrossmathError):
    """An option has an invalid value."""


class GridError(CrossmathError):
    """A table is not a rectangular cross-math grid."""


class SuiteError(CrossmathError):
    """A suite cannot be loaded: the message names file, line and field."""


class FamilyError(CrossmathError):
    """A family of tasks, usually one from another package, failed."""


class ModelError(CrossmathError):
    """A model cannot be found or loaded; no inference was run."""


class RecordError(CrossmathError):
    """A run record cannot be read: the message names file and line."""


class ComparisonError(CrossmathError):
    """Two runs cannot be compared: the message says what differs."""


class SnapshotError(CrossmathError):
    """A snapshot cannot be read: the message names file and line."""


class BackendError(CrossmathError):
    """A backend failed during generation; the affected requests have no score."""
