"""Hugging Face checkpoints, on small models with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.registry import load_backend, parse_spec
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, ImagePart, Modality, TextPart

CPU = Settings(device="cpu", max_new_tokens=12)
MINI = load_suite("mini")
REQUESTS = [make_request(problem, form) for problem in MINI.tasks[:4] for form in MINI.forms]


def ask(
    backend: HFBackend, requests: list[Request], size: int, settings: Settings = CPU
) -> list[Response]:
    """The responses, decoded `size` at a time."""
    found = dict(backend.generate(requests, settings, batch_size=size))
    responses = [found[i] for i in range(len(requests))]
    assert all(isinstance(response, Response) for response in responses)
    return cast(list[Response], responses)


def edit_json(file: Path, **fields: object) -> None:
    """Set fields of a JSON file; None removes one."""
    content = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def test_batches_change_no_response(tiny_llava: Path) -> None:
    """The response is the same one by one and in padded batches of mixed forms."""
    backend = HFBackend.load(str(tiny_llava), CPU)
    alone = [response.text for response in ask(backend, REQUESTS, 1)]
    assert [response.text for response in ask(backend, REQUESTS, 12)] == alone
    assert [response.text for response in ask(backend, REQUESTS, 5)] == alone
    assert len(set(alone)) > 6


def test_the_picture_reaches_the_model(tiny_llava: Path) -> None:
    """Different pixels with the same text give different responses."""
    backend = HFBackend.load(str(tiny_llava), CPU)
    pictures = [request for request in REQUESTS if request.form.modality is Modality.IMAGE]
    assert len({response.text for response in ask(backend, pictures, 4)}) > 1


def test_the_limit_of_new_tokens(tiny_llava: Path) -> None:
    """The user's limit overrides the checkpoint's, and reaching it is reported."""
    backend = HFBackend.load(str(tiny_llava), CPU)
    own = ask(backend, REQUESTS[:1], 1)[0]
    short = ask(backend, REQUESTS[:1], 1, Settings(device="cpu", max_new_tokens=3))[0]
    assert own.new_tokens <= 12
    assert (short.new_tokens, short.finish) == (3, Finish.LENGTH)


def test_sampling_is_repeatable(tiny_llava: Path) -> None:
    """The same requests at the same temperature give the same texts, and not the greedy ones."""
    backend = HFBackend.load(str(tiny_llava), CPU)
    hot = Settings(device="cpu", temperature=5.0, max_new_tokens=12)
    first = [response.text for response in ask(backend, REQUESTS, 6, hot)]
    assert [response.text for response in ask(backend, REQUESTS, 6, hot)] == first
    assert [response.text for response in ask(backend, REQUESTS, 6)] != first


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft's own
def test_an_adapter_runs_on_its_base(adapter: Path, tiny_llava: Path) -> None:
    """A LoRA directory loads its base and changes its responses."""
    base = HFBackend.load(str(tiny_llava), CPU)
    before = [response.text for response in ask(base, REQUESTS, 12)]
    backend = load_backend(parse_spec(str(adapter)), CPU)
    assert isinstance(backend, HFBackend)
    after = [response.text for response in ask(backend, REQUESTS, 12)]
    assert after != before


def test_missing_weights_are_refused(copied: Path) -> None:
    """A checkpoint that lacks a tensor is not run with random values in its place."""
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    name = next(key for key in weights if "mlp.up_proj" in key)
    del weights[name]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights of its architecture .*up_proj"):
        HFBackend.load(str(copied), CPU)


def test_weights_of_other_shapes_are_told(copied: Path) -> None:
    """A config.json whose sizes do not match the weights is reported in one line."""
    config = json.loads((copied / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 48
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"shapes of its weights do not match its config.json"):
        HFBackend.load(str(copied), CPU)


def test_a_missing_chat_template_is_refused(copied: Path) -> None:
    """A model without a chat template is refused, since it cannot be prompted."""
    (copied / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="has no chat template"):
        HFBackend.load(str(copied), CPU)


def test_code_of_a_checkpoint_is_not_run(copied: Path) -> None:
    """A checkpoint that comes with its own classes is refused."""
    trap = copied / "modeling_trap.py"
    trap.write_text(f"open({str(copied / 'sprung')!r}, 'w')\n")
    edit_json(
        copied / "config.json", model_type="trap", auto_map={"AutoConfig": "modeling_trap.Config"}
    )
    with pytest.raises(ModelError, match="cannot be loaded"):
        HFBackend.load(str(copied), CPU)
    assert not (copied / "sprung").exists()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft's own
@pytest.mark.filterwarnings("ignore:Found missing adapter keys:UserWarning")  # our own report
def test_an_adapter_of_another_model_is_refused(tiny_llava: Path, tmp_path: Path) -> None:
    """PEFT ignores weights that fit nowhere; an adapter without effect is reported."""
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file, save_file

    base = HFBackend.load(str(tiny_llava), CPU)
    config = LoraConfig(target_modules=["q_proj"], r=2)
    get_peft_model(base.model, config).save_pretrained(str(tmp_path))
    weights = load_file(tmp_path / "adapter_model.safetensors")
    renamed = {f"x.{name}": weight for name, weight in weights.items()}
    save_file(renamed, tmp_path / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="does not fit its base model"):
        HFBackend.load(str(tmp_path), CPU)


def test_greedy_is_greedy_whatever_the_checkpoint_says(copied: Path, tiny_llava: Path) -> None:
    """A checkpoint's beams and penalties do not affect decoding that is reported as greedy."""
    edit_json(copied / "generation_config.json", num_beams=3, repetition_penalty=5.0)
    plain, bent = HFBackend.load(str(tiny_llava), CPU), HFBackend.load(str(copied), CPU)
    expected = [response.text for response in ask(plain, REQUESTS, 12)]
    assert [response.text for response in ask(bent, REQUESTS, 12)] == expected


def test_sampling_is_not_cut_off_by_the_checkpoint(copied: Path) -> None:
    """A checkpoint's top_k of 1 would make every sample the greedy one."""
    edit_json(copied / "generation_config.json", do_sample=True, top_k=1, top_p=0.001)
    backend = HFBackend.load(str(copied), CPU)
    hot = ask(backend, REQUESTS, 12, Settings(device="cpu", temperature=5.0, max_new_tokens=12))
    greedy = ask(backend, REQUESTS, 12)
    assert [response.text for response in hot] != [response.text for response in greedy]


def test_a_template_that_writes_bos_is_not_given_another(copied: Path) -> None:
    """The beginning of the text is marked only once, by the template or by the tokenizer."""
    template = (copied / "chat_template.jinja").read_text()
    (copied / "chat_template.jinja").write_text("{{ bos_token }}" + template)
    edit_json(copied / "tokenizer_config.json", bos_token="<end>", add_bos_token=True)  # noqa: S106 - a token
    tokenizer = json.loads((copied / "tokenizer.json").read_text())
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<end>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<end>": {"id": "<end>", "ids": [257], "tokens": ["<end>"]}},
    }  # fmt: skip
    (copied / "tokenizer.json").write_text(json.dumps(tokenizer))
    backend = HFBackend.load(str(copied), CPU)
    for request in REQUESTS[:2]:
        ids = backend._inputs([request], CPU)["input_ids"][0].tolist()
        assert ids.count(257) == 1
        assert ids[0] == 257


@pytest.mark.parametrize("device", ["tpux", "cuda:77"])
def test_an_unknown_device_is_one_line(tiny_llava: Path, device: str) -> None:
    """A device that does not exist is reported in one line."""
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        HFBackend.load(str(tiny_llava), Settings(device=device))
    assert "\n" not in str(caught.value)


def test_half_precision_on_request(tiny_llava: Path) -> None:
    """On a CPU the default is float32, and the user's dtype overrides it."""
    import torch

    assert HFBackend.load(str(tiny_llava), CPU).model.dtype is torch.float32
    half = HFBackend.load(
        str(tiny_llava), Settings(device="cpu", dtype="bfloat16", max_new_tokens=12)
    )
    assert half.model.dtype is torch.bfloat16
    assert len(ask(half, REQUESTS, 12)) == 12


def test_a_broken_picture_is_a_backend_error(tiny_llava: Path, tmp_path: Path) -> None:
    """The error names a picture that was damaged after the start."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n")
    request = Request(
        MINI.tasks[0],
        Form(Modality.IMAGE, "original"),
        0,
        (ImagePart(Picture(broken)), TextPart("?")),
    )
    backend = HFBackend.load(str(tiny_llava), CPU)
    with pytest.raises(BackendError, match=r"the picture .*broken\.png is broken"):
        ask(backend, [request], 1)


def test_a_text_only_model_reads_tables(tmp_path: Path, tiny_llava: Path) -> None:
    """A language model can be given text, and reports that it takes no pictures."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        vocab_size=300, eos_token_id=257, pad_token_id=256, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llava)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    tokenizer.save_pretrained(tmp_path)
    backend = HFBackend.load(str(tmp_path), CPU)
    assert not backend.reads_images
    limit = Settings(device="cpu", max_new_tokens=4)
    texts = [request for request in REQUESTS if request.form.modality is Modality.TEXT]
    assert len(ask(backend, texts, 4, limit)) == 4
    with pytest.raises(BackendError, match="takes text only"):
        ask(backend, REQUESTS[1:2], 1, limit)
