"""Chat templates that do not write the prompt that was meant."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.circuit import UnfitRequestError
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.task import ImagePart, TextPart
from tests.models.checkpoint.families import FAMILIES, write_checkpoint
from tests.models.checkpoint.odd_pocket import REQUESTS, answers, edit, texts

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # in PaliGemma's processor
)

CPU = Settings(device="cpu")
PARTS = (
    "{%- for part in message['content'] -%}{{ '<image>' if part['type'] == 'image'"
    " else part['text'] }}{%- endfor -%}"
)


def turns(content: str, *, end: str = "<|end|>", opening: str = "<|assistant|>") -> str:
    """A chat template with the bundled model's roles around what it writes of a message."""
    return (
        "{%- for message in messages -%}"
        "{{ '<|assistant|>' if message['role'] == 'assistant' else '<|user|>' }}"
        f"{content}"
        f"{{%- if message['role'] == 'assistant' -%}}{{{{ '{end}' }}}}{{%- endif -%}}"
        "{%- endfor -%}"
        f"{{%- if add_generation_prompt -%}}{{{{ '{opening}' }}}}{{%- endif -%}}"
    )


def with_template(folder: Path, template: str) -> Path:
    """The folder with another chat template."""
    (folder / "chat_template.jinja").write_text(template)
    return folder


REPAIRED = {
    "for one text": turns("{{ message['content'] | trim }}"),
    "for one text, strictly": turns("{{ message['content'].strip() }}"),
    "for one text, joined": turns("{{ '' + message['content'] }}"),
    "never opens the turn": turns(PARTS, opening=""),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_what_a_template_itself_tells_is_repaired(
    name: str, pocket: Path, expected: list[str]
) -> None:
    """The answers are the same, and a note says what was done."""
    backend = HFBackend.load(str(with_template(pocket, REPAIRED[name])), CPU)
    assert [one.text for one in answers(backend)] == expected
    [note] = backend.notes
    assert str(pocket) in note
    assert "\n" not in note


REFUSED = {
    "cuts": (turns("{{ (message['content'][-1]['text'])[:100] }}"), "changes or cuts"),
    "truncates": (
        turns("{{ message['content'][-1]['text'] | truncate(200) }}"), "changes or cuts",
    ),
    "doubles": (turns(PARTS * 2), "writes the question 2 times"),
    "escapes": (
        turns(PARTS.replace("part['text']", "(part['text'] | escape)")), "changes its signs",
    ),
    "upper case": (turns(PARTS.replace("part['text']", "(part['text'] | upper)")), "changes"),
    "forgets the question": (turns("hello"), "leaves the question out"),
    "prints JSON": (turns("{{ message['content'] | tojson }}"), "leaves the question out"),
    "forgets the picture": (
        turns("{% for p in message['content'] %}{{ p['text'] }}{% endfor %}"),
        "writes nothing for a picture",
    ),
    "ends before the turn": (
        turns(PARTS, opening="<|assistant|><|end|>"), "ends the prompt with <|end|>",
    ),
    "opens the user's turn": (turns(PARTS, opening="<|user|>"), "opens a turn of the user"),
    "raises": (turns("{{ raise_exception('no') }}"), "fails with TemplateError: no"),
    "is no template": ("{% for %}", "fails with TemplateSyntaxError"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_template_that_cannot_be_repaired_is_refused(name: str, pocket: Path) -> None:
    """One line says whose template it is, what it does, and what to do."""
    template, fault = REFUSED[name]
    with pytest.raises(ModelError, match=f"^the chat template of .*pocket .*{fault}") as caught:
        HFBackend.load(str(with_template(pocket, template)), CPU)
    assert "\n" not in str(caught.value)
    assert "use the chat template of" in str(caught.value)


def test_two_places_for_one_picture_are_refused(pocket: Path) -> None:
    """The model has one picture for two places."""
    template = turns(PARTS.replace("'<image>' if", "'<image><image>' if"))
    with pytest.raises(ModelError, match=r"pocket cannot be shown a picture: .*2 <image> tokens"):
        HFBackend.load(str(with_template(pocket, template)), CPU)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(patch_size=14),
        lambda c: c.update(num_additional_image_tokens=0),
        lambda c: c["image_processor"].update(
            size={"height": 112, "width": 112}, crop_size={"height": 112, "width": 112}
        ),
    ],
)
def test_a_processor_of_another_model_is_refused(
    pocket: Path, change: Callable[[Any], Any]
) -> None:
    """It writes more or fewer tokens than the model has features of a picture."""
    edit(pocket / "processor_config.json", change)
    with pytest.raises(ModelError, match=r"pocket cannot be shown a picture: ") as caught:
        HFBackend.load(str(pocket), CPU)
    assert "\n" not in str(caught.value)


def test_a_template_with_room_for_one_picture(pocket: Path) -> None:
    """One picture is shown; a request with two is an error, since one would be lost."""
    template = turns(
        "{%- if message['content'][0]['type'] == 'image' -%}<image>{%- endif -%}"
        "{%- for p in message['content'] -%}{{ p['text'] }}{%- endfor -%}"
    )
    backend = HFBackend.load(str(with_template(pocket, template)), CPU)
    one = next(request for request in REQUESTS if request.pictures)
    [picture] = [part for part in one.content if isinstance(part, ImagePart)]
    two = Request(one.task, one.form, 0, (picture, picture, TextPart("?")))
    assert len(answers(backend, [one])) == 1
    with pytest.raises(UnfitRequestError, match="writes 1 picture, and there are 2"):
        answers(backend, [two])


def post_processor(pocket: Path, single: list[str]) -> None:
    """Let the tokenizer add special tokens around a text, `A`."""
    steps = [
        {"Sequence": {"id": "A", "type_id": 0}} if one == "A"
        else {"SpecialToken": {"id": one, "type_id": 0}}
        for one in single
    ]  # fmt: skip
    numbers = {"<|user|>": 1, "<|end|>": 3}
    edit(
        pocket / "tokenizer.json",
        lambda c: c.update(post_processor={
            "type": "TemplateProcessing", "single": steps, "pair": [],
            "special_tokens": {
                one: {"id": one, "ids": [numbers[one]], "tokens": [one]}
                for one in single if one != "A"
            },
        }),
    )  # fmt: skip


def test_an_end_after_the_prompt_is_left_out(pocket: Path, expected: list[str]) -> None:
    """A tokenizer set up for training ends each text; the model would have nothing to say."""
    post_processor(pocket, ["A", "<|end|>"])
    backend = HFBackend.load(str(pocket), CPU)
    assert [one.text for one in answers(backend)] == expected
    assert "ends each prompt with '<|end|>'" in backend.notes[0]


def test_a_start_is_not_written_twice(pocket: Path, expected: list[str]) -> None:
    """The template writes what the tokenizer would add."""
    post_processor(pocket, ["<|user|>", "A"])
    edit(pocket / "tokenizer_config.json", lambda c: c.update({"bos_token": "<|user|>"}))
    assert texts(pocket) == expected


def test_a_template_that_writes_the_start_twice_is_refused(pocket: Path) -> None:
    """No one can tell which of them is wrong."""
    edit(pocket / "tokenizer_config.json", lambda c: c.update({"bos_token": "<|user|>"}))
    template = (pocket / "chat_template.jinja").read_text()
    with pytest.raises(ModelError, match=r"writes <\|user\|> 2 times in one prompt"):
        HFBackend.load(str(with_template(pocket, "<|user|>" + template)), CPU)


def test_a_template_without_end_is_stopped(pocket: Path) -> None:
    """A template is a program; the timeout holds for it too, and its thread ends."""
    before = set(threading.enumerate())
    loop = "{% for i in range(99999) %}"
    template = f"{loop * 3}{'{% endfor %}' * 3}"
    with pytest.raises(ModelError, match="takes longer than 1 s for one question"):
        HFBackend.load(str(with_template(pocket, template)), Settings(device="cpu", timeout=1.0))
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("family", FAMILIES)
def test_ordinary_templates_are_not_touched(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The families among the aliases need no repair, and their text has what it always had."""
    from transformers.models.smolvlm import processing_smolvlm

    monkeypatch.setattr(processing_smolvlm, "num2words", object())
    write_checkpoint(family, tmp_path)
    backend = HFBackend.load(str(tmp_path), CPU)
    assert backend.notes == ()
    tokenizer = backend.processor.tokenizer
    tokens = [*range(60, 90), *range(256, len(tokenizer)), 65]
    assert backend.detokenizer.text(tokens) == tokenizer.decode(tokens, skip_special_tokens=True)
