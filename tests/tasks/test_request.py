"""One instruction for every modality; only the data differ."""

import re
from pathlib import Path

import pytest

from pytest_crossmath.errors import OptionError, SuiteError
from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.request import RequestId, load_instruction, make_request
from pytest_crossmath.tasks.task import Form, ImagePart, Modality, TextPart
from tests.tasks.crossmath.made_up import grid

TABLE = "| 7 | - | ? | = | 2 |"
PICTURE = Picture(Path("original/one.png"))
PROBLEM = grid(TABLE, ("5",), id="one", images={"original": PICTURE.path})
TEXT, IMAGE, BOTH = map(Form.parse, ("text", "image/original", "image+text/original"))


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (TEXT, (TextPart(f"{INSTRUCTION}\n\n{TABLE}"),)),
        (IMAGE, (ImagePart(PICTURE), TextPart(INSTRUCTION))),
        (BOTH, (ImagePart(PICTURE), TextPart(f"{INSTRUCTION}\n\n{TABLE}"))),
    ],
)
def test_only_the_payload_differs(form: Form, content: tuple[TextPart | ImagePart, ...]) -> None:
    """The words are the same in every form; a table, a picture or both are added."""
    assert make_request(PROBLEM, form).content == content


@pytest.mark.parametrize(
    "word", ["table", "image", "picture", "markdown", "text", "shown", "below"]
)
def test_the_instruction_does_not_speak_of_the_form(word: str) -> None:
    """The instruction fits every form, so only the form can make a difference."""
    assert word not in INSTRUCTION.lower()


def test_the_instruction_asks_for_the_tags_that_are_scored() -> None:
    """The instruction tells the model how to answer."""
    assert "<answer>" in INSTRUCTION
    assert "</answer>" in INSTRUCTION


@pytest.mark.parametrize(
    ("modality", "style", "pictures"),
    [
        (Modality.TEXT, None, ()),
        (Modality.IMAGE, "original", (PICTURE,)),
        (Modality.IMAGE_TEXT, "original", (PICTURE,)),
    ],
)
def test_a_request_is_known_by_task_form_and_number(
    modality: Modality, style: str | None, pictures: tuple[Picture, ...]
) -> None:
    """The form has a style if it has a picture."""
    asked = make_request(PROBLEM, Form(modality, style), sample=2)
    assert asked.id == RequestId("one", Form(modality, style), 2, transcribes=False)
    assert asked.pictures == pictures
    assert asked.text.startswith(INSTRUCTION)
    assert (TABLE in asked.text) == modality.shows_text


@pytest.mark.parametrize(
    "form",
    [
        Form(Modality.IMAGE), Form(Modality.IMAGE, "noborder"), Form(Modality.IMAGE_TEXT),
        Form(Modality.IMAGE_TEXT, "noborder"), Form(Modality.TEXT, "original"),
    ],
    ids=str,
)  # fmt: skip
def test_a_form_that_the_problem_lacks_is_named(form: Form) -> None:
    """A form with a picture needs one in that style, and text has no style."""
    with pytest.raises(SuiteError, match=f"^problem one has no form {re.escape(str(form))}$"):
        make_request(PROBLEM, form)


def test_an_instruction_of_the_users_replaces_ours(tmp_path: Path) -> None:
    """A prompt file is used as it is, except for blank lines around the text."""
    file = tmp_path / "prompt.txt"
    file.write_text("\n  Fülle ? aus.\nDanke.\n\n", encoding="utf-8")
    instruction = load_instruction(file)
    assert instruction == "Fülle ? aus.\nDanke."
    asked = make_request(PROBLEM, TEXT, instruction=instruction)
    assert asked.text == f"Fülle ? aus.\nDanke.\n\n{TABLE}"


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
