"""A gate: one requirement on a run. Everything that depends on its kind is a method of its class.

A new kind of gate is one subclass, listed in `kinds.GATES`. The smallest one says what it
compares, how it is tested, and how large a breach a run can detect::

    class Loss(Gate):
        kind, option, prefix, example = "loss", "fail-under", "loss", "loss:image:5%"
        sides = (Side(1, of_text=True), Side(-1))

        def p_values(self, found: Figures) -> PValues:
            tails = mean_tails(found.values, self.limit, pseudo=GAP_PSEUDO)
            return PValues(broken=tails.above, kept=tails.below)

        def detectable(self, values: Sequence[float]) -> float:
            return detectable(0.5, len(values), alpha=ALPHA)

A figure is made of shares of problems *solved*; other outcomes are not available here. The
example is a difference, from -1 to 1. A figure with a different range, or in per cent, also
overrides `interval`, `phrase`, `detects` and `gamblers`, as `kinds.Share` does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import lcm
from statistics import fmean
from typing import ClassVar

from pytest_crossmath.gating.betting import Gambler
from pytest_crossmath.gating.rates import Tallies, measured
from pytest_crossmath.gating.stats import Interval, gap_interval
from pytest_crossmath.tasks.task import Form, Modality

ALPHA = 0.05
"""Chance of a false alarm, and of a false pass, one-sided."""

_TEXT = Form(Modality.TEXT)


class Word(StrEnum):
    """The verdict of a gate, in a word."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Side:
    """One term of a gate's figure: the share solved, added or subtracted."""

    sign: int
    """1 if the share is added, -1 if it is subtracted."""
    of_text: bool = False
    """Whether it is the share solved as text, instead of in the gate's own form."""
    in_base: bool = False
    """Whether it comes from the baseline."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One figure per problem."""

    values: Sequence[float]
    """Shares solved, gaps, drops or growths of the gap."""
    problems: Sequence[str] = ()
    """The problem that each value belongs to."""
    samples: int = 1
    """Every value is a multiple of 1 / `samples`: a common multiple of the numbers of samples."""


@dataclass(frozen=True, slots=True)
class PValues:
    """One-sided p-values."""

    broken: float
    """For the hypothesis "the limit is kept": small if the data show that it is broken."""
    kept: float
    """For the hypothesis "the limit is broken": small if the data show that it is kept."""


@dataclass(frozen=True, slots=True)
class Gate(ABC):
    """One requirement on a run."""

    form: Form
    """The form that it looks at."""
    limit: float
    """The limit, a fraction from 0 to 1."""
    family: str | None = None
    """The family of problems that it looks at; None for all of them."""

    kind: ClassVar[str] = "figure"
    """Name of the kind in verdicts, which says what its figure is."""
    option: ClassVar[str]
    """The setting that takes it. Gates of the same setting are corrected for multiple testing."""
    prefix: ClassVar[str] = ""
    """What comes before the form, without the colon."""
    example: ClassVar[str]
    """A gate of this kind, as a user writes it."""
    sides: ClassVar[tuple[Side, ...]]
    """The terms of its figure."""
    higher_is_worse: ClassVar[bool] = True
    """Whether a figure above the limit breaks it, not one below."""
    most: ClassVar[float] = 1.0
    """The largest possible figure of one problem."""

    def __str__(self) -> str:
        prefix = f"{self.prefix}:" if self.prefix else ""
        family = f"@{self.family}" if self.family else ""
        return f"{self.option} {prefix}{self.form}{family}:{100 * self.limit:g}%"

    @classmethod
    def needs_text(cls) -> bool:
        """Whether the problems must be run as text, too."""
        return any(side.of_text for side in cls.sides)

    @classmethod
    def needs_baseline(cls) -> bool:
        """Whether it compares the run with a baseline."""
        return any(side.in_base for side in cls.sides)

    def form_of(self, side: Side) -> Form:
        """The form that a side of the figure is measured in."""
        return _TEXT if side.of_text else self.form

    def figures(self, tallies: Callable[[Side], Tallies]) -> Figures:
        """The figure of each problem that was measured on every side."""
        sides = [tallies(side) for side in self.sides]
        rates = [measured(side) for side in sides]
        common = [p for p in rates[-1] if all(p in rate for rate in rates)]
        values = [
            sum(side.sign * rate[p] for side, rate in zip(self.sides, rates, strict=True))
            for p in common
        ]
        counts = {t.asked - t.unknown for side in sides for t in side.values()} - {0}
        return Figures(values, common, lcm(*counts) if counts else 1)

    def is_broken(self, figure: float) -> bool:
        """Whether a figure lies on the wrong side of the limit."""
        return figure > self.limit if self.higher_is_worse else figure < self.limit

    @abstractmethod
    def p_values(self, found: Figures) -> PValues:
        """The p-values of at least one figure."""

    def is_flawless(self, found: Figures) -> bool:
        """Whether no outcome could be better; such a run passes, though no test could prove it."""
        return max(found.values) <= 0

    def word(self, found: Figures, values: PValues) -> Word:
        """The verdict; `values` are already corrected for several gates."""
        if not found.values:
            return Word.INCONCLUSIVE
        is_broken = self.is_broken(fmean(found.values))
        if is_broken and values.broken <= ALPHA:
            return Word.FAIL
        if not is_broken and (self.is_flawless(found) or values.kept <= ALPHA):
            return Word.PASS
        return Word.INCONCLUSIVE

    def interval(self, found: Figures) -> Interval:
        """The 95 % interval of the figure."""
        return gap_interval(found.values, most=self.most)

    @abstractmethod
    def detectable(self, values: Sequence[float]) -> float:
        """How far beyond the limit the truth must lie for the gate to fail 80 % of the time.

        See `Verdict.detectable`.
        """

    def gamblers(self) -> tuple[Gambler, Gambler]:
        """For an early stop: one gambler bets that the limit is broken, one that it is kept."""
        return (
            Gambler(self.limit, sign=1, bound=-self.most),
            Gambler(self.limit, sign=-1, bound=self.most),
        )

    @classmethod
    def phrase(cls, figure: float, interval: Interval) -> str:
        """A measured figure with its interval, for a table."""
        return f"{cls.kind} {100 * figure:+.1f} {interval.in_points}"

    @classmethod
    def detects(cls, limit: float, detectable: float) -> str:
        """The smallest figure that would most likely fail, for a table."""
        return f"{cls.kind} {100 * (limit + detectable):+.1f}"
