"""Renders puzzles as pictures.

>>> from pytest_crossmath.tasks.crossmath.table import parse_table
>>> render(parse_table("| 7 | - | ? | = | 2 |"), STYLES["original"]).size
(277, 57)

Every cell of the grid is a square with sides of `Style.cell` pixels. A square that is not a cell
is left as background, and a blank shows the same ``?`` as the text form, so that neither form
says more than the other.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor, ImageDraw, ImageFont

from pytest_crossmath.errors import OptionError
from pytest_crossmath.files import require_regular_file
from pytest_crossmath.tasks.crossmath.backgrounds import draw_background
from pytest_crossmath.tasks.crossmath.grid import BLANK, Cell, CellKind, Puzzle

# Fonts draw the hyphen that tables use as a very short line; this is the sign it stands for.
GLYPHS = {"-": "\N{MINUS SIGN}"}

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_KINDS = {int: "a number from 0 to 1000", bool: "true or false"}
"""The values that the fields of a style take, in words."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a puzzle looks. Sizes are in pixels."""

    cell: int = 55
    """Side of a cell."""
    font_size: int = 28
    """Size of the digits."""
    font: str = "font_source_sans_pro/files/SourceSansPro-Regular.ttf"
    """A TrueType font: a path, or a file of an installed package as ``package/path``."""
    border: int = 2
    """Width of the lines around each cell; 0 draws none."""
    background: Colour = (255, 255, 255)
    """Colour outside the cells."""
    number_fill: Colour = (222, 235, 247)
    """Colour of cells that hold a number."""
    operator_fill: Colour = (255, 247, 219)
    """Colour of cells that hold an operator or ``=``."""
    blank_fill: Colour = (255, 255, 255)
    """Colour of blanks."""
    ink: Colour = (0, 0, 0)
    """Colour of digits and signs."""
    line: Colour = (0, 0, 0)
    """Colour of borders."""
    blank_text: str = BLANK
    """The text of a blank; an empty string leaves an empty box."""
    varied_background: bool = False
    """Whether each picture has a different background instead, see `backgrounds`."""

    def fill(self, kind: CellKind) -> Colour:
        """Background of a cell of this kind."""
        if kind is CellKind.BLANK:
            return self.blank_fill
        return self.number_fill if kind is CellKind.NUMBER else self.operator_fill


STYLES: dict[str, Style] = {
    "original": Style(),
    "noborder": Style(border=0),
    "beige": Style(
        background=(245, 237, 220),
        number_fill=(214, 226, 233),
        operator_fill=(252, 243, 207),
        blank_fill=(255, 253, 246),
    ),
    "altstyle": Style(
        font="font_source_serif_pro/files/SourceSerifPro-Regular.ttf",
        number_fill=(223, 240, 216),
        operator_fill=(242, 222, 222),
        blank_fill=(255, 255, 255),
        ink=(32, 48, 96),
        line=(110, 110, 130),
    ),
    "background": Style(varied_background=True),
}
"""All styles by name; `register_style` adds one."""


def register_style(name: str, style: Style) -> None:
    """Register a custom style under a name.

    Raises `OptionError` if the name belongs to a different style or cannot be part of test ids
    and the name of a folder.
    """
    if not re.fullmatch(r"[a-z0-9_]+", name) or name == "all":
        raise OptionError(
            f"the image style {name!r} must be a word of a-z, 0-9 and _, other than 'all'"
        )
    if STYLES.setdefault(name, style) != style:
        raise OptionError(f"the image style {name!r} already exists")


def load_style(file: Path) -> Style:
    """Load a style from a TOML file.

    The file sets the fields of `Style` that differ from the default::

        cell = 70
        ink = "#204060"
        font = "MyFont.ttf"            # next to the file

    Raises `OptionError` if the file, a field or a value cannot be used.
    """
    try:
        require_regular_file(file)
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise OptionError(f"the style {file} cannot be read: {error}") from None
    plain = {field.name: getattr(Style(), field.name) for field in fields(Style)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in plain:
            raise OptionError(f"{file}: there is no field {name!r}; a style has {', '.join(plain)}")
        wanted = type(plain[name])
        try:
            values[name] = ImageColor.getrgb(value)[:3] if wanted is tuple else value
        except (ValueError, AttributeError, TypeError):
            raise OptionError(f"{file}: {name} must be a colour such as '#204060'") from None
        if type(values[name]) is not wanted or (wanted is int and not 0 <= value <= 1000):
            kind = _KINDS.get(wanted, "a string")
            raise OptionError(f"{file}: {name} must be {kind}, not {value!r}")
    if (beside := file.parent / values.get("font", "")).is_file():
        values["font"] = str(beside.resolve())
    style = Style(**values)
    try:
        load_font(style.font, style.font_size)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise OptionError(f"{file}: the font {style.font} cannot be used: {error}") from None
    return style


def render(puzzle: Puzzle, style: Style, seed: str = "") -> Image.Image:
    """The picture of a puzzle, RGB.

    Its size is ``columns x cell + border`` by ``rows x cell + border`` pixels. `seed` determines
    a varied background; other styles ignore it.
    """
    size = (puzzle.width * style.cell + style.border, puzzle.height * style.cell + style.border)
    if style.varied_background:
        picture = draw_background(size, cell=style.cell, border=style.border, seed=seed)
    else:
        picture = Image.new("RGB", size, style.background)
    draw = ImageDraw.Draw(picture)
    font = load_font(style.font, style.font_size)
    for (row, column), cell in puzzle.cells():
        if cell.kind is not CellKind.EMPTY:
            _draw_cell(draw, cell, row, column, style, font)
    return picture


def _draw_cell(
    draw: ImageDraw.ImageDraw,
    cell: Cell,
    row: int,
    column: int,
    style: Style,
    font: ImageFont.FreeTypeFont,
) -> None:
    left, top = column * style.cell, row * style.cell
    # Extended by one border, so that neighbours share a line instead of doubling it.
    reach = style.cell + style.border - 1
    draw.rectangle(
        (left, top, left + reach, top + reach),
        fill=style.fill(cell.kind),
        outline=style.line if style.border else None,
        width=style.border,
    )
    text = style.blank_text if cell.kind is CellKind.BLANK else GLYPHS.get(cell.text, cell.text)
    middle = (style.cell + style.border) / 2
    draw.text((left + middle, top + middle), text, fill=style.ink, font=font, anchor="mm")


@cache
def load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """The font of a style, see `Style.font`; `size` is in pixels."""
    if Path(name).is_absolute():
        return ImageFont.truetype(name, size)
    package, _, path = name.partition("/")
    return ImageFont.truetype(str(files(package) / path), size)
