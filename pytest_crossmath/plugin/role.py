"""What the roles of a process have in common, see `session`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_crossmath.errors import CrossmathError
from pytest_crossmath.files import FOLDER
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.plugin.progress import Progress
from pytest_crossmath.reporting.report import suite_title
from pytest_crossmath.run.config import RunConfig
from pytest_crossmath.run.plan import Plan
from pytest_crossmath.text import log_line

if TYPE_CHECKING:
    from pytest_crossmath.plugin.snapshots import Snapshots

MODEL_PROPERTY = "crossmath_model"
"""Property of a test: the model that it asked."""

PROBLEM_PROPERTY = "crossmath_problem"
"""Property of a test: the id of its problem."""
MODALITY_PROPERTY = "crossmath_modality"
"""Property of a test: the modality."""

FORM_PROPERTY = "crossmath_form"
"""Property of a test: the form, with the number of the sample if that is not 0."""

OUTCOME_PROPERTY = "crossmath_outcome"
"""Property of a test: the outcome."""

SNAPSHOT_PROPERTY = "crossmath_snapshot"
"""Property of a test: how its outcome changed since the snapshot, a `SnapshotChange`."""


@contextmanager
def usage_errors() -> Iterator[None]:
    """Report a user's mistake in pytest's own way: one line and exit status 4."""
    try:
        yield
    except CrossmathError as error:
        raise pytest.UsageError(f"crossmath: {log_line(str(error))}") from None


class Session:
    """What all roles have: the plan, the progress display and the snapshots."""

    def __init__(self, config: pytest.Config, run: RunConfig) -> None:
        self.run = run
        self.plan = Plan.of(run)
        self.progress = Progress(config)
        self.snapshots = _snapshots(config, run)

    def pytest_report_header(self) -> str:
        """The line at the start of the run."""
        suite = suite_title(self.run.suite.name, len(self.run.suite.tasks))
        forms = ", ".join(modality.value for modality in self.run.modalities)
        return log_line(f"crossmath: {', '.join(self.plan.models)} on suite {suite} as {forms}")


def digests_of(config: pytest.Config) -> Digests:
    """The digests of files that are kept in the project."""
    return Digests(config.rootpath / FOLDER)


def _snapshots(config: pytest.Config, run: RunConfig) -> Snapshots | None:
    """The snapshots; None if syrupy is off, or if nothing runs. Raises `SnapshotError`."""
    if not hasattr(config.option, "update_snapshots") or config.option.collectonly:
        return None
    # Imported here, so that syrupy is imported only if it is switched on.
    from pytest_crossmath.plugin.snapshots import Snapshots

    models = [spec.name for spec in run.models]
    return Snapshots(config, run.suite, models, is_cut=run.is_cut)
