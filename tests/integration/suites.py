"""Suites for tests to change."""

from __future__ import annotations

import shutil
from pathlib import Path

from pytest_crossmath.tasks.suite import bundled_suites


def three_of_mini(folder: Path) -> Path:
    """Copies the first three problems of `mini`, with their pictures, into an empty folder."""
    source = bundled_suites()["mini"]
    lines = (source / "problems.jsonl").read_text(encoding="utf-8").splitlines()[:3]
    (folder / "problems.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "original").mkdir()
    for number in (1, 2, 3):
        name = f"original/mini-000{number}.png"
        shutil.copy(source / name, folder / name)
    return folder
