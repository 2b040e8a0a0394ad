"""Verdicts and changes as lines for a terminal, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from pytest_crossmath.gating.comparison import Change
from pytest_crossmath.gating.gate import Word
from pytest_crossmath.gating.kinds import kind_named
from pytest_crossmath.gating.verdicts import Verdict

WORDS = {Word.PASS: "pass", Word.FAIL: "FAIL", Word.INCONCLUSIVE: "cannot tell"}
"""Verdicts as a reader sees them."""

NOT_MEASURED = "not measured"
"""What a reader sees for a gate that nothing was measured for."""

DETECTS = "detects from"
"""Header of the column with the smallest change that a run would most likely detect."""

SHOWN = 12
"""Length of a list of problems, unless all are requested."""


def gate_table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The verdict of every gate with its figures, and what a reader should know of each."""
    from tabulate import tabulate

    several = len({verdict.model for verdict in verdicts}) > 1
    rows = [
        [*([v.model] if several else []), v.gate, word(v), measured(v), detects(v)]
        for v in verdicts
    ]
    headers = [*(["model"] if several else []), "gate", "verdict", "measured", DETECTS]
    table = tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)
    yield from (line.rstrip() for line in table.splitlines())
    yield "verdicts at 95 %, Holm's correction; detects from: the smallest change that this"
    yield "run would detect 80 % of the time"
    for verdict in verdicts:
        for note in verdict.notes:
            yield from wrap(f"{verdict.gate}: {note}", 80, initial_indent="  ",
                            subsequent_indent="    ")  # fmt: skip


def word(verdict: Verdict) -> str:
    """The verdict in a word."""
    return WORDS[verdict.word] if verdict.is_judged else NOT_MEASURED


def loud(verdicts: Iterable[Verdict], *, inconclusive_fails: bool) -> Iterator[str]:
    """A line for every gate that failed or cannot tell, to stand out at the very end."""
    for verdict in verdicts:
        who = f"{verdict.model}: {verdict.gate}: {measured(verdict)}"
        if verdict.word is Word.FAIL:
            yield f"GATE FAILED  {who}"
        elif not verdict.is_judged:
            yield f"GATE NOT MEASURED  {verdict.model}: {verdict.gate}"
        elif verdict.word is Word.INCONCLUSIVE:
            what = "fails" if inconclusive_fails else "passes"
            yield f"GATE CANNOT TELL, {what}  {who}"


def change_lines(
    model: str, base: str, changes: Iterable[Change], *, shown: int | None = SHOWN
) -> Iterator[str]:
    """The problems that one model lost and gained since the baseline; `shown` of them, or all."""
    beside = f"{model} (baseline: {base})" if base != model else model
    for change in changes:
        yield (
            f"{beside}, {change.form}: {len(change.regressed)} regressed,"
            f" {len(change.improved)} improved"
        )
        for word, problems in (("regressed", change.regressed), ("improved", change.improved)):
            if problems and shown != 0:
                yield from problem_lines(word, problems, shown=shown)


def problem_lines(word: str, problems: Sequence[str], *, shown: int | None) -> Iterator[str]:
    """A list of problems in lines of 80 columns; the first `shown` of them, or all."""
    listed = problems[:shown]
    more = f", and {len(problems) - len(listed)} more" if len(problems) > len(listed) else ""
    yield from wrap(f"{word}: {', '.join(listed)}{more}", 80, initial_indent="  ",
                    subsequent_indent="    ")  # fmt: skip


def measured(verdict: Verdict) -> str:
    """The figure with its interval."""
    if verdict.figure is None or verdict.interval is None:
        return "nothing measured"
    return kind_named(verdict.kind).phrase(verdict.figure, verdict.interval)


def detects(verdict: Verdict) -> str:
    """The smallest true change that this run would most likely have detected."""
    if verdict.detectable is None:
        return ""
    return kind_named(verdict.kind).detects(verdict.limit, verdict.detectable)
