"""From pixels to grid: reads a picture of a puzzle without knowing its style.

Given only the image, the reader finds the side length of a cell, distinguishes cells from
background, and recognises every glyph by comparing its shape with an alphabet drawn in several
typefaces. It never uses the colours, borders and fonts of a style::

    reading = read_picture(Image.open("mini-0001.png"))
    if reading.doubts:
        ...                      # what could not be read with certainty
    else:
        puzzle = reading.content

It exists to prove that a picture and a table show the same puzzle, and to read pictures for
the `reference` model.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from pytest_crossmath.tasks.crossmath.grid import (
    BLANK,
    EQUALS,
    OPERATORS,
    Cell,
    Position,
    Puzzle,
    at,
)
from pytest_crossmath.tasks.crossmath.render import GLYPHS, load_font
from pytest_crossmath.tasks.decoder import flattened
from pytest_crossmath.tasks.proof import Reading

ALPHABET = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", *OPERATORS, EQUALS, BLANK)
"""Every sign that can appear in a cell."""

_TYPEFACES = (
    "font_source_sans_pro/files/SourceSansPro-Regular.ttf",
    "font_source_sans_pro/files/SourceSansPro-Bold.ttf",
    "font_source_serif_pro/files/SourceSerifPro-Regular.ttf",
    "font_source_serif_pro/files/SourceSerifPro-Bold.ttf",
)
_SIZES = (16, 28)
_SIGN_OF = {drawn: sign for sign, drawn in GLYPHS.items()}
"""Maps typographic signs to plain ones; a minus may also be drawn as a hyphen."""
_STRANGERS = string.ascii_letters + "&$@#!*/\\;:~^<>()[]{}|"
"""Signs outside the alphabet, which must not be mistaken for one in it."""
_OFF_CENTRE = 0.15
"""A bar farther than this from the middle of its cell, as a share of it, is not a minus."""
_SMALLEST_CELL, _LARGEST_BORDER = 16, 6
_BOX = 24
"""Side of the square to which a glyph is scaled before comparison."""
_NOISE = 8
"""Difference, out of 255, that a small palette may cause within a single colour."""
_ROUNDING = 1.5
"""Largest distance, out of 255, between a ramp and the colour of a pixel on it."""
_FAINT = 40
"""Difference, out of 255, below which the reader treats two colours as the same."""
_INK = 0.4
"""Share of the strongest contrast in a cell above which a pixel counts as ink."""
_SURE, _AHEAD = 0.42, 0.88
"""A glyph is certain if its distance is below `_SURE`, and below `_AHEAD` times the next best."""

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something in a picture that could not be read with certainty."""

    position: Position | None
    """The cell, or None for the whole picture."""
    detail: str
    """What is unclear."""

    def __str__(self) -> str:
        return f"{at(self.position)}: {self.detail}" if self.position else self.detail


@dataclass(frozen=True, slots=True)
class GridReading(Reading):
    """What a picture shows: the grid, or None if no grid was found."""

    content: Puzzle | None
    doubts: tuple[Doubt, ...] = ()
    ambiguous: tuple[Position, ...] = ()
    """Squares without a sign that may be an empty box, or not a cell at all."""

    @property
    def certain(self) -> Puzzle | None:
        """The grid if none of it is in doubt, else None."""
        return None if self.doubts or self.ambiguous else self.content


def read_picture(picture: Image.Image) -> GridReading:
    """Read a picture of a puzzle. Raises `ValueError` for one that cannot be shown."""
    pixels = np.asarray(flattened(picture)[0], dtype=np.float32)
    lattice = _find_lattice(pixels)
    if lattice is None:
        return GridReading(None, (Doubt(None, "no grid of equal cells was found"),), ())
    cell, border = lattice
    height, width = (pixels.shape[0] - border) // cell, (pixels.shape[1] - border) // cell
    squares = {
        (r, c): _square(pixels, r, c, cell, border) for r in range(height) for c in range(width)
    }
    texts: dict[Position, str] = {}
    doubts: list[Doubt] = []
    for position, square in squares.items():
        texts[position], sure = _read_alike(square.astype(np.uint8).tobytes(), square.shape)
        if not sure:
            doubts.append(Doubt(position, f"the sign looks most like {texts[position]!r}"))
    boxes, ambiguous = _empty_boxes(pixels, texts, cell, border)
    if BLANK in texts.values():
        # If blanks are drawn as a sign, a square framed only by its neighbours is not a cell. One
        # with its own fill or frame should not be there.
        doubts += [Doubt(p, "an empty box, though blanks are marked") for p in boxes]
        ambiguous = ()
    else:
        texts.update(dict.fromkeys(boxes, BLANK))
    rows = tuple(tuple(Cell(texts[r, c]) for c in range(width)) for r in range(height))
    puzzle = Puzzle(rows)
    if not ambiguous:
        doubts += [Doubt(p, "the sign is not part of any equation") for p in puzzle.strays]
    return GridReading(puzzle, tuple(doubts), ambiguous)


def _find_lattice(pixels: Pixels) -> tuple[int, int] | None:
    """Side of a cell and width of the border: the smallest side whose lines do not cut any sign."""
    height, width = pixels.shape[:2]
    for cell in range(_SMALLEST_CELL, min(height, width) + 1):
        for border in range(_LARGEST_BORDER + 1):
            fits = (height - border) % cell == 0 == (width - border) % cell
            if fits and all(
                _edges_are_plain(p, cell, border) for p in (pixels, pixels.swapaxes(0, 1))
            ):
                return cell, border
    return None


def _edges_are_plain(pixels: Pixels, cell: int, border: int) -> bool:
    """Whether the first and last row of pixels inside every cell's border have one colour each."""
    columns = (pixels.shape[1] - border) // cell
    for top in range(0, pixels.shape[0] - border, cell):
        for line in (pixels[top + border + 1], pixels[top + cell - 2]):
            inner = line[border : border + columns * cell].reshape(columns, cell, 3)
            inner = inner[:, 2 : cell - border - 2]
            if np.ptp(inner, axis=1).max() > 24:
                return False
    return True


def _square(pixels: Pixels, row: int, column: int, cell: int, border: int) -> Pixels:
    """The inside of a cell, clear of its borders, which may be wider than the outer one."""
    margin = max(2, round(0.06 * cell))
    top, left = row * cell + border + margin, column * cell + border + margin
    size = cell - border - 2 * margin
    return pixels[top : top + size, left : left + size]


# Cached, as signs occur in many cells, and most squares are plain.
@lru_cache(maxsize=1024)
def _read_alike(pixels: bytes, shape: tuple[int, ...]) -> tuple[str, bool]:
    """The result of `_read_square` for a square with these pixels."""
    return _read_square(np.frombuffer(pixels, np.uint8).reshape(shape).astype(np.float32))


def _read_square(square: Pixels) -> tuple[str, bool]:
    """The text in a square, and whether all its signs are certain."""
    strongest = np.abs(square - square[0, 0]).max()
    if strongest < _FAINT:
        return "", _is_even(square)
    fill = np.median(square.reshape(-1, 3), axis=0)
    contrast = np.abs(square - fill).max(axis=2)
    ink = contrast / contrast.max()
    # Anything fainter than ink that is not the soft edge of a sign may be unread text.
    near_ink = ndimage.binary_dilation(ink > _INK, iterations=2)
    signs, certain = "", not (contrast[~near_ink] > 2 * _NOISE).any()
    for glyph, middle in _glyphs(ink):
        sign, sure = _classify_whole(glyph)
        signs += sign
        # A bar below the middle is an underscore.
        certain &= sure and (sign != "-" or abs(middle - 0.5) < _OFF_CENTRE)
    return signs, certain


def _is_even(square: Pixels) -> bool:
    """Whether a square is plain, except for lines from edge to edge, which are not signs."""
    if np.abs(square - np.median(square, axis=(0, 1))).max() < _NOISE:
        return True
    rest = square - np.median(square, axis=0)
    rest -= np.median(rest, axis=1, keepdims=True)
    return bool(np.abs(rest).max() < _NOISE)


def _glyphs(ink: Pixels) -> Iterator[tuple[Pixels, float]]:
    """The signs from left to right, each with the height of its middle, from 0 (top) to 1.

    Parts above each other, as in ``=``, form one sign.
    """
    labels, _ = ndimage.label(ink > _INK, structure=np.ones((3, 3)))
    spans: list[tuple[int, int]] = []
    for _, columns in sorted(ndimage.find_objects(labels), key=lambda s: s[1].start):
        left, right = columns.start, columns.stop
        if spans and spans[-1][1] - left > min(right - left, spans[-1][1] - spans[-1][0]) / 2:
            spans[-1] = (spans[-1][0], max(spans[-1][1], right))
        else:
            spans.append((left, right))
    for left, right in spans:
        part = ink[:, left:right]
        rows_with_ink = np.flatnonzero((part > _INK).any(axis=1))
        top, bottom = int(rows_with_ink[0]), int(rows_with_ink[-1]) + 1
        yield part[top:bottom], (top + bottom) / 2 / ink.shape[0]


def _classify_whole(glyph: Pixels) -> tuple[str, bool]:
    """The sign that a piece of ink shows, or both signs where two digits touch."""
    sign, sure = _classify(glyph)
    height, width = glyph.shape
    if not sure and width > 0.8 * height:
        first, last = width // 3, width - width // 3
        cut = first + int(glyph[:, first:last].sum(axis=0).argmin())
        pieces = [_classify(glyph[:, :cut]), _classify(glyph[:, cut:])]
        if all(piece_is_sure for _, piece_is_sure in pieces):
            return "".join(piece for piece, _ in pieces), True
    return sign, sure


def _classify(glyph: Pixels) -> tuple[str, bool]:
    """The sign closest to a glyph, and whether it is certain.

    Bars and dots look alike in any typeface and size: a minus is a bar, and a division sign
    is a bar between two dots. Other signs are compared with those of the same number of parts.
    """
    parts = _parts(glyph)
    if len(parts) == 1 and _is_bar(parts[0]):
        return "-", True
    # In small or bold type the dots run into the bar, and only the darkest ink is separate.
    if any(_is_division(_parts(glyph, ink)) for ink in (_INK, 0.6, 0.75, 0.9)):
        return "÷", True
    known = _known_signs().get(len(parts))
    if known is None:
        return "", False
    distances = known.distances(_boxed(glyph))
    ours = np.flatnonzero(known.are_ours)
    if not ours.size:
        return "", False
    nearest = ours[distances[ours].argmin()]
    near = float(distances[nearest])
    rival = float(distances[ours[ours != nearest]].min(initial=np.inf))
    # Some letters resemble digits of another typeface: it is enough that they are farther.
    stranger = float(distances[~known.are_ours].min(initial=np.inf))
    return known.signs[nearest], near < _SURE and near < _AHEAD * rival and near < stranger


def _is_bar(part: Pixels) -> bool:
    """Whether a piece of ink is a solid horizontal bar, as short as a hyphen or longer."""
    height, width = part.shape
    return width >= 1.5 * height and bool((part > _INK).mean() > 0.9)


def _is_division(parts: Sequence[Pixels]) -> bool:
    """Whether these pieces are a bar between two dots."""
    if len(parts) != 3 or not _is_bar(parts[1]):
        return False
    dot, bar, other = (part.shape[1] for part in parts)
    return bool(bar >= 2 * max(dot, other))


def _parts(glyph: Pixels, least: float = _INK) -> list[Pixels]:
    """The separate pieces of ink, from top to bottom."""
    labels, _ = ndimage.label(glyph > least, structure=np.ones((3, 3)))
    return [glyph[where] for where in ndimage.find_objects(labels)]


def _boxed(glyph: Pixels) -> Pixels:
    """A glyph scaled to fit the box, with its proportions kept, and slightly blurred."""
    height, width = glyph.shape
    scale = (_BOX - 4) / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    scaled = Image.fromarray((np.clip(glyph, 0, 1) * 255).astype(np.uint8)).resize(
        size, Image.Resampling.BILINEAR
    )
    box = Image.new("L", (_BOX, _BOX))
    box.paste(scaled, ((_BOX - size[0]) // 2, (_BOX - size[1]) // 2))
    blurred: Any = ndimage.gaussian_filter(np.asarray(box, dtype=np.float32) / 255, 0.7)
    return np.asarray(blurred, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _KnownSigns:
    """Signs with the same number of parts, and the shapes of each in the typefaces."""

    signs: tuple[str, ...]
    """The distinct signs."""
    are_ours: Mask
    """For each sign, whether it is in the alphabet."""
    starts: NDArray[np.intp]
    """Where the shapes of each sign begin."""
    shapes: Pixels
    """All shapes, sign by sign, each as a row of `_BOX` x `_BOX` pixels."""
    squares: Pixels
    """The sum of squares of each shape."""

    def distances(self, shape: Pixels) -> Pixels:
        """Distances from a shape to the nearest one of each sign, relative to the shape's norm."""
        row = shape.ravel()
        own = row @ row
        # |a - b|² as |a|² + |b|² - 2ab, which takes one matrix product for all shapes.
        apart = (self.squares + own - 2 * (self.shapes @ row)).clip(min=0)
        nearest: Pixels = np.sqrt(np.minimum.reduceat(apart, self.starts) / own)
        return nearest


@cache
def _known_signs() -> Mapping[int, _KnownSigns]:
    """The known signs, grouped by the number of their separate parts."""
    known: dict[int, dict[str, list[Pixels]]] = {}
    for font, signs in _drawn_signs():
        for sign in signs:
            canvas = Image.new("L", (60, 60))
            ImageDraw.Draw(canvas).text((30, 30), sign, fill=255, font=font, anchor="mm")
            # A sign outside the alphabet may consist of several pieces, none of which is a sign.
            for glyph, _ in _glyphs(np.asarray(canvas, dtype=np.float32) / np.float32(255)):
                alike = known.setdefault(len(_parts(glyph)), {})
                alike.setdefault(_SIGN_OF.get(sign, sign), []).append(_boxed(glyph).ravel())
    return {parts: _stacked(by_sign) for parts, by_sign in known.items()}


def _stacked(by_sign: Mapping[str, Sequence[Pixels]]) -> _KnownSigns:
    counts = [len(shapes) for shapes in by_sign.values()]
    shapes = np.stack([shape for shapes in by_sign.values() for shape in shapes])
    return _KnownSigns(
        tuple(by_sign),
        np.array([sign in ALPHABET for sign in by_sign]),
        np.cumsum([0, *counts[:-1]]),
        shapes,
        (shapes**2).sum(axis=1),
    )


def _drawn_signs() -> Iterator[tuple[Any, str]]:
    """Fonts, and the signs to draw in each. Thin strokes look different at small sizes."""
    everything = "".join(ALPHABET) + "".join(_SIGN_OF) + _STRANGERS
    for size in _SIZES:
        for typeface in _TYPEFACES:
            yield load_font(typeface, size), everything
        yield ImageFont.load_default(size), "0123456789+-=?" + _STRANGERS


def _empty_boxes(
    pixels: Pixels, texts: dict[Position, str], cell: int, border: int
) -> tuple[tuple[Position, ...], tuple[Position, ...]]:
    """Squares without a sign that are boxes, and those that may or may not be.

    If some have a different fill, those are the boxes. Otherwise lines on all four sides
    make a box, unless each of the lines may belong to a neighbour.
    """
    empty = [position for position, text in texts.items() if not text]
    if not empty:
        return (), ()
    squares = {p: _square(pixels, *p, cell, border) for p in empty}
    fills = {p: np.median(square.reshape(-1, 3), axis=0) for p, square in squares.items()}
    other = _of_another_fill(fills)
    if other:
        ramp = cell * _ramp(np.stack(list(squares.values())))
        level = {p: fill - p[0] * ramp[0] - p[1] * ramp[1] for p, fill in fills.items()}
        other = _of_another_fill(level)
    if other:
        if BLANK in texts.values():
            # Blanks are marked by a sign, so none of these is one, and none may look like one.
            return other, ()
        same = tuple(p for p in empty if p not in other)
        # Either blanks or background may be more frequent: the right choice leaves fewer strays.
        loose = [len(_with_blanks(texts, boxes).strays) for boxes in (other, same)]
        if loose[0] == loose[1]:
            return (), tuple(empty)
        return (other if loose[0] < loose[1] else same), ()
    framed = [p for p, fill in fills.items() if _is_framed(pixels, *p, cell, fill)]
    ambiguous = [
        (r, c)
        for r, c in framed
        if all(texts.get(p) for p in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)))
    ]
    return tuple(p for p in framed if p not in ambiguous), tuple(ambiguous)


def _with_blanks(texts: Mapping[Position, str], boxes: Collection[Position]) -> Puzzle:
    """The grid, assuming that these squares are blanks."""
    height, width = (max(axis) + 1 for axis in zip(*texts, strict=True))
    return Puzzle(
        tuple(
            tuple(Cell(BLANK if (r, c) in boxes else texts[r, c]) for c in range(width))
            for r in range(height)
        )
    )


def _is_framed(pixels: Pixels, row: int, column: int, cell: int, fill: Pixels) -> bool:
    """Whether a line runs along each of the four sides of a square."""
    height, width = pixels.shape[:2]
    y, x = row * cell + cell // 2, column * cell + cell // 2
    for edge in (row * cell, (row + 1) * cell):
        across = pixels[max(0, edge - 3) : min(height, edge + 4), x]
        if np.abs(across - fill).max() < _FAINT:
            return False
    for edge in (column * cell, (column + 1) * cell):
        across = pixels[y, max(0, edge - 3) : min(width, edge + 4)]
        if np.abs(across - fill).max() < _FAINT:
            return False
    return True


def _of_another_fill(fills: Mapping[Position, Pixels]) -> tuple[Position, ...]:
    """The squares whose fill is not the most common one."""
    commonest = _commonest(list(fills.values()))
    return tuple(p for p, fill in fills.items() if np.abs(fill - commonest).max() > 4)


def _ramp(squares: Pixels) -> Pixels:
    """Change of colour from one pixel to the next, downwards and to the right; 2 x 3.

    It is the ramp visible inside every square, or zero if any square shows something else: a
    box on a gradient has a flat fill, so the gradient is not subtracted from it.
    """
    size = squares.shape[1]
    place = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    inside = squares - squares.mean(axis=(1, 2), keepdims=True)
    mean = inside.mean(axis=0)
    ramp: Pixels = np.stack([place @ mean.mean(axis=1), place @ mean.mean(axis=0)])
    ramp /= place @ place
    inside -= place[:, None, None] * ramp[0] + place[:, None] * ramp[1]
    return ramp if np.abs(inside).max() < _ROUNDING else np.zeros_like(ramp)


def _commonest(colours: list[Pixels]) -> Pixels:
    values, counts = np.unique(np.stack(colours).round(), axis=0, return_counts=True)
    return np.asarray(values[counts.argmax()], dtype=np.float32)
