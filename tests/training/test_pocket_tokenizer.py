"""The tokenizer of `pocket`."""

import pytest

from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from pytest_crossmath.tasks.crossmath.worked import brief_solution
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.training.pocket.tokenizer import (
    CELL_TEXTS,
    IMAGE,
    build_tokenizer,
    cell_token,
    place_tokens,
)

TOKENIZER = build_tokenizer()


def test_a_cell_is_one_token() -> None:
    """Every cell in every table of the suite is one token, and so is every row end."""
    for problem in load_suite("mini").tasks:
        cells = [cell_token(cell.text) for _, cell in problem.content.cells()]
        tokens = TOKENIZER.tokenize(problem.text)
        assert [token for token in tokens if token not in ("|\n", "|")] == cells
        assert len(tokens) == len(cells) + problem.content.height


@pytest.mark.parametrize("token", [*map(cell_token, CELL_TEXTS), *place_tokens(), "<answer>"])
def test_whole_tokens(token: str) -> None:
    """Each building block of worked solutions and tables is one token, and not a special one."""
    assert TOKENIZER.tokenize(token) == [token]
    ids = TOKENIZER(token)["input_ids"]
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == token


@pytest.mark.parametrize("number", range(1, 21))
def test_a_number_is_one_token(number: int) -> None:
    """A number is one token with or without a space before it."""
    assert len(TOKENIZER.tokenize(f"{number}")) == len(TOKENIZER.tokenize(f" {number}")) == 1


@pytest.mark.parametrize(
    "text",
    [
        INSTRUCTION,
        "Zażółć gęślą jaźń — 谜题 \U0001f9e9",
        "  two  spaces\tand\n\nlines ",
        "| 21 | ÷ | 137 |\n|  |",
        "user: <answer>x</answer>",
        "\x00\x7f",
    ],
)
def test_any_text_comes_back(text: str) -> None:
    """Unseen text falls back to bytes: there are no unknown tokens and nothing is lost."""
    ids = TOKENIZER(text)["input_ids"]
    assert None not in ids
    assert TOKENIZER.decode(ids) == text


def test_traces_come_back() -> None:
    """A worked solution survives encoding and decoding."""
    for problem in load_suite("mini").tasks:
        trace = brief_solution(problem)
        assert TOKENIZER.decode(TOKENIZER(trace)["input_ids"], skip_special_tokens=True) == trace


def test_building_it_twice_gives_the_same() -> None:
    """The vocabulary does not depend on hash order."""
    assert build_tokenizer().get_vocab() == TOKENIZER.get_vocab()


def test_special_tokens_are_left_out_of_text() -> None:
    """Special tokens, such as a picture's placeholder, are not decoded to text."""
    ids = TOKENIZER(f"{IMAGE}7")["input_ids"]
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == "7"
