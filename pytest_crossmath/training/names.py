"""Names of saved weights: those that every release of transformers reads, and vLLM too.

::

    name_as_on_the_hub(model)
    model.save_pretrained("out")        # vision_tower.vision_model.embeddings…, not vision_tower.…

Newer releases of transformers name the modules of some vision towers differently, and rename
weights while loading. What they save has the names that it was loaded with, or, for a model
that was built or adapted in memory, new names that nothing older knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_crossmath.models.checkpoint.files import ADAPTER_WEIGHTS


def name_as_on_the_hub(model: Any) -> None:
    """Let a model save its weights under the names that its family's checkpoints have.

    Without effect under a release of transformers that has no other names.
    """
    nested = list(_nested_prefixes(model))
    if not nested:
        return
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import PrefixChange

    known = model._weight_conversions if hasattr(model, "_weight_conversions") else None  # noqa: SLF001 - no public name
    if known is None:
        default = get_model_conversion_mapping(model, add_legacy=False)
        known = [one for one in default if not isinstance(one, PrefixChange)]
    there = {one.scope_prefix for one in known if isinstance(one, PrefixChange)}
    # Last, since saving undoes them in the reverse order, parts first.
    model._weight_conversions = [  # noqa: SLF001
        *known, *(one for one in nested if one.scope_prefix not in there)
    ]  # fmt: skip


def rename_adapter(model: Any, folder: Path) -> None:
    """Give the weights of an adapter in a folder the same names. PEFT reads both."""
    file = folder / ADAPTER_WEIGHTS
    nested = list(_nested_prefixes(model))
    if not nested or not file.is_file():
        return
    from safetensors.torch import load_file, save_file

    renamed = {}
    for name, weight in load_file(file).items():
        for one in nested:
            prefix = one.prefix_to_remove
            pattern = rf"(?<=\.){re.escape(one.scope_prefix)}\.(?!{re.escape(prefix)}\.)"
            name = re.sub(pattern, f"{one.scope_prefix}.{prefix}.", name, count=1)  # noqa: PLW2901
        renamed[name] = weight
    save_file(renamed, file, metadata={"format": "pt"})


def _nested_prefixes(model: Any) -> Iterator[Any]:
    """The changes by which transformers shortens the names of a model's parts.

    A change to the model as a whole is not among them: whether it applies depends on the file.
    """
    try:
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import PrefixChange
    except ImportError:
        return  # an older release, with the older names
    for one in get_model_conversion_mapping(model, add_legacy=False):
        if not isinstance(one, PrefixChange):
            continue
        # Neither is a public name; without them there is nothing to rename by.
        if getattr(one, "prefix_to_remove", None) and getattr(one, "scope_prefix", None):
            yield one
