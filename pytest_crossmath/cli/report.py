"""`crossmath report RUN… -o FILE.html`: run records as an HTML page."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pytest_crossmath.cli.output import print_lines, write_json
from pytest_crossmath.errors import OptionError, OutputError, RecordError, SuiteError
from pytest_crossmath.files import relative, require_outputs, where_it_was_sought
from pytest_crossmath.inference.run import Run
from pytest_crossmath.reporting.model_card import write_card
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.reporting.report import side_by_side
from pytest_crossmath.reporting.summary import summarize_run
from pytest_crossmath.reporting.writers import WRITERS, Document, Writer
from pytest_crossmath.tasks.suite import Suite, load_suite

HELP = "turn run records into an HTML page"
EXAMPLE = """\
pytest crossmath --crossmath-model=reference --crossmath-limit=20 \\
    --crossmath-record=run.jsonl
crossmath report run.jsonl -o report.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN",
        help="run records; each one is compared with the first",
    )  # fmt: skip
    for writer in WRITERS:
        names = ["-o", "--out"] if writer.name == "html" else []
        parser.add_argument(
            *names, f"--{writer.name}", dest=writer.name, type=Path, metavar="FILE",
            help=f"{writer.help} (default: not written)",
        )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")
    parser.add_argument(
        "--model-card", type=Path, metavar="README.md",
        help="add the figures of one model to this model card, which is created if missing",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="NAME",
        help="the model to put into the model card, if the records hold several",
    )  # fmt: skip
    parser.add_argument(
        "--suite", metavar="SUITE",
        help="suite to take the problems and their pictures from (default: the one that was run)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Write page, Markdown, card and figures. Raises `CrossmathError`."""
    asked = {w: file for w in WRITERS if (file := vars(arguments)[w.name]) is not None}
    outputs = _outputs(arguments, asked)
    runs = [read_record(path) for path in arguments.runs]
    suite, lines = suite_of(runs, arguments.suite) if asked else (None, [])
    if suite is not None:
        _check_targets(runs, suite)
    _check_card_folder(arguments.model_card)
    require_outputs(outputs, [*arguments.runs, *(suite.files if suite else ())])
    carded = _one_model(runs, arguments.model) if arguments.model_card else None
    unwritten: list[OutputError] = []

    def attempt(write: Callable[[], str | None]) -> None:
        """Write one output; the others are written even if it fails."""
        try:
            if line := write():
                lines.append(line)
        except OutputError as error:
            unwritten.append(error)

    if asked:
        (*earlier, report), notes = side_by_side(runs)
        document = Document(
            report, suite, lambda: [one.with_texts() for one in earlier], [*lines, *notes]
        )
        for writer, file in asked.items():
            attempt(partial(_write_report, writer, file, document))
    if carded is not None:
        attempt(partial(_write_card, arguments.model_card, *carded))
    attempt(partial(write_json, arguments.json, {"runs": [_figures(run) for run in runs]}))
    print_lines(lines)
    if unwritten:
        raise unwritten[0]
    return 0


def _outputs(arguments: argparse.Namespace, asked: Mapping[Writer, Path]) -> list[tuple[str, Path]]:
    """Every file to write, with its option. Raises `OptionError` for an option without effect."""
    outputs = [(f"--{writer.name}", file) for writer, file in asked.items()]
    outputs += [
        (f"--{name.replace('_', '-')}", file)
        for name in ("model_card", "json")
        if (file := vars(arguments)[name]) is not None
    ]
    if not outputs:
        flags = (f"--{writer.name}" for writer in WRITERS)
        raise OptionError(f"nothing to write: add {', '.join(flags)}, --json or --model-card")
    if arguments.suite is not None and not asked:
        raise OptionError("--suite is for a page: add --html or --markdown, or remove it")
    if arguments.model is not None and not arguments.model_card:
        raise OptionError("--model picks the model of a card: add --model-card, or remove it")
    return outputs


def _check_card_folder(card: Path | None) -> None:
    """Raise `OptionError` for a folder that is not there: a checkpoint has one already."""
    if card is not None and not card.parent.is_dir():
        sought = where_it_was_sought(str(card.parent), folders=True)
        raise OptionError(f"--model-card: there is no folder {card.parent} ({sought})")


def _write_report(writer: Writer, file: Path, document: Document) -> str:
    writer.save(document, file, f"--{writer.name}")
    return f"report: {relative(file)}"


def _write_card(file: Path, run: Run, model: str) -> str:
    count = write_card(file, run, model)
    return f"model card: {relative(file)}, {count} figures of {model}"


def _one_model(runs: list[Run], wanted: str | None) -> tuple[Run, str]:
    models = [(run, model) for run in runs for model in run.models if wanted in {None, model}]
    if len(models) != 1:
        names = (
            ", ".join(dict.fromkeys(model for run in runs for model in run.models)) or "no model"
        )
        raise OptionError(
            f"--model-card needs one model of one run, but {len(models)} match: the records hold"
            f" {names}; pick one with --model"
        )
    return models[0]


def _figures(run: Run) -> dict[str, Any]:
    """The figures of a run that a dashboard shows."""
    summary = run.summary or {}
    return {
        "name": run.name,
        **{field: run.header.get(field) for field in ("started", "suite", "models", "settings")},
        **summarize_run(run.results).to_json(),
        "gates": summary.get("gates", []),
        "snapshots": summary.get("snapshots", {}),
        "finished": run.summary is not None,
    }


def _check_targets(runs: list[Run], suite: Suite) -> None:
    """Raise `RecordError` for a result whose key is not that of its problem in the suite."""
    tasks = {task.id: task for task in suite.tasks}
    for run in runs:
        for result in run.results:
            task = tasks.get(result.problem)
            if task is not None and (result.key, result.steps) != (task.target, task.steps):
                raise RecordError(
                    f"{run.name}: the problem {task.id} has another key or other steps than in"
                    f" suite {suite.name}, which the record names"
                )


def suite_of(runs: list[Run], wanted: str | None) -> tuple[Suite | None, list[str]]:
    """The suite that was run, and notes about it; None if it is not found."""
    headers = [run.header.get("suite", {}) for run in runs]
    try:
        suite = load_suite(str(headers[0].get("name")) if wanted is None else wanted)
    except SuiteError:
        if wanted is not None:
            raise
        name = headers[0].get("name")
        return None, [f"no pictures or grids: suite {name!r} is not here; name it with --suite"]
    others = [h for h in headers if h.get("digest") != suite.digest]
    if others:
        other = f"suite {suite.name} here is not the one that was run, or not the same version"
        return None, [f"no pictures or grids: {other}; name the right one with --suite"]
    return suite, []
