"""Families: the kinds of task, each in a folder of its own.

A family says how its tasks are read, asked, scored and shown. One that *can be proved* also
makes them, draws them, reads its own pictures and solves what they show, so that text and
picture are known to hold the same:

>>> family = provable("crossmath", "an example")
>>> puzzle = family.from_text("| 7 | - | ? | = | 2 |")
>>> family.solve(puzzle)
Solution(values=('5',), steps=(1,), is_unique=True)
>>> image = family.draw(puzzle, "original", seed="")
>>> family.as_text(family.read(image).certain)
'| 7 | - | ? | = | 2 |'

docs/families.md has a small one, whole. A family of this package is a line in `FAMILIES`; one of
another package is found by an entry point of the group `pytest_crossmath.families`.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_crossmath.errors import CrossmathError, OptionError, SuiteError
from pytest_crossmath.files import relative
from pytest_crossmath.tasks.answers import marked, parse_answer, same_number
from pytest_crossmath.tasks.lines import (
    check_field,
    check_id,
    check_there,
    checked_difficulty,
    checked_images,
    checked_values,
)
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.proof import Defect, Reading, Solution, Unread
from pytest_crossmath.tasks.responses import without_thinking
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import (
    Form,
    ImagePart,
    Modality,
    Part,
    Task,
    TextPart,
    pictures_in,
    text_in,
)
from pytest_crossmath.text import one_line, printable

if TYPE_CHECKING:
    from PIL import Image

FAMILIES: Mapping[str, str] = {
    "crossmath": "pytest_crossmath.tasks.crossmath.family",
    "question": "pytest_crossmath.tasks.questions.family",
}
"""The module of each family of this package, which has it as `FAMILY`."""

GROUP = "pytest_crossmath.families"
"""Entry points by which families of other packages are found."""


class Family(ABC):
    """What can be asked and scored."""

    name: str
    """The family's name in suite files, records and marks."""
    can_be_proved = False
    """Whether this is a `ProvableFamily`."""
    unparsed = "no <answer>…</answer> with a number in it"
    """What is wrong with a response that has no answer, in a few words."""
    legend = ""
    """What a reader must know of what `show` draws, in a few words."""

    @abstractmethod
    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The task on a line of a suite. `origin` says where it stands.

        Raises `CrossmathError` that names the field; the caller adds file and line.
        """

    @abstractmethod
    def instruction(self, task: Task) -> str:
        """What is asked, unless the user says it in other words; the same in every form."""

    @abstractmethod
    def score(self, task: Task, text: str, *, is_whole: bool) -> Score | None:
        """The score of a response; None where there is no answer in it.

        `is_whole` is false for one that was cut off at the limit of new tokens.
        """

    @abstractmethod
    def digest(self, task: Task) -> Iterator[bytes]:
        """Everything that makes the task another one when it changes, pictures included."""

    def message(self, task: Task, form: Form, instruction: str) -> tuple[Part, ...]:
        """The user message: what the form shows, then the instruction.

        The instruction comes in one piece with a text before it.
        """
        *before, last = task.shown[form]
        if isinstance(last, TextPart):
            return (*before, TextPart(f"{last.text}\n\n{instruction}"))
        return (*before, last, TextPart(instruction))

    def show(self, task: Task, form: Form, score: Score) -> Iterator[str]:
        """The task as it was asked and answered, in lines for a terminal."""
        for part in task.shown[form]:
            if isinstance(part, ImagePart):
                yield f"picture: {relative(part.picture.path)}"
            else:
                yield from map(printable, part.text.splitlines())
        yield ""
        yield f"answered: {printable(', '.join(score.answer)) if score.answer else 'nothing'}"
        yield f"right:    {', '.join(score.target)}"

    def page(
        self, task: Task, forms: Iterable[Form], picture: Callable[..., str | None]
    ) -> dict[str, Any]:
        """What the page of a report shows of the task in some of its forms, as builtin types.

        `picture` puts a `Picture` into the page and gives its name there, which a second
        argument chooses; None where it is left out.
        """
        return {
            "shown": {
                str(form): [
                    {"picture": picture(part.picture), "file": part.picture.path.name}
                    if isinstance(part, ImagePart)
                    else part.text
                    for part in task.shown[form]
                ]
                for form in forms
            }
        }


class ProvableFamily(Family):
    """A family whose tasks can be made, drawn, read back from pixels, and solved.

    The answer is a list of integers. The question is text and the same in every form, and only
    the data moves between text and picture.
    """

    can_be_proved = True
    unit = "value"
    """What the values of an answer are called, one of them."""
    data = "data"
    """What the data are called, without their article."""
    text_field = "text"
    """The field of a suite line that holds the data as text."""
    presets: Sequence[str] = ("easy",)
    """Names of the settings that `generate` takes."""
    mixture: Mapping[str, int] = {}
    """Shares of the presets in a mixed suite; none where there is no such."""
    styles: Sequence[str] = ("original",)
    """Names of the styles that `draw` takes, ``original`` first."""
    copy_instruction = "Copy what this picture shows, exactly as text. Do not solve it."
    """What a model is asked about a picture that it missed, to find out what it saw."""

    # -- to be written for each family

    @abstractmethod
    def generate(self, preset: str, rng: random.Random) -> Any:
        """The content of a new task, drawn from `rng` alone."""

    @abstractmethod
    def as_text(self, content: Any) -> str:
        """The data as text; one paragraph."""

    @abstractmethod
    def from_text(self, text: str) -> Any:
        """The inverse of `as_text`. Raises `CrossmathError` or `ValueError`."""

    @abstractmethod
    def draw(self, content: Any, style: str, seed: str) -> Image.Image:
        """The data as a picture. What is drawn by chance is drawn from `seed`."""

    @abstractmethod
    def read(self, image: Image.Image) -> Reading:
        """What a picture shows, from its pixels alone."""

    @abstractmethod
    def solve(self, content: Any) -> Solution | None:
        """The solution; None where there is none, or where it cannot be told."""

    # -- what may be told better

    def question(self, content: Any) -> str:  # noqa: ARG002 - most have one for all
        """What is asked of this content beside the instruction; the same in every form."""
        return ""

    def fingerprint(self, task: Task) -> str:
        """A text equal for two tasks exactly if their data are equal up to symmetry."""
        return self.as_text(task.content)

    def explain(self, task: Task, *, seed: int, brief: bool = False) -> str:  # noqa: ARG002 - others have wordings
        """The solution in steps, with the answer at its end; `seed` draws the wording.

        Raises `ValueError` for a task that has no worked solution.
        """
        return marked(task.target)

    def varies(self, style: str) -> bool:  # noqa: ARG002 - most have none that does
        """Whether pictures of a style keep all their colours, as a varied background must."""
        return False

    def register_style(self, file: Path) -> str:
        """Make a style of the user's own known; gives its name. Raises `OptionError`."""
        raise OptionError(f"--style: {file}: the family {self.name} takes no styles of your own")

    def same(self, content: Any, seen: Any) -> bool:
        """Whether what was seen in a picture is the content."""
        return bool(content == seen)

    def read_copy(self, text: str) -> Any:
        """What a model copied from a picture; None where it copied nothing of the kind."""
        try:
            return self.from_text(without_thinking(text).strip())
        except (CrossmathError, ValueError):
            return None

    def twin(self, task: Task, other: Task) -> str:  # noqa: ARG002 - a family may tell more
        """What to say of a task with the fingerprint of another."""
        return f"the same {self.data} as {other.id}"

    def fields(self, content: Any) -> dict[str, Any]:
        """The content as fields of a suite line."""
        return {self.text_field: self.as_text(content)}

    def from_fields(self, record: Mapping[str, Any]) -> Any:
        """The inverse of `fields`. Raises `CrossmathError` or `ValueError`."""
        field = self.text_field
        check_there(record, field)
        check_field(isinstance(record[field], str), field, "a text", record[field])
        return self.from_text(record[field])

    def difficulty(self, preset: str, steps: Sequence[int]) -> str:
        """The word for a task: the preset's, where that is one, else by its deepest step."""
        words = ("easy", "medium", "hard")
        return preset if preset in words else words[min(max(steps), 3) - 1]

    # -- the same for all

    def task(
        self,
        id: str,
        content: Any,
        target: tuple[str, ...],
        steps: tuple[int, ...],
        difficulty: str,
        *,
        text: str | None = None,
        images: Mapping[str, Picture] | None = None,
        origin: str = "",
    ) -> Task:
        """A task with its forms; `text` is its data exactly as a model is shown it."""
        data = TextPart(self.as_text(content) if text is None else text)
        shown: dict[Form, tuple[Part, ...]] = {Form(Modality.TEXT): (data,)}
        for modality, more in ((Modality.IMAGE, ()), (Modality.IMAGE_TEXT, (data,))):
            for style, picture in (images or {}).items():
                shown[Form(modality, style)] = (ImagePart(picture), *more)
        return Task(id, self.name, content, target, steps, difficulty, shown, origin)

    def new(self, id: str, preset: str, rng: random.Random) -> Task:
        """A new task without pictures."""
        content = self.generate(preset, rng)
        found = self.solve(content)
        assert found is not None, f"{self.name} generated a task that it cannot solve"
        difficulty = self.difficulty(preset, found.steps)
        return self.task(id, content, found.values, found.steps, difficulty)

    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The task on a line of our own layout."""
        check_there(record, "id", "key", "steps", "difficulty", "images")
        key, steps = checked_values(record, None, "the key")
        return self.task(
            check_id("id", record["id"]), self.from_fields(record), key, steps,
            checked_difficulty(record), images=checked_images(record, file.parent), origin=origin,
        )  # fmt: skip

    def to_json(self, task: Task, images: Mapping[str, str]) -> dict[str, Any]:
        """The inverse of `parse`; `images` are paths relative to the file."""
        return {
            "id": task.id,
            "family": self.name,
            **self.fields(task.content),
            "key": list(task.target),
            "steps": list(task.steps),
            "difficulty": task.difficulty,
            "images": dict(images),
        }

    def digest(self, task: Task) -> Iterator[bytes]:
        """Text, target, steps and the files of the pictures."""
        yield repr((task.id, task.text, task.target, task.steps)).encode()
        for style, picture in task.images.items():
            yield style.encode(errors="surrogatepass")
            yield picture.data if picture.path.is_file() else b""

    def message(self, task: Task, form: Form, instruction: str) -> tuple[Part, ...]:
        """The picture, then in one text the instruction, the question, and the data as text."""
        shown = task.shown[form]
        asked = filter(None, (instruction, self.question(task.content), text_in(shown)))
        return (*map(ImagePart, pictures_in(shown)), TextPart("\n\n".join(asked)))

    def score(self, task: Task, text: str, *, is_whole: bool) -> Score | None:  # noqa: ARG002 - an answer that is whole counts
        """The values of the last answer block, compared with the target by position."""
        answer = parse_answer(text, blanks=len(task.target))
        if answer is None:
            return None
        given = (*answer, *("",) * len(task.target))
        right = tuple(same_number(a, t) for a, t in zip(given, task.target, strict=False))
        solved = all(right) and len(answer) == len(task.target)
        reason = "solved" if solved else self._missed(answer, right)
        outcome = Outcome.SOLVED if solved else Outcome.MISSED
        return Score(outcome, answer, task.target, right, task.steps, reason)

    def check(self, task: Task) -> Iterator[Defect]:
        """What is wrong with a task itself, its pictures apart."""
        if self.as_text(self.from_text(task.text)) != task.text:
            detail = "parsed and written again it is another text"
            yield Defect(task.id, "text", self.text_field, detail)
        found = self.solve(task.content)
        if found is None:
            yield Defect(task.id, "unsolvable", self.name, "the solver finds no solution")
            return
        if not found.is_unique:
            yield Defect(task.id, "not-unique", self.name, "several solutions fit")
        yield from filter(None, [self.wrong_target(task)])
        if found.steps != task.steps:
            yield Defect(task.id, "steps", "steps", f"labelled {task.steps}, are {found.steps}")

    def wrong_target(self, task: Task) -> Defect | None:
        """The first way in which the target is wrong; None where it is right."""
        found = self.solve(task.content)
        if found is None or found.values == task.target:
            return None
        detail = f"is {', '.join(task.target)}, the solver finds {', '.join(found.values)}"
        return Defect(task.id, "key", "key", detail)

    def check_reading(self, task: Task, style: str, reading: Reading) -> Iterator[Defect | Unread]:
        """How what was read from a picture differs from what the text says."""
        if reading.content is None or reading.doubts:
            doubts = [str(doubt) for doubt in reading.doubts] or ["nothing was found"]
            yield Unread(task.id, style, f"{len(doubts)} in doubt, first {doubts[0]}")
        elif not self.same(task.content, reading.content):
            shown, said = (one_line(self.as_text(c)) for c in (reading.content, task.content))
            detail = f"shows {shown!r}, the text says {said!r}"
            yield Defect(task.id, "picture", style, detail)

    def _missed(self, answer: Sequence[str], right: Sequence[bool]) -> str:
        count = len(right)
        units = self.unit if count == 1 else f"{self.unit}s"
        wrong = count - sum(right)
        if wrong == 0:
            return f"missed: {len(answer)} values for {count} {units}"
        return f"missed: {wrong} of {count} {units}"


def family_of(task: Task) -> Family:
    """The family of a task."""
    return family_named(task.family)


def family_named(name: str) -> Family:
    """A family by its name. Raises `SuiteError` for one that is not there or cannot be loaded."""
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def family_names() -> list[str]:
    """Names of all families: those of this package, then those of other packages."""
    return list(dict.fromkeys([*FAMILIES, *sorted(entry_points(group=GROUP).names)]))


def provable(name: str, what: str) -> ProvableFamily:
    """A family whose tasks can be proved, for `what`. Raises `SuiteError` for another."""
    family = family_named(name)
    if not isinstance(family, ProvableFamily):
        raise SuiteError(f"{what} is for tasks that can be proved, and those of {name} cannot")
    return family


_loaded: dict[str, Family] = {}


def _load(name: str) -> Family:
    if name in FAMILIES:
        family: Family = import_module(FAMILIES[name]).FAMILY
        return family
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise SuiteError(f"there is no family {name!r}; there are: {', '.join(family_names())}")
    return _load_entry(found[0])


def _load_entry(point: EntryPoint) -> Family:
    """The family of another package, which may raise anything."""
    where = f"the family {point.name!r} of {point.value}"
    try:
        loaded = point.load()
        family = getattr(loaded, "FAMILY", loaded)
        family = family() if isinstance(family, type) else family
    except Exception as error:
        raise SuiteError(
            f"{where} cannot be loaded: {type(error).__name__}: {one_line(error)}"
        ) from error
    if not isinstance(family, Family):
        raise SuiteError(f"{where} is not an instance of pytest_crossmath.tasks.family.Family")
    if family.name != point.name:
        raise SuiteError(f"{where} calls itself {family.name!r}: give both one name")
    return family
