"""How many rows fit into a GPU's memory at once.

`largest_batch` doubles the number of rows as long as their need fits the budget::

    largest_batch(lambda rows: rows * 3 * GIB, budget=40 * GIB, most=256)   # 8

The need is measured on the prompts plus two tokens and extrapolated to the longest possible
response, since it is long responses that break a run after an hour.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import torch

_SHARE = 0.85
"""Share of the free memory to plan with; the rest is a safety margin."""
# Devices and their libraries word this differently.
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|ALLOC_FAILED", re.IGNORECASE)


def ran_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))


def largest_batch(need: Callable[[int], float], *, budget: float, most: int) -> int:
    """The largest power of two of rows, up to `most`, whose need is within `budget`; at least 1.

    `need` returns the bytes for a number of rows. It is called for twice as many rows only if
    twice the need would still fit, so that the probe itself does not run out of memory.
    """
    rows, needed = 1, need(1)
    while rows * 2 <= most and needed * 2 <= budget:
        rows *= 2
        needed = need(rows)
    return rows if needed <= budget else max(1, rows // 2)


def free_memory() -> float:
    """Bytes on the current GPU that a batch may use."""
    free, _ = torch.cuda.mem_get_info()
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return _SHARE * (free + unused)


def measured_need(model: Any, inputs: Any, config: Any) -> float:
    """Peak bytes that a batch would need if every response had the maximum length.

    `config` is the generation configuration.
    """
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    few = copy.deepcopy(config)
    few.update(max_new_tokens=2, return_dict_in_generate=True)
    with torch.inference_mode():
        output = model.generate(**inputs, generation_config=few)
    peak = torch.cuda.max_memory_allocated() - before
    return peak + cache_growth(output.past_key_values, config.max_new_tokens)


def cache_growth(cache: Any, new_tokens: int) -> float:
    """Bytes by which a key-value cache grows with this many new tokens; 0 if unknown."""
    growth = 0.0
    for layer in getattr(cache, "layers", ()):
        for states in (getattr(layer, "keys", None), getattr(layer, "values", None)):
            if isinstance(states, torch.Tensor) and states.ndim == 4:
                growth += states.nbytes / max(states.shape[2], 1) * new_tokens
    return growth
