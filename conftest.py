"""Fixtures that the tests of the plugin share."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import pytest_crossmath.tasks
from pytest_crossmath.tasks.suite import load_suite

pytest_plugins = ["pytester"]

# Before NumPy is imported: its threads, and torch's, wait for each other where tests share a few
# cores, and that takes longer than what they do.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

# pytester forgets what a run imported, and neither enums nor NumPy survive a second import.
# Families above all: they are loaded once in a process, and load what they need when they need it.
for _found in pkgutil.walk_packages(pytest_crossmath.tasks.__path__, "pytest_crossmath.tasks."):
    importlib.import_module(_found.name)
for _module in (
    "models.replay",
    "plugin.builtin",
    "plugin.items",
    "plugin.session",
    "plugin.xdist",
    "plugin.snapshots",
    "reporting.terminal",
):
    importlib.import_module(f"pytest_crossmath.{_module}")
# Hypothesis is imported by its pytest plugin: anew, and rewritten, in each run of a test.
for _module in ("PIL.PngImagePlugin", "hypothesis.core", "scipy.stats", "tabulate"):
    importlib.import_module(_module)
# The client's errors: it keeps the classes that it saw first.
with suppress(ImportError):
    importlib.import_module("httpcore2")

# How many examples a property is tried on.
settings.register_profile("default", max_examples=20, deadline=None)
settings.register_profile("nightly", max_examples=300, deadline=None)

Replay = Callable[..., str]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs everything."""
    parser.addoption("--nightly", action="store_true", help="Run the tests marked nightly as well.")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples Hypothesis tries, before tests are imported."""
    settings.load_profile("nightly" if config.getoption("nightly") else "default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked nightly to the nightly run."""
    if config.getoption("nightly"):
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    if nightly:
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]


@pytest.fixture(autouse=True)
def _on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not depend on the job or the worker that runs it, nor on the tests before it."""
    # Runs inside of tests would take themselves for part of the job, or of the worker.
    for variable in (
        "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "PYTEST_XDIST_WORKER",
        "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID",
    ):  # fmt: skip
        monkeypatch.delenv(variable, raising=False)
    from pytest_crossmath.tasks.crossmath import render

    # A style stays for the life of a process, which is here that of all tests.
    monkeypatch.setattr(render, "STYLES", dict(render.STYLES))


@pytest.fixture
def replay(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Replay:
    """Make a file of saved responses to the first problems of `mini`; gives its model spec.

    Runs of the test then take `mini` as their suite, unless they name one.
    One character a problem: ``1`` solved, ``0`` missed, ``u`` unparsed, ``-`` not in the file.
    """
    problems = load_suite("mini").tasks
    monkeypatch.setenv("PYTEST_ADDOPTS", "--crossmath-suite=mini")

    def make(name: str = "fake", **by_modality: str) -> str:
        lines = []
        for modality, outcomes in by_modality.items():
            for problem, outcome in zip(problems, outcomes, strict=False):
                key = ", ".join(problem.key)
                text = {
                    "1": f"so <answer>{key}</answer>",
                    "0": f"so <answer>{key}, 99</answer>",
                    "u": "I cannot tell.",
                }.get(outcome)
                if text is not None:
                    form = modality.replace("both", "image+text")
                    lines.append({"id": problem.id, "modality": form, "text": text})
        file = pytester.path / f"{name}.jsonl"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        return f"{name}=replay:{file}"

    return make


@pytest.fixture
def record_lines(pytester: pytest.Pytester) -> Callable[[], list[dict[str, object]]]:
    """Read the one run record that a run left behind."""

    def read() -> list[dict[str, object]]:
        [file] = Path(pytester.path, ".crossmath", "runs").glob("*.jsonl")
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    return read


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA checkpoint of random weights: it says nonsense, always the same."""
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig
    from transformers import LlavaForConditionalGeneration as Llava

    folder = tmp_path_factory.mktemp("tiny-llava")
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    torch.manual_seed(0)
    config = LlavaConfig(
        text_config=LlamaConfig(
            **sizes, vocab_size=300, num_attention_heads=2, max_position_embeddings=2048,
            bos_token_id=None, eos_token_id=257, pad_token_id=256,
        ),
        vision_config=CLIPVisionConfig(
            **sizes, num_attention_heads=2, image_size=56, patch_size=28, projection_dim=32
        ),
        image_token_index=258, image_seq_length=4, vision_feature_layer=-1,
    )  # fmt: skip
    model = Llava(config)
    generation: Any = model.generation_config
    generation.update(max_new_tokens=12, eos_token_id=257, pad_token_id=256)
    # Wider than is usual, so that what it says depends on what it is shown.
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    _tiny_processor().save_pretrained(folder)
    return folder


def _tiny_processor() -> Any:
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import CLIPImageProcessor

    llava: Any = transformers.LlavaProcessor
    fast: Any = transformers.PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<pad>", "<end>", "<image>"])
    special = {"pad_token": "<pad>", "eos_token": "<end>"}
    template = (
        "{% for m in messages %}Q: {% for part in m.content %}"
        "{{ '<image>' if part.type == 'image' else part.text }}{% endfor %}\nA:{% endfor %}"
    )
    return llava(
        image_processor=CLIPImageProcessor(
            size={"height": 56, "width": 56}, crop_size=56, do_center_crop=False
        ),
        tokenizer=fast(tokenizer_object=tokenizer, padding_side="right", **special),
        patch_size=28, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=template,
    )  # fmt: skip
