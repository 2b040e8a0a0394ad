"""Fixtures for the training tests: a suite to learn from, and the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from pytest_crossmath.cli.main import main

Train = Callable[..., int]


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
def train(lessons: Path, one_thread: None) -> Train:
    """Runs `crossmath train KIND` on the lessons; returns the exit status."""

    def run(kind: str, model: str | Path, out: Path, *options: str) -> int:
        where = ["--model", str(model), "--out", str(out)]
        return main(["train", kind, str(lessons), *where, "--log-every", "1", *options])

    return run
