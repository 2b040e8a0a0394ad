"""Different wordings of the same instruction, so that `pocket` does not depend on one of them.

>>> rng = random.Random(1)
>>> draw_wording(rng, WordingMix(own=1.0, other=0.0)) == INSTRUCTION
True
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION

OTHER_WORDINGS = (
    (
        "Fill in the missing numbers of this puzzle. Each row and column of five cells is an"
        " equation. Think step by step and finish with <answer>the numbers in reading order,"
        " separated by commas</answer>."
    ),
    (
        "Here is a crossword of equations. Find the positive integer for every ? and give all of"
        " them in <answer>...</answer>, top to bottom and left to right."
    ),
    (
        "Find every ? so that all equations hold, across and down. Show your work, then write"
        " <answer>first, second, ...</answer>."
    ),
    "What do the question marks stand for? Answer as <answer>first, second</answer>.",
    (
        "Solve the puzzle. Reason first; put the values of the blanks, row by row, between <answer>"
        " and </answer>."
    ),
    (
        "This grid holds equations such as a + b = c or a × b = c, read across and down. Replace"
        " each ? by the one number that fits and list these numbers inside <answer> tags."
    ),
    (
        "Please work out the unknown values. They are whole numbers greater than zero. End your"
        " response with <answer>value, value, ...</answer> in the order of the cells."
    ),
    "Complete the cross-math grid.",
)
"""Other wordings of `INSTRUCTION`."""

_WORDS = tuple(" ".join((INSTRUCTION, *OTHER_WORDINGS)).split())
_MOST_LOOSE_WORDS = 12


@dataclass(frozen=True, slots=True)
class WordingMix:
    """How often a batch uses which wording; the remaining share gets a few random words."""

    own: float
    """Share of `INSTRUCTION`."""
    other: float
    """Share of `OTHER_WORDINGS`."""


def draw_wording(rng: random.Random, mix: WordingMix) -> str:
    """A wording; random words teach early that the prose and its length do not matter."""
    drawn = rng.random()
    if drawn < mix.own:
        return INSTRUCTION
    if drawn < mix.own + mix.other:
        return rng.choice(OTHER_WORDINGS)
    return " ".join(rng.choices(_WORDS, k=rng.randint(1, _MOST_LOOSE_WORDS)))
