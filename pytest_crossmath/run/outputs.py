"""The files that a run writes at its end, beside its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_crossmath.errors import CrossmathError, OptionError, setting
from pytest_crossmath.files import require_not_read, split_pick
from pytest_crossmath.reporting.markdown import markdown
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.reporting.report import Report, report_of
from pytest_crossmath.run.config import RunConfig

_Writer = Callable[[Report, RunConfig], str]


def check_files(config: RunConfig) -> None:
    """Raise `OptionError` for a file that could not be written at the end. Makes folders."""
    read = [config.suite.file, config.baseline.file if config.baseline else None]
    # Whatever kind of model it is: what is not a file is passed over.
    read += [Path(split_pick(spec.target)[0]) for spec in config.models]
    taken = {config.record.resolve(): "record"} if config.record else {}
    for name, path, _ in _files(config):
        other = taken.setdefault(path.resolve(), name)
        if other != name:
            raise OptionError(
                f"{setting(name)} and {setting(other)} name one file, {path}: name another"
            )
        require_not_read(path, read, setting(name))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Opened and not asked: permissions do not say everything. Not emptied yet.
            path.open("a").close()
        except OSError as error:
            raise OptionError(f"{setting(name)}: {path} cannot be written: {error}") from None


def write_files(report: Report, config: RunConfig) -> list[str]:
    """Write what was asked for. Gives a line for each failure."""
    troubles = []
    for name, path, text_of in _files(config):
        try:
            path.write_text(text_of(report, config), encoding="utf-8", newline="\n")
        except (OSError, CrossmathError) as error:
            troubles.append(str(OptionError(f"{setting(name)}: not written: {error}")))
    return troubles


def _files(config: RunConfig) -> Iterator[tuple[str, Path, _Writer]]:
    if config.markdown is not None:
        yield "markdown", config.markdown, lambda report, _: markdown(report)
    if config.html is not None:
        yield "html", config.html, _page


def _page(report: Report, config: RunConfig) -> str:
    """The page of this run, beside the one that it is compared with."""
    from pytest_crossmath.reporting.html import page

    beside = []
    if config.baseline and config.baseline.file:
        beside.append(report_of(read_record(config.baseline.file, texts=True)))
    return page([*beside, report.with_texts()], config.suite)
