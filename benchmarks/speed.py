"""What the plugin costs and saves, as ratios of processes that are run alternately.

python benchmarks/speed.py [--rounds 3]

Inference: the bundled model on all 600 items of suite `mini` with the plugin, with a loop over
single items, and with a loop over sorted batches made by hand, the upper limit for static
batches. Start-up: pytest on one empty test with the plugin and without. Collection: 12,000
items with the plugin, with plain parametrization by problem and form, and with that and a model
of the session. Whole processes are timed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tabulate import tabulate

_PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
_POCKET = ["crossmath", "--crossmath-model=pocket", "--crossmath-cache=off"]

_LOOP = """
import sys
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.tasks.task import ImagePart
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import load_suite

torch.set_num_threads(1)
batch_size = int(sys.argv[1])
model = AutoModelForImageTextToText.from_pretrained(pocket_directory()).eval()
processor = AutoProcessor.from_pretrained(pocket_directory())
processor.tokenizer.padding_side = "left"
mini = load_suite("mini")
requests = [make_request(problem, form) for problem in mini.tasks for form in mini.forms]
if batch_size > 1:
    requests.sort(key=lambda request: (bool(request.pictures), len(request.text)))
tokens = 0
start = 0
while start < len(requests):
    kind = bool(requests[start].pictures)
    batch = [r for r in requests[start : start + batch_size] if bool(r.pictures) is kind]
    start += len(batch)
    prompts = [
        processor.apply_chat_template(
            [{"role": "user", "content": [
                {"type": "image"} if isinstance(part, ImagePart)
                else {"type": "text", "text": part.text}
                for part in request.content]}],
            add_generation_prompt=True, tokenize=False)
        for request in batch]
    images = [[picture.rgb() for picture in request.pictures] for request in batch]
    inputs = processor(text=prompts, images=images if kind else None, padding=True,
                       return_tensors="pt")
    with torch.inference_mode():
        out = model.generate(**inputs, do_sample=False)
    tokens += out.shape[0]
    for row in out[:, inputs["input_ids"].shape[1]:]:
        processor.decode(row, skip_special_tokens=True)
print(tokens)
"""

_PLAIN = """
import pytest

@pytest.mark.parametrize("form", ["text", "image", "image+text"])
@pytest.mark.parametrize("problem", [f"problem-{i:04}" for i in range(4000)])
def test_problem(problem, form): pass
"""

# As one would write it by hand: a model is loaded once, and a parameter of the session.
_BY_HAND = """
import pytest

@pytest.fixture(scope="session")
def model(request):
    return request.param

@pytest.mark.parametrize("form", ["text", "image", "image+text"])
@pytest.mark.parametrize("problem", [f"problem-{i:04}" for i in range(4000)])
@pytest.mark.parametrize("model", ["pocket"], indirect=True)
def test_problem(model, problem, form): pass
"""


def contenders(folder: Path) -> Mapping[str, tuple[list[str], Path]]:
    """The command and working directory of each contender, by name."""
    for name in ("empty", "one", "plain", "hand"):
        (folder / name).mkdir()
    (folder / "one" / "test_one.py").write_text("def test_one(): pass\n")
    (folder / "plain" / "test_plain.py").write_text(_PLAIN)
    (folder / "hand" / "test_by_hand.py").write_text(_BY_HAND)
    collect = [*_PYTEST, "--collect-only"]
    many = ["crossmath", "--crossmath-model=pocket", "--crossmath-suite=standard"]
    return {
        "plugin": ([*_PYTEST, *_POCKET], folder / "empty"),
        "one at a time": ([sys.executable, "-c", _LOOP, "1"], folder),
        "sorted batches": ([sys.executable, "-c", _LOOP, "16"], folder),
        "start with": (_PYTEST, folder / "one"),
        "start without": ([*_PYTEST, "-p", "no:crossmath"], folder / "one"),
        "collect": ([*collect, *many, "--crossmath-samples=16"], folder / "empty"),
        "collect plain": ([*collect, "-p", "no:crossmath"], folder / "plain"),
        "collect by hand": ([*collect, "-p", "no:crossmath"], folder / "hand"),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time the plugin against plain loops.")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (default: 3)")
    rounds: int = parser.parse_args().rounds
    # As for users: without stored bytecode, every start would compile pytest again.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        timed: dict[str, list[float]] = {}
        commands = contenders(Path(folder))
        for turn in range(rounds + 1):
            for name, (command, where) in commands.items():
                # Start-up is short, so it is timed more often.
                for _ in range(5 if name.startswith("start") else 1):
                    started = time.perf_counter()
                    subprocess.run(  # noqa: S603 - our own commands
                        command, cwd=where, env=environment, check=True, capture_output=True
                    )
                    if turn:  # the first round only warms the disk cache
                        timed.setdefault(name, []).append(time.perf_counter() - started)
    seconds = {name: statistics.median(times) for name, times in timed.items()}
    rows = [
        ("600 items of pocket: one at a time / plugin", "one at a time", "plugin"),
        ("600 items of pocket: plugin / sorted batches", "plugin", "sorted batches"),
        ("start of pytest: with / without the plugin", "start with", "start without"),
        ("collection of 12,000: plugin / plain, without a model", "collect", "collect plain"),
        ("collection of 12,000: plugin / with a model, by hand", "collect", "collect by hand"),
    ]
    print(
        tabulate(
            [(t, f"{seconds[a] / seconds[b]:.2f}", f"{seconds[a]:.2f} s", f"{seconds[b]:.2f} s")
             for t, a, b in rows],
            headers=["", "ratio", "first", "second"], disable_numparse=True,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
