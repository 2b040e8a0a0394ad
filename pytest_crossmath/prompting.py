r"""Prompts: one instruction for every modality, and the payload that differs.

>>> from pytest_crossmath.puzzle.suite import load_suite
>>> problem = load_suite("mini").problems[0]
>>> text = make_sample(problem, Modality.TEXT)
>>> both = make_sample(problem, Modality.IMAGE_TEXT, style="original")
>>> text.content[-1] == both.content[-1]
True
>>> [type(part).__name__ for part in both.content]
['ImagePart', 'TextPart']

The instruction never says "the table" or "the picture": a model gets the very
same words whichever form the puzzle has, so that a gap can only come from the form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pytest_crossmath.errors import OptionError, SuiteError
from pytest_crossmath.forms import ImagePart, Modality, Part, TextPart
from pytest_crossmath.puzzle.grid import Problem

INSTRUCTION = """\
Solve this cross-math puzzle. Equations run across and down, and every ? stands for a positive \
integer. Work step by step, then end with the missing integers, row by row from left to right, \
as <answer>first, second, ...</answer>."""
"""What every model is asked in every modality."""


TRANSCRIBE = """\
Copy this grid as a markdown table, exactly as it is: one line for each row, one column for each \
square, ? for a square with a question mark, and nothing in a square that is not part of the grid. \
Do not solve it."""
"""What a model is asked about a picture that it missed, to find out what it saw."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request to a model: a problem in one form."""

    problem: Problem
    """The problem."""
    modality: Modality
    """The form it is given in."""
    style: str | None
    """Image style; None without an image."""
    index: int
    """Number of the sample where a problem is asked several times, from 0."""
    content: tuple[Part, ...]
    """The user message, part by part."""
    transcribes: bool = False
    """Whether the grid is asked for, and not the answer."""

    @property
    def key(self) -> tuple[str, str, str | None, int]:
        """What identifies the sample within a model and a suite."""
        asked = f"{self.modality.value}{':transcript' if self.transcribes else ''}"
        return self.problem.id, asked, self.style, self.index

    @property
    def text(self) -> str:
        """All text of the prompt."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[Path, ...]:
        """Paths of the pictures."""
        return tuple(part.path for part in self.content if isinstance(part, ImagePart))


def make_sample(
    problem: Problem,
    modality: Modality,
    *,
    style: str | None = None,
    index: int = 0,
    instruction: str = INSTRUCTION,
) -> Sample:
    """The sample for a problem in one form.

    Raises `SuiteError` when the problem has no picture in `style`.
    """
    parts: list[Part] = []
    if modality.shows_image:
        if style is None or style not in problem.images:
            raise SuiteError(f"problem {problem.id} has no picture in style {style!r}")
        parts.append(ImagePart(problem.images[style]))
    payload = f"\n\n{problem.table}" if modality.shows_table else ""
    parts.append(TextPart(instruction + payload))
    return Sample(problem, modality, style if modality.shows_image else None, index, tuple(parts))


def make_transcription(sample: Sample) -> Sample:
    """The same picture, with the question what stands in its grid."""
    pictures = (part for part in sample.content if isinstance(part, ImagePart))
    return replace(sample, content=(*pictures, TextPart(TRANSCRIBE)), transcribes=True)


def load_instruction(path: Path) -> str:
    """The instruction in a file of the user's, for `--crossmath-prompt`.

    Raises `OptionError` when the file cannot be read or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"--crossmath-prompt: cannot read {path}: {error}") from None
    if not text:
        raise OptionError(f"--crossmath-prompt: {path} is empty")
    return text
