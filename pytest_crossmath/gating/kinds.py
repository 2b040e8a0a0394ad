"""The kinds of gate, a class for each.

fail-under    the share of problems solved must not be below the limit
max-gap       the gap to text must not be above the limit
compare-fail  the drop since the baseline must not be above the limit; with ``gap:``, the growth
              of the gap
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean
from typing import ClassVar

from pytest_crossmath.gating.betting import Gambler
from pytest_crossmath.gating.gate import ALPHA, Figures, Gate, PValues, Side
from pytest_crossmath.gating.stats import (
    GAP_PSEUDO,
    RATE_PSEUDO,
    Interval,
    detectable,
    detectable_share,
    mean_tails,
    proportion_tails,
    rate_interval,
    sign_flip,
    wilson,
)

_MOST_SAMPLES = 5_000
"""A test of change is exact up to this common multiple of the problems' numbers of samples. Above
it, when these numbers are very different, an exact test would be slow and gain nothing."""


class Share(Gate):
    """The share of problems solved: an exact binomial test, or one of means for several samples."""

    kind = "share"
    option = "fail-under"
    example = "image:50%"
    sides = (Side(1),)
    higher_is_worse = False

    def p_values(self, found: Figures) -> PValues:
        """The p-values of a share of whole problems, or of a mean of rates."""
        if found.samples == 1:
            tails = proportion_tails(round(sum(found.values)), len(found.values), self.limit)
        else:
            tails = mean_tails(found.values, self.limit, pseudo=RATE_PSEUDO)
        return PValues(broken=tails.below, kept=tails.above)

    def is_flawless(self, found: Figures) -> bool:
        """No test can show that a share is 1."""
        return min(found.values) == 1 or self.limit == 0

    def interval(self, found: Figures) -> Interval:
        """Wilson's interval, or that of a mean of rates for several samples."""
        if found.samples == 1:
            return wilson(round(sum(found.values)), len(found.values))
        return rate_interval(found.values)

    def detectable(self, values: Sequence[float]) -> float:
        """How far the true share must lie below the limit."""
        return self.limit - detectable_share(self.limit, len(values), alpha=ALPHA)

    def gamblers(self) -> tuple[Gambler, Gambler]:
        """A share breaks its limit from below."""
        return Gambler(self.limit, sign=-1, bound=1.0), Gambler(self.limit, sign=1, bound=0.0)

    @classmethod
    def phrase(cls, figure: float, interval: Interval) -> str:
        """As a percentage."""
        return f"{figure:.1%} {interval.in_percent}"

    @classmethod
    def detects(cls, limit: float, detectable: float) -> str:
        """As a percentage."""
        return f"{limit - detectable:.0%} solved"


class Gap(Gate):
    """The gap to text: an adjusted Wald test of paired differences."""

    kind = "gap"
    option = "max-gap"
    example = "image:20%"
    sides = (Side(1, of_text=True), Side(-1))

    def p_values(self, found: Figures) -> PValues:
        """The p-values of a mean of differences."""
        tails = mean_tails(found.values, self.limit, pseudo=GAP_PSEUDO)
        return PValues(broken=tails.above, kept=tails.below)

    def detectable(self, values: Sequence[float]) -> float:
        """How far the true gap must lie above the limit."""
        mean = fmean(values)
        return detectable(_spread([v - mean for v in values]), len(values), alpha=ALPHA)


class Drop(Gate):
    """The drop in problems solved: it must be significant (McNemar or sign flips) and too large."""

    kind = "drop"
    option = "compare-fail"
    example = "image:5%"
    sides: ClassVar[tuple[Side, ...]] = (Side(1, in_base=True), Side(-1))

    def p_values(self, found: Figures) -> PValues:
        """`broken` tests for any loss at all, since the drop must be above the limit as well."""
        kept = mean_tails(found.values, self.limit, pseudo=GAP_PSEUDO).below
        if found.samples > _MOST_SAMPLES:
            return PValues(mean_tails(found.values, 0.0, pseudo=GAP_PSEUDO).above, kept)
        return PValues(sign_flip([round(value * found.samples) for value in found.values]), kept)

    def detectable(self, values: Sequence[float]) -> float:
        """The true drop that would be both significant and measured above the limit."""
        spread, n = _spread(values), len(values)
        shown = detectable(spread, n, alpha=ALPHA)
        return max(shown, self.limit + detectable(spread, n, alpha=0.5))

    def gamblers(self) -> tuple[Gambler, Gambler]:
        """As in the full run, it fails on a significant loss that is measured above the limit."""
        return Gambler(0.0, sign=1, bound=-self.most), Gambler(self.limit, sign=-1, bound=self.most)

    @classmethod
    def detects(cls, limit: float, detectable: float) -> str:  # noqa: ARG003 - the drop includes it
        """The drop itself."""
        return f"{cls.kind} {100 * detectable:+.1f}"


class Growth(Drop):
    """The growth of the gap to text since the baseline; tested like a drop."""

    kind = "growth"
    prefix = "gap"
    example = "gap:image:3%"
    sides = (
        Side(1, of_text=True),
        Side(-1),
        Side(-1, of_text=True, in_base=True),
        Side(1, in_base=True),
    )
    most = 2.0


GATES: tuple[type[Gate], ...] = (Share, Gap, Drop, Growth)
"""Every kind of gate, in the order in which a run's gates are judged and shown."""


def gate_options() -> tuple[str, ...]:
    """The settings that take a gate."""
    return tuple(dict.fromkeys(gate.option for gate in GATES))


def kind_named(kind: str) -> type[Gate]:
    """The class of a kind; `Gate` itself for a kind that this version does not know."""
    return next((gate for gate in GATES if gate.kind == kind), Gate)


def _spread(values: Sequence[float]) -> float:
    """Standard deviation of one problem's value around 0, with pseudo-observations."""
    return sqrt(fmean([*(v**2 for v in values), *(p**2 for p in GAP_PSEUDO)]))
