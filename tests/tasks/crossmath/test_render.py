"""Puzzles as pictures."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from pytest_crossmath.errors import OptionError
from pytest_crossmath.tasks.crossmath import render as render_module
from pytest_crossmath.tasks.crossmath.grid import CellKind, Puzzle
from pytest_crossmath.tasks.crossmath.render import (
    STYLES,
    Style,
    load_style,
    register_style,
    render,
)
from pytest_crossmath.tasks.crossmath.table import parse_table
from pytest_crossmath.tasks.suite import load_suite

STYLE = STYLES["original"]
PLAIN = Style(cell=20, font_size=10, border=0)
TABLE = "| 7 | - | ? | = | 250 |\n|   |   | + |   |   |\n| x |   | 1 |   | ÷ |"


def inside(picture: Image.Image, row: int, column: int, style: Style) -> Image.Image:
    """The part of a cell within its borders."""
    left, top = column * style.cell + style.border, row * style.cell + style.border
    reach = style.cell - style.border
    return picture.crop((left, top, left + reach, top + reach))


def drawn(text: str, style: Style = STYLE) -> bytes:
    """The pixels of a single cell."""
    return render(parse_table(f"| {text} |"), style).tobytes()


@pytest.mark.parametrize("style", [STYLE, PLAIN, replace(STYLE, border=5)])
def test_a_picture_has_a_square_for_every_cell(style: Style) -> None:
    """Width and height are the columns and rows in cells, plus one border."""
    picture = render(parse_table(TABLE), style)
    assert picture.mode == "RGB"
    assert picture.size == (5 * style.cell + style.border, 3 * style.cell + style.border)


def test_the_same_puzzle_gives_the_same_pixels() -> None:
    """A picture depends on the puzzle and the style, and on nothing else."""
    puzzle = parse_table(TABLE)
    assert render(puzzle, STYLE).tobytes() == render(puzzle, Style()).tobytes()


def test_a_varied_background_depends_on_its_seed_alone() -> None:
    """Another seed gives another picture only in styles with a varied background."""
    puzzle = parse_table(TABLE)
    for name, style in STYLES.items():
        one, again, other = (render(puzzle, style, seed).tobytes() for seed in ("1", "1", "2"))
        assert one == again
        assert (one != other) == (name == "background")


def test_every_cell_has_the_colour_of_its_kind() -> None:
    """The corners inside a cell show its fill, so no text reaches the border."""
    puzzle = parse_table(TABLE)
    picture = render(puzzle, STYLE)
    for (row, column), cell in puzzle.cells():
        square = inside(picture, row, column, STYLE)
        empty = cell.kind is CellKind.EMPTY
        colour = STYLE.background if empty else STYLE.fill(cell.kind)
        frame = {square.getpixel((0, y)) for y in range(square.height)}
        frame |= {square.getpixel((square.width - 1, y)) for y in range(square.height)}
        if not empty:
            assert frame == {colour}
            assert min(square.convert("L").getextrema()) != square.convert("L").getpixel((0, 0))


def test_a_square_that_is_no_cell_is_left_as_background() -> None:
    """Nothing is drawn where the table is empty, so no such square looks like a blank."""
    picture = render(parse_table("|   |   | 1 |"), STYLE)
    left = picture.crop((0, 0, 2 * STYLE.cell, picture.height))
    assert left.getcolors() == [(left.width * left.height, STYLE.background)]


def test_every_text_looks_different() -> None:
    """All digits and signs have different pixels."""
    texts = [*map(str, range(13)), "?", "+", "-", "×", "÷", "=", "120", "121"]
    assert len({drawn(text) for text in texts}) == len(texts)


def test_a_blank_shows_the_sign_of_the_table() -> None:
    """A blank is drawn as a question mark, unless the style asks for an empty box."""
    bare = replace(STYLE, blank_text="", border=0)
    assert drawn("?", bare) == bytes(STYLE.blank_fill) * bare.cell**2
    assert drawn("?") != drawn("?", replace(STYLE, blank_text=""))


def test_minus_is_as_wide_as_plus() -> None:
    """The hyphen of a table is drawn as the minus sign that it stands for."""

    def width(sign: str) -> int:
        box = Image.frombytes("RGB", (55, 55), drawn(sign, replace(STYLE, border=0)))
        dark = box.convert("L").point(lambda level: 255 * (level < 128)).getbbox()
        assert dark is not None
        return dark[2] - dark[0]

    assert abs(width("-") - width("+")) <= 2


def test_a_font_may_be_a_file_of_the_users() -> None:
    """An absolute path and a path inside a package name the same font."""
    package, _, path = STYLE.font.partition("/")
    absolute = replace(STYLE, font=str(files(package) / path))
    assert drawn("250", absolute) == drawn("250")


def test_a_mirrored_puzzle_is_drawn_mirrored_cell_by_cell() -> None:
    """Every cell looks the same wherever it stands."""
    puzzle: Puzzle = parse_table(TABLE)
    one, two = render(puzzle, STYLE), render(puzzle.transposed(), STYLE)
    for (row, column), _ in puzzle.cells():
        here, there = inside(one, row, column, STYLE), inside(two, column, row, STYLE)
        assert here.tobytes() == there.tobytes()


def test_a_style_of_ones_own() -> None:
    """It is found under its name, and it cannot take the name of a different style."""
    night = replace(STYLE, background=(0, 0, 0))
    register_style("night", night)
    register_style("night", night)
    assert render_module.STYLES["night"] is night
    with pytest.raises(OptionError, match="'night' already exists"):
        register_style("night", STYLE)


def test_the_bundled_pictures_are_what_the_styles_draw() -> None:
    """If a style changed, earlier results would no longer apply to its new pictures."""
    problem = load_suite("standard").tasks[0]
    for name, picture in problem.images.items():
        drawn = render(problem.content, STYLES[name])
        difference = ImageChops.difference(picture.rgb(), drawn)
        # The committed ones have 64 colours, and another release of FreeType may move an edge.
        assert max(high for _, high in difference.getextrema()) < 60  # type: ignore[misc]  # pairs for RGB
        assert max(ImageStat.Stat(difference).mean) < 1


STYLE_FILE = """
cell = 70
ink = "#204060"
border = 3
blank_text = ""
varied_background = true
font = "font_source_serif_pro/files/SourceSerifPro-Bold.ttf"
"""


def test_a_style_from_a_file(tmp_path: Path) -> None:
    """A file names only the fields that differ; colours are written as on the web."""
    (tmp_path / "s.toml").write_text(STYLE_FILE)
    assert load_style(tmp_path / "s.toml") == replace(
        Style(), cell=70, ink=(32, 64, 96), border=3, blank_text="", varied_background=True,
        font="font_source_serif_pro/files/SourceSerifPro-Bold.ttf",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell", "cannot be read"),
        ("cells = 3", "there is no field 'cells'; a style has cell, font_size"),
        ('cell = "3"', "cell must be a number from 0 to 1000"),
        ("varied_background = 1", "varied_background must be true or false"),
        ("cell = true", "cell must be a number from 0 to 1000"),
        ("cell = -1", "cell must be a number from 0 to 1000"),
        ("ink = 3", "ink must be a colour such as '#204060'"),
        ('ink = "inky"', "ink must be a colour"),
        ('font = "none.ttf"', "the font none.ttf cannot be used"),
        ('font = "nothing/none.ttf"', "the font nothing/none.ttf cannot be used"),
    ],
)
def test_a_bad_style_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file, the field and the values it takes."""
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(OptionError, match=re.escape(message)) as caught:
        load_style(tmp_path / "s.toml")
    assert "s.toml" in str(caught.value)


@pytest.mark.parametrize("name", ["all", "a/b", "A", "", "a b"])
def test_a_style_needs_a_usable_name(name: str) -> None:
    """A style's name becomes part of test ids and the name of a folder."""
    with pytest.raises(OptionError, match="must be a word"):
        register_style(name, STYLE)
