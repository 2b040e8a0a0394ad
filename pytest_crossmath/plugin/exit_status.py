"""The exit status: CI must be able to tell worse from broken.

0   all is well
1   a gate failed, a problem regressed, or a user's own test failed
6   nothing is known to be worse, but something that was requested could not be measured, judged
    or written

Every other status is pytest's own: 2 interrupted, 3 an error inside pytest or a plugin, 4 a
mistake in the request, 5 no tests. pytest's own 6 means more warnings than --max-warnings allows;
it is set only if everything passed.
"""

from __future__ import annotations

import pytest

from pytest_crossmath.errors import ModelError, NoResultError

NO_RESULT = 6
"""Something that was requested could not be measured, judged or written."""

_UNMEASURED = "crossmath_unmeasured"
"""Attribute of a test report: nothing was measured. It survives the transfer between processes."""


class NoMeasurement(pytest.fail.Exception):  # type: ignore[misc,name-defined]  # its public name
    """Ends a test as an error: nothing was measured, and nothing is scored as wrong."""

    # Summaries show the name of the class: make it the same as for any other failure.
    __module__, __qualname__ = "builtins", "Failed"


# A test may also call the model directly.
NO_MEASUREMENT = (NoMeasurement, ModelError, NoResultError)
"""Exceptions after which a test has no measurement."""


def mark_unmeasured(report: pytest.TestReport) -> None:
    """Mark a failed report as only a missing measurement."""
    setattr(report, _UNMEASURED, True)


def is_unmeasured(report: pytest.TestReport) -> bool:
    """Whether a report has this mark."""
    return bool(getattr(report, _UNMEASURED, False))


def exit_status(
    status: int, *, failed: int, unmeasured: int, is_worse: bool, unknown: bool, has_gates: bool
) -> int:
    """The status of a run that pytest would end with `status`.

    `failed` is the number of failures that pytest counted, and `unmeasured` how many of them are
    only missing measurements. `is_worse` says whether a gate fails, `unknown` whether something
    was not judged or written, and `has_gates` whether there were gates to judge.
    """
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        return NO_RESULT if has_gates else status
    # A failure without a report does not come from this plugin.
    is_only_unmeasured = status == pytest.ExitCode.TESTS_FAILED and failed == unmeasured > 0
    if not (is_only_unmeasured or status == pytest.ExitCode.OK):
        return status
    if is_worse:
        return pytest.ExitCode.TESTS_FAILED
    return NO_RESULT if unmeasured or unknown else status
