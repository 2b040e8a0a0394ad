"""The modality gap while a model is trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pytest_crossmath.cli.main import main
from pytest_crossmath.errors import BackendError, CrossmathError, ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.training.callback import CrossmathCallback


@pytest.fixture(scope="module")
def pocket() -> HFBackend:
    """The bundled model."""
    return HFBackend.load(str(pocket_directory()), Settings(device="cpu"))


def state(step: int, *, most: int = 100, first: bool = True) -> Any:
    """What a trainer knows of itself."""
    return SimpleNamespace(
        global_step=step, max_steps=most, is_world_process_zero=first, log_history=[]
    )


def arguments(**given: Any) -> Any:
    """What a trainer was asked."""
    return SimpleNamespace(**({"fsdp": "", "deepspeed_plugin": None} | given))


class Watched:
    """What a callback needs of a trainer."""

    def __init__(self) -> None:
        self.callbacks: list[Any] = []
        self.logged: list[dict[str, float]] = []

    def add_callback(self, callback: Any) -> None:
        """As a trainer of transformers."""
        self.callbacks.append(callback)


@pytest.fixture(autouse=True)
def _log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer only keeps what it is to log."""

    def log(trainer: Watched, figures: dict[str, float]) -> None:
        trainer.logged.append(figures)

    monkeypatch.setattr("transformers.Trainer.log", log)


def test_figures_are_those_of_a_run(pocket: HFBackend, tmp_path: Path) -> None:
    """What the callback measures is what pytest measures on the same problems."""
    callback = CrossmathCallback("mini", limit=12)
    figures = callback.figures(pocket.model, pocket.processor)
    assert set(figures) == {
        "crossmath/text", "crossmath/image", "crossmath/image+text",
        "crossmath/gap/image", "crossmath/gap/image+text",
    }  # fmt: skip
    assert figures["crossmath/gap/image"] == pytest.approx(
        figures["crossmath/text"] - figures["crossmath/image"]
    )
    # pocket solves all of the first twelve as text, and not all as pictures.
    assert figures["crossmath/text"] == 1.0
    assert 0.0 < figures["crossmath/image"] < 1.0


def test_a_processor_that_pads_on_the_right_measures_the_same(pocket: HFBackend) -> None:
    """As that of a user's own training does, unless it is told otherwise."""
    callback = CrossmathCallback("mini", limit=12)
    tokenizer = pocket.processor.tokenizer
    tokenizer.padding_side = "right"
    figures = callback.figures(pocket.model, pocket.processor)
    tokenizer.padding_side = "left"
    assert figures == callback.figures(pocket.model, pocket.processor)


def test_a_model_without_a_processor_is_told_before_training(pocket: HFBackend) -> None:
    """And not after the first hundred steps."""
    control: Any = SimpleNamespace(should_log=False)
    with pytest.raises(ModelError, match="give the trainer a processing_class"):
        CrossmathCallback("mini", limit=1).on_train_begin(
            arguments(), state(0), control, model=pocket.model, processing_class=None
        )


def test_it_asks_every_few_steps_and_at_both_ends(pocket: HFBackend) -> None:
    """Before the first step, every N, and after the last; into the log of its trainer."""
    callback = CrossmathCallback("mini", every=10, limit=1, modalities=[Modality.TEXT])
    trainer = Watched()
    callback.attach(trainer)
    assert trainer.callbacks == [callback]
    given: Any = {"model": pocket.model, "processing_class": pocket.processor}
    control: Any = SimpleNamespace(should_log=False)
    callback.on_train_begin(arguments(), state(0), control, **given)
    for step in range(1, 26):
        callback.on_step_end(arguments(), state(step, most=25), control, **given)
    assert trainer.logged == [{"crossmath/text": 1.0}] * 4


def test_a_resumed_run_is_not_asked_again_at_its_start(pocket: HFBackend) -> None:
    """The step that it goes on from was measured before."""
    callback = CrossmathCallback("mini", limit=1)
    trainer = Watched()
    callback.attach(trainer)
    control: Any = SimpleNamespace(should_log=False)
    callback.on_train_begin(
        arguments(), state(50), control, model=pocket.model, processing_class=pocket.processor
    )
    assert trainer.logged == []


def test_without_a_trainer_figures_go_to_the_history(pocket: HFBackend) -> None:
    """Where it was only given as one of the callbacks."""
    callback = CrossmathCallback("mini", every=5, limit=1, modalities=[Modality.TEXT])
    there = state(5)
    control: Any = SimpleNamespace(should_log=False)
    given: Any = {"model": pocket.model, "processing_class": pocket.processor}
    callback.on_step_end(arguments(), there, control, **given)
    assert there.log_history == [{"crossmath/text": 1.0, "step": 5}]


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_and_the_random_state_are_left_as_they_were(
    pocket: HFBackend, training: bool
) -> None:
    """Training goes on as if nobody had asked."""
    callback = CrossmathCallback("mini", limit=2)
    pocket.model.train(training)
    before = torch.get_rng_state()
    callback.figures(pocket.model, pocket.processor)
    assert pocket.model.training is training
    assert torch.equal(torch.get_rng_state(), before)
    pocket.model.eval()


def test_only_one_process_asks(pocket: HFBackend) -> None:
    """The others of a distributed run wait."""
    callback = CrossmathCallback("mini", every=1, limit=1)
    trainer = Watched()
    callback.attach(trainer)
    given: Any = {"model": pocket.model, "processing_class": pocket.processor}
    control: Any = SimpleNamespace(should_log=False)
    callback.on_step_end(arguments(), state(1, first=False), control, **given)
    assert trainer.logged == []


def test_a_model_that_cannot_be_asked_costs_a_measurement_only(
    pocket: HFBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training goes on."""

    def fail(*_: object, **__: object) -> dict[str, float]:
        raise BackendError("the GPU is full")

    callback = CrossmathCallback("mini", every=1, limit=1)
    monkeypatch.setattr(callback, "figures", fail)
    given: Any = {"model": pocket.model, "processing_class": pocket.processor}
    control: Any = SimpleNamespace(should_log=False)
    with pytest.warns(UserWarning, match="nothing was measured: the GPU is full"):
        callback.on_step_end(arguments(), state(1), control, **given)


@pytest.mark.parametrize(
    "spread", [{"fsdp": "full_shard"}, {"deepspeed_plugin": SimpleNamespace(zero_stage=3)}]
)
def test_scattered_weights_are_refused(spread: dict[str, Any], pocket: HFBackend) -> None:
    """Before training begins, and not when the processes wait for each other."""
    callback = CrossmathCallback("mini", limit=1)
    control: Any = SimpleNamespace(should_log=False)
    with pytest.raises(ModelError, match="FSDP or ZeRO-3"):
        callback.on_train_begin(
            arguments(**spread), state(0), control,
            model=pocket.model, processing_class=pocket.processor,
        )  # fmt: skip


def test_mistakes_get_one_line(tmp_path: Path) -> None:
    """A wrong suite, style or number, before anything is trained."""
    plain = tmp_path / "plain"
    main(["generate", "--count", "1", "--seed", "1", "--difficulty", "mini", "--out", str(plain)])
    lines = (plain / "problems.jsonl").read_text(encoding="utf-8")
    bare = tmp_path / "bare.jsonl"
    bare.write_text(lines.replace('"images": {"original"', '"images": {}, "unused": {"original"'))
    for given, complaint in (
        ({"suite": "nowhere"}, "no suite 'nowhere'"),
        ({"style": "neon"}, "no style 'neon'; it has: original"),
        ({"every": 0}, "every must be at least 1, not 0"),
        ({"limit": 0}, "limit must be at least 1, not 0"),
        ({"suite": str(bare)}, "has no pictures"),
    ):
        with pytest.raises(CrossmathError, match=complaint) as caught:
            CrossmathCallback(**given)
        assert "\n" not in str(caught.value)


def test_a_text_model_is_asked_text_only(pocket: HFBackend) -> None:
    """Where there is no image processor, forms with pictures are left out."""
    callback = CrossmathCallback("mini", limit=1)
    figures = callback.figures(pocket.model, pocket.processor.tokenizer)
    assert set(figures) == {"crossmath/text"}
