"""Reports of made-up runs."""

from __future__ import annotations

from pytest_crossmath.gating.comparison import Change
from pytest_crossmath.gating.gates import parse_gate
from pytest_crossmath.gating.verdicts import Evidence, judge
from pytest_crossmath.inference.run import Run
from pytest_crossmath.reporting.report import Comparison, Report
from pytest_crossmath.reporting.summary import summarize_run
from pytest_crossmath.tasks.task import Form
from tests.gating.made_up import results


def report(model: str = "m", lost: tuple[str, ...] = ("p001",), image: str = "10" * 20) -> Report:
    """A report of one model with a failed gate and an inconclusive one."""
    found = results(model, text="1" * 40, image=image)
    gates = [
        parse_gate("fail-under", "image:95%"),
        parse_gate("fail-under", "image:50%"),
        parse_gate("fail-under", "text:50%"),
    ]
    header = {"suite": {"name": "mini", "problems": [f"p{n:03}" for n in range(40)]}}
    return Report(
        run=Run("run.jsonl", header, tuple(found), (), {}),
        summary=summarize_run(found),
        comparisons=[Comparison(model, "base", [Change(Form.parse("image"), lost, ())])],
        differences=["setting max_new_tokens: 7 there, None here"],
        verdicts=judge(gates, {model: Evidence(found)}),
        inconclusive_fails=False,
        stopped=[],
        snapshots=["snapshot: file", "  m: 1 regressed"],
        seconds=2.0,
        record="run.jsonl",
        troubles=["cache: was set aside"],
    )
