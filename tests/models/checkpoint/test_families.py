"""Every family of vision-language models among the aliases, on tiny random checkpoints."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.suite import load_suite

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # in PaliGemma's processor
)

SETTINGS = Settings(device="cpu", max_new_tokens=8)
MINI = load_suite("mini")
REQUESTS = [
    make_request(problem, form)
    # The last one has a larger picture with a different shape, and a longer table.
    for problem in (*MINI.tasks[:3], load_suite("standard").tasks[0])
    for form in MINI.forms
]
PICTURES = [request for request in REQUESTS if request.pictures]

WriteCheckpoint = Callable[[str, Path], None]


@pytest.fixture(autouse=True)
def num2words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to have the package that SmolVLM's processor requires and uses only for videos."""
    from transformers.models.smolvlm import processing_smolvlm

    monkeypatch.setattr(processing_smolvlm, "num2words", object())


@pytest.fixture
def backend(family_checkpoint: Path) -> HFBackend:
    """The checkpoint of a family, loaded."""
    return HFBackend.load(str(family_checkpoint), SETTINGS)


def ask(backend: HFBackend, requests: list[Request], size: int = 16) -> list[Response]:
    """The responses in the order of the requests."""
    found = dict(backend.generate(requests, SETTINGS, batch_size=size))
    responses = [found[i] for i in range(len(requests))]
    assert all(isinstance(response, Response) for response in responses)
    return cast(list[Response], responses)


def first_logits(backend: HFBackend, requests: list[Request]) -> Any:
    """The model's logits for the first token of its response."""
    import torch

    inputs = backend._inputs(requests, SETTINGS)
    with torch.inference_mode():
        output = backend.model.generate(
            **inputs, max_new_tokens=1, do_sample=False,
            return_dict_in_generate=True, output_logits=True,
        )  # fmt: skip
    return output.logits[0]


def test_batches_change_no_response(backend: HFBackend) -> None:
    """A batch of mixed lengths and forms gives the same responses as each request alone."""
    together = ask(backend, REQUESTS)
    alone = [ask(backend, [request])[0] for request in REQUESTS]
    # Fewer slots than requests: rows leave and join while others run.
    refilled = ask(backend, REQUESTS, size=2)
    assert [r.text for r in refilled] == [r.text for r in alone]
    assert [r.text for r in together] == [r.text for r in alone]
    assert [r.new_tokens for r in together] == [r.new_tokens for r in alone]


def test_each_picture_reaches_its_own_prompt(backend: HFBackend) -> None:
    """Each prompt in a batch sees its own picture, or none, just as it does alone."""
    import torch

    for requests in (PICTURES, [request for request in REQUESTS if not request.pictures]):
        together = first_logits(backend, requests)
        alone = torch.cat([first_logits(backend, [request]) for request in requests])
        torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
        for i, row in enumerate(alone):
            for other in alone[:i]:
                assert (row - other).abs().max() > 1e-2


def test_a_processor_saved_whole_loads_without_its_part_for_videos(
    write_family: WriteCheckpoint, tmp_path: Path
) -> None:
    """The layout of transformers 5, with all parts in processor_config.json, also loads."""
    write_family("qwen2_5_vl", tmp_path)
    file = tmp_path / "preprocessor_config.json"
    described = json.loads((tmp_path / "processor_config.json").read_text())
    described["image_processor"] = json.loads(file.read_text())
    described["video_processor"] = {"video_processor_type": "Qwen2VLVideoProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(described))
    file.unlink()
    backend = HFBackend.load(str(tmp_path), SETTINGS)
    assert backend.processor.image_processor.size["longest_edge"] == 12 * 28**2
    assert len(ask(backend, PICTURES)) == len(PICTURES)


def test_a_processor_that_only_its_parts_describe(
    write_family: WriteCheckpoint, tmp_path: Path
) -> None:
    """Qwen2-VL is on the Hub without processor_config.json, and its template is in a JSON file."""
    write_family("qwen2_vl", tmp_path)
    (tmp_path / "processor_config.json").unlink()
    template = tmp_path / "chat_template.jinja"
    (tmp_path / "chat_template.json").write_text(
        json.dumps({"chat_template": template.read_text()})
    )
    template.unlink()
    backend = HFBackend.load(str(tmp_path), SETTINGS)
    assert len(ask(backend, PICTURES)) == len(PICTURES)


@pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is not None, reason="torchvision is installed"
)
def test_a_processor_that_needs_its_part_for_videos(
    write_family: WriteCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a processor cannot be built without torchvision, the error says so."""
    from transformers import Qwen2VLProcessor

    def needs_videos(parts: list[Any], _: object) -> None:
        assert parts[2].max_frames

    write_family("qwen2_vl", tmp_path)
    monkeypatch.setattr(Qwen2VLProcessor, "from_args_and_dict", needs_videos)
    with pytest.raises(ModelError, match=r"needs torchvision: pip install torchvision$"):
        HFBackend.load(str(tmp_path), SETTINGS)


def test_a_package_that_a_processor_needs_is_named(
    write_family: WriteCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that transformers asks for is reported in one line."""
    from transformers.models.smolvlm import processing_smolvlm

    write_family("smolvlm", tmp_path)
    monkeypatch.setattr(processing_smolvlm, "num2words", None)
    with pytest.raises(ModelError, match=r"needs num2words: pip install num2words$"):
        HFBackend.load(str(tmp_path), SETTINGS)
