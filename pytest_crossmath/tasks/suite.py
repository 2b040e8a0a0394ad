"""Suites: folders of problems with pictures and a manifest.

A suite is ``problems.jsonl`` with one problem a line, ``manifest.json`` beside
it, and the pictures::

    problems/mini/manifest.json
    problems/mini/problems.jsonl
    problems/mini/original/mini-0001.png

A line holds `id`, `table`, `key`, `steps`, `difficulty`, `equations` and
`images`. The manifest holds a SHA-256 of every text and of every picture's
pixels, so that a suite is known by what a model sees, not by how it was saved.

>>> suite = load_suite("mini")
>>> suite.name, len(suite.problems), suite.styles
('mini', 200, ('original',))
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_crossmath.errors import GridError, OptionError, SuiteError
from pytest_crossmath.tasks.crossmath.generator import solution_fingerprint
from pytest_crossmath.tasks.crossmath.grid import Problem
from pytest_crossmath.tasks.crossmath.layouts import parse_problem, read_object
from pytest_crossmath.tasks.datasets.catalogue import load_dataset, split_dataset
from pytest_crossmath.tasks.questions.layout import parse_question
from pytest_crossmath.tasks.questions.question import Question, Task
from pytest_crossmath.tasks.task import Form, Modality, TextPart

if TYPE_CHECKING:
    from PIL import Image

PROBLEMS_FILE = "problems.jsonl"
MANIFEST_FILE = "manifest.json"
UNFINISHED_FILE = "unfinished.jsonl"
"""What a suite that is on its way has instead of problems and manifest."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A loaded suite: of grids, or of questions."""

    name: str
    """Name of a bundled suite or a dataset, else the folder or file it came from."""
    problems: tuple[Problem, ...]
    """Its grids, in the order of the file; none in a suite of questions."""
    digest: str
    """SHA-256 over every task's text, key and picture files, as hex digits."""
    questions: tuple[Question, ...] = ()
    """Its questions, in the order of the file; none in a suite of grids."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What a model is asked: grids or questions."""
        return self.problems or self.questions

    @property
    def styles(self) -> tuple[str, ...]:
        """Of grids, the image styles that every problem has; of questions, all that some has."""
        if self.questions:
            found = dict.fromkeys(form.style for task in self.questions for form in task.forms)
            return tuple(style for style in found if style is not None)
        first, *rest = (problem.images for problem in self.problems)
        return tuple(style for style in first if all(style in images for images in rest))

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that the suite offers."""
        styles = self.styles
        found = dict.fromkeys(form for task in self.tasks for form in task.forms)
        return tuple(form for form in found if form.style is None or form.style in styles)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that it offers."""
        offered = {form.modality for form in self.forms}
        return tuple(modality for modality in Modality if modality in offered)

    def chosen(self, modalities: Iterable[Modality], styles: Iterable[str]) -> tuple[Form, ...]:
        """The forms of these modalities, in these styles where they have some, in this order."""
        styles = tuple(styles)
        offered = set(self.forms)
        wanted = (Form(m, style) for m in modalities for style in (None, *styles))
        return tuple(form for form in wanted if form in offered)

    def cut(self, limit: int | None) -> Suite:
        """The first `limit` tasks, all of them for None."""
        return replace(self, problems=self.problems[:limit], questions=self.questions[:limit])


def bundled_suites() -> dict[str, Path]:
    """Folder of each bundled suite by name."""
    return {
        path.parent.name: path.parent
        for path in sorted(_problems_folder().glob(f"*/{PROBLEMS_FILE}"))
    }


def load_suite(suite: str, *, root: Path | None = None) -> Suite:
    """A suite by bundled name, folder, JSONL file, or ``mathverse:PATH`` and ``mmmu:PATH``.

    Pictures of a dataset are kept in ``.crossmath`` in `root`, by default the current folder.
    Raises `SuiteError` with file, line and field for whatever is wrong. Pictures are
    not looked at, see `check_pictures`.
    """
    dataset = split_dataset(suite)
    if dataset is not None:
        questions = load_dataset(*dataset, root or Path.cwd())
        return Suite(dataset[0], (), _digest(questions), questions)
    file = find_suite(suite)
    tasks = _load_lines(file)
    name = suite if suite in bundled_suites() else _name_of(file)
    problems = tuple(task for task in tasks if isinstance(task, Problem))
    questions = tuple(task for task in tasks if isinstance(task, Question))
    if problems and questions:
        raise SuiteError(
            f"{questions[0].origin}: a suite holds grids or questions, not both: put the"
            " questions into a file of their own"
        )
    return Suite(name, problems, _digest(tasks), questions)


def load_grids(suite: str, what: str) -> Suite:
    """A suite of grids, for `what`. Raises `SuiteError`, also for one of questions."""
    loaded = load_suite(suite)
    if loaded.questions:
        raise SuiteError(f"suite {loaded.name} holds questions: {what} is for cross-math grids")
    return loaded


def find_suite(suite: str) -> Path:
    """The JSONL file of a suite. Raises `SuiteError` where there is none.

    In a folder that is ``problems.jsonl``, or the one JSONL file that it holds.
    """
    bundled = bundled_suites()
    path = bundled[suite] if suite in bundled else Path(suite)
    file = path
    # Not the methods of Path: they raise for a name that is too long.
    if os.path.isdir(path):
        if os.path.isfile(path / UNFINISHED_FILE):
            raise SuiteError(
                f"suite {suite!r} is unfinished: give its `crossmath generate` command again, which"
                " goes on where it was broken off"
            )
        others = sorted(path.glob("*.jsonl"))
        file = others[0] if len(others) == 1 else path / PROBLEMS_FILE
    if not os.path.isfile(file):
        raise SuiteError(
            f"no suite {suite!r}: it is neither a bundled suite ({', '.join(bundled) or 'none'}),"
            f" nor a folder with {PROBLEMS_FILE}, nor a JSONL file, nor mathverse:PATH or mmmu:PATH"
        )
    return file


def taken_solutions(*others: Suite, apart_from: str | None = None) -> frozenset[str]:
    """Fingerprints of all solved grids in bundled and other suites, which new problems avoid."""
    bundled = (load_suite(name) for name in bundled_suites() if name != apart_from)
    return frozenset(
        solution_fingerprint(problem)
        for suite in chain(bundled, others)
        for problem in suite.problems
    )


def text_hash(table: str) -> str:
    """SHA-256 of a table, as a manifest has it."""
    return hashlib.sha256(table.encode()).hexdigest()


def pixel_hash(picture: Image.Image) -> str:
    """SHA-256 of a picture's pixels in RGB, as a manifest has it."""
    return hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()


def check_styles(suite: Suite, styles: Iterable[str]) -> None:
    """Raise `OptionError` for the first of these styles that the suite does not have."""
    for style in styles:
        if style not in suite.styles:
            known = ", ".join(suite.styles) or "none"
            raise OptionError(f"suite {suite.name} has no style {style!r}; it has: {known}")


def check_pictures(suite: Suite, styles: Iterable[str]) -> None:
    """Raise `SuiteError` for the first picture in these styles that is missing or broken."""
    shown = {None, *styles}
    for task in suite.tasks:
        paths = (task.pictures(form) for form in task.forms if form.style in shown)
        for path in dict.fromkeys(chain.from_iterable(paths)):
            try:
                check_picture(path)
            except SuiteError as error:
                raise SuiteError(f"{task.origin}: {error}") from None


def check_picture(path: Path) -> None:
    """Raise `SuiteError` unless `path` is a picture that is there whole.

    A PNG is not decoded: its checksums tell, in a tenth of the time.
    """
    from PIL import Image

    if not os.path.isfile(path):
        raise SuiteError(f"the picture {path} is missing")
    try:
        with (
            warnings.catch_warnings(category=Image.DecompressionBombWarning, action="error"),
            Image.open(path) as picture,
        ):
            if picture.format == "PNG":
                picture.verify()
            else:
                picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
        raise SuiteError(f"the picture {path} is broken: {error}") from None


def _problems_folder() -> Path:
    """In a wheel the folder is inside the package; in a checkout it lies beside it."""
    package = Path(__file__).parents[1]
    inside = package / "problems"
    return inside if inside.is_dir() else package.parent / "problems"


def _name_of(file: Path) -> str:
    file = file.resolve()
    return file.parent.name if file.name == PROBLEMS_FILE else file.stem


def _load_lines(file: Path) -> tuple[Task, ...]:
    tasks: dict[str, Task] = {}
    is_parquet = file.suffix == ".parquet"
    try:
        # Not splitlines(): JSON may hold U+2028 and its kind inside a string.
        lines = [] if is_parquet else file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise SuiteError(f"{file} cannot be read: it is not UTF-8, save it as that") from None
    except OSError as error:
        raise SuiteError(f"{file} cannot be read: {error}") from None
    if is_parquet or lines[0].lstrip().startswith("["):
        raise SuiteError(
            f"{file} is no file of one JSON object a line: of a dataset write mathverse:{file} or"
            f" mmmu:{file}"
        )
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = read_object(line)
            parse = parse_problem if {"forms", "kind"}.isdisjoint(record) else parse_question
            task = parse(record, file, f"{file}:{number}")
        except (SuiteError, GridError) as error:
            raise SuiteError(f"{file}:{number}: {error}") from None
        if task.id in tasks:
            raise SuiteError(f"{file}:{number}: the id {task.id!r} is there twice")
        tasks[task.id] = task
    if not tasks:
        raise SuiteError(f"{file} holds no problem")
    return tuple(tasks.values())


def _digest(tasks: Iterable[Task]) -> str:
    total = hashlib.sha256()
    for task in tasks:
        if isinstance(task, Question):
            total.update(repr((task.id, task.kind, task.key, task.accepted, task.choices)).encode())
            for form, parts in task.forms.items():
                total.update(repr((form.modality, form.style)).encode())
                for part in parts:
                    total.update(
                        part.text.encode(errors="surrogatepass")
                        if isinstance(part, TextPart)
                        else _content(part.path)
                    )
            continue
        total.update(repr((task.id, task.table, task.key, task.steps)).encode())
        for style, path in task.images.items():
            total.update(style.encode(errors="surrogatepass"))
            total.update(_content(path))
    return total.hexdigest()


def _content(path: Path) -> bytes:
    return path.read_bytes() if os.path.isfile(path) else b""
