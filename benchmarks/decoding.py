"""How much refilling slots gains over static batches, for skewed and for equal response lengths.

python benchmarks/decoding.py

A LLaVA with random weights on one core; every other prompt has a picture. Only the ratios are
meaningful. A logits processor sets the length of each row, the same for both ways of decoding.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from tabulate import tabulate
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LogitsProcessor,
    LogitsProcessorList,
)

from pytest_crossmath.models.decoding.decode import Usage, decode

PAD, END, IMAGE, WORDS, VOCABULARY = 0, 1, 2, 1000, 1700
"""Token ids; the last token of a prompt, WORDS or above, identifies the row."""
BATCH, LONGEST, REPEATS = 16, 400, 2


class Lengths(LogitsProcessor):
    """Ends each row after its own number of tokens, and never earlier.

    It finds the token that identifies the row, and counts the tokens after it.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = torch.tensor(lengths)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores, shape (rows, vocabulary), that force the end token or rule it out."""
        names = input_ids >= WORDS
        place = names.int().argmax(dim=1)
        row = input_ids.gather(1, place[:, None])[:, 0] - WORDS
        over = input_ids.shape[1] - place >= self.lengths[row]
        scores[:, WORDS:] = scores[:, END] = -torch.inf
        scores[over] = -torch.inf
        scores[over, END] = 0
        return scores


def model() -> Any:
    """A LLaVA large enough that a step costs more than its overhead."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 704}
    config = LlavaConfig(
        text_config=LlamaConfig(
            **sizes, num_hidden_layers=2, num_attention_heads=4, vocab_size=VOCABULARY,
            bos_token_id=None, eos_token_id=END, pad_token_id=PAD,
        ),
        vision_config=CLIPVisionConfig(
            **sizes, num_hidden_layers=2, num_attention_heads=4, image_size=112, patch_size=14
        ),
        image_token_index=IMAGE, image_seq_length=64, vision_feature_layer=-1,
    )  # fmt: skip
    made: Any = LlavaForConditionalGeneration(config).eval()
    made.generation_config.update(eos_token_id=END, pad_token_id=PAD, bos_token_id=None)
    return made


def collate(rows: Sequence[int]) -> dict[str, Any]:
    """Prompts of 20 to 60 words; every other row has a picture."""
    prompts, pixels = [], []
    for row in rows:
        torch.manual_seed(row)
        words = torch.randint(3, WORDS, (20 + row * 7 % 41,)).tolist()
        if row % 2:
            words = [IMAGE] * 64 + words
            pixels.append(torch.randn(3, 112, 112))
        prompts.append([*words, WORDS + row])
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[PAD] * (width - len(prompt)) + prompt for prompt in prompts])
    inputs = {"input_ids": ids, "attention_mask": (ids != PAD).long()}
    return inputs | ({"pixel_values": torch.stack(pixels)} if pixels else {})


def measure(llava: Any, lengths: Sequence[int], *, static: bool) -> tuple[float, Usage, Any]:
    """Rows per second, the use of the slots, and the tokens."""
    options: dict[str, Any] = {
        "max_new_tokens": LONGEST,
        "do_sample": False,
        "logits_processor": LogitsProcessorList([Lengths(lengths)]),
    }
    if static:
        # Changes nothing here, but is a setting that forces static batches.
        options["begin_suppress_tokens"] = [PAD]
    usage = Usage()
    started = time.perf_counter()
    rows = list(
        decode(llava, collate, len(lengths), batch_size=BATCH, options=options, usage=usage)
    )
    rate = len(lengths) / (time.perf_counter() - started)
    assert bool(usage.static) is static
    return rate, usage, {row.index: row.tokens for row in rows}


def workloads() -> dict[str, list[int]]:
    """Row lengths in tokens, by name of the workload."""
    torch.manual_seed(1)
    skewed = torch.exp(4.2 + 0.9 * torch.randn(600)).clamp(10, LONGEST).int().tolist()
    near = torch.randint(90, 111, (160,)).tolist()
    return {"lognormal, 10 to 400": skewed, "90 to 110": near, "100 each": [100] * 160}


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    llava, table = model(), []
    for name, lengths in workloads().items():
        # Alternate, so that other load on the machine affects both; the best of each counts.
        runs = [
            (measure(llava, lengths, static=True), measure(llava, lengths, static=False))
            for _ in range(REPEATS)
        ]
        (_, before, expected), (_, after, tokens) = runs[0]
        assert tokens == expected
        slow, fast = (max(run[way][0] for run in runs) for way in (0, 1))
        table.append((
            f"{len(lengths)} rows, {name}", f"{before.utilisation:.0%}", f"{after.utilisation:.0%}",
            f"{after.tokens / after.row_steps:.0%}", after.joins, f"{fast / slow:.2f}",
        ))  # fmt: skip
    headers = (
        "new tokens",
        "slots used, static",
        "refilled",
        "row-steps used",
        "joins",
        "speed-up",
    )
    print(tabulate(table, headers=headers))
    print("slots: batch size times steps; row-steps: rows in the batch times steps, when refilling")


if __name__ == "__main__":
    main()
