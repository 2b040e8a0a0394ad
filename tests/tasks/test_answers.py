"""Lists of numbers: which list is read in a response, and whether its numbers are right."""

import pytest

from pytest_crossmath.tasks.answers import parse_answer, same_number


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>1, 2</answer>", ("1", "2")),
        ("<ANSWER>1</Answer>", ("1",)),
        ("<answer>1</answer> no: <answer>2</answer>", ("2",)),
        ("<answer>1</answer> <answer>unsure", ("1",)),
        ("<answer>1</answer></answer>", ("1",)),
        ("<answer><answer>1</answer></answer>", ("1",)),
        ("<answer>1<answer>2</answer>3</answer>", ("2",)),
        ("</answer>1<answer>2</answer>", ("2",)),
        ("<think>hm</think><answer>1</answer>", ("1",)),
        ("<think><answer>1</answer></think><answer>2</answer>", ("2",)),
        ("<answer>1</answer><think>or <answer>2</answer></think>", ("1",)),
        ("<answer>1</answer><think>or <answer>2</answer>", ("1",)),
        ("thought <answer>1</answer></think><answer>2</answer>", ("2",)),
        ("<think>a <think>b</think> c</think><answer>1</answer>", ("1",)),
        ("<answer>1<think>or 9</think>, 2</answer>", ("1", "2")),
        ("<answer>x = 8</answer>", ("x", "=", "8")),
        ("<answer>1,,3</answer>", ("1", "", "3")),
        ("<answer>,2,3</answer>", ("", "2", "3")),
        ("<answer>|1||3|</answer>", ("1", "", "3")),
        ("<answer>1,\n,3</answer>", ("1", "", "3")),
        ("<answer>1, 2,</answer>", ("1", "2")),
        ("<answer>\n\n1\n\n\n2\n</answer>", ("1", "2")),
        ("<answer>| 1 | 2 |\n| 3 | 4 |</answer>", ("1", "2", "3", "4")),
        ("<answer>[1, 2,\n 3]</answer>", ("1", "2", "3")),
        ("<answer>-5, 1e3</answer>", ("-5", "1e3")),
        ("<answer>1 2\n3</answer>", ("1", "2", "3")),
        ("<answer>\\[1, 2\\]</answer>", ("1", "2")),
        ("<answer>\\(\\mathbf{1}, \\boxed{2}\\)</answer>", ("1", "2")),
        ("<answer>\n```json\n[1, 2]\n```\n</answer>", ("1", "2")),
        ("<answer>- 1\n- 2</answer>", ("1", "2")),
        ("<answer>• 1\n• 2</answer>", ("1", "2")),
        ("<answer>1. 7\n2. 8</answer>", ("7", "8")),
        ("<answer>1) 7\n2) 8</answer>", ("7", "8")),
        ("<answer>1.\n2.</answer>", ("1", "2")),
        (
            "<answer>*1*, \N{LEFT DOUBLE QUOTATION MARK}2\N{RIGHT DOUBLE QUOTATION MARK}</answer>",
            ("1", "2"),
        ),
        ("<answer>\x1b[31m1\x1b[0m, \u200b2\ufeff</answer>", ("1", "2")),
        ("<answer>\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH COMMA}2</answer>", ("1", "2")),
        ("<answer>2\N{SUPERSCRIPT ZERO}, 1</answer>", ("2\N{SUPERSCRIPT ZERO}", "1")),
        ("<answer>| a | b |\n|---|---|\n| 1 | 2 |</answer>", ("a", "b", "1", "2")),
        ("<answer >1</answer >", ("1",)),
        ("<THINK><answer>1</answer></THINK><answer>2</answer>", ("2",)),
        ("<thinking><answer>1</answer></thinking><answer>2</answer>", ("2",)),
        ("[THINK]<answer>1</answer>[/THINK]<answer>2</answer>", ("2",)),
        ("<seed:think><answer>1</answer></seed:think><answer>2</answer>", ("2",)),
        ("◁think▷<answer>1</answer>◁/think▷<answer>2</answer>", ("2",)),
    ],
)
def test_the_last_answer_that_is_spoken_counts(text: str, answer: tuple[str, ...]) -> None:
    """The last of several answers outside thinking is read, whatever its separators."""
    assert parse_answer(text) == answer


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("1,234", ("1234",)),
        ("$1,234$", ("1234",)),
        ("1,234, 5", ("1234", "5")),
        ("1,234\n1,000,000", ("1234", "1000000")),
        ("**1,234** | 12", ("1234", "12")),
        ("1,234", ("1", "234")),
        ("12,145, 6", ("12", "145", "6")),
        ("1,234, 5,678", ("1", "234", "5", "678")),
        ("12,34", ("12", "34")),
        ("3.141,592", ("3.141", "592")),
    ],
)
def test_a_comma_separates_thousands_where_only_that_fits(
    body: str, answer: tuple[str, ...]
) -> None:
    """The number of blanks decides whether 1,234 is one value or two."""
    assert parse_answer(f"<answer>{body}</answer>", blanks=len(answer)) == answer


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("7", "7"), ("07", "7"), ("7.0", "7"), ("7.", "7"), ("+7", "7"), ("70e-1", "7"), ("７", "7"),
     ("٧", "7"), ("x", "x")],
)  # fmt: skip
def test_numbers_are_compared_as_numbers(given: str, wanted: str) -> None:
    """Leading zeros, a decimal point, an exponent or another script's digits keep the value."""
    assert same_number(given, wanted)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("8", "7"), ("-7", "7"), ("7.5", "7"), ("7.0000000000000000000000000001", "7"), ("", "7"),
     ("seven", "7"), ("NaN", "7"), ("sNaN", "7"), ("Infinity", "7"), ("7 7", "7"), ("²", "2"),
     ("7", "x")],
)  # fmt: skip
def test_other_numbers_and_no_numbers_differ(given: str, wanted: str) -> None:
    """Only exactly the same number is right, however close another is."""
    assert not same_number(given, wanted)
