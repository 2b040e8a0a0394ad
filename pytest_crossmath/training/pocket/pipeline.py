"""A whole run: train, save, load the saved checkpoint, evaluate it, and check the target."""

from __future__ import annotations

import ctypes
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers

from pytest_crossmath.errors import ModelError
from pytest_crossmath.locks import Lock
from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.suite import load_suite, taken_fingerprints
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.training.names import name_as_on_the_hub
from pytest_crossmath.training.pocket.architecture import Size, build_model, build_processor
from pytest_crossmath.training.pocket.batches import Batcher
from pytest_crossmath.training.pocket.evaluation import Examiner, Figures, examine_fully
from pytest_crossmath.training.pocket.files import FIGURES_FILE
from pytest_crossmath.training.pocket.loop import Training
from pytest_crossmath.training.pocket.pictures import Jitter
from pytest_crossmath.training.pocket.stages import JOINT, PLAN, Stage, shortened, with_vision

TARGET = 0.95
"""Share of the mini suite that must be solved as text."""
_SUITE = "mini"


@dataclass(frozen=True, slots=True)
class Options:
    """The user's options."""

    out: Path
    """Folder for the checkpoint."""
    seed: int
    """Seed of weights and data."""
    device: str
    """``cpu`` or ``cuda``."""
    threads: int
    """CPU threads; a different number may round differently and give different weights."""
    resume: bool
    """Whether to resume from the state in `out`."""
    vision_steps: int | None
    """Length of the stage that aligns the vision tower; None for the plan's default."""
    joint_steps: int
    """Length of the stage on pictures and text together; 0 omits it."""
    most_steps: int | None
    """Maximum number of steps in each stage; None for no limit."""


def train_and_judge(options: Options) -> bool:
    """Train, save and evaluate; returns whether the target is met.

    Raises `ModelError` if the device does not exist, and `OptionError` if the saved
    state belongs to a different run.
    """
    _prepare(options)
    options.out.mkdir(parents=True, exist_ok=True)
    with Lock(options.out, "--out"):
        return _train_and_judge(options)


def _train_and_judge(options: Options) -> bool:
    plan = plan_for(options)
    training = start_training(options.out, options.seed, plan, Size(), device=options.device)
    if options.resume:
        training.restore()
    training.run()
    save_checkpoint(training, options.out)
    figures = examine_fully(Examiner.load(options.out), load_suite(_SUITE).tasks)
    _write_figures(figures, options, training.seconds)
    return judge(figures)


def plan_for(options: Options) -> tuple[Stage, ...]:
    """The stages for these options."""
    joint = (replace(JOINT, steps=options.joint_steps),) if options.joint_steps else ()
    own = PLAN if options.vision_steps is None else with_vision(PLAN, options.vision_steps)
    plan = (*own, *joint)
    return plan if options.most_steps is None else shortened(plan, options.most_steps)


def start_training(
    folder: Path, seed: int, plan: tuple[Stage, ...], size: Size, *, device: str = "cpu"
) -> Training:
    """A new run that has not started yet."""
    folder.mkdir(parents=True, exist_ok=True)
    processor = build_processor(size)
    model = build_model(size, processor.tokenizer, seed).to(device)
    taken = {known for family, known in taken_fingerprints() if family == FAMILY.name}
    batcher = Batcher(processor, taken, Jitter(), device)
    return Training(model, batcher, plan, seed, folder)


def save_checkpoint(training: Training, folder: Path) -> None:
    """Write weights in bfloat16, configuration and processor."""
    name_as_on_the_hub(training.model)
    training.model.to(dtype=torch.bfloat16).save_pretrained(folder)
    training.batcher.processor.save_pretrained(folder)


def judge(figures: list[Figures]) -> bool:
    """Whether enough was solved as text; prints one line about it."""
    text = next(figure for figure in figures if figure.name == Modality.TEXT.value)
    met = text.share >= TARGET
    verdict = "reached" if met else "MISSED"
    print(f"target {verdict}: text {text.share:.1%} solved, at least {TARGET:.0%} required")
    return met


def _prepare(options: Options) -> None:
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ModelError("--device cuda: torch finds no GPU; use --device cpu")
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    logging: Any = transformers.utils.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if sys.platform == "linux":
        _keep_memory()


def _keep_memory() -> None:
    """Tell glibc to keep freed memory: returning it to the system costs half of the time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    mallopt(mmap_threshold, 32 << 20)
    mallopt(trim_threshold, 1 << 30)
    mallopt(top_pad, 64 << 20)


def _write_figures(figures: list[Figures], options: Options, seconds: float) -> None:
    record = {
        "seed": options.seed,
        "threads": options.threads,
        "device": options.device,
        "seconds": round(seconds, 1),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "figures": [asdict(figure) for figure in figures],
    }
    (options.out / FIGURES_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for figure in figures:
        print(figure)
