"""Snapshots of outcomes: one file for each model and suite, one line for each request.

::

    # Outcomes of pytest-crossmath, with the answers as they were read.
    mini-0001	text	solved	20, 1, 17
    mini-0001	image/original	missed	20, 1, 9

Lines stand in a fixed order, so that a diff shows the problems that changed and nothing
else. Raw text of a model is never written. A line says *solved* with the key itself, so
that it cannot be taken for the outcome of another problem that got the same id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pytest_crossmath.errors import SnapshotError
from pytest_crossmath.tasks.request import RequestId
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import Form
from pytest_crossmath.text import cut, printable

_TITLE = "# Outcomes of pytest-crossmath, with the answers as they were read."
_FORM = re.compile(r"(?P<form>[^#]+)(#(?P<sample>[0-9]{1,6}))?")
_MERGE = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_LONGEST = 120
_MEND = "mend it, or delete the file and run pytest with --snapshot-update"


class SnapshotChange(StrEnum):
    """An outcome beside that of the snapshot."""

    SAME = "same"
    """Solved as before, or not solved as before."""
    REGRESSED = "regressed"
    """Solved before and no longer."""
    IMPROVED = "improved"
    """Solved now and not before."""
    NEW = "new"
    """The snapshot says nothing of this problem in this form."""


Entries = Mapping[RequestId, str]
"""For each request its outcome and answer, see `entry`."""


def name_of(id: RequestId) -> str:
    """Which request of a model a line is about: problem and ``image/original``, or ``…#2``."""
    number = f"#{id.sample}" if id.sample else ""
    return f"{id.task}\t{id.form}{number}"


def parse_name(text: str) -> RequestId:
    """The inverse of `name_of`. Raises `ValueError`."""
    task, form = text.split("\t")
    found = _FORM.fullmatch(form)
    if found is None or not task:
        raise ValueError(f"{form!r} is not a form of a problem")
    return RequestId(task, Form.parse(found["form"]), int(found["sample"] or 0))


def line_order(id: RequestId) -> tuple[str, tuple[int, str], int]:
    """What lines are sorted by."""
    return id.task, id.form.order, id.sample


def entry(score: Score) -> str:
    """The outcome and the answer, harmless on a terminal and of a sensible length."""
    if score.outcome is Outcome.SOLVED:
        return _solved(score)
    answer = cut(printable(", ".join(score.answer or ())), _LONGEST)
    return f"{score.outcome.value}\t{answer}".rstrip()


def change(before: str | None, score: Score) -> SnapshotChange:
    """What became of a request since its entry was written."""
    if before is None:
        return SnapshotChange.NEW
    solved_before = _is_solved(before)
    solved_now = score.outcome is Outcome.SOLVED
    if solved_before and before != _solved(score):
        return SnapshotChange.NEW  # another problem under the same id
    if solved_before == solved_now:
        return SnapshotChange.SAME
    return SnapshotChange.IMPROVED if solved_now else SnapshotChange.REGRESSED


def no_worse(before: str, now: str) -> bool:
    """Whether the outcome on one line is no worse than that on another."""
    (_, old), (_, new) = parse_line(before), parse_line(now)
    return not _is_solved(old) or _is_solved(new)


def format_snapshot(entries: Entries) -> str:
    """The text of a file."""
    lines = (f"{name_of(id)}\t{entries[id]}" for id in sorted(entries, key=line_order))
    return "\n".join([_TITLE, *lines, ""])


def read_snapshot(file: Path) -> dict[RequestId, str]:
    """What a file holds; nothing where there is none.

    Raises `SnapshotError` with the line for whatever is no snapshot.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotError(f"the snapshot {file} cannot be read: {error}") from None
    return parse_snapshot(text, str(file))


def parse_snapshot(text: str, file: str) -> dict[RequestId, str]:
    """The inverse of `format_snapshot`; `file` is its name in messages. Raises `SnapshotError`."""
    entries: dict[RequestId, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        # A line of a request has tabs, so that its problem may be called anything.
        if "\t" not in line and (not line.strip() or line.startswith("#")):
            continue
        if "\t" not in line and line.startswith(_MERGE):
            raise SnapshotError(f"{file}:{number}: a merge left a conflict here: {_MEND}")
        try:
            name, content = parse_line(line)
        except ValueError:
            raise SnapshotError(f"{file}:{number}: no outcome of a problem: {_MEND}") from None
        if name in entries:
            raise SnapshotError(f"{file}:{number}: this problem and form has a line above: {_MEND}")
        entries[name] = content
    return entries


def parse_line(line: str) -> tuple[RequestId, str]:
    """Name and entry on a line. Raises `ValueError`."""
    problem, form, outcome, *answer = line.rstrip("\r").split("\t")
    if len(answer) > 1:
        raise ValueError(line)
    return parse_name(f"{problem}\t{form}"), "\t".join([Outcome(outcome).value, *answer])


def _solved(score: Score) -> str:
    return f"{Outcome.SOLVED.value}\t{', '.join(score.target)}"


def _is_solved(text: str) -> bool:
    return text.partition("\t")[0] == Outcome.SOLVED
