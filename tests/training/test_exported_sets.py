"""Exported training sets in a training script of a user's own, which knows TRL alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.cli.main import main
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.training.callback import CrossmathCallback
from pytest_crossmath.training.reward import crossmath_reward

pytestmark = pytest.mark.filterwarnings("default")  # TRL, PEFT and datasets warn of each other


def exported(lessons: Path, out: Path, form: str, *options: str) -> Any:
    """The rows, as a user loads them."""
    import datasets  # type: ignore[import-untyped]

    arguments = ["export", str(lessons), "--format", form, "--out", str(out), *options]
    assert main(arguments) == 0
    cache = str(out / "cache")
    if form == "parquet":
        return datasets.Dataset.from_parquet(str(out / "train.parquet"), cache_dir=cache)
    rows = datasets.Dataset.from_json(str(out / "train.jsonl"), cache_dir=cache)
    whole = rows.map(lambda row: {"images": [str(out / name) for name in row["images"]]})
    return whole.cast_column("images", datasets.List(datasets.Image()))


def settings(out: Path) -> dict[str, Any]:
    """What a trainer needs to know on a machine without a GPU."""
    return {
        "output_dir": str(out), "max_steps": 2, "logging_steps": 1, "bf16": False,
        "use_cpu": True, "report_to": [], "save_strategy": "no", "dataloader_pin_memory": False,
        "per_device_train_batch_size": 4, "gradient_checkpointing": False,
    }  # fmt: skip


def loaded(checkpoint: Path) -> tuple[Any, Any]:
    """Model and processor."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model: Any = AutoModelForImageTextToText.from_pretrained(checkpoint)
    processor: Any = AutoProcessor
    return model, processor.from_pretrained(checkpoint)


@pytest.mark.parametrize("form", ["parquet", "trl"])
def test_supervised(lessons: Path, tiny_llava: Path, tmp_path: Path, form: str) -> None:
    """Rows of all forms, in one set, train; the callback adds its figures to the log."""
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    model, processor = loaded(tiny_llava)
    trainer: Any = SFTTrainer(
        model, SFTConfig(**settings(tmp_path / "run"), max_length=None),
        train_dataset=exported(lessons, tmp_path / "set", form), processing_class=processor,
    )  # fmt: skip
    CrossmathCallback("mini", every=1, limit=1, modalities=[Modality.IMAGE]).attach(trainer)
    trainer.train()
    history = trainer.state.log_history
    assert [line["loss"] for line in history if "loss" in line] == pytest.approx([5, 5], abs=4)
    assert [line["step"] for line in history if "crossmath/image" in line] == [0, 1, 2]


def test_reinforced(lessons: Path, tiny_llava: Path, tmp_path: Path) -> None:
    """The reward finds the problem of each row."""
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    model, processor = loaded(tiny_llava)
    processor.tokenizer.padding_side = "left"
    rows = exported(lessons, tmp_path / "set", "parquet", "--modality", "image")
    trainer: Any = GRPOTrainer(
        model,
        reward_funcs=crossmath_reward(load_suite(str(lessons)).tasks),
        args=GRPOConfig(**settings(tmp_path / "run"), num_generations=2, max_completion_length=4),
        train_dataset=rows.remove_columns("completion"), processing_class=processor,
    )  # fmt: skip
    trainer.train()
    rewards = [line["reward"] for line in trainer.state.log_history if "reward" in line]
    assert rewards == [0.0, 0.0]
