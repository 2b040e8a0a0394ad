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
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import GridError, SuiteError
from pytest_crossmath.puzzle.grid import Problem
from pytest_crossmath.puzzle.markdown import parse_table
from pytest_crossmath.puzzle.render import STYLES, render

PROBLEMS_FILE = "problems.jsonl"
MANIFEST_FILE = "manifest.json"
DIFFICULTIES = ("easy", "medium", "hard")
_FIELDS = ("id", "table", "key", "steps", "difficulty", "images")


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

    Raises `SuiteError` with file, line and field for whatever is wrong,
    pictures that are missing or broken included.
    """
    bundled = bundled_suites()
    path = bundled[suite] if suite in bundled else Path(suite)
    file = path / PROBLEMS_FILE if path.is_dir() else path
    if not file.is_file():
        raise SuiteError(
            f"no suite {suite!r}: it is neither a bundled suite ({', '.join(bundled) or 'none'}),"
            f" nor a folder with {PROBLEMS_FILE}, nor a JSONL file"
        )
    problems = _load_lines(file)
    name = suite if suite in bundled else _name_of(file)
    return Suite(name, problems, _digest(problems))


def save_suite(
    problems: Sequence[Problem],
    folder: Path,
    *,
    styles: Iterable[str],
    about: Mapping[str, Any],
) -> None:
    """Write a suite with its pictures and manifest into `folder`.

    `about` is what the manifest says beside the hashes: name, version,
    generator, seed, licence. The same problems give the same bytes.
    """
    hashes = {}
    lines = []
    for problem in problems:
        images = {style: f"{style}/{problem.id}.png" for style in styles}
        pixels = {}
        for style, relative in images.items():
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            picture = render(problem.puzzle, STYLES[style])
            picture.save(folder / relative, optimize=True)
            pixels[style] = hashlib.sha256(picture.tobytes()).hexdigest()
        text = hashlib.sha256(problem.table.encode()).hexdigest()
        hashes[problem.id] = {"text": text, "pixels": pixels}
        lines.append(json.dumps(_to_json(problem, images), ensure_ascii=False))
    (folder / PROBLEMS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    manifest = json.dumps({**about, "problems": hashes}, indent=1, ensure_ascii=False)
    (folder / MANIFEST_FILE).write_text(manifest + "\n", encoding="utf-8")


def check_picture(path: Path) -> None:
    """Raise `SuiteError` unless `path` is a picture that can be decoded whole."""
    from PIL import Image

    if not path.is_file():
        raise SuiteError(f"the picture {path} is missing")
    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
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
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{file} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            problem = _from_json(line, file.parent)
        except (SuiteError, GridError) as error:
            raise SuiteError(f"{file}:{number}: {error}") from None
        if problem.id in problems:
            raise SuiteError(f"{file}:{number}: the id {problem.id!r} is there twice")
        problems[problem.id] = problem
    if not problems:
        raise SuiteError(f"{file} holds no problem")
    return tuple(problems.values())


def _from_json(line: str, folder: Path) -> Problem:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:  # also numbers too long and lists too deep
        raise SuiteError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise SuiteError(f"a problem is a JSON object, not {type(record).__name__}")
    missing = [field for field in _FIELDS if field not in record]
    if missing:
        raise SuiteError(f"the field {missing[0]!r} is missing")
    id, table, key, steps = (record[field] for field in ("id", "table", "key", "steps"))
    _check(
        isinstance(id, str) and id and id.isprintable() and not set(id) & set("[]:/\\ "),
        "id",
        "a non-empty text without spaces, brackets, colons and slashes",
        id,
    )
    _check(isinstance(table, str), "table", "a markdown table", table)
    _check(_is_list(key, str), "key", "a list of strings", key)
    _check(_is_list(steps, int), "steps", "a list of whole numbers", steps)
    _check(
        record["difficulty"] in DIFFICULTIES,
        "difficulty",
        " or ".join(DIFFICULTIES),
        record["difficulty"],
    )
    images = record["images"]
    _check(
        isinstance(images, dict) and _is_list(list(images.values()), str),
        "images",
        "an object of style names and paths",
        images,
    )
    puzzle = parse_table(table)
    blanks = len(puzzle.blanks)
    _check(
        blanks == len(key) == len(steps) and blanks > 0,
        "key",
        f"as long as the table has blanks ({blanks}), and so must 'steps' be",
        key,
    )
    return Problem(
        id,
        table,
        puzzle,
        tuple(key),
        tuple(steps),
        record["difficulty"],
        {style: folder / relative for style, relative in images.items()},
    )


def _check(fine: object, field: str, wanted: str, got: object) -> None:
    if not fine:
        shown = repr(got)
        raise SuiteError(f"the field {field!r} must be {wanted}, not {shown[:80]}")


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _to_json(problem: Problem, images: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": problem.id,
        "table": problem.table,
        "key": list(problem.key),
        "steps": list(problem.steps),
        "difficulty": problem.difficulty,
        "equations": [str(equation) for equation in problem.puzzle.equations],
        "images": dict(images),
    }


def _digest(problems: Iterable[Problem]) -> str:
    total = hashlib.sha256()
    for problem in problems:
        total.update(repr((problem.id, problem.table, problem.key, problem.steps)).encode())
        for style, path in problem.images.items():
            total.update(style.encode(errors="surrogatepass"))
            total.update(path.read_bytes() if path.is_file() else b"")
    return total.hexdigest()
