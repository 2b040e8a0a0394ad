"""How fast problems are generated, rendered, read and scored, on one core.

python benchmarks/puzzles.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from tabulate import tabulate

from pytest_crossmath.cli.main import main
from pytest_crossmath.tasks.answers import parse_answer
from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.crossmath.reader import read_picture
from pytest_crossmath.tasks.crossmath.render import STYLES, render
from pytest_crossmath.tasks.generating import numbered
from pytest_crossmath.tasks.suite import load_suite

_HOSTILE = {
    "plain text": "so row 3 is 4 + 5 = 9, ",
    "opening tags": "<answer>",
    "closing tags": "</answer>",
    "thinking tags": "<think></think>",
    "answers of separators": "<answer>,|\n ,|\n ,|\n ,|\n </answer>",
}


def seconds(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def training_set(count: int) -> None:
    """Generate one as users do: mixed problems with two pictures each, written one by one."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "learn")
        arguments = ["--count", str(count), "--seed", "1", "--style", "original", "background"]
        if main(["generate", *arguments, "--out", out]):
            raise SystemExit(1)


def rates() -> list[tuple[str, str]]:
    """Items per second for each job."""
    problems = load_suite("standard").tasks
    styles = list(STYLES.values())
    pictures = [render(p.content, styles[i % 4]) for i, p in enumerate(problems)]
    varied = [render(p.content, STYLES["background"], p.id) for p in problems]
    jobs: dict[str, tuple[int, Callable[[], object]]] = {
        f"generate, {name}": (
            count,
            lambda name=name, count=count: list(  # type: ignore[misc]  # bound per job
                islice(numbered(FAMILY, name, seed=1, prefix="x"), count)
            ),
        )
        for name, count in (
            ("mini", 1000), ("easy", 300), ("medium", 200), ("hard", 60), ("mixed", 250)
        )
    }  # fmt: skip
    jobs["render a puzzle of standard"] = (
        250,
        lambda: [render(p.content, styles[0]) for p in problems],
    )
    jobs["read it back"] = (250, lambda: [read_picture(picture) for picture in pictures])
    jobs["render it on its own background"] = (
        250,
        lambda: [render(p.content, STYLES["background"], p.id) for p in problems],
    )
    jobs["read that back"] = (250, lambda: [read_picture(picture) for picture in varied])
    jobs["crossmath generate, mixed, with pictures in two styles"] = (
        250,
        lambda: training_set(250),
    )
    return [(name, f"{count / seconds(job):,.0f}") for name, (count, job) in jobs.items()]


def growth() -> list[tuple[str, str, str]]:
    """Time to extract an answer from 1 MB of each text, and how many times longer 10 MB takes."""
    rows = []
    for name, piece in _HOSTILE.items():
        small, large = (
            piece * (size // len(piece)) + "<answer>1, 2</answer>" for size in (10**6, 10**7)
        )
        short = min(seconds(lambda text=small: parse_answer(text)) for _ in range(3))  # type: ignore[misc]  # bound here
        long = seconds(lambda text=large: parse_answer(text))  # type: ignore[misc]  # bound here
        rows.append((name, f"{1000 * short:.1f} ms", f"{long / max(short, 1e-9):.1f}"))
    return rows


if __name__ == "__main__":
    print(tabulate(rates(), headers=("job", "per second")))
    print()
    print(tabulate(growth(), headers=("text", "1 MB", "10 MB / 1 MB")))
