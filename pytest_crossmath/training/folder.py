"""The folder of a training run: its settings, its checkpoints and its result."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from pytest_crossmath.errors import OptionError
from pytest_crossmath.files import write_whole
from pytest_crossmath.locks import Lock
from pytest_crossmath.models.checkpoint.loading import Checkpoint
from pytest_crossmath.models.spec import ADAPTER_FILE
from pytest_crossmath.training.names import rename_adapter
from pytest_crossmath.training.recipe import Recipe
from pytest_crossmath.training.trainee import base_name

SETTINGS_FILE = "training.json"
"""The settings of the run, stored in its folder."""
HASHED = ("suite", "model")
"""Settings that are stored as hashes of file contents."""
LOCK_FILE = ".lock"
"""Locked by the run that is writing to the folder."""


def check_folder(recipe: Recipe, asked: Mapping[str, Any], *, resume: bool) -> None:
    """Check that the folder is free, or holds the run that is to be resumed.

    Raises `OptionError` otherwise.
    """
    out = recipe.out
    if not is_first_process():
        return
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out {out} is a file: name a folder")
    if out.is_dir():
        Lock(out, "--out", file=out / LOCK_FILE).release()
    if resume:
        _check_same(out / SETTINGS_FILE, asked)
    # A leftover lock or empty folder of a run that never started does not count.
    elif any(path.is_file() and path.name != LOCK_FILE for path in out.rglob("*")):
        raise OptionError(f"--out {out} is not empty: add --resume or name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error}") from None


def is_first_process() -> bool:
    """Whether this process writes files and output: the first of several, or the only one."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def locked(recipe: Recipe) -> Iterator[None]:
    """Keep other runs out of the folder. Raises `OptionError` if one is using it."""
    if not is_first_process():
        yield
        return
    with Lock(recipe.out, "--out", file=recipe.out / LOCK_FILE):
        yield


def note_settings(recipe: Recipe, asked: Mapping[str, Any]) -> None:
    """Store the settings, for `--resume` to compare with."""
    write_whole(recipe.out / SETTINGS_FILE, json.dumps(asked, indent=1) + "\n")


def is_finished(checkpoint: str) -> bool:
    """Whether a run took its last step before it wrote this checkpoint."""
    state = json.loads(Path(checkpoint, TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    return int(state["global_step"]) >= int(state["max_steps"])


def last_checkpoint(recipe: Recipe) -> str | None:
    """The last complete checkpoint; None if the run was interrupted before its first.

    The state file is written last, so a checkpoint without one is incomplete.
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
    """Write the result to a temporary folder, then move it into place, weights last."""
    unfinished = out / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    # GRPO with a divergence penalty keeps the original model as a second adapter.
    chosen = {"selected_adapters": ["default"]} if hasattr(model, "peft_config") else {}
    model.save_pretrained(unfinished, **chosen)
    if chosen:
        rename_adapter(model.get_base_model(), unfinished)
    trainee.processor.save_pretrained(unfinished)
    described = unfinished / ADAPTER_FILE
    if described.is_file():
        content = json.loads(described.read_text(encoding="utf-8"))
        content["base_model_name_or_path"] = base_name(trainee.source)
        described.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for file in unfinished.glob("*.safetensors"):
        # Weights are saved readable by their owner only; give them the mode of the other files.
        shutil.copymode(next(unfinished.glob("*.json")), file)
    for file in sorted(unfinished.iterdir(), key=lambda file: file.suffix == ".safetensors"):
        file.replace(out / file.name)
    unfinished.rmdir()


def _check_same(file: Path, asked: Mapping[str, Any]) -> None:
    if not file.is_file():
        raise OptionError(
            f"--resume: there is no run in {file.parent}; omit --resume to start a new one"
        )
    try:
        known = {**json.loads(file.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError):
        raise OptionError(
            f"--resume: {file} is damaged, so the settings of the run are unknown: start again in"
            " another folder"
        ) from None
    now = json.loads(json.dumps(asked))
    for name in now:
        if known.get(name) != now[name]:
            raise OptionError(f"--resume: {_other(file, name, known.get(name), now[name])}")


def _other(file: Path, name: str, before: object, now: object) -> str:
    if name in HASHED:
        return f"the run in {file.parent} has a different {name}: name another folder"
    return (
        f"the run in {file.parent} has {name} {before!r}, not {now!r}: give the same options, or"
        " name another folder"
    )
