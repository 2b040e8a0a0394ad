"""Suites: folders of problems with pictures and a manifest.

A suite is ``problems.jsonl`` with one problem per line, ``manifest.json`` next to it, and the
pictures::

    problems/mini/manifest.json
    problems/mini/problems.jsonl
    problems/mini/original/mini-0001.png

A line holds `id`, `family` (default: crossmath), the family's own fields, `key`, `steps`,
`difficulty` and `images`. The manifest holds a SHA-256 of every text and of every picture's
pixels, so that a suite is identified by what a model sees, not by how it was saved.

>>> suite = load_suite("mini")
>>> suite.name, len(suite.tasks), suite.styles
('mini', 200, ('original',))
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
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
from pytest_crossmath.tasks.family import Family, family_named, family_of, guarded, must_be
from pytest_crossmath.tasks.lines import check_field, check_id, check_inside, read_object
from pytest_crossmath.tasks.provable import fingerprint_of, is_provable
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import Form, Modality, Task
from pytest_crossmath.text import excerpt

PROBLEMS_FILE = "problems.jsonl"
MANIFEST_FILE = "manifest.json"
UNFINISHED_FILE = "unfinished.jsonl"
"""What an unfinished suite has instead of problems and manifest."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A loaded suite. Either all its tasks can be proved, or none can."""

    name: str
    """Name of a bundled suite or a dataset, otherwise of the folder or file it came from."""
    tasks: tuple[Task, ...]
    """The tasks, in the order of the file."""
    digest: str
    """SHA-256 over every task's text, target and picture files, as hex digits."""
    file: Path | None = None
    """The JSONL file it was read from; None for a dataset."""

    @property
    def files(self) -> Iterator[Path]:
        """The files that it consists of: problems, manifest, pictures. No output may be one."""
        if self.file is not None:
            yield from (self.file, self.file.with_name(MANIFEST_FILE))
        for task in self.tasks:
            for pictures in task.pictures.values():
                yield from (picture.path for picture in pictures)

    @property
    def families(self) -> tuple[str, ...]:
        """Names of its tasks' families."""
        return tuple(dict.fromkeys(task.family for task in self.tasks))

    @property
    def can_be_proved(self) -> bool:
        """Whether all its tasks belong to families that can be proved.

        Their styles are drawings of the same content; the styles of questions differ in content.
        """
        return all(map(is_provable, self.families))

    @property
    def plural(self) -> str:
        """Plural noun for its tasks, used in messages."""
        return " and ".join(family_named(name).plural for name in self.families)

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that every task has; for questions, those that at least one has."""
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
        """The modalities that the suite offers."""
        offered = {form.modality for form in self.forms}
        return tuple(modality for modality in Modality if modality in offered)

    def chosen(self, modalities: Iterable[Modality], styles: Iterable[str]) -> tuple[Form, ...]:
        """The forms of these modalities in these styles, if they have styles, in this order."""
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
        """The suite with its first `limit` tasks only, or all of them for None."""
        return replace(self, tasks=self.tasks[:limit])


def bundled_suites() -> dict[str, Path]:
    """Folder of each bundled suite by name."""
    return {
        path.parent.name: path.parent
        for path in sorted(_problems_folder().glob(f"*/{PROBLEMS_FILE}"))
    }


def load_suite(suite: str, *, root: Path | None = None) -> Suite:
    """Load a suite by bundled name, folder, JSONL file, ``mathverse:PATH`` or ``mmmu:PATH``.

    Pictures of a dataset are stored in ``.crossmath`` in `root`, by default the current folder.
    Raises `SuiteError` with file, line and field if anything is wrong. Pictures are not
    checked, see `check_pictures`.
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
            f" {other} into a separate file"
        )
    return Suite(name, tasks, _digest(tasks), file)


def load_provable(suite: str, what: str) -> Suite:
    """Load a suite whose tasks can be proved, as `what` requires. Raises `SuiteError` otherwise."""
    loaded = load_suite(suite)
    if not loaded.can_be_proved:
        raise SuiteError(
            f"suite {loaded.name} holds {loaded.plural}: {what} needs tasks that can be proved"
        )
    return loaded


def find_suite(suite: str) -> Path:
    """The JSONL file of a suite. Raises `SuiteError` if there is none.

    For a folder, this is the only JSONL file in it, otherwise ``problems.jsonl``.
    """
    bundled = bundled_suites()
    path = bundled[suite] if suite in bundled else Path(suite)
    file = path
    # Not the methods of Path, which raise for a name that is too long.
    if os.path.isdir(path):
        if os.path.isfile(path / UNFINISHED_FILE):
            raise SuiteError(
                f"suite {suite!r} is unfinished: run its `crossmath generate` command again to"
                " resume it"
            )
        others = sorted(path.glob("*.jsonl"))
        file = others[0] if len(others) == 1 else path / PROBLEMS_FILE
    if not os.path.isfile(file):
        raise SuiteError(
            f"no suite {suite!r}: it is neither a bundled suite"
            f" ({', '.join(bundled) or 'none'}), nor a folder with {PROBLEMS_FILE},"
            f" nor a JSONL file, nor {dataset_forms(' or ')}"
        )
    return file


def taken_fingerprints(*others: Suite, apart_from: str | None = None) -> frozenset[tuple[str, str]]:
    """Family and fingerprint of every task in bundled and other suites, which new tasks avoid."""
    bundled = (load_suite(name) for name in bundled_suites() if name != apart_from)
    return frozenset(
        fingerprint_of(task) for suite in chain(bundled, others) for task in suite.tasks
    )


def text_hash(text: str) -> str:
    """SHA-256 of a task's text, as stored in a manifest."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_styles(suite: Suite, styles: Iterable[str]) -> None:
    """Raise `OptionError` for the first of these styles that the suite does not have."""
    for style in styles:
        if style not in suite.styles:
            known = ", ".join(suite.styles) or "none"
            raise OptionError(f"suite {suite.name} has no style {style!r}; it has: {known}")


def check_pictures(suite: Suite, styles: Iterable[str]) -> None:
    """Raise `SuiteError` for the first picture in these styles that cannot be shown."""
    wanted = {None, *styles}
    for task in suite.tasks:
        shown = (found for form, found in task.pictures.items() if form.style in wanted)
        for picture in dict.fromkeys(chain.from_iterable(shown)):
            try:
                picture.check()
            except SuiteError as error:
                raise SuiteError(f"{task.origin}: {error}") from None


def _problems_folder() -> Path:
    """In a wheel the folder is inside the package; in a checkout it is next to it."""
    package = Path(__file__).parents[1]
    inside = package / "problems"
    return inside if inside.is_dir() else package.parent / "problems"


def _name_of(file: Path) -> str:
    file = file.resolve()
    return file.parent.name if file.name == PROBLEMS_FILE else file.stem


def _load_lines(file: Path) -> tuple[Task, ...]:
    tasks: dict[str, Task] = {}
    by_name: dict[str, str] = {}
    is_parquet = file.suffix == ".parquet"
    try:
        # Not splitlines(): JSON strings may contain U+2028 and other line separators.
        lines = [] if is_parquet else file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise SuiteError(f"{file} cannot be read: it is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise SuiteError(f"{file} cannot be read: {error}") from None
    if is_parquet or lines[0].lstrip().startswith("["):
        raise SuiteError(
            f"{file} does not hold one JSON object per line; for a dataset, write"
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
            raise SuiteError(f"{file}:{number}: the id {task.id!r} appears twice")
        # Pictures and exports are named by id, and not every disk tells the two apart.
        other = by_name.setdefault(task.id.casefold(), task.id)
        if other != task.id:
            raise SuiteError(
                f"{file}:{number}: the ids {other!r} and {task.id!r} differ in case only"
            )
        tasks[task.id] = task
    if not tasks:
        raise SuiteError(f"{file} holds no problems")
    return tuple(tasks.values())


def parse_task(record: Mapping[str, Any], file: Path, origin: str) -> Task:
    """The task on a line of a suite. Raises `CrossmathError`; the caller adds the place."""
    family = family_named(_family_name(record))
    with guarded(family, "read this line"):
        task = must_be(Task, family.parse(record, file, origin), "parse")
        counts = len(task.target), len(task.steps)
        if task.family != family.name or counts[0] != counts[1] or not task.target:
            raise FamilyError(
                f"the family {family.name!r} returned a task of the family {task.family!r} with"
                f" {counts[0]} values and {counts[1]} steps"
            )
        check_id("id", task.id)
        # Here, since a family may make pictures in its own way.
        pictures = dict.fromkeys(chain.from_iterable(task.pictures.values()))
        check_inside(pictures, file.parent, record)
    _check_own_answer(family, task)
    return task


def _check_own_answer(family: Family, task: Task) -> None:
    """Raise `SuiteError` if no model could solve the task, since its own key would be missed."""
    refused: list[str] = []
    # A family that cannot score reports that where a response is scored.
    with suppress(CrossmathError), guarded(family, "score its own answers"):
        for response in family.right_responses(task):
            score = family.score(task, response, is_whole=True)
            if score is None or must_be(Score, score, "score").outcome is not Outcome.SOLVED:
                refused.append(response)
    if refused:
        raise SuiteError(
            f"the key would not be accepted as its own answer: {excerpt(refused[0])} is not scored"
            " as solved"
        )


def _family_name(record: Mapping[str, Any]) -> str:
    """The field `family`; a line without it is recognised by its other fields."""
    name = record.get("family", "crossmath" if {"forms", "kind"}.isdisjoint(record) else "question")
    check_field(isinstance(name, str), "family", "the name of a family", name)
    return str(name)


def _digest(tasks: Iterable[Task]) -> str:
    total = hashlib.sha256()
    for task in tasks:
        family = family_of(task)
        try:
            with guarded(family, f"compute a digest of {task.id}"):
                for part in family.digest(task):
                    total.update(part)
        except SuiteError as error:
            raise SuiteError(f"{task.origin}: {error}") from None
    return total.hexdigest()
