"""The arguments that a training run passes to transformers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_crossmath.training.run import on_one_gpu


@pytest.mark.parametrize(("seen", "used"), [(0, 0), (1, 1), (8, 1)])
def test_a_process_uses_one_gpu(seen: int, used: int) -> None:
    """Using several GPUs is left to a launcher, which starts one process for each."""

    class Arguments(SimpleNamespace):
        """The same attribute as in `TrainingArguments`."""

        @property
        def n_gpu(self) -> int:
            """The number of GPUs that it sees."""
            return int(self._n_gpu)

    assert on_one_gpu(Arguments(_n_gpu=seen)).n_gpu == used
