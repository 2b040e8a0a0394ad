"""Model specifications: from what a user types to a loaded backend.

>>> parse_spec("llava")
ModelSpec(name='llava', kind='hub', target='llava-hf/llava-1.5-7b-hf')
>>> parse_spec("tuned=hf:Qwen/Qwen2.5-VL-3B-Instruct").name
'tuned'

Nothing here imports torch: a wrong name, a missing folder or a missing extra
is told before anything heavy is loaded.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Backend, Settings

ALIASES: Mapping[str, str] = {
    "gemma3": "google/gemma-3-4b-it",
    "idefics3": "HuggingFaceM4/Idefics3-8B-Llama3",
    "internvl3": "OpenGVLab/InternVL3-8B-hf",
    "llava": "llava-hf/llava-1.5-7b-hf",
    "llava-next": "llava-hf/llava-v1.6-mistral-7b-hf",
    "llava-onevision": "llava-hf/llava-onevision-qwen2-7b-ov-hf",
    "qwen2-vl": "Qwen/Qwen2-VL-7B-Instruct",
    "qwen2.5-vl": "Qwen/Qwen2.5-VL-7B-Instruct",
    "qwen3-vl": "Qwen/Qwen3-VL-8B-Instruct",
    "smolvlm": "HuggingFaceTB/SmolVLM-Instruct",
}
"""Short names of models on the Hugging Face Hub."""

POCKET = "pocket"
"""Name of the bundled model."""

REFERENCE = "reference"
"""Name of the calibrator, which solves everything."""

ADAPTER_FILE = "adapter_config.json"
_NAMED = re.compile(r"(?P<name>[\w.+-]+)=(?P<spec>.+)", re.DOTALL | re.ASCII)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SERVER = re.compile(r"(?P<model>.+?)@(?P<url>https?:/.*)", re.DOTALL | re.IGNORECASE)
_SERVER_FORM = "openai:NAME@http://HOST:PORT/v1"
_KINDS = (
    f"a bundled model, an alias, a directory (./DIR), hf:ORG/NAME, {_SERVER_FORM}"
    " or replay:FILE.jsonl"
)
_MAX_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that was asked for."""

    name: str
    """Its name in test ids, tables and records."""
    kind: str
    """``local`` (a directory), ``hub`` (a repository), ``openai`` (a server), ``replay`` (a file)
    or ``reference``."""
    target: str
    """The directory, repository or file, or ``NAME@URL`` on a server."""


def parse_spec(text: str) -> ModelSpec:
    """What ``SPEC`` or ``NAME=SPEC`` stands for.

    Raises `ModelError` for an unknown name (with the closest ones), and for a
    directory or file that is not there.
    """
    named = _NAMED.fullmatch(text.strip())
    name, spec = (named["name"], named["spec"]) if named else (None, text.strip())
    kind, target, default_name = _resolve(spec)
    return ModelSpec(name or re.sub(r"[^\w.+-]+", "-", default_name, flags=re.ASCII), kind, target)


def check_spec(spec: ModelSpec) -> None:
    """Raise `ModelError` for whatever can be seen to be wrong without loading the model."""
    if spec.kind == "reference":
        return
    if spec.kind == "replay":
        load_backend(spec, Settings())
        return
    if spec.kind == "openai":
        _require(spec, "openai", extra="openai")
        return
    _require(spec, "torch", "transformers", "accelerate")
    if spec.kind == "local":
        _check_directory(spec, Path(spec.target))


def load_backend(spec: ModelSpec, settings: Settings) -> Backend:
    """The model, loaded. Raises `ModelError`."""
    if spec.kind == "replay":
        from pytest_crossmath.models.replay import ReplayBackend

        return ReplayBackend.open(spec.target)
    if spec.kind == "reference":
        from pytest_crossmath.models.reference import ReferenceBackend

        return ReferenceBackend()
    if spec.kind == "openai":
        from pytest_crossmath.models.openai_api import OpenAIBackend

        return OpenAIBackend.connect(spec.target, settings)
    from pytest_crossmath.models.hf import HFBackend

    return HFBackend.load(spec.target, settings)


def weights_digest(spec: ModelSpec) -> str | None:
    """``sha256:…`` over a local model's weights, an adapter's with its base; else None."""
    if spec.kind != "local":
        return None
    directories = [Path(spec.target)]
    if (directories[0] / ADAPTER_FILE).is_file():
        directories.append(Path(base_of_adapter(directories[0])))
    total = hashlib.sha256()
    for file in (file for folder in directories for file in sorted(folder.glob("*.safetensors"))):
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{total.hexdigest()}"


def identify(spec: ModelSpec, settings: Settings) -> str | None:
    """What the model is, for the cache; None for one whose responses are not kept."""
    digest = weights_digest(spec)
    if digest is None:
        return None
    return f"{digest} {settings.dtype} {settings.device}"


def base_of_adapter(directory: Path) -> str:
    """What the LoRA adapter in a directory sits on: a directory or a hub repository.

    Raises `ModelError` when the adapter does not say.
    """
    base = _read_json(directory / ADAPTER_FILE).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(f"{directory / ADAPTER_FILE} names no base_model_name_or_path")
    if base == POCKET:
        return str(pocket_directory())
    return ALIASES.get(base, base)


def split_server(target: str) -> tuple[str, str | None]:
    """Name and base URL of a model on a server, ``NAME@URL``; no URL where none is named.

    >>> split_server("org/model@http://127.0.0.1:8000/v1")
    ('org/model', 'http://127.0.0.1:8000/v1')

    Raises `ModelError` for what is no such thing.
    """
    found = _SERVER.fullmatch(target)
    if found:
        check_url(found["url"])
        return found["model"], found["url"]
    _, at, place = target.rpartition("@")
    if at and (not place or re.search(r"[:/]", place)):
        raise ModelError(f"a server is named as {_SERVER_FORM}")
    return target, None


def check_url(url: str) -> None:
    """Raise `ModelError` for what is no base URL of a server, or may hold a secret.

    The message does not repeat the URL, which may hold one wherever it is wrong.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ModelError(f"the URL of a server cannot be understood: write {_SERVER_FORM}")
    if parts.username is not None or parts.query or parts.fragment:
        # URLs are written to records.
        raise ModelError(
            "the URL of a server ends with its path, and an API key stays in the environment:"
            f" write {_SERVER_FORM}"
        )


def is_pocket(spec: ModelSpec) -> bool:
    """Whether this is the bundled model, which can do no other suite than `mini`."""
    return spec.target == str(pocket_directory())


def pocket_directory() -> Path:
    """Where the bundled model lies."""
    return Path(__file__).parent / POCKET


def _resolve(spec: str) -> tuple[str, str, str]:
    """Kind, target and default name."""
    scheme, _, rest = spec.partition(":")
    if scheme in _SCHEMES and rest:
        return _SCHEMES[scheme](rest)
    if spec == POCKET:
        return "local", str(pocket_directory()), POCKET
    if spec == REFERENCE:
        return "reference", REFERENCE, REFERENCE
    if spec in ALIASES:
        return "hub", ALIASES[spec], spec
    if not spec or not Path(spec).exists():
        raise ModelError(_unknown(spec))
    if not Path(spec).is_dir():
        raise ModelError(f"{spec} is a file; a model is a checkpoint directory")
    return "local", spec, Path(spec).resolve().name


def _resolve_hub(repository: str) -> tuple[str, str, str]:
    if not _HUB_ID.fullmatch(repository):
        raise ModelError(f"hf:{repository} is no repository of the Hub: write hf:ORG/NAME")
    return "hub", repository, repository.split("/")[1]


def _resolve_replay(target: str) -> tuple[str, str, str]:
    file = target.partition("#")[0]
    if not Path(file).is_file():
        raise ModelError(f"replay:{file}: there is no such file")
    return "replay", target, Path(file).stem


def _resolve_server(target: str) -> tuple[str, str, str]:
    model, _ = split_server(target)
    return "openai", target, model.rstrip("/").rpartition("/")[2] or model


_SCHEMES = {"hf": _resolve_hub, "openai": _resolve_server, "replay": _resolve_replay}


def _unknown(spec: str) -> str:
    if _HUB_ID.fullmatch(spec) and not spec.startswith("."):
        return f"there is no directory {spec}; for a repository of the Hub write hf:{spec}"
    if "/" in spec or spec.startswith("."):
        return f"there is no directory {spec}"
    names = [POCKET, REFERENCE, *ALIASES]
    close = difflib.get_close_matches(spec.casefold(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"unknown model {spec!r}: {hint}A model is {_KINDS}; see `crossmath models`"


def _require(spec: ModelSpec, *packages: str, extra: str = "transformers") -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ModelError(
                f"model {spec.name!r} needs the package {package}:"
                f' pip install "pytest-crossmath[{extra}]"'
            )


def _check_directory(spec: ModelSpec, directory: Path) -> None:
    if (directory / ADAPTER_FILE).is_file():
        _require(spec, "peft")
        base = base_of_adapter(directory)
        if (Path(base) / ADAPTER_FILE).is_file():
            raise ModelError(f"{directory}: the adapter's base {base} is an adapter itself")
        if Path(base).is_dir():
            _check_directory(spec, Path(base))
        elif not _HUB_ID.fullmatch(base):
            raise ModelError(f"{directory}: the adapter's base model {base} is not there")
    elif not (directory / "config.json").is_file():
        raise ModelError(
            f"{directory} is no checkpoint: it has neither config.json nor {ADAPTER_FILE}"
        )
    else:
        _read_json(directory / "config.json")
    _check_weights(directory)


def _check_weights(directory: Path) -> None:
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        raise ModelError(
            f"{directory} holds no *.safetensors: other weight formats can run code when they"
            " are loaded and are not read; save with save_pretrained(safe_serialization=True)"
        )
    for file in files:
        _check_safetensors(file)


def _check_safetensors(file: Path) -> None:
    """Compare the header of a safetensors file with its size: a cut-off copy is found at once."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else _MAX_HEADER
        if 8 + length > size or length >= _MAX_HEADER:
            raise ModelError(f"{file} is damaged: its header is cut off or no safetensors header")
        try:
            header = json.loads(stream.read(length))
            ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise ModelError(f"{file} is damaged: its header cannot be read") from None
    if 8 + length + max(ends, default=0) != size:
        raise ModelError(f"{file} is damaged: it has {size} bytes, its header says otherwise")


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"{file} is no JSON object")
    return content
