"""Snapshots of outcomes: one file for each model and suite, one line for each request.

::

    # Outcomes of pytest-crossmath, with the answers as they were read.
    mini-0001	text	solved	20, 1, 17
    mini-0001	image/original	missed	20, 1, 9

The lines have a fixed order, so that a diff shows only the problems that changed. A model's
raw text is never written. A *solved* line contains the problem's key, so that it cannot be
mistaken for the outcome of a different problem that was given the same id later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pytest_crossmath.errors import SnapshotError
from pytest_crossmath.files import require_regular_file
from pytest_crossmath.tasks.request import RequestId
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import Form
from pytest_crossmath.text import cut, printable

_TITLE = "# Outcomes of pytest-crossmath, with the answers as they were read."
_FORM = re.compile(r"(?P<form>[^#]+)(#(?P<sample>[0-9]{1,6}))?")
_MERGE = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_LONGEST = 120
_MEND = "fix it, or delete the file and run pytest with --snapshot-update"


class SnapshotChange(StrEnum):
    """How an outcome compares with the snapshot."""

    SAME = "same"
    """Still solved, or still not solved."""
    REGRESSED = "regressed"
    """Solved before, but no longer."""
    IMPROVED = "improved"
    """Solved now, but not before."""
    NEW = "new"
    """The snapshot has no entry for this problem in this form."""


Entries = Mapping[RequestId, str]
"""The outcome and answer of each request; see `entry`."""


def name_of(id: RequestId) -> str:
    """The name of a request on a line: problem and ``image/original``, or ``…#2`` for sample 2."""
    number = f"#{id.sample}" if id.sample else ""
    return f"{id.task}\t{id.form}{number}"


def parse_name(text: str) -> RequestId:
    """The inverse of `name_of`. Raises `ValueError`."""
    task, form = text.split("\t")
    found = _FORM.fullmatch(form)
    if found is None or not task:
        raise ValueError(f"{form!r} is not a form")
    return RequestId(task, Form.parse(found["form"]), int(found["sample"] or 0))


def line_order(id: RequestId) -> tuple[str, tuple[int, str], int]:
    """The sort key of a line."""
    return id.task, id.form.order, id.sample


def entry(score: Score) -> str:
    """The outcome and the answer, printable and cut to a sensible length."""
    if score.outcome is Outcome.SOLVED:
        return _solved(score)
    answer = cut(printable(", ".join(score.answer or ())), _LONGEST)
    return f"{score.outcome.value}\t{answer}".rstrip()


def change(before: str | None, score: Score) -> SnapshotChange:
    """How a request's outcome has changed since its entry was written."""
    if before is None:
        return SnapshotChange.NEW
    solved_before = _is_solved(before)
    solved_now = score.outcome is Outcome.SOLVED
    if solved_before and before != _solved(score):
        return SnapshotChange.NEW  # a different problem with the same id
    if solved_before == solved_now:
        return SnapshotChange.SAME
    return SnapshotChange.IMPROVED if solved_now else SnapshotChange.REGRESSED


def no_worse(before: str, now: str) -> bool:
    """Whether the outcome on the line `now` is no worse than on the line `before`."""
    (_, old), (_, new) = parse_line(before), parse_line(now)
    return not _is_solved(old) or _is_solved(new)


def format_snapshot(entries: Entries) -> str:
    """The text of a file."""
    lines = (f"{name_of(id)}\t{entries[id]}" for id in sorted(entries, key=line_order))
    return "\n".join([_TITLE, *lines, ""])


def read_snapshot(file: Path) -> dict[RequestId, str]:
    """The entries of a file; empty if the file does not exist.

    Raises `SnapshotError` naming the line if the file is not a valid snapshot.
    """
    try:
        require_regular_file(file)
        text = file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotError(f"the snapshot {file} cannot be read: {error}") from None
    return parse_snapshot(text, str(file))


def parse_snapshot(text: str, file: str) -> dict[RequestId, str]:
    """The inverse of `format_snapshot`; `file` is the name for messages. Raises `SnapshotError`."""
    entries: dict[RequestId, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        # Lines of requests contain tabs, so a problem's name may even start with "#" or "<<<<<<<".
        if "\t" not in line and (not line.strip() or line.startswith("#")):
            continue
        if "\t" not in line and line.startswith(_MERGE):
            raise SnapshotError(f"{file}:{number}: a merge left a conflict here: {_MEND}")
        try:
            name, content = parse_line(line)
        except ValueError:
            raise SnapshotError(f"{file}:{number}: not an outcome of a problem: {_MEND}") from None
        if name in entries:
            raise SnapshotError(
                f"{file}:{number}: this problem and form already has a line above: {_MEND}"
            )
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
