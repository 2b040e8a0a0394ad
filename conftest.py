"""Fixtures that the tests of the plugin share."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_crossmath.puzzle.suite import load_suite

pytest_plugins = ["pytester"]

# pytester forgets what a run imported, and neither enums nor NumPy survive a second import.
for _module in ("builtin", "collection", "session", "models.replay", "reporting.terminal"):
    importlib.import_module(f"pytest_crossmath.{_module}")
for _module in ("PIL.PngImagePlugin", "scipy.stats", "tabulate"):
    importlib.import_module(_module)

Replay = Callable[..., str]


@pytest.fixture
def replay(pytester: pytest.Pytester) -> Replay:
    """Make a file of saved responses to the first problems of `mini`; gives its model spec.

    One character a problem: ``1`` solved, ``0`` missed, ``u`` unparsed, ``-`` not in the file.
    """
    problems = load_suite("mini").problems

    def make(name: str = "fake", **by_modality: str) -> str:
        lines = []
        for modality, outcomes in by_modality.items():
            for problem, outcome in zip(problems, outcomes, strict=False):
                key = ", ".join(problem.key)
                text = {
                    "1": f"so <answer>{key}</answer>",
                    "0": f"so <answer>{key}, 99</answer>",
                    "u": "I cannot tell.",
                }.get(outcome)
                if text is not None:
                    form = modality.replace("both", "image+text")
                    lines.append({"id": problem.id, "modality": form, "text": text})
        file = pytester.path / f"{name}.jsonl"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        return f"{name}=replay:{file}"

    return make


@pytest.fixture
def record_lines(pytester: pytest.Pytester) -> Callable[[], list[dict[str, object]]]:
    """Read the one run record that a run left behind."""

    def read() -> list[dict[str, object]]:
        [file] = Path(pytester.path, ".crossmath", "runs").glob("*.jsonl")
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    return read
