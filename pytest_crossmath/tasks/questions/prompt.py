"""The instructions for questions, by kind of answer."""

from __future__ import annotations

from pytest_crossmath.tasks.questions.question import Kind

INSTRUCTIONS = {
    Kind.CHOICE: """\
Answer this multiple-choice question. Work step by step, then end with the letter of the right \
choice, as <answer>letter</answer>.""",
    Kind.NUMBER: """\
Answer this question. Work step by step, then end with the number alone, as \
<answer>number</answer>.""",
    Kind.TEXT: """\
Answer this question. Work step by step, then end with the answer alone, as short as it can be, as \
<answer>short answer</answer>.""",
}
"""The same words in every form."""
