"""Datasets read from a user's own copy: ``mathverse:PATH`` and ``mmmu:PATH``.

>>> split_dataset("mathverse:data/MathVerse")
('mathverse', 'data/MathVerse')
>>> split_dataset("standard") is None
True
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.task import Task

DATASETS: Mapping[str, str] = {
    "mathverse": "pytest_crossmath.tasks.datasets.mathverse",
    "mmmu": "pytest_crossmath.tasks.datasets.mmmu",
}
"""The module of each dataset; its function `load` takes the path and the root for pictures."""


def split_dataset(suite: str) -> tuple[str, str] | None:
    """Name and path of ``NAME:PATH``; None for a suite that is not one of these datasets."""
    name, colon, path = suite.partition(":")
    return (name, path) if colon and name in DATASETS else None


def load_dataset(name: str, path: str, root: Path) -> tuple[Task, ...]:
    """The questions of a dataset. Pictures are stored in ``.crossmath`` under `root`.

    Raises `SuiteError` if anything is wrong.
    """
    if not path:
        raise SuiteError(f"{name} needs the path of your copy: write {name}:PATH")
    tasks: tuple[Task, ...] = import_module(DATASETS[name]).load(Path(path), root)
    return tasks


def dataset_forms(separator: str = ", ") -> str:
    """How to specify each dataset, for messages and help: ``mathverse:PATH, mmmu:PATH``."""
    return separator.join(f"{name}:PATH" for name in DATASETS)
