"""Backgrounds for pictures to learn from: each picture has one of its own.

>>> draw_background((277, 57), cell=55, border=2, seed="1/learn-0001").size
(277, 57)

A light colour, and by chance a soft gradient, ruled lines, dots or noise. All of it is so faint
that nobody takes it for a sign: what is drawn here, `reader` reads with certainty. The same seed
gives the same pixels in every process and on every machine.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_TEXTURES = ("plain", "gradient", "lines", "dots", "noise")
"""What may be on the colour, each as likely as the others."""
_DARKEST = 205
"""Darkest level of a channel in the colour, of 255."""
_GRADIENT = (8, 24)
"""How far the ends of a gradient are apart in a channel."""
_GRAIN = 3
"""Side of a grain of noise, in pixels."""

Levels = NDArray[np.float64]
"""Red, green and blue of every pixel: height x width x 3."""


def draw_background(size: tuple[int, int], *, cell: int, border: int, seed: str) -> Image.Image:
    """A background drawn from `seed`, RGB; `size` is width and height in pixels.

    `cell` and `border` are those of the style: dots lie where the corners of cells are.
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
    """From the colour to one near it, in any direction."""
    change = np.array([rng.choice((-1, 1)) * rng.randint(*_GRADIENT) for _ in range(3)])
    end = levels[0, 0] + change
    change[(end < _DARKEST) | (end > 255)] *= -1
    height, width, _ = levels.shape
    share = rng.random()
    down, across = np.linspace(0, share, height), np.linspace(0, 1 - share, width)
    if rng.random() < 0.5:
        across = across[::-1]
    levels += (down[:, None] + across)[:, :, None] * change
    # Dithered: else rounding makes bands, and in each square they may look like something else.
    dither = (2 * np.arange(height)[:, None] + np.arange(width)) % 4
    levels += (dither[:, :, None] - 1.5) / 4


def _add_lines(levels: Levels, rng: random.Random) -> None:
    """Ruled or squared paper, whose lines lie anyhow to the cells."""
    tint = np.array([rng.randint(5, 14) for _ in range(3)])
    pitch, thickness = rng.randint(12, 40), rng.randint(1, 2)
    for way in rng.choice([(levels,), (levels.swapaxes(0, 1),), (levels, levels.swapaxes(0, 1))]):
        first = rng.randrange(pitch)
        for line in range(thickness):
            way[(first + line) % pitch :: pitch] -= tint


def _add_dots(levels: Levels, rng: random.Random, cell: int, border: int) -> None:
    """Dotted paper: a dot where corners of cells meet."""
    tint = np.array([rng.randint(15, 45) for _ in range(3)])
    height, width, _ = levels.shape
    for top in range(0, height, cell):
        for left in range(0, width, cell):
            levels[max(0, top - 1) : top + border + 1, max(0, left - 1) : left + border + 1] -= tint


def _add_noise(levels: Levels, rng: random.Random) -> None:
    """Grainy paper. Grains of a single pixel would make a file ten times as large."""
    most = rng.randint(2, 4)
    height, width, _ = levels.shape
    rows, columns = -(-height // _GRAIN), -(-width // _GRAIN)
    # From the generator of Python: another NumPy may draw other numbers.
    drawn = np.frombuffer(rng.randbytes(rows * columns), np.uint8) % (2 * most + 1)
    grains = drawn.reshape(rows, columns).repeat(_GRAIN, axis=0).repeat(_GRAIN, axis=1)
    levels += grains[:height, :width, None].astype(np.float64) - most
