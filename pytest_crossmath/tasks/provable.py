"""Families that can be proved: their tasks are made, drawn, read back from pixels, and solved.

So text and picture are known to hold the same:

>>> family = provable("crossmath", "an example")
>>> puzzle = family.from_text("| 7 | - | ? | = | 2 |")
>>> family.solve(puzzle, "")
Solution(values=('5',), steps=(1,), is_unique=True)
>>> image = family.draw(puzzle, "original", seed="")
>>> family.as_text(family.read(image).certain)
'| 7 | - | ? | = | 2 |'

docs/families.md has a small one, complete.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_crossmath.errors import CrossmathError, FamilyError, OptionError, SuiteError
from pytest_crossmath.tasks.answers import marked, parse_answer, same_number
from pytest_crossmath.tasks.family import Family, family_named, guarded, must_be
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
from pytest_crossmath.text import one_line

if TYPE_CHECKING:
    from PIL import Image


class ProvableFamily(Family):
    """A family whose tasks can be made, drawn, read back from pixels, and solved.

    The content of a task is its data, which moves between text and picture; its question, if it
    has one beside the instruction, is text in every form. An answer is a list of integers.
    """

    unit = "value"
    """What the values of an answer are called, one of them."""
    data = "data"
    """What the data are called, without their article."""
    text_field = "text"
    """The field of a suite line that holds the data as text."""
    presets: Sequence[str] = ("easy",)
    """Names of the settings that `generate` takes."""
    mixture: Mapping[str, int] = {}
    """Shares of the presets in a mixed suite; empty if the family has no mixed preset."""
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
    def solve(self, content: Any, question: str) -> Solution | None:
        """The solution; None where there is none, or where it cannot be told."""

    # -- optional overrides

    def ask(self, content: Any, rng: random.Random) -> str:  # noqa: ARG002 - unused by default
        """The question to new data, drawn from `rng`; empty if the instruction says it all."""
        return ""

    def fingerprint(self, task: Task) -> str:
        """A text equal for two tasks exactly if their data are equal up to symmetry."""
        return self.as_text(task.content)

    def explain(self, task: Task, *, seed: int, brief: bool = False) -> str:  # noqa: ARG002 - unused by default
        """The solution in steps, with the answer at its end; `seed` draws the wording.

        Raises `ValueError` for a task that has no worked solution.
        """
        return marked(task.target)

    def varies(self, style: str) -> bool:  # noqa: ARG002 - unused by default
        """Whether pictures of a style keep all their colours, as a varied background must."""
        return False

    def register_style(self, file: Path) -> str:
        """Make a style of the user's own known; gives its name. Raises `OptionError`."""
        raise OptionError(f"--style: {file}: the family {self.name} does not support custom styles")

    def same(self, content: Any, seen: Any) -> bool:
        """Whether what was seen in a picture is the content."""
        return bool(content == seen)

    def read_copy(self, text: str) -> Any:
        """What a model copied from a picture; None where it copied nothing of the kind."""
        try:
            return self.from_text(without_thinking(text).strip())
        except (CrossmathError, ValueError):
            return None

    def twin(self, task: Task, others: Sequence[Task]) -> str:  # noqa: ARG002 - unused by default
        """What to say of a task with the fingerprint of `others`, which came before it."""
        return f"the same {self.data} as {others[0].id}"

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
        question: str = "",
        text: str | None = None,
        images: Mapping[str, Picture] | None = None,
        origin: str = "",
    ) -> Task:
        """A task with its forms; `text` is its data exactly as a model is shown it."""
        if text is None:
            text = must_be(str, self.as_text(content), "as_text")
        data = TextPart(text)
        shown: dict[Form, tuple[Part, ...]] = {Form(Modality.TEXT): (data,)}
        for modality, more in ((Modality.IMAGE, ()), (Modality.IMAGE_TEXT, (data,))):
            for style, picture in (images or {}).items():
                shown[Form(modality, style)] = (ImagePart(picture), *more)
        return Task(
            id, self.name, content, target, steps, difficulty, shown, origin, question
        )  # fmt: skip

    def new(self, id: str, preset: str, rng: random.Random) -> Task:
        """A new task without pictures.

        Raises `FamilyError` for one that it cannot solve, or that has several solutions.
        """
        with guarded(self, f"generate a task of {preset!r}"):
            content = self.generate(preset, rng)
            question = self.ask(content, rng)
            found = self.solve(content, question)
            if found is None or not must_be(Solution, found, "solve").is_unique:
                raise FamilyError(
                    f"the family {self.name!r} generated a task without one solution:"
                    f" {one_line(self.as_text(content))}"
                )
            difficulty = self.difficulty(preset, found.steps)
            return self.task(id, content, found.values, found.steps, difficulty, question=question)

    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The task on a line of our own layout."""
        check_there(record, "id", "key", "steps", "difficulty", "images")
        key, steps = checked_values(record, None, "the key")
        question = record.get("question", "")
        check_field(isinstance(question, str), "question", "a text", question)
        return self.task(
            check_id("id", record["id"]), self.from_fields(record), key, steps,
            checked_difficulty(record), question=question, origin=origin,
            images=checked_images(record, file.parent),
        )  # fmt: skip

    def to_json(self, task: Task, images: Mapping[str, str]) -> dict[str, Any]:
        """The inverse of `parse`; `images` are paths relative to the file."""
        return {
            "id": task.id,
            "family": self.name,
            **({"question": task.question} if task.question else {}),
            **self.fields(task.content),
            "key": list(task.target),
            "steps": list(task.steps),
            "difficulty": task.difficulty,
            "images": dict(images),
        }

    def message(self, task: Task, form: Form, instruction: str) -> tuple[Part, ...]:
        """The picture, then in one text the instruction, the question, and the data as text."""
        shown = task.shown[form]
        asked = filter(None, (instruction, task.question, text_in(shown)))
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
        found = self.solve(task.content, task.question)
        if found is None:
            yield Defect(task.id, "unsolvable", self.name, "the solver finds no solution")
            return
        if not found.is_unique:
            yield Defect(task.id, "not-unique", self.name, "several solutions fit")
        yield from _wrong_values(task, found)
        if found.steps != task.steps:
            yield Defect(task.id, "steps", "steps", f"labelled {task.steps}, are {found.steps}")

    def wrong_target(self, task: Task) -> Defect | None:
        """The first way in which the target is wrong; None where it is right."""
        found = self.solve(task.content, task.question)
        return next(_wrong_values(task, found), None) if found else None

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


def is_provable(name: str) -> bool:
    """Whether the tasks of a family can be proved. Raises `SuiteError` like `family_named`."""
    return isinstance(family_named(name), ProvableFamily)


def provable(name: str, what: str) -> ProvableFamily:
    """A family whose tasks can be proved, for `what`. Raises `SuiteError` for another."""
    family = family_named(name)
    if not isinstance(family, ProvableFamily):
        raise SuiteError(f"{what} is for tasks that can be proved, and {family.plural} cannot")
    return family


def fingerprint_of(task: Task) -> tuple[str, str]:
    """What tells a task's data from others up to symmetry: its family, and its fingerprint there.

    Raises `SuiteError` for a task of a family that cannot be proved.
    """
    family = provable(task.family, "a fingerprint")
    with guarded(family, f"tell {task.id or 'a new task'} from others"):
        return family.name, must_be(str, family.fingerprint(task), "fingerprint")


def _wrong_values(task: Task, found: Solution) -> Iterator[Defect]:
    if found.values != task.target:
        detail = f"is {', '.join(task.target)}, the solver finds {', '.join(found.values)}"
        yield Defect(task.id, "key", "key", detail)
