"""The header of a run: what was run and how, the first line of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.registry import weights_digest
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.run.config import RunConfig
from pytest_crossmath.tasks.request import instructions_of
from pytest_crossmath.tasks.scoring import RULES


def record_header(config: RunConfig, digests: Digests) -> Mapping[str, Any]:
    """The first line of the record."""
    return {
        "models": {
            spec.name: {
                "kind": spec.kind,
                "target": spec.target,
                "revision": spec.revision,
                "digest": digest_of(spec, digests),
            }
            for spec in config.models
        },
        **planned_header(config),
    }


def digest_of(spec: ModelSpec, digests: Digests) -> str | None:
    """The digest of a model's weights; None if they are not on this machine, or not any more.

    A training may remove a checkpoint while it is tested; what is in memory stays valid.
    """
    try:
        return weights_digest(spec, digests)
    except ModelError:
        return None


def planned_header(config: RunConfig) -> Mapping[str, Any]:
    """The part of the header that does not depend on the models."""
    suite = config.suite
    return {
        "suite": {
            "name": suite.name,
            "digest": suite.digest,
            "problems": [task.id for task in suite.tasks],
        },
        "modalities": [modality.value for modality in config.modalities],
        "styles": list(config.styles),
        "samples": config.samples,
        "scoring": RULES,
        "instruction": config.instruction or instructions_of(suite.tasks),
        "settings": asdict(config.settings),
    }
