"""A sequential test: gates decided on the way, in random order, with stated error rates.

Problems are asked in an order drawn by a seed, and after each the evidence is an *e-value*:
what a gambler would own who started with 1 and bet, at fair odds, against "the limit is
kept", or against "it is broken". Whoever bets against the truth owns 20 or more at any time
with a chance of at most 1 in 20, however often one looks, so a gate may be decided the
moment its e-value is large. Nothing is assumed of the values but their bounds.

A gate that is decided so is wrong with a chance of at most `ALPHA` in either direction; one
that never is gets the verdict of the full run. Over all, a false alarm has a chance of at most
`ALPHA` plus the 5 % of the full run.

Source: Waudby-Smith and Ramdas (2024), J. R. Stat. Soc. B 86, "Estimating means of bounded
random variables by betting"; Ville (1939).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from pytest_crossmath.gating.gates import Gate, Kind
from pytest_crossmath.gating.verdicts import Evidence, Word, whole_values

ALPHA = 0.01
"""Chance, for all gates of a model together, that the sequential test decides one wrongly."""

SEED = 2604
_BETS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
"""Shares of the largest allowed stake, each with an equal part of the gambler's money."""
_LEAST = 1e-3
"""Distance of a limit from the worst value below which a stake is not raised any more."""


def random_order(problem: str) -> bytes:
    """Sorting by this puts problems into the random order, the same in every process."""
    return hashlib.sha256(f"{SEED}/{problem}".encode()).digest()


def sequential_words(gates: Sequence[Gate], evidence: Evidence) -> list[Word | None]:
    """What each gate was decided to be on the way; None where it was not.

    Looks at problems in the random order, up to the first that is not whole yet.
    """
    return [
        _decide(gate, whole_values(gate, evidence, random_order), enough=len(gates) / ALPHA)
        for gate in gates
    ]


def _decide(gate: Gate, values: Iterable[float], *, enough: float) -> Word | None:
    """The first decision along the values."""
    if gate.kind is Kind.FAIL_UNDER:
        breaks = _Gambler(below=gate.limit, bound=1.0)
        keeps = _Gambler(above=gate.limit, bound=0.0)
    else:
        most = 2.0 if gate.of_gap else 1.0
        # As in the full run, a comparison fails on any loss that is shown and over the limit.
        breaks = _Gambler(above=0.0 if gate.kind is Kind.COMPARE else gate.limit, bound=-most)
        keeps = _Gambler(below=gate.limit, bound=most)
    total = 0.0
    for count, value in enumerate(values, start=1):
        fails, passes = (gambler.after(value) >= enough for gambler in (breaks, keeps))
        total += value
        figure = total / count
        broken = figure < gate.limit if gate.kind is Kind.FAIL_UNDER else figure > gate.limit
        if fails and broken:
            return Word.FAIL
        if passes and not broken:
            return Word.PASS
    return None


class _Gambler:
    """Somebody who bets that a mean is above, or below, a figure."""

    def __init__(
        self, *, bound: float, above: float | None = None, below: float | None = None
    ) -> None:
        """`bound` is the worst value that can come for such a bet."""
        self._sign = 1 if above is not None else -1
        self._figure = above if above is not None else below or 0.0
        most = 1 / max(abs(self._figure - bound), _LEAST)
        self._stakes = [share * most for share in _BETS]
        self._money = [1 / len(_BETS)] * len(_BETS)

    def after(self, value: float) -> float:
        """What is owned after one more value."""
        gain = self._sign * (value - self._figure)
        self._money = [
            money * (1 + stake * gain)
            for money, stake in zip(self._money, self._stakes, strict=True)
        ]
        return sum(self._money)
