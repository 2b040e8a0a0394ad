"""Checkpoints as a kind of model: what is checked before torch is imported, and what they are."""

from __future__ import annotations

from pathlib import Path

from pytest_crossmath.models.backend import Backend, Settings
from pytest_crossmath.models.checkpoint.files import check_directory
from pytest_crossmath.models.checkpoint.fingerprint import digest_of_weights, fingerprint
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.spec import ModelSpec, require


def check(spec: ModelSpec) -> None:
    """Raise `ModelError` for a missing package, and for what is wrong with a folder."""
    require(spec, "torch", "transformers", "accelerate")
    if spec.kind == "local":
        check_directory(spec, Path(spec.target))


def load(spec: ModelSpec, settings: Settings) -> Backend:
    """The checkpoint on its device. Raises `ModelError`."""
    from pytest_crossmath.models.checkpoint.backend import HFBackend

    return HFBackend.load(spec.target, settings, spec.revision)


def identify(spec: ModelSpec, settings: Settings, digests: Digests, *, loaded: bool) -> str | None:
    """The fingerprint of its files, with dtype, device and attention; see `registry.identify`."""
    if spec.kind == "hub" and not loaded:
        return None
    files = fingerprint(spec, settings, digests)
    if files is None:
        return None
    return f"{files} {settings.dtype} {_hardware(settings.device)} {settings.attention}"


def weights_digest(spec: ModelSpec, digests: Digests) -> str | None:
    """See `fingerprint.digest_of_weights`."""
    return digest_of_weights(spec, digests)


def _hardware(device: str) -> str:
    """The device with its kind: another GPU rounds otherwise and has another default dtype."""
    import torch

    if torch.cuda.is_available() and not device.startswith("cpu"):
        return f"{device} {torch.cuda.get_device_name()}"
    return f"{device} {'mps' if torch.backends.mps.is_available() else 'cpu'}"
