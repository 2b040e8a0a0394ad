"""The reader: from pixels to a grid, exact or in doubt, but never a silent guess."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from pytest_crossmath.tasks.crossmath import backgrounds
from pytest_crossmath.tasks.crossmath.generator import PRESETS, generate_puzzle
from pytest_crossmath.tasks.crossmath.grid import Puzzle
from pytest_crossmath.tasks.crossmath.reader import ALPHABET, read_picture
from pytest_crossmath.tasks.crossmath.render import GLYPHS, STYLES, Style, load_font, render
from pytest_crossmath.tasks.crossmath.table import parse_table
from pytest_crossmath.tasks.suite import bundled_suites, load_suite
from pytest_crossmath.tasks.task import Task


def pictures(every: int) -> Iterator[tuple[Task, str]]:
    """One in so many problems of each bundled suite in every style."""
    for name in bundled_suites():
        for problem in load_suite(name).tasks[::every]:
            for style in problem.images:
                yield problem, style


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.nightly)])
def test_every_bundled_picture_is_read_exactly(every: int) -> None:
    """Each committed picture, read from its pixels alone, is its table's grid, without doubt."""
    wrong = []
    for problem, style in pictures(every):
        reading = read_picture(problem.images[style].rgb())
        if reading.content != problem.content or reading.doubts or reading.ambiguous:
            wrong.append((problem.id, style))
    assert wrong == []


@settings(
    max_examples=min(40, settings().max_examples), suppress_health_check=[HealthCheck.too_slow]
)
@given(seed=st.integers(0, 10**9), difficulty=st.sampled_from(sorted(PRESETS)),
       style=st.sampled_from(sorted(STYLES)))  # fmt: skip
def test_round_trip(seed: int, difficulty: str, style: str) -> None:
    """Any puzzle that is rendered in any style is read back."""
    puzzle = generate_puzzle(PRESETS[difficulty], random.Random(seed))
    reading = read_picture(render(puzzle, STYLES[style], str(seed)))
    assert reading.content == puzzle
    assert not reading.doubts


@pytest.mark.parametrize(
    "change",
    [
        {"cell": 40, "font_size": 20},
        {"cell": 90, "font_size": 44},
        {"border": 1},
        {"border": 4},
        {"ink": (200, 0, 0)},
        {"ink": (255, 255, 255), "number_fill": (0, 0, 0), "operator_fill": (40, 40, 40),
         "blank_fill": (80, 80, 80)},
        {"background": (120, 160, 120)},
    ],
    ids=str,
)  # fmt: skip
def test_a_style_it_never_saw(change: dict[str, object]) -> None:
    """Different sizes, borders and colours are read without any hint."""
    style = replace(STYLES["original"], **change)  # type: ignore[arg-type]  # fields of Style
    puzzle = generate_puzzle(PRESETS["medium"], random.Random(5))
    reading = read_picture(render(puzzle, style))
    assert reading.content == puzzle


@pytest.mark.parametrize("minus", ["-", "\N{MINUS SIGN}", "\N{EN DASH}"])
@pytest.mark.parametrize("font_size", [14, 22, 30])
def test_a_minus_of_any_length_is_read(
    minus: str, font_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hyphen is a short bar, a minus sign a long one."""
    monkeypatch.setitem(GLYPHS, "-", minus)
    puzzle = parse_table("| 9 | - | 3 | = | 6 |\n||||||\n| 8 | ÷ | ? | = | 4 |")
    reading = read_picture(render(puzzle, replace(STYLES["original"], font_size=font_size)))
    assert reading.content == puzzle
    assert not reading.doubts


ENCLOSED = parse_table(
    """
    | 1 | + | 2 | = | 3 |
    | + |   | + |   |   |
    | ? | + | 2 | = | 6 |
    | = |   | = |   |   |
    | 5 |   | 4 |   |   |
    """
)


def test_empty_boxes_are_blanks() -> None:
    """The frame distinguishes blanks drawn as empty boxes from squares that are not cells."""
    style = replace(STYLES["original"], blank_text="")
    reading = read_picture(render(ENCLOSED, style))
    assert reading.content == ENCLOSED
    assert reading.ambiguous == ((1, 1),)


def test_a_marked_blank_leaves_no_ambiguity() -> None:
    """If blanks show ?, an enclosed square without a sign is not a cell."""
    reading = read_picture(render(ENCLOSED, STYLES["original"]))
    assert reading.content == ENCLOSED
    assert reading.ambiguous == ()


def test_a_tinted_box_is_no_ambiguity() -> None:
    """A box with a different fill is a blank wherever it is."""
    style = Style(blank_text="", blank_fill=(255, 230, 230))
    reading = read_picture(render(ENCLOSED, style))
    assert reading.content == ENCLOSED
    assert reading.ambiguous == ()


def test_a_sign_outside_the_alphabet_is_in_doubt() -> None:
    """An unknown sign is reported with its cell, not mistaken for the closest one."""
    puzzle = ENCLOSED.replaced({(0, 1): "&"})
    reading = read_picture(render(puzzle, STYLES["original"]))
    assert reading.doubts[0].position == (0, 1)
    assert reading.certain is None


@pytest.mark.parametrize("style", sorted(STYLES))
def test_no_other_sign_is_taken_for_one_of_the_alphabet(style: str) -> None:
    """Letters and punctuation that resemble digits are in doubt or read as other signs."""
    strangers = set(string.printable.strip()) - set("".join(ALPHABET)) - {"|", "x"}
    taken = [
        (text, reading.content)
        for stranger in sorted(strangers)
        for text in (stranger, f"1{stranger}")
        if (
            reading := read_picture(render(ENCLOSED.replaced({(0, 2): text}), STYLES[style]))
        ).certain
    ]
    assert taken == []


def test_ink_that_is_hardly_there_is_in_doubt() -> None:
    """Neither a pale sign nor a pale note next to a sign is overlooked."""
    puzzle = generate_puzzle(PRESETS["medium"], random.Random(5))
    pale = read_picture(render(puzzle, replace(STYLES["original"], ink=(190, 200, 212))))
    assert pale.certain is None
    picture = render(puzzle, STYLES["original"])
    row, column = puzzle.blanks[0]
    ImageDraw.Draw(picture).text((column * 55 + 6, row * 55 + 6), "14", fill=(217, 217, 217))
    assert read_picture(picture).certain is None


TEXTURES = ["gradient", "lines", "dots", "noise"]
SPARSE = parse_table("| 7 | - | ? | = | 2 |" + "\n|   |   |   |   |   |" * 4)


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("text", ["5", "-", "1", "777", "=", "250"])
def test_a_pale_sign_on_a_texture_is_in_doubt(
    texture: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The texture of a background is distinguished from signs written on it."""
    monkeypatch.setattr(backgrounds, "_TEXTURES", (texture,))
    font = load_font(Style().font, Style().font_size)
    overlooked = []
    for seed in range(4):
        picture = render(SPARSE, STYLES["background"], str(seed))
        assert read_picture(picture).certain == SPARSE
        red, green, blue = picture.getpixel((2 * 55 + 28, 3 * 55 + 28))  # type: ignore[misc]  # RGB
        ImageDraw.Draw(picture).text(
            (2 * 55 + 28, 3 * 55 + 28), text, fill=(red - 20, green - 20, blue - 20), font=font,
            anchor="mm",
        )  # fmt: skip
        if read_picture(picture).certain is not None:
            overlooked.append(seed)
    assert overlooked == []


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_bare_box_on_a_texture_is_in_doubt(texture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A different fill makes it a box, even if the background varies too."""
    monkeypatch.setattr(backgrounds, "_TEXTURES", (texture,))
    for seed in range(4):
        picture = render(SPARSE, STYLES["background"], str(seed))
        ImageDraw.Draw(picture).rectangle((110, 165, 166, 221), fill=(190, 190, 190))
        assert read_picture(picture).certain is None


def test_boxes_in_two_places_are_no_gradient() -> None:
    """Two flat fills far apart are not mistaken for the ramp that would join them."""
    picture = render(SPARSE, STYLES["original"])
    ImageDraw.Draw(picture).rectangle((0, 57, 110, 277), fill=(230, 230, 230))
    ImageDraw.Draw(picture).rectangle((111, 57, 220, 277), fill=(242, 242, 242))
    assert read_picture(picture).certain is None


def test_more_blanks_than_background() -> None:
    """Which of two fills belongs to the blanks follows from where signs need neighbours."""
    style = replace(STYLES["original"], blank_text="", blank_fill=(250, 240, 190), border=0)
    puzzle = parse_table(
        """
        | ? | + | ? | = | ? |
        | + |   | + |   | + |
        | ? | + | ? | = | ? |
        | = |   | = |   | = |
        | ? | + | ? | = | 9 |
        """
    )
    assert read_picture(render(puzzle, style)).certain == puzzle
    invisible = replace(style, blank_fill=style.background)
    assert read_picture(render(puzzle, invisible)).certain is None


@pytest.mark.parametrize("picture", ["noise", "plain", "tiny"])
def test_what_is_no_puzzle_is_in_doubt(picture: str) -> None:
    """A picture of anything else gives neither a certain grid nor an exception."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 220, 3), dtype=np.uint8)
    made = {
        "noise": Image.fromarray(noise),
        "plain": Image.new("RGB", (200, 200), "white"),
        "tiny": Image.new("RGB", (1, 1)),
    }[picture]
    reading = read_picture(made)
    assert reading.doubts or reading.content is None or not _signs(reading.content)


def _signs(puzzle: Puzzle) -> list[str]:
    return [cell.text for _, cell in puzzle.cells() if cell.text]
