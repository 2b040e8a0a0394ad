"""`crossmath train pocket --out DIR`: train the bundled model from scratch.

Torch is imported when the command runs, not when its options are declared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_crossmath.errors import OptionError
from pytest_crossmath.training.pocket.files import STATE_FILE

HELP = "train the bundled model from scratch"
EXAMPLE = "crossmath train pocket --out my-pocket --seed 1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="folder for the checkpoint"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of weights and data (default: 1)"
    )
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cpu",
        help="device to train on: cpu or cuda (default: cpu)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="number of CPU threads (default: 1)"
    )
    parser.add_argument("--resume", action="store_true", help="resume an interrupted run")
    parser.add_argument(
        "--vision-steps",
        type=int,
        default=None,
        metavar="N",
        help="align the vision tower in N steps; fewer give a larger gap (default: 175)",
    )
    parser.add_argument(
        "--joint-steps",
        type=int,
        default=0,
        metavar="N",
        help="then train N more steps on pictures and text together (default: 0)",
    )
    parser.add_argument(
        "--most-steps",
        type=int,
        default=None,
        metavar="N",
        help="end each stage after N steps at most (default: no limit)",
    )


def run(args: argparse.Namespace) -> int:
    """Train, save, reload and measure; return 0 if the target is met, else 1.

    Raises `OptionError` or `ModelError` for a mistake of the user.
    """
    _check(args)
    from pytest_crossmath.training.pocket.pipeline import Options, train_and_judge

    options = Options(
        out=args.out,
        seed=args.seed,
        device=args.device,
        threads=args.threads,
        resume=args.resume,
        vision_steps=args.vision_steps,
        joint_steps=args.joint_steps,
        most_steps=args.most_steps,
    )
    return 0 if train_and_judge(options) else 1


def _check(args: argparse.Namespace) -> None:
    state = args.out / STATE_FILE
    if args.threads < 1:
        raise OptionError(f"--threads must be at least 1, not {args.threads}")
    if args.vision_steps is not None and args.vision_steps < 1:
        raise OptionError(f"--vision-steps must be at least 1, not {args.vision_steps}")
    if args.joint_steps < 0:
        raise OptionError(f"--joint-steps must be at least 0, not {args.joint_steps}")
    if args.most_steps is not None and args.most_steps < 1:
        raise OptionError(f"--most-steps must be at least 1, not {args.most_steps}")
    if args.out.exists() and not args.out.is_dir():
        raise OptionError(f"--out {args.out} is a file: name a folder")
    if args.resume and not state.is_file():
        raise OptionError(f"--resume: there is no {state}; leave --resume out to start afresh")
    if not args.resume and args.out.is_dir() and any(args.out.iterdir()):
        raise OptionError(f"--out {args.out} is not empty: add --resume or name another folder")
