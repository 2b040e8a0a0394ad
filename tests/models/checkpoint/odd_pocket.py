"""Copies of the bundled model with something changed, and what they answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.suite import load_suite

MINI = load_suite("mini")
REQUESTS = [make_request(task, form) for form in MINI.forms for task in MINI.tasks[:3]]
LIMIT = 60
"""A longest response, so that a model that never stops ends soon."""


def copy_of_pocket(folder: Path) -> Path:
    """A copy of the bundled model, to be changed."""
    names = shutil.ignore_patterns("README.md", "__pycache__")
    return Path(shutil.copytree(pocket_directory(), folder, ignore=names))


def edit(file: Path, change: Callable[[Any], object]) -> None:
    """Change the content of a JSON file."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def edit_weights(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the weights of a checkpoint or an adapter."""
    from safetensors.torch import load_file, save_file

    [file] = folder.glob("*.safetensors")
    weights = load_file(file)
    change(weights)
    save_file(weights, file, metadata={"format": "pt"})


def answers(
    backend: HFBackend,
    requests: Sequence[Request] = REQUESTS,
    *,
    size: int = 4,
    temperature: float = 0.0,
) -> list[Any]:
    """What a model answers: responses or errors, in the order of the requests."""
    settings = Settings(device="cpu", max_new_tokens=LIMIT, temperature=temperature)
    found = dict(backend.generate(requests, settings, batch_size=size))
    return [found[n] for n in range(len(requests))]


def texts(folder: Path) -> list[str]:
    """The texts that a checkpoint answers with."""
    backend = HFBackend.load(str(folder), Settings(device="cpu"))
    found = answers(backend)
    assert all(isinstance(one, Response) for one in found), found
    return [one.text for one in found]
