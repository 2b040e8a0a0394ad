"""Adapters that do nothing, and adapters with the module names of older releases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.checkpoint.overlay import overlaid
from pytest_crossmath.models.spec import pocket_directory
from tests.models.checkpoint.odd_pocket import edit, edit_weights, texts

pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),  # peft's own
    pytest.mark.filterwarnings("ignore::UserWarning:peft"),
]
CPU = Settings(device="cpu")


def nothing(_model: Any) -> None:
    """Leave the adapter as PEFT begins it."""


def zero_b(model: Any) -> None:
    """Set all B matrices to 0."""
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.zeros_(weight)


def some_b(model: Any) -> None:
    """Set all B matrices to small numbers."""
    for name, weight in model.named_parameters():
        if "lora_B" in name or "hada" in name:
            torch.nn.init.normal_(weight, std=0.01 if "lora" in name else 0.5)


def stretched(model: Any) -> None:
    """Set all factors of IA3 to 1.1."""
    for name, weight in model.named_parameters():
        if "ia3" in name:
            torch.nn.init.constant_(weight, 1.1)


def saved(folder: Path, config: Any, change: Callable[[Any], None]) -> Path:
    """An adapter on the bundled model."""
    from peft import get_peft_model

    base = HFBackend.load(str(pocket_directory()), CPU)
    model: Any = get_peft_model(base.model, config)
    change(model)
    model.save_pretrained(str(folder))
    return folder


def lora(**options: Any) -> Any:
    """A configuration of LoRA on the language model."""
    from peft import LoraConfig

    return LoraConfig(**{"target_modules": ["q_proj", "v_proj"], "r": 2, **options})


def ia3() -> Any:
    """A configuration of IA3."""
    from peft import IA3Config

    return IA3Config(target_modules=["k_proj", "v_proj"], feedforward_modules=[])


def loha() -> Any:
    """A configuration of LoHa."""
    from peft import LoHaConfig

    return LoHaConfig(target_modules=["q_proj"], r=2)


IDLE: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "LoRA as it begins": (lora, nothing),
    "LoRA, B is 0": (lora, zero_b),
    "LoRA, alpha is 0": (lambda: lora(lora_alpha=0), some_b),
    "rsLoRA": (lambda: lora(use_rslora=True), zero_b),
    "DoRA": (lambda: lora(use_dora=True), zero_b),
    "LoRA with a copied head": (lambda: lora(modules_to_save=["multi_modal_projector"]), zero_b),
    "IA3": (ia3, nothing),
    "LoHa": (loha, nothing),
}


@pytest.mark.parametrize("name", IDLE)
def test_an_adapter_that_changes_nothing_is_reported(name: str, tmp_path: Path) -> None:
    """It is scored as its base, so whoever asks for it has to know."""
    config, change = IDLE[name]
    folder = saved(tmp_path / "adapter", config(), change)
    [note] = HFBackend.load(str(folder), CPU).notes
    assert note.startswith(f"the adapter {folder} changes nothing: ")


def test_embeddings_equal_to_the_base_change_nothing(tmp_path: Path) -> None:
    """PEFT saves whole embeddings beside an adapter; copies of the base's have no effect."""
    folder = saved(tmp_path / "adapter", lora(), zero_b)
    embeddings = HFBackend.load(str(pocket_directory()), CPU).model.get_input_embeddings().weight
    name = "base_model.model.model.language_model.embed_tokens.weight"
    edit_weights(folder, lambda weights: weights.update({name: embeddings.detach().clone()}))
    [note] = HFBackend.load(str(folder), CPU).notes
    assert "changes nothing" in note
    edit_weights(folder, lambda weights: weights.update({name: embeddings.detach() * 1.01}))
    assert HFBackend.load(str(folder), CPU).notes == ()


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (lora, some_b),
        (lambda: lora(use_dora=True), some_b),
        (lambda: lora(target_modules=r".*vision_tower.*q_proj"), some_b),
        (ia3, stretched),
        (loha, some_b),
    ],
)
def test_an_adapter_that_changes_something_loads(
    config: Callable[[], Any], change: Callable[[Any], None], tmp_path: Path
) -> None:
    """A small change is a change, in the language model or in the vision tower."""
    folder = saved(tmp_path / "adapter", config(), change)
    assert HFBackend.load(str(folder), CPU).notes == ()


@pytest.mark.parametrize("part", ["vision_tower", "language_model"])
def test_module_names_of_older_releases(part: str, tmp_path: Path) -> None:
    """An adapter made under transformers 5.0 names the vision tower's modules differently."""
    folder = saved(tmp_path / "adapter", lora(target_modules=rf".*{part}.*q_proj"), some_b)
    expected = texts(folder)

    def rename(weights: dict[str, Any]) -> None:
        for name in list(weights):
            new = name.replace("vision_tower.encoder", "vision_tower.vision_model.encoder")
            weights[new] = weights.pop(name)

    edit_weights(folder, rename)
    edit(folder / "adapter_config.json", lambda c: c.update(target_modules=["q_proj"]))
    described = json.loads((folder / "adapter_config.json").read_text())
    described["target_modules"] = rf".*{part}.*q_proj"
    (folder / "adapter_config.json").write_text(json.dumps(described))
    assert texts(folder) == expected


@pytest.mark.parametrize("trusted", [False, True])
def test_code_of_the_base_is_beside_the_processor_if_it_is_trusted(
    trusted: bool, tmp_path: Path
) -> None:
    """An adapter with its own tokenizer still needs the code of its base; weights stay put."""
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    for folder, names in (
        (base, ["processor_config.json", "tokenizer.json", "own.py", "model.safetensors"]),
        (adapter, ["tokenizer.json", "adapter_config.json"]),
    ):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("{}")
    with overlaid(adapter, base, trusted=trusted) as folder:
        found = {file.name for file in folder.iterdir()}
    assert found == {"processor_config.json", "tokenizer.json"} | ({"own.py"} if trusted else set())


def test_memory_that_runs_out_at_load_is_left_to_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing more is tried on inputs that did not fit, nor does the comparison fail."""
    backend = HFBackend.load(str(pocket_directory()), CPU)

    def too_large(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(backend.model, "generate", too_large)
    assert backend.try_picture(CPU) is None
    monkeypatch.setattr("pytest_crossmath.models.checkpoint.backend.is_idle", too_large)
    backend.check_adapter(Path("adapter"), {})
    assert backend.findings == []
