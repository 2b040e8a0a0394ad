"""Training examples: a problem in one form, with the completion that a model should learn.

>>> from pytest_crossmath.tasks.suite import load_suite
>>> wanted = {"modalities": [Modality.TEXT], "styles": [], "seed": 1}
>>> first = next(examples(load_suite("mini"), completion=Completion.ANSWER, **wanted))
>>> first.id, first.completion, first.picture
('mini-0001-text', '<answer>20, 1, 17</answer>', None)

`make_dataset` turns them into a dataset with the columns that TRL expects.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import CrossmathError, ModelError
from pytest_crossmath.installing import pip_install
from pytest_crossmath.tasks.answers import marked
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.provable import provable
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.suite import Suite, check_styles
from pytest_crossmath.tasks.task import Modality, Task

IMAGES = "images"
"""Subfolder for the pictures."""


class Completion(StrEnum):
    """What the model learns to write."""

    STEPS = "steps"
    """Every step with its equation and value, then the answer."""
    BRIEF = "brief"
    """Every step in a few characters, then the answer."""
    ANSWER = "answer"
    """Only the answer."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: a problem in one form, with its completion."""

    id: str
    """Problem, modality and style."""
    task: Task
    """The problem."""
    request: Request
    """The request."""
    completion: str
    """The text to learn."""

    @property
    def text(self) -> str:
        """The text of the prompt."""
        return self.request.text

    @property
    def picture(self) -> Picture | None:
        """The picture; None for a text example."""
        return next(iter(self.request.pictures), None)

    @property
    def picture_name(self) -> str | None:
        """The path of the picture, relative to the folder of the training set."""
        if self.picture is None:
            return None
        return f"{IMAGES}/{self.task.id}-{self.request.form.style}.png"


def examples(
    suite: Suite,
    *,
    modalities: Sequence[Modality],
    styles: Sequence[str],
    completion: Completion,
    seed: int,
    instruction: str | None = None,
) -> Iterator[Example]:
    """Yield each problem in each form: text once, a form with a picture once per style.

    Without `instruction` the built-in prompt is used. Raises `ValueError` for a problem without
    a worked solution, `SuiteError` for one of a family that cannot be solved, and `OptionError`
    for a style that the suite does not have.
    """
    check_styles(suite, styles)
    forms = suite.chosen(modalities, styles)
    for task in suite.tasks:
        said = _said(task, completion, seed)
        for form in forms:
            request = make_request(task, form, instruction=instruction)
            id = "-".join(filter(None, (task.id, form.modality.value, form.style)))
            yield Example(id, task, request, said)


def row_of(example: Example) -> dict[str, Any]:
    """An example in TRL's columns, with its picture's path and the fields that a reward needs."""
    # An empty list, not null: TRL's collator needs the column in every row.
    return {
        "prompt": [{"role": "user", "content": example.text}],
        "completion": [{"role": "assistant", "content": example.completion}],
        "images": [example.picture_name] if example.picture_name else [],
        "id": example.id,
        "problem": example.task.id,
        "key": list(example.task.target),
        "steps": list(example.task.steps),
    }


def make_dataset(found: Iterable[Example], cache: Path, *, embed: bool, ending: str = "") -> Any:
    """A `datasets.Dataset` of the examples, stored in files under `cache`.

    With `embed` it contains the pictures; otherwise they are read from their files when a row
    is accessed. `ending` is appended to each completion. Raises `ModelError` if `datasets` is
    not installed, and anything that `found` raises, such as `ValueError`.
    """
    try:
        import datasets  # type: ignore[import-untyped]
    except ImportError:
        raise ModelError(f"training sets need datasets: {pip_install('train')}") from None
    message = [{"role": datasets.Value("string"), "content": datasets.Value("string")}]
    features = datasets.Features(
        {
            "prompt": message,
            "completion": message,
            "images": datasets.List(datasets.Image()),
            "id": datasets.Value("string"),
            "problem": datasets.Value("string"),
            "key": datasets.List(datasets.Value("string")),
            "steps": datasets.List(datasets.Value("int32")),
        }
    )

    def rows() -> Iterator[dict[str, Any]]:
        for example in found:
            pictures = [_shown(example.picture, embed=embed)] if example.picture else []
            row = row_of(example)
            row["completion"][0]["content"] += ending
            yield {**row, "images": pictures}

    datasets.disable_progress_bars()
    # Without an explicit fingerprint `datasets` hashes the generator, which it cannot pickle.
    try:
        return datasets.Dataset.from_generator(
            rows, features=features, cache_dir=str(cache), fingerprint=secrets.token_hex(8)
        )
    except datasets.exceptions.DatasetGenerationError as error:
        # `datasets` wraps what the examples raise.
        if isinstance(error.__cause__, ValueError | OSError | CrossmathError):
            raise error.__cause__ from None
        raise


def _said(task: Task, completion: Completion, seed: int) -> str:
    if completion is Completion.ANSWER:
        return marked(task.target)
    family = provable(task.family, "a worked solution")
    return family.explain(task, seed=seed, brief=completion is Completion.BRIEF)


def _shown(picture: Picture, *, embed: bool) -> dict[str, Any]:
    if embed or picture.note:  # others would decode the file in their own way
        return {"bytes": picture.sent.data, "path": None}
    return {"bytes": None, "path": str(picture.path.resolve())}
