"""The files of a checkpoint's folder, looked at before anything is loaded.

A missing shard, a copy that was cut off, or weights in a format that can run code are told
in one line and without torch.
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
    """Raise `ModelError` for what is wrong with a checkpoint or an adapter, and with its base."""
    if (directory / ADAPTER_FILE).is_file():
        require(spec, "peft")
        base = base_of_adapter(directory)
        if (Path(base) / ADAPTER_FILE).is_file():
            raise ModelError(f"{directory}: the adapter's base {base} is an adapter itself")
        if Path(base).is_dir():
            check_directory(spec, Path(base))
        elif not HUB_ID.fullmatch(base):
            raise ModelError(f"{directory}: the adapter's base model {base} is not there")
    elif not (directory / "config.json").is_file():
        raise ModelError(
            f"{directory} is no checkpoint: it has neither config.json nor {ADAPTER_FILE}"
        )
    else:
        read_json(directory / "config.json")
    _check_weights(directory)


def _check_weights(directory: Path) -> None:
    files = sorted(directory.glob("*.safetensors"))
    _check_index(directory)
    if not files:
        raise ModelError(
            f"{directory} holds no *.safetensors: other weight formats can run code when they"
            " are loaded and are not read; save with save_pretrained(safe_serialization=True)"
        )
    for file in files:
        _check_safetensors(file)


def _check_index(directory: Path) -> None:
    """See that every shard that an index names is there."""
    file = directory / "model.safetensors.index.json"
    if not file.is_file():
        return
    try:
        shards = sorted(set(read_json(file)["weight_map"].values()))
        missing = next((shard for shard in shards if not (directory / shard).exists()), None)
    except (KeyError, TypeError, AttributeError):
        raise ModelError(f"{file} is damaged: it has no map of weights to files") from None
    if missing:
        raise ModelError(f"{directory} lacks {missing}, which {file.name} names")


def _check_safetensors(file: Path) -> None:
    """Compare the header of a safetensors file with its size: a cut-off copy is found at once."""
    try:
        size, length, content = _header(file)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from None
    if 8 + length > size or length >= _MAX_HEADER:
        raise ModelError(f"{file} is damaged: its header is cut off or no safetensors header")
    try:
        header = json.loads(content)
        ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise ModelError(f"{file} is damaged: its header cannot be read") from None
    if 8 + length + max(ends, default=0) != size:
        raise ModelError(f"{file} is damaged: it has {size} bytes, its header says otherwise")


def _header(file: Path) -> tuple[int, int, bytes]:
    """Size of a safetensors file, the length that it gives its header, and the header."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else _MAX_HEADER
        return size, length, stream.read(length) if length < _MAX_HEADER else b""
