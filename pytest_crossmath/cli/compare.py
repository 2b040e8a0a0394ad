"""`crossmath compare BASE NEW`: the gates of a live run on two records, without inference."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pytest_crossmath.cli.output import check_json, print_lines, write_json
from pytest_crossmath.errors import NoResultError, OptionError
from pytest_crossmath.files import split_pick
from pytest_crossmath.gating.answering import another_answered
from pytest_crossmath.gating.comparison import check_comparable
from pytest_crossmath.gating.gatekeeper import Baseline, Gatekeeper
from pytest_crossmath.gating.gates import check_gates, parse_gate
from pytest_crossmath.gating.verdicts import any_fails
from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.run import Run
from pytest_crossmath.reporting.gates import change_lines, gate_table
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.task import Form

HELP = "judge one run record against another"
EXAMPLE = """\
pytest crossmath --crossmath-model=reference --crossmath-limit=20 \\
    --crossmath-record=base.jsonl
cp base.jsonl new.jsonl
crossmath compare base.jsonl new.jsonl --fail image:5%"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("base", metavar="BASE", help="record of the baseline, or RECORD#MODEL")
    parser.add_argument("new", metavar="NEW", help="record of the run to judge")
    parser.add_argument(
        "--fail", action="append", default=[], metavar="EXPR",
        help="gate, such as image:5%% or gap:image:3%%, as in --crossmath-compare-fail; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--inconclusive", choices=("pass", "fail"), default="pass",
        help="whether an inconclusive gate counts as pass or fail (default: pass)",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the comparison to this file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what changed and the verdicts; returns 1 if a gate fails.

    Raises `CrossmathError` for records that cannot be read or compared, and `NoResultError` for a
    gate that nothing was measured for.
    """
    gates = [parse_gate("compare-fail", text) for text in arguments.fail]
    file, model = split_pick(arguments.base)
    for what, name in (("BASE", file), ("NEW", arguments.new)):
        if not name:
            raise OptionError(f"{what} is empty: name the record of a run")
    files = Path(file), Path(arguments.new)
    base, new = map(read_record, files)
    check_json(arguments.json, read=files)
    check_comparable(base, new)
    header = new.header
    check_gates(
        gates, modalities=header.get("modalities", ()), styles=header.get("styles", ()),
        forms=_forms(new),
    )  # fmt: skip
    stopped = (new.summary or {}).get("stopped_early") or {}
    keeper = Gatekeeper(
        gates, Baseline(base, model or None), sequential=stopped.get("how") == "sequential",
        name=new.name,
    )  # fmt: skip
    keeper.check_asked(header, list(header.get("models") or new.models))
    keeper.plan(_planned(keeper, new, stopped.get("models") or ()))
    results = {result.id: result for result in new.results}
    verdicts = keeper.verdicts(results, header)
    lines: list[str] = []
    changed: list[dict[str, Any]] = []
    for name, there, by_form in keeper.changes(results):
        lines += change_lines(name, there, by_form)
        changed += [
            {"model": name, "base": there, **asdict(c), "form": str(c.form)} for c in by_form
        ]
    differences = list(dict.fromkeys(keeper.differences(header, results)))
    lines += [f"  differs from the baseline: {difference}" for difference in differences]
    lines += another_answered(header, new.results)
    repeated = list(keeper.copies(results))
    lines += repeated
    if verdicts:
        lines += ["", *gate_table(verdicts)]
    print_lines(lines)
    gates_said = [verdict.to_json() for verdict in verdicts]
    figures = {
        "changes": changed, "differences": differences, "copies": repeated, "gates": gates_said,
    }  # fmt: skip
    write_json(arguments.json, figures)
    if any_fails(verdicts, inconclusive_fails=arguments.inconclusive == "fail"):
        return 1
    unjudged = [verdict for verdict in verdicts if not verdict.is_judged]
    if unjudged:
        raise NoResultError(f"{unjudged[0].gate} of {unjudged[0].model}: nothing was measured")
    return 0


def _planned(keeper: Gatekeeper, new: Run, stopped: Iterable[str]) -> list[Result]:
    """What the new run planned to ask: what it asked, and if it was stopped early, the rest."""
    planned = list(new.results)
    for model in stopped:
        planned += [
            replace(result, model=model, outcome=Outcome.PENDING)
            for result in keeper.base_of(model)
        ]
    return planned


def _forms(run: Run) -> dict[str, set[Form]]:
    """The forms that were run, by family; older records do not name a family."""
    found: dict[str, set[Form]] = {}
    for result in run.results:
        found.setdefault(result.family or "", set()).add(result.form)
    return found
