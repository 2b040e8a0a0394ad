"""Proofs about a suite: that its problems are sound and that their forms say the same.

For each problem: the key satisfies every equation, the solution is unique, the
steps are right, the text parses back, and every picture, read from its pixels
alone, is the same grid. For the suite: no two problems are equal up to
transposition, and none is in another suite::

    report = verify(load_suite("mini").problems)
    assert not report.defects
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.crossmath.generator import solution_fingerprint
from pytest_crossmath.tasks.crossmath.grid import MEANT, CellKind, Position, Problem, Puzzle
from pytest_crossmath.tasks.crossmath.solver import (
    SearchLimitError,
    count_solutions,
    propagate,
    violated,
)
from pytest_crossmath.tasks.crossmath.table import format_table
from pytest_crossmath.tasks.suite import (
    MANIFEST_FILE,
    PROBLEMS_FILE,
    check_picture,
    pixel_hash,
    text_hash,
)

_BARE = (CellKind.BLANK, CellKind.EMPTY)
"""What an empty box in a picture may be."""


@dataclass(frozen=True, slots=True)
class Defect:
    """Something wrong with a suite."""

    id: str
    """The problem."""
    kind: str
    """What sort of defect, one word or two."""
    where: str
    """The equation, cell, picture or field."""
    detail: str
    """What is wrong, for a person."""

    def __str__(self) -> str:
        return f"{self.id}: {self.kind}: {self.where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A picture that could not be read with certainty: neither proved nor refuted."""

    id: str
    """The problem."""
    style: str
    """The picture's style."""
    detail: str
    """What is unclear."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found."""

    problems: int
    """How many problems were looked at."""
    defects: tuple[Defect, ...]
    """Everything that is wrong."""
    unread: tuple[Unread, ...] = field(default=())
    """Pictures about which nothing could be said."""


def verify(
    problems: Sequence[Problem],
    *,
    against: Iterable[Problem] = (),
    progress: Callable[[Sequence[Problem]], Iterable[Problem]] = iter,
) -> Report:
    """Prove every problem, or say why it cannot be.

    `against` are problems that must not be here, transposed or not, such as those
    of a test suite when a training set is verified. `progress` wraps the loop.
    """
    defects: list[Defect] = []
    unread: list[Unread] = []
    foreign = {_solved(problem): problem.id for problem in against}
    seen: dict[str, str] = {}
    solved: dict[str, str] = {}
    for problem in progress(problems):
        defects.extend(_check_puzzle(problem))
        for found in (f for style in problem.images for f in _check_picture(problem, style)):
            if isinstance(found, Defect):
                defects.append(found)
            else:
                unread.append(found)
        twin = seen.setdefault(_as_meant(problem.puzzle).fingerprint, problem.id)
        double = solved.setdefault(_solved(problem), problem.id)
        stranger = foreign.get(_solved(problem))
        if twin != problem.id:
            defects.append(Defect(problem.id, "duplicate", "table", f"the same puzzle as {twin}"))
        elif double != problem.id:
            detail = f"the same solved grid as {double}, with other blanks"
            defects.append(Defect(problem.id, "duplicate", "table", detail))
        if stranger:
            detail = f"the same solved grid as {stranger} of the other"
            defects.append(Defect(problem.id, "leak", "table", detail))
    return Report(len(problems), tuple(defects), tuple(unread))


def verify_manifest(file: Path, problems: Sequence[Problem]) -> Iterator[Defect]:
    """Compare the problems of a file with the hashes in the manifest beside it, if any."""
    manifest = file.parent / MANIFEST_FILE
    if file.name != PROBLEMS_FILE or not manifest.is_file():
        return
    try:
        hashes = json.loads(manifest.read_text(encoding="utf-8"))["problems"]
        known = {id: (entry["text"], dict(entry["pixels"])) for id, entry in hashes.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        yield Defect("-", "manifest", MANIFEST_FILE, f"cannot be read: {error!r}")
        return
    for id in known.keys() - {problem.id for problem in problems}:
        yield Defect(id, "manifest", MANIFEST_FILE, f"is there, and not in {PROBLEMS_FILE}")
    for problem in problems:
        text, pixels = known.get(problem.id, (None, {}))
        if text != text_hash(problem.table):
            yield Defect(problem.id, "manifest", "table", "is not the one that was hashed")
        for style, path in problem.images.items():
            if pixels.get(style) != _pixel_hash(path):
                yield Defect(problem.id, "manifest", style, "has other pixels than were hashed")


def wrong_key(problem: Problem) -> Defect | None:
    """The first equation that the key does not satisfy; None where it satisfies all."""
    return next(_check_key(problem, _as_meant(problem.puzzle)), None)


def _pixel_hash(path: Path) -> str | None:
    from PIL import Image

    try:
        check_picture(path)
        with Image.open(path) as picture:
            return pixel_hash(picture)
    except (SuiteError, OSError, ValueError):
        return None


def _check_puzzle(problem: Problem) -> Iterator[Defect]:
    def defect(kind: str, where: str, detail: str) -> Defect:
        return Defect(problem.id, kind, where, detail)

    for position, cell in problem.puzzle.cells():
        if cell.kind is CellKind.UNKNOWN:
            yield defect("alphabet", _at(position), f"{cell.text!r} is not of the alphabet")
    puzzle = _as_meant(problem.puzzle)
    if format_table(problem.puzzle) != problem.table:
        yield defect("table", "table", "parsed and written again it is another text")
    for position in puzzle.strays:
        text = puzzle[position].text
        yield defect("structure", _at(position), f"{text!r} belongs to no equation")
    wrong = list(_check_key(problem, puzzle))
    yield from wrong
    if not any(found.kind == "key" for found in wrong):
        yield from _check_solution(problem, puzzle, defect)


def _check_key(problem: Problem, puzzle: Puzzle) -> Iterator[Defect]:
    if not all(re.fullmatch("[0-9]{1,40}", value) for value in problem.key):
        detail = f"not all whole numbers: {', '.join(problem.key)}"[:200]
        yield Defect(problem.id, "key", "key", detail)
        return
    values = dict(zip(puzzle.blanks, map(int, problem.key), strict=True))
    values.update(puzzle.numbers)
    for equation in violated(puzzle, values):
        detail = f"{equation.formula(values)} is wrong (with the key)"
        yield Defect(problem.id, "contradiction", equation.line, detail)


def _check_solution(
    problem: Problem, puzzle: Puzzle, defect: Callable[[str, str, str], Defect]
) -> Iterator[Defect]:
    state = propagate(puzzle)
    try:
        solutions = 0 if state.contradictions else count_solutions(puzzle)
    except SearchLimitError as error:
        yield defect("not-proved", "puzzle", str(error))
        solutions = 1
    if solutions == 0:
        culprit = next(iter(state.contradictions), None)
        where = culprit.line if culprit else "puzzle"
        detail = culprit.formula(state.values) if culprit else "no values fit"
        yield defect("unsolvable", where, f"no positive integers up to 999 fit: {detail}")
    elif solutions > 1:
        yield defect("not-unique", "puzzle", "several solutions fit every equation")
    steps = state.steps(puzzle)
    if steps is None:
        yield defect("steps", "steps", "forward propagation alone does not fill every blank")
    elif steps != problem.steps:
        for position, right, label in zip(puzzle.blanks, steps, problem.steps, strict=True):
            if right != label:
                yield defect("steps", _at(position), f"labelled step {label}, is step {right}")


def _check_picture(problem: Problem, style: str) -> Iterator[Defect | Unread]:
    from PIL import Image

    from pytest_crossmath.tasks.crossmath.reader import read_picture

    try:
        check_picture(problem.images[style])
        with Image.open(problem.images[style]) as picture:
            reading = read_picture(picture)
    except (SuiteError, OSError, ValueError) as error:
        yield Defect(problem.id, "picture", style, str(error))
        return
    said = _as_meant(problem.puzzle)
    bare = {p for p, cell in said.cells() if cell.kind is CellKind.EMPTY}
    for position in bare.intersection(reading.ambiguous):
        detail = "is no cell, but with cells on all four sides it looks like an empty blank"
        yield Defect(problem.id, "ambiguous-picture", f"{style}, {_at(position)}", detail)
    if reading.puzzle is None or reading.doubts:
        doubts = [
            f"{_at(d.position)}: {d.detail}" if d.position else d.detail for d in reading.doubts
        ]
        yield Unread(problem.id, style, f"{len(doubts)} in doubt, first {doubts[0]}")
        return
    untold = [p for p in reading.ambiguous if said[p].kind is CellKind.BLANK]
    if untold:
        detail = f"{len(untold)} blanks look like no cells, first {_at(untold[0])}"
        yield Unread(problem.id, style, detail)
    shown = reading.puzzle
    if (shown.height, shown.width) != (said.height, said.width):
        sizes = f"{shown.height} x {shown.width} cells, the table {said.height} x {said.width}"
        yield Defect(problem.id, "picture", style, f"shows {sizes}")
        return
    for position, cell in said.cells():
        open_to_doubt = position in reading.ambiguous and cell.kind in _BARE
        if shown[position] != cell and not open_to_doubt:
            detail = f"shows {shown[position].text!r}, the table says {cell.text!r}"
            yield Defect(problem.id, "picture", f"{style}, {_at(position)}", detail)


def _solved(problem: Problem) -> str:
    """What tells one solved grid from another, see `solution_fingerprint`."""
    return solution_fingerprint(replace(problem, puzzle=_as_meant(problem.puzzle)))


def _as_meant(puzzle: Puzzle) -> Puzzle:
    """The puzzle with its signs as meant, so that a wrong one does not hide what else is wrong."""
    return puzzle.replaced(
        {p: MEANT[cell.text] for p, cell in puzzle.cells() if cell.text in MEANT}
    )


def _at(position: Position) -> str:
    return f"row {position[0] + 1}, column {position[1] + 1}"
