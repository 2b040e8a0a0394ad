"""One training run: resume, log, errors in one line, and what is left when it ends."""

from __future__ import annotations

import json
import math
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import (
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from pytest_crossmath.errors import CrossmathError, ModelError, OptionError
from pytest_crossmath.models.backend import one_line
from pytest_crossmath.models.checkpoint import Checkpoint
from pytest_crossmath.models.registry import ADAPTER_FILE
from pytest_crossmath.training.callback import LOGGED, CrossmathCallback
from pytest_crossmath.training.recipe import Recipe
from pytest_crossmath.training.trainee import base_name

LOG_FILE = "training-log.jsonl"
"""One line for whatever the trainer logs."""
SETTINGS_FILE = "training.json"
"""What the run was asked, in the folder that it makes."""
_SHOWN = (
    "loss", "learning_rate", "grad_norm", "mean_token_accuracy", "reward", "reward_std",
    "frac_reward_zero_std", "completions/mean_length", "completions/clipped_ratio", "epoch",
)  # fmt: skip
"""What a line on the terminal has of all that a trainer logs; the file has everything."""
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|ALLOC_FAILED", re.IGNORECASE)


class LogLines(TrainerCallback):
    """What the trainer logs, a line each on the terminal and in a file.

    A loss that is no number ends the run: nothing that follows could be used.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._started = time.perf_counter()

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002 - transformers passes it
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the same
        **kwargs: Any,
    ) -> None:
        """Write one line."""
        logs: Mapping[str, Any] = kwargs["logs"]
        if not state.is_world_process_zero:
            return
        figures = {name: float(value) for name, value in logs.items() if _is_number(value)}
        seconds = round(time.perf_counter() - self._started, 1)
        record = {"step": state.global_step, "seconds": seconds, **figures}
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        measured = any(name.startswith(f"{LOGGED}/") for name in figures)
        shown = "  ".join(
            f"{name.removeprefix(f'{LOGGED}/')} {value:.4g}"
            for name, value in figures.items()
            if (name.startswith(f"{LOGGED}/") if measured else name in _SHOWN)
        )
        print(f"step {state.global_step}/{state.max_steps}  {seconds:.0f} s  {shown}", flush=True)
        if not all(math.isfinite(figures.get(name, 0.0)) for name in ("loss", "grad_norm")):
            raise ModelError(
                f"loss or gradient are no numbers any more at step {state.global_step}: take a"
                " smaller --learning-rate, or --dtype=float32"
            )


def prepare(recipe: Recipe, asked: Mapping[str, Any], *, resume: bool) -> None:
    """Make the folder of a run, or see that the run in it is the one that is asked for.

    Raises `OptionError` where it is not.
    """
    out, file = recipe.out, recipe.out / SETTINGS_FILE
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out {out} is a file: name a folder")
    if resume:
        _check_same(file, asked)
        return
    if out.is_dir() and any(out.iterdir()):
        raise OptionError(f"--out {out} is not empty: add --resume or name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error}") from None


def run(
    build: Callable[[], Any], callbacks: Iterable[CrossmathCallback], trainee: Checkpoint,
    recipe: Recipe, *, resume: bool,
) -> None:  # fmt: skip
    """Build a trainer, train to the end, and save the adapter or the whole model.

    Raises `ModelError` for what goes wrong on the way; the last checkpoint stays.
    """
    with _told(trainee), warnings.catch_warnings():
        # Between the libraries: no user can mend them.
        warnings.simplefilter("ignore", FutureWarning)
        trainer = build()
        for theirs in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(theirs)
        trainer.add_callback(LogLines(recipe.out / LOG_FILE))
        for callback in callbacks:
            callback.attach(trainer)
        trainer.train(resume_from_checkpoint=_last_checkpoint(recipe) if resume else None)
        if trainer.is_world_process_zero():
            _save(trainer, trainee, recipe.out)


def training_arguments(recipe: Recipe, device: str) -> dict[str, Any]:
    """The settings under the names that transformers has for them."""
    import torch

    on_gpu = device != "cpu" and torch.cuda.is_available()
    return {
        "output_dir": str(recipe.checkpoints),
        "seed": recipe.seed,
        "num_train_epochs": recipe.epochs,
        "max_steps": recipe.max_steps or -1,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.schedule,
        "warmup_steps": recipe.warmup,
        "per_device_train_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.accumulate,
        "gradient_checkpointing": recipe.checkpointing,
        "logging_steps": recipe.log_every,
        # Else a loss that is no number is logged as 0.
        "logging_nan_inf_filter": False,
        "save_steps": recipe.save_every,
        "save_total_limit": 2,
        "report_to": list(recipe.report_to),
        "use_cpu": device == "cpu",
        "dataloader_pin_memory": on_gpu,
        "bf16": on_gpu and torch.cuda.is_bf16_supported(),
        "disable_tqdm": True,
    }


def on_one_gpu(arguments: Any) -> Any:
    """Trainer's arguments, such that a process uses one GPU.

    Left alone, a trainer that sees several copies the model to all of them at each step
    (`DataParallel`), which splits pictures from their rows.
    """
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # noqa: SLF001 - there is no other way to say it
    return arguments


def _save(trainer: Any, trainee: Checkpoint, out: Path) -> None:
    trainer.accelerator.unwrap_model(trainer.model).save_pretrained(out)
    trainee.processor.save_pretrained(out)
    described = out / ADAPTER_FILE
    if described.is_file():
        content = json.loads(described.read_text(encoding="utf-8"))
        content["base_model_name_or_path"] = base_name(trainee.source)
        described.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _last_checkpoint(recipe: Recipe) -> str | None:
    """None where the run was broken off before its first."""
    folder = recipe.checkpoints
    find: Any = get_last_checkpoint  # it has no types
    last: str | None = find(str(folder)) if folder.is_dir() else None
    return last


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


@contextmanager
def _told(trainee: Checkpoint) -> Iterator[None]:
    """Whatever a trainer raises, in one line."""
    try:
        yield
    except CrossmathError:
        raise
    except Exception as error:  # trainers and models raise many kinds
        if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
            raise ModelError(
                "memory ran out: take a smaller --batch-size with a larger --accumulate, and"
                " --checkpointing; --resume goes on from the last checkpoint"
            ) from error
        raise ModelError(
            f"{trainee.source} cannot be trained: {type(error).__name__}: {one_line(error)}"
        ) from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
