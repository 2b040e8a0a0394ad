"""What a gate may look like, and what is said of one that does not."""

from __future__ import annotations

import pytest

from pytest_crossmath.errors import OptionError
from pytest_crossmath.gating.gates import Gate, Kind, check_gates, parse_gate
from pytest_crossmath.tasks.task import Form


@pytest.mark.parametrize(
    ("kind", "text", "gate"),
    [
        (Kind.FAIL_UNDER, "image:0.5", Gate(Kind.FAIL_UNDER, Form.parse("image"), 0.5)),
        (Kind.FAIL_UNDER, "image+text:50%", Gate(Kind.FAIL_UNDER, Form.parse("image+text"), 0.5)),
        (Kind.FAIL_UNDER, "text:1.0", Gate(Kind.FAIL_UNDER, Form.parse("text"), 1.0)),
        (
            Kind.FAIL_UNDER,
            "image/beige:.25",
            Gate(Kind.FAIL_UNDER, Form.parse("image/beige"), 0.25),
        ),
        (Kind.MAX_GAP, "image:12.5 %", Gate(Kind.MAX_GAP, Form.parse("image"), 0.125)),
        (Kind.COMPARE, "image:0", Gate(Kind.COMPARE, Form.parse("image"), 0.0)),
        (Kind.COMPARE, "gap:image:3%", Gate(Kind.COMPARE, Form.parse("image"), 0.03, of_gap=True)),
    ],
)
def test_accepted(kind: Kind, text: str, gate: Gate) -> None:
    """Fractions and percentages of a form, and of its gap."""
    assert parse_gate(kind, text) == gate


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Kind.FAIL_UNDER, "0.5", "write a form and a limit, such as image:0.5"),
        (Kind.FAIL_UNDER, "imag:0.5", "'imag' is no form; it takes text, image, image"),
        (Kind.FAIL_UNDER, "image:5", "'5' is no limit; write a fraction as 0.05, or 5%"),
        (Kind.FAIL_UNDER, "image:1", "'1' is no limit"),
        (Kind.FAIL_UNDER, "image:101%", "'101%' is no limit"),
        (Kind.FAIL_UNDER, "image:-1%", "'-1%' is no limit"),
        (Kind.FAIL_UNDER, "image:nan", "'nan' is no limit"),
        (Kind.FAIL_UNDER, "image:", "'' is no limit"),
        (Kind.FAIL_UNDER, "gap:image:3%", "'gap:image' is no form"),
        (Kind.FAIL_UNDER, "text/beige:5%", "an image style comes after image/"),
        (Kind.FAIL_UNDER, "image/:5%", "an image style comes after image/"),
        (Kind.MAX_GAP, "text:5%", "the gap is measured to text; name image or image"),
        (Kind.COMPARE, "gap:text:5%", "the gap is measured to text"),
        (Kind.COMPARE, "image", "such as image:5%"),
    ],
)
def test_refused(kind: Kind, text: str, message: str) -> None:
    """The line has the option as it was typed, and what it takes."""
    with pytest.raises(OptionError) as caught:
        parse_gate(kind, text)
    assert str(caught.value).startswith(f"--crossmath-{kind}={text}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["fail-under image:50%", "compare-fail gap:image/beige:2.5%", "max-gap image+text:0%"]
)
def test_a_gate_is_written_as_it_is_read(text: str) -> None:
    """What a table shows can be typed again."""
    kind, _, rest = text.partition(" ")
    assert str(parse_gate(Kind(kind), rest)) == text


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Kind.FAIL_UNDER, "image+text:5%", r"this run does not ask image\+text"),
        (Kind.MAX_GAP, "image:5%", "this run does not ask text"),
        (Kind.COMPARE, "gap:image:5%", "this run does not ask text"),
        (Kind.FAIL_UNDER, "image/sepia:5%", "does not ask style sepia: it asks beige"),
    ],
)
def test_a_gate_on_what_is_not_asked(kind: Kind, text: str, message: str) -> None:
    """Is told before anything runs, since it could never be decided."""
    with pytest.raises(OptionError, match=message):
        check_gates([parse_gate(kind, text)], modalities=["image"], styles=["beige"])


def test_gates_on_what_is_asked_pass() -> None:
    """A gate on one style, and one on all."""
    gates = [parse_gate(Kind.FAIL_UNDER, text) for text in ("image:5%", "image/beige:5%")]
    check_gates(gates, modalities=["image"], styles=["beige"])
