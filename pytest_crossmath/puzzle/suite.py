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
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_crossmath.errors import GridError, SuiteError
from pytest_crossmath.puzzle.generator import solution_fingerprint
from pytest_crossmath.puzzle.grid import Problem
from pytest_crossmath.puzzle.layouts import parse_line

if TYPE_CHECKING:
    from PIL import Image

PROBLEMS_FILE = "problems.jsonl"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Suite:
    """A loaded suite."""

    name: str
    """Name of a bundled suite, else the folder or file it came from."""
    problems: tuple[Problem, ...]
    """In the order of the file."""
    digest: str
    """SHA-256 over every problem's text, key and picture file, as hex digits."""

    @property
    def styles(self) -> tuple[str, ...]:
        """Image styles that every problem has, in the order of the first."""
        first, *rest = (problem.images for problem in self.problems)
        return tuple(style for style in first if all(style in images for images in rest))


def bundled_suites() -> dict[str, Path]:
    """Folder of each bundled suite by name."""
    return {
        path.parent.name: path.parent
        for path in sorted(_problems_folder().glob(f"*/{PROBLEMS_FILE}"))
    }


def load_suite(suite: str) -> Suite:
    """A suite by bundled name, folder, or JSONL file.

    Raises `SuiteError` with file, line and field for whatever is wrong. Pictures are
    not looked at, see `check_pictures`.
    """
    file = find_suite(suite)
    problems = _load_lines(file)
    name = suite if suite in bundled_suites() else _name_of(file)
    return Suite(name, problems, _digest(problems))


def find_suite(suite: str) -> Path:
    """The JSONL file of a suite. Raises `SuiteError` where there is none.

    In a folder that is ``problems.jsonl``, or the one JSONL file that it holds.
    """
    bundled = bundled_suites()
    path = bundled[suite] if suite in bundled else Path(suite)
    file = path
    # Not the methods of Path: they raise for a name that is too long.
    if os.path.isdir(path):
        others = sorted(path.glob("*.jsonl"))
        file = others[0] if len(others) == 1 else path / PROBLEMS_FILE
    if not os.path.isfile(file):
        raise SuiteError(
            f"no suite {suite!r}: it is neither a bundled suite ({', '.join(bundled) or 'none'}),"
            f" nor a folder with {PROBLEMS_FILE}, nor a JSONL file"
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


def check_pictures(suite: Suite, styles: Iterable[str]) -> None:
    """Raise `SuiteError` for the first picture in these styles that is missing or broken."""
    styles = tuple(styles)
    for problem in suite.problems:
        for style in styles:
            try:
                check_picture(problem.images[style])
            except SuiteError as error:
                raise SuiteError(f"{problem.origin}: {error}") from None


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


def _load_lines(file: Path) -> tuple[Problem, ...]:
    problems: dict[str, Problem] = {}
    try:
        # Not splitlines(): JSON may hold U+2028 and its kind inside a string.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{file} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            problem = parse_line(line, file, number)
        except (SuiteError, GridError) as error:
            raise SuiteError(f"{file}:{number}: {error}") from None
        if problem.id in problems:
            raise SuiteError(f"{file}:{number}: the id {problem.id!r} is there twice")
        problems[problem.id] = problem
    if not problems:
        raise SuiteError(f"{file} holds no problem")
    return tuple(problems.values())


def _digest(problems: Iterable[Problem]) -> str:
    total = hashlib.sha256()
    for problem in problems:
        total.update(repr((problem.id, problem.table, problem.key, problem.steps)).encode())
        for style, path in problem.images.items():
            total.update(style.encode(errors="surrogatepass"))
            total.update(path.read_bytes() if os.path.isfile(path) else b"")
    return total.hexdigest()
