"""Choices: which one a response means, in the way models write, and which it only mentions."""

from __future__ import annotations

import pytest

from pytest_crossmath.tasks.questions.question import Kind, question_task
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.task import Form, Modality, Part, Task, TextPart

SHOWN: dict[Form, tuple[Part, ...]] = {Form(Modality.TEXT): (TextPart("?"),)}
ANGLES = question_task("a", Kind.CHOICE, SHOWN, "B", choices=("30°", "45°", "60°", "90°"))
STYLES = question_task(
    "s", Kind.CHOICE, SHOWN, "B", choices=("Impressionism", "Cubism", "Surrealism", "Dada")
)
LENGTHS = question_task(
    "l", Kind.CHOICE, SHOWN, "B", choices=("5", "15", "25", "No correct answer", "A and B")
)
LINES = question_task("e", Kind.CHOICE, SHOWN, "B", choices=("y = x", "y = 2x", "y = 2x + 1"))
PICTURED = question_task("p", Kind.CHOICE, SHOWN, "B")

MEANT = [
    (ANGLES, "The sum is 180°.\n\nTherefore, the correct answer is (B) 45°.", "B"),
    (ANGLES, "**Answer:** B", "B"),
    (ANGLES, "**Answer**: **(B) 45°**", "B"),
    (ANGLES, "### Final Answer\n\n**B. 45°**", "B"),
    (ANGLES, "The answer is \\(\\boxed{\\text{B}: 45^\\circ}\\).", "B"),
    (ANGLES, "\\boxed{45^\\circ}", "B"),
    (ANGLES, "\\boxed{\\mathrm{B}}", "B"),
    (ANGLES, "\\[\n\\boxed{\n\\textbf{(B)}\\ 45^\\circ\n}\n\\]", "B"),
    (ANGLES, "Option B", "B"),
    (ANGLES, "I would choose option B.", "B"),
    (ANGLES, "Option A is incorrect. Option C is incorrect. Therefore, Option B.", "B"),
    (ANGLES, "Thus, the angle is 45°, which corresponds to option (B).", "B"),
    (ANGLES, "Since A, C and D are wrong, the answer is B.", "B"),
    (ANGLES, "The answer is B, because A is not a right angle.", "B"),
    (ANGLES, "It is not easy to see, but the answer is B.", "B"),
    (ANGLES, "If the arc is 90°, half of it is 45°. Therefore, the answer is B.", "B"),
    (ANGLES, "<answer>B, not C</answer>", "B"),
    (ANGLES, "The correct answer is C rather than B.", "C"),
    (ANGLES, "So the answer is **(B)**.\n\n- (A) 30°: too small\n- (C) 60°: not possible", "B"),
    (ANGLES, "Neither A, B nor C works. So D is the correct answer.", "D"),
    (ANGLES, "So the angle is 90 degrees.", "D"),
    (ANGLES, "$\\angle A = 45^{\\circ}$", "B"),
    (ANGLES, "B. The inscribed angle is half of the central angle of 90°.", "B"),
    (ANGLES, "The answer is B. Wait, let me recompute. The answer is D.", "D"),
    (ANGLES, "I first thought (B), but the correct answer is (D).", "D"),
    (ANGLES, "Answer: D. If the angle were 45°, the answer would be B.", "D"),
    (ANGLES, "The answer is A.\n\nIf the answer is B, we get 60.", "A"),
    (ANGLES, "The answer is not B. The answer is D.", "D"),
    (STYLES, "The painting is an example of Cubism.", "B"),
    (STYLES, "The correct answer is:\n\nB. Cubism", "B"),
    (LENGTHS, "<answer>D. No correct answer</answer>", "D"),
    (LENGTHS, "The answer is A and B.", "E"),
    (ANGLES, "The answer is \\( \\boxed{\\text{B. } 45^\\circ} \\).", "B"),
    (LINES, "The equation of the line is y = 2x + 1.", "C"),
    (LINES, "The equation of the line is y = 2x.", "B"),
    (PICTURED, "The answer is B. Not enough information", "B"),
    (PICTURED, "<answer>B. 3 or 4</answer>", "B"),
]

NOT_MEANT = [
    (ANGLES, "The correct answer is not (B)."),
    (ANGLES, "The correct answer cannot be B."),
    (ANGLES, "I do not think the answer is B."),
    (ANGLES, "It is incorrect to say (B)."),
    (ANGLES, "(B) is wrong."),
    (ANGLES, "(B) is a tempting choice."),
    (ANGLES, "I first thought the answer is B, but that is wrong. So it must be D."),
    (ANGLES, "If we assume the answer is B, then we get a contradiction."),
    (ANGLES, "Let us check whether the answer is B. The lines are not parallel, so D."),
    (ANGLES, "A student may say that the answer is B. In fact it is D."),
    (ANGLES, "A common mistake is to say the answer is B. It is D."),
    (ANGLES, "The answer key says the answer is B, but I get 60°, so C."),
    (ANGLES, "At first glance the answer is B. But the angle is 60°."),
    (ANGLES, "The least likely answer is B."),
    (ANGLES, "The wrong answer is B."),
    (ANGLES, "The answer is (B) or C."),
    (ANGLES, "The answer is option B or option C."),
    (ANGLES, "The answer is B, but it could also be C."),
    (ANGLES, "The answer is B, no, C."),
    (ANGLES, "Answer: Option B is wrong, C is right."),
    (ANGLES, "<answer>B. or C.</answer>"),
    (ANGLES, "<answer>B) 60°</answer>"),
    (ANGLES, "<answer>(B) is wrong, C</answer>"),
    (ANGLES, "<answer>(B)? no, C</answer>"),
    (ANGLES, "<answer>Option B is wrong</answer>"),
    (ANGLES, "<answer>None of them, but the closest is B</answer>"),
    (ANGLES, "A) 30°: wrong.\nB) 45°: wrong."),
    (ANGLES, "The angle is not 45°."),
    (ANGLES, "The angle is greater than 45°."),
    (ANGLES, "Angle A is 45° and angle B is 90°."),
    (ANGLES, "So the angle is 90 degrees, twice 45°."),
    (ANGLES, "It is not true that B is correct."),
    (ANGLES, "The answer is one of A, B, C, D."),
    (LINES, "The line is parallel to y = 2x."),
    (LINES, "The equation is y = 2x + 3."),
    (STYLES, "It is not Cubism."),
    (STYLES, "Unlike Cubism, I cannot say what this is."),
    (STYLES, "The painting breaks with Cubism."),
    (STYLES, "It could be Cubism."),
    (STYLES, "The style is Surrealism, not Cubism."),
]


@pytest.mark.parametrize(("question", "text", "letter"), MEANT)
def test_the_choice_that_a_response_means(question: Task, text: str, letter: str) -> None:
    """The choice is found whatever else the response mentions on the way."""
    assert score_response(question, text).answer == (letter,)


@pytest.mark.parametrize(("question", "text"), NOT_MEANT)
def test_a_choice_that_is_only_spoken_of(question: Task, text: str) -> None:
    """A choice that is denied, considered or retracted is not an answer."""
    assert score_response(question, text).right == (False,)
