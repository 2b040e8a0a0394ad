"""MathVerse: from the rows of its files to questions in several forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.datasets.mathverse import VERSIONS, load
from pytest_crossmath.tasks.questions.question import Kind
from pytest_crossmath.tasks.suite import check_pictures, load_suite
from pytest_crossmath.tasks.task import Form, ImagePart, Modality, TextPart
from tests.tasks.questions.made_up import (
    mathverse_rows,
    picture,
    text_only,
    write_mathverse,
    write_parquet,
)


def with_bytes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as in parquet files, with the pictures inside."""
    return [
        row | {"image": {"bytes": picture(shade), "path": "images_" + row["image"]}}
        for shade, row in enumerate(rows)
    ]


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_versions_are_forms_of_one_question(tmp_path: Path, kind: str) -> None:
    """Both files together give each question in all six versions."""
    if kind == "json":
        folder = write_mathverse(tmp_path / "data")
    else:
        folder = tmp_path / "data"
        write_parquet(folder / "testmini.parquet", with_bytes(mathverse_rows()))
        write_parquet(folder / "testmini_text_only.parquet", text_only(mathverse_rows()))
    suite = load_suite(f"mathverse:{folder}", root=tmp_path)
    assert suite.name == "mathverse"
    assert [question.id for question in suite.tasks] == ["mathverse-1", "mathverse-2"]
    assert all(set(question.forms) == set(VERSIONS.values()) for question in suite.tasks)
    assert suite.modalities == tuple(Modality)
    assert suite.styles == ("text-dominant", "text-lite", "vision-intensive", "vision-dominant")
    check_pictures(suite, suite.styles)
    first, second = suite.tasks
    assert (first.content.kind, first.key) == (Kind.CHOICE, ("B",))
    assert first.content.choices == ("1cm", "2cm", "3cm")
    assert (second.content.kind, second.key) == (Kind.NUMBER, ("3",))
    assert second.content.choices == ()
    assert first.difficulty == "Plane Geometry"


def test_what_a_version_shows(tmp_path: Path) -> None:
    """The vision-only version shows the picture without any text."""
    folder = write_mathverse(tmp_path / "data")
    first = load(folder, tmp_path)[0]
    [alone] = first.shown[Form(Modality.IMAGE)]
    assert isinstance(alone, ImagePart)
    assert alone.picture.path == folder / "images" / "images_version_6" / "image_1.png"
    shown, text = first.shown[Form(Modality.IMAGE_TEXT, "text-lite")]
    assert isinstance(shown, ImagePart)
    assert isinstance(text, TextPart)
    assert text.text.startswith("A made-up figure 1.")
    assert text.text.endswith("C:3cm")
    [only] = first.shown[Form(Modality.TEXT)]
    assert isinstance(only, TextPart)


def test_one_file_alone(tmp_path: Path) -> None:
    """A single file offers the forms that it contains."""
    folder = write_mathverse(tmp_path / "data")
    suite = load_suite(f"mathverse:{folder / 'testmini_text_only.json'}", root=tmp_path)
    assert suite.forms == (Form(Modality.TEXT),)
    suite = load_suite(f"mathverse:{folder / 'testmini.json'}", root=tmp_path)
    assert suite.modalities == (Modality.IMAGE, Modality.IMAGE_TEXT)


def test_another_answer_is_another_question(tmp_path: Path) -> None:
    """Rows that disagree about the answer become separate questions."""
    rows = mathverse_rows(1)
    rows[4]["answer"] = "C"
    first, other = load(write_mathverse(tmp_path, rows), tmp_path)
    assert (first.id, other.id) == ("mathverse-1", "mathverse-1.2")
    assert tuple(other.forms) == (Form(Modality.IMAGE),)
    assert other.key == ("C",)


@pytest.mark.parametrize(("answer", "key"), [("C\nD", "C, D"), ("(b)", "B"), ("3cm", "C")])
def test_answers_of_choices(tmp_path: Path, answer: str, key: str) -> None:
    """An answer may be several letters, or the text of a choice instead of its letter."""
    rows = [row for row in mathverse_rows(1, answers=[answer])
            if row["problem_version"] != "Vision Only"]  # fmt: skip
    [question] = load(write_mathverse(tmp_path, rows), tmp_path)
    assert (question.content.kind, question.key) == (Kind.CHOICE, (key,))


def test_choices_of_a_picture(tmp_path: Path) -> None:
    """The choices are taken from the text that is provided for evaluation."""
    row = mathverse_rows(1)[4]
    row |= {"question_for_eval": "How long?\nChoice:\nA.one\nB.two\nC.three", "answer": "three"}
    file = write_mathverse(tmp_path, [row]) / "testmini.json"
    [question] = load(file, tmp_path)
    assert (question.content.choices, question.key) == (("one", "two", "three"), ("C",))


def test_choices_that_are_not_all_listed_are_left_out(tmp_path: Path) -> None:
    """Otherwise the right letter would not be among those that are read."""
    row = mathverse_rows(1)[0] | {"question": "How long?\nChoices:\nA: one B: two", "answer": "B"}
    [question] = load(write_mathverse(tmp_path, [row]) / "testmini.json", tmp_path)
    assert question.content.choices == ()
    assert question.content.letters.startswith("AB")


def test_an_answer_in_words_is_text(tmp_path: Path) -> None:
    """A free-form answer that is not a number is a text."""
    rows = mathverse_rows(2, answers=["B", "y = 2x + 1"])
    assert load(write_mathverse(tmp_path, rows), tmp_path)[1].content.kind is Kind.TEXT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"problem_version": "Sound Only"},
            "'problem_version' must be one of Text Only",
        ),
        ({"problem_version": None}, "'problem_version' must be a string"),
        ({"question_type": "essay"}, "'question_type' must be multi-choice or free-form"),
        ({"answer": "7cm"}, "'answer' must be a letter or the text of a choice, not '7cm'"),
        ({"answer": 2}, "'answer' must be a string"),
        ({"answer": " ", "question_type": "free-form"}, "'answer' is empty"),
        ({"problem_index": "1 2"}, "'problem_index' must be"),
        ({"problem_index": None}, "'problem_index' must be a string, not None"),
        ({"question": " "}, "'question' is empty"),
        ({"image": ""}, "'image' holds no picture"),
        ({"problem_version": "Text Lite"}, "mathverse-1 as image+text/text-lite appears twice"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """The error names the file, the row and the field."""
    rows = mathverse_rows(1)
    folder = write_mathverse(tmp_path, rows)
    rows[2] |= change

    (folder / "testmini.json").write_text(json.dumps(rows))
    with pytest.raises(SuiteError) as caught:
        load(folder / "testmini.json", tmp_path)
    assert str(caught.value).startswith(f"{folder / 'testmini.json'}, row 3: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_field_that_is_missing(tmp_path: Path) -> None:
    """The error names the missing field."""
    rows = mathverse_rows(1)
    write_mathverse(tmp_path, rows)
    del rows[0]["answer"]
    file = write_parquet(tmp_path / "x" / "testmini.parquet", [
        {name: value for name, value in row.items() if name != "answer"} for row in rows
    ])  # fmt: skip
    with pytest.raises(SuiteError, match="row 1: the field 'answer' is missing"):
        load(file, tmp_path)


def test_wrong_paths(tmp_path: Path) -> None:
    """The error is one line that says which files are expected."""
    (tmp_path / "empty").mkdir()
    for path in ("nowhere", "notes.txt", "x" * 300):
        with pytest.raises(SuiteError, match="there is no such file or folder; expected"):
            load_suite(f"mathverse:{tmp_path / path}", root=tmp_path)
    with pytest.raises(SuiteError, match="holds no testmini"):
        load_suite(f"mathverse:{tmp_path / 'empty'}", root=tmp_path)
    with pytest.raises(SuiteError, match="write mathverse:PATH"):
        load_suite("mathverse:")


def test_a_picture_that_is_missing(tmp_path: Path) -> None:
    """A missing picture is reported before anything is asked."""
    folder = write_mathverse(tmp_path)
    (folder / "images" / "images_version_6" / "image_2.png").unlink()
    suite = load_suite(f"mathverse:{folder}", root=tmp_path)
    with pytest.raises(SuiteError, match=r"row 6: the picture .*image_2.png is missing"):
        check_pictures(suite, suite.styles)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(list(mathverse_rows(1)[0])),
        st.none() | st.integers() | st.text(max_size=6) | st.lists(st.text(), max_size=2)
        | st.sampled_from(list(VERSIONS)),
        max_size=3,
    )
)  # fmt: skip
def test_any_row_is_a_question_or_an_error_of_ours(tmp_path: Path, change: dict[str, Any]) -> None:
    """Whatever its fields contain, a row is a question or a `SuiteError`."""
    file = tmp_path / "testmini.json"
    file.write_text(json.dumps([mathverse_rows(1)[0] | change]), encoding="utf-8")
    try:
        [question] = load(file, tmp_path)
    except SuiteError as error:
        told = str(error)
        assert "\n" not in told
    else:
        assert question.key[0].isprintable()
