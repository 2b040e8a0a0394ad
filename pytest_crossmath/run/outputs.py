"""The files that a run writes at its end, next to its record: one for each requested format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_crossmath.errors import OutputError, setting
from pytest_crossmath.files import require_apart, require_writable, split_pick
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.reporting.report import Report, report_of
from pytest_crossmath.reporting.writers import WRITERS, Document, Writer
from pytest_crossmath.run.config import RunConfig


def check_files(config: RunConfig) -> None:
    """Raise `OptionError` for a file that could not be written at the end. Creates folders."""
    read = [config.suite.file, config.baseline.file if config.baseline else None]
    # This covers all kinds of model, since a target that is not a file is ignored.
    read += [Path(split_pick(spec.target)[0]) for spec in config.models]
    outputs = [(setting(writer.name), path) for writer, path in _files(config)]
    require_apart([*([(setting("record"), config.record)] if config.record else []), *outputs])
    for what, path in outputs:
        require_writable(path, read, what)


def write_files(report: Report, config: RunConfig) -> list[str]:
    """Write the requested files. Returns one line for each failure."""
    baseline = config.baseline.file if config.baseline else None
    document = Document(
        report,
        config.suite,
        earlier=lambda: [report_of(read_record(baseline, texts=True))] if baseline else [],
    )
    troubles = []
    for writer, path in _files(config):
        try:
            writer.save(document, path, setting(writer.name))
        except OutputError as error:
            troubles.append(str(error))
    return troubles


def _files(config: RunConfig) -> Iterator[tuple[Writer, Path]]:
    return (
        (writer, config.files[writer.name]) for writer in WRITERS if writer.name in config.files
    )
