"""What a gate may look like, and what is said of one that does not."""

from __future__ import annotations

import pytest

from pytest_crossmath.errors import OptionError
from pytest_crossmath.gating.gate import Gate
from pytest_crossmath.gating.gates import check_gates, parse_gate, parse_shown
from pytest_crossmath.gating.kinds import Drop, Gap, Growth, Share
from pytest_crossmath.tasks.task import Form

FORMS = {"crossmath": {Form.parse("image/beige")}, "charts": {Form.parse("image")}}
"""Forms of a suite, by family."""


@pytest.mark.parametrize(
    ("option", "text", "gate"),
    [
        ("fail-under", "image:0.5", Share(Form.parse("image"), 0.5)),
        ("fail-under", "image+text:50%", Share(Form.parse("image+text"), 0.5)),
        ("fail-under", "text:1.0", Share(Form.parse("text"), 1.0)),
        ("fail-under", "image/beige:.25", Share(Form.parse("image/beige"), 0.25)),
        ("fail-under", "image@charts:50%", Share(Form.parse("image"), 0.5, "charts")),
        (
            "fail-under",
            "image/original+jpeg:30+blur:1.5@charts:50%",
            Share(Form.parse("image/original+jpeg:30+blur:1.5"), 0.5, "charts"),
        ),
        ("max-gap", "image:12.5 %", Gap(Form.parse("image"), 0.125)),
        ("compare-fail", "image:0", Drop(Form.parse("image"), 0.0)),
        ("compare-fail", "gap:image:3%", Growth(Form.parse("image"), 0.03)),
        (
            "compare-fail",
            "gap:image/beige@graphs:3%",
            Growth(Form.parse("image/beige"), 0.03, "graphs"),
        ),
    ],
)
def test_accepted(option: str, text: str, gate: Gate) -> None:
    """Percentages and fractions of a form, of its gap, and of one family."""
    assert parse_gate(option, text) == gate


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("fail-under", "0.5", "write a form and a limit, such as image:50%"),
        ("fail-under", "imag:0.5", "'imag' is not a form; use one of text, image, image"),
        ("fail-under", "image:5", "'5' is not a limit; write a percentage, such as 5%"),
        ("fail-under", "image:1", "'1' is not a limit"),
        ("fail-under", "image:101%", "'101%' is not a limit"),
        ("fail-under", "image:-1%", "'-1%' is not a limit"),
        ("fail-under", "image:nan", "'nan' is not a limit"),
        ("fail-under", "image:", "'' is not a limit"),
        ("fail-under", "gap:image:3%", "'gap:image' is not a form"),
        ("fail-under", "text/beige:5%", "an image style comes after image/"),
        ("fail-under", "image/:5%", "an image style comes after image/"),
        ("max-gap", "text:5%", "a gap is measured against text; write image or image"),
        ("compare-fail", "gap:text:5%", "a gap is measured against text"),
        ("compare-fail", "image", "such as image:5% or gap:image:3%"),
        ("compare-fail", "gap:image", "such as image:5% or gap:image:3%"),
        ("fail-under", "image@:5%", "write a family of problems after the @"),
    ],
)
def test_refused(kind: str, text: str, message: str) -> None:
    """The line has the option as it was typed, and what it takes."""
    with pytest.raises(OptionError) as caught:
        parse_gate(kind, text)
    assert str(caught.value).startswith(f"--crossmath-{kind}={text}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "fail-under image:50%",
        "compare-fail gap:image/beige:2.5%",
        "max-gap image+text:0%",
        "fail-under image/original+jpeg:30@charts:12.5%",
    ],
)
def test_a_gate_is_written_as_it_is_read(text: str) -> None:
    """What a table shows can be typed again."""
    assert str(parse_shown(text)) == text


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("fail-under", "image+text:5%", r"this run does not include image\+text"),
        ("max-gap", "image:5%", "this run does not include text"),
        ("compare-fail", "gap:image:5%", "this run does not include text"),
        ("fail-under", "image/sepia:5%", "does not include style sepia: its styles are beige"),
        (
            "fail-under",
            "image@mazes:5%",
            "does not include family mazes: its families are crossmath, charts",
        ),
        ("fail-under", "image/beige@charts:5%", "the suite has no image/beige of family charts"),
    ],
)
def test_a_gate_on_what_is_not_asked(option: str, text: str, message: str) -> None:
    """Is refused before anything runs, since it could never be decided."""
    with pytest.raises(OptionError, match=message) as caught:
        check_gates([parse_gate(option, text)], modalities=["image"], styles=["beige"], forms=FORMS)
    assert str(caught.value).startswith(f"--crossmath-{option}={text}: ")


def test_gates_on_what_is_asked_pass() -> None:
    """A gate on one style, one on all, and one on a family."""
    texts = ("image:5%", "image/beige:5%", "image@charts:5%")
    gates = [parse_gate("fail-under", text) for text in texts]
    check_gates(gates, modalities=["image"], styles=["beige"], forms=FORMS)
