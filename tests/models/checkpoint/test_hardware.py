"""What a model runs on, and what is imported to find out."""

from __future__ import annotations

import sys

import pytest

from pytest_crossmath.models.checkpoint import hardware


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "sharded"])
def test_it_is_what_torch_says(device: str) -> None:
    """With whatever this machine has."""
    import torch

    name = "cpu"
    if not device.startswith("cpu"):
        if torch.cuda.is_available():
            name = torch.cuda.get_device_name()
        elif torch.backends.mps.is_available():
            name = "mps"
    assert hardware.hardware(device) == f"{device} {name}"


@pytest.mark.parametrize(
    ("is_cpu_build", "has_driver", "platform", "asks"),
    [
        (True, True, "linux", False),
        (False, False, "linux", False),
        (False, True, "linux", True),
        (True, False, "darwin", True),
        (True, False, "win32", True),
    ],
)
def test_torch_is_asked_where_there_may_be_a_gpu(
    monkeypatch: pytest.MonkeyPatch, is_cpu_build: bool, has_driver: bool, platform: str, asks: bool
) -> None:
    """A build for CPUs, or a Linux machine without a driver, has none."""
    monkeypatch.setattr(hardware, "_is_cpu_build", lambda: is_cpu_build)
    monkeypatch.setattr(hardware, "_DRIVERS", ("/dev/null",) if has_driver else ("/no/driver",))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setitem(sys.modules, "torch", None)
    if asks:
        with pytest.raises(ImportError):
            hardware.hardware("auto")
    else:
        assert hardware.hardware("auto") == "auto cpu"
