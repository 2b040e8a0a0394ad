"""The weights that ship."""

from pathlib import Path
from typing import Any

import pytest
import torch

import pytest_crossmath
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality
from pytest_crossmath.training.pocket.evaluation import Examiner, read_answer
from pytest_crossmath.training.pocket.tokenizer import build_tokenizer

FOLDER = Path(pytest_crossmath.__file__).parent / "models" / "pocket"
PROBLEMS = load_suite("mini").tasks


@pytest.fixture(scope="module")
def pocket() -> Examiner:
    """The shipped checkpoint, in float32."""
    return Examiner.load(FOLDER)


def test_it_solves_what_it_is_asked_as_text(pocket: Examiner) -> None:
    """Most of the first problems are solved as text, and some from the picture alone."""
    assert pocket.examine(PROBLEMS[:20], Modality.TEXT).solved >= 18
    assert pocket.examine(PROBLEMS[:20], Modality.IMAGE).solved >= 6


def test_a_batch_changes_no_answer(pocket: Examiner) -> None:
    """Padded beside other modalities or alone, each problem gets the same string."""
    requests = [make_request(PROBLEMS[i], PROBLEMS[i].forms[i % 3]) for i in range(8)]
    together = _ask(pocket, requests)
    assert together == [_ask(pocket, [request])[0] for request in requests]


def test_it_stops_by_itself(pocket: Examiner) -> None:
    """The generation settings of the checkpoint end a response after its answer."""
    text = _ask(pocket, [make_request(PROBLEMS[0], Form(Modality.TEXT))])[0]
    assert text.endswith("</answer>")
    assert len(read_answer(text)) == len(PROBLEMS[0].key)


def test_it_ships_the_tokenizer_of_its_training(pocket: Examiner) -> None:
    """The vocabulary on disk is the one that the training code builds."""
    assert pocket.processor.tokenizer.get_vocab() == build_tokenizer().get_vocab()


def test_it_is_small() -> None:
    """The weights are a few megabytes, so that the package stays light."""
    assert (FOLDER / "model.safetensors").stat().st_size < 10_000_000


def _ask(pocket: Examiner, requests: list[Request]) -> list[str]:
    """Responses to requests of any modality in one padded batch."""
    processor: Any = pocket.processor
    prompts = []
    for request in requests:
        content: list[dict[str, str]] = [{"type": "image"} for _ in request.pictures]
        content.append({"type": "text", "text": request.text})
        message = {"role": "user", "content": content}
        prompts.append(processor.apply_chat_template([message], add_generation_prompt=True))
    pictures = [picture.rgb() for request in requests for picture in request.pictures]
    inputs = processor(text=prompts, images=pictures or None, padding=True, return_tensors="pt")
    with torch.inference_mode():
        tokens = pocket.model.generate(**inputs)
    new = tokens[:, inputs["input_ids"].shape[1] :]
    texts: list[str] = processor.batch_decode(new, skip_special_tokens=True)
    return texts
