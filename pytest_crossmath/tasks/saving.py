"""Suites are written as they are made, so that a long job can be interrupted and resumed.

::

    writer = SuiteWriter(folder, styles=["original"], palette=None, made_by="…", seed=1)
    for index, task in numbered(…, made=writer.made, index=writer.index):
        writer.add(task, index)
    writer.finish(about)

Until it is finished, a suite has ``unfinished.jsonl``: its settings, then one line per problem.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_crossmath.errors import CrossmathError, FamilyError, SuiteError
from pytest_crossmath.fields import parse_fields, parse_json
from pytest_crossmath.files import taken
from pytest_crossmath.locks import Lock
from pytest_crossmath.tasks.family import guarded, must_be
from pytest_crossmath.tasks.pictures import pixel_hash
from pytest_crossmath.tasks.provable import ProvableFamily, fingerprint_of, provable
from pytest_crossmath.tasks.suite import (
    MANIFEST_FILE,
    PROBLEMS_FILE,
    UNFINISHED_FILE,
    parse_task,
    text_hash,
)
from pytest_crossmath.tasks.task import Task

if TYPE_CHECKING:
    from PIL import Image


_START_OVER = "remove the folder to start over"


@dataclass(frozen=True, slots=True)
class _Made:
    """A line of an unfinished suite."""

    index: int
    solution: str
    hashes: dict[str, Any]
    problem: dict[str, Any]


class SuiteWriter:
    """Writes a suite problem by problem."""

    def __init__(
        self,
        folder: Path,
        *,
        styles: Iterable[str],
        palette: int | None,
        made_by: str,
        seed: int = 0,
    ) -> None:
        """Create the folder, or resume where an interrupted job stopped.

        `palette` is the number of colours to which a picture is reduced, which more than halves
        its file; None keeps all shades of the edges, as varied backgrounds always do. `made_by`
        says how the suite is made: only a job with the same value resumes it. A varied background
        depends only on `seed` and the problem's id. Raises `SuiteError` if the folder holds
        anything else, `OptionError` if another process is writing to it, and `OSError` if it
        cannot be written.
        """
        self.folder = folder
        self.made = 0
        """How many problems have been written."""
        self.index = 0
        """The index at which the generator resumes."""
        self.fingerprints: set[str] = set()
        """The fingerprints of these problems."""
        self._styles, self._palette, self._seed = tuple(styles), palette, seed
        self._file = folder / UNFINISHED_FILE
        first = {"made_by": made_by, "styles": self._styles, "palette": palette}
        text = json.dumps(first, ensure_ascii=False)
        self._lock = Lock(folder, "the suite")
        try:
            self._begin(text)
            self._stream = self._file.open("a", encoding="utf-8", newline="\n")
        except BaseException:
            self._lock.release()
            raise

    def add(self, task: Task, index: int = 0) -> None:
        """Write a task and its pictures; `index` is where the generator resumes after it.

        Raises `SuiteError` for a task of a family that cannot be drawn.
        """
        family = provable(task.family, "writing a suite")
        images = {style: f"{style}/{task.id}.png" for style in self._styles}
        problem = self._written(family, task, images)
        pixels = {}
        for style, relative in images.items():
            (self.folder / relative).parent.mkdir(parents=True, exist_ok=True)
            picture = self._drawn(family, task, style)
            # Optimizing a varied background takes four times as long and saves a sixth of the file.
            picture.save(self.folder / relative, optimize=not family.varies(style))
            with guarded(family, f"draw {task.id} in style {style}"):
                pixels[style] = pixel_hash(picture)
        _, fingerprint = fingerprint_of(task)
        line = {
            "index": index,
            "solution": fingerprint,
            "hashes": {"text": text_hash(task.text), "pixels": pixels},
            "problem": problem,
        }
        # Pictures are written first: a line means that its task is complete.
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()
        self._count(index, fingerprint)

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write problems and manifest; `about` goes into the manifest before the hashes.

        The same problems give the same bytes.
        """
        self._stream.close()
        hashes = {}
        with (
            self._file.open(encoding="utf-8") as lines,
            (self.folder / PROBLEMS_FILE).open("w", encoding="utf-8", newline="\n") as problems,
        ):
            next(lines)
            for line in map(json.loads, lines):
                problems.write(json.dumps(line["problem"], ensure_ascii=False) + "\n")
                hashes[line["problem"]["id"]] = line["hashes"]
        manifest = json.dumps({**about, "problems": hashes}, indent=1, ensure_ascii=False)
        (self.folder / MANIFEST_FILE).write_text(manifest + "\n", encoding="utf-8", newline="\n")
        self._file.unlink()
        self._lock.release()

    def close(self) -> None:
        """Close the files; a suite that is not finished can be resumed."""
        self._stream.close()
        self._lock.release()

    def _written(
        self, family: ProvableFamily, task: Task, images: Mapping[str, str]
    ) -> dict[str, Any]:
        """The task as a line; reading the line must give the same task again."""
        with guarded(family, f"write {task.id}"):
            line = family.to_json(task, images)
            again = parse_task(json.loads(json.dumps(line)), self._file, task.id)
            if (again.id, again.text, again.question, again.target, again.steps) != (
                task.id, task.text, task.question, task.target, task.steps
            ):  # fmt: skip
                raise FamilyError(
                    f"the family {family.name!r} does not read {task.id} back as it wrote it"
                )
            return line

    def _drawn(self, family: ProvableFamily, task: Task, style: str) -> Image.Image:
        from PIL.Image import Dither
        from PIL.Image import Image as ImageFile

        with guarded(family, f"draw {task.id} in style {style}"):
            picture = family.draw(task.content, style, f"{self._seed}/{task.id}/{style}")
            must_be(ImageFile, picture, "draw")
        # With fewer colours, a gradient breaks into bands that may look like boxes.
        if self._palette is None or family.varies(style):
            return picture
        return picture.quantize(self._palette, dither=Dither.NONE)

    def _begin(self, first: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._file.exists():
            self._go_on(first)
        elif any(self.folder.iterdir()):
            raise SuiteError(taken(self.folder, "folder"))
        else:
            self._file.write_text(f"{first}\n", encoding="utf-8", newline="\n")

    def _go_on(self, first: str) -> None:
        try:
            whole = self._file.read_text(encoding="utf-8").rpartition("\n")[0]
        except UnicodeDecodeError:
            raise SuiteError(f"{self._file} is not UTF-8: {_START_OVER}") from None
        begun, *lines = whole.split("\n")
        if begun != first:
            raise SuiteError(
                f"{self.folder} holds a suite started with other options: {begun[:200]}; use"
                " the same options to resume it, or choose another folder"
            )
        for number, line in enumerate(lines, start=2):
            try:
                made = parse_fields(_Made, parse_json(line))
                parse_task(made.problem, self._file, f"{self._file}:{number}")
            except (CrossmathError, ValueError) as error:
                raise SuiteError(
                    f"{self._file}:{number}: not a problem of a suite: {error}; {_START_OVER}"
                ) from None
            self._count(made.index, made.solution)
        # A last line that was cut off is dropped, and its problem is made again.
        self._file.write_text(f"{whole}\n", encoding="utf-8", newline="\n")

    def _count(self, index: int, fingerprint: str) -> None:
        self.made += 1
        self.index = index
        self.fingerprints.add(fingerprint)


def save_suite(
    tasks: Sequence[Task],
    folder: Path,
    *,
    styles: Iterable[str],
    about: Mapping[str, Any],
    palette: int | None = None,
) -> None:
    """Write a suite with its pictures and manifest into `folder`, see `SuiteWriter`."""
    writer = SuiteWriter(folder, styles=styles, palette=palette, made_by="problems at hand")
    with closing(writer):
        for task in tasks:
            writer.add(task)
        writer.finish(about)
