"""The published metrics of saved responses."""

from __future__ import annotations

import pytest

from pytest_crossmath.models.backend import Response
from pytest_crossmath.models.replay import SavedResponse
from pytest_crossmath.reporting.scores import score_saved
from pytest_crossmath.tasks.questions.question import Kind, question_task
from pytest_crossmath.tasks.request import RequestId
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.suite import Suite, load_suite
from pytest_crossmath.tasks.task import Form, Modality, Part, TextPart

MINI = load_suite("mini")
SUITE = Suite("two", MINI.tasks[:2], "")


def saved(
    number: int, answer: str, *, form: str = "text", sample: int = 0, model: str | None = None
) -> SavedResponse:
    """A response to one of the first problems."""
    response = Response(f"<answer>{answer}</answer>", Finish.STOP, 0, 0.0)
    asked = RequestId(MINI.tasks[number].id, Form.parse(form), sample)
    return SavedResponse(model, asked, response)


def key(number: int) -> str:
    """The right answer of a problem."""
    return ", ".join(MINI.tasks[number].key)


def test_figures_by_hand() -> None:
    """One problem is right, and one has its last blank wrong."""
    [form] = score_saved(SUITE, [saved(0, key(0)), saved(1, "1, 15, 8")])
    assert (form.model, str(form.form), form.missing) == ("responses", "text", ())
    assert form.to_json() == {
        "micro_acc": pytest.approx((1 + 2 / 3) / 2),
        "macro_acc": 0.5,
        "step1_acc": 1.0,
        "step2_acc": 0.5,
        "step3_acc": None,
        "step4plus_acc": None,
        "n_problems": 2,
        "n_missing": 0,
        "samples": 1,
        "outcomes": {"solved": 1, "missed": 1},
    }


def test_several_samples_have_a_spread() -> None:
    """Figures are means over samples, with the sample standard deviation."""
    [form] = score_saved(SUITE, [saved(0, key(0)), saved(0, "1, 1, 1", sample=1)])
    figures = form.to_json()
    assert figures["macro_acc"] == 0.5
    assert figures["macro_acc_std"] == pytest.approx(2**-0.5)
    assert figures["samples"] == 2


def test_only_problems_that_have_the_form_can_be_missing() -> None:
    """Questions do not all exist in the same forms and styles."""
    image, part = Modality.IMAGE, (TextPart("?"),)
    forms: list[dict[Form, tuple[Part, ...]]] = [
        {Form(image): part}, {Form(image, "clean"): part, Form(image, "photo"): part}
    ]  # fmt: skip
    asked = tuple(question_task(f"q{n}", Kind.NUMBER, shown, "7") for n, shown in enumerate(forms))
    response = Response("7", Finish.STOP, 0, 0.0)
    responses = [
        SavedResponse(None, RequestId(id, Form(image, style)), response)
        for id, style in (("q0", None), ("q1", "clean"), ("q1", "photo"))
    ]
    found = score_saved(Suite("two", asked, ""), responses)
    assert [(str(form.form), form.offered, form.missing) for form in found] == [
        ("image", 1, ()), ("image/clean", 1, ()), ("image/photo", 1, ())
    ]  # fmt: skip
    [one] = score_saved(Suite("two", asked, ""), responses[:1])
    assert one.missing == ("q1",)


def test_a_short_file_is_told() -> None:
    """Problems without a response are named and not counted."""
    [form] = score_saved(SUITE, [saved(1, key(1))])
    assert form.missing == ("mini-0001",)
    assert form.to_json()["n_problems"] == 1


def test_a_problem_counts_only_where_every_run_has_it() -> None:
    """Otherwise a short run would weigh as much as a full one."""
    responses = [saved(0, "0"), saved(1, key(1)), saved(1, "0", sample=1)]
    [form] = score_saved(SUITE, responses)
    figures = form.to_json()
    assert (figures["n_problems"], figures["n_missing"], figures["samples"]) == (1, 1, 2)
    assert figures["macro_acc"] == 0.5
    assert score_saved(SUITE, [saved(0, "0"), saved(1, "0", sample=1)]) == ()


def test_repeated_responses_are_counted() -> None:
    """The last one counts, and the number of superseded ones is known."""
    [form] = score_saved(SUITE, [saved(0, "0"), saved(0, key(0))])
    assert (form.repeated, form.to_json()["macro_acc"]) == (1, 1.0)


def test_models_forms_and_styles_are_kept_apart() -> None:
    """Each combination has its own figures."""
    forms = score_saved(
        SUITE,
        [
            saved(0, key(0), model="a"),
            saved(0, "9", model="b"),
            saved(0, key(0), model="a", form="image/original"),
            saved(0, "9", model="a", form="image/beige"),
        ],
    )
    assert [(f.model, str(f.form), f.runs[0].macro) for f in forms] == [
        ("a", "text", 1.0),
        ("b", "text", 0.0),
        ("a", "image/original", 1.0),
        ("a", "image/beige", 0.0),
    ]


def test_a_later_line_replaces_an_earlier_one() -> None:
    """In a file that was appended to, each sample counts once."""
    [form] = score_saved(SUITE, [saved(0, "9"), saved(0, key(0))])
    assert form.runs[0].macro == 1.0


def test_a_copy_of_a_picture_is_not_an_answer() -> None:
    """What a model wrote when it was asked to copy a picture counts nowhere."""
    suite = load_suite("mini")
    task = suite.tasks[0]
    form = Form(Modality.IMAGE)
    answer = SavedResponse(
        "m", RequestId(task.id, form, 0),
        Response(f"<answer>{', '.join(task.key)}</answer>", Finish.STOP, 1, 0.0),
    )  # fmt: skip
    copy = SavedResponse(
        "m", RequestId(task.id, form, 0, transcribes=True), Response("| 1 |", Finish.STOP, 1, 0.0)
    )
    [alone], [both] = score_saved(suite, [answer]), score_saved(suite, [answer, copy])
    assert alone == both
    assert both.to_json()["macro_acc"] == 1.0
