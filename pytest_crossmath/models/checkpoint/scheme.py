"""Checkpoints as a kind of model: checked before torch is imported, loaded and identified."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Backend, Settings
from pytest_crossmath.models.checkpoint.files import check_directory
from pytest_crossmath.models.checkpoint.fingerprint import digest_of_weights, fingerprint
from pytest_crossmath.models.checkpoint.hardware import hardware
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.scheme import Scheme
from pytest_crossmath.models.spec import (
    ALIASES,
    HUB,
    HUB_ID,
    LOCAL,
    POCKET,
    ModelSpec,
    is_pocket,
    pocket_directory,
    require,
)

_REVISION = re.compile(r"\w[\w./-]*")
_POCKET_SUITE = "mini"


class CheckpointScheme(Scheme):
    """Directories and repositories of the Hugging Face Hub, checkpoints and LoRA adapters."""

    kinds = (LOCAL, HUB)
    sends_files = False
    prefix = "hf"
    usage = "a directory (./DIR), hf:ORG/NAME[@REVISION]"
    names: ClassVar[Mapping[str, str]] = {
        POCKET: "the tiny model that is bundled with pytest-crossmath",
        **dict(sorted(ALIASES.items())),
    }

    def parse(self, target: str) -> ModelSpec:
        """A repository of the Hub."""
        repository, at, revision = target.partition("@")
        if not HUB_ID.fullmatch(repository):
            raise ModelError(f"hf:{target} is not a Hub repository: write hf:ORG/NAME")
        if at and not _REVISION.fullmatch(revision):
            raise ModelError(
                f"hf:{target} has no revision after the @: write a branch, a tag or a commit"
            )
        # The revision is part of the name, so that two revisions can be shown side by side.
        return ModelSpec(target.split("/", 1)[1], HUB, repository, revision or None)

    def named(self, text: str) -> ModelSpec | None:
        """The bundled model, an alias, or a directory."""
        if text == POCKET:
            return ModelSpec(POCKET, LOCAL, str(pocket_directory()))
        if text in ALIASES:
            return ModelSpec(text, HUB, ALIASES[text])
        if text and os.path.exists(text):
            if not Path(text).is_dir():
                raise ModelError(f"{text} is a file; a model is a checkpoint directory")
            return ModelSpec(Path(text).resolve().name, LOCAL, text)
        return None

    def missing(self, text: str) -> str | None:
        """A directory, or a repository without its prefix."""
        if HUB_ID.fullmatch(text) and not text.startswith("."):
            return f"there is no directory {text}; for a Hub repository write hf:{text}"
        return f"there is no directory {text}" if "/" in text or text.startswith(".") else None

    def check(self, spec: ModelSpec) -> None:
        """Raise `ModelError` for a missing package, and for any defect of a folder."""
        require(spec, "torch", "transformers", "accelerate")
        if spec.kind == LOCAL:
            check_directory(spec, Path(spec.target))

    def default_suite(self, spec: ModelSpec) -> str | None:
        """The one suite that the bundled model, or an adapter on it, can solve; else None."""
        return _POCKET_SUITE if is_pocket(spec) else None

    def load(self, spec: ModelSpec, settings: Settings) -> Backend:
        """The checkpoint on its device. Raises `ModelError`."""
        from pytest_crossmath.models.checkpoint.backend import HFBackend

        return HFBackend.load(spec.target, settings, spec.revision)

    def identify(
        self, spec: ModelSpec, settings: Settings, digests: Digests, *, loaded: bool
    ) -> str | None:
        """The fingerprint of its files, with dtype, device and attention.

        None for a Hub model before it is loaded: until then it is not known which commit its
        branch stands for.
        """
        if spec.kind == HUB and not loaded:
            return None
        files = fingerprint(spec, settings, digests)
        if files is None:
            return None
        if "/" in (settings.attention or ""):
            return None  # a kernel from the Hub, which may change
        return f"{files} {settings.dtype} {hardware(settings.device)} {settings.attention}"

    def weights_digest(self, spec: ModelSpec, digests: Digests) -> str | None:
        """See `fingerprint.digest_of_weights`."""
        return digest_of_weights(spec, digests)


SCHEME = CheckpointScheme()
