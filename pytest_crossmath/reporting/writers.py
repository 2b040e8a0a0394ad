r"""The formats in which a run can write its report at its end.

A format is a module with `write`, and a line in `WRITERS`; the option, the check that its file
can be written, and the writing follow from that. The smallest module that works::

    from pytest_crossmath.reporting.writers import Document

    def write(document: Document) -> str:
        results = document.report.with_texts().run.results
        return "".join(f"{result.problem},{len(result.response)}\n" for result in results)

Results come in the order in which they arrived. Without `with_texts`, the texts of responses
are empty: a long run's would fill the memory.
This module imports nothing else of the package, so that options can be declared from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_crossmath.reporting.report import Report
    from pytest_crossmath.tasks.suite import Suite


@dataclass(frozen=True, slots=True)
class Writer:
    """A format in which a report is written."""

    name: str
    """The setting that names its file."""
    help: str
    """What is written, for the help."""
    module: str
    """The module with `write(document) -> str`."""

    def write(self, document: Document) -> str:
        """The text of the file. Raises `CrossmathError`."""
        text: str = import_module(self.module).write(document)
        return text

    def save(self, document: Document, file: Path, what: str) -> None:
        """Write the file. Raises `OutputError`, whatever went wrong; `what` names the output."""
        from pytest_crossmath.errors import CrossmathError, OutputError
        from pytest_crossmath.files import write_output
        from pytest_crossmath.text import one_line

        try:
            text = self.write(document)
        except CrossmathError as error:
            raise OutputError(f"{what}: not written: {error}") from None
        except Exception as error:  # noqa: BLE001 - a run took hours: its other outputs and its table come first
            detail = one_line(error)
            raise OutputError(f"{what}: not written: {type(error).__name__}: {detail}") from None
        write_output(file, text, what)


WRITERS = (
    Writer(
        "html",
        "write the report as a page with every problem, its picture and the answer",
        "pytest_crossmath.reporting.html",
    ),
    Writer(
        "markdown",
        "write the report as Markdown; on GitHub Actions it also goes to the job's summary",
        "pytest_crossmath.reporting.markdown",
    ),
)
"""Every format, in the order of the options."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a writer receives."""

    report: Report
    """The report; its results are without the texts of responses, see `Report.with_texts`."""
    suite: Suite | None = None
    """The suite that was run; None if it is not available."""
    earlier: Callable[[], Sequence[Report]] = tuple
    """Reads the reports of earlier runs to show next to it, with the texts of responses."""
    notes: Sequence[str] = ()
    """What a reader should know, one line each."""
