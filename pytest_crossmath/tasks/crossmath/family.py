"""Crosswords of equations: the family of the CrossMath paper.

Pillow and NumPy are imported when a picture is drawn or read, not when a suite is loaded.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_crossmath.errors import OptionError, SuiteError
from pytest_crossmath.tasks.crossmath import layouts
from pytest_crossmath.tasks.crossmath.drawing import LEGEND, draw_answer
from pytest_crossmath.tasks.crossmath.generator import MIXED, PRESETS, generate_puzzle
from pytest_crossmath.tasks.crossmath.grid import Puzzle, as_meant
from pytest_crossmath.tasks.crossmath.prompt import COPY, INSTRUCTION
from pytest_crossmath.tasks.crossmath.solver import propagate
from pytest_crossmath.tasks.crossmath.table import format_table, parse_table
from pytest_crossmath.tasks.crossmath.transcription import read_transcription
from pytest_crossmath.tasks.crossmath.worked import brief_solution, worked_solution
from pytest_crossmath.tasks.family import PutPicture
from pytest_crossmath.tasks.lines import check_style
from pytest_crossmath.tasks.proof import Defect, Reading, Solution, Unread
from pytest_crossmath.tasks.provable import ProvableFamily
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.tasks.task import Form, Task

if TYPE_CHECKING:
    from PIL import Image

    from pytest_crossmath.tasks.crossmath.reader import GridReading


class CrossmathFamily(ProvableFamily):
    """Grids of equations with blanks; the content of a task is its `Puzzle`."""

    name = "crossmath"
    plural = "grids"
    unit = "blank"
    data = "solved grid"
    text_field = "table"
    legend = LEGEND
    presets = tuple(PRESETS)
    mixture = MIXED
    copy_instruction = COPY

    @property
    def styles(self) -> Sequence[str]:  # type: ignore[override]  # includes the user's own
        """Names of the styles; the user's own come last."""
        from pytest_crossmath.tasks.crossmath.render import STYLES

        return tuple(STYLES)

    def instruction(self, task: Task) -> str:  # noqa: ARG002 - the same for all
        """The same for every puzzle."""
        return INSTRUCTION

    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The task on a line in our own layout or the published one."""
        line = layouts.parse_line(record, file)
        return self.task(
            line.id, line.puzzle, line.key, line.steps, line.difficulty, text=line.table,
            images=line.images, origin=origin,
        )  # fmt: skip

    def to_json(self, task: Task, images: Mapping[str, str]) -> dict[str, Any]:
        """The task as a line in our own layout."""
        return layouts.to_json(task, images)

    def generate(self, preset: str, rng: random.Random) -> Puzzle:
        """A new puzzle with a preset's specification."""
        return generate_puzzle(PRESETS[preset], rng)

    def as_text(self, content: Puzzle) -> str:
        """The markdown table."""
        return format_table(content)

    def from_text(self, text: str) -> Puzzle:
        """The puzzle in a markdown table. Raises `GridError`."""
        return parse_table(text)

    def draw(self, content: Puzzle, style: str, seed: str) -> Image.Image:
        """The picture of a grid."""
        from pytest_crossmath.tasks.crossmath.render import STYLES, render

        return render(content, STYLES[style], seed)

    def varies(self, style: str) -> bool:
        """Whether each picture has a different background."""
        from pytest_crossmath.tasks.crossmath.render import STYLES

        return STYLES[style].varied_background

    def register_style(self, file: Path) -> str:
        """Register the style in a TOML file under the file's name."""
        from pytest_crossmath.tasks.crossmath.render import load_style, register_style

        style = load_style(file)
        try:
            check_style(str(file), file.stem)
        except SuiteError as error:
            raise OptionError(f"--style: {error}") from None
        register_style(file.stem, style)
        return file.stem

    def read(self, image: Image.Image) -> GridReading:
        """The grid in a picture."""
        from pytest_crossmath.tasks.crossmath.reader import read_picture

        return read_picture(image)

    def solve(self, content: Puzzle, question: str = "") -> Solution | None:  # noqa: ARG002 - it has none
        """The solution that forward propagation finds; None if it leaves a blank open.

        Each value is forced, so there is no other solution.
        """
        found = propagate(content)
        steps = found.steps(content)
        if steps is None or not steps:
            return None
        return Solution(tuple(str(found.values[blank]) for blank in content.blanks), steps)

    def fingerprint(self, task: Task) -> str:
        """The solved grid, up to its mirror image: blanks at other positions are the same data."""
        filled: str = as_meant(task.content).filled(task.target).fingerprint
        return filled

    def twin(self, task: Task, others: Sequence[Task]) -> str:
        """Name the first task with the same blanks, or else the first of all."""
        mine = as_meant(task.content).fingerprint
        for other in others:
            if as_meant(other.content).fingerprint == mine:
                return f"the same puzzle as {other.id}"
        return f"the same {self.data} as {others[0].id}, with different blanks"

    def explain(self, task: Task, *, seed: int, brief: bool = False) -> str:
        """Every step with its equation. Raises `ValueError` if propagation gets stuck."""
        return brief_solution(task) if brief else worked_solution(task, seed=seed)

    def same(self, content: Puzzle, seen: Puzzle) -> bool:
        """Whether both grids are the same, ignoring empty rows and columns around them."""
        return content.bare == seen.bare

    def read_copy(self, text: str) -> Puzzle | None:
        """The last table in a response, with variants of signs read as they are meant."""
        return read_transcription(text)

    def check(self, task: Task) -> Iterator[Defect]:
        """What is wrong with the task's grid, key and steps, cell by cell."""
        from pytest_crossmath.tasks.crossmath.proofs import check_puzzle

        return check_puzzle(task)

    def wrong_target(self, task: Task) -> Defect | None:
        """The first equation that the key does not satisfy."""
        from pytest_crossmath.tasks.crossmath.proofs import check_key

        return next(check_key(task, as_meant(task.content)), None)

    def check_reading(self, task: Task, style: str, reading: Reading) -> Iterator[Defect | Unread]:
        """How a picture differs from the table, cell by cell."""
        from pytest_crossmath.tasks.crossmath.proofs import check_reading
        from pytest_crossmath.tasks.crossmath.reader import GridReading

        assert isinstance(reading, GridReading)
        return check_reading(task, style, reading)

    def show(self, task: Task, form: Form, score: Score) -> Iterator[str]:  # noqa: ARG002 - the grid is the same
        """The grid with the answer filled in, and the equations."""
        yield from draw_answer(task.content, score)
        yield ""
        yield from map(str, task.content.equations)

    def digest(self, task: Task) -> Iterator[bytes]:
        """Table, key and steps, and each picture once: both forms with a picture share it."""
        yield repr((task.id, task.text, task.target, task.steps)).encode()
        for style, picture in task.images.items():
            yield style.encode(errors="surrogatepass")
            yield picture.content

    def page(self, task: Task, forms: Iterable[Form], put: PutPicture) -> dict[str, Any]:
        """The grid, and the picture to show next to it."""
        shown = {form: task.pictures[form] for form in forms if form in task.pictures}
        return {
            "grid": [[cell.text for cell in row] for row in task.content.rows],
            "pictures": {
                str(form): put(picture, f"{task.id}/{form.style}")
                for form, [picture] in shown.items()
            },
        }


FAMILY = CrossmathFamily()
