"""How well a saved `pocket` solves a suite, with greedy decoding.

It measures what users get: the saved processor and weights, loaded again from disk
with the auto classes of transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from pytest_crossmath.tasks.crossmath.render import STYLES
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.task import Form, Modality, Task
from pytest_crossmath.training.pocket.pictures import shifted

STYLE = "original"
_BATCH_SIZE = 40
_MAX_NEW_TOKENS = 256
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))

Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, slots=True)
class Figures:
    """How many problems of a suite were solved."""

    name: str
    """Modality, and the change made to the pictures."""
    problems: int
    """Number of problems asked."""
    solved: int
    """Problems with every blank right."""
    right_blanks: float
    """Share of all blanks that are right, 0 to 1."""
    by_depth: dict[int, tuple[int, int]]
    """For each deepest step, the numbers of problems solved and asked."""

    @property
    def share(self) -> float:
        """Share of problems solved."""
        return self.solved / self.problems

    def __str__(self) -> str:
        depths = ", ".join(f"depth {d}: {s}/{n}" for d, (s, n) in sorted(self.by_depth.items()))
        solved = f"{self.solved}/{self.problems} solved"
        return f"{self.name}: {solved}, {self.right_blanks:.3f} of blanks ({depths})"


@dataclass(frozen=True)
class Examiner:
    """A loaded checkpoint, and the evaluation of it."""

    model: Any
    """The model in float32."""
    processor: Any
    """Its processor."""

    @classmethod
    def load(cls, folder: Path) -> Examiner:
        """Load a checkpoint directory."""
        model_class: Any = AutoModelForImageTextToText
        processor_class: Any = AutoProcessor
        model = model_class.from_pretrained(folder, dtype=torch.float32)
        return cls(model.eval(), processor_class.from_pretrained(folder))

    def examine(
        self,
        problems: Sequence[Task],
        modality: Modality,
        *,
        name: str | None = None,
        change: Change = lambda picture: picture,
        wording: str = INSTRUCTION,
    ) -> Figures:
        """Ask every problem once, with `change` applied to its picture."""
        answers: list[list[str]] = []
        for start in range(0, len(problems), _BATCH_SIZE):
            batch = problems[start : start + _BATCH_SIZE]
            texts = self.responses(batch, modality, change=change, wording=wording)
            answers.extend(map(read_answer, texts))
        return score_answers(name or modality.value, problems, answers)

    def responses(
        self,
        problems: Sequence[Task],
        modality: Modality,
        *,
        change: Change = lambda picture: picture,
        wording: str = INSTRUCTION,
    ) -> list[str]:
        """The model's response to each problem, in one batch."""
        form = Form(modality, STYLE if modality.shows_image else None)
        requests = [make_request(p, form, instruction=wording) for p in problems]
        image = [{"type": "image"}] if modality.shows_image else []
        prompts = [
            self.processor.apply_chat_template(
                [{"role": "user", "content": [*image, {"type": "text", "text": request.text}]}],
                add_generation_prompt=True,
            )
            for request in requests
        ]
        pictures = [[change(one.rgb()) for one in request.pictures] for request in requests]
        inputs = self.processor(
            text=prompts,
            images=pictures if modality.shows_image else None,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            tokens = self.model.generate(**inputs, max_new_tokens=_MAX_NEW_TOKENS, do_sample=False)
        new = tokens[:, inputs["input_ids"].shape[1] :]
        texts: list[str] = self.processor.batch_decode(new, skip_special_tokens=True)
        return texts


def examine_fully(examiner: Examiner, problems: Sequence[Task]) -> list[Figures]:
    """All modalities, and those with pictures again with the picture shifted to each side."""
    found = [examiner.examine(problems, modality) for modality in Modality]
    for modality in (Modality.IMAGE, Modality.IMAGE_TEXT):
        for distance in (1, 2):
            for right, down in _SIDES:
                x, y = right * distance, down * distance
                name = f"{modality.value} shifted by {x:+d},{y:+d} px"
                found.append(examiner.examine(problems, modality, name=name, change=_shift(x, y)))
    return found


def _shift(right: int, down: int) -> Change:
    background = STYLES[STYLE].background
    return lambda picture: shifted(picture, right, down, background)


def score_answers(name: str, problems: Sequence[Task], answers: Sequence[Sequence[str]]) -> Figures:
    """Figures for these answers; an answer with too many values counts as unsolved."""
    rights = [
        [i < len(answer) and answer[i] == value for i, value in enumerate(problem.target)]
        for problem, answer in zip(problems, answers, strict=True)
    ]
    solved = [
        all(right) and len(answer) == len(right)
        for right, answer in zip(rights, answers, strict=True)
    ]
    depths: dict[int, tuple[int, int]] = {}
    for problem, fine in zip(problems, solved, strict=True):
        solved_there, asked = depths.get(max(problem.steps), (0, 0))
        depths[max(problem.steps)] = solved_there + fine, asked + 1
    blanks = [fine for right in rights for fine in right]
    return Figures(name, len(problems), sum(solved), sum(blanks) / len(blanks), depths)


def read_answer(text: str) -> list[str]:
    """The values in the last answer of a response; empty if there is no answer."""
    _, found, rest = text.rpartition("<answer>")
    return [value.strip() for value in rest.partition("</answer>")[0].split(",")] if found else []
