"""The exit status of a run, from what pytest counted and what the run knows."""

from __future__ import annotations

import pytest

from pytest_crossmath.plugin.exit_status import NO_RESULT, exit_status


@pytest.mark.parametrize(
    ("before", "failed", "unmeasured", "known", "after"),
    [
        (0, 0, 0, "", 0),
        (0, 0, 0, "worse", 1),
        (0, 0, 0, "unknown", 6),
        (0, 0, 0, "worse unknown", 1),
        (1, 1, 0, "", 1),
        (1, 1, 0, "unknown", 1),
        (1, 3, 3, "", 6),
        (1, 3, 2, "", 1),
        (1, 3, 3, "worse", 1),
        (1, 3, 3, "unknown gates", 6),
        # Something else made the run fail, without a failure that was counted.
        (1, 0, 0, "unknown", 1),
        (2, 3, 3, "unknown gates", 2),
        (3, 3, 3, "unknown gates", 3),
        (4, 0, 0, "unknown gates", 4),
        (5, 0, 0, "", 5),
        (5, 0, 0, "gates", 6),
    ],
)
def test_worse_is_told_from_broken(
    before: int, failed: int, unmeasured: int, known: str, after: int
) -> None:
    """Each row of the table in docs/ci.md, and what stays pytest's own."""
    status = exit_status(
        before, failed=failed, unmeasured=unmeasured, is_worse="worse" in known,
        unknown="unknown" in known, has_gates="gates" in known,
    )  # fmt: skip
    assert status == after


def test_no_result_is_a_status_of_its_own() -> None:
    """Other tools rely on the number."""
    assert NO_RESULT == 6
