"""Decoding in slots, on small models with random weights from several families."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.decoding import cache as caches
from pytest_crossmath.models.decoding.decode import Decoded, Usage, decode
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import load_suite

PAD, IMAGE, FIRST = 0, 1, 2
"""Token ids: padding, a picture's placeholder, and the start of a picture."""
VOCABULARY = 128
ENDS = [20, 30, 40, 50, 60, 70]
"""Many end tokens, so that responses differ in length."""
LIMIT = 24
ROWS = 24

# Widths of a language model and of a vision tower.
TEXT: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": VOCABULARY,
    "num_attention_heads": 2, "num_key_value_heads": 1, "pad_token_id": PAD,
    "bos_token_id": None, "eos_token_id": ENDS,
}  # fmt: skip
VISION: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """How to build a tiny model of a family, and the shape of its pictures."""

    model: str
    """The class of the model."""
    config: Callable[[], Any]
    patches: int
    """Tokens of a picture."""
    pixels: Callable[[int], dict[str, Tensor]]
    """The pixel inputs for a number of pictures, and any inputs that go with them."""
    token_types: str = ""
    """The input that marks picture tokens, if there is one."""

    @property
    def takes_token_types(self) -> bool:
        """Whether this release's model has that input, which is newer than some models."""
        forward = getattr(transformers, self.model).forward
        return self.token_types in inspect.signature(forward).parameters


def squares(size: int, *axes: int) -> Callable[[int], dict[str, Tensor]]:
    """Pictures of one size, with extra axes between rows and channels if a family has them."""
    return lambda count: {"pixel_values": torch.randn(count, *axes, 3, size, size)}


def qwen(count: int) -> dict[str, Tensor]:
    """Pictures of 4 by 6 patches in one long row, as the Qwen family takes them."""
    return {
        "pixel_values": torch.randn(count * 24, 96),
        "image_grid_thw": torch.tensor([[1, 4, 6]] * count),
    }


def llava() -> Any:
    """CLIP and Llama."""
    return transformers.LlavaConfig(
        text_config=transformers.LlamaConfig(**TEXT),
        vision_config=transformers.CLIPVisionConfig(**VISION, image_size=56, patch_size=28),
        image_token_index=IMAGE, image_seq_length=4, vision_feature_layer=-1,
    )  # fmt: skip


def llava_next() -> Any:
    """LLaVA with a second, larger view of each picture."""
    return transformers.LlavaNextConfig(
        text_config=transformers.LlamaConfig(**TEXT),
        vision_config=transformers.CLIPVisionConfig(**VISION, image_size=56, patch_size=28),
        image_token_index=IMAGE, image_seq_length=4, vision_feature_layer=-1,
        image_grid_pinpoints=[[56, 112], [112, 56]],
    )  # fmt: skip


def qwen2_vl() -> Any:
    """Positions on three axes."""
    return transformers.Qwen2VLConfig(
        text_config={
            **TEXT, "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]}
        },
        vision_config={
            "depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2,
            "patch_size": 4,
        },
        image_token_id=IMAGE, video_token_id=3, vision_start_token_id=FIRST, vision_end_token_id=4,
    )  # fmt: skip


def qwen2_5_vl() -> Any:
    """The same, with windows in the vision tower."""
    return transformers.Qwen2_5_VLConfig(
        text_config={
            **TEXT, "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]}
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 4,
            "out_hidden_size": 32, "window_size": 16, "fullatt_block_indexes": [1],
        },
        image_token_id=IMAGE, video_token_id=3, vision_start_token_id=FIRST, vision_end_token_id=4,
    )  # fmt: skip


def qwen3_vl() -> Any:
    """The same, with pictures fed into deeper layers too."""
    return transformers.Qwen3VLConfig(
        text_config={
            **TEXT, "head_dim": 16,
            "rope_parameters": {
                "rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True
            },
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 4,
            "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
        },
        image_token_id=IMAGE, video_token_id=3, vision_start_token_id=FIRST, vision_end_token_id=4,
    )  # fmt: skip


def gemma3() -> Any:
    """A sliding window in every other layer, and bidirectional attention over pictures."""
    return transformers.Gemma3Config(
        text_config={
            **TEXT, "head_dim": 16, "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        vision_config={**VISION, "image_size": 56, "patch_size": 14},
        mm_tokens_per_image=4, image_token_index=IMAGE, boi_token_index=FIRST, eoi_token_index=4,
    )  # fmt: skip


def paligemma() -> Any:
    """Positions that start at 1, and bidirectional attention over prompts."""
    return transformers.PaliGemmaConfig(
        text_config={**TEXT, "model_type": "gemma", "head_dim": 16},
        vision_config={
            **VISION, "model_type": "siglip_vision_model", "image_size": 28, "patch_size": 14,
            "projection_dim": 32,
        },
        image_token_index=IMAGE, projection_dim=32, hidden_size=32,
    )  # fmt: skip


def idefics3() -> Any:
    """Pixels with an extra axis for the pictures of a row."""
    return transformers.Idefics3Config(
        text_config={**TEXT, "model_type": "llama"},
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
        image_token_id=IMAGE, scale_factor=2,
    )  # fmt: skip


def smolvlm() -> Any:
    """Idefics3 under different names."""
    return transformers.SmolVLMConfig(
        text_config={**TEXT, "model_type": "llama"},
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
        image_token_id=IMAGE, scale_factor=2,
    )  # fmt: skip


def internvl() -> Any:
    """Qwen2 with its own vision tower."""
    return transformers.InternVLConfig(
        text_config={**TEXT, "model_type": "qwen2"},
        vision_config={**VISION, "image_size": [32, 32], "patch_size": [8, 8]},
        image_token_id=IMAGE, image_seq_length=4, downsample_ratio=0.5,
    )  # fmt: skip


def mistral3() -> Any:
    """A sliding window in every layer."""
    return transformers.Mistral3Config(
        text_config={**TEXT, "model_type": "mistral", "head_dim": 16, "sliding_window": 8},
        vision_config={
            **VISION, "model_type": "pixtral", "image_size": 32, "patch_size": 8, "head_dim": 16,
        },
        image_token_index=IMAGE, spatial_merge_size=2, vision_feature_layer=-1,
    )  # fmt: skip


def sized(height: int, width: int, pixels: Tensor) -> dict[str, Tensor]:
    """Pictures together with their height and width."""
    return {"pixel_values": pixels, "image_sizes": torch.tensor([[height, width]] * len(pixels))}


FAMILIES = {
    "LLaVA": Family("LlavaForConditionalGeneration", llava, 4, squares(56)),
    "LLaVA-NeXT": Family(
        "LlavaNextForConditionalGeneration", llava_next, 14,
        lambda count: sized(56, 112, torch.randn(count, 3, 3, 56, 56)),
    ),
    "Qwen2-VL": Family(
        "Qwen2VLForConditionalGeneration", qwen2_vl, 6, qwen, "mm_token_type_ids"
    ),
    "Qwen2.5-VL": Family(
        "Qwen2_5_VLForConditionalGeneration", qwen2_5_vl, 6, qwen, "mm_token_type_ids"
    ),
    "Qwen3-VL": Family(
        "Qwen3VLForConditionalGeneration", qwen3_vl, 6, qwen, "mm_token_type_ids"
    ),
    "Gemma 3": Family("Gemma3ForConditionalGeneration", gemma3, 4, squares(56), "token_type_ids"),
    "PaliGemma": Family(
        "PaliGemmaForConditionalGeneration", paligemma, 4, squares(28), "token_type_ids"
    ),
    "Idefics3": Family("Idefics3ForConditionalGeneration", idefics3, 4, squares(32, 1)),
    "SmolVLM": Family("SmolVLMForConditionalGeneration", smolvlm, 4, squares(32, 1)),
    "InternVL": Family("InternVLForConditionalGeneration", internvl, 4, squares(32)),
    "Mistral 3": Family(
        "Mistral3ForConditionalGeneration", mistral3, 4,
        lambda count: sized(32, 32, torch.randn(count, 3, 32, 32)),
    ),
}  # fmt: skip


def build(family: Family) -> Any:
    """A model with random weights, wide enough that its output depends on its input."""
    torch.manual_seed(1)
    config = family.config()
    # Otherwise a wide model repeats its last token for ever.
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    model: Any = getattr(transformers, family.model)(config).eval()
    torch.manual_seed(1)  # releases draw different numbers for the weights that are replaced here
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    model.generation_config.update(eos_token_id=ENDS, pad_token_id=PAD, bos_token_id=None)
    return model


@dataclass(frozen=True)
class Prompts:
    """Random prompts of different lengths, half of them with a picture each."""

    family: Family
    calls: list[list[int]] = field(default_factory=list)
    """The rows that were collated together."""

    def kinds(self) -> list[bool]:
        """Which rows have a picture: four with, four without, and so on."""
        return [row % 8 < 4 for row in range(ROWS)]

    def row(self, row: int) -> tuple[list[int], dict[str, Tensor]]:
        """Token ids and pixels of a row, always the same."""
        torch.manual_seed(row)
        words = torch.randint(80, VOCABULARY, (3 + row * 7 % 11,)).tolist()
        if not self.kinds()[row]:
            return words, {}
        picture = [FIRST, *[IMAGE] * self.family.patches, 4]
        return words[:2] + picture + words[2:], self.family.pixels(1)

    def collate(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """Model inputs, padded on the left."""
        self.calls.append(list(rows))
        made = [self.row(row) for row in rows]
        width = max(len(ids) for ids, _ in made)
        ids = torch.tensor([[PAD] * (width - len(ids)) + ids for ids, _ in made])
        inputs = {"input_ids": ids, "attention_mask": (ids != PAD).long()}
        if self.family.takes_token_types:
            inputs[self.family.token_types] = (ids == IMAGE).long()
        for name in made[0][1]:
            inputs[name] = torch.cat([pixels[name] for _, pixels in made])
        return inputs


OPTIONS = {"max_new_tokens": LIMIT, "do_sample": False}


def alone(model: Any, prompts: Prompts, options: Mapping[str, Any] = OPTIONS) -> list[list[int]]:
    """The new tokens of each row from plain `generate`, one row at a time."""
    found = []
    for row in range(ROWS):
        inputs = prompts.collate([row])
        found.append(
            model.generate(**inputs, **options)[0, inputs["input_ids"].shape[1] :].tolist()
        )
    return found


def run(
    model: Any, prompts: Prompts, usage: Usage, size: int = 6, options: Mapping[str, Any] = OPTIONS
) -> list[list[int]]:
    """The new tokens of each row from the module under test."""
    rows = decode(
        model, prompts.collate, ROWS, batch_size=size, options=options, kinds=prompts.kinds(),
        usage=usage,
    )  # fmt: skip
    return [row.tokens for row in sorted(rows, key=lambda row: row.index)]


def skip_where_positions_cannot_be_passed(name: str, usage: Usage) -> None:
    """Skip, with its reason, what needs slots that this release has not.

    The first releases of transformers 5 cut positions on three axes along the wrong axis.
    """
    utils = importlib.import_module("transformers.generation.utils")
    source = inspect.getsource(utils.GenerationMixin.prepare_inputs_for_generation)
    if "Qwen" in name and "model_input[:, -current_input_length:]" in source:
        assert usage.static
        pytest.skip(f"decoded in static batches: {usage.static}")


@pytest.mark.parametrize("name", FAMILIES)
def test_each_row_gets_what_it_gets_alone(name: str) -> None:
    """Rows with and without pictures leave and join, and every greedy token stays the same."""
    model, prompts, usage = build(FAMILIES[name]), Prompts(FAMILIES[name]), Usage()
    expected = alone(model, prompts)
    # The test proves nothing unless rows differ in length and content.
    assert len({len(row) for row in expected}) >= 4
    assert len({tuple(row) for row in expected}) > ROWS / 2
    assert run(model, prompts, usage) == expected
    skip_where_positions_cannot_be_passed(name, usage)
    assert not usage.static
    assert usage.joins > 2


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Family, list[list[int]]]:
    """A LLaVA, its prompts, and its output for each row alone."""
    family = FAMILIES["LLaVA"]
    model = build(family)
    return model, family, alone(model, Prompts(family))


Tiny = tuple[Any, Family, list[list[int]]]


def test_pocket_solves_in_slots_as_it_does_alone() -> None:
    """The bundled model answers all three forms in one call as it does one by one."""
    settings = Settings(device="cpu", max_new_tokens=64)
    backend = HFBackend.load(str(pocket_directory()), settings)
    mini = load_suite("mini")
    requests = [make_request(p, form) for form in mini.forms for p in mini.tasks[:8]]
    usage, options = Usage(), {"generation_config": backend._generation(settings)}

    def collate(rows: Sequence[int]) -> Any:
        return backend._inputs([requests[row] for row in rows], settings)

    kinds = [bool(request.pictures) for request in requests]
    found = decode(
        backend.model, collate, len(requests), batch_size=5, options=options, kinds=kinds,
        usage=usage,
    )  # fmt: skip
    expected = []
    for row in range(len(requests)):
        inputs = collate([row])
        sequences = backend.model.generate(**inputs, **options)
        expected.append(sequences[0, inputs["input_ids"].shape[1] :].tolist())
    assert [r.tokens for r in sorted(found, key=lambda row: row.index)] == expected
    assert not usage.static


@pytest.mark.parametrize("size", [1, 2, 7, ROWS, 100])
def test_the_batch_size_changes_no_token(tiny: Tiny, size: int) -> None:
    """The tokens are the same with one slot, a few, or more slots than rows."""
    model, family, expected = tiny
    prompts = Prompts(family)
    assert run(model, prompts, Usage(), size) == expected
    assert max(len(rows) for rows in prompts.calls) <= size


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_limit_holds_for_each_row(tiny: Tiny, limit: int) -> None:
    """A row may take as many tokens as any other, however late it joins."""
    model, family, expected = tiny
    options = OPTIONS | {"max_new_tokens": limit}
    found = run(model, Prompts(family), Usage(), options=options)
    assert found == [row[:limit] for row in expected]


def test_one_end_token_or_none(tiny: Tiny) -> None:
    """`eos_token_id` may be a number, or None, in which case every row reaches the limit."""
    _, family, expected = tiny
    for ends, options in ((30, OPTIONS | {"eos_token_id": 30}), (None, OPTIONS)):
        plain = build(family)
        plain.generation_config.eos_token_id = ends
        found = run(plain, Prompts(family), Usage(), options=options)
        assert found == alone(plain, Prompts(family), options)
        assert found != expected


def test_rows_wait_without_their_pixels(tiny: Tiny) -> None:
    """Inputs are made when slots are free, once for each row and one kind at a time."""
    model, family, _ = tiny
    prompts, ahead = Prompts(family), []
    rows = decode(
        model, prompts.collate, ROWS, batch_size=4, options=OPTIONS, kinds=prompts.kinds()
    )
    for yielded, _row in enumerate(rows):
        ahead.append(sum(map(len, prompts.calls)) - yielded)
    assert max(ahead) <= 4
    assert sorted(row for rows in prompts.calls for row in rows) == list(range(ROWS))
    assert all(len({prompts.kinds()[row] for row in rows}) == 1 for rows in prompts.calls)


@pytest.mark.parametrize("name", ["LLaVA", "Gemma 3"])
def test_the_cache_does_not_grow_for_ever(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is never wider than the longest possible row, however many columns pass through."""
    family, sizes, real = FAMILIES[name], [], caches.keep

    def spy(cache: Any, rows: Sequence[int], columns: int) -> None:
        real(cache, rows, columns)
        sizes.append(tuple(cache.layers[-1].keys.shape[0:3:2]))

    monkeypatch.setattr(caches, "keep", spy)
    prompts = Prompts(family)
    run(build(family), prompts, Usage(), size=4)
    longest = max(len(prompts.row(row)[0]) for row in range(ROWS))
    assert max(columns for _, columns in sizes) <= longest + LIMIT
    assert max(rows for rows, _ in sizes) < 4


def test_sampling_is_repeatable_and_kept_in_slots(tiny: Tiny) -> None:
    """With the same seed the same texts come out again, and they differ from the greedy ones."""
    model, family, greedy = tiny
    options = OPTIONS | {"do_sample": True, "temperature": 5.0, "top_k": 0, "top_p": 1.0}
    found, usage = [], Usage()
    for _ in range(2):
        prompts = Prompts(family)
        made = {row: prompts.collate([row]) for row in range(ROWS)}

        def collate(rows: Sequence[int], made: dict[int, Any] = made) -> dict[str, Tensor]:
            [row] = rows
            inputs: dict[str, Tensor] = made[row]
            return inputs

        torch.manual_seed(3)
        rows = decode(
            model, collate, ROWS, batch_size=4, options=options, kinds=range(ROWS), usage=usage
        )
        found.append({row.index: row.tokens for row in rows})
    assert found[0] == found[1]
    assert [found[0][row] for row in range(ROWS)] != greedy
    assert not usage.static
    assert usage.joins


def test_the_slots_are_counted(tiny: Tiny) -> None:
    """More slots are used than in static batches, and the time is divided among the rows."""
    model, family, expected = tiny
    refilled, static = Usage(), Usage()
    run(model, Prompts(family), refilled)
    run(model, Prompts(family), static, options=OPTIONS | {"begin_suppress_tokens": [PAD]})
    assert static.static == "the generation setting begin_suppress_tokens"
    assert refilled.tokens == static.tokens == sum(map(len, expected))
    assert refilled.tokens < refilled.row_steps < refilled.slot_steps < static.slot_steps
    assert static.utilisation < refilled.utilisation < 1
    rows = decode(model, Prompts(family).collate, 4, batch_size=2, options=OPTIONS)
    assert all(row.seconds > 0 for row in rows)


def test_nothing_to_decode(tiny: Tiny) -> None:
    """Without rows there are no steps."""
    usage = Usage()
    rows = decode(tiny[0], Prompts(tiny[1]).collate, 0, batch_size=4, options=OPTIONS, usage=usage)
    assert list(rows) == []
    assert usage == Usage()


def unknown_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose layers have one more attribute."""
    real = DynamicLayer.lazy_initialization

    def initialize(self: Any, *states: Tensor) -> None:
        real(self, *states)
        self.scales = None

    monkeypatch.setattr(DynamicLayer, "lazy_initialization", initialize)


def missing_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release in which joining fails half way through."""

    def join(cache: Any, *_: Any) -> None:
        cache.layers[0].keys = None
        raise AttributeError("keys")

    monkeypatch.setattr(caches, "join", join)


def stale_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that continues from different positions than those it was given."""
    real = transformers.LlavaForConditionalGeneration.prepare_inputs_for_generation

    @functools.wraps(real)  # `generate` reads the signature
    def prepare(self: Any, *args: Any, **named: Any) -> Any:
        inputs = real(self, *args, **named)
        if inputs["input_ids"].shape[1] == 1:
            inputs["position_ids"] = inputs["position_ids"] * 0
        return inputs

    name = "prepare_inputs_for_generation"
    monkeypatch.setattr(transformers.LlavaForConditionalGeneration, name, prepare)


def stuck_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that continues rightly, and then falls behind within the chunk."""
    real = transformers.LlavaForConditionalGeneration.prepare_inputs_for_generation

    @functools.wraps(real)
    def prepare(self: Any, *args: Any, **named: Any) -> Any:
        inputs = real(self, *args, **named)
        if not named.get("is_first_iteration"):
            inputs["position_ids"] = inputs["position_ids"] - 1
        return inputs

    name = "prepare_inputs_for_generation"
    monkeypatch.setattr(transformers.LlavaForConditionalGeneration, name, prepare)


def state_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that stores state for each row of its latest prompt."""
    real = transformers.LlavaForConditionalGeneration.forward

    @functools.wraps(real)
    def forward(self: Any, *args: Any, **named: Any) -> Any:
        monkeypatch.setattr(self.model, "memory", named["input_ids"], raising=False)
        return real(self, *args, **named)

    monkeypatch.setattr(transformers.LlavaForConditionalGeneration, "forward", forward)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unknown_state, "a DynamicLayer with unexpected attributes"),
        (state_of_a_batch, "a model that stores memory of its latest prompt"),
        (missing_part, "transformers: AttributeError: keys"),
        (stale_positions, "a model whose positions do not continue from chunk to chunk"),
        (stuck_positions, "a model whose positions do not continue from step to step"),
    ],
)
def test_other_internals_fall_back_to_static_batches(
    tiny: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    reason: str,
) -> None:
    """With changed internals of transformers, rows are still right, and the reason is reported."""
    change(monkeypatch)
    model, family, _ = tiny
    usage = Usage()
    found = run(model, Prompts(family), usage)
    assert usage.static == reason
    assert found == alone(model, Prompts(family))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"num_beams": 2}, "num_beams"),
        ({"repetition_penalty": 1.5}, "repetition_penalty"),
        ({"min_new_tokens": 4}, "min_new_tokens"),
        ({"cache_implementation": "static"}, "cache_implementation"),
    ],
)
def test_settings_that_count_over_steps_are_static(
    tiny: Tiny, options: dict[str, Any], reason: str
) -> None:
    """Settings that would start again in each chunk are left to plain `generate`."""
    usage = Usage()
    found = run(tiny[0], Prompts(tiny[1]), usage, options=OPTIONS | options)
    assert usage.static == f"the generation setting {reason}"
    assert len(found) == ROWS


def test_inputs_of_every_step_are_static(tiny: Tiny) -> None:
    """An unknown input may also be needed after the prefill."""
    model, family, _ = tiny
    usage = Usage()

    def collate(rows: Sequence[int]) -> dict[str, Any]:
        return prompts.collate(rows) | {"logits_to_keep": 1}

    prompts = Prompts(family)
    rows = decode(model, collate, 4, batch_size=2, options=OPTIONS, usage=usage)
    assert len(list(rows)) == 4
    assert usage.static == "the model input logits_to_keep"


def test_linear_attention_is_static() -> None:
    """A model whose layers keep a state in place of keys and values."""
    config = transformers.Qwen3NextConfig(
        **TEXT | {"head_dim": 16, "num_hidden_layers": 2, "num_experts": 0},
        linear_num_key_heads=2, linear_num_value_heads=2, linear_key_head_dim=8,
        linear_value_head_dim=8, layer_types=["linear_attention", "full_attention"],
        mlp_only_layers=[0, 1],
    )  # fmt: skip
    model: Any = transformers.Qwen3NextForCausalLM(config)
    model.eval()
    ids = torch.randint(80, VOCABULARY, (4, 6))
    usage = Usage()

    def collate(rows: Sequence[int]) -> dict[str, Tensor]:
        chosen = ids[list(rows)]
        return {"input_ids": chosen, "attention_mask": torch.ones_like(chosen)}

    rows = list(decode(model, collate, 4, batch_size=2, options=OPTIONS, usage=usage))
    assert [row.index for row in rows] == [0, 1, 2, 3]
    assert usage.static in {
        "cache layers of type LinearAttentionLayer",
        "a cache of type Qwen3NextDynamicCache",  # in the first releases of transformers 5
    }


def test_rotary_embeddings_that_shift_are_static(tiny: Tiny) -> None:
    """The longest row of a batch would change the output of the other rows."""
    config = FAMILIES["LLaVA"].config()
    config.text_config.rope_parameters = {
        "rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0,
    }  # fmt: skip
    model: Any = transformers.LlavaForConditionalGeneration(config)
    model.eval()
    usage = Usage()
    assert len(run(model, Prompts(tiny[1]), usage)) == ROWS
    assert usage.static == "positions or attention that depend on the longest row"


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft's own
def test_an_adapter_is_refilled() -> None:
    """A model wrapped in a LoRA adapter can be refilled."""
    import peft

    family = FAMILIES["Qwen2-VL"]
    config = peft.LoraConfig(target_modules=["q_proj"], r=4, init_lora_weights=False)
    model: Any = peft.get_peft_model(build(family), config).eval()
    usage = Usage()
    assert run(model, Prompts(family), usage) == alone(model, Prompts(family))
    skip_where_positions_cannot_be_passed("Qwen2-VL", usage)
    assert not usage.static


@pytest.mark.parametrize("error", [KeyboardInterrupt, torch.OutOfMemoryError, RuntimeError])
def test_what_stops_a_step_stops_everything(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Ctrl-C and running out of memory are raised at once, and leave no hook behind."""
    model, family, _ = tiny
    real, steps = model.lm_head.forward, []

    def forward(states: Tensor) -> Tensor:
        steps.append(states)
        if len(steps) == 12:
            raise error("stop")
        return real(states)  # type: ignore[no-any-return]  # torch's own

    monkeypatch.setattr(model.lm_head, "forward", forward)
    with pytest.raises(error, match="stop"):
        run(model, Prompts(family), Usage())
    assert len(steps) == 12
    assert not model._forward_pre_hooks


def test_static_batches_for_the_rows_that_are_left(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure half way, yielded rows are not decoded again, and none are lost."""
    model, family, expected = tiny
    real, calls = caches.join, []

    def join(*args: Any, **named: Any) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise TypeError("another signature")
        real(*args, **named)

    monkeypatch.setattr(caches, "join", join)
    usage = Usage()
    prompts = Prompts(family)
    rows: list[Decoded] = list(
        decode(
            model, prompts.collate, ROWS, batch_size=4, options=OPTIONS, kinds=prompts.kinds(),
            usage=usage,
        )
    )  # fmt: skip
    assert sorted(row.index for row in rows) == list(range(ROWS))
    assert [row.tokens for row in sorted(rows, key=lambda row: row.index)] == expected
    assert usage.static == "transformers: TypeError: another signature"
    assert usage.joins == 2
