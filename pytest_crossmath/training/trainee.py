"""The model that is trained: loaded, checked, and given its adapter."""

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
from pytest_crossmath.training.recipe import LoraTargets, Recipe

MOST_ON_CPU = 1_000_000_000
"""Parameters above which training without a GPU is refused unless asked for: it takes weeks."""


def load_trainee(
    spec: ModelSpec, settings: Settings, recipe: Recipe, *, with_pictures: bool
) -> Checkpoint:
    """The model to train, with a new adapter on it or with the one that it brings.

    Raises `ModelError` for a model that cannot be had, is too big for this machine, or does
    not take what it is to learn from.
    """
    if not spec.is_checkpoint:
        raise ModelError(f"model {spec.name!r} has no weights here that could be trained")
    _check_size(spec, settings)
    if recipe.lora_rank == 0 and settings.dtype == "auto":
        # An adapter is kept in float32 beside half-precision weights; weights themselves are not.
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
            raise ModelError(f"{spec.target} is an adapter: --lora-rank=0 trains whole models only")
        for config in loaded.model.peft_config.values():
            # A name of ours, as `base_name` gives, is one that PEFT would look for on the Hub.
            config.base_model_name_or_path = _full_name(loaded.source)
        return loaded
    return loaded if recipe.lora_rank == 0 else replace(loaded, model=_adapted(loaded, recipe))


def base_name(source: Source) -> str:
    """What an adapter's configuration is to call its base.

    The bundled model by its name, since each machine has it elsewhere; a directory in full.
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
            lora_alpha=recipe.lora_alpha,  # type: ignore[arg-type]  # any number will do
            lora_dropout=recipe.lora_dropout,
            target_modules=_targets(loaded.model, recipe.lora_targets),
            task_type="CAUSAL_LM",
            revision=loaded.source.revision,
        )
        with without_future_warnings():
            model = get_peft_model(loaded.model, config)
    except (ValueError, NotImplementedError, AttributeError) as error:
        raise ModelError(
            f"{loaded.source} is of an architecture that LoRA cannot be put on: {one_line(error)};"
            " --lora-targets=language leaves its vision tower alone"
        ) from error
    # In the checkpoints too, which may be asked from elsewhere.
    model.peft_config["default"].base_model_name_or_path = _full_name(loaded.source)
    return model


def _targets(model: Any, targets: LoraTargets) -> str | list[str]:
    if targets is LoraTargets.ALL:
        return "all-linear"
    decoder = model.get_decoder()
    inside = {id(module) for module in decoder.modules() if isinstance(module, nn.Linear)}
    # Full names: a layer of the vision tower may be called like one of the language model.
    found = [name for name, module in model.named_modules() if id(module) in inside]
    if not found:
        raise ValueError("its language model has no plain linear layers")
    return found


def _own_device(device: str) -> str:
    """Each process of a launcher has a GPU of its own."""
    rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{rank}" if rank and device == "auto" and torch.cuda.is_available() else device


def _check_size(spec: ModelSpec, settings: Settings) -> None:
    """Raise `ModelError` where a big model would be trained without a GPU."""
    if settings.device != "auto" or torch.accelerator.is_available():
        return
    place = Path(spec.target)
    base = base_of_adapter(place) if (place / ADAPTER_FILE).is_file() else spec.target
    try:
        parameters = _parameters(Source(base, spec.revision, settings.trust_remote_code))
    except Exception:  # noqa: BLE001 - loading says in one line what is wrong
        return
    if parameters > MOST_ON_CPU:
        raise ModelError(
            f"{base} has {parameters / 1e9:.1f} billion parameters, and there is no GPU here to"
            " train it on: go to a machine with one (--device=cpu tries it all the same)"
        )


def _parameters(source: Source) -> int:
    config = load_config(source)
    auto: Any = AutoModelForImageTextToText if takes_images(config) else AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(config, trust_remote_code=source.trust_remote_code)
    return sum(weight.numel() for weight in model.parameters())
