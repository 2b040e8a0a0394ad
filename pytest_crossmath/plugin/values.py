"""Values of options: what each accepts, and the message for anything else."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_crossmath.errors import OptionError

if TYPE_CHECKING:
    from pytest_crossmath.tasks.task import Modality

CACHE_MODES = ("on", "off", "refresh")
INCONCLUSIVE = ("pass", "fail")
STOP_EARLY = ("exact", "sequential")
DTYPES = ("auto", "float32", "bfloat16", "float16")
ATTENTIONS = (
    "eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3",
    "flash_attention_4",
)  # fmt: skip
"""Attention implementations by transformers' names. Kernels from the Hub are code: refused."""


def parse_modalities(text: str | None) -> tuple[Modality, ...]:
    """``text,image`` as modalities; all of them for None."""
    from pytest_crossmath.tasks.task import Modality

    names = [modality.value for modality in Modality]
    return tuple(Modality(name) for name in parse_list("modality", text or ",".join(names), names))


def parse_positive(name: str, text: str | None) -> int | None:
    """A whole number of at least 1; None for None."""
    if text is None:
        return None
    if not (re.fullmatch("[0-9]{1,9}", text) and int(text) > 0):
        raise OptionError(
            f"--crossmath-{name} must be a whole number from 1 to 999999999, not {text[:40]!r}"
        )
    return int(text)


def parse_count(name: str, text: str | None, default: int) -> int:
    """A whole number of at least 0; the default for None."""
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,9}", text):
        raise OptionError(
            f"--crossmath-{name} must be a whole number from 0 to 999999999, not {text[:40]!r}"
        )
    return int(text)


def parse_batch_size(text: str | None) -> int | None:
    """A whole number of at least 1; None for ``auto``."""
    return None if text == "auto" else parse_positive("batch-size", text)


def parse_attention(text: str | None) -> str | None:
    """The name of an attention implementation; None for the model's own."""
    return parse_choice("attention", text, ATTENTIONS) if text else None


def parse_temperature(text: str | None) -> float:
    """A temperature from 0 to 10; 0 for None."""
    try:
        temperature = float(text or 0)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 10:
        raise OptionError(f"--crossmath-temperature must be a number from 0 to 10, not {text!r}")
    return temperature


def parse_seconds(name: str, text: str) -> float:
    """A number of seconds above 0, at most a day."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise OptionError(
            f"--crossmath-{name} must be a number of seconds above 0, at most 86400, not {text!r}"
        )
    return seconds


def parse_variable(name: str, text: str) -> str:
    """The name of an environment variable. A wrong one may be the key itself: it is not shown."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", text):
        raise OptionError(f"--crossmath-{name} must be the name of an environment variable")
    return text


def parse_choice(name: str, text: str, choices: Sequence[str]) -> str:
    """One of `choices`; the error for anything else names the closest."""
    if text not in choices:
        close = difflib.get_close_matches(text, choices, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise OptionError(
            f"--crossmath-{name} cannot be {text!r}.{hint} It takes: {', '.join(choices)}"
        )
    return text


def parse_list(name: str, text: str, choices: Sequence[str]) -> tuple[str, ...]:
    """Some of `choices`, separated by commas."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise OptionError(f"--crossmath-{name} is empty. It takes: {', '.join(choices)}")
    return tuple(dict.fromkeys(parse_choice(name, word, choices) for word in words))
