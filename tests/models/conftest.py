"""Checkpoints of every family, as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.checkpoint.families import FAMILIES, write_checkpoint


@pytest.fixture(scope="session", params=FAMILIES)
def family_checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A directory with a checkpoint of a family."""
    folder = tmp_path_factory.mktemp(request.param)
    write_checkpoint(request.param, folder)
    return folder


@pytest.fixture
def write_family() -> Callable[[str, Path], None]:
    """What writes a checkpoint of a family into a folder."""
    return write_checkpoint
