"""The kinds of gate, a class for each.

fail-under    the share of problems solved must not be under the limit
max-gap       the gap to text must not be over the limit
compare-fail  the drop since another run must not be over the limit; with ``gap:`` the growth of
              the gap
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
"""Common multiple of the samples of problems up to which a test of change is exact: beyond, where
problems have very different numbers of samples, it would take long and gain nothing."""


class Share(Gate):
    """The share of problems solved: an exact binomial test, or by problem for several samples."""

    kind = "share"
    option = "fail-under"
    example = "image:50%"
    sides = (Side(1),)
    higher_is_worse = False

    def p_values(self, found: Figures) -> PValues:
        """Of a share of whole problems, or of a mean of rates."""
        if found.samples == 1:
            tails = proportion_tails(round(sum(found.values)), len(found.values), self.limit)
        else:
            tails = mean_tails(found.values, self.limit, pseudo=RATE_PSEUDO)
        return PValues(broken=tails.below, kept=tails.above)

    def is_flawless(self, found: Figures) -> bool:
        """No test can show that a share is 1."""
        return min(found.values) == 1 or self.limit == 0

    def interval(self, found: Figures) -> Interval:
        """Wilson's, or by problem for several samples."""
        if found.samples == 1:
            return wilson(round(sum(found.values)), len(found.values))
        return rate_interval(found.values)

    def detectable(self, values: Sequence[float]) -> float:
        """How far the true share must lie below the limit."""
        return self.limit - detectable_share(self.limit, len(values), alpha=ALPHA)

    def gamblers(self) -> tuple[Gambler, Gambler]:
        """A share is broken from below."""
        return Gambler(below=self.limit, bound=1.0), Gambler(above=self.limit, bound=0.0)

    @classmethod
    def phrase(cls, figure: float, interval: Interval) -> str:
        """In per cent."""
        return f"{figure:.1%} {interval.in_percent}"

    @classmethod
    def detects(cls, limit: float, detectable: float) -> str:
        """In per cent."""
        return f"{limit - detectable:.0%} solved"


class Gap(Gate):
    """The gap to text: an adjusted Wald test of paired differences."""

    kind = "gap"
    option = "max-gap"
    example = "image:20%"
    sides = (Side(1, of_text=True), Side(-1))

    def p_values(self, found: Figures) -> PValues:
        """Of a mean of differences."""
        tails = mean_tails(found.values, self.limit, pseudo=GAP_PSEUDO)
        return PValues(broken=tails.above, kept=tails.below)

    def detectable(self, values: Sequence[float]) -> float:
        """How far the true gap must lie above the limit."""
        mean = fmean(values)
        return detectable(_spread([v - mean for v in values]), len(values), alpha=ALPHA)


class Drop(Gate):
    """The drop in problems solved: McNemar's or a sign-flip test, and a drop over the limit."""

    kind = "drop"
    option = "compare-fail"
    example = "image:5%"
    sides: ClassVar[tuple[Side, ...]] = (Side(1, in_base=True), Side(-1))

    def p_values(self, found: Figures) -> PValues:
        """It is broken where any loss is shown, since the drop must be over the limit as well."""
        kept = mean_tails(found.values, self.limit, pseudo=GAP_PSEUDO).below
        if found.samples > _MOST_SAMPLES:
            return PValues(mean_tails(found.values, 0.0, pseudo=GAP_PSEUDO).above, kept)
        return PValues(sign_flip([round(value * found.samples) for value in found.values]), kept)

    def detectable(self, values: Sequence[float]) -> float:
        """The true drop that is shown, and is measured above the limit."""
        spread, n = _spread(values), len(values)
        shown = detectable(spread, n, alpha=ALPHA)
        return max(shown, self.limit + detectable(spread, n, alpha=0.5))

    def gamblers(self) -> tuple[Gambler, Gambler]:
        """As in the full run, it fails on any loss that is shown and measured above the limit."""
        return Gambler(above=0.0, bound=-self.most), Gambler(below=self.limit, bound=self.most)

    @classmethod
    def detects(cls, limit: float, detectable: float) -> str:  # noqa: ARG003 - the drop holds it
        """The drop itself."""
        return f"{cls.kind} {100 * detectable:+.1f}"


class Growth(Drop):
    """The growth of the gap to text since another run; tested as a drop is."""

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
    """The class of a kind; `Gate` itself for one that this version does not have."""
    return next((gate for gate in GATES if gate.kind == kind), Gate)


def _spread(values: Sequence[float]) -> float:
    """Standard deviation of one problem's value around 0, with pseudo-observations."""
    return sqrt(fmean([*(v**2 for v in values), *(p**2 for p in GAP_PSEUDO)]))
