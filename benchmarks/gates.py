"""What the gates promise, checked by simulation: false alarms, power, early stopping, coverage.

python benchmarks/gates.py [--runs 4000] [--seed 1]

Problems are drawn independently; `churn` is the share of problems whose outcome differs
between two runs of one model. The decisions are made by the package's own code.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from statistics import fmean

import numpy as np
from tabulate import tabulate

from pytest_crossmath.gating.gate import Gate, Word
from pytest_crossmath.gating.gates import parse_gate
from pytest_crossmath.gating.kinds import Drop, Gap, Share
from pytest_crossmath.gating.sequential import random_order, sequential_words
from pytest_crossmath.gating.stats import (
    Interval,
    bootstrap_interval,
    gap_interval,
    rate_interval,
    wilson,
)
from pytest_crossmath.gating.verdicts import (
    Evidence,
    decided,
    judge,
    word_of,
)
from pytest_crossmath.inference.result import Result
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.task import Form, Modality

IMAGE = Form(Modality.IMAGE)
SIZES = (60, 250, 1000)
DROPS = (0.03, 0.05, 0.10, 0.20)


@cache
def word_of_counts(gate: Gate, lost: int, gained: int, same: int) -> Word:
    """A gate's verdict on differences of 1, -1 and 0, or on solved and missed problems."""
    worse = [1.0] * lost + [-1.0] * gained + [0.0] * same
    return word_of(gate, worse)


def share_of_fails(
    gate: Gate, n: int, chances: tuple[float, float, float], runs: int, rng: np.random.Generator
) -> float:
    """How often a gate fails if problems are lost, gained or unchanged with these chances."""
    counts = rng.multinomial(n, chances, size=runs)
    return fmean(word_of_counts(gate, *map(int, c)) is Word.FAIL for c in counts)


def false_alarms(runs: int, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """How often each gate fails when the truth is at its limit, or when nothing changed."""
    for limit in (0.5, 0.8, 0.95):
        gate = Share(IMAGE, limit)
        shares = (share_of_fails(gate, n, (limit, 0.0, 1 - limit), runs, rng) for n in SIZES)
        yield (f"fail-under {limit:.0%}, truth {limit:.0%}", *(f"{s:.1%}" for s in shares))
    for limit, back in ((0.05, 0.02), (0.2, 0.05)):
        gate = Gap(IMAGE, limit)
        chances = (limit + back, back, 1 - limit - 2 * back)
        shares = (share_of_fails(gate, n, chances, runs, rng) for n in SIZES)
        yield (f"max-gap {limit:.0%}, truth {limit:.0%}", *(f"{s:.1%}" for s in shares))
    for churn in (0.05, 0.15, 0.3):
        for limit in (0.0, 0.05):
            gate = Drop(IMAGE, limit)
            chances = (churn / 2, churn / 2, 1 - churn)
            shares = (share_of_fails(gate, n, chances, runs, rng) for n in SIZES)
            yield (
                f"compare-fail {limit:.0%}, no change, churn {churn:.0%}",
                *(f"{s:.1%}" for s in shares),
            )


def power(runs: int, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """How often a gate fails on a drop, with a churn of 10 % on top of it."""
    for limit in (0.0, 0.02, 0.05):
        gate = Drop(IMAGE, limit)
        for n in SIZES:
            shares = (
                share_of_fails(gate, n, (drop + 0.05, 0.05, 0.9 - drop), runs, rng)
                for drop in DROPS
            )
            yield (f"compare-fail {limit:.0%}", str(n), *(f"{s:.0%}" for s in shares))


def detectables(runs: int, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """The power at the drop that a run claims to detect, which should be 80 %."""
    for limit in (0.0, 0.05):
        gate = Drop(IMAGE, limit)
        for n in SIZES:
            quiet = [1.0] * round(0.05 * n) + [-1.0] * round(0.05 * n)
            drop = gate.detectable([*quiet, *[0.0] * (n - len(quiet))])
            # The churn observed in that run, shifted by the drop.
            lost = max(0.05 + drop / 2, drop)
            share = share_of_fails(gate, n, (lost, lost - drop, 1 - 2 * lost + drop), runs, rng)
            yield (f"compare-fail {limit:.0%}", str(n), f"{100 * drop:.1f} points", f"{share:.0%}")
    gate = Share(IMAGE, 0.8)
    for n in SIZES:
        truth = 0.8 - gate.detectable([1.0] * n)
        share = share_of_fails(gate, n, (truth, 0.0, 1 - truth), runs, rng)
        yield ("fail-under 80%", str(n), f"{100 * (0.8 - truth):.1f} points", f"{share:.0%}")


def result(problem: int, modality: str, solved: bool | None) -> Result:
    """A result, or a sample without a measurement."""
    outcome = Outcome.ERROR if solved is None else Outcome.SOLVED if solved else Outcome.MISSED
    return Result(
        "m", f"p{problem:04}", modality, None, 0, outcome, "", (), ("1",), (bool(solved),), (1,),
        0, 0.0,
    )  # fmt: skip


def early_stops(
    runs: int, rng: np.random.Generator, n: int, *, sequential: bool
) -> Iterator[tuple[str, ...]]:
    """Share of samples asked, and whether the verdict is the same as that of the full run."""
    gates = {
        "fail-under 50%": parse_gate("fail-under", "image:50%"),
        "compare-fail 5%": parse_gate("compare-fail", "image:5%"),
    }
    cases = {
        "fail-under 50%": {f"solves {p:.0%}": (p, p) for p in (0.2, 0.5, 0.8)},
        "compare-fail 5%": {
            "no change": (0.8, 0.8), "drop of 10": (0.8, 0.7), "drop of 30": (0.8, 0.5)
        },
    }  # fmt: skip
    for name, gate in gates.items():
        for case, (before, after) in cases[name].items():
            asked, agree, failed = [], [], []
            for _ in range(runs):
                used, early, full = one_stop(gate, n, before, after, rng, sequential=sequential)
                asked.append(used)
                agree.append(early is full)
                failed.append(early is Word.FAIL)
            yield (
                name, case, str(n), f"{fmean(asked):.0%}", f"{fmean(agree):.1%}",
                f"{fmean(failed):.1%}",
            )  # fmt: skip


def one_stop(
    gate: Gate, n: int, before: float, after: float, rng: np.random.Generator, *, sequential: bool
) -> tuple[float, Word, Word]:
    """Share asked, the verdict then, and that of the full run, for one simulated pair of runs."""
    base = rng.random(n) < before
    churn = rng.random(n) < 0.1
    # Outcomes that churn are drawn again; of the others, a share is lost.
    kept = base & (rng.random(n) < after / before)
    new = np.where(churn, rng.random(n) < after, kept)
    there = [result(i, "image", bool(b)) for i, b in enumerate(base)]
    here = [result(i, "image", bool(b)) for i, b in enumerate(new)]
    order = sorted(range(n), key=lambda i: random_order(here[i].problem))
    current = [result(i, "image", None) for i in range(n)]
    [full] = judge([gate], {"m": Evidence(here, there)})
    for count, i in enumerate(order, start=1):
        current[i] = here[i]
        if count % 8 and count < n:
            continue
        evidence = Evidence(current, there)
        if sequential and (word := sequential_words([gate], evidence)[0]):
            return count / n, word, full.word
        if decided([gate], evidence):
            [early] = judge([gate], {"m": evidence})
            return count / n, early.word, full.word
    return 1.0, full.word, full.word


def coverage(runs: int, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """How often a 95 % interval contains the truth."""
    for p in (0.5, 0.8, 0.95):
        yield (
            f"Wilson, share {p:.0%}",
            *covered(p, lambda n, p=p: rng.binomial(n, p), wilson, runs),
        )
    for p in (0.5, 0.8):

        def clusters(n: int, p: float = p) -> Sequence[float]:
            # Four samples a problem, of problems that differ in difficulty.
            return list(rng.binomial(4, rng.beta(2 * p, 2 * (1 - p), n)) / 4)

        yield (
            f"rate by problem, 4 samples, {p:.0%}",
            *covered(p, clusters, lambda v, _: rate_interval(v), runs),
        )
    for gap in (0.0, 0.1, 0.3):

        def paired(n: int, gap: float = gap) -> Sequence[float]:
            return list(rng.choice([1.0, -1.0, 0.0], n, p=[gap + 0.05, 0.05, 0.9 - gap]))

        yield (f"gap {gap:.0%}", *covered(gap, paired, lambda v, _: gap_interval(v), runs))
        yield (
            f"gap {gap:.0%}, bootstrap",
            *covered(gap, paired, lambda v, _: bootstrap_interval(v, resamples=400), runs // 8),
        )

    def growth(n: int) -> Sequence[float]:
        one = rng.choice([1.0, -1.0, 0.0], n, p=[0.15, 0.05, 0.8])
        return list(one - rng.choice([1.0, -1.0, 0.0], n, p=[0.05, 0.05, 0.9]))

    yield (
        "growth of a gap by 10%",
        *covered(0.1, growth, lambda v, _: gap_interval(v, most=2.0), runs),
    )


def covered(
    truth: float, draw: Callable[[int], object], interval: Callable[..., Interval], runs: int
) -> Iterator[str]:
    """The share of intervals that contain the truth, for each size."""
    for n in SIZES:
        found = (interval(draw(n), n) for _ in range(runs))
        yield f"{fmean(i.low <= truth <= i.high for i in found):.1%}"


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="simulated runs per line")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    runs, rng = arguments.runs, np.random.default_rng(arguments.seed)
    sizes = [f"n = {n}" for n in SIZES]
    drops = [f"drop of {100 * drop:.0f}" for drop in DROPS]
    stops = ["gate", "truth", "n", "asked", "same as full run", "fails"]
    few = max(runs // 20, 20)
    for title, headers, rows in (
        ("False alarms, at most 5 %", ["", *sizes], false_alarms(runs, rng)),
        ("Power, churn 10 %", ["gate", "n", *drops], power(runs, rng)),
        ("Power at the drop that a run claims to detect", ["gate", "n", "detects", "power"],
         detectables(runs, rng)),
        ("Stopping early, exact", stops, early_stops(few, rng, 250, sequential=False)),
        ("Stopping early, sequential", stops, early_stops(few, rng, 250, sequential=True)),
        ("Coverage of 95 % intervals", ["", *sizes], coverage(runs, rng)),
    ):  # fmt: skip
        print(f"\n{title}\n\n{tabulate(rows, headers=headers, disable_numparse=True)}", flush=True)


if __name__ == "__main__":
    main()
