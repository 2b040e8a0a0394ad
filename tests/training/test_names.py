"""Names of saved weights: those of the family's checkpoints, whatever release saves them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.adapters import adapter_weights
from pytest_crossmath.models.checkpoint.loading import Source, load_config, load_model, with_adapter
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.training.names import name_as_on_the_hub, rename_adapter
from tests.models.checkpoint.families import FAMILIES, write_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft


def names_in(file: Path) -> set[str]:
    """The names of the weights in a file."""
    with file.open("rb") as stream:
        [length] = struct.unpack("<Q", stream.read(8))
        return set(json.loads(stream.read(length))) - {"__metadata__"}


def loaded(folder: Path) -> Any:
    """A checkpoint; an error if weights are missing."""
    source = Source(str(folder))
    settings = Settings(device="cpu", dtype="float32")
    return load_model(source, load_config(source), settings, reads_images=True)


TOWERS = {
    "llava": "vision_tower.vision_model.embeddings.class_embedding",
    "llava_next": "vision_tower.vision_model.embeddings.class_embedding",
    "llava_onevision": "vision_tower.vision_model.embeddings.patch_embedding.bias",
    "gemma3": "vision_tower.vision_model.embeddings.patch_embedding.bias",
    "paligemma": "vision_tower.vision_model.embeddings.patch_embedding.bias",
}
"""A weight of the vision tower as the family's checkpoints on the Hub name it."""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_saved_under_its_own_names(family: str, tmp_path: Path) -> None:
    """A model loaded from any names is saved under those that all releases and vLLM know."""
    write_checkpoint(family, tmp_path / "new")
    model = loaded(tmp_path / "new")
    name_as_on_the_hub(model)
    model.save_pretrained(tmp_path / "saved")
    names = names_in(tmp_path / "saved" / "model.safetensors")
    if family in TOWERS:
        assert TOWERS[family] in names
    else:
        assert names == names_in(tmp_path / "new" / "model.safetensors")
    again = loaded(tmp_path / "saved").state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in model.state_dict().items())
    # Loaded from these names, it keeps them.
    once_more = loaded(tmp_path / "saved")
    name_as_on_the_hub(once_more)
    once_more.save_pretrained(tmp_path / "resaved")
    assert names_in(tmp_path / "resaved" / "model.safetensors") == names


def test_the_bundled_model_has_these_names() -> None:
    """Transformers 5.0 and vLLM look for `vision_tower.vision_model`."""
    names = names_in(pocket_directory() / "model.safetensors")
    towers = {name for name in names if name.startswith("vision_tower.")}
    assert len(towers) == 55
    assert all(name.startswith("vision_tower.vision_model.") for name in towers)


def test_an_adapter_is_renamed_and_still_fits(tmp_path: Path) -> None:
    """An adapter on the vision tower has the names that older releases give its modules."""
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file

    base = loaded(pocket_directory())
    config = LoraConfig(target_modules="all-linear", r=2, init_lora_weights=False)
    tuned: Any = get_peft_model(base, config)
    tuned.save_pretrained(str(tmp_path))
    file = tmp_path / "adapter_model.safetensors"
    before = load_file(file)
    rename_adapter(base, tmp_path)
    towers = [name for name in names_in(file) if "vision_tower" in name]
    assert towers
    assert all(".vision_tower.vision_model.encoder." in name for name in towers)
    again = with_adapter(loaded(pocket_directory()), tmp_path, adapter_weights(tmp_path))
    weights = {name.replace(".default", ""): weight for name, weight in again.named_parameters()}
    assert all(torch.equal(weights[name], weight) for name, weight in before.items())
