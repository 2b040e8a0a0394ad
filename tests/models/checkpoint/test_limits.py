"""Sizes that no model has are refused before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.checkpoint.files import check_directory
from pytest_crossmath.models.checkpoint.limits import check_sizes
from pytest_crossmath.models.registry import parse_spec
from tests.models.checkpoint.families import FAMILIES, write_checkpoint
from tests.models.checkpoint.odd_pocket import copy_of_pocket, edit

HUGE, SIDE = 10**9, 40_000
CONFIGS: dict[str, Callable[[Any], Any]] = {
    "text_config.num_hidden_layers": lambda c: c["text_config"].update(num_hidden_layers=HUGE),
    "vision_config.num_hidden_layers": lambda c: c["vision_config"].update(num_hidden_layers=HUGE),
    "num_hidden_layers": lambda c: c.update(num_hidden_layers=HUGE),
    "n_layers": lambda c: c.update(n_layers=HUGE),
    "vision_config.depth": lambda c: c["vision_config"].update(depth=HUGE),
    "vision_config.image_size": lambda c: c["vision_config"].update(image_size=HUGE),
    "text_config.num_experts": lambda c: c["text_config"].update(num_experts=HUGE),
    "text_config.num_local_experts": lambda c: c["text_config"].update(num_local_experts=HUGE),
    "text_config.num_attention_heads": lambda c: c["text_config"].update(num_attention_heads=HUGE),
    "text_config.vocab_size": lambda c: c["text_config"].update(vocab_size=HUGE),
    "text_config.hidden_size": lambda c: c["text_config"].update(hidden_size=HUGE),
    "vision_config.intermediate_size": lambda c: c["vision_config"].update(intermediate_size=HUGE),
}
PROCESSORS: dict[str, Callable[[Any], Any]] = {
    "image_processor.size.height": lambda c: c.update(size={"height": SIDE, "width": SIDE}),
    "image_processor.size.shortest_edge": lambda c: c.update(size={"shortest_edge": SIDE}),
    "image_processor.size.longest_edge": lambda c: c.update(size={"longest_edge": SIDE}),
    "image_processor.crop_size": lambda c: c.update(crop_size=SIDE),
    "image_processor.crop_size.width": lambda c: c.update(crop_size={"height": 140, "width": SIDE}),
    "image_processor.max_pixels": lambda c: c.update(max_pixels=SIDE**2),
    "image_processor.max_patches": lambda c: c.update(max_patches=HUGE),
}


@pytest.mark.parametrize("place", [*CONFIGS, *PROCESSORS])
def test_a_size_that_no_model_has_is_one_line(place: str, tmp_path: Path) -> None:
    """The line names the file, the setting and its value."""
    folder = copy_of_pocket(tmp_path / "pocket")
    if place in CONFIGS:
        file = folder / "config.json"
        edit(file, CONFIGS[place])
    else:
        file = folder / "processor_config.json"
        edit(file, lambda c: PROCESSORS[place](c["image_processor"]))
    with pytest.raises(ModelError, match=f"^{file}: {place} is [0-9]+, more than ") as caught:
        HFBackend.load(str(folder), Settings(device="cpu"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=f"^{file}: {place} is [0-9]+, more than "):
        check_directory(parse_spec(str(folder)), folder)  # before anything is loaded


@pytest.mark.parametrize("family", FAMILIES)
def test_ordinary_sizes_pass(family: str, tmp_path: Path) -> None:
    """Also where an edge is a number of pixels in all."""
    write_checkpoint(family, tmp_path)
    for file in {*tmp_path.glob("*config.json")} - {*tmp_path.glob("tokenizer*")}:
        check_sizes(file)


def test_the_edges_of_the_qwen_family_pass(tmp_path: Path) -> None:
    """In their processors `longest_edge` is an area: 16,777,216 pixels in Qwen3-VL."""
    write_checkpoint("qwen3_vl", tmp_path)
    size = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
    edit(tmp_path / "preprocessor_config.json", lambda c: c.update(size=size))
    check_sizes(tmp_path / "preprocessor_config.json")
    size["longest_edge"] = SIDE**2
    edit(tmp_path / "preprocessor_config.json", lambda c: c.update(size=size))
    with pytest.raises(ModelError, match=r"size\.longest_edge is 1600000000"):
        check_sizes(tmp_path / "preprocessor_config.json")
