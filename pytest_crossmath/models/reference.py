"""The calibrator: a model that is always right if the suite is sound.

On text it parses the table and solves it. On an image it reads the pixels and
solves what it saw, without a look at the table; with both it does both and answers
only if they agree. It solves everything in every form, so that a gap it
shows is a fault of the suite::

    pytest --crossmath-model=reference
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from pytest_crossmath.errors import GridError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.tasks.crossmath.grid import Puzzle
from pytest_crossmath.tasks.crossmath.reader import read_picture
from pytest_crossmath.tasks.crossmath.solver import propagate
from pytest_crossmath.tasks.crossmath.table import format_table, parse_table
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.scoring import Finish
from pytest_crossmath.tasks.task import ImagePart


class ReferenceBackend:
    """The solver and the reader behind the interface of a model."""

    reads_images = True

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:  # noqa: ARG002 - always the same
        """One: there is nothing to share."""
        return 1

    def generate(
        self,
        requests: Sequence[Request],
        settings: Settings,  # noqa: ARG002 - nothing is generated
        *,
        batch_size: int,  # noqa: ARG002 - one after the other
    ) -> Iterator[tuple[int, Response]]:
        """Solve each request from what its prompt shows, and from nothing else."""
        for index, request in enumerate(requests):
            started = time.perf_counter()
            text = _transcribe(request) if request.transcribes else _respond(request)
            yield index, Response(text, Finish.STOP, 0, time.perf_counter() - started)


def check(spec: ModelSpec) -> None:
    """Nothing can be wrong with it."""


def load(spec: ModelSpec, settings: Settings) -> ReferenceBackend:  # noqa: ARG001 - nothing is generated
    """The calibrator."""
    return ReferenceBackend()


def identify(spec: ModelSpec, settings: Settings, *, memo: Path, loaded: bool) -> str | None:  # noqa: ARG001 - costs nothing to ask again
    """None: what costs nothing to ask again is not cached."""
    return None


def weights_digest(spec: ModelSpec, *, memo: Path | None) -> str | None:  # noqa: ARG001 - there are none
    """None: there are no weights."""
    return None


def _respond(request: Request) -> str:
    puzzles = [
        _read(part.path) if isinstance(part, ImagePart) else _table_in(part.text)
        for part in request.content
        if isinstance(part, ImagePart) or part.text.rstrip().endswith("|")
    ]
    if not puzzles:
        return "There is no puzzle."
    first, *others = puzzles
    if any(other != first for other in others):
        return "The table and the picture do not show the same puzzle."
    answer = _solve(first) if first else None
    return f"<answer>{answer}</answer>" if answer else "I cannot read or solve this puzzle."


def _transcribe(request: Request) -> str:
    seen = [_read(path) for path in request.images]
    return format_table(seen[0]) if seen and seen[0] else "I cannot read this picture."


def _table_in(prompt: str) -> Puzzle | None:
    """The table that a prompt ends with; None where it has none."""
    lines: list[str] = []
    for line in reversed(prompt.rstrip().splitlines()):
        if not line.startswith("|"):
            break
        lines.insert(0, line)
    try:
        return parse_table("\n".join(lines))
    except GridError:
        return None


# A picture is asked about twice, as image and as image+text.
@lru_cache(maxsize=4096)
def _read(path: Path) -> Puzzle | None:
    with Image.open(path) as picture:
        return read_picture(picture).certain


def _solve(puzzle: Puzzle) -> str | None:
    values = propagate(puzzle).values
    if any(blank not in values for blank in puzzle.blanks):
        return None
    return ", ".join(str(values[blank]) for blank in puzzle.blanks)
