"""Loading checkpoints: revisions, adapters, attention, devices, quantised weights, own code."""

from __future__ import annotations

import importlib.util
import json
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.checkpoint.hub import offline_if_unreachable
from pytest_crossmath.models.registry import load_backend, parse_spec
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import load_suite

CPU = Settings(device="cpu", max_new_tokens=12)
MINI = load_suite("mini")
REQUESTS = [make_request(problem, form) for problem in MINI.tasks[:3] for form in MINI.forms]

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft


def texts(backend: Any) -> list[str]:
    """A model's responses to the requests."""
    found = dict(backend.generate(REQUESTS, CPU, batch_size=4))
    return [found[i].text for i in range(len(REQUESTS))]


def logits(backend: HFBackend) -> Any:
    """A model's logits for the next token."""
    import torch

    with torch.inference_mode():
        return backend.model(**backend._inputs(REQUESTS[1:2], CPU)).logits


def edit_json(file: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


# -- the Hub -------------------------------------------------------------------------


@pytest.fixture
def hub(tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hub that is offline, with two commits of ``org/name`` in its cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    root = tmp_path / "hub" / "models--org--name"
    (root / "refs").mkdir(parents=True)
    for revision, number in (("main", 5), ("v1", 3)):
        commit = str(number) * 40
        (root / "refs" / revision).write_text(commit)
        snapshot = shutil.copytree(tiny_llava, root / "snapshots" / commit)
        template = snapshot / "chat_template.jinja"
        template.write_text(f"{number}: {template.read_text()}")
    return tmp_path / "hub"


def number_in(spec: str) -> int:
    """The number that a commit's chat template begins with."""
    backend: Any = load_backend(parse_spec(spec), CPU)
    return int(backend.conversation.prompt(["?"]).partition(":")[0])


def test_a_revision_of_a_repository(hub: Path) -> None:
    """The given tag or commit is loaded, or main if none is given."""
    assert number_in("hf:org/name") == 5
    assert number_in("hf:org/name@v1") == 3
    assert number_in("hf:org/name@" + "3" * 40) == 3


def test_a_revision_that_is_not_there(hub: Path) -> None:
    """The error names the revision and says how to download it."""
    with pytest.raises(ModelError, match=r"^org/name@v7 cannot .*download org/name --revision v7"):
        load_backend(parse_spec("hf:org/name@v7"), CPU)


def test_a_hub_that_cannot_be_reached_is_not_waited_for(
    hub: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a network, the cache is used at once; what is not in it is one line, and no log."""
    asked: list[str] = []

    class Unplugged:
        def head(self, url: str, **_: object) -> None:
            asked.append(url)
            raise OSError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_session", Unplugged)
    monkeypatch.setattr("pytest_crossmath.models.checkpoint.hub._PAUSES", (0.001, None))
    assert number_in("hf:org/name") == 5
    with pytest.raises(ModelError, match=r"^org/none cannot be downloaded from the Hugging Face"):
        load_backend(parse_spec("hf:org/none"), CPU)
    assert len(asked) == 4
    assert not caplog.records
    assert not huggingface_hub.is_offline_mode()


# -- adapters ------------------------------------------------------------------------


def test_an_adapter_says_what_it_says_merged(
    adapter: Path, tiny_llava: Path, tmp_path: Path
) -> None:
    """A checkpoint with the adapter merged in gives the same answers as base plus adapter."""
    import torch
    from peft import PeftModel

    base = HFBackend.load(str(tiny_llava), CPU)
    merged: Any = PeftModel.from_pretrained(base.model, str(adapter))
    merged.merge_and_unload().save_pretrained(tmp_path / "merged")
    base.processor.save_pretrained(tmp_path / "merged")
    apart = HFBackend.load(str(adapter), CPU)
    together = HFBackend.load(str(tmp_path / "merged"), CPU)
    torch.testing.assert_close(logits(apart), logits(together), atol=1e-3, rtol=1e-3)
    assert texts(apart) == texts(together)
    assert texts(apart) != texts(HFBackend.load(str(tiny_llava), CPU))


def test_an_adapter_takes_the_revision_it_was_made_for(hub: Path, adapter: Path) -> None:
    """The base revision named by an adapter is the one that is loaded."""
    edit_json(adapter / "adapter_config.json", base_model_name_or_path="org/name", revision="v1")
    assert number_in(str(adapter)) == 3


def test_an_adapter_on_the_hub(hub: Path, adapter: Path) -> None:
    """A repository that holds an adapter is loaded at its own revision and its base's."""
    edit_json(adapter / "adapter_config.json", base_model_name_or_path="org/name", revision="v1")
    root = hub / "models--org--lora"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "v9").write_text("9" * 40)
    shutil.copytree(adapter, root / "snapshots" / ("9" * 40))
    assert number_in("hf:org/lora@v9") == 3
    assert texts(load_backend(parse_spec("hf:org/lora@v9"), CPU)) == texts(
        HFBackend.load(str(adapter), CPU)
    )


# -- attention and devices -----------------------------------------------------------


def test_the_hub_is_not_asked_for_an_adapter_on_a_directory(
    adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that it needs is on disk."""
    asked: list[str] = []

    def answers() -> bool:
        asked.append("?")
        return True

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("pytest_crossmath.models.checkpoint.hub._answers", answers)
    with offline_if_unreachable(str(adapter)):
        pass
    assert asked == []
    with offline_if_unreachable("org/name"):
        pass
    assert asked == ["?"]


def test_attention_implementations_agree(tiny_llava: Path) -> None:
    """The requested implementation is the one that runs, and all give the same logits."""
    import torch

    eager = HFBackend.load(str(tiny_llava), Settings(device="cpu", attention="eager"))
    sdpa = HFBackend.load(str(tiny_llava), Settings(device="cpu", attention="sdpa"))
    used = [backend.model.config.text_config._attn_implementation for backend in (eager, sdpa)]
    assert used == ["eager", "sdpa"]
    torch.testing.assert_close(logits(eager), logits(sdpa), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        "fast",
        pytest.param("flash_attention_2", marks=pytest.mark.skipif(
            importlib.util.find_spec("flash_attn") is not None, reason="it is installed"
        )),
    ],
)  # fmt: skip
def test_attention_that_cannot_run_is_one_line(tiny_llava: Path, name: str) -> None:
    """An unknown name and a missing package are each reported in one line."""
    with pytest.raises(ModelError, match=f"cannot run with --crossmath-attention={name}") as caught:
        HFBackend.load(str(tiny_llava), Settings(device="cpu", attention=name))
    assert "\n" not in str(caught.value)


def test_a_sharded_model_is_spread_by_accelerate(
    tiny_llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is spread over the devices available, perhaps just one, and answers the same."""
    from transformers import AutoModelForImageTextToText as Auto

    asked: list[Any] = []
    real: Any = Auto.from_pretrained

    def from_pretrained(*arguments: Any, **options: Any) -> Any:
        asked.append(options["device_map"])
        return real(*arguments, **options)

    monkeypatch.setattr(Auto, "from_pretrained", from_pretrained)
    sharded = HFBackend.load(str(tiny_llava), Settings(device="sharded", dtype="float32"))
    assert asked == ["auto"]
    assert texts(sharded) == texts(HFBackend.load(str(tiny_llava), CPU))


# -- quantised weights ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "package"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ({"quant_method": "awq", "bits": 4}, "gptqmodel"),
        ({"quant_method": "gptq", "bits": 4}, "optimum"),
    ],
)
def test_a_package_for_quantised_weights_is_named(
    copied: Path, config: dict[str, object], package: str
) -> None:
    """A missing package is reported with the command that installs it."""
    if importlib.util.find_spec(package.replace("-", "_")):
        pytest.skip(f"{package} is installed")
    edit_json(copied / "config.json", quantization_config=config)
    with pytest.raises(ModelError, match=f"needs {package}: pip install '?{package}") as caught:
        HFBackend.load(str(copied), CPU)
    assert "\n" not in str(caught.value)


def test_quantised_weights_are_loaded(copied: Path) -> None:
    """FP8 with a scale per block needs no extra package; a CPU computes in bfloat16."""
    import torch
    from safetensors.torch import load_file, save_file

    before = logits(HFBackend.load(str(copied), CPU))
    weights = {
        name: weight.bfloat16() for name, weight in load_file(copied / "model.safetensors").items()
    }
    for name in [name for name in weights if "language_model" in name and "proj.weight" in name]:
        blocks = weights[name].float().view(len(weights[name]) // 32, 32, -1, 32)
        scale = blocks.abs().amax(dim=(1, 3)) / 448
        scaled = blocks / scale[:, None, :, None]
        weights[name] = scaled.flatten(2).flatten(0, 1).to(torch.float8_e4m3fn)
        weights[f"{name}_scale_inv"] = scale
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    edit_json(
        copied / "config.json", dtype="bfloat16",
        quantization_config={
            "quant_method": "fp8", "weight_block_size": [32, 32], "activation_scheme": "dynamic",
            "modules_to_not_convert": ["vision_tower", "multi_modal_projector", "lm_head"],
        },
    )  # fmt: skip
    backend = HFBackend.load(str(copied), CPU)
    after = logits(backend).float()
    assert torch.nn.functional.cosine_similarity(before, after, dim=-1).median() > 0.98
    assert len(texts(backend)) == len(REQUESTS)


# -- code of a checkpoint ------------------------------------------------------------


@pytest.fixture
def with_code(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkpoint whose classes are in a Python file in its folder."""
    monkeypatch.setattr(
        "transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "code")
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    (copied / "modeling_own.py").write_text(
        "from transformers import LlavaConfig, LlavaForConditionalGeneration\n"
        "class OwnConfig(LlavaConfig):\n"
        "    model_type = 'own'\n"
        "class OwnModel(LlavaForConditionalGeneration):\n"
        "    config_class = OwnConfig\n"
    )
    own = runpy.run_path(str(copied / "modeling_own.py"))
    stock = HFBackend.load(str(copied), CPU).model
    model = own["OwnModel"](own["OwnConfig"](**stock.config.to_dict()))
    model.load_state_dict(stock.state_dict())
    model.generation_config = stock.generation_config
    model.save_pretrained(copied)
    classes = {"AutoConfig": "OwnConfig", "AutoModelForImageTextToText": "OwnModel"}
    auto_map = {auto: f"modeling_own.{name}" for auto, name in classes.items()}
    edit_json(copied / "config.json", auto_map=auto_map)
    yield copied
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]


def test_code_of_a_checkpoint_runs_on_request(with_code: Path, tiny_llava: Path) -> None:
    """With the option, the checkpoint's own classes are used."""
    trusting = Settings(device="cpu", trust_remote_code=True)
    backend = HFBackend.load(str(with_code), trusting)
    assert type(backend.model).__name__ == "OwnModel"
    assert texts(backend) == texts(HFBackend.load(str(tiny_llava), CPU))


def test_code_of_a_checkpoint_is_refused_with_the_option_that_allows_it(with_code: Path) -> None:
    """Without the option no code is run, and one line names the option."""
    with pytest.raises(ModelError, match=r"trust it, add --crossmath-trust-remote-code$") as caught:
        HFBackend.load(str(with_code), CPU)
    assert "\n" not in str(caught.value)
