"""What a run is asked to do, checked: the one value that everything else is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_crossmath.gating.gate import Gate
from pytest_crossmath.gating.gatekeeper import Baseline
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.tasks.suite import Suite
from pytest_crossmath.tasks.task import Modality


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run is asked to do, checked."""

    models: tuple[ModelSpec, ...]
    """The models, each under a name of its own."""
    suite: Suite
    """The loaded suite, cut to the limit."""
    is_cut: bool
    """Whether a limit was given."""
    modalities: tuple[Modality, ...]
    """Forms in the order they are asked."""
    styles: tuple[str, ...]
    """Image styles; empty where no form has an image."""
    samples: int
    """Samples per problem and form."""
    instruction: str | None
    """What is asked of the model; None for our own words."""
    settings: Settings
    """How to generate."""
    record: Path | None
    """Where the run record goes; None for a new file."""
    files: Mapping[str, Path]
    """Where the report goes, by the name of the writer; see `reporting.writers`."""
    cache: str
    """``on``, ``off`` or ``refresh``."""
    strict: bool
    """Whether a missed problem fails."""
    diagnose: bool
    """Whether a model is asked what it saw in a picture that it missed."""
    gates: tuple[Gate, ...]
    """What the run must show."""
    baseline: Baseline | None
    """The run that it is compared with."""
    inconclusive: str
    """What a gate that cannot tell does: ``pass`` or ``fail``."""
    stop_early: str | None
    """When to ask no more: ``exact`` or ``sequential``; None to ask everything."""
