"""Removing and adding rows of a key-value cache: the only module that knows its internals.

::

    reason = unknown(cache, rows=16, columns=120)  # "" if the functions below may be used
    keep(cache, rows=[0, 2, 5], columns=100)       # keep these rows, their 100 newest columns
    join(cache, newcomers, columns=140)            # append the rows of another cache

transformers can select rows of a cache, but cannot cut it on the left or join two of them.
Doing so edits the tensors of its layers, which are not a public interface. `unknown` is
therefore strict about what a layer may hold; if it returns a reason, do not edit the cache.

All rows end in the same column, the newest; columns before a row's first token are padding.
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
    | {"sliding_window", "cumulative_length", "_sliding_window_tensor"},
}
"""Attributes of each kind of layer. Any further attribute is state that is not handled here."""
_SWITCHES = frozenset({"record_past"})
"""Attributes that only newer releases have, and that hold nothing of a row."""


def unknown_layers(cache: Any) -> str:
    """Why the layers of a cache, even an empty one, cannot be edited; empty if they can."""
    if type(cache) is not DynamicCache or getattr(cache, "offloading", True):
        return f"a cache of type {type(cache).__name__}"
    strangers = {type(layer).__name__ for layer in cache.layers if type(layer) not in _KNOWN}
    return f"cache layers of type {', '.join(sorted(strangers))}" if strangers else ""


def unknown(cache: Any, *, rows: int, columns: int) -> str:
    """Why a filled cache cannot be edited; empty if it can.

    `columns` is the number of tokens that it must have seen. A sliding-window layer holds
    only the newest of them.
    """
    if reason := unknown_layers(cache):
        return reason
    if not cache.layers:
        return "a cache without layers"
    for layer in cache.layers:
        name = type(layer).__name__
        if vars(layer).keys() - _SWITCHES != _KNOWN[type(layer)]:
            return f"a {name} with unexpected attributes"
        if layer.get_seq_length() != columns:
            return f"a {name} that counts its columns differently"
        for states in (layer.keys, layer.values):
            # (rows, heads, columns, size of a head)
            if states.ndim != 4 or states.shape[::2] != (rows, _held(layer, columns)):
                return f"a {name} with tensors of unexpected shapes"
    return ""


def keep(cache: Any, rows: Sequence[int], columns: int) -> None:
    """Keep these rows and the newest columns, copying one layer at a time."""
    for layer in cache.layers:
        index = torch.tensor(rows, device=layer.keys.device)
        held = _held(layer, columns)
        # Cut, then select: the cut alone is a view, which would keep the whole memory alive.
        layer.keys = _newest(layer.keys, held)[index]
        layer.values = _newest(layer.values, held)[index]
        _set_length(layer, columns)


def join(cache: Any, newcomers: Any, columns: int) -> None:
    """Append the rows of another cache to this one, and empty the other.

    `columns` is the larger number of columns that either has seen; the narrower one gets
    empty columns on its left, which the attention mask must hide.
    """
    for layer, fresh in zip(cache.layers, newcomers.layers, strict=True):
        held = _held(layer, columns)
        layer.keys = _stacked(layer.keys, fresh.keys, held)
        layer.values = _stacked(layer.values, fresh.values, held)
        # Free each layer at once, so that the peak is only one layer above the final size.
        fresh.keys = fresh.values = None
        _set_length(layer, columns)


def _held(layer: Any, columns: int) -> int:
    """How many of the columns that a layer has seen it still holds."""
    if isinstance(layer, DynamicSlidingWindowLayer):
        return min(columns, layer.sliding_window - 1)
    return columns


def _set_length(layer: Any, columns: int) -> None:
    if isinstance(layer, DynamicSlidingWindowLayer):
        layer.cumulative_length = columns


def _newest(states: torch.Tensor, columns: int) -> torch.Tensor:
    return states[:, :, states.shape[2] - columns :]


def _stacked(above: torch.Tensor, below: torch.Tensor, columns: int) -> torch.Tensor:
    """One above the other, `columns` wide and aligned on the right.

    Shapes: (a, heads, ≤ columns, size) and (b, …) to (a + b, heads, columns, size).
    """
    rows, heads, _, size = above.shape
    stacked = above.new_zeros((rows + below.shape[0], heads, columns, size))
    _newest(stacked[:rows], above.shape[2]).copy_(above)
    _newest(stacked[rows:], below.shape[2]).copy_(below)
    return stacked
