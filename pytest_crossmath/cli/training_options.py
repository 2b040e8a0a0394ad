"""The options of `crossmath train sft` and `grpo`: declared, checked, and turned into a recipe.

No heavy library is imported before the options have been checked.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from pytest_crossmath.cli.learning import (
    add_completion_argument,
    add_example_arguments,
    chosen_instruction,
    chosen_modalities,
)
from pytest_crossmath.errors import ModelError, OptionError
from pytest_crossmath.installing import pip_install
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.registry import weights_digest
from pytest_crossmath.models.spec import ADAPTER_FILE, LOCAL, ModelSpec
from pytest_crossmath.tasks.request import instructions_of
from pytest_crossmath.tasks.suite import Suite
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.training.recipe import LoraTargets, Recipe

_UNASKED = {
    "command", "out", "resume", "device", "log_every", "save_every", "report_to", "batch_size",
    "accumulate", "checkpointing",
}  # fmt: skip
"""Options whose values may change when a run is resumed."""


def add_sft_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of supervised fine-tuning."""
    _add_common(parser, modalities=",".join(Modality), epochs=2.0, rate=2e-5, batch=4, accumulate=4)
    add_completion_argument(parser)


def add_grpo_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of reinforcement learning."""
    image = Modality.IMAGE.value
    _add_common(parser, modalities=image, epochs=1.0, rate=1e-6, batch=8, accumulate=4, steps=200)
    add = parser.add_argument_group("completions and their reward").add_argument
    add("--generations", type=int, default=4, metavar="N",
        help="completions per prompt, which are compared (default: 4)")  # fmt: skip
    add("--temperature", type=float, default=1.0, metavar="T",
        help="sampling temperature (default: 1)")  # fmt: skip
    add("--max-new-tokens", type=int, default=2048, metavar="N",
        help="longest completion, in tokens (default: 2048)")  # fmt: skip
    add("--beta", type=float, default=0.0, metavar="B",
        help="weight of the KL divergence from the model before training (default: 0)")  # fmt: skip
    add("--depth-weight", type=float, default=1.0, metavar="W",
        help="a blank of step k has weight 1 + W * (k - 1) in the reward (default: 1)")  # fmt: skip
    add("--format-weight", type=float, default=0.0, metavar="W",
        help="share of the reward for an answer in the right format (default: 0)")  # fmt: skip


def _add_common(
    parser: argparse.ArgumentParser,
    *,
    modalities: str,
    epochs: float,
    rate: float,
    batch: int,
    accumulate: int,
    steps: int | None = None,
) -> None:
    parser.add_argument(
        "suite", help="suite to learn from, such as one made by `crossmath generate`"
    )
    parser.add_argument(
        "--model", required=True, metavar="SPEC",
        help="model or LoRA adapter to train, written as in pytest --crossmath-model",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER",
        help="folder to create for checkpoints and result",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="resume an interrupted run")
    add_example_arguments(parser, modalities=modalities)
    add = parser.add_argument_group("how to train").add_argument
    add("--epochs", type=float, default=epochs, metavar="N",
        help=f"passes over the examples (default: {epochs:g})")  # fmt: skip
    add("--max-steps", type=int, default=steps, metavar="N",
        help="number of optimizer steps, which overrides --epochs (default:"
        f" {steps or 'set by --epochs'})")  # fmt: skip
    add("--learning-rate", type=float, default=rate, metavar="R",
        help=f"peak learning rate (default: {rate:g})")  # fmt: skip
    add("--schedule", default="cosine", choices=["cosine", "linear", "constant_with_warmup"],
        help="learning rate after the warm-up: cosine and linear fall to 0, constant_with_warmup"
        " stays (default: cosine)")  # fmt: skip
    add("--warmup", type=float, default=0.03, metavar="W",
        help="share of the steps that warm up the learning rate (default: 0.03)")  # fmt: skip
    add("--batch-size", type=int, default=batch, metavar="N",
        help=f"examples in a batch on each device (default: {batch})")  # fmt: skip
    add("--accumulate", type=int, default=accumulate, metavar="N",
        help=f"batches in an optimizer step (default: {accumulate})")  # fmt: skip
    add("--lora-rank", type=int, metavar="R",
        help="rank of the LoRA adapter; 0 trains the whole model (default: 16)")  # fmt: skip
    add("--lora-alpha", type=float, metavar="A",
        help="scaling of the LoRA adapter (default: 32)")  # fmt: skip
    add("--lora-dropout", type=float, metavar="P",
        help="dropout in the LoRA adapter (default: 0)")  # fmt: skip
    add("--lora-targets", choices=[t.value for t in LoraTargets],
        help="linear layers that get an adapter: all (every one) or language (those of the"
        " language model only) (default: all)")  # fmt: skip
    add("--checkpointing", action="store_true",
        help="recompute activations: less memory, about a fifth slower")  # fmt: skip
    add = parser.add_argument_group("hardware and logging").add_argument
    add("--device", default="auto", choices=["auto", "cpu"],
        help="device to train on: auto (a GPU if there is one) or cpu (default: auto)")  # fmt: skip
    add("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"],
        help="data type of the weights: auto, float32, bfloat16 or float16"
        " (default: auto)")  # fmt: skip
    add("--trust-remote-code", action="store_true",
        help="run Python code that comes with the checkpoint")  # fmt: skip
    add("--log-every", type=int, default=10, metavar="N",
        help="log every N steps (default: 10)")  # fmt: skip
    add("--save-every", type=int, default=100, metavar="N",
        help="save a checkpoint every N steps (default: 100)")  # fmt: skip
    add("--report-to", nargs="+", default=[], metavar="NAME",
        help="experiment trackers, such as wandb or tensorboard (default: none)")  # fmt: skip
    add = parser.add_argument_group("evaluation during training").add_argument
    add("--eval-every", type=int, metavar="N",
        help="evaluate on a suite every N steps (default: never)")  # fmt: skip
    add("--eval-suite", metavar="SUITE",
        help="suite to evaluate on (default: standard; mini for pocket)")  # fmt: skip
    add("--eval-limit", type=int, metavar="N",
        help="evaluate on the first N problems only (default: all)")  # fmt: skip
    add("--eval-max-new-tokens", type=int, metavar="N",
        help="longest response in an evaluation, in tokens (default: the model's own"
        " limit)")  # fmt: skip


_AT_LEAST: Mapping[str, int] = {
    "max_steps": 1, "warmup": 0, "batch_size": 1, "accumulate": 1, "lora_rank": 0,
    "lora_dropout": 0, "log_every": 1, "save_every": 1, "eval_every": 1, "eval_limit": 1,
    "eval_max_new_tokens": 1, "generations": 2, "max_new_tokens": 1, "beta": 0, "depth_weight": 0,
    "format_weight": 0,
}  # fmt: skip
_ABOVE_ZERO = ("epochs", "learning_rate", "lora_alpha", "temperature")
_BELOW: Mapping[str, float] = {"lora_dropout": 1.0, "warmup": 1.0}
_AT_MOST: Mapping[str, float] = {"format_weight": 1.0}


def check_options(arguments: argparse.Namespace) -> None:
    """Raise `OptionError` for a number out of range, and `ModelError` for a missing package."""
    # Set before a library that reads it is imported: the user has not agreed to telemetry.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    for name, given in vars(arguments).items():
        if isinstance(given, int | float) and not isinstance(given, bool):
            _check_number(name, given)
    for package in ("trl", "datasets", "peft", "torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"training needs {package}: {pip_install('train')}")
    for name in ("eval_suite", "eval_limit", "eval_max_new_tokens"):
        if getattr(arguments, name) is not None and arguments.eval_every is None:
            raise OptionError(f"--{name.replace('_', '-')} needs --eval-every")


def _check_number(name: str, given: float) -> None:
    option = f"--{name.replace('_', '-')}"
    if not isfinite(given):
        raise OptionError(f"{option} must be a number, not {given}")
    if name in _AT_LEAST and given < _AT_LEAST[name]:
        raise OptionError(f"{option} must be at least {_AT_LEAST[name]}, not {given:g}")
    if name in _ABOVE_ZERO and given <= 0:
        raise OptionError(f"{option} must be above 0, not {given:g}")
    if name in _BELOW and given >= _BELOW[name]:
        raise OptionError(f"{option} must be below {_BELOW[name]:g}, not {given:g}")
    if name in _AT_MOST and given > _AT_MOST[name]:
        raise OptionError(f"{option} must be at most {_AT_MOST[name]:g}, not {given:g}")


def check_rollouts(arguments: argparse.Namespace) -> None:
    """Raise `OptionError` for completions that cannot be sampled or compared."""
    modalities = chosen_modalities(arguments)
    if len({modality.shows_image for modality in modalities}) > 1:
        raise OptionError(
            "--modality: all prompts in a GRPO batch have a picture, or none has: train either on"
            " image,image+text, or on text in a separate run"
        )
    if arguments.batch_size % arguments.generations:
        raise OptionError(
            f"--batch-size {arguments.batch_size} is not a multiple of --generations"
            f" {arguments.generations}: the completions of a prompt are compared within a batch"
        )
    if arguments.beta and arguments.lora_rank == 0:
        raise OptionError(
            "--beta needs an adapter, whose base model is the reference: drop --lora-rank=0"
        )


def prepared(
    arguments: argparse.Namespace, spec: ModelSpec, suite: Suite
) -> tuple[Recipe, dict[str, Any]]:
    """How to train, and the settings that identify the run. Raises `OptionError`."""
    from pytest_crossmath.training.folder import check_folder

    if (Path(spec.target) / ADAPTER_FILE).is_file():
        for name in ("lora_alpha", "lora_dropout", "lora_rank", "lora_targets"):
            if getattr(arguments, name) is not None:
                raise OptionError(
                    f"--{name.replace('_', '-')}: {spec.target} is an adapter, which keeps its own"
                    " settings when it is trained further: leave the option out"
                )
    for tracker in arguments.report_to:
        _check_tracker(tracker)
    recipe = Recipe(
        out=arguments.out,
        seed=arguments.seed,
        epochs=arguments.epochs,
        max_steps=arguments.max_steps,
        learning_rate=arguments.learning_rate,
        schedule=arguments.schedule,
        warmup=arguments.warmup,
        batch_size=arguments.batch_size,
        accumulate=arguments.accumulate,
        lora_rank=16 if arguments.lora_rank is None else arguments.lora_rank,
        lora_alpha=arguments.lora_alpha or 32.0,
        lora_dropout=arguments.lora_dropout or 0.0,
        lora_targets=LoraTargets(arguments.lora_targets or LoraTargets.ALL),
        checkpointing=arguments.checkpointing,
        log_every=arguments.log_every,
        save_every=arguments.save_every,
        report_to=tuple(arguments.report_to),
    )
    asked = _asked(arguments, spec, suite)
    check_folder(recipe, asked, resume=arguments.resume)
    return recipe, asked


def _check_tracker(name: str) -> None:
    from transformers.integrations import integration_utils

    find: Any = integration_utils.get_available_reporting_integrations  # it is not typed
    available = find()
    if name not in available:
        raise OptionError(
            f"--report-to: {name!r} is not installed, or transformers does not know it;"
            f" installed: {', '.join(available) or 'none'}"
        )


def _asked(arguments: argparse.Namespace, spec: ModelSpec, suite: Suite) -> dict[str, Any]:
    """The settings that identify a run, with the digests of the files that it reads."""
    options = {
        name: value
        for name, value in vars(arguments).items()
        if name not in _UNASKED and not name.startswith("eval_")
    }
    # Smaller batches with the same number of examples in a step give the same step.
    batch = arguments.batch_size * arguments.accumulate
    instruction = chosen_instruction(arguments) or instructions_of(suite.tasks)
    model = (
        weights_digest(spec, Digests()) if spec.kind == LOCAL else f"{spec.target}@{spec.revision}"
    )
    return {
        **options, "suite": suite.digest, "model": model, "prompt": instruction,
        "examples in a step": batch,
    }  # fmt: skip


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The device, the precision and the trust with which a model is loaded."""
    return Settings(
        dtype=arguments.dtype, device=arguments.device,
        trust_remote_code=arguments.trust_remote_code,
    )  # fmt: skip
