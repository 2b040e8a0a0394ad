"""Decoding settings: nothing of a checkpoint's own applies but the tokens that end its turn."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.checkpoint.generation import DEFAULT_NEW_TOKENS, bare_generation
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.tasks.score import Finish
from tests.models.checkpoint.odd_pocket import answers, edit, texts

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft

CPU = Settings(device="cpu")
END = 3
"""The end token of the bundled model."""


OWN: list[dict[str, Any]] = [
    {"max_time": 0.0001},
    {"max_new_tokens": 3},
    {"max_length": 5},
    {"min_new_tokens": 50},
    {"min_length": 500},
    {"sequence_bias": [[[48], 90.0]]},
    {"stop_strings": ["="]},
    {"bad_words_ids": [[48], [49]]},
    {"suppress_tokens": list(range(5, 60))},
    {"begin_suppress_tokens": list(range(5, 600))},
    {"forced_bos_token_id": 9},
    {"forced_eos_token_id": 9},
    {"repetition_penalty": 9.0, "encoder_repetition_penalty": 3.0},
    {"no_repeat_ngram_size": 2, "encoder_no_repeat_ngram_size": 1},
    {"num_beams": 3, "length_penalty": -5.0, "early_stopping": True},
    {"num_return_sequences": 2, "num_beams": 2},
    {"guidance_scale": 4.0},
    {"exponential_decay_length_penalty": [2, 9.0]},
    {"watermarking_config": {"greenlist_ratio": 0.2, "bias": 9.0}},
    {"cache_implementation": "static"},
    {"cache_implementation": "no such cache"},
    {"prompt_lookup_num_tokens": 4},
    {"use_cache": False},
    {"return_dict_in_generate": True, "output_scores": True},
    {"remove_invalid_values": True, "renormalize_logits": True},
    {"do_sample": True, "temperature": 9.0, "top_k": 0},
    {"temperature": -1.0, "no_such_setting": {"a": [1]}},
    {"dola_layers": "high"},
    {"penalty_alpha": 0.6, "top_k": 4},
]


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(own, id="-".join(own), marks=[pytest.mark.nightly] * (number % 4 > 0))
        for number, own in enumerate(OWN)
    ],
)
def test_no_setting_of_a_checkpoint_applies(
    own: dict[str, Any], pocket: Path, expected: list[str]
) -> None:
    """Greedy is greedy: time limits, penalties, biases, beams and stop texts are ignored."""
    edit(pocket / "generation_config.json", lambda content: content.update(own))
    assert texts(pocket) == expected


def test_settings_in_the_configuration_do_not_apply_either(
    pocket: Path, expected: list[str]
) -> None:
    """Old checkpoints have them in config.json, on top or in its part for text."""

    def change(content: dict[str, Any]) -> None:
        content.update(repetition_penalty=9.0, num_beams=3)
        content["text_config"].update(no_repeat_ngram_size=1, min_length=40)

    edit(pocket / "config.json", change)
    assert texts(pocket) == expected


def test_a_sample_is_of_the_whole_distribution(pocket: Path) -> None:
    """At a temperature, a checkpoint's min_p of 1 would leave only the greedy token."""
    before = HFBackend.load(str(pocket), CPU)
    edit(
        pocket / "generation_config.json",
        lambda c: c.update(do_sample=True, min_p=1.0, top_h=0.01, typical_p=0.01, top_k=1),
    )
    after = HFBackend.load(str(pocket), CPU)
    expected, found = (answers(one, temperature=2.0) for one in (before, after))
    assert [one.text for one in found] == [one.text for one in expected]


def test_code_for_decoding_is_not_run(pocket: Path, expected: list[str]) -> None:
    """A folder `custom_generate` stays where it is, even if the checkpoint's code is trusted."""
    (pocket / "custom_generate").mkdir()
    (pocket / "custom_generate" / "generate.py").write_text(
        "def generate(model, **_):\n    raise SystemExit('run')\n"
    )
    trusting = Settings(device="cpu", trust_remote_code=True)
    found = answers(HFBackend.load(str(pocket), trusting))
    assert [one.text for one in found] == expected


def test_an_adapter_on_a_checkpoint_with_settings(pocket: Path, tmp_path: Path) -> None:
    """Inside a wrapper, the base's settings do not apply either."""
    import torch
    from peft import LoraConfig, get_peft_model

    base = HFBackend.load(str(pocket), CPU)
    tuned: Any = get_peft_model(base.model, LoraConfig(target_modules=["q_proj"], r=2))
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.001)
    tuned.save_pretrained(str(tmp_path / "adapter"))
    before = texts(tmp_path / "adapter")
    edit(pocket / "generation_config.json", lambda c: c.update(max_time=0.0001, stop_strings=["="]))
    assert texts(tmp_path / "adapter") == before


def test_the_model_keeps_its_own_settings() -> None:
    """Evaluating a model in training does not change what is saved with it."""
    backend = HFBackend.load(str(pocket_directory()), CPU)
    own = backend.model.generation_config
    own.temperature = 0.7
    answers(backend)
    assert backend.model.generation_config is own
    assert own.temperature == 0.7


@pytest.mark.parametrize("content", ["{", "[]", '{"eos_token_id": "x"}', '{"eos_token_id": [1.5]}'])
def test_damaged_settings_are_one_line(pocket: Path, content: str) -> None:
    """They may name the end of a turn, so they are not passed over."""
    (pocket / "generation_config.json").write_text(content)
    with pytest.raises(ModelError, match=r"pocket/generation_config\.json is damaged: ") as caught:
        HFBackend.load(str(pocket), CPU)
    assert "\n" not in str(caught.value)


def test_missing_settings_change_nothing(pocket: Path, expected: list[str]) -> None:
    """Without the file, the end tokens are found elsewhere, and the limit is ours."""
    (pocket / "generation_config.json").unlink()
    assert texts(pocket) == expected
    backend = HFBackend.load(str(pocket), CPU)
    assert backend._generation(CPU).max_new_tokens == DEFAULT_NEW_TOKENS


# -- the end of a turn ---------------------------------------------------------------


def forget_the_end(pocket: Path, but: str) -> None:
    """Name another end token everywhere but in one place."""
    other = 2
    if but != "generation":
        edit(pocket / "generation_config.json", lambda c: c.update(eos_token_id=other))
    if but != "text configuration":
        edit(pocket / "config.json", lambda c: c["text_config"].update(eos_token_id=other))
    if but == "configuration":
        edit(pocket / "config.json", lambda c: c.update(eos_token_id=[END]))
    if but != "tokenizer":
        edit(pocket / "tokenizer_config.json", lambda c: c.update({"eos_token": "<|user|>"}))
    if but != "template":
        template = pocket / "chat_template.jinja"
        template.write_text(template.read_text().replace("{{ '<|end|>' }}", ""))


@pytest.mark.parametrize(
    "place", ["generation", "configuration", "text configuration", "tokenizer", "template"]
)
def test_every_place_that_names_the_end_counts(
    place: str, pocket: Path, expected: list[str]
) -> None:
    """A turn ends at any token that the settings, the tokenizer or the template name as its end."""
    forget_the_end(pocket, but=place)
    found = answers(HFBackend.load(str(pocket), CPU))
    assert [one.text for one in found] == expected
    assert {one.finish for one in found} == {Finish.STOP}


@pytest.mark.parametrize("token", ["1", "=", "12", "<answer>", -1, 99_999])
def test_plain_text_does_not_end_a_turn(
    token: str | int, pocket: Path, expected: list[str]
) -> None:
    """An end token of another vocabulary, which is a digit in this one, cuts no answer."""
    content = json.loads((pocket / "tokenizer.json").read_text())
    numbers = content["model"]["vocab"] | {
        one["content"]: one["id"] for one in content["added_tokens"]
    }
    listed = [token if isinstance(token, int) else numbers[token]]
    edit(pocket / "generation_config.json", lambda c: c.update(eos_token_id=listed))
    edit(pocket / "config.json", lambda c: c["text_config"].update(eos_token_id=listed))
    assert texts(pocket) == expected


def test_without_an_end_the_limit_is_reached(pocket: Path, expected: list[str]) -> None:
    """`length` is reported at the limit, and only there."""
    forget_the_end(pocket, but="nowhere")
    found = answers(HFBackend.load(str(pocket), CPU))
    assert all(isinstance(one, Response) for one in found)
    assert {one.finish for one in found} == {Finish.LENGTH}


# -- tags in the text ----------------------------------------------------------------


def make_special(pocket: Path, *tokens: str) -> None:
    """Mark tokens of the vocabulary as special, as training on a format does."""

    def change(content: dict[str, Any]) -> None:
        known = {one["content"] for one in content["added_tokens"]}
        for token in set(tokens) & known:
            next(one for one in content["added_tokens"] if one["content"] == token).update(
                special=True
            )
        for token in set(tokens) - known:
            number = content["model"]["vocab"][token]
            content["added_tokens"].append({
                "id": number, "content": token, "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True,
            })  # fmt: skip
        content["added_tokens"].sort(key=lambda one: one["id"])

    edit(pocket / "tokenizer.json", change)


def test_special_tokens_that_say_something_stay(pocket: Path, expected: list[str]) -> None:
    """Tags, digits and signs are part of the text, whatever the vocabulary calls them."""
    make_special(pocket, "<answer>", "</answer>", "1", "2", "7", "=", "12")
    assert texts(pocket) == expected


def test_spaces_are_not_cleaned_up(pocket: Path, expected: list[str]) -> None:
    """A tokenizer's wish to tidy up its text would change ` ?` to `?`."""
    edit(pocket / "tokenizer_config.json", lambda c: c.update(clean_up_tokenization_spaces=True))
    assert texts(pocket) == expected


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_in_place_of_generation_settings_is_refused(tmp_path: Path) -> None:
    """Neither waited for nor ignored: its end tokens would be lost."""
    os.mkfifo(tmp_path / "generation_config.json")
    with pytest.raises(ModelError, match="not a regular file"):
        bare_generation(str(tmp_path), None)
