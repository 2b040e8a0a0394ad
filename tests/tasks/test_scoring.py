"""From the text of a response to correct and wrong blanks, and to metrics."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.tasks.answers import parse_answer
from pytest_crossmath.tasks.crossmath.generator import PRESETS, GeneratorSpec
from pytest_crossmath.tasks.score import Finish, Outcome, Score
from pytest_crossmath.tasks.scoring import score_response, summarize
from pytest_crossmath.tasks.task import Task
from tests.tasks.crossmath.made_up import generated, grid

SEEDS = st.integers(min_value=0)
WIDE = GeneratorSpec((4, 7), (2, 6), (1, 2, 3), 60, 9, 9, "+-×÷")

ROW = "| ? | + | ? | = | 9 | - | ? | = | 3 |"
MEGA = 1_000_000


def make(
    table: str = ROW, key: Sequence[str] = ("4", "5", "6"), steps: tuple[int, ...] = ()
) -> Task:
    """A problem with this table."""
    return grid(table, key, steps)


def answered(values: str) -> Score:
    """The score of an answer to `make()`, whose key is 4, 5, 6."""
    return score_response(make(), f"<answer>{values}</answer>")


@st.composite
def renderings(draw: st.DrawFn) -> Callable[[Sequence[str]], str]:
    """One of the ways in which a model may write a list of numbers."""
    around = draw(st.sampled_from(("", "**", "`", "$", "_", '"', "'")))
    zeros = draw(st.sampled_from(("{}", "0{}", "{}.0", "00{}.", "{}.000")))
    between, before, after = draw(
        st.sampled_from(
            (
                (", ", "", ""),
                (",", "[", "]"),
                ("; ", "(", ")"),
                (" | ", "| ", " |"),
                ("|", "", ""),
                ("\n", "", ""),
                ("\r\n", "\r\n", "\r\n"),
                ("\n\n", "\n", "\n"),
                (",\n", "", ""),
                (", \n  ", "[\n  ", ",\n]"),
                (" |\n| ", "| ", " |"),
                (" ", "", ""),
                ("\t", " ", " "),
                (", ", "", ","),
                (", ", "{", "}"),
            )
        )
    )
    return lambda key: (
        before + between.join(around + zeros.format(value) + around for value in key) + after
    )


@given(renderings(), st.sampled_from((PRESETS["mini"], WIDE)), SEEDS)
def test_any_rendering_of_the_key_is_solved(
    rendering: Callable[[Sequence[str]], str], spec: GeneratorSpec, seed: int
) -> None:
    """Separators, brackets, emphasis and leading zeros do not make a correct answer wrong."""
    problem = generated(spec, seed)
    score = score_response(problem, f"So: <answer>{rendering(problem.key)}</answer> Done.")
    assert score.outcome is Outcome.SOLVED
    assert score.right == (True,) * len(problem.key)


@given(SEEDS, st.sampled_from(("{}, ", "{},", "{}; ", "{},\n", "| {} ", "|{}")), st.data())
def test_a_dropped_value_shifts_nothing(seed: int, form: str, data: st.DataObject) -> None:
    """If a value is left out between separators, only its own blank is wrong."""
    problem = generated(WIDE, seed)
    gap = data.draw(st.integers(0, len(problem.key) - 1))
    values = "".join(form.format("" if i == gap else v) for i, v in enumerate(problem.key))
    score = score_response(problem, f"<answer>{values}{'|' * form.startswith('|')}</answer>")
    assert score.right == tuple(i != gap for i in range(len(problem.key)))
    assert score.outcome is Outcome.MISSED


@given(SEEDS, st.data())
def test_one_wrong_value_is_one_wrong_blank(seed: int, data: st.DataObject) -> None:
    """Blanks are judged one by one, and a wrong value breaks an equation."""
    problem = generated(WIDE, seed)
    spoiled = data.draw(st.integers(0, len(problem.key) - 1))
    values = [str(int(v) + (i == spoiled)) for i, v in enumerate(problem.key)]
    score = score_response(problem, f"<answer>{', '.join(values)}</answer>")
    assert score.right == tuple(i != spoiled for i in range(len(values)))
    assert score.answer == tuple(values)
    assert score.reason == f"missed: 1 of {len(values)} blanks"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4, 5, 6",
        "<answer>",
        "<answer>4, 5, 6",
        "4, 5, 6</answer>",
        "</answer>4<answer>",
        "<answer></answer>",
        "<answer>none</answer>",
        "<answer>?, ?, ?</answer>",
        "<answer>½ ²</answer>",
        "<answer>4</answer><answer>I give up</answer>",
        "<think><answer>4, 5, 6</answer>",
        "<think><answer>4, 5, 6</answer></think>",
        "<answer>4, 5, 6</answer></think>",
        "<answer>4<think>, 5, 6</answer>",
        "<answer>" + "7" * 20_000 + "</answer>",
        "<answer>" + "1, " * 20_000 + "</answer>",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_response_without_an_answer_is_unparsed(text: str) -> None:
    """A response needs a complete answer with a number in it, outside thinking."""
    assert parse_answer(text) is None
    score = score_response(make(), text)
    assert (score.outcome, score.answer) == (Outcome.UNPARSED, None)
    assert score.right == (False, False, False)


HOSTILE = {
    "opening tags": "<answer>" * (MEGA // 8),
    "closing tags": "</answer>" * (MEGA // 8),
    "pairs": "<answer></answer>" * (MEGA // 16),
    "nested": "<answer>" * (MEGA // 16) + "</answer>" * (MEGA // 16),
    "thoughts": "<think></think>" * (MEGA // 16),
    "open thoughts": "<think>" * (MEGA // 8),
    "digits": "<answer>" + "9" * MEGA + "</answer>",
    "commas": "<answer>1" + "," * MEGA + "</answer>",
    "spaces": "<answer>1" + " " * MEGA + "2</answer>",
    "half tags": "<answer" * (MEGA // 8),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_nothing_is_unparsed(name: str) -> None:
    """Endless repetition, as small models produce it, is read to its end and scores nothing."""
    assert score_response(make(), HOSTILE[name]).outcome is Outcome.UNPARSED


@pytest.mark.parametrize(
    "value",
    [
        "9" * 4_200,
        "9" * 9_000,
        "-" + "9" * 5_000,
        "0." + "0" * 9_000 + "1",
        "1e999999999",
        "1e-999999999",
        "9e99999999999999999999",
        "NaN",
        "sNaN",
        "-nan",
        "Infinity",
        "-inf",
        "\ud800",
        "5\udcff",
        "0x5",
        "5/1",
        "2+3",
        "--5",
        "5 5",
        "",
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_value_that_is_no_such_number_is_just_wrong(value: str) -> None:
    """An absurd value makes its own blank wrong, and raises nothing."""
    score = answered(f"4, {value}, 6")
    assert score.right == (True, False, True)
    assert score.outcome is Outcome.MISSED


@given(st.text() | st.text("<>/answerthink0123456789,|;\n -"))
def test_no_answer_raises(text: str) -> None:
    """Whatever is inside the tags, there is an outcome and a judgement of every blank."""
    for response in (text, f"<answer>{text}</answer>", f"<answer>{text}4, {text}, 6</answer>"):
        score = score_response(make(), response)
        assert len(score.right) == len(score.target)
        assert (score.answer is None) == (score.outcome is Outcome.UNPARSED)
        assert score.reason


@pytest.mark.parametrize(
    ("values", "right", "reason"),
    [
        ("4, 5, 7", (True, True, False), "missed: 1 of 3 blanks"),
        ("6, 5, 4", (False, True, False), "missed: 2 of 3 blanks"),
        ("4", (True, False, False), "missed: 2 of 3 blanks"),
        ("4, 5, 6, 7", (True, True, True), "missed: 4 values for 3 blanks"),
    ],
)
def test_a_missed_problem_says_what_was_missed(
    values: str, right: tuple[bool, ...], reason: str
) -> None:
    """The reason counts the wrong blanks, or the values if there are too many."""
    score = answered(values)
    assert (score.outcome, score.right, score.reason) == (Outcome.MISSED, right, reason)


def test_a_problem_with_one_blank_is_spoken_of_in_the_singular() -> None:
    """The reason says "blank", not "blanks", if there is only one."""
    score = score_response(make("| 7 | - | ? | = | 2 |", ("5",)), "<answer>4</answer>")
    assert score.reason == "missed: 1 of 1 blank"


@pytest.mark.parametrize(
    ("text", "finish", "outcome", "word"),
    [
        ("<answer>4, 5, 6</answer>", Finish.STOP, Outcome.SOLVED, "solved"),
        ("<answer>4, 5, 6</answer> and so", Finish.LENGTH, Outcome.SOLVED, "solved"),
        ("<answer>4, 5, 7</answer> and so", Finish.LENGTH, Outcome.MISSED, "missed"),
        ("4 plus 5", Finish.LENGTH, Outcome.TRUNCATED, "truncated"),
        ("<answer>4, 5,", Finish.LENGTH, Outcome.TRUNCATED, "truncated"),
        ("4 plus 5", Finish.STOP, Outcome.UNPARSED, "unparsed"),
        ("", Finish.REFUSED, Outcome.REFUSED, "refused"),
        ("<answer>4, 5, 6</answer>", Finish.REFUSED, Outcome.REFUSED, "refused"),
    ],
)
def test_the_way_a_model_stopped_tells_outcomes_apart(
    text: str, finish: Finish, outcome: Outcome, word: str
) -> None:
    """An answer before the limit counts, none is truncated, and a refusal is never scored."""
    score = score_response(make(), text, finish)
    assert score.outcome is outcome
    assert score.reason.startswith(word)


def test_the_published_metrics_agree_with_a_hand_computation() -> None:
    """Micro is a mean of means, macro counts whole problems, and steps pool blanks."""
    four = make("| ? | ? | ? | ? |", ("1", "2", "3", "4"), (1, 2, 3, 4))
    one = make("| ? |", ("9",), (7,))
    two = make("| ? | ? |", ("5", "6"), (1, 1))
    metrics = summarize(
        [
            score_response(four, "<answer>1, 2, 0, 4</answer>"),
            score_response(one, "<answer>9</answer>"),
            score_response(two, "<answer>5, 0</answer>"),
            score_response(two, "no idea"),
        ]
    )
    assert metrics.problems == 4
    assert metrics.micro == pytest.approx((3 / 4 + 1 + 1 / 2 + 0) / 4)
    assert metrics.macro == pytest.approx(1 / 4)
    assert metrics.by_step == pytest.approx({"1": 2 / 5, "2": 1.0, "3": 0.0, "4+": 1.0})
    assert metrics.outcomes == {Outcome.MISSED: 2, Outcome.SOLVED: 1, Outcome.UNPARSED: 1}


def test_a_right_list_that_goes_on_counts_for_micro_and_not_for_macro() -> None:
    """Every blank is correct by position, but the list as a whole is not."""
    metrics = summarize([answered("4, 5, 6, 7")])
    assert (metrics.micro, metrics.macro) == (1.0, 0.0)
