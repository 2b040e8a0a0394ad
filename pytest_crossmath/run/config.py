"""The configuration of a run, checked: everything else is built from this one value."""

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
    """The checked configuration of a run."""

    models: tuple[ModelSpec, ...]
    """The models, each with a different name."""
    suite: Suite
    """The loaded suite, cut to the limit."""
    is_cut: bool
    """Whether a limit was given."""
    modalities: tuple[Modality, ...]
    """The modalities, in the order in which they are run."""
    styles: tuple[str, ...]
    """Image styles; empty if no form has an image."""
    samples: int
    """Samples per problem and form."""
    instruction: str | None
    """The user's own instruction; None for the built-in one."""
    settings: Settings
    """How to generate."""
    inputs: tuple[Path, ...]
    """Further files that were read for this configuration."""
    record: Path | None
    """Where the run record goes; None for a new file."""
    files: Mapping[str, Path]
    """Where the report goes, by the name of the writer; see `reporting.writers`."""
    cache: str
    """``on``, ``off`` or ``refresh``."""
    strict: bool
    """Whether a missed problem is a failure."""
    diagnose: bool
    """Whether a model is asked what it saw in a picture that it missed."""
    gates: tuple[Gate, ...]
    """The requirements on the run."""
    baseline: Baseline | None
    """The run that it is compared with, if any."""
    inconclusive: str
    """Whether a gate that cannot tell passes or fails: ``pass`` or ``fail``."""
    stop_early: str | None
    """The rule for stopping early, ``exact`` or ``sequential``; None to run everything."""
