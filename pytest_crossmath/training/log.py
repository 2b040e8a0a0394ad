"""The log of a training run: lines on the terminal, and JSON lines in a file."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pytest_crossmath.errors import NoResultError
from pytest_crossmath.training.callback import LOGGED

LOG_FILE = "training-log.jsonl"
"""One line for everything that the trainer logs."""
_SHOWN = (
    "loss", "learning_rate", "grad_norm", "mean_token_accuracy", "reward", "reward_std",
    "frac_reward_zero_std", "completions/mean_length", "completions/clipped_ratio", "epoch",
)  # fmt: skip
"""The figures shown on the terminal; the file has everything that the trainer logs."""


class LogLines(TrainerCallback):
    """Writes what the trainer logs as lines on the terminal and in a file.

    A loss that is not finite ends the run, since nothing after it could be used.
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
        broken = [name for name, value in figures.items() if not math.isfinite(value)]
        seconds = round(time.perf_counter() - self._started, 1)
        # JSON has no NaN or infinity: write null instead.
        record = {"step": state.global_step, "seconds": seconds, **figures, **dict.fromkeys(broken)}
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        measured = any(name.startswith(f"{LOGGED}/") for name in figures)
        shown = "  ".join(
            f"{name.removeprefix(f'{LOGGED}/')} {value:.4g}"
            for name, value in figures.items()
            if (name.startswith(f"{LOGGED}/") if measured else name in _SHOWN)
        )
        if "train_runtime" not in figures:  # the trainer's final line is not a step
            print(
                f"step {state.global_step}/{state.max_steps}  {seconds:.0f} s  {shown}", flush=True
            )
        if {"loss", "grad_norm"} & {*broken}:
            raise NoResultError(
                f"the loss or its gradient is no longer finite at step {state.global_step}: use a"
                " smaller --learning-rate, or --dtype=float32"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
