"""The model to train: loading it, checking it, and adding its adapter."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.loading import (
    Checkpoint,
    Source,
    load_checkpoint,
    load_config,
    takes_images,
    without_future_warnings,
)
from pytest_crossmath.models.spec import (
    ADAPTER_FILE,
    POCKET,
    ModelSpec,
    base_of_adapter,
    pocket_directory,
)
from pytest_crossmath.text import one_line
from pytest_crossmath.training.names import name_as_on_the_hub
from pytest_crossmath.training.recipe import LoraTargets, Recipe

MOST_ON_CPU = 1_000_000_000
"""Parameters above which training without a GPU must be requested explicitly: it takes weeks."""


def load_trainee(
    spec: ModelSpec, settings: Settings, recipe: Recipe, *, with_pictures: bool
) -> Checkpoint:
    """The model to train, with a new adapter or with the one that it already has.

    Raises `ModelError` for a model that cannot be loaded, is too big for this machine, or
    cannot take the training examples.
    """
    if not spec.is_checkpoint:
        raise ModelError(f"model {spec.name!r} has no local weights that could be trained")
    _check_size(spec, settings)
    if recipe.lora_rank == 0 and settings.dtype == "auto":
        # An adapter on half-precision weights is float32 itself; whole weights are not.
        settings = replace(settings, dtype="float32")
    loaded = load_checkpoint(
        spec.target, replace(settings, device=_own_device(settings.device)), spec.revision,
        trainable=True,
    )  # fmt: skip
    if with_pictures and not loaded.reads_images:
        raise ModelError(
            f"{spec.target} takes text only: add --modality=text, or train a vision-language model"
        )
    if loaded.adapter is not None:
        if recipe.lora_rank == 0:
            raise ModelError(f"{spec.target} is an adapter: --lora-rank=0 only trains whole models")
        for config in loaded.model.peft_config.values():
            # PEFT would look on the Hub for one of our own names, as returned by `base_name`.
            config.base_model_name_or_path = _full_name(loaded.source)
        return loaded
    # Also for the checkpoints on the way.
    name_as_on_the_hub(loaded.model)
    return loaded if recipe.lora_rank == 0 else replace(loaded, model=_adapted(loaded, recipe))


def base_name(source: Source) -> str:
    """How an adapter's configuration refers to its base.

    The bundled model goes by its name, since its path differs between machines; a directory
    goes by its full path.
    """
    return POCKET if source.place == str(pocket_directory()) else _full_name(source)


def _full_name(source: Source) -> str:
    place = Path(source.place)
    return str(place.resolve()) if place.is_dir() else source.place


def _adapted(loaded: Checkpoint, recipe: Recipe) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    try:
        config = LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,  # type: ignore[arg-type]  # any number works
            lora_dropout=recipe.lora_dropout,
            target_modules=_targets(loaded.model, recipe.lora_targets),
            task_type="CAUSAL_LM",
            revision=loaded.source.revision,
        )
        with without_future_warnings():
            model = get_peft_model(loaded.model, config)
    except (ValueError, NotImplementedError, AttributeError) as error:
        raise ModelError(
            f"LoRA does not support the architecture of {loaded.source}: {one_line(error)};"
            " --lora-targets=language leaves its vision tower alone"
        ) from error
    # Also for the checkpoints, which may be loaded from another directory.
    model.peft_config["default"].base_model_name_or_path = _full_name(loaded.source)
    return model


def _targets(model: Any, targets: LoraTargets) -> str | list[str]:
    if targets is LoraTargets.ALL:
        return "all-linear"
    decoder = model.get_decoder()
    inside = {id(module) for module in decoder.modules() if isinstance(module, nn.Linear)}
    # Full names, since layers of the vision tower may have the same short names.
    found = [name for name, module in model.named_modules() if id(module) in inside]
    if not found:
        raise ValueError("its language model has no plain linear layers")
    return found


def _own_device(device: str) -> str:
    """The device of this process: a launcher gives each process its own GPU."""
    rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{rank}" if rank and device == "auto" and torch.cuda.is_available() else device


def _check_size(spec: ModelSpec, settings: Settings) -> None:
    """Raise `ModelError` if a big model would be trained without a GPU."""
    if settings.device != "auto" or torch.accelerator.is_available():
        return
    place = Path(spec.target)
    base = base_of_adapter(place) if (place / ADAPTER_FILE).is_file() else spec.target
    try:
        parameters = _parameters(Source(base, spec.revision, settings.trust_remote_code))
    except Exception:  # noqa: BLE001 - loading will report the error in one line
        return
    if parameters > MOST_ON_CPU:
        raise ModelError(
            f"{base} has {parameters / 1e9:.1f} billion parameters, and there is no GPU here to"
            " train it on: use a machine with one (--device=cpu tries it anyway)"
        )


def _parameters(source: Source) -> int:
    config = load_config(source)
    auto: Any = AutoModelForImageTextToText if takes_images(config) else AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(config, trust_remote_code=source.trust_remote_code)
    return sum(weight.numel() for weight in model.parameters())
