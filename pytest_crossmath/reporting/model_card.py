"""Figures in the model card of a checkpoint, as the evaluation metadata of the Hugging Face Hub.

Source: huggingface.co/docs/hub/model-cards, "Evaluation results".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import ModelError, OptionError
from pytest_crossmath.files import write_output
from pytest_crossmath.inference.run import Run
from pytest_crossmath.installing import pip_install
from pytest_crossmath.reporting.summary import summarize_run
from pytest_crossmath.text import in_markdown, one_line, printable

_DATASET = "pytest-crossmath"
_TASK = "image-text-to-text"


def write_card(file: Path, run: Run, model: str) -> int:
    """Write the figures of one model into its card, and return how many there are.

    Figures of an earlier run on the same suite are replaced; everything else stays. A missing
    card is created. Raises `ModelError` if huggingface_hub is missing, `OptionError` for a card
    that cannot be parsed, and `OutputError` for one that cannot be written.
    """
    try:
        from huggingface_hub import ModelCard, ModelCardData
        from yaml import YAMLError
    except ImportError:
        raise ModelError(
            f"a model card needs huggingface_hub: {pip_install('transformers')}"
        ) from None
    fresh = list(_figures(run, model))
    try:
        if file.exists():
            card = ModelCard.load(file)
        else:
            data = ModelCardData(model_name=printable(model)).to_yaml()
            card = ModelCard(f"---\n{data}\n---\n\n# {in_markdown(model)}\n")
        ours = {(one.dataset_type, one.dataset_name) for one in fresh}
        kept = [
            one
            for one in card.data.eval_results or ()
            if (one.dataset_type, one.dataset_name) not in ours
        ]
        card.data.eval_results = [*kept, *fresh]
        card.data.model_name = card.data.model_name or printable(model)
        text = str(card)
    except OSError as error:
        raise OptionError(f"the model card {file} cannot be read: {one_line(error)}") from None
    except (ValueError, TypeError, KeyError, YAMLError) as error:
        detail = one_line(error)
        raise OptionError(f"the model card {file} cannot be changed: {detail}") from None
    write_output(file, text, "--model-card")
    return len(fresh)


def _figures(run: Run, model: str) -> Iterator[Any]:
    """The share solved in each form (per cent) and the gap of each form with a picture (points)."""
    from huggingface_hub import EvalResult

    suite = run.header.get("suite", {})
    about: dict[str, Any] = {
        "task_type": _TASK,
        "dataset_type": _DATASET,
        "dataset_name": printable(f"pytest-crossmath {suite.get('name')}"),
        "dataset_revision": printable(str(suite.get("digest", "")))[:12] or None,
        "dataset_split": "test",
    }
    for row in summarize_run(run.results).rows:
        if row.model == model:
            form: dict[str, Any] = {**about, "dataset_config": printable(str(row.form))}
            yield EvalResult(
                **form, metric_type="accuracy", metric_name="solved, every blank right (%)",
                metric_value=round(100 * row.solved, 1),
            )  # fmt: skip
            if row.gap is not None:
                yield EvalResult(
                    **form, metric_type="modality-gap",
                    metric_name="solved as text minus solved in this form (points)",
                    metric_value=round(100 * row.gap.points, 1),
                )  # fmt: skip
