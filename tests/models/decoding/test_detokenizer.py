"""What of a response's tokens is text."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from pytest_crossmath.models.decoding.detokenizer import (
    Detokenizer,
    leading_marker,
    looks_like_marker,
)

SILENT = [
    "<|im_start|>", "<|im_end|>", "<end_of_turn>", "<image>", "[INST]", "[/INST]", "</s>",
    "<pad>", "<|begin_of_box|>", "<｜Assistant｜>", "<row_1_col_2>",
]  # fmt: skip
SAID = [
    "<answer>", "</answer>", "<think>", "</think>", "[THINK]", "[/THINK]", "◁think▷",
    "◁/think▷", "<thinking>", "\\boxed", "7", "12", "<", ">", "<=", "[3, 4]", "Answer:", " ",
    "<1>",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """One token for each byte, and all of these as special tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([*SILENT, *SAID])
    fast: Any = transformers.PreTrainedTokenizerFast
    return fast(
        tokenizer_object=made, eos_token="</s>", pad_token="<pad>",  # noqa: S106 - tokens
        clean_up_tokenization_spaces=True,
    )  # fmt: skip


@pytest.mark.parametrize("token", SILENT)
def test_a_marker_is_silent(tokenizer: Any, token: str) -> None:
    """Ends, padding, roles and pictures are no text, wherever they are."""
    assert looks_like_marker(token)
    ids = tokenizer.encode(f"a{token}b{token}", add_special_tokens=False)
    assert Detokenizer.of(tokenizer, ends=()).text(ids) == "ab"


@pytest.mark.parametrize("token", SAID)
def test_what_is_read_is_text(tokenizer: Any, token: str) -> None:
    """Tags of answers and thinking, numbers and signs stay, special or not."""
    number = tokenizer.convert_tokens_to_ids(token)
    [letter] = tokenizer.encode("a", add_special_tokens=False)
    found = Detokenizer.of(tokenizer, ends=()).text([letter, number, letter])
    assert found == f"a{token}a"


def test_spaces_stay_where_they_are(tokenizer: Any) -> None:
    """Tidied up, ` ?` would be `?` and ` n't` would be `n't`."""
    ids = tokenizer.encode("1 × ? = 1 , do n't !", add_special_tokens=False)
    assert Detokenizer.of(tokenizer, ends=()).text(ids) == "1 × ? = 1 , do n't !"


def test_an_end_is_silent_unless_it_is_a_tag(tokenizer: Any) -> None:
    """A model may end its turn with the tag that closes its answer."""
    ids = tokenizer.encode("<answer>7</answer>", add_special_tokens=False)
    assert Detokenizer.of(tokenizer, ends={ids[-1]}).text(ids) == "<answer>7</answer>"
    [letter] = tokenizer.encode("z", add_special_tokens=False)
    assert Detokenizer.of(tokenizer, ends={letter}).text([*ids, letter]) == "<answer>7</answer>"


@pytest.mark.parametrize(
    ("text", "token"),
    [("<|im_end|>\n", "<|im_end|>"), ("\n</s>", "</s>"), (" </answer>", None), ("7", None),
     ("", None), ("then</s>", None)],
)  # fmt: skip
def test_the_marker_in_front_of_a_text(tokenizer: Any, text: str, token: str | None) -> None:
    """What a template writes after a reply, if it is a marker."""
    found = leading_marker(tokenizer, text)
    assert (None if found is None else tokenizer.convert_ids_to_tokens(found)) == token
