"""What repeated runs of one model say of its noise."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from pytest_crossmath.gating.calibration import calibrate
from tests.gating.made_up import results


def test_equal_runs_have_no_noise() -> None:
    """Greedy decoding in float32, say."""
    [churn] = calibrate([results(image="1100"), results(image="1100")])
    assert (churn.problems, churn.churn, churn.widest, churn.noise) == (4, 0.0, 0.0, 0.0)


def test_churn_counts_what_differs_and_the_difference_what_is_left() -> None:
    """One lost and one gained: half the problems differ, and the share is the same."""
    [churn] = calibrate([results(image="1100"), results(image="0110")])
    assert churn.churn == 0.5
    assert churn.widest == 0.0
    assert churn.noise == pytest.approx(1.645 * (0.5 / 4) ** 0.5, rel=1e-3)


def test_all_pairs_of_runs_count() -> None:
    """Of three runs there are three."""
    [churn] = calibrate([results(image=text) for text in ("11", "10", "11")])
    assert churn.churn == pytest.approx((0.5 + 0.5 + 0.0) / 3)
    assert churn.widest == 0.5


def test_what_a_run_did_not_measure_is_left_out() -> None:
    """An error is no verdict."""
    [churn] = calibrate([results(image="1e1"), results(image="110")])
    assert (churn.problems, churn.churn) == (2, 0.5)


def test_a_form_is_a_line() -> None:
    """In the order of the table."""
    runs = [results(image="10", text="11"), results(image="01", text="11")]
    assert [(str(c.form), c.churn) for c in calibrate(runs)] == [("text", 0.0), ("image", 1.0)]


def test_a_drop_above_the_noise_comes_by_chance_one_time_in_twenty() -> None:
    """As it says: measured on pairs of runs that differ by chance alone."""
    draw = random.Random(3)

    def run() -> str:
        return "".join("01"[draw.random() < 0.7] for _ in range(200))

    noise = calibrate([results(image=run()), results(image=run())])[0].noise
    drops = [fmean(map(int, run())) - fmean(map(int, run())) for _ in range(2000)]
    assert 0.03 < fmean(drop > noise for drop in drops) < 0.08
