"""One training run: resuming, logging, one-line errors, and saving the result."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback, TrainerState
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

from pytest_crossmath.errors import CrossmathError, ModelError, NoResultError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.loading import Checkpoint, without_future_warnings
from pytest_crossmath.models.checkpoint.memory import ran_out_of_memory
from pytest_crossmath.signals import interrupt_on_sigterm
from pytest_crossmath.text import described
from pytest_crossmath.training.callback import CrossmathCallback
from pytest_crossmath.training.folder import (
    is_finished,
    last_checkpoint,
    note_settings,
    save_result,
)
from pytest_crossmath.training.log import LOG_FILE, LogLines
from pytest_crossmath.training.recipe import Recipe

_PATIENCE = 6 * 3600
"""Seconds that processes wait for each other."""


def train(
    build: Callable[[], Any], callbacks: Iterable[CrossmathCallback], trainee: Checkpoint,
    recipe: Recipe, asked: Mapping[str, Any], *, resume: bool,
) -> None:  # fmt: skip
    """Build a trainer, train to the end, and save the adapter or the whole model.

    Raises `ModelError` for a model or a setting that cannot be trained with, and `NoResultError`
    if training fails; the last checkpoint is kept.
    """
    with _told(trainee, recipe), without_future_warnings(), interrupt_on_sigterm():
        last = last_checkpoint(recipe) if resume else None
        trainer = build()
        zero3: Any = is_deepspeed_zero3_enabled  # it has no types
        if trainer.is_fsdp_enabled or zero3():
            raise ModelError(
                "weights that FSDP or ZeRO-3 has sharded cannot be saved as one adapter here: use"
                " plain data parallelism, or your own script on exported examples"
            )
        for theirs in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(theirs)
        trainer.add_callback(LogLines(recipe.out / LOG_FILE))
        for callback in callbacks:
            callback.attach(trainer)
        if trainer.is_world_process_zero():
            # Not earlier, so that a run that fails to start leaves its folder free.
            note_settings(recipe, asked)
        if last is not None and is_finished(last):
            # Another step would change the model.
            trainer._load_from_checkpoint(last)  # noqa: SLF001 - as `train` does
        else:
            trainer.train(resume_from_checkpoint=last)
            _check_steps(trainer.state)
        if trainer.is_world_process_zero():
            save_result(trainer, trainee, recipe.out)


def _check_steps(state: TrainerState) -> None:
    if state.global_step < max(state.max_steps, 1):
        raise ModelError(
            f"only {state.global_step} of {state.max_steps} steps were taken: there are fewer"
            " examples than a step needs. Generate more, or use a smaller --batch-size or"
            " --accumulate"
        )


def training_arguments(recipe: Recipe, settings: Settings) -> dict[str, Any]:
    """The settings under the names that transformers uses."""
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    mixed = on_gpu and settings.dtype != "float32"
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
        # No checkpoint is written before the loss has been checked.
        "logging_steps": min(recipe.log_every, recipe.save_every),
        # Otherwise a NaN loss is logged as 0.
        "logging_nan_inf_filter": False,
        "save_steps": recipe.save_every,
        "save_total_limit": 2,
        "report_to": list(recipe.report_to),
        "use_cpu": settings.device == "cpu",
        "dataloader_pin_memory": on_gpu,
        "bf16": mixed and torch.cuda.is_bf16_supported(including_emulation=False),
        # The other processes wait while the first one evaluates the model.
        "ddp_timeout": _PATIENCE,
        "disable_tqdm": True,
    }


def on_one_gpu(arguments: Any) -> Any:
    """The trainer's arguments, changed so that each process uses one GPU.

    By default, a trainer that sees several GPUs copies the model to all of them at each
    step (`DataParallel`), which separates pictures from their rows.
    """
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # noqa: SLF001 - there is no public way to set it
    return arguments


@contextmanager
def _told(trainee: Checkpoint, recipe: Recipe) -> Iterator[None]:
    """Turn anything that a trainer raises into a one-line error."""
    try:
        yield
    except CrossmathError:
        raise
    except KeyboardInterrupt:
        if last_checkpoint(recipe):
            print("crossmath: --resume continues from the last checkpoint", file=sys.stderr)
        raise
    except Exception as error:  # trainers and models raise many kinds of errors
        if ran_out_of_memory(error):
            raise NoResultError(
                "out of memory: use a smaller --batch-size with a larger --accumulate, or"
                " --checkpointing, and --resume"
            ) from error
        full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
        if full or "inline_container" in str(error):
            raise NoResultError(
                f"--out {recipe.out} can no longer be written: there is no space left. Free some,"
                " then --resume"
            ) from error
        raise NoResultError(f"{trainee.source} cannot be trained: {described(error)}") from error
