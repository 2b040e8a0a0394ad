r"""Responses: the text outside the model's thinking, and the answer marked in it.

>>> answer_block(without_thinking("<think>It is 3.</think> So <answer>4</answer>."))
'4'

All functions here run in linear time, whatever the response contains.
"""

from __future__ import annotations

import re
from itertools import pairwise

_ANSWER_TAG = re.compile(r"</?answer\s{0,9}>", re.IGNORECASE)
_THINKING_TAG = re.compile(r"(?i)<(/?)(?:seed:)?(?:think|thinking|thought)>|[\[◁](/?)think[\]▷]")
# What keyboards and chat pages turn plain characters into. Not NFKC, which makes 2⁰ into 20.
PLAIN = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, "\N{ZERO WIDTH SPACE}\N{WORD JOINER}\ufeff\x00"), None),
    ord("\N{IDEOGRAPHIC COMMA}"): ",",
    ord("\N{IDEOGRAPHIC SPACE}"): " ",
    ord("\N{NO-BREAK SPACE}"): " ",
}
"""A table for `str.translate`: maps variants of plain characters to the plain ones."""


def without_thinking(text: str) -> str:
    """The text outside ``<think>…</think>``; an unclosed block hides all that follows.

    Some chat templates open the block in the prompt, so the text before an unmatched closing tag
    is thinking too.
    """
    spoken: list[str] = []
    start, thinking = 0, False
    for tag in _THINKING_TAG.finditer(text):
        if "/" in tag[0]:
            if not thinking:
                spoken.clear()
            start, thinking = tag.end(), False
        elif not thinking:
            spoken.append(text[start : tag.start()])
            thinking = True
    return "".join(spoken if thinking else [*spoken, text[start:]])


def is_tag(text: str) -> bool:
    """Whether a text is one tag of an answer or of thinking, and nothing else."""
    return any(tag.fullmatch(text.strip()) for tag in (_ANSWER_TAG, _THINKING_TAG))


def answer_block(spoken: str) -> str | None:
    """The content of the last ``<answer>…</answer>``; None if there is none."""
    body: str | None = None
    for opening, closing in pairwise(_ANSWER_TAG.finditer(spoken)):
        if opening[0][1] != "/" and closing[0][1] == "/":
            body = spoken[opening.end() : closing.start()]
    return body
