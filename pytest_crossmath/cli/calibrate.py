"""`crossmath calibrate RUN1 RUN2…`: how much repeated runs of one model differ."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

from pytest_crossmath.cli.output import check_json, print_lines, write_json
from pytest_crossmath.errors import ComparisonError, NoResultError, OptionError, setting
from pytest_crossmath.gating.calibration import (
    Churn,
    calibrate,
    measured_anew,
    measured_in_all,
)
from pytest_crossmath.gating.comparison import (
    check_comparable,
    differences,
    of_model,
    same_requests,
    same_targets,
    same_weights,
)
from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.run import Run
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.tasks.score import Outcome

_HINT = (
    "the others are copies from the cache or from an earlier record, and are not counted:"
    " repeat a run with pytest --crossmath-cache=refresh to count all"
)

HELP = "measure how much repeated runs of one model differ"
EXAMPLE = """\
for run in one two; do
    pytest crossmath --crossmath-model=reference --crossmath-limit=20 \\
        --crossmath-cache=refresh --crossmath-record=$run.jsonl
done
crossmath calibrate one.jsonl two.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="run records of one model, two or more"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")


def run(arguments: argparse.Namespace) -> int:
    """Print the noise of each form. Raises `CrossmathError`."""
    if len(arguments.runs) < 2:
        raise OptionError("calibrate needs two or more runs of one model")
    runs = [read_record(path, texts=True) for path in arguments.runs]
    check_json(arguments.json, read=arguments.runs)
    results = [_one_model(run) for run in runs]
    told: dict[str, None] = {}
    for (one, first), (other, second) in pairwise(zip(runs, results, strict=True)):
        check_comparable(one, other)
        same_requests(one.name, first, other.name, second)
        same_targets(one.name, first, other.name, second)
        models = first[0].model, second[0].model
        same_weights(one, other, models)
        told |= dict.fromkeys(differences(one.header, other.header, models))
    fresh = measured_anew(results)
    count, total = measured_in_all(fresh), measured_in_all(results)
    if total and not count:
        raise ComparisonError(
            f"no response was measured anew in every run: those of {_copied(runs, results)} are"
            " copies, from the cache or from an earlier record; repeat that run with pytest"
            f" {setting('cache')}=refresh"
        )
    churns = calibrate(fresh)
    print_lines(
        [
            *_table(churns),
            f"measured anew in every run: {count} of {total} responses",
            *([_HINT] if count < total else []),
            *(f"differs between the runs: {difference}" for difference in told),
        ]
    )
    figures = [asdict(churn) | {"form": str(churn.form)} for churn in churns]
    content = {
        "runs": len(runs), "forms": figures, "differences": list(told),
        "responses": total, "measured_anew": count,
    }  # fmt: skip
    write_json(arguments.json, content)
    if not all(churn.problems for churn in churns):
        raise NoResultError("no problem was measured in every run")
    return 0


def _copied(runs: Sequence[Run], results: Sequence[Sequence[Result]]) -> str:
    """The runs whose responses came from the cache; the last one if only their texts are copies."""
    cached = [
        run.name
        for run, found in zip(runs, results, strict=True)
        if all(r.cached or r.outcome is Outcome.ERROR for r in found)
    ]
    return " and ".join(cached) or runs[-1].name


def _table(churns: tuple[Churn, ...]) -> Iterator[str]:
    from tabulate import tabulate

    rows = [
        (str(c.form), c.problems, f"{c.churn:.1%}", f"{100 * c.widest:.1f}", f"{100 * c.noise:.1f}")
        for c in churns
    ]
    headers = ("form", "problems", "churn", "widest difference", "noise up to")
    yield from tabulate(rows, headers=headers, disable_numparse=True).splitlines()
    yield "churn: share of problems whose outcome differs between two runs"
    yield "widest difference, noise: in points; by chance, 1 drop in 20 exceeds the noise"


def _one_model(run: Run) -> tuple[Result, ...]:
    """The results of a run of one model. Raises `ComparisonError` for a run of several."""
    if len(run.models) != 1:
        raise ComparisonError(
            f"{run.name} holds results of {len(run.models)} models: calibrate needs runs of one"
            " model"
        )
    return of_model(run.results, run.models[0])
