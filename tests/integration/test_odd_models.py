"""What is found out about a model at load is said in the report, with workers too."""

from __future__ import annotations

import pytest

from tests.integration.workers import WORKERS_NIGHTLY
from tests.models.checkpoint.odd_pocket import copy_of_pocket, edit_weights


@WORKERS_NIGHTLY
def test_nan_is_said_once_and_loudly(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Text is measured, pictures are errors, and the report says why: the status is 6."""
    folder = copy_of_pocket(pytester.path / "broken")
    name = "vision_tower.vision_model.encoder.layers.1.mlp.fc1.weight"
    edit_weights(folder, lambda weights: weights[name].fill_(float("nan")))
    result = pytester.runpytest(
        "--crossmath-model=./broken", "--crossmath-suite=mini", "--crossmath-limit=3",
        "--crossmath-modality=text,image", *workers,
    )  # fmt: skip
    assert result.ret == 6
    [line] = [one for one in result.outlines if one.startswith("broken: the model computed NaN")]
    assert "given image, first for mini-0" in line
    assert result.parseoutcomes()["errors"] == 3
    result.stdout.fnmatch_lines(["*text*100.0%*"])


@WORKERS_NIGHTLY
def test_a_repaired_template_is_reported(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """A template for one text gets one text, and the report says so."""
    folder = copy_of_pocket(pytester.path / "copy")
    template = folder / "chat_template.jinja"
    template.write_text(
        "{%- for m in messages -%}<|user|>{{ m['content'] | trim }}{%- endfor -%}<|assistant|>"
    )
    result = pytester.runpytest(
        "--crossmath-model=./copy", "--crossmath-suite=mini", "--crossmath-limit=2", *workers
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["copy: the chat template of *copy does not take a message in*"])
