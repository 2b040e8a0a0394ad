"""The fingerprint of a model: the part of a cache key that identifies its responses.

::

    fingerprint(parse_spec("./checkpoints/step-2000"), Settings(), Digests(Path(".crossmath")))
    # 'sha256:5f1c…', the same for a copy of the folder, different after any change to it

Two models with the same fingerprint give the same response to the same prompt, given equal
settings and devices; those (dtype, device, attention, thinking, decoding) are added by the
caller. Nothing here imports torch, and no weights are read twice: digests of big files are
kept in a memo, and the Hub's cache names its files by their content.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.spec import (
    ADAPTER_FILE,
    LOCAL,
    ModelSpec,
    base_of_adapter,
    base_revision,
)

_WEIGHTS = ".safetensors"
_SUFFIXES = {_WEIGHTS, ".json", ".jinja", ".model", ".tiktoken", ".txt"}
"""Suffixes of weights, settings, chat templates and vocabularies."""
_TALK = re.compile(
    r"(trainer_state|.*_results|.*[_-]?logs?|readme|licen[cs]e|notice|requirements)\.(json|txt)",
    re.IGNORECASE,
)
"""Files with those suffixes that document a model and are not read to run it."""
_PACKAGES = (
    "pytest-crossmath", "transformers", "tokenizers", "torch", "torchvision", "pillow", "peft",
)  # fmt: skip
"""Packages that produce tokens, pixels or logits. Without torchvision, Pillow makes the pixels."""


def fingerprint(spec: ModelSpec, settings: Settings, digests: Digests) -> str | None:
    """``sha256:…`` over all files of a checkpoint that can change a response, and over versions.

    An adapter is hashed together with its base, and a Hub repository as it is in the
    local cache. None if there is nothing to hash: for a repository that is not in the
    cache yet, for saved responses and for the calibrator. Call it again after loading:
    only then is it certain which commit a branch on the Hub refers to.
    """
    folders = checkpoint_folders(spec)
    if folders is None:
        return None
    suffixes = _SUFFIXES | ({".py"} if settings.trust_remote_code else set())
    contents = [
        {
            path.relative_to(folder).as_posix(): _digest(path, digests)
            for path in _files(folder, suffixes)
        }
        for folder in folders
    ]
    digests.save()
    whole = json.dumps([_versions(), contents], sort_keys=True)
    return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"


def digest_of_weights(spec: ModelSpec, digests: Digests) -> str | None:
    """``sha256:…`` over the weights alone, an adapter's base included; None as in `fingerprint`."""
    folders = checkpoint_folders(spec)
    if folders is None:
        return None
    total = hashlib.sha256()
    for file in (file for folder in folders for file in sorted(folder.glob(f"*{_WEIGHTS}"))):
        total.update(bytes.fromhex(digests.of(file)))
    digests.save()
    return f"sha256:{total.hexdigest()}"


def checkpoint_folders(spec: ModelSpec) -> list[Path] | None:
    """The folder of a checkpoint, or of an adapter and its base; None if one is not on disk."""
    if not spec.is_checkpoint:
        return None
    folder = Path(spec.target) if spec.kind == LOCAL else _snapshot(spec.target, spec.revision)
    if folder is None or not (folder / ADAPTER_FILE).is_file():
        return None if folder is None else [folder]
    base = base_of_adapter(folder)
    there = Path(base) if Path(base).is_dir() else _snapshot(base, base_revision(folder))
    return None if there is None else [folder, there]


def _files(folder: Path, suffixes: set[str]) -> Iterator[Path]:
    """Files that can change a response; subfolders that are checkpoints themselves are skipped."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if not (path.name.startswith(".") or path.is_symlink() or _is_checkpoint(path)):
                yield from _files(path, suffixes - {_WEIGHTS})
        elif path.suffix in suffixes and not _TALK.fullmatch(path.name):
            yield path


def _is_checkpoint(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", ADAPTER_FILE))


def _digest(file: Path, digests: Digests) -> str:
    if file.name != ADAPTER_FILE:
        return digests.of(file)
    # The location of its base is not part of an adapter: the base itself is hashed.
    content = json.loads(file.read_text(encoding="utf-8"))
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
    index = folder / f"model{_WEIGHTS}.index.json"
    if not index.is_file():
        return any(folder.glob(f"*{_WEIGHTS}"))
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return all((folder / shard).is_file() for shard in shards)


def _versions() -> dict[str, str | None]:
    return {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
