"""MMMU and MMMU-Pro: from the rows of their files to questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.datasets.mmmu import load
from pytest_crossmath.tasks.questions.question import Kind
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import check_pictures, load_suite
from pytest_crossmath.tasks.task import Form, ImagePart, Modality, TextPart
from tests.tasks.questions.made_up import mmmu_rows, vision_rows, write_parquet

BOTH = Form(Modality.IMAGE_TEXT)


def test_a_folder_of_subjects(tmp_path: Path) -> None:
    """Of a folder only the validation files are read."""
    data = tmp_path / "data"
    for subject in ("Art", "Music_Theory"):
        write_parquet(data / subject / "validation-00000-of-00001.parquet", mmmu_rows(subject))
        write_parquet(data / subject / "dev-00000-of-00001.parquet", mmmu_rows("Dev"))
        unanswered = [row | {"answer": "?"} for row in mmmu_rows("Test")]
        write_parquet(data / subject / "test-00000-of-00001.parquet", unanswered)
    suite = load_suite(f"mmmu:{data}", root=tmp_path)
    assert (suite.name, len(suite.tasks), suite.forms) == ("mmmu", 6, (BOTH,))
    assert {question.difficulty for question in suite.tasks} == {"Art", "Music_Theory"}
    check_pictures(suite, ())
    assert load_suite(f"mmmu:{data}", root=tmp_path).digest == suite.digest
    assert not list(data.rglob("*.png"))


def test_kinds_and_keys(tmp_path: Path) -> None:
    """Choices are keyed by letter, open answers by value with all accepted variants."""
    file = write_parquet(tmp_path / "a.parquet", mmmu_rows())
    first, second, third = load(file, tmp_path)
    assert (first.content.kind, first.key) == (Kind.CHOICE, ("C",))
    assert first.content.choices == ("red", "the artist's green", "blue")
    assert second.content.choices == ("<image 2>", "<image 3>")
    assert (third.content.kind, third.key) == (Kind.NUMBER, ("1.06",))
    assert third.content.accepted == ("1.06", "1.1")
    assert score_response(third, "<answer>1.1</answer>").outcome is Outcome.SOLVED


def test_pictures_stand_where_they_are_named(tmp_path: Path) -> None:
    """Pictures appear at their markers, in the question and in its choices."""
    file = write_parquet(tmp_path / "a.parquet", mmmu_rows())
    _, second, _ = load(file, tmp_path)
    kinds = [type(part) for part in second.shown[BOTH]]
    assert kinds == [TextPart, ImagePart, TextPart, ImagePart, TextPart, ImagePart]
    texts = [part.text for part in second.shown[BOTH] if isinstance(part, TextPart)]
    assert texts == ["What is number 2 in", "?\n\n(A)", "(B)"]


def test_the_question_in_the_picture(tmp_path: Path) -> None:
    """MMMU-Pro's vision set is asked as a picture, with ten choices."""
    file = write_parquet(tmp_path / "vision" / "test-00000-of-00001.parquet", vision_rows())
    suite = load_suite(f"mmmu:{tmp_path / 'vision'}", root=tmp_path)
    assert suite.forms == (Form(Modality.IMAGE),)
    [question, _] = suite.tasks
    assert question.content.letters == "ABCDEFGHIJ"
    assert question.difficulty == "Art"
    assert score_response(question, "<answer>J</answer>").outcome is Outcome.SOLVED
    assert file.is_file()


def test_both_sets_of_mmmu_pro_pair(tmp_path: Path) -> None:
    """Rows with the same id and answer are one question."""
    rows = [
        row | {"id": f"test_Art_{number}", "options": str([f"choice {n}" for n in range(10)]),
               "answer": "J", "question_type": "multiple-choice"}
        for number, row in enumerate(mmmu_rows(count=2), start=1)
    ]  # fmt: skip
    write_parquet(tmp_path / "standard" / "test-0.parquet", rows)
    write_parquet(tmp_path / "vision" / "test-0.parquet", vision_rows())
    suite = load_suite(f"mmmu:{tmp_path}", root=tmp_path)
    assert len(suite.tasks) == 2
    assert suite.modalities == (Modality.IMAGE, Modality.IMAGE_TEXT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "?"}, "use the validation split"),
        ({"answer": "D"}, "'answer' must be the letter of one of the 3 choices, not 'D'"),
        ({"options": "['red', "}, "'options' must be a list"),
        ({"options": "open('x')"}, "'options' must be a list"),
        ({"options": "[" * 9000}, "'options' must be a list"),
        ({"options": "[]"}, "one of the 0 choices"),
        ({"question_type": "essay"}, "'question_type' must be multiple-choice or open"),
        ({"id": "a b"}, "'id' must be"),
        ({"id": None}, "'id' must be"),
        ({"image_1": None}, "'image_1' holds no picture"),
        ({"question": "See <image 4>."}, "names <image 4>, but there is no such picture"),
        ({"id": "validation_Art_2"}, "validation_Art_2 as image+text appears twice"),
        ({"question_type": "open", "answer": "['']"}, "'answer' is empty"),
        ({"question_type": "open", "answer": "[]"}, "'answer' holds no answer"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """The error names the file, the row and the field."""
    rows = mmmu_rows(count=4)
    rows[3] |= {"answer": "C"} | change
    if "appears twice" in message:
        rows[1] |= {"options": rows[3]["options"], "answer": "C"}
    file = write_parquet(tmp_path / "a.parquet", rows)
    with pytest.raises(SuiteError) as caught:
        load(file, tmp_path)
    assert str(caught.value).startswith(f"{file}, row 4: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_paths(tmp_path: Path) -> None:
    """The error is one line that says which files are expected."""
    with pytest.raises(SuiteError, match="there is no such file or folder; expected a parquet"):
        load_suite(f"mmmu:{tmp_path / 'nowhere'}")
    with pytest.raises(SuiteError, match="holds no validation"):
        load_suite(f"mmmu:{tmp_path}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["id", "question", "options", "answer", "question_type"]),
        st.none() | st.text(max_size=8) | st.sampled_from(["A", "open", "['x']", "<image 1>"]),
        max_size=3,
    )
)  # fmt: skip
def test_any_row_is_a_question_or_an_error_of_ours(tmp_path: Path, change: dict[str, Any]) -> None:
    """Whatever its fields contain, a row is a question or a `SuiteError`."""
    plain = {key: value.encode("utf-8", "ignore").decode() if isinstance(value, str) else value
             for key, value in change.items()}  # fmt: skip
    file = write_parquet(tmp_path / "a.parquet", [mmmu_rows(count=1)[0] | plain])
    try:
        [question] = load(file, tmp_path)
    except SuiteError as error:
        told = str(error)
        assert "\n" not in told
    else:
        assert question.key[0].isprintable()
