"""Declared sizes, checked before anything is built: a wrong digit can cost hours or all memory.

::

    check_sizes(Path("DIR/config.json"))
    # ModelError: DIR/config.json: text_config.num_hidden_layers is 1000000000, more than …

transformers builds what a configuration says, one layer after the other, before it looks at the
weights; and a processor enlarges a picture to whatever size it is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.spec import read_json

MOST_PARTS = 20_000
"""Most layers, experts, heads or tiles; the largest models have a few hundred of each."""
WIDEST = 1_000_000
"""Largest width of a layer; the largest models have less than a tenth of it."""
MOST_TOKENS = 10_000_000
"""Largest vocabulary; the largest so far have less than a tenth of it."""
LONGEST_SIDE = 16_384
"""Longest side of what a model sees, in pixels."""
_PARTS = re.compile(
    r"(num|n|max|min)_(\w+_)?(layers?|experts?|blocks?|heads?|stages?|tiles?|patches)(_\w+)?"
    r"|depths?|\w+_depth"
)
_WIDTHS = re.compile(
    r"(\w+_)?(hidden|intermediate|embed|embedding|projection)_(sizes?|dims?)|head_dim|d_model|d_ff"
    r"|n_embd|ffn_dim"
)
_VOCABULARIES = re.compile(r"(\w+_)?vocab_size(_\w+)?")
_SIDES = re.compile(r"height|width|crop_size|image_size|(shortest|longest|max)_(edge|side)|side")
_AREA_KEYS = {"merge_size", "temporal_patch_size", "min_pixels", "max_pixels"}
"""Keys of processors in which an edge is a number of pixels in all."""


def check_sizes(file: Path) -> None:
    """Raise `ModelError` for a size that no model has, in its configuration or its processor's."""
    content = read_json(file)
    for path, value, most in _too_large(content, in_area=_is_area(content)):
        raise ModelError(
            f"{file}: {path} is {value}, more than {most}: loading it would not end; correct"
            " the file"
        )


def _too_large(content: Any, path: str = "", *, in_area: bool) -> Iterator[tuple[str, int, int]]:
    """Settings that are too large, each with its place, its value and the most it may be."""
    if not isinstance(content, dict):
        return
    in_area = in_area or _is_area(content)
    for key, value in content.items():
        where = f"{path}.{key}" if path else str(key)
        yield from _too_large(value, where, in_area=in_area)
        most = _most(str(key), in_area=in_area)
        for number in value if isinstance(value, list) else [value]:
            if most and isinstance(number, int | float) and number > most:
                yield where, number, most  # type: ignore[misc]  # a float only if it is that large


def _most(key: str, *, in_area: bool) -> int | None:
    """The most that a setting of this name may be; None if it may be anything."""
    if _PARTS.fullmatch(key):
        return MOST_PARTS
    if _WIDTHS.fullmatch(key):
        return WIDEST
    if _VOCABULARIES.fullmatch(key):
        return MOST_TOKENS
    if key == "max_pixels" or (in_area and key.endswith("_edge")):
        return LONGEST_SIDE**2
    return LONGEST_SIDE if _SIDES.fullmatch(key) else None


def _is_area(content: Any) -> bool:
    """Whether the edges of a processor are numbers of pixels in all, as in the Qwen family."""
    return isinstance(content, dict) and not _AREA_KEYS.isdisjoint(content)
