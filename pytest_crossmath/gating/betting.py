"""Betting against a mean: evidence that may be looked at after every value.

An *e-value* is what a gambler would own who started with 1 and bet, at fair odds, against a
claim about a mean. Anyone who bets against the truth owns 20 or more at any time with a
chance of at most 1 in 20, however often one looks. Nothing is assumed of the values except
their bounds.

Source: Waudby-Smith and Ramdas (2024), J. R. Stat. Soc. B 86, "Estimating means of bounded
random variables by betting"; Ville (1939).
"""

from __future__ import annotations

_BETS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
"""Shares of the largest allowed stake, each with an equal part of the gambler's money."""
_LEAST = 1e-3
"""Distance of a figure from the worst value below which a stake is not raised further."""


class Gambler:
    """Bets that a mean is above, or below, a figure."""

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
        """What the gambler owns after one more value."""
        gain = self._sign * (value - self._figure)
        self._money = [
            money * (1 + stake * gain)
            for money, stake in zip(self._money, self._stakes, strict=True)
        ]
        return sum(self._money)
