"""Suites: folders of problems with pictures and a manifest.

A suite is ``problems.jsonl`` with one problem a line, ``manifest.json`` beside
it, and the pictures::

    problems/mini/manifest.json
    problems/mini/problems.jsonl
    problems/mini/original/mini-0001.png

A line holds `id`, `family` (left out: crossmath), the family's own fields, `key`, `steps`,
`difficulty` and `images`. The manifest holds a SHA-256 of every text and of every picture's
pixels, so that a suite is known by what a model sees, not by how it was saved.

>>> suite = load_suite("mini")
>>> suite.name, len(suite.tasks), suite.styles
('mini', 200, ('original',))
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import CrossmathError, FamilyError, OptionError, SuiteError
from pytest_crossmath.tasks.catalogue import (
    DATASETS,
    dataset_forms,
    load_dataset,
    split_dataset,
)
from pytest_crossmath.tasks.family import family_named, family_of, guarded, must_be
from pytest_crossmath.tasks.lines import check_field, check_id, read_object
from pytest_crossmath.tasks.provable import fingerprint_of, is_provable
from pytest_crossmath.tasks.task import Form, Modality, Task

PROBLEMS_FILE = "problems.jsonl"
MANIFEST_FILE = "manifest.json"
UNFINISHED_FILE = "unfinished.jsonl"
"""What a suite that is on its way has instead of problems and manifest."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A loaded suite: of tasks that can all be proved, or of others."""

    name: str
    """Name of a bundled suite or a dataset, else the folder or file it came from."""
    tasks: tuple[Task, ...]
    """What a model is asked, in the order of the file."""
    digest: str
    """SHA-256 over every task's text, target and picture files, as hex digits."""
    file: Path | None = None
    """The JSONL file that it was read from; None for a dataset."""

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families that it has tasks of."""
        return tuple(dict.fromkeys(task.family for task in self.tasks))

    @property
    def can_be_proved(self) -> bool:
        """Whether all its tasks are of families that can be proved.

        Their styles are drawings of one content; the styles of questions are what is asked.
        """
        return all(map(is_provable, self.families))

    @property
    def plural(self) -> str:
        """What its tasks are called in messages."""
        return " and ".join(family_named(name).plural for name in self.families)

    @property
    def styles(self) -> tuple[str, ...]:
        """Of tasks that can be proved, the styles that each of them has; else all that one has."""
        by_task = [dict.fromkeys(form.style for form in task.forms) for task in self.tasks]
        found = dict.fromkeys(chain.from_iterable(by_task))
        if self.can_be_proved:
            return tuple(s for s in found if s is not None and all(s in one for one in by_task))
        return tuple(style for style in found if style is not None)

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

    def forms_by_family(
        self, modalities: Iterable[Modality], styles: Iterable[str]
    ) -> dict[str, set[Form]]:
        """For each family the chosen forms that some task of it has."""
        chosen = set(self.chosen(modalities, styles))
        found: dict[str, set[Form]] = {family: set() for family in self.families}
        for task in self.tasks:
            found[task.family].update(chosen.intersection(task.forms))
        return found

    def cut(self, limit: int | None) -> Suite:
        """The first `limit` tasks, all of them for None."""
        return replace(self, tasks=self.tasks[:limit])


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
        tasks = load_dataset(*dataset, root or Path.cwd())
        return Suite(dataset[0], tasks, _digest(tasks))
    file = find_suite(suite)
    tasks = _load_lines(file)
    name = suite if suite in bundled_suites() else _name_of(file)
    by_kind = {is_provable(task.family): task for task in reversed(tasks)}
    if len(by_kind) > 1:
        proved, other = (family_of(by_kind[kind]).plural for kind in (True, False))
        raise SuiteError(
            f"{by_kind[False].origin}: a suite holds {proved} or {other}, not both: put the"
            f" {other} into a file of their own"
        )
    return Suite(name, tasks, _digest(tasks), file)


def load_provable(suite: str, what: str) -> Suite:
    """A suite whose tasks can be proved, for `what`. Raises `SuiteError`, also for another."""
    loaded = load_suite(suite)
    if not loaded.can_be_proved:
        raise SuiteError(
            f"suite {loaded.name} holds {loaded.plural}: {what} is for tasks that can be proved"
        )
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
            f" nor a folder with {PROBLEMS_FILE}, nor a JSONL file, nor {dataset_forms(' or ')}"
        )
    return file


def taken_fingerprints(*others: Suite, apart_from: str | None = None) -> frozenset[tuple[str, str]]:
    """Family and fingerprint of all tasks in bundled and other suites, which new ones avoid."""
    bundled = (load_suite(name) for name in bundled_suites() if name != apart_from)
    return frozenset(
        fingerprint_of(task) for suite in chain(bundled, others) for task in suite.tasks
    )


def text_hash(text: str) -> str:
    """SHA-256 of a task's text, as a manifest has it."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_styles(suite: Suite, styles: Iterable[str]) -> None:
    """Raise `OptionError` for the first of these styles that the suite does not have."""
    for style in styles:
        if style not in suite.styles:
            known = ", ".join(suite.styles) or "none"
            raise OptionError(f"suite {suite.name} has no style {style!r}; it has: {known}")


def check_pictures(suite: Suite, styles: Iterable[str]) -> None:
    """Raise `SuiteError` for the first picture in these styles that is missing or broken."""
    wanted = {None, *styles}
    for task in suite.tasks:
        shown = (found for form, found in task.pictures.items() if form.style in wanted)
        for picture in dict.fromkeys(chain.from_iterable(shown)):
            try:
                picture.check()
            except SuiteError as error:
                raise SuiteError(f"{task.origin}: {error}") from None


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
            f"{file} is no file of one JSON object a line: of a dataset write"
            f" {' or '.join(f'{name}:{file}' for name in DATASETS)}"
        )
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = read_object(line)
            task = parse_task(record, file, f"{file}:{number}")
        except (CrossmathError, ValueError) as error:
            raise SuiteError(f"{file}:{number}: {error}") from error
        if task.id in tasks:
            raise SuiteError(f"{file}:{number}: the id {task.id!r} is there twice")
        tasks[task.id] = task
    if not tasks:
        raise SuiteError(f"{file} holds no problem")
    return tuple(tasks.values())


def parse_task(record: Mapping[str, Any], file: Path, origin: str) -> Task:
    """The task on a line of a suite. Raises `CrossmathError`; the caller adds the place."""
    family = family_named(_family_name(record))
    with guarded(family, "read this line"):
        task = must_be(Task, family.parse(record, file, origin), "parse")
        counts = len(task.target), len(task.steps)
        if task.family != family.name or counts[0] != counts[1] or not task.target:
            raise FamilyError(
                f"the family {family.name!r} made a task of the family {task.family!r} with"
                f" {counts[0]} values and {counts[1]} steps"
            )
        check_id("id", task.id)
    return task


def _family_name(record: Mapping[str, Any]) -> str:
    """The field `family`; a line without it is known by its other fields."""
    name = record.get("family", "crossmath" if {"forms", "kind"}.isdisjoint(record) else "question")
    check_field(isinstance(name, str), "family", "the name of a family", name)
    return str(name)


def _digest(tasks: Iterable[Task]) -> str:
    total = hashlib.sha256()
    for task in tasks:
        family = family_of(task)
        with guarded(family, f"tell {task.id} from others"):
            for part in family.digest(task):
                total.update(part)
    return total.hexdigest()
