"""The bundled model: what it answers, and a copy to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_crossmath.models.spec import pocket_directory
from tests.models.checkpoint.odd_pocket import copy_of_pocket, texts


@pytest.fixture(scope="session")
def expected() -> list[str]:
    """What the bundled model answers."""
    return texts(pocket_directory())


@pytest.fixture
def pocket(tmp_path: Path) -> Path:
    """A copy of the bundled model."""
    return copy_of_pocket(tmp_path / "pocket")
