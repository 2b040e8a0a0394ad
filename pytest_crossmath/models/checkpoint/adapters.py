"""Adapters: whether one fits its base, and whether it changes anything.

::

    weights = adapter_weights(Path("./adapter"))
    changed = changes_embeddings(model, weights)           # before PEFT overwrites them
    tuned = PeftModel.from_pretrained(model, "./adapter")
    check_fit(tuned, weights, Path("./adapter"))

PEFT leaves out what fits nowhere. And an adapter can fit and do nothing: its B matrices are 0,
its scale is 0, or what was trained was never saved. It is scored as its base, and a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from pytest_crossmath.errors import ModelError

_EMBEDDINGS = ("embed_tokens.weight", "lm_head.weight")


def adapter_weights(adapter: Path) -> dict[str, torch.Tensor]:
    """The weights in an adapter's folder, by their names in the file."""
    from peft.utils import load_peft_weights

    return dict(load_peft_weights(str(adapter), device="cpu"))


def changes_embeddings(model: Any, weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether an adapter replaces whole embeddings of its base by others."""
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    for saved in (weight for name, weight in weights.items() if name.endswith(_EMBEDDINGS)):
        own = [layer.weight for layer in layers if layer is not None]
        if not any(
            saved.shape == one.shape and torch.equal(saved.to(one), one.detach()) for one in own
        ):
            return True
    return False


def check_fit(tuned: Any, weights: dict[str, torch.Tensor], adapter: Path) -> None:
    """Raise `ModelError` if weights of an adapter have no place in its base, or places no weight.

    Older releases of transformers named some modules differently; PEFT knows these names.
    """
    from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict

    result: Any = set_peft_model_state_dict(tuned, dict(weights))
    strangers = sorted(result.unexpected_keys)
    # Left alone, PEFT asks the Hub whether an adapter includes whole embedding layers.
    own = set(get_peft_model_state_dict(tuned, save_embedding_layers=False))
    missing = {key.replace(".default", "") for key in result.missing_keys} & own
    if fault := [*strangers, *sorted(missing)]:
        raise ModelError(
            f"the adapter {adapter} does not fit its base model: {len(fault)} of its weights"
            f" have no counterpart ({fault[0]}, …)"
        )


def is_idle(tuned: Any, inputs: Mapping[str, Any]) -> bool:
    """Whether a model computes the same with and without its adapter.

    A first checkpoint may rightly be one; but whoever asks for it has to know. `inputs` are
    those of one prompt, with a picture if the model takes pictures.
    """
    if any(getattr(one, "trainable_token_indices", None) for one in tuned.peft_config.values()):
        return False  # it may be about tokens that are not in the prompt
    with torch.inference_mode():
        found = []
        for state in (nullcontext(), tuned.disable_adapter()):
            with state:
                found.append(tuned(**inputs).logits[:, -1].float())
    having, lacking = found
    # NaN differs from everything, and is reported where it matters.
    return torch.equal(having, lacking)
