"""Results as lines for a terminal. Nothing here prints: the plugin does.

The lines fit 80 columns, and whatever a model wrote is made harmless first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_crossmath.gating.stats import Interval
from pytest_crossmath.prompting import Modality
from pytest_crossmath.puzzle.grid import CellKind, Problem
from pytest_crossmath.reporting.summary import Gap, Row, Summary
from pytest_crossmath.scoring import Score, same_number

_LEGEND = (
    "solved: every blank right.  blanks: share of blanks right.  In brackets: 95 % interval.",
    "gap to text: the same problems solved as text, minus solved in this form, in points.",
)


def modality_gap_table(summary: Summary, *, several_styles: bool) -> Iterator[str]:
    """The modality-gap table with its legend and the counts of outcomes."""
    from tabulate import tabulate

    if summary.rows:
        headers = ("model", "form", "n", "solved", "blanks", "gap to text")
        cells = list(_cells(summary.rows, several_styles=several_styles))
        aligns = ("left", "left", "right", "right", "right", "left")
        yield from tabulate(
            cells, headers, tablefmt="simple", colalign=aligns, disable_numparse=True
        ).splitlines()
        yield ""
        yield from (_LEGEND if len({row.modality for row in summary.rows}) > 1 else _LEGEND[:1])
    for model, outcomes in summary.outcomes.items():
        counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        yield f"outcomes of {model}: {counts}"
        if "error" in outcomes:
            yield f"  the {outcomes['error']} errors were not measured and count nowhere above"


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
            f" {text:^{width}} " if problem.puzzle[r, c].kind is CellKind.EMPTY else f"[{text:^{width}}]"
            for c, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "".join(cells).rstrip()


def printable(text: str) -> str:
    """The text with control characters written out, so that it cannot steer a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def throughput(summary: Summary, seconds: float) -> str:
    """One line on how long it took."""
    if not summary.responses:
        return f"no responses in {seconds:.1f} s"
    speed = f", {summary.new_tokens / seconds:,.0f} tokens/s" if summary.new_tokens else ""
    return f"{summary.responses:,} responses in {seconds:.1f} s{speed}"


def _cells(rows: Sequence[Row], *, several_styles: bool) -> Iterator[tuple[str, ...]]:
    model = None
    for row in rows:
        form = f"{row.modality} ({row.style})" if several_styles and row.style else row.modality
        yield (
            "" if row.model == model else row.model,
            form,
            str(row.problems),
            f"{row.solved:.1%} {_percent_range(row.solved_interval)}",
            f"{row.blanks:.1%}",
            "" if row.modality == Modality.TEXT else _gap(row.gap),
        )
        model = row.model


def _gap(gap: Gap | None) -> str:
    if gap is None:
        return "text was not asked"
    low, high = 100 * gap.interval.low, 100 * gap.interval.high
    return f"{100 * gap.points:+.1f} ({low:+.0f} to {high:+.0f}) {gap.word}"


def _percent_range(interval: Interval) -> str:
    return f"({100 * interval.low:.0f}-{100 * interval.high:.0f})"
