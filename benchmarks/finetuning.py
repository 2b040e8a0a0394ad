"""The paper's experiment at pocket scale: what training on generated puzzles does to the gap.

python benchmarks/finetuning.py [--keep FOLDER] [--curves docs/finetuning.png]

Three models: a base model that reads text well and pictures badly, the same after supervised
fine-tuning on worked solutions in all forms, and that after reinforcement learning on pictures.
Each is evaluated on the suite `mini`, none of whose problems were trained on. Takes about an
hour on two cores. An interrupted run resumes when it is started again with the same `--keep`.
Needs the extras `train` and `benchmarks`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from pytest_crossmath.gating.rates import measured, tally
from pytest_crossmath.gating.stats import Interval, gap_interval
from pytest_crossmath.inference.run import Run
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.reporting.summary import summarize_run
from pytest_crossmath.tasks.task import Form, Modality

SEED = 1
VISION_STEPS = 100
LESSONS, TASKS = 400, 800
SFT = (
    "--completion", "brief", "--learning-rate", "1e-3", "--batch-size", "32", "--accumulate", "1",
    "--lora-rank", "16", "--epochs", "2",
    "--eval-suite", "mini", "--eval-limit", "100", "--eval-every", "25",
)  # fmt: skip
GRPO = (
    "--modality", "image", "--learning-rate", "1e-4", "--batch-size", "128", "--accumulate", "1",
    "--generations", "16", "--temperature", "1.0", "--max-new-tokens", "64", "--max-steps", "200",
    "--eval-suite", "mini", "--eval-limit", "100", "--eval-every", "50",
)  # fmt: skip
PAPER = {
    "base": {"text": 44.0, "image": 3.2, "image+text": 29.6},
    "SFT": {"text": 69.6, "image": 48.5, "image+text": 60.0},
    "SFT + GRPO": {"text": 76.4, "image": 50.4, "image+text": 62.8},
}
"""Macro accuracy of Qwen3.5-9B in per cent. Source: CrossMath (arXiv 2604.16256)."""


def main() -> None:
    """Train the models that are missing, evaluate each model, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="working folder, needed to resume later")
    parser.add_argument("--curves", type=Path, help="plot the training curves to this file")
    arguments = parser.parse_args()
    curves = arguments.curves and arguments.curves.resolve()
    if curves and importlib.util.find_spec("matplotlib") is None:
        sys.exit("--curves needs matplotlib: pip install 'pytest-crossmath[benchmarks]'")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        train_all()
        runs = {
            "base": ask("base"),
            "SFT": ask("sft", against="base"),
            "SFT + GRPO": ask("grpo", against="base"),
        }
        print(f"\n{table(runs)}\n\n{changes(runs)}\n")
        gate("grpo", against="base")
        gate("base", against="grpo")
        if curves:
            draw(curves)


def train_all() -> None:
    """Generate and verify the problems and train the three models, unless they exist."""
    crossmath(
        "generate", "--count", str(LESSONS), "--seed", "11", "--difficulty", "mini",
        "--style", "original", "background", "--out", "lessons", done="lessons/manifest.json",
    )  # fmt: skip
    crossmath(
        "generate", "--count", str(TASKS), "--seed", "12", "--difficulty", "mini",
        "--style", "original", "background", "--against", "lessons", "--out", "tasks",
        done="tasks/manifest.json",
    )  # fmt: skip
    for suite in ("lessons", "tasks"):
        crossmath(
            "verify", suite, "--against", "mini", "standard", "--json", f"{suite}.json",
            done=f"{suite}.json",
        )  # fmt: skip
    crossmath(
        "train", "pocket", "--out", "base", "--seed", str(SEED),
        "--vision-steps", str(VISION_STEPS), done="base/training-figures.json",
        begun="base/training-state.pt", may_miss=True,
    )  # fmt: skip
    crossmath(
        "train", "sft", "lessons", "--model", "base", "--out", "sft", *SFT,
        done="sft/adapter_model.safetensors", begun="sft/training.json",
    )  # fmt: skip
    crossmath(
        "train", "grpo", "tasks", "--model", "sft", "--out", "grpo", *GRPO,
        done="grpo/adapter_model.safetensors", begun="grpo/training.json",
    )  # fmt: skip


def crossmath(*arguments: str, done: str, begun: str = "", may_miss: bool = False) -> None:
    """Run a command unless its result `done` exists; resume it if `begun` exists."""
    if Path(done).exists():
        return
    resume = ["--resume"] if begun and Path(begun).exists() else []
    print("\n$ crossmath", *arguments, *resume, flush=True)
    started = time.perf_counter()
    command = [sys.executable, "-m", "pytest_crossmath.cli.main", *arguments, *resume]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # a tiny model is slower with two threads
    status = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
    print(f"exit status {status}, {time.perf_counter() - started:.0f} s", flush=True)
    if status and not (may_miss and status == 1):
        sys.exit(status)


def ask(model: str, *, against: str | None = None) -> Run:
    """The run record of a model on `mini`, created if it does not exist."""
    record = Path(f"{model}.jsonl")
    if not record.exists():
        pytest(model, f"--crossmath-record={record}", *(gates(against) if against else ()))
    return read_record(record)


def gate(model: str, *, against: str) -> None:
    """Print the gates' verdicts on a model compared with another; its responses are cached."""
    status = pytest(model, *gates(against))
    print(f"exit status of {model} against {against}: {status}\n")


def gates(base: str) -> tuple[str, ...]:
    """Options for a comparison in which no form may lose more than 5 points."""
    forms = (modality.value for modality in Modality)
    fails = (f"--crossmath-compare-fail={form}:5%" for form in forms)
    return (f"--crossmath-compare={base}.jsonl", *fails)


def pytest(model: str, *options: str) -> int:
    """Run the built-in items on a model, print the plugin's section and return the status."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "--no-summary",
         "crossmath", f"--crossmath-model=m=./{model}", "--crossmath-suite=mini", *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    _, _, section = done.stdout.partition("crossmath: modality gap")
    print(f"### {model}\n{section.partition(chr(10))[2]}{done.stderr}", flush=True)
    return done.returncode


def table(runs: dict[str, Run]) -> str:
    """The share that each model solves, next to the paper's figures."""
    lines = [
        "| | text | image | image+text | gap of image | the paper: text | image | image+text |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, run in runs.items():
        rows = {row.modality: row for row in summarize_run(run.results).rows}
        cells = [
            f"{rows[m].solved:.1%} ({shown(rows[m].solved_interval, signed=False)})"
            for m in Modality
        ]
        gap = rows["image"].gap
        cells.append(f"{gap.points * 100:+.1f} ({shown(gap.interval)})" if gap else "-")
        cells += [f"{PAPER[name][m]:.1f}%" for m in Modality]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def changes(runs: dict[str, Run]) -> str:
    """Gains on the same problems, in points: problems solved, and blanks right."""
    lines = ["| | text | image | image+text | image, blanks |", "|---|---|---|---|---|"]
    for before, after in (("base", "SFT"), ("SFT", "SFT + GRPO"), ("base", "SFT + GRPO")):
        pair = runs[before], runs[after]
        cells = [change(*(solved(run, modality) for run in pair)) for modality in Modality]
        cells.append(change(*(blanks(run, Modality.IMAGE) for run in pair)))
        lines.append(f"| {after} minus {before} | {' | '.join(cells)} |")
    return "\n".join(lines)


def solved(run: Run, modality: Modality) -> dict[str, float]:
    """By problem, whether it was solved."""
    return measured(tally(run.results, Form(modality)))


def blanks(run: Run, modality: Modality) -> dict[str, float]:
    """By problem, the share of its blanks that are right."""
    return {r.problem: fmean(r.right) for r in run.results if r.modality == modality}


def change(before: dict[str, float], after: dict[str, float]) -> str:
    """A mean change with its paired interval, in points."""
    differences = [after[problem] - before[problem] for problem in before]
    return f"{fmean(differences) * 100:+.1f} ({shown(gap_interval(differences))})"


def shown(interval: Interval, *, signed: bool = True) -> str:
    """An interval in points."""
    sign = "+" if signed else ""
    return f"{interval.low * 100:{sign}.1f} to {interval.high * 100:{sign}.1f}"


def draw(file: Path) -> None:
    """Plot the curves of both training runs."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for axis, (name, title) in zip(axes, (("sft", "SFT"), ("grpo", "GRPO on images")), strict=True):
        log = read_log(Path(name, "training-log.jsonl"))
        for modality in Modality:
            curve(axis, log, f"crossmath/{modality.value}", modality.value, marker="o")
        if name == "grpo":
            curve(axis, log, "reward", "mean reward", color="0.6", linewidth=0.8, zorder=0)
        axis.set(title=title, xlabel="step", ylim=(0, 1.02))
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right")
    axes[0].set_ylabel("solved, first 100 of mini")
    figure.savefig(file, dpi=120)


def curve(
    axis: object, log: Iterable[dict[str, float]], key: str, label: str, **how: object
) -> None:
    """Plot a logged figure over the steps."""
    points = [(line["step"], line[key]) for line in log if key in line]
    axis.plot(*zip(*points, strict=True), label=label, **how)  # type: ignore[attr-defined]


def read_log(file: Path) -> Sequence[dict[str, float]]:
    """The lines of a training log, without duplicates of steps repeated after an interruption."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    kept = {(line["step"], *sorted(line)): line for line in lines}
    return sorted(kept.values(), key=lambda line: line["step"])


if __name__ == "__main__":
    main()
