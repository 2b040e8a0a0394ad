"""Logits that are no numbers: an error with its place, never a wrong answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_crossmath.errors import BackendError
from pytest_crossmath.inference.engine import Engine, Failure, Scored
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.decoding.health import Health
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.task import Form
from tests.models.checkpoint.odd_pocket import (
    LIMIT,
    MINI,
    REQUESTS,
    answers,
    copy_of_pocket,
    edit_weights,
)

CPU = Settings(device="cpu")
PICTURED = [request.form.modality.shows_image for request in REQUESTS]


@pytest.fixture(scope="module")
def pocket() -> HFBackend:
    """The bundled model."""
    return HFBackend.load(str(pocket_directory()), CPU)


@pytest.fixture
def backend(pocket: HFBackend) -> HFBackend:
    """The bundled model, to be broken."""
    return HFBackend(pocket.model, pocket.processor, reads_images=True)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_damaged_weights_of_the_vision_tower(tmp_path: Path, value: str) -> None:
    """Text is measured as ever; requests with pictures are errors that say where it began."""
    folder = copy_of_pocket(tmp_path / "pocket")
    name = "vision_tower.vision_model.encoder.layers.1.mlp.fc1.weight"
    edit_weights(folder, lambda weights: weights[name].fill_(float(value)))
    found = answers(HFBackend.load(str(folder), CPU))
    for one, pictured in zip(found, PICTURED, strict=True):
        assert isinstance(one, BackendError if pictured else Response)
    image = [str(one) for one, request in zip(found, REQUESTS, strict=True)
             if str(request.form) == "image/original"]  # fmt: skip
    first = next(r for r in REQUESTS if str(r.form) == "image/original")
    assert len(set(image)) == 1, "one message for all, so that it can be said once"
    assert "computed NaN in place of logits given image, first for" in image[0]
    assert first.task.id[:5] in image[0]
    assert image[0].endswith("; its weights may be damaged")


@contextmanager
def broken(
    backend: HFBackend, change: Callable[[torch.Tensor, int], torch.Tensor]
) -> Iterator[None]:
    """Change what the model's head computes, given the number of the step."""
    steps = 0

    def hook(_module: Any, _inputs: Any, logits: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return change(logits.clone(), steps)

    handle = backend.model.lm_head.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def first_row(value: float, *, step: int) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Set logits of the first row, or one of them, in one step."""

    def change(logits: torch.Tensor, now: int) -> torch.Tensor:
        if now == step:
            logits[0, -1, :] = value
        return logits

    return change


@pytest.mark.parametrize("static", [False, True], ids=["refilled", "static"])
@pytest.mark.parametrize("step", [1, 4], ids=["prefill", "later"])
@pytest.mark.parametrize("temperature", [0.0, pytest.param(1.0, marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    ("value", "word"),
    [
        (float("nan"), "NaN"),
        pytest.param(float("inf"), "an infinite value", marks=pytest.mark.nightly),
        pytest.param(-float("inf"), "no finite value", marks=pytest.mark.nightly),
    ],
)
def test_one_row_does_not_spoil_the_others(
    backend: HFBackend, monkeypatch: pytest.MonkeyPatch, value: float, word: str,
    temperature: float, step: int, *, static: bool,
) -> None:  # fmt: skip
    """Greedy or sampled, in the first step or a later one: that row alone is an error."""
    if static:
        monkeypatch.setattr(
            "pytest_crossmath.models.decoding.decode._Work.unfit", lambda _: "a test"
        )
    requests = [r for r in REQUESTS if not r.pictures]
    expected = answers(backend, requests)
    with broken(backend, first_row(value, step=step)):
        found = answers(backend, requests, temperature=temperature)
    assert [isinstance(one, BackendError) for one in found] == [True, False, False]
    assert word in str(found[0])
    assert f"at token {step};" in str(found[0])
    if not temperature:
        assert [one.text for one in found[1:]] == [one.text for one in expected[1:]]


def test_masked_tokens_are_fine(backend: HFBackend) -> None:
    """-inf for tokens that are ruled out is how they are ruled out."""

    def mask(logits: torch.Tensor, _: int) -> torch.Tensor:
        logits[..., 5:200:7] = -float("inf")
        return logits

    with broken(backend, mask):
        assert all(isinstance(one, Response) for one in answers(backend))


def test_a_broken_row_does_not_run_to_the_limit(backend: HFBackend) -> None:
    """Once all is lost, no step is wasted on it."""
    steps = []

    def lose(logits: torch.Tensor, now: int) -> torch.Tensor:
        steps.append(now)
        return logits * float("nan")

    with broken(backend, lose):
        found = answers(backend, REQUESTS[:3])
    assert len(steps) < LIMIT / 10
    assert all(isinstance(one, BackendError) for one in found)


def test_float16_is_named_as_the_cause() -> None:
    """It overflows at 65504, and two settings that do not are named."""
    backend = HFBackend.load(str(pocket_directory()), Settings(device="cpu", dtype="float16"))
    with broken(backend, first_row(float("nan"), step=1)):
        [found] = answers(backend, REQUESTS[:1])
    assert "--crossmath-dtype=bfloat16 or --crossmath-dtype=float32" in str(found)


def test_the_engine_asks_no_request_twice(backend: HFBackend) -> None:
    """Every request fails in the batch that it was in, and none is tried again on its own."""
    asked: list[int] = []
    text = Form.parse("text")
    requests = [make_request(task, text) for task in MINI.tasks[:12]]

    class Counting:
        reads_images = True

        def suggest_batch_size(self, _requests: Any, _settings: Settings) -> int:
            return 4

        def generate(self, requests: list[Request], settings: Settings, *, batch_size: int) -> Any:
            asked.append(len(requests))
            return backend.generate(requests, settings, batch_size=batch_size)

    engine = Engine("pocket", load=Counting, settings=Settings(device="cpu", max_new_tokens=LIMIT))  # type: ignore[arg-type]  # as much of a backend as it takes
    engine.plan(requests)
    with broken(backend, lambda logits, _: logits * float("nan")):
        found = [engine.ask(request) for request in requests]
    assert all(isinstance(one, Failure) for one in found)
    assert not any(isinstance(one, Scored) for one in found)
    assert asked == [12]


def test_the_largest_logit_tells_all() -> None:
    """One NaN or +inf among many logits is seen, and -inf everywhere."""
    nan, inf = float("nan"), float("inf")
    rows = torch.tensor([[1.0, -inf, 3.0], [1.0, nan, 3.0], [inf, 0.0, -inf], [-inf, -inf, -inf]])
    health = Health(4, "cpu", samples=False)
    assert health(torch.zeros(4, 1), rows) is rows
    # What came first is kept.
    health(torch.zeros(4, 1), torch.full((4, 3), nan))
    assert health.faults() == ["NaN", "NaN", "an infinite value", "no finite value"]
