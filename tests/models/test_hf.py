"""Hugging Face checkpoints, on small models of random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.hf import HFBackend
from pytest_crossmath.models.registry import load_backend, parse_spec
from pytest_crossmath.prompting import ImagePart, Modality, Sample, TextPart, make_sample
from pytest_crossmath.puzzle.suite import load_suite
from pytest_crossmath.scoring import Finish

CPU = Settings(device="cpu")
SAMPLES = [
    make_sample(problem, modality, style="original")
    for problem in load_suite("mini").problems[:4]
    for modality in Modality
]


def ask(
    backend: HFBackend, samples: list[Sample], size: int, settings: Settings = CPU
) -> list[Response]:
    """The responses, asked `size` at a time."""
    found: list[Response] = []
    for start in range(0, len(samples), size):
        found.extend(backend.generate(samples[start : start + size], settings))
    return found


@pytest.fixture
def copied(tiny_llava: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint, to be damaged."""
    return Path(shutil.copytree(tiny_llava, tmp_path / "copy"))


def edit_json(file: Path, **fields: object) -> None:
    """Set fields of a JSON file; None removes one."""
    content = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def test_batches_change_no_response(tiny_llava: Path) -> None:
    """The same text comes out one by one and in padded batches of mixed forms."""
    backend = HFBackend.load(str(tiny_llava), CPU)
    alone = [response.text for response in ask(backend, SAMPLES, 1)]
    assert [response.text for response in ask(backend, SAMPLES, 12)] == alone
    assert [response.text for response in ask(backend, SAMPLES, 5)] == alone
    assert len(set(alone)) > 6


def test_the_picture_reaches_the_model(tiny_llava: Path) -> None:
    """Other pixels under the same words give other responses."""
    backend = HFBackend.load(str(tiny_llava), CPU)
    pictures = [sample for sample in SAMPLES if sample.modality is Modality.IMAGE]
    assert len({response.text for response in ask(backend, pictures, 4)}) > 1


def test_the_limit_of_new_tokens(tiny_llava: Path) -> None:
    """The user's limit goes before the checkpoint's, and running into it is reported."""
    backend = HFBackend.load(str(tiny_llava), CPU)
    own = ask(backend, SAMPLES[:1], 1)[0]
    short = ask(backend, SAMPLES[:1], 1, Settings(device="cpu", max_new_tokens=3))[0]
    assert own.new_tokens <= 12
    assert (short.new_tokens, short.finish) == (3, Finish.LENGTH)


def test_sampling_is_repeatable(tiny_llava: Path) -> None:
    """The same samples at the same temperature give the same texts, other than greedy ones."""
    backend = HFBackend.load(str(tiny_llava), CPU)
    hot = Settings(device="cpu", temperature=5.0)
    first = [response.text for response in ask(backend, SAMPLES, 6, hot)]
    assert [response.text for response in ask(backend, SAMPLES, 6, hot)] == first
    assert [response.text for response in ask(backend, SAMPLES, 6)] != first


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft's own
def test_an_adapter_runs_on_its_base(tiny_llava: Path, tmp_path: Path) -> None:
    """A LoRA directory loads its base and changes what it says."""
    import torch
    from peft import LoraConfig, get_peft_model

    base = HFBackend.load(str(tiny_llava), CPU)
    before = [response.text for response in ask(base, SAMPLES, 12)]
    tuned = get_peft_model(base.model, LoraConfig(target_modules=["q_proj", "v_proj"], r=4))
    torch.manual_seed(1)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=2.0)
    tuned.save_pretrained(str(tmp_path / "adapter"))
    spec = parse_spec(str(tmp_path / "adapter"))
    backend = load_backend(spec, CPU)
    after = [response.text for response in backend.generate(SAMPLES, CPU)]
    assert after != before


def test_missing_weights_are_refused(copied: Path) -> None:
    """A checkpoint that lacks a tensor is not run with random numbers in its place."""
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    name = next(key for key in weights if "mlp.up_proj" in key)
    del weights[name]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights of its architecture .*up_proj"):
        HFBackend.load(str(copied), CPU)


def test_a_missing_chat_template_is_refused(copied: Path) -> None:
    """Without a template a model cannot be asked."""
    (copied / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="has no chat template"):
        HFBackend.load(str(copied), CPU)


def test_code_of_a_checkpoint_is_not_run(copied: Path) -> None:
    """A checkpoint that brings its own classes is refused."""
    trap = copied / "modeling_trap.py"
    trap.write_text(f"open({str(copied / 'sprung')!r}, 'w')\n")
    edit_json(
        copied / "config.json", model_type="trap", auto_map={"AutoConfig": "modeling_trap.Config"}
    )
    with pytest.raises(ModelError, match="cannot be loaded"):
        HFBackend.load(str(copied), CPU)
    assert not (copied / "sprung").exists()


@pytest.mark.parametrize("device", ["tpux", "cuda:77"])
def test_an_unknown_device_is_one_line(tiny_llava: Path, device: str) -> None:
    """A device that is not there is told in one line."""
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        HFBackend.load(str(tiny_llava), Settings(device=device))
    assert "\n" not in str(caught.value)


def test_half_precision_on_request(tiny_llava: Path) -> None:
    """On a CPU float32 is the default, and the user's dtype goes before it."""
    import torch

    assert HFBackend.load(str(tiny_llava), CPU).model.dtype is torch.float32
    half = HFBackend.load(str(tiny_llava), Settings(device="cpu", dtype="bfloat16"))
    assert half.model.dtype is torch.bfloat16
    assert len(ask(half, SAMPLES, 12)) == 12


def test_a_broken_picture_is_a_backend_error(tiny_llava: Path, tmp_path: Path) -> None:
    """A picture that broke since the start names itself."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n")
    sample = Sample(
        SAMPLES[0].problem, Modality.IMAGE, "original", 0, (ImagePart(broken), TextPart("?"))
    )
    backend = HFBackend.load(str(tiny_llava), CPU)
    with pytest.raises(BackendError, match=r"the picture .*broken\.png cannot be read"):
        list(backend.generate([sample], CPU))


def test_a_text_only_model_reads_tables(tmp_path: Path, tiny_llava: Path) -> None:
    """A language model can be asked with text, and says that it takes no pictures."""
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
    texts = [sample for sample in SAMPLES if sample.modality is Modality.TEXT]
    assert len(ask(backend, texts, 4, limit)) == 4
    with pytest.raises(BackendError, match="takes text only"):
        list(backend.generate(SAMPLES[1:2], limit))
