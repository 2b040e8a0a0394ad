"""Tiny checkpoints with random weights, one for each family of vision-language models.

Each is laid out like its family's checkpoints on the Hub: the model, the
tokenizer, ``preprocessor_config.json``, ``processor_config.json`` and
``chat_template.jinja``. Nothing is downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAD, END = 256, 257
"""Number of ids for the 256 bytes, which the special tokens follow."""
VOCABULARY = 320
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
TEXT: dict[str, Any] = SIZES | {
    "num_key_value_heads": 1,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 4096,
    "bos_token_id": None,
    "eos_token_id": END,
    "pad_token_id": PAD,
}
SIDE = 56
"""Width and height of what vision towers see, in pixels."""


@dataclass(frozen=True)
class Family:
    """Everything needed to build a checkpoint of one family."""

    processor: str
    """Class of its processor."""
    image_processor: Any
    """Its image processor."""
    config: Callable[[Any], Any]
    """Its configuration, given a function from a special token to its id."""
    marker: str | None = "<image>"
    """The placeholder for a picture in its chat template; None if the family has no template."""
    tokens: tuple[str, ...] = ("<image>",)
    """Its special tokens."""
    names: dict[str, str] = field(default_factory=dict)
    """Special tokens that its processor takes from the tokenizer, by attribute."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of its processor."""
    feature_extractor: Any = None
    """Its audio part, if the processor needs one."""


def llava() -> Family:
    """LLaVA 1.5: a CLIP tower, a fixed number of tokens per picture."""
    import transformers as t

    return Family(
        "LlavaProcessor",
        t.CLIPImageProcessor(
            size={"height": SIDE, "width": SIDE}, crop_size=SIDE, do_center_crop=False
        ),
        lambda id_of: t.LlavaConfig(
            text_config=t.LlamaConfig(**TEXT),
            vision_config=t.CLIPVisionConfig(**SIZES, image_size=SIDE, patch_size=28),
            image_token_index=id_of("<image>"), image_seq_length=4, vision_feature_layer=-1,
        ),
        options={"patch_size": 28, "vision_feature_select_strategy": "default",
                 "num_additional_image_tokens": 1},
    )  # fmt: skip


def llava_next() -> Family:
    """LLaVA-NeXT: tiles of a picture in addition to the whole."""
    import transformers as t

    grid = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    return Family(
        "LlavaNextProcessor",
        t.LlavaNextImageProcessor(
            size={"shortest_edge": SIDE}, crop_size=SIDE, image_grid_pinpoints=grid
        ),
        lambda id_of: t.LlavaNextConfig(
            text_config=t.MistralConfig(**TEXT, head_dim=16),
            vision_config=t.CLIPVisionConfig(**SIZES, image_size=SIDE, patch_size=28),
            image_token_index=id_of("<image>"), image_seq_length=4, vision_feature_layer=-1,
            image_grid_pinpoints=grid,
        ),
        options={"patch_size": 28, "vision_feature_select_strategy": "default",
                 "num_additional_image_tokens": 1},
    )  # fmt: skip


def llava_onevision() -> Family:
    """LLaVA-OneVision: tiles, a SigLIP tower, a video part."""
    import transformers as t

    grid = [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    return Family(
        "LlavaOnevisionProcessor",
        t.LlavaOnevisionImageProcessor(
            size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=grid
        ),
        lambda id_of: t.LlavaOnevisionConfig(
            text_config=t.Qwen2Config(**TEXT),
            vision_config=t.SiglipVisionConfig(**SIZES, image_size=SIDE, patch_size=28),
            image_token_index=id_of("<image>"), video_token_index=id_of("<video>"),
            vision_feature_layer=-1, image_grid_pinpoints=grid,
        ),
        tokens=("<image>", "<video>"),
        options={"num_image_tokens": 4, "vision_feature_select_strategy": "full"},
    )  # fmt: skip


def _qwen(config: Callable[[dict[str, Any]], Any], processor: str, patch: int) -> Family:
    """The parts that all Qwen families share."""
    import transformers as t

    ids = {
        "image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>",
    }  # fmt: skip
    area = (2 * patch) ** 2
    return Family(
        processor,
        t.Qwen2VLImageProcessor(
            patch_size=patch, size={"shortest_edge": area, "longest_edge": 12 * area}
        ),
        lambda id_of: config({name: id_of(token) for name, token in ids.items()}),
        marker="<|vision_start|><|image_pad|><|vision_end|>",
        tokens=tuple(ids.values()),
    )


def qwen2_vl() -> Family:
    """Qwen2-VL: as many tokens as a picture has patches, positions on three axes."""
    import transformers as t

    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    vision = {"depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 32, "patch_size": 14}
    text = TEXT | {"rope_parameters": rope}
    return _qwen(
        lambda ids: t.Qwen2VLConfig(text_config=text, vision_config=vision, **ids),
        "Qwen2VLProcessor", 14,
    )  # fmt: skip


def qwen2_5_vl() -> Family:
    """Qwen2.5-VL: windowed attention in the tower."""
    import transformers as t

    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
              "out_hidden_size": 32, "window_size": 56, "fullatt_block_indexes": [1]}  # fmt: skip
    text = TEXT | {"rope_parameters": rope}
    return _qwen(
        lambda ids: t.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids),
        "Qwen2_5_VLProcessor", 14,
    )  # fmt: skip


_QWEN3_VISION = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                 "out_hidden_size": 32, "num_position_embeddings": 16}  # fmt: skip


def qwen3_vl() -> Family:
    """Qwen3-VL: deepstack, the tower's layers fed into the first ones of the decoder."""
    import transformers as t

    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
    vision = _QWEN3_VISION | {"deepstack_visual_indexes": [0]}
    text = TEXT | {"rope_parameters": rope, "head_dim": 16}
    return _qwen(
        lambda ids: t.Qwen3VLConfig(text_config=text, vision_config=vision, **ids),
        "Qwen3VLProcessor", 16,
    )  # fmt: skip


def qwen3_5() -> Family:
    """Qwen3.5: linear attention in three layers of four."""
    import transformers as t

    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1],
            "partial_rotary_factor": 0.5}  # fmt: skip
    text = TEXT | {
        "rope_parameters": rope, "head_dim": 16,
        "layer_types": ["linear_attention", "full_attention"],
        "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        "linear_num_key_heads": 2, "linear_num_value_heads": 2,
    }  # fmt: skip
    return _qwen(
        lambda ids: t.Qwen3_5Config(text_config=text, vision_config=_QWEN3_VISION, **ids),
        "Qwen3VLProcessor", 16,
    )  # fmt: skip


def internvl() -> Family:
    """InternVL 3: tiles, four patches to a token."""
    import transformers as t

    side, patch = 2 * [SIDE], 2 * [14]
    return Family(
        "InternVLProcessor",
        t.GotOcr2ImageProcessor(
            size={"height": SIDE, "width": SIDE}, crop_to_patches=True, max_patches=4
        ),
        lambda id_of: t.InternVLConfig(
            text_config=t.Qwen2Config(**TEXT),
            vision_config=t.InternVLVisionConfig(**SIZES, image_size=side, patch_size=patch),
            image_token_id=id_of("<IMG_CONTEXT>"), image_seq_length=4,
        ),
        marker="<IMG_CONTEXT>\n",
        tokens=("<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
        names={"start_image_token": "<img>", "end_image_token": "</img>",
               "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"},
        options={"image_seq_length": 4},
    )  # fmt: skip


def gemma3() -> Family:
    """Gemma 3: bidirectional attention over pictures, sliding windows over text."""
    import transformers as t

    names = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>",
             "image_token": "<image_soft_token>"}  # fmt: skip
    text = TEXT | {"head_dim": 16, "sliding_window": 64,
                   "layer_types": ["sliding_attention", "full_attention"]}  # fmt: skip
    return Family(
        "Gemma3Processor",
        t.Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE}, image_seq_length=4),
        lambda id_of: t.Gemma3Config(
            text_config=text,
            vision_config=t.SiglipVisionConfig(**SIZES, image_size=SIDE, patch_size=14),
            boi_token_index=id_of(names["boi_token"]), eoi_token_index=id_of(names["eoi_token"]),
            image_token_index=id_of(names["image_token"]), mm_tokens_per_image=4,
        ),
        marker="<start_of_image>", tokens=tuple(names.values()), names=names,
        options={"image_seq_length": 4},
    )  # fmt: skip


def gemma4() -> Family:
    """Gemma 4: pictures keep their aspect ratio; audio and video parts."""
    import transformers as t

    names = {
        "image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>",
        "audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>",
    }  # fmt: skip
    text = TEXT | {
        "head_dim": 16, "global_head_dim": 16, "sliding_window": 64,
        "layer_types": ["sliding_attention", "full_attention"],
        "vocab_size_per_layer_input": VOCABULARY, "hidden_size_per_layer_input": 8,
    }  # fmt: skip
    return Family(
        "Gemma4Processor",
        t.Gemma4ImageProcessor(max_soft_tokens=70),
        lambda id_of: t.Gemma4Config(
            text_config=t.Gemma4TextConfig(**text),
            vision_config=t.Gemma4VisionConfig(
                **SIZES, num_key_value_heads=2, head_dim=16, position_embedding_size=64
            ),
            image_token_id=id_of("<|image|>"), video_token_id=id_of("<|video|>"),
            boi_token_id=id_of("<|image>"), eoi_token_id=id_of("<image|>"),
            audio_token_id=id_of("<|audio|>"), boa_token_id=id_of("<|audio>"),
            eoa_token_index=id_of("<audio|>"),
        ),
        marker="<|image|>", tokens=(*names.values(), "<|video|>"), names=names,
        feature_extractor=t.Gemma4AudioFeatureExtractor(),
    )  # fmt: skip


def smolvlm() -> Family:
    """SmolVLM 2: tiles, pixels shuffled into fewer tokens."""
    import transformers as t

    return Family(
        "SmolVLMProcessor", _tiles(t.SmolVLMImageProcessor),
        lambda id_of: t.SmolVLMConfig(
            text_config=t.LlamaConfig(**TEXT),
            vision_config=SIZES | {"image_size": SIDE, "patch_size": 14},
            image_token_id=id_of("<image>"), scale_factor=2,
        ),
        tokens=_IDEFICS_TOKENS, options={"image_seq_len": 4},
    )  # fmt: skip


def idefics2() -> Family:
    """Idefics 2: a resampler between tower and decoder."""
    import transformers as t

    perceiver = {
        "hidden_size": 32, "resampler_n_latents": 4, "resampler_depth": 1,
        "resampler_n_heads": 2, "resampler_head_dim": 16, "num_key_value_heads": 1,
    }  # fmt: skip
    return Family(
        "Idefics2Processor",
        t.Idefics2ImageProcessor(
            size={"shortest_edge": 28, "longest_edge": SIDE}, do_image_splitting=False
        ),
        lambda id_of: t.Idefics2Config(
            text_config=t.MistralConfig(**TEXT, head_dim=16),
            vision_config=SIZES | {"image_size": SIDE, "patch_size": 14},
            perceiver_config=perceiver, image_token_id=id_of("<image>"),
        ),
        tokens=_IDEFICS_TOKENS, options={"image_seq_len": 4},
    )  # fmt: skip


def idefics3() -> Family:
    """Idefics 3, and SmolVLM 1: tiles, pixels shuffled into fewer tokens."""
    import transformers as t

    return Family(
        "Idefics3Processor", _tiles(t.Idefics3ImageProcessor),
        lambda id_of: t.Idefics3Config(
            text_config=t.LlamaConfig(**TEXT),
            vision_config=SIZES | {"image_size": SIDE, "patch_size": 14},
            image_token_id=id_of("<image>"), scale_factor=2,
        ),
        tokens=_IDEFICS_TOKENS, options={"image_seq_len": 4},
    )  # fmt: skip


_IDEFICS_TOKENS = (
    "<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<video>",
    *(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)),
)  # fmt: skip


def _tiles(kind: Any) -> Any:
    """An image processor that cuts a picture into tiles of `SIDE` pixels."""
    return kind(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE})


def paligemma() -> Family:
    """PaliGemma 2: bidirectional attention over the prompt."""
    import transformers as t

    return Family(
        "PaliGemmaProcessor",
        t.SiglipImageProcessor(size={"height": SIDE, "width": SIDE}, image_seq_length=4),
        lambda id_of: t.PaliGemmaConfig(
            text_config=t.Gemma2Config(**TEXT, head_dim=16, sliding_window=4096),
            vision_config=t.SiglipVisionConfig(**SIZES, image_size=SIDE, patch_size=28),
            image_token_index=id_of("<image>"), projection_dim=32,
        ),
        marker=None, tokens=("<image>", "<bos>"),
        names={"image_token": "<image>", "bos_token": "<bos>"},
    )  # fmt: skip


def mllama() -> Family:
    """Llama 3.2 Vision: pictures enter through cross-attention, not as tokens."""
    import transformers as t

    return Family(
        "MllamaProcessor",
        t.MllamaImageProcessor(size={"height": SIDE, "width": SIDE}, max_image_tiles=4),
        lambda id_of: t.MllamaConfig(
            text_config=TEXT | {"cross_attention_layers": [1], "bos_token_id": id_of("<bos>"),
                                "vocab_size": id_of("<|image|>")},
            vision_config={
                "hidden_size": 32, "intermediate_size": 64, "attention_heads": 2,
                "num_hidden_layers": 2, "num_global_layers": 1, "vision_output_dim": 64,
                "intermediate_layers_indices": [1], "image_size": SIDE, "patch_size": 14,
                "max_num_tiles": 4,
            },
            image_token_index=id_of("<|image|>"),
        ),
        marker="<|image|>", tokens=("<bos>", "<|python_tag|>", "<|image|>"),
        names={"bos_token": "<bos>"},
    )  # fmt: skip


FAMILIES = {
    make.__name__: make
    for make in (
        llava, llava_next, llava_onevision, qwen2_vl, qwen2_5_vl, qwen3_vl, qwen3_5, internvl,
        gemma3, gemma4, smolvlm, idefics2, idefics3, paligemma, mllama,
    )
}  # fmt: skip


def write_checkpoint(name: str, folder: Path) -> None:
    """Save a checkpoint with random weights."""
    import torch
    import transformers

    logging: Any = transformers.utils.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    family = FAMILIES[name]()
    tokenizer = _tokenizer(family)
    torch.manual_seed(0)
    config = family.config(tokenizer.convert_tokens_to_ids)
    auto: Any = transformers.AutoModelForImageTextToText
    model = auto.from_config(config)
    model.generation_config.update(max_new_tokens=8, eos_token_id=END, pad_token_id=PAD)
    # Initialised wider than usual, so that the output depends on the input.
    for parameter, weight in model.named_parameters():
        # Llama Vision's gates are initially closed, so that nothing of a picture gets through.
        if weight.dim() > 1 or "gate" in parameter:
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    family.image_processor.save_pretrained(folder)
    described = family.options | {"processor_class": family.processor}
    if family.feature_extractor is not None:
        described["feature_extractor"] = json.loads(family.feature_extractor.to_json_string())
    (folder / "processor_config.json").write_text(json.dumps(described))
    if family.marker is None:
        return
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}Q: {% for part in m.content %}"
        f"{{{{ {family.marker!r} if part.type == 'image' else part.text }}}}"
        "{% endfor %}\nA:{% endfor %}"
    )


def _tokenizer(family: Family) -> Any:
    """One token for each byte, followed by the special tokens."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<pad>", "<end>", *family.tokens])
    fast: Any = transformers.PreTrainedTokenizerFast
    bos = {k: v for k, v in family.names.items() if k == "bos_token"}
    extra = {k: v for k, v in family.names.items() if k != "bos_token"}
    return fast(
        tokenizer_object=tokenizer, padding_side="right", pad_token="<pad>",  # noqa: S106 - tokens
        eos_token="<end>", extra_special_tokens=extra or None, **bos,  # noqa: S106
    )  # fmt: skip
