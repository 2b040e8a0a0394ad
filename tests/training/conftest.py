"""Fixtures for the training tests: a suite to learn from, and the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

from pytest_crossmath.cli.main import main
from pytest_crossmath.tasks.suite import taken_fingerprints

Train = Callable[..., int]
# The bundled suites are the same in each run.
TAKEN = cache(taken_fingerprints)


@pytest.fixture(scope="session")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small problems to learn from."""
    folder = tmp_path_factory.mktemp("training") / "lessons"
    arguments = ["--count", "6", "--seed", "3", "--difficulty", "mini"]
    assert main(["generate", *arguments, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Use one thread, so that sums are computed in a fixed order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def train(lessons: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Runs `crossmath train KIND` on the lessons; returns the exit status."""
    monkeypatch.setattr("pytest_crossmath.cli.learning.taken_fingerprints", TAKEN)

    def run(kind: str, model: str | Path, out: Path, *options: str) -> int:
        where = ["--model", str(model), "--out", str(out)]
        return main(["train", kind, str(lessons), *where, "--log-every", "1", *options])

    return run
