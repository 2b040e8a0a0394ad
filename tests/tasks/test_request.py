"""One instruction for every modality, and the payload that differs."""

from pathlib import Path

import pytest

from pytest_crossmath.errors import OptionError, SuiteError
from pytest_crossmath.tasks.crossmath.grid import Problem
from pytest_crossmath.tasks.crossmath.table import parse_table
from pytest_crossmath.tasks.request import INSTRUCTION, load_instruction, make_sample
from pytest_crossmath.tasks.task import ImagePart, Modality, TextPart

TABLE = "| 7 | - | ? | = | 2 |"
PICTURE = Path("original/one.png")
PROBLEM = Problem("one", TABLE, parse_table(TABLE), ("5",), (1,), "easy", {"original": PICTURE})


@pytest.mark.parametrize(
    ("modality", "content"),
    [
        (Modality.TEXT, (TextPart(f"{INSTRUCTION}\n\n{TABLE}"),)),
        (Modality.IMAGE, (ImagePart(PICTURE), TextPart(INSTRUCTION))),
        (Modality.IMAGE_TEXT, (ImagePart(PICTURE), TextPart(f"{INSTRUCTION}\n\n{TABLE}"))),
    ],
)
def test_only_the_payload_differs(
    modality: Modality, content: tuple[TextPart | ImagePart, ...]
) -> None:
    """The words are the same in every form; a table, a picture or both go with them."""
    assert make_sample(PROBLEM, modality, style="original").content == content


@pytest.mark.parametrize(
    "word", ["table", "image", "picture", "markdown", "text", "shown", "below"]
)
def test_the_instruction_does_not_speak_of_the_form(word: str) -> None:
    """What is asked fits every form, so that only the form can make a difference."""
    assert word not in INSTRUCTION.lower()


def test_the_instruction_asks_for_the_tags_that_are_scored() -> None:
    """A model is told how to answer."""
    assert "<answer>" in INSTRUCTION
    assert "</answer>" in INSTRUCTION


@pytest.mark.parametrize(
    ("modality", "style", "images"),
    [
        (Modality.TEXT, None, ()),
        (Modality.IMAGE, "original", (PICTURE,)),
        (Modality.IMAGE_TEXT, "original", (PICTURE,)),
    ],
)
def test_a_sample_is_known_by_problem_form_style_and_number(
    modality: Modality, style: str | None, images: tuple[Path, ...]
) -> None:
    """Without a picture there is no style, even where one is named."""
    sample = make_sample(PROBLEM, modality, style="original", index=2)
    assert sample.key == ("one", modality.value, style, 2)
    assert sample.images == images
    assert sample.text.startswith(INSTRUCTION)
    assert (TABLE in sample.text) == modality.shows_table


@pytest.mark.parametrize("modality", [Modality.IMAGE, Modality.IMAGE_TEXT])
@pytest.mark.parametrize("style", [None, "noborder"])
def test_a_picture_that_the_problem_lacks_is_named(modality: Modality, style: str | None) -> None:
    """A form with a picture needs one in that style."""
    with pytest.raises(SuiteError, match=f"problem one has no picture in style {style!r}"):
        make_sample(PROBLEM, modality, style=style)


def test_an_instruction_of_the_users_replaces_ours(tmp_path: Path) -> None:
    """A prompt file is used as it is, without the blank lines around it."""
    file = tmp_path / "prompt.txt"
    file.write_text("\n  Fülle ? aus.\nDanke.\n\n", encoding="utf-8")
    instruction = load_instruction(file)
    assert instruction == "Fülle ? aus.\nDanke."
    sample = make_sample(PROBLEM, Modality.TEXT, instruction=instruction)
    assert sample.text == f"Fülle ? aus.\nDanke.\n\n{TABLE}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "cannot read"),
        (b"\xff\xfe", "cannot read"),
        (b"", "is empty"),
        (b" \n\t", "is empty"),
    ],
)
def test_a_prompt_file_that_says_nothing_is_refused(
    tmp_path: Path, data: bytes | None, message: str
) -> None:
    """The error names the option and the file."""
    file = tmp_path / "prompt.txt"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(OptionError, match=f"--crossmath-prompt: .*{message}") as caught:
        load_instruction(file)
    assert str(file) in str(caught.value)
