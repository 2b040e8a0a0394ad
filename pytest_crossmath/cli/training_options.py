"""The options of `crossmath train sft` and `grpo`: declared, checked, and made a recipe.

Nothing heavy is imported before they are known to be sound.
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
"""Options that a run can be resumed with other values of."""


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
        help="completions of a prompt that are compared (default: 4)")  # fmt: skip
    add("--temperature", type=float, default=1.0, metavar="T", help="of sampling (default: 1)")
    add("--max-new-tokens", type=int, default=2048, metavar="N",
        help="most tokens in a completion (default: 2048)")  # fmt: skip
    add("--beta", type=float, default=0.0, metavar="B",
        help="weight of the divergence from the model as it came (default: 0)")  # fmt: skip
    add("--depth-weight", type=float, default=1.0, metavar="W",
        help="a blank of step k weighs 1 + W * (k - 1) (default: 1)")  # fmt: skip
    add("--format-weight", type=float, default=0.0, metavar="W",
        help="share of the reward for an answer in the right form (default: 0)")  # fmt: skip


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
    parser.add_argument("suite", help="suite to learn from, such as one of `crossmath generate`")
    parser.add_argument("--model", required=True, help="as in --crossmath-model; also an adapter")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--resume", action="store_true", help="go on with a run that was broken off"
    )
    add_example_arguments(parser, modalities=modalities)
    add = parser.add_argument_group("how to train").add_argument
    add("--epochs", type=float, default=epochs, metavar="N",
        help=f"passes over the examples (default: {epochs:g})")  # fmt: skip
    add("--max-steps", type=int, default=steps, metavar="N",
        help=f"optimizer steps, whatever --epochs says (default: {steps or 'none'})")  # fmt: skip
    add("--learning-rate", type=float, default=rate, metavar="R",
        help=f"the highest (default: {rate:g})")  # fmt: skip
    add("--schedule", default="cosine", choices=["cosine", "linear", "constant_with_warmup"])
    add("--warmup", type=float, default=0.03, metavar="W",
        help="share of the steps in which the rate rises (default: 0.03)")  # fmt: skip
    add("--batch-size", type=int, default=batch, metavar="N",
        help=f"at once on a device (default: {batch})")  # fmt: skip
    add("--accumulate", type=int, default=accumulate, metavar="N",
        help=f"batches in a step (default: {accumulate})")  # fmt: skip
    add("--lora-rank", type=int, metavar="R",
        help="rank of the adapter; 0 trains the whole model (default: 16)")  # fmt: skip
    add("--lora-alpha", type=float, metavar="A", help="its weight (default: 32)")
    add("--lora-dropout", type=float, metavar="P", help="default: 0")
    add("--lora-targets", choices=[t.value for t in LoraTargets],
        help="layers that get one: all linear ones (default), or the language model's")  # fmt: skip
    add("--checkpointing", action="store_true", help="less memory, a fifth slower")
    add = parser.add_argument_group("where, and what is told").add_argument
    add("--device", default="auto", choices=["auto", "cpu"])
    add("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"])
    add("--trust-remote-code", action="store_true", help="run Python code that a checkpoint brings")
    add("--log-every", type=int, default=10, metavar="N", help="steps (default: 10)")
    add("--save-every", type=int, default=100, metavar="N", help="steps (default: 100)")
    add("--report-to", nargs="+", default=[], metavar="NAME",
        help="trackers, such as wandb or tensorboard (default: none)")  # fmt: skip
    add = parser.add_argument_group("measuring on the way").add_argument
    add("--eval-every", type=int, metavar="N", help="ask a suite every N steps (default: never)")
    add("--eval-suite", metavar="SUITE", help="default: standard; mini for pocket")
    add("--eval-limit", type=int, metavar="N", help="its first N problems (default: all)")
    add("--eval-max-new-tokens", type=int, metavar="N", help="default: the model's own")


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
    """Raise `OptionError` for a number that cannot be, and `ModelError` for a missing package."""
    # Before any library is loaded that looks at it: a user did not ask to be counted.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    for name, given in vars(arguments).items():
        if isinstance(given, int | float) and not isinstance(given, bool):
            _check_number(name, given)
    for package in ("trl", "datasets", "peft", "torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"training needs {package}: pip install 'pytest-crossmath[train]'")
    for name in ("eval_suite", "eval_limit", "eval_max_new_tokens"):
        if getattr(arguments, name) is not None and arguments.eval_every is None:
            raise OptionError(f"--{name.replace('_', '-')} wants --eval-every")


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
    """Raise `OptionError` for completions that cannot be drawn or compared."""
    modalities = chosen_modalities(arguments)
    if len({modality.shows_image for modality in modalities}) > 1:
        raise OptionError(
            "--modality: a batch of GRPO has either pictures or none: train on image,image+text, or"
            " on text in a run of its own"
        )
    if arguments.batch_size % arguments.generations:
        raise OptionError(
            f"--batch-size {arguments.batch_size} is no multiple of --generations"
            f" {arguments.generations}: the completions of a prompt are compared within a batch"
        )
    if arguments.beta and arguments.lora_rank == 0:
        raise OptionError(
            "--beta wants an adapter, whose base it compares with: drop --lora-rank=0"
        )


def prepared(
    arguments: argparse.Namespace, spec: ModelSpec, suite: Suite
) -> tuple[Recipe, dict[str, Any]]:
    """How to train, and what makes the run what it is. Raises `OptionError`."""
    from pytest_crossmath.training.folder import check_folder

    if (Path(spec.target) / ADAPTER_FILE).is_file():
        for name in ("lora_alpha", "lora_dropout", "lora_rank", "lora_targets"):
            if getattr(arguments, name) is not None:
                raise OptionError(
                    f"--{name.replace('_', '-')}: {spec.target} is an adapter, and is trained on as"
                    " it is: leave the option out"
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

    find: Any = integration_utils.get_available_reporting_integrations  # it has no types
    available = find()
    if name not in available:
        raise OptionError(
            f"--report-to: {name!r} is not installed or no tracker that transformers knows;"
            f" installed: {', '.join(available) or 'none'}"
        )


def _asked(arguments: argparse.Namespace, spec: ModelSpec, suite: Suite) -> dict[str, Any]:
    """The options that make a run what it is, with what its files hold."""
    options = {
        name: value
        for name, value in vars(arguments).items()
        if name not in _UNASKED and not name.startswith("eval_")
    }
    # The same examples in a step, in smaller batches, are the same step.
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
    """Where and in which precision a model is loaded."""
    return Settings(
        dtype=arguments.dtype, device=arguments.device,
        trust_remote_code=arguments.trust_remote_code,
    )  # fmt: skip
