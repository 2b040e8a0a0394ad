"""What a run is asked, for its record and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_crossmath.models.registry import weights_digest
from pytest_crossmath.run.config import CrossmathConfig
from pytest_crossmath.tasks.questions.question import Task
from pytest_crossmath.tasks.request import instructions_of
from pytest_crossmath.tasks.task import Modality


@dataclass(frozen=True, slots=True)
class Form:
    """How a problem is given: the value behind `crossmath_modality`."""

    modality: Modality
    """Text, image or both."""
    style: str | None
    """Image style; None without an image, and where there is only one."""
    sample: int
    """Sample number, from 0."""


def forms(config: CrossmathConfig) -> Iterator[tuple[str, Form]]:
    """Every form with its part of the test id, in a fixed order."""
    several_styles, several = len(config.styles) > 1, config.samples > 1
    for modality, style in config.suite.chosen(config.modalities, config.styles):
        for sample in range(config.samples):
            id = modality.value
            id += f"-{style}" if several_styles and style else ""
            id += f"-s{sample}" if several else ""
            yield id, Form(modality, style, sample)


def asked_tasks(config: CrossmathConfig) -> Iterator[tuple[str, Task, Form]]:
    """Every task in every form that it has, with that part of the test id, in a fixed order."""
    all_forms = tuple(forms(config))
    for task in config.suite.tasks:
        shapes = set(task.shapes)
        for id, form in all_forms:
            if (form.modality, form.style) in shapes:
                yield f"{task.id}-{id}", task, form


def everything(config: CrossmathConfig) -> Iterator[tuple[str, str, Task, Form]]:
    """The bracketed part of every built-in test id, with model, task and form."""
    for spec in config.models:
        for id, task, form in asked_tasks(config):
            yield f"{spec.name}-{id}", spec.name, task, form


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
            "problems": [task.id for task in suite.tasks],
        },
        "modalities": [modality.value for modality in config.modalities],
        "styles": list(config.styles),
        "samples": config.samples,
        "instruction": config.instruction or instructions_of(suite.tasks),
        "settings": asdict(config.settings),
    }


def suite_title(config: CrossmathConfig, problems: int | None = None) -> str:
    """Name and size of the suite, and of how many of its problems anything was asked."""
    count = len(config.suite.tasks)
    of = f"{problems} of " if problems is not None and problems < count else ""
    return f"{config.suite.name} ({of}{count} problem{'s' if count > 1 else ''})"


def decoding(config: CrossmathConfig) -> str:
    """How responses are decoded."""
    temperature = config.settings.temperature
    return f"temperature {temperature:g}" if temperature else "greedy decoding"
