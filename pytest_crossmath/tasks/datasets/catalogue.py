"""Datasets that are read from a user's own copy: ``mathverse:PATH`` and ``mmmu:PATH``.

>>> split_dataset("mathverse:data/MathVerse")
('mathverse', 'data/MathVerse')
>>> split_dataset("standard") is None
True
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.datasets.mathverse import load_mathverse
from pytest_crossmath.tasks.datasets.mmmu import load_mmmu
from pytest_crossmath.tasks.datasets.tables import Pictures
from pytest_crossmath.tasks.questions.question import Question

DATASETS: Mapping[str, Callable[[Path, Pictures], tuple[Question, ...]]] = {
    "mathverse": load_mathverse,
    "mmmu": load_mmmu,
}
"""How each is loaded."""


def split_dataset(suite: str) -> tuple[str, str] | None:
    """Name and path of ``NAME:PATH``; None for a suite that is none of these datasets."""
    name, colon, path = suite.partition(":")
    return (name, path) if colon and name in DATASETS else None


def load_dataset(name: str, path: str, root: Path) -> tuple[Question, ...]:
    """The questions of a dataset. Pictures are kept in ``.crossmath`` below `root`.

    Raises `SuiteError` for whatever is wrong.
    """
    if not path:
        raise SuiteError(f"{name}: needs the path of your copy: write {name}:PATH")
    return DATASETS[name](Path(path), Pictures(root))
