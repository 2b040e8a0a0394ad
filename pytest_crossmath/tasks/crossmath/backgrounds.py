"""Varied backgrounds for training pictures: a different one for each picture.

>>> draw_background((277, 57), cell=55, border=2, seed="1/learn-0001").size
(277, 57)

A background is a light colour, with either nothing else or a soft gradient, ruled lines, dots or
noise. All of these are too faint to be mistaken for a sign: `reader` reads every picture on such
a background with certainty. The same seed gives the same pixels in every process and on every
machine.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_TEXTURES = ("plain", "gradient", "lines", "dots", "noise")
"""Textures on top of the colour, all equally likely."""
_DARKEST = 205
"""Darkest level of a channel in the colour, out of 255."""
_GRADIENT = (8, 24)
"""Range of the difference between the ends of a gradient, per channel."""
_GRAIN = 3
"""Side of a grain of noise, in pixels."""

Levels = NDArray[np.float64]
"""Red, green and blue of every pixel, shaped height x width x 3."""


def draw_background(size: tuple[int, int], *, cell: int, border: int, seed: str) -> Image.Image:
    """A background in RGB, determined by `seed`; `size` is width and height in pixels.

    `cell` and `border` are those of the style: dots are placed at the corners of cells.
    """
    rng = random.Random(seed)
    width, height = size
    levels = np.empty((height, width, 3))
    levels[:] = _colour(rng)
    match rng.choice(_TEXTURES):
        case "gradient":
            _add_gradient(levels, rng)
        case "lines":
            _add_lines(levels, rng)
        case "dots":
            _add_dots(levels, rng, cell, border)
        case "noise":
            _add_noise(levels, rng)
    return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))


def _colour(rng: random.Random) -> list[int]:
    return [rng.randint(_DARKEST, 255) for _ in range(3)]


def _add_gradient(levels: Levels, rng: random.Random) -> None:
    """Add a gradient from the colour to a similar one, in any direction."""
    change = np.array([rng.choice((-1, 1)) * rng.randint(*_GRADIENT) for _ in range(3)])
    end = levels[0, 0] + change
    change[(end < _DARKEST) | (end > 255)] *= -1
    height, width, _ = levels.shape
    share = rng.random()
    down, across = np.linspace(0, share, height), np.linspace(0, 1 - share, width)
    if rng.random() < 0.5:
        across = across[::-1]
    levels += (down[:, None] + across)[:, :, None] * change
    # Without dithering, rounding makes bands, which the reader could take for fills of squares.
    dither = (2 * np.arange(height)[:, None] + np.arange(width)) % 4
    levels += (dither[:, :, None] - 1.5) / 4


def _add_lines(levels: Levels, rng: random.Random) -> None:
    """Add the lines of ruled or squared paper, not aligned with the cells."""
    tint = np.array([rng.randint(5, 14) for _ in range(3)])
    pitch, thickness = rng.randint(12, 40), rng.randint(1, 2)
    for way in rng.choice([(levels,), (levels.swapaxes(0, 1),), (levels, levels.swapaxes(0, 1))]):
        first = rng.randrange(pitch)
        for line in range(thickness):
            way[(first + line) % pitch :: pitch] -= tint


def _add_dots(levels: Levels, rng: random.Random, cell: int, border: int) -> None:
    """Add the dots of dotted paper, at the corners where cells meet."""
    tint = np.array([rng.randint(15, 45) for _ in range(3)])
    height, width, _ = levels.shape
    for top in range(0, height, cell):
        for left in range(0, width, cell):
            levels[max(0, top - 1) : top + border + 1, max(0, left - 1) : left + border + 1] -= tint


def _add_noise(levels: Levels, rng: random.Random) -> None:
    """Add the grain of paper. Grains of a single pixel would make files ten times as large."""
    most = rng.randint(2, 4)
    height, width, _ = levels.shape
    rows, columns = -(-height // _GRAIN), -(-width // _GRAIN)
    # From Python's generator: another version of NumPy may draw different numbers.
    drawn = np.frombuffer(rng.randbytes(rows * columns), np.uint8) % (2 * most + 1)
    grains = drawn.reshape(rows, columns).repeat(_GRAIN, axis=0).repeat(_GRAIN, axis=1)
    levels += grains[:height, :width, None].astype(np.float64) - most
