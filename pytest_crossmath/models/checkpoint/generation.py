r"""Generation settings, built from nothing but ours and the tokens that end a model's turn.

::

    ends = end_tokens(model, tokenizer, "<|im_end|>\n")
    config = plain_generation(ends, tokenizer, settings)
    with applied(model, config):
        model.generate(**inputs, generation_config=config)

A checkpoint comes with settings of its own: penalties, cut-offs, a time limit, biased tokens,
text that ends a response. None of them applies here, since decoding that is reported as greedy
has to be greedy. Only its end tokens are taken, from every place that can name one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import transformers

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.hub import stored_file
from pytest_crossmath.models.decoding.detokenizer import (
    leading_marker,
    looks_like_marker,
    special_tokens,
)
from pytest_crossmath.models.spec import read_json
from pytest_crossmath.tasks.responses import is_tag
from pytest_crossmath.text import one_line

DEFAULT_NEW_TOKENS = 2048
"""Maximum number of new tokens when the user does not set one, whatever the checkpoint says."""
FILE = "generation_config.json"


def bare_generation(place: str, revision: str | None) -> transformers.GenerationConfig:
    """A checkpoint's generation settings with nothing but its end tokens.

    Raises `ModelError` for a file that cannot be read: its end tokens would be lost.
    """
    file = stored_file(place, FILE, revision)
    if file is None:
        return _configuration()
    try:
        content = read_json(file)
        return _configuration(eos_token_id=_listed(content.get("eos_token_id")) or None)
    except (ModelError, TypeError) as error:
        fault = str(error).removeprefix(f"{file} ")
        raise ModelError(
            f"{file} is damaged: {one_line(fault)}. It may name the tokens that end a response:"
            " copy it again from where the checkpoint comes from, or delete it"
        ) from None


def end_tokens(model: Any, tokenizer: Any, turn_end: str = "") -> frozenset[int]:
    """The ids of all tokens that end the model's turn; empty if none is known.

    They are named by the generation settings, the configuration, its part for text, the
    tokenizer, and by the chat template: `turn_end` is what it writes after a message of the
    assistant. A configuration class has defaults for them, and an old file may name tokens of
    another vocabulary: a token that is plain text therefore counts only if no other is named.
    """
    declared = _listed(model.generation_config.eos_token_id)
    own = {*declared, *_listed(tokenizer.eos_token_id)}
    for part in (model.config, model.config.get_text_config(decoder=True)):
        own.update(_listed(getattr(part, "eos_token_id", None)))
    texts = special_tokens(tokenizer)
    texts |= {id: str(token) for id, token in tokenizer.added_tokens_decoder.items()}
    own.update(_listed(leading_marker(tokenizer, turn_end)))
    ends = {id for id in own if looks_like_marker(text := texts.get(id, "")) and not is_tag(text)}
    # A model may be trained to end its turn with the tag that closes its answer.
    closing = {id for id in declared if is_tag(text := texts.get(id, "")) and "/" in text}
    return frozenset(ends | closing | {*_listed(tokenizer.eos_token_id)} or declared)


def plain_generation(
    ends: Collection[int], tokenizer: Any, settings: Settings
) -> transformers.GenerationConfig:
    """Plain greedy decoding, or plain sampling at a temperature."""
    hot = settings.temperature > 0
    pad = tokenizer.pad_token_id
    return _configuration(
        max_new_tokens=settings.max_new_tokens or DEFAULT_NEW_TOKENS,
        do_sample=hot,
        temperature=settings.temperature if hot else None,
        top_p=1.0 if hot else None,
        top_k=0 if hot else None,
        num_beams=1,
        use_cache=True,
        eos_token_id=sorted(ends) or None,
        pad_token_id=min(ends, default=0) if pad is None else pad,
        bos_token_id=tokenizer.bos_token_id,
    )


@contextmanager
def applied(model: Any, config: transformers.GenerationConfig) -> Iterator[None]:
    """Put a configuration in the place of the model's own, and of those of the models inside.

    `generate` fills whatever it is not given from there, in some versions even what it is given.
    """
    holders = [module for module in model.modules() if "generation_config" in vars(module)]
    before = [module.generation_config for module in holders]
    for module in holders:
        module.generation_config = config
    try:
        yield
    finally:
        for module, own in zip(holders, before, strict=True):
            module.generation_config = own


def _configuration(**settings: Any) -> transformers.GenerationConfig:
    return transformers.GenerationConfig(**settings)  # type: ignore[no-untyped-call]  # its own


def _listed(ids: Any) -> list[int]:
    """Token ids as they are named in a configuration: one, several, or none."""
    found = ids if isinstance(ids, list | tuple) else [] if ids is None else [ids]
    for id in found:
        if not isinstance(id, int) or isinstance(id, bool):
            raise TypeError(f"eos_token_id is {ids!r:.40}, not a token id or a list of them")
    return list(found)
