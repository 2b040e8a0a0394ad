"""Model specifications: what a user types, and what can be told of it without loading anything.

>>> parse_spec("llava")
ModelSpec(name='llava', kind='hub', target='llava-hf/llava-1.5-7b-hf', revision=None)
>>> parse_spec("tuned=hf:Qwen/Qwen2.5-VL-3B-Instruct@main").revision
'main'

Nothing here imports a backend: a wrong name, a missing folder or a missing extra
is reported before anything heavy is loaded.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_crossmath.errors import ModelError
from pytest_crossmath.files import split_pick

ALIASES: Mapping[str, str] = {
    "gemma3": "google/gemma-3-4b-it",
    "gemma4": "google/gemma-4-E4B-it",
    "idefics3": "HuggingFaceM4/Idefics3-8B-Llama3",
    "internvl3": "OpenGVLab/InternVL3-8B-hf",
    "internvl3.5": "OpenGVLab/InternVL3_5-8B-HF",
    "llama3.2-vision": "meta-llama/Llama-3.2-11B-Vision-Instruct",
    "llava": "llava-hf/llava-1.5-7b-hf",
    "llava-next": "llava-hf/llava-v1.6-mistral-7b-hf",
    "llava-onevision": "llava-hf/llava-onevision-qwen2-7b-ov-hf",
    "paligemma2": "google/paligemma2-3b-mix-448",
    "qwen2-vl": "Qwen/Qwen2-VL-7B-Instruct",
    "qwen2.5-vl": "Qwen/Qwen2.5-VL-7B-Instruct",
    "qwen3-vl": "Qwen/Qwen3-VL-8B-Instruct",
    "qwen3.5": "Qwen/Qwen3.5-9B",
    "smolvlm": "HuggingFaceTB/SmolVLM-Instruct",
    "smolvlm2": "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
}
"""Short names of models on the Hugging Face Hub."""

POCKET = "pocket"
"""Name of the bundled model."""

REFERENCE = "reference"
"""Name of the calibrator, which solves everything."""

ADAPTER_FILE = "adapter_config.json"
_NAMED = re.compile(r"(?P<name>[\w.+-]+)=(?P<spec>.+)", re.DOTALL | re.ASCII)
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
"""A repository of the Hub, ``ORG/NAME``."""
_REVISION = re.compile(r"\w[\w./-]*")
_SERVER = re.compile(r"(?P<model>.+?)@(?P<url>https?:/.*)", re.DOTALL | re.IGNORECASE)
_SERVER_FORM = "openai:NAME@http://HOST:PORT/v1"
_KINDS = (
    f"a bundled model, an alias, a directory (./DIR), hf:ORG/NAME[@REVISION], {_SERVER_FORM}"
    " or replay:FILE.jsonl"
)


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
    revision: str | None = None
    """Branch, tag or commit of a repository; None for its main branch."""


def parse_spec(text: str) -> ModelSpec:
    """What ``SPEC`` or ``NAME=SPEC`` stands for.

    Raises `ModelError` for an unknown name (with the closest ones), and for a
    directory or file that is not there.
    """
    named = _NAMED.fullmatch(text.strip())
    name, spec = (named["name"], named["spec"]) if named else (None, text.strip())
    kind, target, revision, default_name = _resolve(spec)
    safe_name = re.sub(r"[^\w.+-]+", "-", default_name, flags=re.ASCII)
    return ModelSpec(name or safe_name, kind, target, revision)


def base_of_adapter(directory: Path) -> str:
    """What the LoRA adapter in a directory sits on: a directory or a hub repository.

    Raises `ModelError` when the adapter does not say.
    """
    base = read_json(directory / ADAPTER_FILE).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(f"{directory / ADAPTER_FILE} names no base_model_name_or_path")
    if base == POCKET:
        return str(pocket_directory())
    return ALIASES.get(base, base)


def base_revision(directory: Path) -> str | None:
    """The revision of its base that a LoRA adapter was made for, where it says so."""
    revision = read_json(directory / ADAPTER_FILE).get("revision")
    return revision if isinstance(revision, str) and revision else None


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
    """Whether this is the bundled model, or an adapter on it: they know no suite but `mini`."""
    place = Path(spec.target)
    if spec.kind == "local" and (place / ADAPTER_FILE).is_file():
        return base_of_adapter(place) == str(pocket_directory())
    return spec.target == str(pocket_directory())


def recorded_suite(spec: ModelSpec) -> str | None:
    """Name of the suite that a run record to be replayed was made on; None for other models."""
    if spec.kind != "replay":
        return None
    file, _ = split_pick(spec.target)
    try:
        with Path(file).open(encoding="utf-8-sig") as stream:
            name = json.loads(stream.readline())["suite"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


def pocket_directory() -> Path:
    """Where the bundled model lies."""
    return Path(__file__).parent / POCKET


def _resolve(spec: str) -> tuple[str, str, str | None, str]:
    """Kind, target, revision and default name."""
    scheme, _, rest = spec.partition(":")
    if scheme in _SCHEMES and rest:
        return _SCHEMES[scheme](rest)
    if spec == POCKET:
        return "local", str(pocket_directory()), None, POCKET
    if spec == REFERENCE:
        return "reference", REFERENCE, None, REFERENCE
    if spec in ALIASES:
        return "hub", ALIASES[spec], None, spec
    if not spec or not os.path.exists(spec):
        raise ModelError(_unknown(spec))
    if not Path(spec).is_dir():
        raise ModelError(f"{spec} is a file; a model is a checkpoint directory")
    return "local", spec, None, Path(spec).resolve().name


def _resolve_hub(target: str) -> tuple[str, str, str | None, str]:
    repository, at, revision = target.partition("@")
    if not HUB_ID.fullmatch(repository):
        raise ModelError(f"hf:{target} is no repository of the Hub: write hf:ORG/NAME")
    if at and not _REVISION.fullmatch(revision):
        raise ModelError(
            f"hf:{target} has no revision after the @: write a branch, a tag or a commit"
        )
    # The revision is part of the name, so that two of them can stand side by side.
    return "hub", repository, revision or None, target.split("/", 1)[1]


def _resolve_replay(target: str) -> tuple[str, str, str | None, str]:
    file, _ = split_pick(target)
    if not os.path.isfile(file):
        raise ModelError(f"replay:{file}: there is no such file")
    return "replay", target, None, Path(file).stem


def _resolve_server(target: str) -> tuple[str, str, str | None, str]:
    model, _ = split_server(target)
    return "openai", target, None, model.rstrip("/").rpartition("/")[2] or model


_SCHEMES = {"hf": _resolve_hub, "openai": _resolve_server, "replay": _resolve_replay}


def _unknown(spec: str) -> str:
    if HUB_ID.fullmatch(spec) and not spec.startswith("."):
        return f"there is no directory {spec}; for a repository of the Hub write hf:{spec}"
    if "/" in spec or spec.startswith("."):
        return f"there is no directory {spec}"
    names = [POCKET, REFERENCE, *ALIASES]
    close = difflib.get_close_matches(spec.casefold(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"unknown model {spec!r}: {hint}A model is {_KINDS}; see `crossmath models`"


def require(spec: ModelSpec, *packages: str, extra: str = "transformers") -> None:
    """Raise `ModelError` for the first of these packages that is not installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ModelError(
                f"model {spec.name!r} needs the package {package}:"
                f' pip install "pytest-crossmath[{extra}]"'
            )


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint. Raises `ModelError`."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"{file} is no JSON object")
    return content
