"""What a model is, for the cache of responses: whatever can change an answer but the prompt."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.fingerprint import fingerprint
from pytest_crossmath.models.registry import ModelSpec


def identify(spec: ModelSpec, settings: Settings, *, memo: Path, loaded: bool) -> str | None:
    """A text equal for two models exactly if they answer alike; None where that cannot be said.

    That is so for saved responses and the calibrator, which cost nothing to ask again, and
    for a model of the Hub before it is `loaded`: nobody knows yet which commit its branch
    stands for. `memo` is a folder to keep digests of big files in.
    """
    if spec.kind == "openai":
        from pytest_crossmath.models.openai_api import describe_server

        # Other weights under the same name, path and URL cannot be told apart.
        return json.dumps(describe_server(spec.target, settings), sort_keys=True)
    if spec.kind == "hub" and not loaded:
        return None
    files = fingerprint(spec, settings, memo=memo)
    if files is None:
        return None
    return f"{files} {settings.dtype} {_hardware(settings.device)} {settings.attention}"


def _hardware(device: str) -> str:
    """The device with its kind: another GPU rounds otherwise and has another default dtype."""
    import torch

    if torch.cuda.is_available() and not device.startswith("cpu"):
        return f"{device} {torch.cuda.get_device_name()}"
    return f"{device} {'mps' if torch.backends.mps.is_available() else 'cpu'}"
