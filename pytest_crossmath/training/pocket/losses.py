"""The two losses: one on the tokens of text, one on the vision tower's image tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pytest_crossmath.training.pocket.batches import Batch


def text_loss(model: Any, batch: Batch) -> tuple[Tensor, float]:
    """Weighted mean cross entropy of the targets, and the share of completions without an error."""
    targets, weights = batch.ids[:, 1:], batch.weights[:, 1:]
    extra = {} if batch.pixels is None else {"pixel_values": batch.pixels}
    # No attention mask: padding is on the right, where a causal model cannot see it.
    hidden = model.model(input_ids=batch.ids[:, :-1], **extra).last_hidden_state
    counted = weights > 0
    logits = model.lm_head(hidden[counted]).float()
    chosen, heavy = targets[counted], weights[counted]
    each = functional.cross_entropy(logits, chosen, reduction="none")
    wrong = torch.zeros_like(weights)
    wrong[counted] = ((logits.argmax(-1) != chosen) & (heavy == 1)).float()
    fine = (wrong.sum(1) == 0).float().mean()
    return (each * heavy).sum() / heavy.sum(), fine.item()


def cell_loss(model: Any, pixels: Tensor, cells: Tensor) -> tuple[Tensor, float]:
    """Distance of image tokens from the embeddings of their cells, and the share of right cells.

    One term makes the right embedding the nearest one. The other pulls the image token onto it,
    since the language model will read the one in place of the other.
    """
    features = model.model.get_image_features(pixel_values=pixels).pooler_output
    seen = torch.stack(list(features)).float()
    table = model.get_input_embeddings().weight.detach().float()
    names, index = torch.unique(cells, return_inverse=True)
    known = table[names]
    spread = known.var(0).sum()
    distance = torch.cdist(seen.flatten(0, 1), known).square() / spread
    flat = index.flatten()
    loss = functional.cross_entropy(-8 * distance, flat) + distance[range(len(flat)), flat].mean()
    return loss, (distance.argmin(1) == flat).float().mean().item()
