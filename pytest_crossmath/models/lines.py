"""Lines of run records: the checks that all who read them share, before anything is computed.

A record may have been edited by hand, cut off, or put together from two. Whoever reads one, to
compare, to score again or to replay, refuses the same lines, in the same words::

    check_line(outcome, answer, key, right, …)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_crossmath.files import require_regular_file
from pytest_crossmath.tasks.answers import right_values
from pytest_crossmath.tasks.family import FAMILIES
from pytest_crossmath.tasks.provable import is_provable
from pytest_crossmath.tasks.score import Outcome, contradiction
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.text import excerpt

_MOST_STEPS = 10**15

SCHEMA = 1
"""The layout of run records that this version writes and reads."""


def check_request(problem: str, modality: str, style: str | None, model: str | None = None) -> None:
    """Raise `ValueError` unless the fields of a line can name a request and a model."""
    if modality not in list(Modality):
        raise ValueError(f"the field 'modality': {excerpt(modality, 40)} is not a modality")
    for field, value in (("problem", problem), ("style", style), ("model", model)):
        if value is not None and not (value.strip() and value.isprintable()):
            raise ValueError(f"the field {field!r}: {excerpt(value, 40)} is not a name")


def check_outcome(
    outcome: Outcome,
    answer: Sequence[str] | None,
    key: Sequence[str],
    right: Sequence[bool],
    family: str | None,
) -> None:
    """Raise `ValueError` for an outcome that contradicts the answer, the key or what is right."""
    if outcome is Outcome.PENDING:
        raise ValueError("the field 'outcome': a pending request has no result")
    if said := contradiction(outcome, answer, key, right):
        raise ValueError(
            f"the fields 'outcome', 'answer' and 'right' contradict each other: {said}"
        )
    # Of these families alone it is known how values are compared.
    is_list = family in FAMILIES and is_provable(family) if family else False
    if is_list and answer is not None and right_values(answer, key) != tuple(right):
        raise ValueError("the field 'right' contradicts the fields 'answer' and 'key'")


def check_steps(steps: Sequence[int]) -> None:
    """Raise `ValueError` for a step that is negative or beyond any problem."""
    if not all(0 <= step < _MOST_STEPS for step in steps):
        raise ValueError("the field 'steps': a step must not be negative or infinite")


def read_lines(file: Path) -> Iterator[tuple[int, str, bool]]:
    """The lines of a file that are not empty: number, text, and whether it may be cut off.

    Only a line without its newline can have been cut off, and only the last line can lack it.
    Raises `OSError`, `UnicodeDecodeError`, and whatever `require_regular_file` does.
    """
    require_regular_file(file)
    with file.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, line, not line.endswith("\n")


CONFLICT = "a line above has another result of the same request: remove one of the two"
"""What is wrong with a measurement that does not follow an error."""


class Targets:
    """The right values of the problems of a record, which do not change from line to line."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Sequence[str], Sequence[int], str | None]] = {}

    def check(
        self, problem: str, key: Sequence[str], steps: Sequence[int], family: str | None
    ) -> None:
        """Raise `ValueError` for a line that contradicts an earlier one of the same problem."""
        known = self._known.setdefault(problem, (tuple(key), tuple(steps), family))
        if known != (tuple(key), tuple(steps), family):
            raise ValueError(
                f"the problem {problem} has another key, other steps or another family than on a"
                " line above"
            )


def check_models(header: Mapping[str, object], model: str | None) -> None:
    """Raise `ValueError` for a line of a model that the first line of its record does not name."""
    known = header.get("models")
    if isinstance(known, dict) and known and model is not None and model not in known:
        raise ValueError(f"the model {excerpt(model, 80)} is not in the first line of the record")
