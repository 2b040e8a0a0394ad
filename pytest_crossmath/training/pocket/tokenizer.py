r"""The tokenizer of `pocket`: one token per table cell, one per word, bytes for the rest.

>>> tokenizer = build_tokenizer()
>>> tokenizer.tokenize("| 7 | - | ? |\n")
['| 7 ', '| - ', '| ? ', '|\n']

With one token per cell the prompt is half as long, and the model can copy by position.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pytest_crossmath.tasks.crossmath.generator import PRESETS
from pytest_crossmath.tasks.crossmath.grid import BLANK, EQUALS, OPERATORS
from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from pytest_crossmath.tasks.crossmath.worked import cell_name
from pytest_crossmath.training.pocket.wordings import OTHER_WORDINGS

PAD, USER, ASSISTANT, END, IMAGE = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>", "<image>"
SPECIAL = (PAD, USER, ASSISTANT, END, IMAGE)
NUMBERS = tuple(str(n) for n in range(1, PRESETS["mini"].max_number + 1))
CELL_TEXTS = ("", BLANK, EQUALS, *OPERATORS, *NUMBERS)
"""Every text that a cell can have, in the order of the tokens."""
ROW_END = "|\n"
_GRID_SIDE = 5
_MOST_TOKENS = 4096

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ '<|assistant|>' if message['role'] == 'assistant' else '<|user|>' }}
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}{{ '<image>' }}
{%- elif part['type'] == 'text' -%}{{ part['text'] }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- if message['role'] == 'assistant' -%}{{ '<|end|>' }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}
"""
"""Jinja template of a conversation; a system message is treated like a user's."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, built from the wordings and from everything a worked solution can contain."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_MOST_TOKENS,
        min_frequency=1,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_corpus(), trainer)
    core.add_tokens([AddedToken(text, normalized=False) for text in _whole_tokens()])
    wrapper: Any = PreTrainedTokenizerFast  # transformers leaves it untyped
    tokenizer: PreTrainedTokenizerFast = wrapper(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": IMAGE},
        model_max_length=2048,
    )
    return tokenizer


def cell_token(text: str) -> str:
    """The token for a cell with this text."""
    return f"| {text or ' '} "


def place_tokens() -> Iterator[str]:
    """The tokens with which worked solutions name rows, columns and cells of the grid."""
    for name, number in product(("row", "column"), range(1, _GRID_SIDE + 1)):
        yield f"{name} {number}:"
    for position in product(range(_GRID_SIDE), range(_GRID_SIDE)):
        yield f" {cell_name(position)} ="


def _whole_tokens() -> Iterator[str]:
    yield from map(cell_token, CELL_TEXTS)
    yield from (ROW_END, "<answer>", "</answer>")
    yield from place_tokens()


def _corpus() -> Iterator[str]:
    yield from (INSTRUCTION, *OTHER_WORDINGS)
    yield " → ? = \n , \n\n"
    for text in (*NUMBERS, *OPERATORS):
        yield text
        yield f" {text}"
