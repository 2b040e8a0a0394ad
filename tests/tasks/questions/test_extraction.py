"""Extraction: which answer is found in a response, and whether it is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.tasks.questions.extraction import read_answer
from pytest_crossmath.tasks.questions.question import Kind, question_task
from pytest_crossmath.tasks.score import Finish, Outcome
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.task import Form, Modality, Part, Task, TextPart

SHOWN: dict[Form, tuple[Part, ...]] = {Form(Modality.TEXT): (TextPart("?"),)}
CHOICE = question_task("c", Kind.CHOICE, SHOWN, "B", choices=("40°", "60°", "none of them", "140°"))
PICTURED = question_task("p", Kind.CHOICE, SHOWN, "B")
NUMBER = question_task("n", Kind.NUMBER, SHOWN, "14")
TEXT = question_task("t", Kind.TEXT, SHOWN, "y = 2x + 1", accepted=("2x + 1",))

CHOICES = [
    ("<answer>B</answer>", "B"),
    ("<answer>(b)</answer>", "B"),
    ("<answer>A</answer> No: <answer>\\boxed{B}</answer>", "B"),
    ("<answer>B. 60°</answer>", "B"),
    ("<answer>B: 60°</answer>", "B"),
    ("<answer>option B</answer>", "B"),
    ("<answer>The answer is B.</answer>", "B"),
    ("<answer>B 60°</answer>", "B"),
    ("<answer>B - 60°</answer>", "B"),
    ("<answer>The letter is B</answer>", "B"),
    ("The right option is B.", "B"),
    ("Therefore, B is correct.", "B"),
    ("Option (B) is the correct one.", "B"),
    ("A is not correct, nor is C.", None),
    ("A is correct if x > 0, else B is correct.", None),
    ("<answer>C.none of them</answer>", "C"),
    ("<answer>60</answer>", "B"),
    ("<answer>None of them</answer>", "C"),
    ("<answer>75°</answer>", "75°"),
    ("<answer>A and B</answer>", "A and B"),
    ("<answer>(A) and (B)</answer>", "(A) and (B)"),
    ("<answer>E</answer>", "E"),
    ("<answer></answer> \\boxed{B}", "B"),
    ("Thus \\boxed{\\text{B}}.", "B"),
    ("Thus \\boxed{\\text{(B)}}.", "B"),
    ("The correct answer is **B**.", "B"),
    ("**Final answer**: (B) 60°", "B"),
    ("Answer: B", "B"),
    ("The answer is 60°.", "B"),
    ("So the correct option is B, since the angles add up.", "B"),
    ("The answer is A, or B, depending on x.", None),
    ("The answer is clear from the picture.", None),
    ("Hence it is 60.\nB", "B"),
    ("B\nbecause the angles add up to 180.", "B"),
    ("We get 60.\n**B**", "B"),
    ("We get 60.\nB. 60°", "B"),
    ("We get 60.\n(B) 60°", "B"),
    ("So (B) it is, as 60 < 90.", "B"),
    ("(A) is too small, (B) fits.", None),
    ("It is, in short, none of them", "C"),
    ("A triangle has three sides.", None),
    ("I think that it is hard to say.", None),
    ("A. 40°\nB. 60°\nC. none of them\nD. 140°\nI cannot choose.", None),
    ("<think>The answer is A.</think>The answer is B.", "B"),
    ("<think><answer>B</answer>", None),
    ("<answer>" + "B" * 400 + "</answer>", None),
    ("", None),
]
NUMBERS = [
    ("<answer>14</answer>", "14", True),
    ("<answer>x = 14 cm</answer>", "x = 14 cm", True),
    ("<answer>14.0</answer>", "14.0", True),
    ("<answer>15</answer>", "15", False),
    ("<answer>I do not know</answer>", "I do not know", False),
    ("Therefore \\boxed{14}", "14", True),
    ("Therefore \\boxed{\\frac{28}{2}}", "\\frac{28}{2}", True),
    ("The answer is 14 cm. Done.", "14 cm", True),
    ("The answer is: 3.5. Done.", "3.5", False),
    ("x² = 196\nx = 14", "x = 14", True),
    ("14", "14", True),
    ("196 / 14 is that.\n#### 14", "14", True),
    ("The answer is approximately 14.00, as we saw.", "approximately 14.00, as we saw", True),
    ("Therefore, **x = 14**.", "Therefore, **x = 14", True),
    ("Thus, the value of $x$ is $14$.", "Thus, the value of $x$ is $14", True),
    ("∠C = 180° − 166° = 14°", "∠C = 180° − 166° = 14°", True),
    ("### Answer\n\nThe length of AB is 14 cm.", "The length of AB is 14 cm", True),
    ("The value of x is therefore 14.", "The value of x is therefore 14", True),
    ("If the answer is 14, the sum is wrong.", None, False),
    ("The answer is not 14.", None, False),
    ("So the total is 14 apples.", "So the total is 14 apples", True),
    ("So the total is 14 less than that.", None, False),
    ("The answer is twelve; 14 is too large.", None, False),
    ("<answer>impossible if x = 14</answer>", "impossible if x = 14", False),
    ("The answer is at least 14.", None, False),
    ("The answer is shown in Figure 14.", None, False),
    ("So AB is 12 and BC is 14.", None, False),
    ("x = 3, so it is less than 14.", None, False),
    ("<answer>x = 3, y = 14</answer>", "x = 3, y = 14", False),
    ("There are 14 or 15.", None, False),
    ("The answer is hard to find.", None, False),
]


@pytest.mark.parametrize(("text", "letter"), CHOICES)
def test_the_choice_in_a_response(text: str, letter: str | None) -> None:
    """The usual rules give one letter, or nothing if several could be meant."""
    score = score_response(CHOICE, text)
    assert score.answer == (None if letter is None else (letter,))
    assert (score.outcome is Outcome.SOLVED) is (letter == "B")
    assert (score.outcome is Outcome.UNPARSED) is (letter is None)


@pytest.mark.parametrize("text", ["<answer>B: 60°</answer>", "Answer: B. 60°", "(B)", "b"])
def test_choices_that_only_a_picture_has(text: str) -> None:
    """The letter is found even without the texts of the choices."""
    assert score_response(PICTURED, text).outcome is (
        Outcome.UNPARSED if text == "b" else Outcome.SOLVED
    )


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("<answer>B, D</answer>", True),
        ("<answer>(D) and (B)</answer>", True),
        ("The answer is B and D.", True),
        ("<answer>B</answer>", False),
        ("<answer>A, B, D</answer>", False),
        ("<answer>BD</answer>", False),
        ("B or D", False),
    ],
)
def test_several_right_letters(text: str, right: bool) -> None:
    """All of them are required, in any order, and no others."""
    question = question_task("c", Kind.CHOICE, SHOWN, "B, D", choices=CHOICE.content.choices)
    assert (score_response(question, text).outcome is Outcome.SOLVED) is right


@pytest.mark.parametrize(("text", "answer", "right"), NUMBERS)
def test_the_number_in_a_response(text: str, answer: str | None, right: bool) -> None:
    """A number is kept as written, and compared as a number."""
    score = score_response(NUMBER, text)
    assert score.answer == (None if answer is None else (answer,))
    assert score.right == (right,)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("<answer>y=2x+1</answer>", Outcome.SOLVED),
        ("<answer>$2x + 1$</answer>", Outcome.SOLVED),
        ("<answer>y = 2x</answer>", Outcome.MISSED),
        ("The answer is y = 2x + 1.", Outcome.SOLVED),
        ("It is a line.", Outcome.UNPARSED),
    ],
)
def test_a_text_is_compared_normalised(text: str, outcome: Outcome) -> None:
    """A text may match the key or any other accepted answer."""
    assert score_response(TEXT, text).outcome is outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("So x = 14", Outcome.TRUNCATED),
        ("So\n14", Outcome.TRUNCATED),
        ("The answer is 14 if", Outcome.TRUNCATED),
        ("\\boxed{14} is what", Outcome.SOLVED),
        ("<answer>14</answer> I will now", Outcome.SOLVED),
    ],
)
def test_what_was_cut_off_counts_only_where_it_is_marked(text: str, outcome: Outcome) -> None:
    """The end of a truncated response may be half of a number."""
    assert score_response(NUMBER, text, Finish.LENGTH).outcome is outcome


def test_reasons_are_short_and_harmless() -> None:
    """Reasons fit on one line and cannot control a terminal."""
    score = score_response(TEXT, f"<answer>\x1b[31m{'z' * 200}</answer>")
    assert score.reason.startswith("missed: answered")
    assert score.reason.endswith("right is y = 2x + 1")
    assert score.reason.isprintable()
    assert len(score.reason) < 120
    assert score_response(TEXT, "").reason == "unparsed: no readable answer"
    assert score_response(TEXT, "", Finish.LENGTH).outcome is Outcome.TRUNCATED
    assert score_response(TEXT, "<answer>2x+1</answer>", Finish.REFUSED).answer is None


@given(st.text(max_size=400), st.sampled_from([CHOICE, PICTURED, NUMBER, TEXT]))
def test_any_response_is_read(text: str, question: Task) -> None:
    """Any text is read without an error, inside an answer block and outside."""
    for response in (text, f"<answer>{text}</answer>", f"\\boxed{{{text}}}", f"answer: {text}"):
        score_response(question, response)


@pytest.mark.parametrize(
    "piece",
    [
        "<answer>", "</answer>", "<answer>B</answer>", "\\boxed{", "\\boxed{B}", "answer is ",
        "answer:\n", "**", "(A", "(B)", "\n", " ", "a", "{", "B. ", "answer" + " " * 9, "<think>",
        "\\text{", "answer " * 3 + "is", "B is ", "((( ", "A is correct",
        "option B ", "\nB. X", "if the answer is B, ", "not ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("question", [CHOICE, NUMBER, TEXT], ids=["choice", "number", "text"])
@pytest.mark.parametrize("size", [1_000_000, pytest.param(10_000_000, marks=pytest.mark.nightly)])
def test_megabytes_are_read(piece: str, question: Task, size: int) -> None:
    """Reading takes a single pass each: anything slower would not finish here."""
    read_answer(question.content, piece * (size // len(piece)))
