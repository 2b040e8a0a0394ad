"""A run that is stopped half-way, and what the next run repeats."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers import WORKERS_NIGHTLY

# A shell that runs its tests in the background makes them ignore Ctrl-C.
HEAR = "import signal, pytest; signal.signal(signal.SIGINT, signal.default_int_handler);"
RUN = [
    sys.executable, "-c", f"{HEAR} raise SystemExit(pytest.main())", "crossmath",
    "--crossmath-model=pocket", "--crossmath-limit=50", "--crossmath-batch-size=4",
]  # fmt: skip
# Answers under the name of `pocket`, so that it is cached, and comes to a halt where it is told to.
QUICK = """
import os, signal
import pytest_crossmath.run.asker as asker
from pytest_crossmath.models.reference import ReferenceBackend

class Quick(ReferenceBackend):
    def __init__(self, spec, settings):
        self.left = int(os.environ.get("HALT_AFTER", 10**9))

    def generate(self, requests, settings, *, batch_size):
        for answered in super().generate(requests, settings, batch_size=batch_size):
            if self.left == 0:
                signal.pause()
            self.left -= 1
            yield answered

asker.load_backend = Quick
"""
MODELS = pytest.mark.parametrize(
    "model", ["quick", pytest.param("pocket", marks=pytest.mark.nightly)]
)


@pytest.fixture
def folder(model: str, tmp_path: Path) -> Path:
    """Where runs are started that ask this model."""
    if model == "quick":
        (tmp_path / "conftest.py").write_text(QUICK, encoding="utf-8")
    return tmp_path


def lines_of(record: Path) -> list[dict[str, Any]]:
    """The whole lines of a record."""
    text = record.read_text(encoding="utf-8") if record.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def results_of(record: Path) -> list[dict[str, Any]]:
    """The responses in a record."""
    return [line for line in lines_of(record) if line["type"] == "result"]


def start_and_stop(folder: Path, by: signal.Signals, workers: tuple[str, ...] = ()) -> str:
    """Start a run, stop it once 40 responses are recorded, and return its output."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*RUN, *workers, "--crossmath-record=first.jsonl"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HALT_AFTER": "60"}, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(results_of(folder / "first.jsonl")) < 40:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if by is signal.SIGINT:
        process.send_signal(by)
    else:
        os.killpg(process.pid, by)
    return process.communicate(timeout=120)[0]


@MODELS
@WORKERS_NIGHTLY
def test_a_killed_run_repeats_only_what_was_in_flight(
    folder: Path, workers: tuple[str, ...]
) -> None:
    """After kill -9, the next run reads every recorded response from the cache."""
    start_and_stop(folder, signal.SIGKILL, workers)
    saved = {(line["problem"], line["modality"]) for line in results_of(folder / "first.jsonl")}
    assert 40 <= len(saved) < 150
    done = subprocess.run(  # noqa: S603 - our own program
        [*RUN, "--crossmath-record=second.jsonl"],
        cwd=folder, capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    again = results_of(folder / "second.jsonl")
    cached = {(line["problem"], line["modality"]) for line in again if line["cached"]}
    assert len(again) == 150
    assert cached >= saved
    assert f"150 responses, {len(cached)} of them from the cache" in done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
@pytest.mark.parametrize("model", ["quick"])
def test_workers_end_with_a_controller_that_is_killed(folder: Path) -> None:
    """Also in the middle of inference: the memory of a GPU is free for the next run."""
    pytest.importorskip("xdist")
    with (folder / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(
            "\nimport pathlib\n"
            "def pytest_runtest_setup():\n"
            "    pathlib.Path(f'worker-{os.getpid()}').touch()\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        )
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*RUN, "-n2"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "HALT_AFTER": "0"}, start_new_session=True,
    )  # fmt: skip
    workers: set[int] = set()
    while len(workers) < 2:
        assert process.poll() is None
        workers = {int(file.name.partition("-")[2]) for file in folder.glob("worker-*")}
        time.sleep(0.02)
    process.kill()
    process.wait()
    killed = time.monotonic()
    # Without it, execnet waits for 10 seconds for what runs.
    while any(Path(f"/proc/{worker}/exe").exists() for worker in workers):
        assert time.monotonic() < killed + 5
        time.sleep(0.02)


@MODELS
def test_an_interrupted_run_keeps_what_is_done_and_prints_the_table(folder: Path) -> None:
    """Ctrl-C stops within a batch, completes the record and prints the table."""
    output = start_and_stop(folder, signal.SIGINT)
    assert "KeyboardInterrupt" in output
    assert "crossmath: modality gap" in output
    lines = lines_of(folder / "first.jsonl")
    assert lines[-1]["type"] == "summary"
    assert lines[-1]["responses"] == len(lines) - 2
    assert f"{len(lines) - 2} responses in " in output
    assert len(lines) - 2 < 150
