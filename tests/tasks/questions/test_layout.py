"""Our own layout of questions."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.questions.layout import parse_question
from pytest_crossmath.tasks.questions.prompt import INSTRUCTIONS
from pytest_crossmath.tasks.questions.question import Kind
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import check_pictures, load_provable, load_suite
from pytest_crossmath.tasks.task import Form, ImagePart, Modality, TextPart
from tests.tasks.questions.made_up import own_lines, write_own


def test_a_suite_of_questions(tmp_path: Path) -> None:
    """It offers the forms that its lines have, and cannot be proved."""
    suite = load_suite(str(write_own(tmp_path / "own")))
    assert (suite.name, len(suite.tasks), suite.styles) == ("own", 4, ())
    assert not suite.can_be_proved
    assert suite.modalities == tuple(Modality)
    check_pictures(suite, suite.styles)
    with pytest.raises(SuiteError, match="suite own holds questions: crossmath verify needs"):
        load_provable(str(tmp_path / "own"), "crossmath verify")


def test_what_each_form_shows(tmp_path: Path) -> None:
    """The instruction is the same; choices follow the text, and a picture is at its marker."""
    [question] = load_suite(str(write_own(tmp_path, own_lines(1)))).tasks
    asked = INSTRUCTIONS[Kind.CHOICE]
    text, image, both = (make_request(question, Form(modality)).content for modality in Modality)
    listed = "(A) three\n(B) four"
    assert text == (TextPart(f"A square, number 1. How many sides has it?\n\n{listed}\n\n{asked}"),)
    assert image == (ImagePart(Picture(tmp_path / "q1.png")), TextPart(asked))
    assert both == (
        TextPart("How many sides has"), ImagePart(Picture(tmp_path / "shape.png")),
        TextPart(f"?\n\n{listed}\n\n{asked}"),
    )  # fmt: skip
    assert make_request(question, Form(Modality.IMAGE), instruction="Go.").text == "Go."
    with pytest.raises(SuiteError, match="problem q1 has no form image/photo"):
        make_request(question, Form(Modality.IMAGE, "photo"))


def test_the_lines_of_the_documentation(tmp_path: Path) -> None:
    """The lines in the documentation load as a suite."""
    text = (Path(__file__).parents[3] / "docs" / "suites.md").read_text(encoding="utf-8")
    [block] = re.findall(r"<!-- own tasks -->\n```json\n(.*?)```", text, re.DOTALL)
    (tmp_path / "own.jsonl").write_text(block, encoding="utf-8")
    suite = load_suite(str(tmp_path))
    assert [question.content.kind for question in suite.tasks] == list(Kind)
    assert suite.styles == ("clean", "photo")


def test_styles(tmp_path: Path) -> None:
    """A form with pictures may have several styles."""
    line = own_lines(1)[0]
    line["forms"]["image"] = {"styles": {"plain": {"images": ["q1.png"]}, "photo": {
        "images": ["shape.png"]}}}  # fmt: skip
    suite = load_suite(str(write_own(tmp_path, [line])))
    assert suite.styles == ("plain", "photo")
    assert suite.chosen([Modality.IMAGE], ["photo"]) == (Form(Modality.IMAGE, "photo"),)


def test_the_digest_knows_text_key_and_pixels(tmp_path: Path) -> None:
    """A change in any of these changes the digest; moving the folder does not."""
    digest = load_suite(str(write_own(tmp_path / "a"))).digest
    assert load_suite(str(write_own(tmp_path / "b"))).digest == digest
    (tmp_path / "b" / "q1.png").write_bytes((tmp_path / "b" / "q2.png").read_bytes())
    assert load_suite(str(tmp_path / "b" / "own.jsonl")).digest != digest
    other = own_lines()
    other[0]["answer"] = "A"
    assert load_suite(str(write_own(tmp_path / "c", other))).digest != digest


NOT_NUMBERS: tuple[object, ...] = (
    "nan", "inf", "1e999", "2-3", "", "seven", True, None, {}, 10**300,
)  # fmt: skip


@pytest.mark.parametrize("answer", ["...", "**", "</answer>", "<think>", "<answer>x</answer>"])
def test_a_key_that_would_not_be_accepted_is_refused(tmp_path: Path, answer: str) -> None:
    """No model could solve such a question, whatever it answers."""
    [one] = own_lines(1)
    one |= {"kind": "text", "answer": answer, "choices": []}
    with pytest.raises(SuiteError, match=r"own\.jsonl:1: .* not be accepted as its own answer"):
        load_suite(str(write_own(tmp_path, [one])))
    one |= {"answer": "fine", "accepted": [answer]}
    with pytest.raises(SuiteError, match=r"own\.jsonl:1: .* not be accepted as its own answer"):
        load_suite(str(write_own(tmp_path, [one])))


@pytest.mark.parametrize(
    "choices", [["5 m", "5 cm"], ["$", "€"], ["3.14", "3.142"], ["x", "y"], ["+", "-"]]
)
def test_choices_that_differ_are_kept(tmp_path: Path, choices: list[str]) -> None:
    """Units and decimals may be the point of a question, although answers ignore them."""
    [one] = own_lines(1)
    one |= {"kind": "choice", "answer": "A", "choices": choices}
    assert load_suite(str(write_own(tmp_path, [one]))).tasks[0].content.choices == tuple(choices)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "riddle"}, "'kind' must be choice, number, text"),
        ({"answer": "C"}, "'answer' must be a letter from A to B"),
        ({"answer": None}, "'answer' must be a string"),
        ({"kind": "number"}, "'choices' must be"),
        ({"kind": "number", "choices": []}, "'answer' must be a number"),
        ({"choices": ["one"]}, "'choices' must be from 2 to 26 strings"),
        ({"choices": [3, 4]}, "'choices' must be a list of strings"),
        ({"choices": ["three", "three"]}, "'choices' must be distinct strings"),
        (
            {"choices": ["three", " "]},
            "'choices' must be distinct strings, none of them empty",
        ),
        ({"accepted": "B"}, "'accepted' must be a list of answers"),
        ({"accepted": [8]}, "'accepted' must be a letter from A to B, not 8"),
        ({"group": 1}, "'group' must be a string"),
        ({"id": "q 1"}, "'id' must be"),
        ({"forms": {}}, "'forms' must be an object"),
        ({"forms": {"video": "x"}}, "'forms' must be an object with some of text, image, "),
        ({"forms": {"text": ""}}, "'forms: text' must be a form with text"),
        ({"forms": {"text": {"text": "x", "images": ["a.png"]}}}, "a form without images"),
        ({"forms": {"image": "x"}}, "'forms: image' must be a form with images"),
        ({"forms": {"image": {"styles": {}}}}, "an object that maps styles to forms"),
        *(
            (
                {"forms": {"image": {"styles": {name: {"images": ["a"]}}}}},
                "names of letters, digits",
            )
            for name in ("a#1", "", "a+b", "a:b", "a@b", "a,b", "a/b", "a b", "\u202e")
        ),
        *(
            ({"kind": "choice", "choices": choices, "answer": "A"}, "that can be told apart")
            for choices in (
                ["7", "7 "],
                ["7", "7.0"],
                ["1/2", "0.5"],
                ["50%", "0.5"],
                ["1,000", "1000"],
                ["red", "Red."],
                ["the cat", "cat"],
                ["$x$", "x"],
                ["x", "y", "y "],
            )
        ),
        *(
            ({"kind": "choice", "choices": ["1", "2"], "answer": answer}, "'answer' must be")
            for answer in ("C", "b", "1", "", "AB", "ａ", 1, None, ["A"], True)
        ),
        *(
            ({"kind": "number", "choices": [], "answer": answer}, "'answer' must be")
            for answer in NOT_NUMBERS
        ),
        ({"forms": {"image": {"files": []}}}, "a string, or an object with text and images"),
        ({"forms": {"image+text": {"text": "<image 2>", "images": ["a"]}}}, "names <image 2>"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """The error names the file, the line and the field."""
    lines = own_lines(2)
    lines[1] |= change
    file = write_own(tmp_path, lines)
    with pytest.raises(SuiteError) as caught:
        load_suite(str(file))
    assert str(caught.value).startswith(f"{file}:2: the field ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_field_and_a_double_id(tmp_path: Path) -> None:
    """Each error is a single line."""
    lines = own_lines(2)
    lines[1]["id"] = "q1"
    with pytest.raises(SuiteError, match=r"own.jsonl:2: the id 'q1' appears twice"):
        load_suite(str(write_own(tmp_path, lines)))
    for field in ("kind", "forms"):
        lines = own_lines(2)
        del lines[1][field]
        with pytest.raises(SuiteError, match=rf"own.jsonl:2: the field '{field}' is missing"):
            load_suite(str(write_own(tmp_path, lines)))


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    """The message says what to do, without a codec's details."""
    file = write_own(tmp_path)
    file.write_bytes(file.read_text().encode("utf-16"))
    with pytest.raises(SuiteError, match=r"own.jsonl cannot be read: it is not UTF-8; save it"):
        load_suite(str(file))


@pytest.mark.parametrize(("name", "content"), [("a.parquet", "PAR1"), ("a.json", "[\n{}]")])
def test_a_dataset_without_its_name(tmp_path: Path, name: str, content: str) -> None:
    """The message shows how to specify it."""
    (tmp_path / name).write_text(content)
    with pytest.raises(SuiteError, match=rf"write mathverse:.*{name} or mmmu:.*{name}$"):
        load_suite(str(tmp_path / name))


def test_accepted_numbers(tmp_path: Path) -> None:
    """Accepted numbers are written like the answer, with or without quotes."""
    line = {"id": "n", "kind": "number", "answer": 7, "accepted": [8, "9 cm"],
            "forms": {"text": "How many?"}}  # fmt: skip
    [question] = load_suite(str(write_own(tmp_path, [line]))).tasks
    assert question.content.accepted == ("7", "8", "9 cm")


def test_a_missing_picture(tmp_path: Path) -> None:
    """The error names the question."""
    file = write_own(tmp_path)
    (tmp_path / "q3.png").unlink()
    with pytest.raises(SuiteError, match=r"own.jsonl:3: the picture .*q3.png is missing"):
        check_pictures(load_suite(str(file)), ())


def test_grids_and_questions_do_not_mix(tmp_path: Path) -> None:
    """A file holds either grids or questions."""
    file = write_own(tmp_path, own_lines(1))
    grid = {"id": "g", "table": "| 5 | + | ? | = | 8 |", "key": ["3"], "steps": [1],
            "difficulty": "easy", "images": {}}  # fmt: skip
    file.write_text(f"{file.read_text()}{json.dumps(grid)}\n")
    with pytest.raises(SuiteError, match="holds grids or questions, not both"):
        load_suite(str(file))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["B", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["text", "image", "images", "styles", "image+text", "x"]), inner, max_size=3
    ),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["id", "kind", "answer", "choices", "forms", "accepted"]),
                       VALUES, max_size=3))  # fmt: skip
def test_any_line_is_a_question_or_an_error_of_ours(change: dict[str, Any]) -> None:
    """Whatever its fields contain, a line is a question or a `SuiteError`."""
    line = copy.deepcopy(own_lines(1)[0]) | change
    with suppress(SuiteError):
        assert parse_question(line, Path("own.jsonl"), "own.jsonl:1").forms
