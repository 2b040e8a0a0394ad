"""Betting against a mean: evidence that may be checked after every value.

An *e-value* is the wealth of a gambler who starts with 1 and bets, at fair odds, against a
claim about a mean. If the claim is true, the chance that the wealth ever reaches 20 is at
most 1 in 20, however often it is checked. Nothing is assumed about the values except their
bounds.

Source: Waudby-Smith and Ramdas (2024), J. R. Stat. Soc. B 86, "Estimating means of bounded
random variables by betting"; Ville (1939).
"""

from __future__ import annotations

_BETS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
"""Fractions of the largest allowed stake; each gets an equal part of the gambler's money."""
_LEAST = 1e-3
"""Smallest distance between figure and worst value: the stake stops growing below it."""


class Gambler:
    """Bets that a mean is above, or below, a figure."""

    def __init__(self, figure: float, *, sign: int, bound: float) -> None:
        """A `sign` of 1 bets above, -1 below; `bound` is the worst possible value for this bet."""
        self._sign = sign
        self._figure = figure
        most = 1 / max(abs(self._figure - bound), _LEAST)
        self._stakes = [share * most for share in _BETS]
        self._money = [1 / len(_BETS)] * len(_BETS)

    def after(self, value: float) -> float:
        """What the gambler owns after one more value."""
        gain = self._sign * (value - self._figure)
        self._money = [
            money * (1 + stake * gain)
            for money, stake in zip(self._money, self._stakes, strict=True)
        ]
        return sum(self._money)
