"""Draws a grid with an answer filled in, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_crossmath.tasks.answers import same_number
from pytest_crossmath.tasks.crossmath.grid import CellKind, Puzzle
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.text import printable

LEGEND = "wrong blanks are shown as !given/right"
"""Explains the drawing to the reader."""


def draw_answer(puzzle: Puzzle, score: Score) -> Iterator[str]:
    """The puzzle with the answer filled in; a wrong value is shown as ``!given/right``."""
    answer = (*(score.answer or ()), *("",) * len(score.target))
    texts = {
        blank: key if same_number(given, key) else f"!{printable(given)[:6] or '_'}/{key}"
        for blank, given, key in zip(puzzle.blanks, answer, score.target, strict=False)
    }
    filled = [
        [texts.get((r, c), cell.text) for c, cell in enumerate(row)]
        for r, row in enumerate(puzzle.rows)
    ]
    widths = [max(len(row[c]) for row in filled) for c in range(puzzle.width)]
    for r, row in enumerate(filled):
        cells = (
            f" {text:^{width}} " if puzzle[r, c].kind is CellKind.EMPTY else f"[{text:^{width}}]"
            for c, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "".join(cells).rstrip()
