"""A second, independent reader: Tesseract reads the numbers in the committed pictures."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest
from PIL import Image, ImageOps

from pytest_crossmath.tasks.crossmath.grid import CellKind
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Task

TESSERACT = shutil.which("tesseract")
STYLES = ("original", "noborder", "beige", "altstyle")
PROBLEMS = load_suite("standard").tasks[:10]


def number_cells(problem: Task, style: str) -> Iterator[tuple[str, Image.Image]]:
    """Each number with the inside of its cell, in grey and at full contrast."""
    picture = problem.images[style].rgb().convert("L")
    side = picture.width // problem.content.width
    for (row, column), cell in problem.content.cells():
        if cell.kind is CellKind.NUMBER:
            box = (column * side + 4, row * side + 4, (column + 1) * side - 2, (row + 1) * side - 2)
            yield cell.text, ImageOps.autocontrast(picture.crop(box), cutoff=1)


def read_below_each_other(cells: Sequence[Image.Image]) -> list[str]:
    """What Tesseract reads in each cell, all on one page; an empty text if it sees nothing."""
    assert TESSERACT is not None
    height = cells[0].height
    page = Image.new("L", (cells[0].width + 80, height * len(cells) + 40), 255)
    for i, cell in enumerate(cells):
        page.paste(cell, (40, 20 + i * height))
    written = io.BytesIO()
    page.save(written, "PNG")
    done = subprocess.run(  # noqa: S603 - the program that was found
        [TESSERACT, "-", "-", "--psm", "6", "-c", "tessedit_char_whitelist=0123456789", "tsv"],
        input=written.getvalue(), capture_output=True, check=True,
    )  # fmt: skip
    found = [""] * len(cells)
    for word in csv.DictReader(io.StringIO(done.stdout.decode()), delimiter="\t"):
        if (word["text"] or "").strip():
            middle = int(word["top"]) + int(word["height"]) // 2
            found[(middle - 20) // height] += word["text"].strip()
    return found


@pytest.mark.skipif(
    TESSERACT is None, reason="Tesseract is not installed (apt install tesseract-ocr)"
)
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.nightly)])
def test_tesseract_reads_the_same_numbers(
    every: int, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """On 40 pictures in four styles, a reader independent of ours agrees on the numbers."""
    differing = []
    total = 0
    for problem in PROBLEMS[::every]:
        for style in STYLES:
            texts, cells = zip(*number_cells(problem, style), strict=True)
            total += len(texts)
            for text, read in zip(texts, read_below_each_other(cells), strict=True):
                if text != read:
                    differing.append(f"{problem.id} {style}: {text} read as {read or 'nothing'}")
    agreement = f"Tesseract agrees on {total - len(differing)} of {total} numbers"
    record_property("tesseract", agreement)
    with capsys.disabled():
        print(f"\n{agreement}; differs: {differing}")  # noqa: T201 - shown by CI
    assert len(differing) <= 0.05 * total
