"""Fixtures for checkpoints: one of each family, a copy to change, an adapter."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_crossmath.models.backend import Settings
from tests.models.checkpoint.families import FAMILIES, write_checkpoint


@pytest.fixture(scope="session", params=FAMILIES)
def family_checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A directory with a checkpoint of a family."""
    folder = tmp_path_factory.mktemp(request.param)
    write_checkpoint(request.param, folder)
    return folder


@pytest.fixture
def write_family() -> Callable[[str, Path], None]:
    """Writes a checkpoint of a family into a folder."""
    return write_checkpoint


@pytest.fixture
def copied(tiny_llava: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint, to be changed."""
    return Path(shutil.copytree(tiny_llava, tmp_path / "copy"))


@pytest.fixture
def adapter(tiny_llava: Path, tmp_path: Path) -> Path:
    """A LoRA adapter that changes the base's responses."""
    import torch
    from peft import LoraConfig, get_peft_model

    from pytest_crossmath.models.checkpoint.backend import HFBackend

    base = HFBackend.load(str(tiny_llava), Settings(device="cpu"))
    tuned = get_peft_model(base.model, LoraConfig(target_modules=["q_proj", "v_proj"], r=4))
    torch.manual_seed(1)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=2.0)
    tuned.save_pretrained(str(tmp_path / "adapter"))
    return tmp_path / "adapter"
