"""Families: the kinds of task, each in its own folder.

A family defines how its tasks are read, asked, scored and shown. A family whose tasks can be
*proved* does more, see `tasks.provable`. docs/families.md has a small, complete example.

The families of this package are listed in `FAMILIES`. Those of other packages are found through
entry points in the group `pytest_crossmath.families`: the entry point has the family's name, and
its value is an instance, or a module that has one as `FAMILY`.

>>> family_named("question").unparsed
'no readable answer'
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pytest_crossmath.errors import CrossmathError, FamilyError, SuiteError
from pytest_crossmath.files import relative
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.tasks.task import Form, ImagePart, Part, Task, TextPart
from pytest_crossmath.text import described, one_line, printable

FAMILIES: Mapping[str, str] = {
    "crossmath": "pytest_crossmath.tasks.crossmath.family",
    "question": "pytest_crossmath.tasks.questions.family",
}
"""The module of each family in this package, which defines it as `FAMILY`."""

GROUP = "pytest_crossmath.families"
"""Group of entry points through which families of other packages are found."""

Kind = TypeVar("Kind")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class PutPicture(Protocol):
    """Add a picture to a report page."""

    def __call__(self, picture: Picture, name: str = "") -> str | None:
        """The picture's name in the page, `name` if given; None if the picture is left out."""


class Family(ABC):
    """A kind of task that can be asked and scored."""

    name: str
    """The family's name in suite files, run records and pytest marks."""
    plural = "tasks"
    """Plural noun for its tasks, used in messages."""
    unparsed = "no <answer>…</answer> with a number in it"
    """What is wrong with a response that has no answer, as a short phrase."""
    legend = ""
    """Legend for the drawing that `show` prints, as a short phrase."""

    @abstractmethod
    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The task on one line of a suite. `origin` says where the line is.

        Raises a `CrossmathError` that names the field; the caller adds file and line.
        """

    @abstractmethod
    def instruction(self, task: Task) -> str:
        """The instruction, unless the user provides a different one; the same in every form."""

    @abstractmethod
    def score(self, task: Task, text: str, *, is_whole: bool) -> Score | None:
        """The score of a response; None if it contains no answer.

        `is_whole` is false for a response that was cut off at the limit of new tokens.
        """

    def right_responses(self, task: Task) -> Iterable[str]:  # noqa: ARG002 - not known of every family
        """Responses that give a right answer in the wording that the instruction asks for.

        Each must be scored as solved, or the suite is refused: no model could solve the task.
        """
        return ()

    def identity(self, task: Task) -> str:
        """Everything that distinguishes the task from others, except what its forms show."""
        return repr((task.id, task.family, task.question, task.target, task.steps))

    def digest(self, task: Task) -> Iterator[bytes]:
        """Everything that distinguishes the task from others, including pictures, for a hash."""
        yield self.identity(task).encode()
        for form, parts in task.shown.items():
            yield repr((form.modality, form.style)).encode()
            for part in parts:
                if isinstance(part, TextPart):
                    yield part.text.encode(errors="surrogatepass")
                else:
                    yield part.picture.content

    def message(self, task: Task, form: Form, instruction: str) -> tuple[Part, ...]:
        """The user message: what the form shows, then the instruction.

        If the form ends in text, the instruction is appended to that text.
        """
        *before, last = task.shown[form]
        if isinstance(last, TextPart):
            return (*before, TextPart(f"{last.text}\n\n{instruction}"))
        return (*before, last, TextPart(instruction))

    def show(self, task: Task, form: Form, score: Score) -> Iterator[str]:
        """The task as it was asked and answered, as lines for a terminal."""
        if task.question:
            yield from map(printable, task.question.splitlines())
        for part in task.shown[form]:
            if isinstance(part, ImagePart):
                yield f"picture: {relative(part.picture.path)}"
            else:
                yield from map(printable, part.text.splitlines())
        yield ""
        yield f"answered: {printable(', '.join(score.answer)) if score.answer else 'nothing'}"
        yield f"right:    {', '.join(score.target)}"

    def page(self, task: Task, forms: Iterable[Form], put: PutPicture) -> dict[str, Any]:
        """What a report page shows of the task in some of its forms, as builtin types.

        ``shown``     for each form its texts, and its pictures as ``{"picture": name, "file": …}``
        ``choices``   the texts of the choices, shown next to an answer that is a letter
        ``grid``      rows of texts; the page fills in the answer wherever one is ``?``
        ``pictures``  for each form the picture to show next to the grid

        The page draws the grid if there is one, otherwise what is in ``shown``.
        """
        question = [task.question] if task.question else []
        return {
            "shown": {
                str(form): [
                    *question,
                    *(
                        {"picture": put(part.picture), "file": part.picture.path.name}
                        if isinstance(part, ImagePart)
                        else part.text
                        for part in task.shown[form]
                    ),
                ]
                for form in forms
            }
        }


def family_of(task: Task) -> Family:
    """The family of a task."""
    return family_named(task.family)


def family_named(name: str) -> Family:
    """The family with this name. Raises `SuiteError` if it does not exist or cannot be loaded."""
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def family_names() -> list[str]:
    """Names of all families: those of this package, then those of other packages."""
    return list(dict.fromkeys([*FAMILIES, *sorted(entry_points(group=GROUP).names)]))


@contextmanager
def guarded(family: Family, what: str) -> Iterator[None]:
    """Turn any exception that a family raises while doing `what` into a one-line `FamilyError`.

    A family of another package may raise anything, but must not end a run with a traceback.
    Check the values that it returns inside this block as well, with `must_be`.
    """
    try:
        yield
    except CrossmathError:
        raise
    except (Exception, SystemExit) as error:
        said = described(error)
        raise FamilyError(f"the family {family.name!r} cannot {what}: {said}") from error


def must_be(kind: type[Kind], value: object, name: str) -> Kind:
    """The value, if it has the required type. Raises a `TypeError` that names the method."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}() returned {one_line(repr(value), 60)}, not a {kind.__name__}")
    return value


_loaded: dict[str, Family] = {}


def _load(name: str) -> Family:
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    known = [FAMILIES[name]] if name in FAMILIES else []
    if len(known) + len(found) > 1:
        places = " and ".join([*known, *(point.value for point in found)])
        raise SuiteError(f"two families are called {name!r}: {places}; uninstall one of them")
    if known:
        try:
            family: Family = import_module(known[0]).FAMILY
        except (ImportError, AttributeError) as error:
            raise SuiteError(
                f"the family {name!r} of {known[0]} cannot be loaded: {described(error)}"
            ) from error
        return family
    if not found:
        raise SuiteError(f"there is no family {name!r}; available: {', '.join(family_names())}")
    return _load_entry(found[0])


def _load_entry(point: EntryPoint) -> Family:
    """Load a family of another package, which may raise anything."""
    where = f"the family {point.name!r} of {point.value}"
    try:
        loaded = point.load()
        family = getattr(loaded, "FAMILY", loaded)
        family = family() if isinstance(family, type) else family
    except (Exception, SystemExit) as error:
        raise SuiteError(f"{where} cannot be loaded: {described(error)}") from error
    if not isinstance(family, Family):
        raise SuiteError(f"{where} is not an instance of pytest_crossmath.tasks.family.Family")
    if getattr(family, "name", None) != point.name:
        said = one_line(repr(getattr(family, "name", None)), 40)
        raise SuiteError(f"{where} has the name {said}: it must be that of the entry point")
    if not _NAME.fullmatch(point.name):
        raise SuiteError(f"{where}: a name may contain only letters, digits, '_', '.' and '-'")
    return family
