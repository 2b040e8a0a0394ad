"""Results as lines for a terminal. Nothing here prints; the plugin does.

The lines fit 80 columns, and control characters in model output are escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import wrap

from pytest_crossmath.inference.result import Result
from pytest_crossmath.reporting.gates import (
    SHOWN,
    change_lines,
    gate_table,
    problem_lines,
)
from pytest_crossmath.reporting.report import Report
from pytest_crossmath.reporting.summary import Gap, Row, Split, Summary
from pytest_crossmath.tasks.diagnosis import Cause
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.text import printable

CAUSES = {
    Cause.READ_RIGHT: "copied the grid correctly, then reasoned wrongly",
    Cause.MISREAD: "copied a different grid and solved that one",
    Cause.BOTH: "copied a different grid and did not solve it either",
    Cause.NO_GRID: "the copy is not a grid",
}
"""What each cause means, in the words of the reports."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_SOLVED_BLANKS = "solved: every blank right; blanks: share of blanks right; (): 95 % interval"
_SOLVED_ANSWER = "solved: the answer is right; (): 95 % interval"
_PHRASES = 4
"""How many kinds of changes to pictures are listed."""

_GAP = "gap to text: solved as text minus solved in this form, same problems, in points"


@dataclass(frozen=True, slots=True)
class Look:
    """How much is shown, and in which characters."""

    verbosity: int = 0
    """As pytest counts ``-v`` and ``-q``: below 0 shows only what a verdict needs, 1 lists every
    changed problem, 2 also every problem that was not solved."""
    ascii_only: bool = False
    """Whether the terminal can show ASCII only."""


def report_lines(report: Report, look: Look) -> Iterator[str]:
    """The section at the end of a run."""
    yield f"suite {report.suite}, {report.decoding}"
    yield ""
    yield from modality_gap_table(report.summary, several_styles=report.summary.several_styles)
    if look.verbosity >= 0:
        yield from step_table(report.summary, look, several_styles=report.summary.several_styles)
    yield from outcome_lines(report.summary)
    yield from picture_lines(report.run.results)
    yield from cause_lines(report.splits)
    if look.verbosity >= 2:
        for model, forms in report.unsolved.items():
            for form, problems in forms.items():
                yield from problem_lines(f"not solved by {model}, {form}", problems, shown=None)
    shown = 0 if look.verbosity < 0 else SHOWN if look.verbosity == 0 else None
    for comparison in report.comparisons:
        yield from change_lines(comparison.model, comparison.base, comparison.changes, shown=shown)
    yield from (f"  differs from the baseline: {difference}" for difference in report.differences)
    yield from report.stopped
    if report.verdicts:
        yield from ("", *gate_table(report.verdicts), "")
    yield from report.snapshots
    yield throughput(report.summary, report.seconds)
    if report.record is not None:
        yield f"record: {report.record}"
    yield from report.troubles


def modality_gap_table(summary: Summary, *, several_styles: bool) -> Iterator[str]:
    """The modality-gap table with its legend."""
    if summary.rows:
        yield from _table(summary, several_styles=several_styles)
        yield from legend(summary)
        yield ""


def legend(summary: Summary) -> Iterator[str]:
    """The meaning of the columns."""
    yield _SOLVED_BLANKS if summary.has_blanks else _SOLVED_ANSWER
    if len({row.modality for row in summary.rows}) > 1:
        yield _GAP


def figures(row: Row, *, has_blanks: bool) -> list[str]:
    """The cells of a row after its form: solved, share of blanks (if there are any), gap."""
    return [solved_cell(row), *([f"{row.blanks:.1%}"] if has_blanks else []), gap_cell(row)]


def headers(*, has_blanks: bool) -> list[str]:
    """The headers of the table."""
    return ["form", "solved", *(["blanks"] if has_blanks else []), "gap to text"]


def step_table(summary: Summary, look: Look, *, several_styles: bool) -> Iterator[str]:
    """Share of blanks right, by the rounds of deduction that they take."""
    steps = sorted({step for row in summary.rows for step in row.steps})
    if len(steps) < 2:
        return
    width = max(20, *(2 + len(form_name(row, with_style=several_styles)) for row in summary.rows))
    yield f"{'blanks right by step':{width}}" + "".join(f"  {f'step {step}':>10}" for step in steps)
    model = ""
    for row in summary.rows:
        if row.model != model:
            model = row.model
            yield model
        cells = (
            f"{bar(row.steps[step], look)} {row.steps[step]:>4.0%}" if step in row.steps else ""
            for step in steps
        )
        label = f"  {form_name(row, with_style=several_styles)}"
        yield f"{label:{width}}{''.join(f'  {cell:>10}' for cell in cells)}".rstrip()
    yield ""


def cause_lines(splits: Iterable[Split]) -> Iterator[str]:
    """Why pictures were missed, and how much each cause contributes to the gap."""
    for split in splits:
        total = sum(split.missed.values())
        if total:
            yield f"why {split.model} missed {total} picture{'s' if total > 1 else ''}:"
        for cause, count in split.missed.items():
            yield f"  {cause:<10}  {count:>5}  {count / total:>4.0%}  {CAUSES[Cause(cause)]}"
        if total and split.gap:
            parts = ", ".join(f"{name} {100 * part:+.1f}" for name, part in split.gap.items())
            gap = sum(split.gap.values())
            yield from wrap(
                f"the gap of {100 * gap:+.1f} points: {parts}", 80, initial_indent="  ",
                subsequent_indent="    ",
            )  # fmt: skip


def bar(fraction: float, look: Look) -> str:
    """A fraction as a bar of five characters."""
    if look.ascii_only:
        return f"{'#' * round(5 * fraction):.<5}"
    eighths = round(40 * fraction)
    full, rest = divmod(eighths, 8)
    return f"{'█' * full + (_EIGHTHS[rest] if rest else ''):<5}"


def outcome_lines(summary: Summary) -> Iterator[str]:
    """The counts of outcomes of each model."""
    for model, outcomes in summary.outcomes.items():
        counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        yield f"outcomes of {model}: {counts}"
        if Outcome.ERROR.value in outcomes:
            yield "  errors are not measurements, so the table leaves them out"


def picture_lines(results: Iterable[Result]) -> Iterator[str]:
    """How many pictures were not plain, and what was done to them; nothing if all were plain."""
    notes = {(r.problem, r.style): r.picture for r in results if r.picture}
    counts = Counter(phrase for note in notes.values() for phrase in note.split("; "))
    if not counts:
        return
    common = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_PHRASES]
    listed = [f"{printable(phrase)} ({count})" for phrase, count in common]
    more = [f"{len(counts) - _PHRASES} more kinds"] if len(counts) > _PHRASES else []
    are = "1 picture was" if len(notes) == 1 else f"{len(notes)} pictures were"
    yield from wrap(
        f"{are} not plain: {', '.join([*listed, *more])}", 80, subsequent_indent="  "
    )  # fmt: skip


def throughput(summary: Summary, seconds: float) -> str:
    """One line with the number of responses, the time and the speed."""
    if not summary.responses:
        return f"no response in {seconds:.1f} s"
    speed = (
        f", {summary.new_tokens / seconds:,.0f} tokens/s" if summary.new_tokens and seconds else ""
    )
    plural = "s" if summary.responses > 1 else ""
    cached = f", {summary.cached:,} of them from the cache," if summary.cached else ""
    return f"{summary.responses:,} response{plural}{cached} in {seconds:.1f} s{speed}"


def form_name(row: Row, *, with_style: bool) -> str:
    """The form, with its style if there are several."""
    return str(row.form if with_style else row.form.pooled)


def solved_cell(row: Row) -> str:
    """The share solved, with its interval."""
    return f"{row.solved:.1%} {row.solved_interval.in_percent}"


def gap_cell(row: Row) -> str:
    """The gap in figures and in words."""
    if row.gap is None:
        return "" if row.modality == Modality.TEXT else "text was not asked"
    return f"{gap_figures(row.gap)}  {row.gap.word}"


def gap_figures(gap: Gap) -> str:
    """A gap in points, with its interval."""
    return f"{100 * gap.points:+.1f} {gap.interval.in_points}"


def _table(summary: Summary, *, several_styles: bool) -> Iterator[str]:
    """The table: each model on its own line, then its forms, and under a form its styles."""
    from tabulate import tabulate

    rows, has_blanks = summary.rows, summary.has_blanks
    styled = {row.modality for row in rows if row.style and several_styles}
    cells = (
        [_label(row, is_styled=row.modality in styled), *figures(row, has_blanks=has_blanks)]
        for row in rows
    )
    titles = headers(has_blanks=has_blanks)
    # The headers are passed as a row: as headers, tabulate would make columns two wider.
    ruler, header, *lines, _ = tabulate(
        [titles, *cells],
        tablefmt="simple",
        colalign=("left", *["right"] * (len(titles) - 2), "left"),
        disable_numparse=True,
        preserve_whitespace=True,
    ).splitlines()
    yield from (header, ruler)
    last: Row | None = None
    for row, line in zip(rows, lines, strict=True):
        if last is None or row.model != last.model:
            yield row.model
            last = None
        if row.modality in styled and (last is None or row.modality != last.modality):
            yield f"  {row.modality}"
        last = row
        yield line.rstrip()


def _label(row: Row, *, is_styled: bool) -> str:
    return f"    {row.style or 'no style'}" if is_styled else f"  {row.modality}"
