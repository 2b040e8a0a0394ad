"""The network of `pocket` and its processor, both built from stock classes of transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from pytest_crossmath.training.pocket.tokenizer import (
    CHAT_TEMPLATE,
    END,
    IMAGE,
    PAD,
    build_tokenizer,
)


@dataclass(frozen=True, slots=True)
class Size:
    """The size of the network."""

    width: int = 128
    """Width of both towers."""
    text_layers: int = 4
    """Layers of the language model."""
    vision_layers: int = 3
    """Layers of the vision tower."""
    hidden: int = 384
    """Width of the feed-forward blocks."""
    heads: int = 4
    """Attention heads in each tower."""
    patch: int = 28
    """Side of an image patch in pixels."""
    patches: int = 5
    """Patches along each side: one per cell of the grids in the mini suite."""

    @property
    def pixels(self) -> int:
        """Side in pixels of the picture that the vision tower sees."""
        return self.patch * self.patches

    @property
    def image_tokens(self) -> int:
        """Number of tokens that a picture takes in the prompt."""
        return self.patches**2


def build_processor(size: Size) -> LlavaProcessor:
    """The processor that ships with the model and is used in training."""
    pixels = {"height": size.pixels, "width": size.pixels}
    images = CLIPImageProcessor(size=pixels, crop_size=pixels, do_center_crop=False)
    processor_class: Any = LlavaProcessor  # transformers leaves it untyped
    processor: LlavaProcessor = processor_class(
        image_processor=images,
        tokenizer=build_tokenizer(),
        patch_size=size.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )
    return processor


def build_model(size: Size, tokenizer: Any, seed: int) -> Any:
    """An untrained network; the same seed gives the same weights."""
    torch.manual_seed(seed)
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (PAD, END, IMAGE)}
    config = LlavaConfig(
        vision_config=_vision(size),
        text_config=_text(size, len(tokenizer), ids[PAD], ids[END]),
        image_token_index=ids[IMAGE],
        image_seq_length=size.image_tokens,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    settings: Any = GenerationConfig
    model.generation_config = settings(
        do_sample=False, max_new_tokens=256, eos_token_id=ids[END], pad_token_id=ids[PAD]
    )
    return model


def _vision(size: Size) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=size.width,
        intermediate_size=size.hidden,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=size.heads,
        image_size=size.pixels,
        patch_size=size.patch,
        projection_dim=size.width,
    )


def _text(size: Size, vocabulary: int, pad: int, end: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=size.width,
        intermediate_size=size.hidden,
        num_hidden_layers=size.text_layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
