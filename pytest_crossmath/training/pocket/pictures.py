"""Training pictures, varied in looks and position.

A vision tower that has only ever seen clean pictures in one position fails when
they move by a single pixel.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from pytest_crossmath.tasks.crossmath.grid import Puzzle
from pytest_crossmath.tasks.crossmath.render import STYLES, Colour, Style, render


@dataclass(frozen=True, slots=True)
class Jitter:
    """Random variation of a training picture. Lengths are in pixels of the rendered picture."""

    shift: float = 4.0
    """Largest shift along each axis."""
    scale: float = 0.025
    """Largest relative change in size."""
    blur: float = 1.0
    """Largest blur radius."""
    noise: float = 8.0
    """Largest standard deviation of the noise, in grey levels."""
    own_style: float = 0.6
    """Share of pictures in the suite's own style, 0 to 1."""


def draw_style(rng: random.Random, jitter: Jitter) -> Style:
    """The suite's own style, or a random variation of it."""
    style = STYLES["original"]
    if rng.random() < jitter.own_style:
        return style
    return replace(
        style,
        font_size=rng.randint(24, 32),
        border=rng.choice((0, 1, 2, 2, 3)),
        number_fill=_light(rng),
        operator_fill=_light(rng),
        ink=_dark(rng),
        line=_dark(rng),
    )


def draw_picture(puzzle: Puzzle, rng: random.Random, jitter: Jitter) -> Image.Image:
    """A jittered picture of a puzzle, of the size that the renderer gives it."""
    style = draw_style(rng, jitter)
    picture = _moved(render(puzzle, style), style.background, rng, jitter)
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, jitter.blur)))
    if rng.random() < 0.3:
        picture = _noisy(picture, rng, jitter)
    return picture


def shifted(picture: Image.Image, right: int, down: int, background: Colour) -> Image.Image:
    """The picture moved by whole pixels; the uncovered edge is background."""
    moved = Image.new("RGB", picture.size, background)
    moved.paste(picture, (right, down))
    return moved


def _moved(
    picture: Image.Image, background: Colour, rng: random.Random, jitter: Jitter
) -> Image.Image:
    x, y = (rng.uniform(-jitter.shift, jitter.shift) for _ in range(2))
    # Half of the pictures move by whole pixels only, which keeps them sharp.
    if rng.random() < 0.5:
        return shifted(picture, round(x), round(y), background)
    scale = 1 + rng.uniform(-jitter.scale, jitter.scale)
    left, top = (side / 2 * (1 - scale) for side in picture.size)
    matrix = (scale, 0.0, left - x, 0.0, scale, top - y)
    return picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        matrix,
        resample=Image.Resampling.BILINEAR,
        fillcolor=background,
    )


def _noisy(picture: Image.Image, rng: random.Random, jitter: Jitter) -> Image.Image:
    generator = np.random.default_rng(rng.getrandbits(32))
    level = rng.uniform(0.0, jitter.noise)
    noise = generator.normal(0.0, level, (*picture.size[::-1], 1)).astype(np.float32)
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def _light(rng: random.Random) -> Colour:
    return rng.randint(205, 255), rng.randint(205, 255), rng.randint(205, 255)


def _dark(rng: random.Random) -> Colour:
    return rng.randint(0, 70), rng.randint(0, 70), rng.randint(0, 70)
