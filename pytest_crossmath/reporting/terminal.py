"""Results as lines for a terminal. Nothing here prints: the plugin does.

The lines fit 80 columns, and whatever a model wrote is made harmless first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_crossmath.gating.stats import Interval
from pytest_crossmath.prompting import Modality
from pytest_crossmath.puzzle.grid import CellKind, Problem
from pytest_crossmath.reporting.gates import change_lines, gate_table
from pytest_crossmath.reporting.report import Report
from pytest_crossmath.reporting.summary import Row, Summary
from pytest_crossmath.scoring import Outcome, Score, same_number

_HEADERS = ("form", "solved", "blanks", "gap to text")
LEGEND = (
    "solved: every blank right; blanks: share of blanks right; (): 95 % interval",
    "gap to text: solved as text minus solved in this form, same problems, in points",
)
"""What the columns of the table mean."""


def report_lines(report: Report) -> Iterator[str]:
    """The section at the end of a run."""
    yield f"suite {report.suite}, {report.decoding}"
    yield ""
    yield from modality_gap_table(report.summary, several_styles=report.several_styles)
    for comparison in report.comparisons:
        yield from change_lines(comparison.model, comparison.base, comparison.changes)
    yield from (f"  other than there: {difference}" for difference in report.differences)
    yield from report.stopped
    if report.verdicts:
        yield from ("", *gate_table(report.verdicts), "")
    yield from report.snapshots
    yield throughput(report.summary, report.seconds)
    if report.record is not None:
        yield f"record: {report.record}"
    yield from report.troubles


def modality_gap_table(summary: Summary, *, several_styles: bool) -> Iterator[str]:
    """The modality-gap table with its legend and the counts of outcomes."""
    if summary.rows:
        yield from _table(summary.rows, several_styles=several_styles)
        yield from (LEGEND if len({row.modality for row in summary.rows}) > 1 else LEGEND[:1])
        yield ""
    for model, outcomes in summary.outcomes.items():
        counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        yield f"outcomes of {model}: {counts}"
        if Outcome.ERROR.value in outcomes:
            yield "  an error is no measurement: it counts nowhere in the table"


def draw_answer(problem: Problem, score: Score) -> Iterator[str]:
    """The puzzle with the answer in it; a wrong value is shown as ``!given/right``."""
    answer = (*(score.answer or ()), *("",) * len(score.key))
    texts = {
        blank: key if same_number(given, key) else f"!{printable(given)[:6] or '_'}/{key}"
        for blank, given, key in zip(problem.puzzle.blanks, answer, score.key, strict=False)
    }
    filled = [
        [texts.get((r, c), cell.text) for c, cell in enumerate(row)]
        for r, row in enumerate(problem.puzzle.rows)
    ]
    widths = [max(len(row[c]) for row in filled) for c in range(problem.puzzle.width)]
    for r, row in enumerate(filled):
        cells = (
            f" {text:^{width}} "
            if problem.puzzle[r, c].kind is CellKind.EMPTY
            else f"[{text:^{width}}]"
            for c, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "".join(cells).rstrip()


def printable(text: str) -> str:
    """The text with control characters written out, so that it cannot steer a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def throughput(summary: Summary, seconds: float) -> str:
    """One line on how long it took."""
    if not summary.responses:
        return f"no response in {seconds:.1f} s"
    speed = (
        f", {summary.new_tokens / seconds:,.0f} tokens/s" if summary.new_tokens and seconds else ""
    )
    plural = "s" if summary.responses > 1 else ""
    cached = f", {summary.cached:,} of them from the cache," if summary.cached else ""
    return f"{summary.responses:,} response{plural}{cached} in {seconds:.1f} s{speed}"


def solved_cell(row: Row) -> str:
    """The share solved with its interval."""
    return f"{row.solved:.1%} {_percent_range(row.solved_interval)}"


def gap_cell(row: Row) -> str:
    """The gap in figures and in words."""
    if row.gap is None:
        return "" if row.modality == Modality.TEXT else "text was not asked"
    low, high = 100 * row.gap.interval.low, 100 * row.gap.interval.high
    return f"{100 * row.gap.points:+.1f} ({low:+.0f} to {high:+.0f})  {row.gap.word}"


def _table(rows: Sequence[Row], *, several_styles: bool) -> Iterator[str]:
    """The table: each model on a line of its own, then its forms, and under a form its styles."""
    from tabulate import tabulate

    # The headers go in as a row: tabulate makes columns two wider than a header needs.
    ruler, header, *lines, _ = tabulate(
        [_HEADERS, *(_cells(row, several_styles=several_styles) for row in rows)],
        tablefmt="simple",
        colalign=("left", "right", "right", "left"),
        disable_numparse=True,
        preserve_whitespace=True,
    ).splitlines()
    yield from (header, ruler)
    last: Row | None = None
    for row, line in zip(rows, lines, strict=True):
        if last is None or row.model != last.model:
            yield row.model
            last = None
        if several_styles and row.style and (last is None or row.modality != last.modality):
            yield f"  {row.modality}"
        last = row
        yield line.rstrip()


def _cells(row: Row, *, several_styles: bool) -> tuple[str, ...]:
    return (
        f"    {row.style}" if several_styles and row.style else f"  {row.modality}",
        solved_cell(row),
        f"{row.blanks:.1%}",
        gap_cell(row),
    )


def _percent_range(interval: Interval) -> str:
    return f"({100 * interval.low:.0f}-{100 * interval.high:.0f})"
