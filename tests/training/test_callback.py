"""The modality gap during training."""

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
    """The state of a trainer."""
    return SimpleNamespace(
        global_step=step, max_steps=most, is_world_process_zero=first, log_history=[]
    )


def arguments(**given: Any) -> Any:
    """The arguments of a trainer."""
    return SimpleNamespace(**({"fsdp": "", "deepspeed_plugin": None} | given))


class Watched:
    """The part of a trainer that the callback uses."""

    def __init__(self) -> None:
        self.callbacks: list[Any] = []
        self.logged: list[dict[str, float]] = []

    def add_callback(self, callback: Any) -> None:
        """Keep the callback, like a trainer of transformers."""
        self.callbacks.append(callback)


@pytest.fixture(autouse=True)
def _log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only collects what would be logged."""

    def log(trainer: Watched, figures: dict[str, float]) -> None:
        trainer.logged.append(figures)

    monkeypatch.setattr("transformers.Trainer.log", log)


def test_figures_are_those_of_a_run(pocket: HFBackend, tmp_path: Path) -> None:
    """The callback measures the same figures as pytest on the same problems."""
    callback = CrossmathCallback("mini", limit=12)
    figures = callback.figures(pocket.model, pocket.processor)
    assert set(figures) == {
        "crossmath/text", "crossmath/image", "crossmath/image+text",
        "crossmath/gap/image", "crossmath/gap/image+text",
    }  # fmt: skip
    assert figures["crossmath/gap/image"] == pytest.approx(
        figures["crossmath/text"] - figures["crossmath/image"]
    )
    # pocket solves all of the first twelve as text, but not all as pictures.
    assert figures["crossmath/text"] == 1.0
    assert 0.0 < figures["crossmath/image"] < 1.0


def test_a_processor_that_pads_on_the_right_measures_the_same(pocket: HFBackend) -> None:
    """A processor from a user's own training pads on the right unless configured otherwise."""
    callback = CrossmathCallback("mini", limit=12)
    tokenizer = pocket.processor.tokenizer
    tokenizer.padding_side = "right"
    figures = callback.figures(pocket.model, pocket.processor)
    tokenizer.padding_side = "left"
    assert figures == callback.figures(pocket.model, pocket.processor)


def test_a_model_without_a_processor_is_told_before_training(pocket: HFBackend) -> None:
    """The missing processor is reported before the first step, not after a hundred."""
    control: Any = SimpleNamespace(should_log=False)
    with pytest.raises(ModelError, match="give the trainer a processing_class"):
        CrossmathCallback("mini", limit=1).on_train_begin(
            arguments(), state(0), control, model=pocket.model, processing_class=None
        )


def test_it_asks_every_few_steps_and_at_both_ends(pocket: HFBackend) -> None:
    """It logs before the first step, every N steps and after the last, to its trainer's log."""
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
    """The step from which it resumes was already measured."""
    callback = CrossmathCallback("mini", limit=1)
    trainer = Watched()
    callback.attach(trainer)
    control: Any = SimpleNamespace(should_log=False)
    callback.on_train_begin(
        arguments(), state(50), control, model=pocket.model, processing_class=pocket.processor
    )
    assert trainer.logged == []


def test_without_a_trainer_figures_go_to_the_history(pocket: HFBackend) -> None:
    """Without `attach`, figures go only to the trainer's history."""
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
    """The model's mode and the random state are the same after a measurement as before."""
    callback = CrossmathCallback("mini", limit=2)
    pocket.model.train(training)
    before = torch.get_rng_state()
    callback.figures(pocket.model, pocket.processor)
    assert pocket.model.training is training
    assert torch.equal(torch.get_rng_state(), before)
    pocket.model.eval()


def test_only_one_process_asks(pocket: HFBackend) -> None:
    """In a distributed run, only the first process measures."""
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
    """A failed measurement is a warning, and training continues."""

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
    """Sharded weights are refused before training, not once processes wait for each other."""
    callback = CrossmathCallback("mini", limit=1)
    control: Any = SimpleNamespace(should_log=False)
    with pytest.raises(ModelError, match="FSDP or ZeRO-3"):
        callback.on_train_begin(
            arguments(**spread), state(0), control,
            model=pocket.model, processing_class=pocket.processor,
        )  # fmt: skip


def test_mistakes_get_one_line(tmp_path: Path) -> None:
    """A wrong suite, style or number is reported before any training."""
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
    """Without an image processor, forms with pictures are skipped."""
    callback = CrossmathCallback("mini", limit=1)
    figures = callback.figures(pocket.model, pocket.processor.tokenizer)
    assert set(figures) == {"crossmath/text"}
