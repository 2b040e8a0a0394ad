"""Families whose tasks can be proved: made, drawn, read back from pixels, and solved.

This shows that text and picture hold the same data:

>>> family = provable("crossmath", "an example")
>>> puzzle = family.from_text("| 7 | - | ? | = | 2 |")
>>> family.solve(puzzle, "")
Solution(values=('5',), steps=(1,), is_unique=True)
>>> image = family.draw(puzzle, "original", seed="")
>>> family.as_text(family.read(image).certain)
'| 7 | - | ? | = | 2 |'

docs/families.md has a small, complete example.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_crossmath.errors import CrossmathError, FamilyError, OptionError, SuiteError
from pytest_crossmath.tasks.answers import marked, parse_answer, right_values
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

    The content of a task is its data, which is given as text or as a picture. Its question, if it
    has one in addition to the instruction, is text in every form. An answer is a list of integers.
    """

    unit = "value"
    """Singular noun for the values of an answer."""
    data = "data"
    """Noun for the data, without an article."""
    text_field = "text"
    """The field of a suite line that holds the data as text."""
    presets: Sequence[str] = ("easy",)
    """Names of the settings that `generate` takes."""
    mixture: Mapping[str, int] = {}
    """Shares of the presets in a mixed suite; empty if the family does not have a mixed preset."""
    styles: Sequence[str] = ("original",)
    """Names of the styles that `draw` takes, ``original`` first."""
    copy_instruction = "Copy what this picture shows, exactly as text. Do not solve it."
    """Prompt for a picture whose problem the model missed, to find out what the model saw."""

    # -- required for each family

    @abstractmethod
    def generate(self, preset: str, rng: random.Random) -> Any:
        """The content of a new task, determined by `rng` alone."""

    @abstractmethod
    def as_text(self, content: Any) -> str:
        """The data as text, in one paragraph."""

    @abstractmethod
    def from_text(self, text: str) -> Any:
        """The inverse of `as_text`. Raises `CrossmathError` or `ValueError`."""

    @abstractmethod
    def draw(self, content: Any, style: str, seed: str) -> Image.Image:
        """The data as a picture. All random choices depend on `seed`."""

    @abstractmethod
    def read(self, image: Image.Image) -> Reading:
        """What a picture shows, from its pixels alone."""

    @abstractmethod
    def solve(self, content: Any, question: str) -> Solution | None:
        """The solution; None if there is none, or if it cannot be determined."""

    # -- optional overrides

    def ask(self, content: Any, rng: random.Random) -> str:  # noqa: ARG002 - unused by default
        """The question for new data, drawn from `rng`; empty if the instruction says it all."""
        return ""

    def fingerprint(self, task: Task) -> str:
        """A text that is equal for two tasks exactly if their data are equal up to symmetry."""
        return self.as_text(task.content)

    def explain(self, task: Task, *, seed: int, brief: bool = False) -> str:  # noqa: ARG002 - unused by default
        """The solution in steps, ending with the answer; `seed` determines the wording.

        Raises `ValueError` if the task does not have a worked solution.
        """
        return marked(task.target)

    def varies(self, style: str) -> bool:  # noqa: ARG002 - unused by default
        """Whether pictures of a style must keep all their colours, as varied backgrounds do."""
        return False

    def register_style(self, file: Path) -> str:
        """Register a user's own style and return its name. Raises `OptionError`."""
        raise OptionError(f"--style: {file}: the family {self.name} does not support custom styles")

    def same(self, content: Any, seen: Any) -> bool:
        """Whether the content seen in a picture equals the true content."""
        return bool(content == seen)

    def read_copy(self, text: str) -> Any:
        """The content that a model copied from a picture; None if it cannot be read as a copy."""
        try:
            return self.from_text(without_thinking(text).strip())
        except (CrossmathError, ValueError):
            return None

    def twin(self, task: Task, others: Sequence[Task]) -> str:  # noqa: ARG002 - unused by default
        """How to report a task with the same fingerprint as the earlier tasks `others`."""
        return f"the same {self.data} as {others[0].id}"

    def fields(self, content: Any) -> dict[str, Any]:
        """The content as fields of a suite line."""
        return {self.text_field: self.as_text(content)}

    def from_fields(self, record: Mapping[str, Any]) -> Any:
        """The inverse of `fields`. Raises `CrossmathError` or `ValueError`."""
        field = self.text_field
        check_there(record, field)
        check_field(isinstance(record[field], str), field, "a string", record[field])
        return self.from_text(record[field])

    def difficulty(self, preset: str, steps: Sequence[int]) -> str:
        """The difficulty: the preset's name if it is one, otherwise judged by the deepest step."""
        words = ("easy", "medium", "hard")
        return preset if preset in words else words[min(max(steps), 3) - 1]

    # -- shared by all

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
        """A task with its forms; `text` is its data exactly as it is shown to a model."""
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

        Raises `FamilyError` if it cannot be solved or has several solutions.
        """
        with guarded(self, f"generate a task of {preset!r}"):
            content = self.generate(preset, rng)
            question = self.ask(content, rng)
            found = self.solve(content, question)
            if found is None or not must_be(Solution, found, "solve").is_unique:
                raise FamilyError(
                    f"the family {self.name!r} generated a task that does not have exactly one"
                    f" solution: {one_line(self.as_text(content))}"
                )
            difficulty = self.difficulty(preset, found.steps)
            return self.task(id, content, found.values, found.steps, difficulty, question=question)

    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The task on a line in our own layout."""
        check_there(record, "id", "key", "steps", "difficulty", "images")
        key, steps = checked_values(record, None, "value of the key")
        question = record.get("question", "")
        check_field(isinstance(question, str), "question", "a string", question)
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
        """The picture, then one text: the instruction, the question, and the data as text."""
        shown = task.shown[form]
        asked = filter(None, (instruction, task.question, text_in(shown)))
        return (*map(ImagePart, pictures_in(shown)), TextPart("\n\n".join(asked)))

    def right_responses(self, task: Task) -> Iterable[str]:
        """The target as a list, as an answer is asked for."""
        return (marked(task.target),)

    def score(self, task: Task, text: str, *, is_whole: bool) -> Score | None:  # noqa: ARG002 - a complete answer counts
        """The values of the last answer block, compared with the target by position."""
        answer = parse_answer(text, blanks=len(task.target))
        if answer is None:
            return None
        right = right_values(answer, task.target)
        solved = all(right) and len(answer) == len(task.target)
        reason = "solved" if solved else self._missed(answer, right)
        outcome = Outcome.SOLVED if solved else Outcome.MISSED
        return Score(outcome, answer, task.target, right, task.steps, reason)

    def check(self, task: Task) -> Iterator[Defect]:
        """What is wrong with a task itself, apart from its pictures."""
        if self.as_text(self.from_text(task.text)) != task.text:
            detail = "changes when it is parsed and written again"
            yield Defect(task.id, "text", self.text_field, detail)
        found = self.solve(task.content, task.question)
        if found is None:
            yield Defect(task.id, "unsolvable", self.name, "the solver finds no solution")
            return
        if not found.is_unique:
            yield Defect(task.id, "not-unique", self.name, "several solutions fit")
        yield from _wrong_values(task, found)
        if found.steps != task.steps:
            detail = f"labelled {task.steps}, the solver finds {found.steps}"
            yield Defect(task.id, "steps", "steps", detail)

    def wrong_target(self, task: Task) -> Defect | None:
        """The first error in the target; None if it is correct."""
        found = self.solve(task.content, task.question)
        return next(_wrong_values(task, found), None) if found else None

    def check_reading(self, task: Task, style: str, reading: Reading) -> Iterator[Defect | Unread]:
        """How the content read from a picture differs from the text."""
        if reading.content is None or reading.doubts:
            doubts = [str(doubt) for doubt in reading.doubts] or ["nothing was found"]
            yield Unread(task.id, style, f"{len(doubts)} in doubt, first: {doubts[0]}")
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
    """A family whose tasks can be proved, as `what` requires. Raises `SuiteError` otherwise."""
    family = family_named(name)
    if not isinstance(family, ProvableFamily):
        raise SuiteError(f"{what} needs tasks that can be proved, and {family.plural} cannot be")
    return family


def fingerprint_of(task: Task) -> tuple[str, str]:
    """What identifies a task's data up to symmetry: its family, and its fingerprint there.

    Raises `SuiteError` for a task of a family that cannot be proved.
    """
    family = provable(task.family, "a fingerprint")
    with guarded(family, f"compute a fingerprint of {task.id or 'a new task'}"):
        return family.name, must_be(str, family.fingerprint(task), "fingerprint")


def _wrong_values(task: Task, found: Solution) -> Iterator[Defect]:
    if found.values != task.target:
        detail = f"is {', '.join(task.target)}, the solver finds {', '.join(found.values)}"
        yield Defect(task.id, "key", "key", detail)
