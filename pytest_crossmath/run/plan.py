"""What a run is asked, for its record and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_crossmath.models.registry import weights_digest
from pytest_crossmath.run.config import CrossmathConfig
from pytest_crossmath.tasks.request import instructions_of
from pytest_crossmath.tasks.scoring import RULES
from pytest_crossmath.tasks.task import Form, Task


@dataclass(frozen=True, slots=True)
class FormSample:
    """How a task is asked once: the value behind `crossmath_modality`."""

    form: Form
    """Text, picture or both, and the image style."""
    sample: int
    """Number of the repetition, from 0."""


def forms(config: CrossmathConfig) -> Iterator[tuple[str, FormSample]]:
    """Every form with its part of the test id, in a fixed order."""
    several_styles, several = len(config.styles) > 1, config.samples > 1
    for form in config.suite.chosen(config.modalities, config.styles):
        for sample in range(config.samples):
            id = form.modality.value
            id += f"-{form.style}" if several_styles and form.style else ""
            id += f"-s{sample}" if several else ""
            yield id, FormSample(form, sample)


def asked_tasks(config: CrossmathConfig) -> Iterator[tuple[str, Task, FormSample]]:
    """Every task in every form that it has, with that part of the test id, in a fixed order."""
    all_forms = tuple(forms(config))
    for task in config.suite.tasks:
        offered = set(task.forms)
        for id, asked in all_forms:
            if asked.form in offered:
                yield f"{task.id}-{id}", task, asked


def everything(config: CrossmathConfig) -> Iterator[tuple[str, str, Task, FormSample]]:
    """The bracketed part of every built-in test id, with model, task and form."""
    for spec in config.models:
        for id, task, asked in asked_tasks(config):
            yield f"{spec.name}-{id}", spec.name, task, asked


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
        "scoring": RULES,
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
