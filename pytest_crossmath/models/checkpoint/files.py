"""Checks of the files in a checkpoint's folder, before anything is loaded.

A missing shard, a truncated copy, or weights in a format that can run code are reported
in one line and without importing torch.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.spec import (
    ADAPTER_FILE,
    HUB_ID,
    ModelSpec,
    base_of_adapter,
    read_json,
    require,
)

_MAX_HEADER = 100_000_000


def check_directory(spec: ModelSpec, directory: Path) -> None:
    """Raise `ModelError` if a checkpoint, or an adapter or its base, is damaged or incomplete."""
    if (directory / ADAPTER_FILE).is_file():
        require(spec, "peft")
        base = base_of_adapter(directory)
        if (Path(base) / ADAPTER_FILE).is_file():
            raise ModelError(f"{directory}: the adapter's base {base} is itself an adapter")
        if Path(base).is_dir():
            check_directory(spec, Path(base))
        elif not HUB_ID.fullmatch(base):
            raise ModelError(f"{directory}: the adapter's base model {base} does not exist")
    elif not (directory / "config.json").is_file():
        raise ModelError(
            f"{directory} is not a checkpoint: it has neither config.json nor {ADAPTER_FILE}"
        )
    else:
        read_json(directory / "config.json")
    _check_weights(directory)


def _check_weights(directory: Path) -> None:
    files = sorted(directory.glob("*.safetensors"))
    _check_index(directory)
    if not files:
        raise ModelError(
            f"{directory} has no *.safetensors files: other weight formats are not read because"
            " loading them can run code; save with save_pretrained(safe_serialization=True)"
        )
    for file in files:
        _check_safetensors(file)


def _check_index(directory: Path) -> None:
    """Check that every shard listed in the index exists."""
    file = directory / "model.safetensors.index.json"
    if not file.is_file():
        return
    try:
        shards = sorted(set(read_json(file)["weight_map"].values()))
        missing = next((shard for shard in shards if not (directory / shard).exists()), None)
    except (KeyError, TypeError, AttributeError):
        raise ModelError(f"{file} is damaged: it has no map of weights to files") from None
    if missing:
        raise ModelError(f"{directory} lacks {missing}, which {file.name} lists")


def _check_safetensors(file: Path) -> None:
    """Compare the header of a safetensors file with its size, which reveals a truncated copy."""
    try:
        size, length, content = _header(file)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from None
    if 8 + length > size or length >= _MAX_HEADER:
        raise ModelError(f"{file} is damaged: its safetensors header is truncated or invalid")
    try:
        header = json.loads(content)
        ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise ModelError(f"{file} is damaged: its header cannot be read") from None
    if 8 + length + max(ends, default=0) != size:
        raise ModelError(f"{file} is damaged: its size, {size} bytes, does not match its header")


def _header(file: Path) -> tuple[int, int, bytes]:
    """The size of a safetensors file, the header length it declares, and the header."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else _MAX_HEADER
        return size, length, stream.read(length) if length < _MAX_HEADER else b""
