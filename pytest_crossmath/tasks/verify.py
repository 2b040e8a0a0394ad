"""Proofs about a suite: its tasks are sound, and their forms show the same content.

For each task: the target solves it, the solution is unique, the steps are correct, parsing the
text and writing it again changes nothing, and every picture, read from its pixels alone, shows
the same content. For the suite: no two tasks are equal up to symmetry, and none is in another
suite::

    report = verify(load_suite("mini").tasks)
    assert not report.defects
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.fields import parse_fields, parse_json
from pytest_crossmath.files import require_regular_file
from pytest_crossmath.tasks.family import guarded
from pytest_crossmath.tasks.pictures import Picture, pixel_hash
from pytest_crossmath.tasks.proof import Defect, Unread
from pytest_crossmath.tasks.provable import ProvableFamily, fingerprint_of, provable
from pytest_crossmath.tasks.suite import MANIFEST_FILE, PROBLEMS_FILE, text_hash
from pytest_crossmath.tasks.task import Task
from pytest_crossmath.text import one_line


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a verification."""

    problems: int
    """How many problems were checked."""
    defects: tuple[Defect, ...]
    """Everything that is wrong."""
    unread: tuple[Unread, ...] = field(default=())
    """Pictures that could be neither proved nor refuted."""


@dataclass(frozen=True, slots=True)
class _Hashes:
    """What a manifest says of one problem."""

    text: str
    pixels: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The fields of a manifest that are checked."""

    problems: dict[str, _Hashes]


def verify(
    tasks: Sequence[Task],
    *,
    against: Iterable[Task] = (),
    progress: Callable[[Sequence[Task]], Iterable[Task]] = iter,
) -> Findings:
    """Prove every task, or report why it cannot be proved.

    `against` are tasks that must not be among them, mirrored or not, such as those of a test
    suite when a training set is verified. `progress` wraps the loop. Raises `SuiteError` for
    a task of a family that cannot be proved.
    """
    defects: list[Defect] = []
    unread: list[Unread] = []
    foreign = {fingerprint_of(task): task.id for task in against}
    seen: dict[tuple[str, str], list[Task]] = {}
    for task in progress(tasks):
        family = provable(task.family, "verify")
        with guarded(family, f"check {task.id}"):
            defects.extend(family.check(task))
            for style, picture in task.images.items():
                for found in _check_picture(family, task, style, picture):
                    if isinstance(found, Defect):
                        defects.append(found)
                    else:
                        unread.append(found)
            known = fingerprint_of(task)
            if others := seen.setdefault(known, []):
                twin = family.twin(task, others)
                defects.append(Defect(task.id, "duplicate", family.text_field, twin))
            others.append(task)
            if stranger := foreign.get(known):
                detail = f"the same {family.data} as {stranger} in the other suite"
                defects.append(Defect(task.id, "leak", family.text_field, detail))
    return Findings(len(tasks), tuple(defects), tuple(unread))


def verify_manifest(file: Path, tasks: Sequence[Task]) -> Iterator[Defect]:
    """Compare the problems of a file with the hashes in the manifest next to it, if any."""
    manifest = file.parent / MANIFEST_FILE
    if file.name != PROBLEMS_FILE or not os.path.lexists(manifest):
        return
    try:
        require_regular_file(manifest)
        content = parse_json(manifest.read_text(encoding="utf-8-sig"))
        entries = parse_fields(_Manifest, content).problems
    except (OSError, ValueError) as error:
        yield Defect("-", "manifest", MANIFEST_FILE, f"cannot be read: {one_line(error)}")
        return
    known = {id: (entry.text, entry.pixels) for id, entry in entries.items()}
    for id in known.keys() - {task.id for task in tasks}:
        yield Defect(id, "manifest", MANIFEST_FILE, f"is listed, but is not in {PROBLEMS_FILE}")
    for task in tasks:
        text, pixels = known.get(task.id, (None, {}))
        if text != text_hash(task.text):
            field = provable(task.family, "verify").text_field
            yield Defect(task.id, "manifest", field, "does not match its hash")
        for style, picture in task.images.items():
            if pixels.get(style) != _pixel_hash(picture):
                yield Defect(task.id, "manifest", style, "does not match the hash of its pixels")


def wrong_target(task: Task) -> Defect | None:
    """The first error in a task's target; None if it is correct."""
    family = provable(task.family, "verify")
    with guarded(family, f"check {task.id}"):
        return family.wrong_target(task)


def _pixel_hash(picture: Picture) -> str | None:
    try:
        return pixel_hash(picture.rgb())
    except SuiteError:
        return None


def _check_picture(
    family: ProvableFamily, task: Task, style: str, picture: Picture
) -> Iterator[Defect | Unread]:
    try:
        image = picture.rgb()
    except SuiteError as error:
        yield Defect(task.id, "picture", style, str(error))
        return
    reading = family.read(image)
    yield from family.check_reading(task, style, reading)
