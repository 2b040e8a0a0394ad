"""Results of made-up runs."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_crossmath.inference.result import Result
from pytest_crossmath.tasks.score import Outcome

OUTCOMES = {
    "1": Outcome.SOLVED, "0": Outcome.MISSED, "t": Outcome.TRUNCATED, "u": Outcome.UNPARSED,
    "e": Outcome.ERROR,
}  # fmt: skip


def results(
    model: str = "m", styles: Sequence[str | None] = ("original",), **forms: str
) -> list[Result]:
    """Results of one model: a character a problem, a blank before each further sample.

    ``image="110 011"`` are three problems with two samples each; `both` is image+text.
    """
    found = []
    for name, text in forms.items():
        modality = "image+text" if name == "both" else name
        for style in (None,) if modality == "text" else styles:
            for sample, outcomes in enumerate(text.split()):
                found += [
                    Result(
                        model, f"p{number:03}", modality, style, sample, OUTCOMES[letter], "",
                        {"1": ("1",), "0": ("2",)}.get(letter), ("1",), (letter == "1",), (1,), 1,
                        0.0,
                    )
                    for number, letter in enumerate(outcomes)
                ]  # fmt: skip
    return found
