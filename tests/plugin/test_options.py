"""Option parsers: what each accepts, and the message for what it does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from pytest_crossmath.errors import OptionError
from pytest_crossmath.plugin import options, values
from pytest_crossmath.plugin.options import OPTIONS, Option
from pytest_crossmath.tasks.task import Modality


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ("text", "image", "image+text")),
        ("image", ("image",)),
        ("image+text, text", ("image+text", "text")),
        ("text,text,", ("text",)),
    ],
)
def test_modalities(text: str | None, expected: tuple[str, ...]) -> None:
    """A list keeps the user's order without duplicates; no list means all."""
    assert values.parse_modalities(text) == tuple(Modality(name) for name in expected)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (values.parse_modalities, "imag", r"cannot be 'imag'\. Did you mean 'image'\?"),
        (values.parse_modalities, "text,zzz", r"cannot be 'zzz'\. It takes: text, image"),
        (values.parse_modalities, ",", "--crossmath-modality is empty"),
        (partial(values.parse_count, "give-up", default=10), "-1", "whole number from 0 to 9999"),
        (partial(values.parse_count, "give-up", default=10), "ten", "--crossmath-give-up must be"),
        (partial(values.parse_count, "give-up", default=10), "1.5", "not '1.5'"),
        (values.parse_batch_size, "0", "--crossmath-batch-size must be a whole number from 1"),
        (values.parse_batch_size, "Auto", "must be a whole number from 1 to .*, not 'Auto'"),
        (values.parse_attention, "flash", r"cannot be 'flash'\. .*It takes: eager, sdpa"),
        (values.parse_attention, "spda", r"Did you mean 'sdpa'\?"),
        (values.parse_attention, "kernels-community/flash-attn", "--crossmath-attention cannot"),
        (
            partial(values.parse_seconds, "timeout"),
            "0",
            "must be a number of seconds above 0, at most 86400",
        ),
        (partial(values.parse_seconds, "timeout"), "soon", "not 'soon'"),
        (partial(values.parse_seconds, "timeout"), "inf", "must be a number of seconds"),
        (partial(values.parse_variable, "api-key-env"), "sk-1", "must be the name of an env"),
        (values.parse_temperature, "hot", "must be a number from 0 to 10, not 'hot'"),
        (values.parse_temperature, "-1", "must be a number from 0 to 10"),
        (values.parse_temperature, "nan", "must be a number from 0 to 10"),
        (values.parse_temperature, "inf", "must be a number from 0 to 10"),
    ],
)
def test_refused(parse: Callable[[str], object], text: str, message: str) -> None:
    """An invalid value is reported with its flag and the values that it takes."""
    with pytest.raises(OptionError, match=message):
        parse(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", "٣"])
def test_counts_are_whole_numbers_from_one(text: str) -> None:
    """Zero, fractions and words are not counts."""
    with pytest.raises(OptionError, match="--crossmath-limit must be a whole number from 1"):
        values.parse_positive("limit", text)


def test_accepted_numbers() -> None:
    """Plain numbers and `auto` are accepted, and so is no value."""
    assert values.parse_positive("limit", "12") == 12
    assert values.parse_positive("limit", None) is None
    assert values.parse_batch_size("auto") is None
    assert values.parse_batch_size("8") == 8
    assert values.parse_temperature(None) == 0.0
    assert values.parse_temperature("0.7") == 0.7


@pytest.mark.parametrize("name", values.ATTENTIONS)
def test_attention_implementations(name: str) -> None:
    """Each name is passed on unchanged; without one the model uses its own."""
    assert values.parse_attention(name) == name
    assert values.parse_attention(None) is None
    assert values.parse_attention("") is None


def test_two_models_of_one_name_are_refused() -> None:
    """Otherwise the results of the two could not be told apart."""
    with pytest.raises(OptionError, match=r"two models are called 'x'.*NAME=SPEC"):
        options.parse_models(["x=hf:a/b", "x=hf:a/c"])


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_has_an_ini_twin(option: Option, pytestconfig: pytest.Config) -> None:
    """Each flag is declared together with the ini setting of the same name."""
    assert option.flag == f"--crossmath-{option.name}"
    assert pytestconfig.getoption(option.ini) is None
    pytestconfig.getini(option.ini)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_explained(option: Option) -> None:
    """The help of each says what it takes and its default; gates have their limits in per cent."""
    assert "(default:" in option.help
    assert "0." not in option.help
