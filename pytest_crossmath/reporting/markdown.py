"""A report as Markdown, for the summary of a CI job or a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_crossmath.gating.comparison import Change
from pytest_crossmath.reporting.gates import DETECTS, detects, loud, measured, word
from pytest_crossmath.reporting.report import Report
from pytest_crossmath.reporting.terminal import (
    cause_lines,
    figures,
    form_name,
    headers,
    legend,
    throughput,
)
from pytest_crossmath.reporting.writers import Document
from pytest_crossmath.text import in_html, in_markdown

_SHOWN = 40


def write(document: Document) -> str:
    """The Markdown of a run."""
    notes = [f"- {in_markdown(note)}" for note in document.notes]
    return "\n".join([markdown(document.report), *notes])


def markdown(report: Report) -> str:
    """The report as Markdown, in which names of models and problems are escaped."""
    return "\n".join([*_lines(report), ""])


def _lines(report: Report) -> Iterator[str]:
    yield f"### Modality gap: suite {in_markdown(report.suite)}, {in_markdown(report.decoding)}"
    yield ""
    for line in loud(report.verdicts, inconclusive_fails=report.inconclusive_fails):
        yield f"- **{in_markdown(line)}**"
    yield from (f"- **{in_markdown(line)}**" for line in report.answering)
    yield ""
    if report.summary.rows:
        several = len({row.model for row in report.summary.rows}) > 1
        has_blanks, styled = report.summary.has_blanks, report.summary.several_styles
        rows = (
            [
                *([row.model] if several else []), form_name(row, with_style=styled),
                *figures(row, has_blanks=has_blanks),
            ]
            for row in report.summary.rows
        )  # fmt: skip
        titles = [*(["model"] if several else []), *headers(has_blanks=has_blanks)]
        yield from _table(titles, rows)
        yield from (f"<sub>{in_markdown('; '.join(legend(report.summary)))}</sub>", "")
    for model, outcomes in report.summary.outcomes.items():
        counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        yield f"- outcomes of {in_markdown(model)}: {in_markdown(counts)}"
    yield from (f"- {in_markdown(line.strip())}" for line in cause_lines(report.splits))
    yield f"- {throughput(report.summary, report.seconds)}"
    yield from (f"- {in_markdown(line.strip())}" for line in report.snapshots)
    yield from (f"- {in_markdown(line)}" for line in (*report.stopped, *report.troubles))
    yield ""
    if report.verdicts:
        yield from _table(
            ["model", "gate", "verdict", "measured", DETECTS],
            ([v.model, v.gate, word(v), measured(v), detects(v)] for v in report.verdicts),
        )
        yield from (
            f"- {in_markdown(v.gate)}: {in_markdown(n)}" for v in report.verdicts for n in v.notes
        )
    for comparison in report.comparisons:
        yield from _changes(comparison.model, comparison.changes)
    yield from (f"- differs from the baseline: {in_markdown(line)}" for line in report.differences)


def _changes(model: str, changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        if not change.regressed and not change.improved:
            continue
        yield "<details><summary>"
        yield (
            f"{in_html(model)}, {in_html(str(change.form))}: {len(change.regressed)} regressed,"
            f" {len(change.improved)} improved</summary>"
        )
        yield ""
        for what, problems in (("regressed", change.regressed), ("improved", change.improved)):
            if problems:
                left = len(problems) - _SHOWN
                more = f", and {left} more" if left > 0 else ""
                yield f"- {what}: {in_markdown(', '.join(problems[:_SHOWN]))}{more}"
        yield from ("", "</details>", "")


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    from tabulate import tabulate

    cells = [[in_markdown(cell) for cell in row] for row in rows]
    yield from tabulate(cells, headers, tablefmt="pipe", disable_numparse=True).splitlines()
    yield ""
