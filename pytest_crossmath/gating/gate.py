"""A gate: one requirement on a run. Everything that depends on its kind is a method of its class.

A new kind of gate is one subclass, listed in `kinds.GATES`. The smallest one has what it looks
at, its tests and how sure they are::

    class Loss(Gate):
        kind, option, prefix, example = "loss", "fail-under", "loss", "loss:image:5%"
        sides = (Side(1, of_text=True), Side(-1))

        def p_values(self, found):
            tails = mean_tails(found.values, self.limit, pseudo=GAP_PSEUDO)
            return PValues(broken=tails.above, kept=tails.below)

        def detectable(self, values):
            return detectable(0.5, len(values), alpha=ALPHA)
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
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the rates that a figure is made of: solved shares with a sign, added up."""

    sign: int
    """1 or -1."""
    of_text: bool = False
    """Whether it is the rate as text, and not in the gate's form."""
    in_base: bool = False
    """Whether it comes from the run that is compared with."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figure of each problem."""

    values: Sequence[float]
    """A solved share, a gap, a drop or a growth."""
    problems: Sequence[str] = ()
    """The problem of each value."""
    samples: int = 1
    """Values are multiples of one in so many: of the samples that they are computed from."""


@dataclass(frozen=True, slots=True)
class PValues:
    """One-sided p-values."""

    broken: float
    """Against "the limit is kept": small where it is shown to be broken."""
    kept: float
    """Against "the limit is broken": small where it is shown to be kept."""


@dataclass(frozen=True, slots=True)
class Gate(ABC):
    """One requirement."""

    form: Form
    """The form that is looked at."""
    limit: float
    """The limit, a fraction from 0 to 1."""
    family: str | None = None
    """The family of problems that is looked at; None for all of them."""

    kind: ClassVar[str]
    """Name of the kind in verdicts: what its figure is."""
    option: ClassVar[str]
    """The setting that takes it. Gates of one setting are corrected for each other."""
    prefix: ClassVar[str] = ""
    """What stands before the form, without its colon."""
    example: ClassVar[str]
    """A gate of this kind as a user writes it."""
    sides: ClassVar[tuple[Side, ...]]
    """What its figure is made of."""
    higher_is_worse: ClassVar[bool] = True
    """Whether the limit is broken from above."""
    most: ClassVar[float] = 1.0
    """The largest value that a problem's figure can have."""

    def __str__(self) -> str:
        prefix = f"{self.prefix}:" if self.prefix else ""
        family = f"@{self.family}" if self.family else ""
        return f"{self.option} {prefix}{self.form}{family}:{100 * self.limit:g}%"

    @classmethod
    def needs_text(cls) -> bool:
        """Whether the problems must be asked as text, too."""
        return any(side.of_text for side in cls.sides)

    @classmethod
    def needs_baseline(cls) -> bool:
        """Whether it compares with another run."""
        return any(side.in_base for side in cls.sides)

    def form_of(self, side: Side) -> Form:
        """The form whose rates are a side of the figure."""
        return _TEXT if side.of_text else self.form

    def figures(self, tallies: Callable[[Side], Tallies]) -> Figures:
        """The figure of each problem that was measured on all sides."""
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
        """How surely the limit is broken, and kept; of at least one figure."""

    def is_flawless(self, found: Figures) -> bool:
        """Whether no outcome could be better: no test can show that nothing at all changes."""
        return max(found.values) <= 0

    def word(self, found: Figures, values: PValues) -> Word:
        """What the gate says; of `values` that are corrected for several gates."""
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
        """How far the truth must lie beyond what is allowed for a FAIL with 80 % chance.

        See `Verdict.detectable`.
        """

    def gamblers(self) -> tuple[Gambler, Gambler]:
        """Who bets that the limit is broken, and who bets that it is kept, for an early stop."""
        return (
            Gambler(above=self.limit, bound=-self.most),
            Gambler(below=self.limit, bound=self.most),
        )

    @classmethod
    def phrase(cls, figure: float, interval: Interval) -> str:
        """A measured figure with its interval, for a table."""
        return f"{cls.kind} {100 * figure:+.1f} {interval.in_points}"

    @classmethod
    def detects(cls, limit: float, detectable: float) -> str:
        """The smallest figure that would most likely FAIL, for a table."""
        return f"{cls.kind} {100 * (limit + detectable):+.1f}"
