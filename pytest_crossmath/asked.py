"""What a run is asked, for its record and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_crossmath.models.registry import weights_digest
from pytest_crossmath.options import CrossmathConfig


def record_header(config: CrossmathConfig, memo: Path) -> Mapping[str, Any]:
    """The first line of the record; digests of weights are remembered in the folder `memo`."""
    return {
        "models": {
            spec.name: {
                "kind": spec.kind,
                "target": spec.target,
                "revision": spec.revision,
                "digest": weights_digest(spec, memo=memo),
            }
            for spec in config.models
        },
        **asked(config),
    }


def asked(config: CrossmathConfig) -> Mapping[str, Any]:
    """The part of the record's header that says what is asked, and how."""
    suite = config.suite
    return {
        "suite": {
            "name": suite.name,
            "digest": suite.digest,
            "problems": [problem.id for problem in suite.problems],
        },
        "modalities": [modality.value for modality in config.modalities],
        "styles": list(config.styles),
        "samples": config.samples,
        "instruction": config.instruction,
        "settings": asdict(config.settings),
    }


def suite_title(config: CrossmathConfig, problems: int | None = None) -> str:
    """Name and size of the suite, and of how many of its problems anything was asked."""
    count = len(config.suite.problems)
    of = f"{problems} of " if problems is not None and problems < count else ""
    return f"{config.suite.name} ({of}{count} problem{'s' if count > 1 else ''})"


def decoding(config: CrossmathConfig) -> str:
    """How responses are decoded."""
    temperature = config.settings.temperature
    return f"temperature {temperature:g}" if temperature else "greedy decoding"
