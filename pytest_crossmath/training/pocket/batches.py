"""Training batches: problems turned into tensors.

A batch has one form and one wording, so its prompts are equally long and only
the completions are padded, on the right. Tokens of a completion have weight 1 in the
loss; the cells of a grid weigh less, but learning to predict them teaches arithmetic early.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor

from pytest_crossmath.tasks.crossmath.worked import brief_solution
from pytest_crossmath.tasks.task import Task
from pytest_crossmath.training.pocket.data import draw_problem
from pytest_crossmath.training.pocket.pictures import Jitter, draw_picture
from pytest_crossmath.training.pocket.tokenizer import (
    ASSISTANT,
    CELL_TEXTS,
    END,
    IMAGE,
    ROW_END,
    USER,
    cell_token,
)
from pytest_crossmath.training.pocket.wordings import WordingMix, draw_wording

GRID_WEIGHT = 0.25
"""Weight of a cell of the grid in the loss."""


class Input(StrEnum):
    """What a training batch shows to the model."""

    TEXT = "text"
    CELLS = "cells"
    """The tokens of the cells in place of a picture's: as if the picture were read perfectly."""
    CELLS_TEXT = "cells+text"
    IMAGE = "image"
    IMAGE_TEXT = "image+text"

    @property
    def shows_text(self) -> bool:
        """Whether the prompt contains the markdown table."""
        return self in (Input.TEXT, Input.CELLS_TEXT, Input.IMAGE_TEXT)

    @property
    def shows_cells(self) -> bool:
        """Whether cell tokens replace the picture."""
        return self in (Input.CELLS, Input.CELLS_TEXT)

    @property
    def shows_image(self) -> bool:
        """Whether the prompt contains a picture."""
        return self in (Input.IMAGE, Input.IMAGE_TEXT)


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of a batch of n examples of at most t tokens."""

    ids: Tensor
    """Token ids, (n, t)."""
    weights: Tensor
    """Weight of each token in the loss, (n, t)."""
    pixels: Tensor | None
    """Pictures, (n, 3, side, side)."""


@dataclass(frozen=True)
class Batcher:
    """Draws random batches."""

    processor: Any
    """The processor that ships with the model."""
    exclude: Collection[str]
    """Fingerprints of solved grids that must not be trained on."""
    jitter: Jitter
    """Random variation of pictures."""
    device: str = "cpu"
    """Device for the tensors."""

    def draw(self, rng: random.Random, form: Input, count: int, mix: WordingMix) -> Batch:
        """A batch of `count` examples in one form and one wording."""
        wording = draw_wording(rng, mix)
        problems = [draw_problem(rng, self.exclude) for _ in range(count)]
        texts = [self._conversation(problem, form, wording) for problem in problems]
        tokenizer = self.processor.tokenizer
        rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        ids = _padded(rows, tokenizer.pad_token_id)
        pixels = self.pixels(problems, rng) if form.shows_image else None
        return Batch(ids.to(self.device), self._weights(ids).to(self.device), pixels)

    def pixels(self, problems: Sequence[Task], rng: random.Random) -> Tensor:
        """Jittered pictures of the problems as pixel tensors from the shipped processor."""
        pictures = [draw_picture(problem.content, rng, self.jitter) for problem in problems]
        pixels: Tensor = self.processor.image_processor(pictures, return_tensors="pt").pixel_values
        return pixels.to(self.device)

    def cell_ids(self, problems: Sequence[Task]) -> Tensor:
        """Token ids of each problem's cells in reading order, (n, cells)."""
        texts = [[cell.text for _, cell in problem.content.cells()] for problem in problems]
        convert = self.processor.tokenizer.convert_tokens_to_ids
        ids = [convert([cell_token(text) for text in row]) for row in texts]
        return torch.tensor(ids, device=self.device)

    def _conversation(self, problem: Task, form: Input, wording: str) -> str:
        """The whole conversation, exactly as the chat template and the processor write it."""
        picture = ""
        if form.shows_cells:
            picture = "".join(cell_token(cell.text) for _, cell in problem.content.cells())
        elif form.shows_image:
            picture = IMAGE * (problem.content.width * problem.content.height)
        table = f"\n\n{problem.text}" if form.shows_text else ""
        return f"{USER}{picture}{wording}{table}{ASSISTANT}{brief_solution(problem)}{END}"

    def _weights(self, ids: Tensor) -> Tensor:
        tokenizer = self.processor.tokenizer
        cells = [cell_token(text) for text in CELL_TEXTS]
        grid = torch.tensor(tokenizer.convert_tokens_to_ids([*cells, ROW_END]))
        assistant = ids == tokenizer.convert_tokens_to_ids(ASSISTANT)
        answer = (assistant.cumsum(1) > 0) & ~assistant & (ids != tokenizer.pad_token_id)
        weights: Tensor = answer + GRID_WEIGHT * torch.isin(ids, grid)
        return weights


def _padded(rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    length = max(map(len, rows))
    return torch.tensor([[*row, *[pad] * (length - len(row))] for row in rows])
