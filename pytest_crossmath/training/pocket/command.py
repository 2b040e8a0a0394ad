"""`crossmath train pocket`: train, save, reload, measure, judge.

Exit status 1 when the saved model misses the target on text.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers

from pytest_crossmath.errors import ModelError, OptionError
from pytest_crossmath.prompting import Modality
from pytest_crossmath.puzzle.suite import load_suite
from pytest_crossmath.training.pocket.architecture import Size, build_model, build_processor
from pytest_crossmath.training.pocket.batches import Batcher
from pytest_crossmath.training.pocket.data import held_out
from pytest_crossmath.training.pocket.evaluation import Examiner, Figures, examine_fully
from pytest_crossmath.training.pocket.loop import STATE_FILE, Training
from pytest_crossmath.training.pocket.pictures import Jitter
from pytest_crossmath.training.pocket.stages import PLAN, Stage, shortened

TARGET = 0.95
"""Share of the mini suite that must be solved as text."""
FIGURES_FILE = "training-figures.json"
_SUITE = "mini"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--seed", type=int, default=1, help="of weights and data (default: 1)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was killed")
    parser.add_argument(
        "--most-steps", type=int, default=None, metavar="N", help="end each stage after N steps"
    )


def run(args: argparse.Namespace) -> int:
    """Train and evaluate; 0 when the target is met, else 1.

    Raises `OptionError` or `ModelError` for a mistake of the user's.
    """
    _check(args)
    _prepare(args.threads)
    plan = PLAN if args.most_steps is None else shortened(PLAN, args.most_steps)
    training = start_training(args.out, args.seed, plan, Size(), device=args.device)
    if args.resume:
        training.restore()
    training.run()
    save_checkpoint(training, args.out)
    figures = examine_fully(Examiner.load(args.out), load_suite(_SUITE).problems)
    _write_figures(figures, args, training.seconds)
    return _judge(figures)


def start_training(
    folder: Path, seed: int, plan: tuple[Stage, ...], size: Size, *, device: str = "cpu"
) -> Training:
    """A run that has not begun."""
    folder.mkdir(parents=True, exist_ok=True)
    processor = build_processor(size)
    model = build_model(size, processor.tokenizer, seed).to(device)
    batcher = Batcher(processor, held_out(), Jitter(), device)
    return Training(model, batcher, plan, seed, folder)


def save_checkpoint(training: Training, folder: Path) -> None:
    """Write weights in bfloat16, configuration and processor."""
    training.model.to(dtype=torch.bfloat16).save_pretrained(folder)
    training.batcher.processor.save_pretrained(folder)


def _check(args: argparse.Namespace) -> None:
    state = args.out / STATE_FILE
    if args.threads < 1:
        raise OptionError(f"--threads must be at least 1, not {args.threads}")
    if args.most_steps is not None and args.most_steps < 1:
        raise OptionError(f"--most-steps must be at least 1, not {args.most_steps}")
    if args.out.exists() and not args.out.is_dir():
        raise OptionError(f"--out {args.out} is a file: name a folder")
    if args.resume and not state.is_file():
        raise OptionError(f"--resume: there is no {state}; leave --resume out to start anew")
    if not args.resume and args.out.is_dir() and any(args.out.iterdir()):
        raise OptionError(f"--out {args.out} is not empty: add --resume or name another folder")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ModelError("--device cuda: torch finds no GPU; use --device cpu")


def _prepare(threads: int) -> None:
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    logging: Any = transformers.utils.logging
    logging.set_verbosity_error()
    if sys.platform == "linux":
        _keep_memory()


def _keep_memory() -> None:
    """Tell glibc to keep freed memory: handing it back and forth costs half of the time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    mallopt(mmap_threshold, 32 << 20)
    mallopt(trim_threshold, 1 << 30)
    mallopt(top_pad, 64 << 20)


def _write_figures(figures: list[Figures], args: argparse.Namespace, seconds: float) -> None:
    record = {
        "seed": args.seed,
        "threads": args.threads,
        "device": args.device,
        "seconds": round(seconds, 1),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "figures": [asdict(figure) for figure in figures],
    }
    (args.out / FIGURES_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for figure in figures:
        print(figure)


def _judge(figures: list[Figures]) -> int:
    text = next(figure for figure in figures if figure.name == Modality.TEXT.value)
    met = text.share >= TARGET
    verdict = "reached" if met else "MISSED"
    print(f"target {verdict}: text {text.share:.1%} solved, at least {TARGET:.0%} wanted")
    return 0 if met else 1
