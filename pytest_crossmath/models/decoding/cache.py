"""A key-value cache whose rows leave and join: the one place that knows its insides.

::

    reason = unknown(cache, rows=16, columns=120)  # "" where the rest may be used
    keep(cache, rows=[0, 2, 5], columns=100)       # these rows, their 100 newest columns
    join(cache, newcomers, columns=140)            # and others below them

transformers can select rows of a cache, but neither cut it on the left nor join two. Both
edit the tensors of its layers, which is no public interface: `unknown` is therefore strict
about what a layer may hold, and whoever is told a reason must leave the cache alone.

Rows end in the same column, the newest; what is left of a row's first token is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

_STATE = frozenset({"keys", "values", "is_initialized", "dtype", "device"})
_KNOWN: dict[type, frozenset[str]] = {
    DynamicLayer: _STATE,
    DynamicSlidingWindowLayer: _STATE
    | {"sliding_window", "cumulative_length", "_sliding_window_tensor", "record_past"},
}
"""What a layer of each kind holds. More than that, and it keeps something not handled here."""


def unknown_layers(cache: Any) -> str:
    """Why the layers of a cache, be it still empty, cannot be edited; empty where they can."""
    if type(cache) is not DynamicCache or getattr(cache, "offloading", True):
        return f"a cache of type {type(cache).__name__}"
    strangers = {type(layer).__name__ for layer in cache.layers if type(layer) not in _KNOWN}
    return f"cache layers of type {', '.join(sorted(strangers))}" if strangers else ""


def unknown(cache: Any, *, rows: int, columns: int) -> str:
    """Why a filled cache cannot be edited; empty where it can.

    `columns` is how many tokens it must have seen. A layer of a sliding window holds the
    newest of them only.
    """
    if reason := unknown_layers(cache):
        return reason
    if not cache.layers:
        return "a cache without layers"
    for layer in cache.layers:
        name = type(layer).__name__
        if vars(layer).keys() != _KNOWN[type(layer)]:
            return f"a {name} that holds other things than it used to"
        if layer.get_seq_length() != columns:
            return f"a {name} that counts its columns in another way"
        for states in (layer.keys, layer.values):
            # (rows, heads, columns, size of a head)
            if states.ndim != 4 or states.shape[::2] != (rows, _held(layer, columns)):
                return f"a {name} with tensors of other shapes"
    return ""


def keep(cache: Any, rows: Sequence[int], columns: int) -> None:
    """Keep these rows and the newest columns; one layer is copied at a time."""
    for layer in cache.layers:
        index = torch.tensor(rows, device=layer.keys.device)
        held = _held(layer, columns)
        # Cut before selecting, since a cut alone would hold on to the whole memory.
        layer.keys = _newest(layer.keys, held)[index]
        layer.values = _newest(layer.values, held)[index]
        _set_length(layer, columns)


def join(cache: Any, newcomers: Any, columns: int) -> None:
    """Put the rows of another cache, which is emptied, below those of this one.

    `columns` is the larger of what the two have seen; the narrower gets empty columns on its
    left, which the attention mask must hide.
    """
    for layer, fresh in zip(cache.layers, newcomers.layers, strict=True):
        held = _held(layer, columns)
        layer.keys = _stacked(layer.keys, fresh.keys, held)
        layer.values = _stacked(layer.values, fresh.values, held)
        # Let go at once: the peak is one layer more than the rows themselves.
        fresh.keys = fresh.values = None
        _set_length(layer, columns)


def _held(layer: Any, columns: int) -> int:
    """How many columns a layer holds of those it has seen."""
    if isinstance(layer, DynamicSlidingWindowLayer):
        return min(columns, layer.sliding_window - 1)
    return columns


def _set_length(layer: Any, columns: int) -> None:
    if isinstance(layer, DynamicSlidingWindowLayer):
        layer.cumulative_length = columns


def _newest(states: torch.Tensor, columns: int) -> torch.Tensor:
    return states[:, :, states.shape[2] - columns :]


def _stacked(above: torch.Tensor, below: torch.Tensor, columns: int) -> torch.Tensor:
    """Both, `columns` wide and aligned on the right.

    Shapes: (a, heads, ≤ columns, size) and (b, …) to (a + b, heads, columns, size).
    """
    rows, heads, _, size = above.shape
    stacked = above.new_zeros((rows + below.shape[0], heads, columns, size))
    _newest(stacked[:rows], above.shape[2]).copy_(above)
    _newest(stacked[rows:], below.shape[2]).copy_(below)
    return stacked
