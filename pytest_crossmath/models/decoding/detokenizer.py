r"""From a response's tokens to its text, with everything in it that a model said.

::

    detokenizer = Detokenizer.of(tokenizer, ends={151645})
    detokenizer.text([9, 8, 151645])     # '<answer>4</answer>', without the end of the turn

Tokenizers can leave out *special* tokens, but what a vocabulary calls special is not always
silent: training on a format often adds ``<answer>``, ``<think>`` or ``\boxed`` that way. Only
markers that no one reads are left out here: ends, padding, roles and pictures.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_crossmath.tasks.responses import is_tag

_MARKER = re.compile(r"\s*(?:<.*[^\W\d].*>|\[.*[^\W\d].*\]|◁.*[^\W\d].*▷)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Detokenizer:
    """Turns tokens into text."""

    tokenizer: Any
    """The tokenizer."""
    silent: frozenset[int]
    """Ids of the tokens that are not part of the text."""

    @classmethod
    def of(cls, tokenizer: Any, ends: Collection[int]) -> Detokenizer:
        """The detokenizer for a tokenizer, and for the tokens that end a turn."""
        special = special_tokens(tokenizer)
        silent = {id for id, text in special.items() if looks_like_marker(text)} | {*ends}
        # The last tag may be what ends the turn.
        return cls(tokenizer, frozenset(id for id in silent if not is_tag(special.get(id, ""))))

    def text(self, tokens: Sequence[int]) -> str:
        """The text of a response, exactly as it was said."""
        said = [token for token in tokens if token not in self.silent]
        return str(
            self.tokenizer.decode(
                said, skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """The tokens that a vocabulary calls special, by their ids."""
    added = tokenizer.added_tokens_decoder.items()
    found = {id: str(token) for id, token in added if token.special}
    named = [id for id in tokenizer.all_special_ids if id is not None]
    return dict(zip(named, tokenizer.convert_ids_to_tokens(named), strict=True)) | found


def leading_marker(tokenizer: Any, text: str) -> int | None:
    """The token that a text begins with, if it is written like a marker; else None."""
    added = {id: str(token) for id, token in tokenizer.added_tokens_decoder.items()}
    texts = {token: id for id, token in (special_tokens(tokenizer) | added).items()}
    markers = (one for one in texts if looks_like_marker(one) and not is_tag(one))
    found = [one for one in markers if text.lstrip().startswith(one)]
    # The longest one, since a marker may begin like another.
    return texts[max(found, key=len)] if found else None


def looks_like_marker(text: str) -> bool:
    """Whether a token is written like a marker: ``<|im_end|>``, ``[INST]``, ``</s>``."""
    return bool(_MARKER.fullmatch(text))
