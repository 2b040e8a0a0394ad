"""The fingerprint of a model: the part of a cache key that identifies its responses.

::

    fingerprint(parse_spec("./checkpoints/step-2000"), Settings(), Digests(Path(".crossmath")))
    # 'sha256:5f1c…', the same for a copy of the folder, different after any change to it

Two models with the same fingerprint give the same response to the same prompt, given equal
settings and devices; those (dtype, device, attention, thinking, decoding) are added by the
caller. Nothing here imports torch, and no weights are read twice: digests of big files are
kept in a memo.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from pathlib import Path

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.files import (
    is_adapter,
    list_files,
    outside,
    weight_files,
)
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.spec import (
    ADAPTER_FILE,
    LOCAL,
    ModelSpec,
    base_of_adapter,
    base_revision,
    read_json,
)

_PACKAGES = (
    "pytest-crossmath", "transformers", "tokenizers", "torch", "torchvision", "pillow", "peft",
    "numpy", "jinja2", "sentencepiece", "tiktoken", "mistral-common", "accelerate", "timm",
    "kernels", "flash-attn", "bitsandbytes", "gptqmodel", "compressed-tensors", "torchao",
)  # fmt: skip
"""Packages that produce prompts, tokens, pixels or logits, if they are installed."""


def fingerprint(spec: ModelSpec, settings: Settings, digests: Digests) -> str | None:
    """``sha256:…`` over all files of a checkpoint that can change a response, and over versions.

    An adapter is hashed together with its base, and a Hub repository as it is in the
    local cache. None if that does not cover all that is loaded: for a repository that is not in
    the cache yet, for a model that takes something from elsewhere, and for one that is not a
    checkpoint. Call it again after loading: only then is it certain which commit a branch on the
    Hub refers to. Raises `ModelError` if a file cannot be read.
    """
    folders = checkpoint_folders(spec)
    if folders is None:
        return None
    listed = [list_files(folder, trusted=settings.trust_remote_code) for folder in folders]
    if any(map(outside, listed)):
        return None
    contents = [
        {files.name(file): _digest(file, digests) for file in (*files.weights, *files.others)}
        for files in listed
    ]
    digests.save()
    whole = json.dumps([_versions(), settings.trust_remote_code, contents], sort_keys=True)
    return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"


def digest_of_weights(spec: ModelSpec, digests: Digests) -> str | None:
    """``sha256:…`` over the weights alone, an adapter's base included; None as in `fingerprint`."""
    folders = checkpoint_folders(spec)
    if folders is None:
        return None
    total = hashlib.sha256()
    for file in (file for folder in folders for file in weight_files(folder)):
        total.update(bytes.fromhex(digests.of(file)))
    digests.save()
    return f"sha256:{total.hexdigest()}"


def checkpoint_folders(spec: ModelSpec) -> list[Path] | None:
    """The folder of a checkpoint, or of an adapter and its base; None if one is not on disk."""
    if not spec.is_checkpoint:
        return None
    folder = Path(spec.target) if spec.kind == LOCAL else _snapshot(spec.target, spec.revision)
    if folder is None or not is_adapter(folder):
        return None if folder is None else [folder]
    base = base_of_adapter(folder)
    there = Path(base) if Path(base).is_dir() else _snapshot(base, base_revision(folder))
    return None if there is None else [folder, there]


def _digest(file: Path, digests: Digests) -> str:
    if file.name != ADAPTER_FILE:
        return digests.of(file)
    # The location of its base is not part of an adapter: the base itself is hashed.
    content = read_json(file)
    rest = {k: v for k, v in content.items() if k not in {"base_model_name_or_path", "revision"}}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _snapshot(repository: str, revision: str | None) -> Path | None:
    """The repository's folder in the Hub's local cache, if all its weights are there."""
    from huggingface_hub import try_to_load_from_cache

    # An adapter has only the second file.
    found = (
        try_to_load_from_cache(repository, name, revision=revision)
        for name in ("config.json", ADAPTER_FILE)
    )
    folder = next((Path(file).parent for file in found if isinstance(file, str)), None)
    return folder if folder and _has_all_weights(folder) else None


def _has_all_weights(folder: Path) -> bool:
    try:
        return all(map(os.path.isfile, weight_files(folder)))
    except ModelError:
        return False


def _versions() -> dict[str, str | None]:
    return {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
