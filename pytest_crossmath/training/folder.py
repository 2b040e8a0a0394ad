"""The folder of a training run: what is asked of it, its checkpoints, and its result."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from pytest_crossmath.errors import OptionError
from pytest_crossmath.models.checkpoint import Checkpoint
from pytest_crossmath.models.registry import ADAPTER_FILE
from pytest_crossmath.training.recipe import Recipe
from pytest_crossmath.training.trainee import base_name

SETTINGS_FILE = "training.json"
"""What the run was asked, in the folder that it makes."""


def check_folder(recipe: Recipe, asked: Mapping[str, Any], *, resume: bool) -> None:
    """See that the folder of a run is free, or holds the run that is asked for.

    Raises `OptionError` where it does not.
    """
    out = recipe.out
    if not is_first_process():
        return
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out {out} is a file: name a folder")
    if resume:
        _check_same(out / SETTINGS_FILE, asked)
    # Empty folders may be left of a run that did not begin.
    elif any(path.is_file() for path in out.rglob("*")):
        raise OptionError(f"--out {out} is not empty: add --resume or name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error}") from None


def is_first_process() -> bool:
    """Whether this is the process of a distributed run that writes and speaks; all alone it is."""
    return os.environ.get("RANK", "0") == "0"


def note_settings(recipe: Recipe, asked: Mapping[str, Any]) -> None:
    """Write down what is asked, for `--resume` to hold against."""
    text = json.dumps(asked, indent=1) + "\n"
    (recipe.out / SETTINGS_FILE).write_text(text, encoding="utf-8")


def last_checkpoint(recipe: Recipe) -> str | None:
    """The last one that is whole; None where the run was broken off before its first.

    Its state is written last, so one without it was broken off while it was written.
    """
    found = recipe.checkpoints.glob(f"{PREFIX_CHECKPOINT_DIR}-*")
    for folder in sorted(found, key=lambda f: int(f.name.rpartition("-")[2]), reverse=True):
        try:
            json.loads((folder / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return str(folder)
    return None


def save_result(trainer: Any, trainee: Checkpoint, out: Path) -> None:
    """Write the result beside its place, and move it there whole, its weights last."""
    unfinished = out / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    # GRPO with a penalty has the model as it came as another adapter beside ours.
    chosen = {"selected_adapters": ["default"]} if hasattr(model, "peft_config") else {}
    model.save_pretrained(unfinished, **chosen)
    trainee.processor.save_pretrained(unfinished)
    described = unfinished / ADAPTER_FILE
    if described.is_file():
        content = json.loads(described.read_text(encoding="utf-8"))
        content["base_model_name_or_path"] = base_name(trainee.source)
        described.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for file in sorted(unfinished.iterdir(), key=lambda file: file.suffix == ".safetensors"):
        file.replace(out / file.name)
    unfinished.rmdir()


def _check_same(file: Path, asked: Mapping[str, Any]) -> None:
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        known = {**before}
    except (OSError, ValueError, TypeError):
        raise OptionError(
            f"--resume: there is no run in {file.parent}; leave --resume out to start anew"
        ) from None
    now = json.loads(json.dumps(asked))
    for name in now:
        if known.get(name) != now[name]:
            raise OptionError(
                f"--resume: the run in {file.parent} has {name} {known.get(name)!r}, not"
                f" {now[name]!r}: give the same options, or name another folder"
            )
