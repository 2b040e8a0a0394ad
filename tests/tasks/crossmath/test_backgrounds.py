"""Backgrounds that differ from picture to picture."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.tasks.crossmath import backgrounds
from pytest_crossmath.tasks.crossmath.backgrounds import draw_background
from pytest_crossmath.tasks.crossmath.generator import PRESETS, generate_puzzle
from pytest_crossmath.tasks.crossmath.grid import CellKind
from pytest_crossmath.tasks.crossmath.reader import read_picture
from pytest_crossmath.tasks.crossmath.render import STYLES, render

TEXTURES = ("plain", "gradient", "lines", "dots", "noise")
PUZZLE = generate_puzzle(PRESETS["easy"], random.Random(8))
STYLE = STYLES["background"]


def levels(seed: str, size: tuple[int, int] = (332, 277)) -> np.ndarray:
    """A background's pixels."""
    return np.asarray(draw_background(size, cell=55, border=2, seed=seed)).astype(int)


def only(texture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every background draw this texture."""
    monkeypatch.setattr(backgrounds, "_TEXTURES", (texture,))


@given(seed=st.text(), width=st.integers(1, 300), height=st.integers(1, 300))
def test_any_size_is_filled_with_light_colours(seed: str, width: int, height: int) -> None:
    """Whatever is drawn, black ink on it would still be easy to read."""
    pixels = levels(seed, (width, height))
    assert pixels.shape == (height, width, 3)
    assert pixels.min() >= 160


def test_the_same_seed_gives_the_same_pixels_in_another_process() -> None:
    """A seed gives the same pixels in every process, and another seed gives different ones."""
    here = draw_background((60, 40), cell=55, border=2, seed="7/x").tobytes()
    program = (
        "import sys\n"
        "from pytest_crossmath.tasks.crossmath.backgrounds import draw_background as draw\n"
        "sys.stdout.buffer.write(draw((60, 40), cell=55, border=2, seed='7/x').tobytes())"
    )
    there = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, check=True
    ).stdout
    assert there == here
    assert draw_background((60, 40), cell=55, border=2, seed="8/x").tobytes() != here


def test_colours_are_spread() -> None:
    """A hundred backgrounds have nearly as many colours, across the whole range."""
    colours = {tuple(levels(str(i))[2, 5]) for i in range(100)}
    assert len(colours) > 90
    assert all(np.ptp(channel) > 40 for channel in zip(*colours, strict=True))


def test_every_texture_comes() -> None:
    """Each texture occurs in about a fifth of the pictures, and only the plain one is uniform."""
    flat = sum(np.ptp(levels(str(i), (60, 60)), axis=(0, 1)).max() == 0 for i in range(200))
    assert 20 <= flat <= 60


@pytest.mark.parametrize("texture", TEXTURES[1:])
def test_a_texture_can_be_seen(texture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A texture is faint but visible."""
    only(texture, monkeypatch)
    contrasts = [np.ptp(levels(str(i)), axis=(0, 1)).max() for i in range(50)]
    assert min(contrasts) >= 4
    assert max(contrasts) <= 45


def test_a_gradient_goes_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Along a row or column each channel only rises or only falls, apart from the dither."""
    only("gradient", monkeypatch)
    for seed in range(20):
        pixels = levels(str(seed))
        for way in (pixels.mean(axis=0), pixels.mean(axis=1)):
            steps = np.diff(way[::8], axis=0)
            assert ((steps >= -0.3).all(axis=0) | (steps <= 0.3).all(axis=0)).all()


@pytest.mark.parametrize("texture", TEXTURES)
def test_every_texture_is_read_with_certainty(
    texture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader finds the grid and nothing that is not there."""
    only(texture, monkeypatch)
    doubted = [
        seed for seed in range(12)
        if read_picture(render(PUZZLE, STYLE, str(seed))).certain != PUZZLE
    ]  # fmt: skip
    assert doubted == []


@pytest.mark.parametrize("texture", TEXTURES)
def test_cells_stay_as_they_are(texture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only squares outside cells are painted: ink and fill keep the contrast of `original`."""
    only(texture, monkeypatch)
    drawn = np.asarray(render(PUZZLE, STYLE, "3"))
    original = np.asarray(render(PUZZLE, STYLES["original"]))
    for (row, column), cell in PUZZLE.cells():
        if cell.kind is not CellKind.EMPTY:
            square = np.s_[55 * row : 55 * row + 57, 55 * column : 55 * column + 57]
            assert (drawn[square] == original[square]).all()
