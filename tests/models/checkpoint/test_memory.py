"""How many rows fit: the arithmetic of the probe; the measurement itself needs a GPU."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

from pytest_crossmath.models.checkpoint.memory import cache_growth, largest_batch


@pytest.mark.parametrize(
    ("per_row", "fixed", "budget", "most", "rows"),
    [
        (3, 0, 40, 256, 8),
        (3, 0, 48, 256, 16),
        (3, 0, 47, 256, 8),
        (3, 100, 40, 256, 1),
        (1, 0, 10**9, 256, 256),
        (1, 0, 10**9, 100, 64),
        (1, 0, 10**9, 1, 1),
        (50, 0, 40, 256, 1),
    ],
)
def test_rows_are_doubled_while_they_fit(
    per_row: int, fixed: int, budget: int, most: int, rows: int
) -> None:
    """Rows are doubled up to the budget and the number available, but there is always one."""
    assert largest_batch(lambda n: fixed + n * per_row, budget=budget, most=most) == rows


@given(
    st.floats(0, 50), st.floats(0.01, 20), st.floats(0, 0.2), st.floats(1, 900), st.integers(1, 300)
)
def test_what_is_tried_fits(
    fixed: float, per_row: float, bend: float, budget: float, most: int
) -> None:
    """Neither the probe nor the result exceeds the budget, whatever the need per row."""
    tried: list[tuple[int, float]] = []

    def need(rows: int) -> float:
        tried.append((rows, fixed + rows * per_row * (1 - bend * rows / 300)))
        return tried[-1][1]

    rows = largest_batch(need, budget=budget, most=most)
    assert 1 <= rows <= most
    assert all(needed <= budget for n, needed in tried if n > 1)
    assert rows == 1 or dict(tried)[rows] <= budget


def test_a_cache_grows_by_its_columns() -> None:
    """It grows by the keys and values of every layer, for all rows."""
    cache = DynamicCache()
    for layer in range(2):
        cache.update(torch.zeros(3, 4, 10, 8), torch.zeros(3, 4, 10, 8), layer)
    assert cache_growth(cache, 5) == 2 * 2 * (3 * 4 * 8 * 4) * 5
    assert cache_growth(object(), 5) == 0
