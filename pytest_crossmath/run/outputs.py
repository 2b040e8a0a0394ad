"""The files that a run writes at its end, next to its record: one for each requested format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_crossmath.errors import OutputError, setting
from pytest_crossmath.files import FOLDER, require_new_file, require_outputs, split_pick
from pytest_crossmath.inference.cache import CACHE_FILE
from pytest_crossmath.models.digests import MEMO_FILE
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.reporting.report import Report, report_of
from pytest_crossmath.reporting.writers import WRITERS, Document, Writer
from pytest_crossmath.run.config import RunConfig

_READ = {".bin", ".jinja", ".json", ".model", ".py", ".safetensors", ".tiktoken", ".txt"}
"""Endings of the files that a checkpoint is loaded from, in its folder or below."""


def check_files(
    config: RunConfig,
    root: Path,
    *,
    read: Iterable[Path] = (),
    others: Iterable[tuple[str, Path]] = (),
) -> None:
    """Raise `OptionError` for an output that could not be written at the end, record included.

    None may replace what the run reads, `read` included, nor one of the `others`, which pytest
    and other plugins write, each with its name for messages.
    """
    outputs = [(setting(writer.name), path) for writer, path in _files(config)]
    if config.record is not None:
        require_new_file(config.record, "the run record")
        outputs.insert(0, (setting("record"), config.record))
    if outputs:
        require_outputs(outputs, [*_inputs(config, root), *read], others)


def _inputs(config: RunConfig, root: Path) -> Iterator[Path | None]:
    """The files that a run reads, and those that it keeps for the next, existing or not."""
    yield from config.inputs
    yield from config.suite.files
    if config.baseline:
        yield config.baseline.file
    for spec in config.models:
        # This covers all kinds of model, since a target that is not a file is ignored.
        target = Path(split_pick(spec.target)[0])
        yield target
        if os.path.isdir(target):
            yield from (file for file in target.rglob("*") if file.suffix in _READ)
    names = [CACHE_FILE, f"{CACHE_FILE}-wal", f"{CACHE_FILE}-shm", MEMO_FILE, ".gitignore"]
    yield from (root / FOLDER / name for name in names)


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
