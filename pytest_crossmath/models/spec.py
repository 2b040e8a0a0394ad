"""Model specs, and what can be learnt about a checkpoint without loading it.

Nothing here imports a backend; `registry.parse_spec` turns what a user types into a `ModelSpec`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import ModelError
from pytest_crossmath.installing import pip_install

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

LOCAL, HUB = "local", "hub"
"""Kinds of checkpoints: a directory, and a repository of the Hub."""

ADAPTER_FILE = "adapter_config.json"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
"""A repository of the Hub, ``ORG/NAME``."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that the user asked for."""

    name: str
    """Its name in test ids, tables and records."""
    kind: str
    """``local`` (a directory), ``hub`` (a repository), or the kind of another backend, such as
    ``openai`` (a server) or ``replay`` (a file)."""
    target: str
    """The directory, repository or file, or ``NAME@URL`` on a server."""
    revision: str | None = None
    """Branch, tag or commit of a repository; None for its main branch."""

    @property
    def is_checkpoint(self) -> bool:
        """Whether it has weights that can be loaded into this process."""
        return self.kind in {LOCAL, HUB}


def base_of_adapter(directory: Path) -> str:
    """The base of the LoRA adapter in a directory: a directory or a Hub repository.

    Raises `ModelError` if the adapter does not name one.
    """
    base = read_json(directory / ADAPTER_FILE).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(f"{directory / ADAPTER_FILE} has no base_model_name_or_path")
    if base == POCKET:
        return str(pocket_directory())
    return ALIASES.get(base, base)


def base_revision(directory: Path) -> str | None:
    """The revision of its base that a LoRA adapter was made for; None if it does not say."""
    revision = read_json(directory / ADAPTER_FILE).get("revision")
    return revision if isinstance(revision, str) and revision else None


def is_pocket(spec: ModelSpec) -> bool:
    """Whether this is the bundled model, or an adapter on it: they can solve only suite `mini`."""
    place = Path(spec.target)
    if spec.kind == LOCAL and (place / ADAPTER_FILE).is_file():
        return base_of_adapter(place) == str(pocket_directory())
    return spec.target == str(pocket_directory())


def pocket_directory() -> Path:
    """The folder of the bundled model."""
    return Path(__file__).parent / POCKET


def require(spec: ModelSpec, *packages: str, extra: str = "transformers") -> None:
    """Raise `ModelError` for the first of these packages that is not installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ModelError(
                f"model {spec.name!r} needs the package {package}: {pip_install(extra)}"
            )


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint. Raises `ModelError`."""
    if os.path.exists(file) and not os.path.isfile(file):
        raise ModelError(f"{file} is not a regular file")  # reading a pipe would never end
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"{file} is not a JSON object")
    return content
