"""Comparing answers as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.tasks.questions.values import (
    LONGEST,
    holds_number,
    is_number,
    normalised,
    same_text,
    same_value,
)

SAME = [
    ("14", "14.0"), ("14 cm", "14"), ("14cm", "14"), ("14 square meters", "14"), ("7 m/s", "7"),
    ("x = 14", "14"), ("AB=5 cm", "5"), ("√205 ≈ 14.32", "14.318"), ("2x = 4", "4"),
    ("1,234", "1234"), ("$6,000", "6000"), ("6.0e3", "6000"), ("−3", "-3"),
    ("\\frac{1}{2}", "0.5"), ("\\dfrac12", "1/2"), ("1 1/2", "1.5"), ("-\\frac{3}{4}", "-0.75"),
    ("2\\sqrt{3}", "3.46"), ("2√3", "2\\sqrt3"), ("\\frac{\\sqrt{3}}{2}", "√3/2"),
    ("5\\pi", "15.71"), ("5 pi cm^2", "5π"), ("2+\\sqrt{3}", "3.732"), ("(1+2)*3", "9"),
    ("120^\\circ", "120"), ("120°", "120 degrees"), ("\\(60^{\\circ}\\)", "60"),
    ("50%", "0.5"), ("50", "50%"), ("50\\%", "50%"), ("0.67", "2/3"), ("66.67%", "2/3"),
    ("904.78", "Volume $=904.78 \\mathrm{~cm}^{3}$"), ("56.55", "56.55 units $^{3}$"),
    ("63.3 g", "Weight $=63.3 \\mathrm{~g}$"), ("15*\\degree", "15"),
    ("5 \\times 10^{3}", "5000"), ("5 x 10^3 m", "5000"), ("2^3", "8"), ("-2^2", "-4"),
    ("2^{-1}", "0.5"), ("5 kΩ", "5"), ("5 mol/L", "5"), ("the value of x is 14", "14"),
    ("a total of 14", "14"), ("It's 14 apples", "14"), ("Eight (8)", "8"),
    ("about 14 apples", "14"), ("\\text{14 cm}", "14"), ("\\boxed{3}"[7:-1], "3"),
]  # fmt: skip
DIFFERENT = [
    ("3", "4"), ("14.3", "14.318"), ("14.32", "14.3"), ("14.32", "14"), ("0.00", "0.001"),
    ("0.66", "2/3"), ("2-3", "-1"), ("(3,4)", "3"), ("3, 4", "3"), ("2 or 3", "3"), ("", "0"),
    ("2x+1", "3"), ("1/0", "0"), ("1e400", "1"), ("x", "1"), ("50%", "50.5"), ("5", "-5"),
    ("not 3", "3"), ("x is not 3", "3"), ("x > 3", "3"), ("x >= 3", "3"), ("x != 3", "3"),
    ("x =/= 3", "3"), ("x ≥ 3", "3"), ("x \\ge 3", "3"), ("x \\neq 3", "3"), ("±3", "3"),
    ("\\pm 3", "3"), ("at least 3", "3"), ("less than 3", "3"), ("negative 3", "3"),
    ("minus 3", "3"), ("one half of 3", "3"),
    ("log 3", "3"), ("\\sin 3", "3"), ("square root of 3", "3"), ("3 squared", "3"),
    ("3 million", "3"), ("3 dozen", "3"), ("x + 3", "3"), ("3 - x", "3"), ("x/3", "3"),
    ("3 / x", "3"),
    ("y = x + 3", "3"), ("y = 3 x", "3"), ("\\frac{x}{3}", "3"), ("x^{3}", "3"), ("x ^ 3", "3"),
    ("x = 5, y = 3", "3"), ("x = 5 or x = 3", "3"), ("AB is 5 and BC is 3", "3"), ("step 3", "3"),
    ("Figure 3", "3"), ("(a) 3", "3"), ("3 cm and x", "3"), ("5 x 10^3", "5"), ("2^3", "3"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_number(one: str, other: str) -> None:
    """A number is recognised in any notation."""
    assert same_value(one, other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_not_the_same_number(one: str, other: str) -> None:
    """A decimal with one place is exact, and several numbers are not a number."""
    assert not same_value(one, other)


@pytest.mark.parametrize("text", ["2x + 1", "y = 2x + 1", "(3, 4)", "2-3", "2h", "A", "[1, 2]", ""])
def test_no_number(text: str) -> None:
    """An answer without a number is compared as text."""
    assert not is_number(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Hubble  telescope.", "hubble telescope"),
        ("y = 2x + 1", "$y=2x+1$"),
        ("\\text{isosceles}", "Isosceles"),
        ("(3, 4)", "(3,4)"),
        ("**parallel**", "parallel"),
    ],
)
def test_the_same_text(one: str, other: str) -> None:
    """Case, articles, spaces and LaTeX markup make no difference."""
    assert same_text(one, other)


def test_an_article_alone_is_an_answer() -> None:
    """A variable may have the name of an article."""
    assert normalised("a") == "a"
    assert not same_text("a = 3", "b = 3")


@given(st.text(max_size=2 * LONGEST))
def test_any_text_is_looked_at(text: str) -> None:
    """Any text is compared without an error, and equals itself."""
    holds_number(text)
    assert same_text(text, text)
    if is_number(text):
        assert same_value(text, text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 290,
        "√" * 299,
        "-" * 299,
        "\\frac{" * 50,
        "1/" * 140,
        "π" * 300,
        "9" + "^9" * 140,
        "9^9^9^9",
        "2^(" * 90,
        "is = " * 60,
    ],
)
def test_deep_expressions_are_refused_or_read(text: str) -> None:
    """Deeply nested expressions never overflow the stack."""
    assert isinstance(is_number(text), bool)


@given(st.integers(-(10**9), 10**9), st.integers(1, 999))
def test_fractions_and_decimals_agree(top: int, bottom: int) -> None:
    """A fraction equals its decimal if that has enough places."""
    assert same_value(f"\\frac{{{top}}}{{{bottom}}}", f"{top / bottom:.12f}")
