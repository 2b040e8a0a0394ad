"""The hardware that a model runs on, found without importing torch if possible."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

_DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/dri")
"""At least one of these exists on a Linux machine with a usable GPU: NVIDIA's, its counterpart in
WSL, AMD's and Intel's."""


def hardware(device: str) -> str:
    """The device with its kind: a different GPU rounds differently, and may have another dtype."""
    if device.startswith("cpu") or _has_no_accelerator():
        return f"{device} cpu"
    import torch

    if torch.cuda.is_available():
        return f"{device} {torch.cuda.get_device_name()}"
    return f"{device} {'mps' if torch.backends.mps.is_available() else 'cpu'}"


def _has_no_accelerator() -> bool:
    """Whether torch would certainly find only the CPU.

    With this, a rerun that is served from the cache does not wait for torch to be imported.
    """
    if not sys.platform.startswith("linux"):
        return False
    return _is_cpu_build() or not any(map(os.path.exists, _DRIVERS))


def _is_cpu_build() -> bool:
    """Whether the installed torch was built without support for any GPU."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        text = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return False
    builds = dict(re.findall(r"^(cuda|hip|xpu)\b[^=\n]*= *(.+)$", text, re.MULTILINE))
    return {"cuda", "hip"} <= builds.keys() and set(builds.values()) == {"None"}
