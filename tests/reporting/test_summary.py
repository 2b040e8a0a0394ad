"""The figures of a run."""

import json

import pytest

from pytest_crossmath.gating.stats import Interval, gap_interval, rate_interval, wilson
from pytest_crossmath.inference.result import Result
from pytest_crossmath.reporting.summary import Gap, Row, summarize_run
from pytest_crossmath.tasks.score import Outcome


def result(
    problem: str,
    modality: str,
    right: str,
    *,
    model: str = "m",
    sample: int = 0,
    style: str = "original",
    outcome: Outcome | None = None,
    cached: bool = False,
) -> Result:
    """A result whose blanks are right (``+``) or wrong (``-``)."""
    verdicts = tuple(sign == "+" for sign in right)
    return Result(
        model=model,
        problem=problem,
        modality=modality,
        style=None if modality == "text" else style,
        sample=sample,
        outcome=outcome or (Outcome.SOLVED if all(verdicts) else Outcome.MISSED),
        response="",
        answer=None,
        key=("1",) * len(right),
        right=verdicts,
        steps=(1,) * len(right),
        new_tokens=10,
        seconds=0.5,
        cached=cached,
    )


def test_the_figures_agree_with_a_hand_computation() -> None:
    """Solved, blanks and the paired gap of two forms of three problems."""
    text, image = summarize_run(
        [
            result("a", "text", "++"),
            result("b", "text", "+"),
            result("c", "text", "+---"),
            result("a", "image", "+-"),
            result("b", "image", "+"),
            result("c", "image", "----"),
        ]
    ).rows
    assert (text.model, text.modality, text.style, text.problems) == ("m", "text", None, 3)
    assert text.solved == pytest.approx(2 / 3)
    assert text.solved_interval == wilson(2, 3)
    assert text.blanks == pytest.approx((1 + 1 + 1 / 4) / 3)
    assert text.gap is None
    assert (image.modality, image.style, image.problems) == ("image", "original", 3)
    assert image.solved == pytest.approx(1 / 3)
    assert image.blanks == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert image.gap is not None
    assert image.gap.points == pytest.approx(1 / 3)
    assert (image.gap.interval, image.gap.problems) == (gap_interval([1, 0, 0]), 3)


def test_several_samples_of_a_problem_are_one_piece_of_evidence() -> None:
    """Samples are averaged within their problem before anything else."""
    text, image = summarize_run(
        [
            *(result("a", "text", "+", sample=i) for i in range(4)),
            *(result("b", "text", "+" if i else "-", sample=i) for i in range(4)),
            *(result("a", "image", "+" if i < 2 else "-", sample=i) for i in range(4)),
            *(result("b", "image", "-", sample=i) for i in range(4)),
        ]
    ).rows
    assert (text.problems, image.problems) == (2, 2)
    assert text.solved == pytest.approx((1 + 3 / 4) / 2)
    assert text.solved_interval == rate_interval([1.0, 0.75])
    assert image.gap is not None
    assert image.gap.points == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert image.gap.interval == gap_interval([0.5, 0.75])


def test_a_gap_is_paired_over_problems_measured_in_both_forms() -> None:
    """A problem measured in only one form does not count in the gap."""
    _, image = summarize_run(
        [
            result("a", "text", "+"),
            result("only text", "text", "-"),
            result("a", "image", "-"),
            result("only image", "image", "+"),
        ]
    ).rows
    assert image.problems == 2
    assert image.gap == Gap(1.0, gap_interval([1.0]), 1)


def test_without_a_common_problem_there_is_no_gap() -> None:
    """There is no gap if no problem can be paired, or if text was not asked."""
    _, unpaired = summarize_run([result("a", "text", "+"), result("b", "image", "+")]).rows
    (alone,) = summarize_run([result("b", "image", "+")]).rows
    assert unpaired.gap is None
    assert alone.gap is None


def test_an_error_is_no_measurement() -> None:
    """A failed request is counted as an error and changes no figure."""
    summary = summarize_run(
        [
            result("a", "text", "+"),
            result("b", "text", "-", outcome=Outcome.ERROR),
            result("b", "image", "-", outcome=Outcome.ERROR),
        ]
    )
    (row,) = summary.rows
    assert (row.problems, row.solved) == (1, 1.0)
    assert summary.outcomes == {"m": {"solved": 1, "error": 2}}
    assert (summary.problems, summary.responses) == (2, 1)
    assert (summary.new_tokens, summary.seconds) == (10, 0.5)


def test_outcomes_are_counted_apart_and_in_a_fixed_order() -> None:
    """Only outcomes that occurred are listed, each under its own name."""
    ends = [Outcome.REFUSED, Outcome.TRUNCATED, Outcome.UNPARSED, Outcome.TRUNCATED]
    summary = summarize_run(
        [
            *(result(f"p{i}", "text", "-", outcome=end) for i, end in enumerate(ends)),
            result("q", "text", "+"),
        ]
    )
    assert list(summary.outcomes["m"].items()) == [
        ("solved", 1), ("unparsed", 1), ("truncated", 2), ("refused", 1),
    ]  # fmt: skip


def test_rows_come_by_model_then_form_then_style() -> None:
    """Models keep the order in which they were given; forms and styles have a fixed order."""
    rows = summarize_run(
        [
            result("a", "image+text", "+", model="second"),
            result("a", "image", "+", model="first", style="bold"),
            result("a", "text", "+", model="second"),
            result("a", "image", "+", model="first", style="beige"),
            result("a", "text", "+", model="first"),
        ]
    ).rows
    assert [(row.model, row.modality, row.style) for row in rows] == [
        ("second", "text", None),
        ("second", "image+text", "original"),
        ("first", "text", None),
        ("first", "image", "beige"),
        ("first", "image", "bold"),
    ]


def test_models_are_compared_with_their_own_text() -> None:
    """The gap of one model does not depend on another model."""
    rows = summarize_run(
        [
            result("a", "text", "+", model="one"),
            result("a", "text", "-", model="two"),
            result("a", "image", "-", model="one"),
            result("a", "image", "-", model="two"),
        ]
    ).rows
    points = {row.model: row.gap.points for row in rows if row.gap}
    assert points == {"one": 1.0, "two": 0.0}


def test_a_cached_response_took_no_time() -> None:
    """Only time in the backend in this run counts; responses count wherever they came from."""
    summary = summarize_run([result("a", "text", "+", cached=True), result("b", "text", "+")])
    assert (summary.responses, summary.seconds) == (2, 0.5)


def test_a_run_without_results_has_no_rows() -> None:
    """A run without measurements gives an empty table and does not fail."""
    summary = summarize_run([])
    assert (summary.rows, summary.outcomes, summary.problems) == ((), {}, 0)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.2, "worse"),
        (-0.2, -0.01, "better"),
        (-0.1, 0.1, "no clear difference"),
        (0.0, 0.2, "no clear difference"),
        (-0.2, 0.0, "no clear difference"),
    ],
)
def test_a_gap_is_called_what_its_interval_allows(low: float, high: float, word: str) -> None:
    """A form is called worse or better only if the whole interval says so."""
    assert Gap((low + high) / 2, Interval(low, high), 9).word == word


def test_the_figures_survive_json() -> None:
    """The summary consists of types that JSON preserves."""
    summary = summarize_run([result("a", "text", "+"), result("a", "image", "-")])
    figures = json.loads(json.dumps(summary.to_json()))
    assert [row["modality"] for row in figures["rows"]] == ["text", "image"]
    assert set(figures["rows"][0]) == set(Row.__dataclass_fields__)
    assert figures["rows"][1]["gap"]["points"] == 1.0
    assert figures["rows"][1]["gap"]["interval"].keys() == {"low", "high"}
