"""Verdicts: whether a run meets its gates, fails them, or cannot tell.

A gate *fails* where the run shows, at 95 %, that its limit is broken; it *passes* where the
run shows that the limit is kept; else it is *inconclusive*: too few problems for this limit.
The chance that a gate fails though nothing is wrong is at most 5 %, corrected for several
gates of a kind by Holm's method:

    fail-under   the solved share is shown to be under the limit (exact binomial test)
    max-gap      the gap to text is shown to be over the limit (adjusted Wald test)
    compare      more was lost than gained (exact McNemar or sign-flip test by problem), and
                 the drop is over the limit

Samples without a measurement are counted as solved and as missed in turn: where that makes
a difference, the verdict is inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from math import lcm, sqrt
from statistics import fmean
from typing import Any

from pytest_crossmath.gating.gates import Gate, Kind
from pytest_crossmath.gating.rates import UNSETTLED, Tallies, measured, settled, tally
from pytest_crossmath.gating.stats import (
    GAP_PSEUDO,
    RATE_PSEUDO,
    Interval,
    Tails,
    detectable,
    detectable_share,
    gap_interval,
    holm,
    mean_tails,
    proportion_tails,
    rate_interval,
    sign_flip,
    wilson,
)
from pytest_crossmath.inference.result import Result
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.task import Form, Modality

ALPHA = 0.05
"""Chance of a false alarm, and of a false pass, one-sided."""

_MOST_SAMPLES = 5_000
"""Common multiple of the samples of problems up to which a test of change is exact: beyond, where
problems have very different numbers of samples, it would take long and gain nothing."""

_TEXT = Form(Modality.TEXT)


class Word(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says of one model. Figures are fractions from 0 to 1."""

    model: str
    """Name of the model."""
    gate: str
    """The gate as it was written."""
    word: Word
    """Pass, fail or inconclusive."""
    figure: float | None
    """What was measured: share solved, gap, drop or growth of the gap; None without a
    measurement."""
    interval: Interval | None
    """Its 95 % interval."""
    limit: float
    """The gate's limit."""
    problems: int
    """Problems with a measurement."""
    detectable: float | None
    """How far beyond what is allowed the truth must lie for this run to fail with 80 % chance:
    below the limit of a `fail-under`, above that of a `max-gap`; for a comparison, the drop."""
    notes: tuple[str, ...] = ()
    """What a reader should know: missing measurements, truncated responses that decide."""

    def to_json(self) -> dict[str, Any]:
        """Builtin types only."""
        return asdict(self) | {"word": self.word.value, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`.

        Raises `ValueError`, `TypeError` or `KeyError` for what is none.
        """
        interval = fields["interval"]
        return cls(
            **{
                **fields,
                "word": Word(fields["word"]),
                "interval": None if interval is None else Interval(**interval),
                "notes": tuple(map(str, fields["notes"])),
            }
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """One model's results, and those of the run that it is compared with."""

    new: Sequence[Result]
    """The results that are judged."""
    base: Sequence[Result] = ()
    """Those of the other run, of one model; empty where there is none."""


@dataclass(frozen=True, slots=True)
class _Values:
    """One figure a problem, with what a test needs."""

    values: Sequence[float]
    """A solved share, a gap, a drop or a growth."""
    problems: Sequence[str]
    """The problem of each value."""
    samples: int
    """Samples of a problem whose verdicts they come from: the values are multiples of one in so
    many."""


def any_fails(verdicts: Iterable[Verdict], *, inconclusive_fails: bool) -> bool:
    """Whether some verdict fails the run, which one that cannot tell may do too."""
    failing = {Word.FAIL, *([Word.INCONCLUSIVE] if inconclusive_fails else [])}
    return any(verdict.word in failing for verdict in verdicts)


def judge(gates: Sequence[Gate], evidence: Mapping[str, Evidence]) -> tuple[Verdict, ...]:
    """The verdict of every gate on every model."""
    return tuple(
        verdict for model, seen in evidence.items() for verdict in _judge_model(gates, model, seen)
    )


def _judge_model(gates: Sequence[Gate], model: str, evidence: Evidence) -> list[Verdict]:
    plain = _said(gates, evidence, frozenset())
    # As if what was cut off or could not be read had been solved, here or there.
    turned = [_said(gates, evidence, UNSETTLED)]
    if evidence.base:
        turned.append(_said(gates, evidence, UNSETTLED, in_base=True))
    verdicts = []
    for i, gate in enumerate(gates):
        word, notes = plain[i], []
        values = _measured_values(gate, evidence)
        missing = _missing(gate, evidence)
        if missing:
            notes.append(f"{missing} samples have no measurement: they were counted both ways")
        others = {other[i] for other in turned} - {word}
        if others and not missing:
            notes.append(
                "truncated and unparsed responses decide: counted as solved, it would be"
                f" {' or '.join(sorted(others))}"
            )
        verdicts.append(_verdict(model, gate, word, values, tuple(notes)))
    return verdicts


def word_of(gate: Gate, values: Sequence[float], *, samples: int = 1) -> Word:
    """What a gate alone says of one figure a problem: a solved share, a gap, a drop or a growth.

    The values are multiples of one in `samples`.
    """
    found = _Values(values, (), samples)
    tails = _tails(gate, found)
    return _word(gate, found, tails, tails.above)


def detectable_of(gate: Gate, values: Sequence[float]) -> float:
    """See `Verdict.detectable`, from one figure a problem."""
    return _detectable(gate, values)


def decided(gates: Sequence[Gate], evidence: Evidence) -> bool:
    """Whether no gate depends on how the samples without a measurement would have come out.

    A gate never turns for the worse when one more sample is solved in this run's favour, so
    it is enough to look at all of them solved and all of them missed.
    """
    return all(low is high for low, high in _extremes(gates, evidence, frozenset(), in_base=False))


def _said(
    gates: Sequence[Gate],
    evidence: Evidence,
    as_solved: frozenset[Outcome],
    *,
    in_base: bool = False,
) -> list[Word]:
    """What each gate says; it cannot tell where that hangs on samples without a measurement."""
    extremes = _extremes(gates, evidence, as_solved, in_base=in_base)
    return [low if low is high else Word.INCONCLUSIVE for low, high in extremes]


def _extremes(
    gates: Sequence[Gate], evidence: Evidence, as_solved: frozenset[Outcome], *, in_base: bool
) -> list[tuple[Word, Word]]:
    """What each gate says if all samples without a measurement were against it, or for it."""
    low, high = (
        _words(gates, evidence, as_solved, in_base=in_base, best=best) for best in (False, True)
    )
    return list(zip(low, high, strict=True))


def _words(
    gates: Sequence[Gate],
    evidence: Evidence,
    as_solved: frozenset[Outcome],
    *,
    in_base: bool,
    best: bool,
) -> list[Word]:
    """What the gates say with unknown samples all in favour of this run, or all against it."""

    def rates(results: Sequence[Result], form: Form, *, base: bool, up: bool) -> Tallies:
        counted = as_solved if base == in_base else frozenset()
        tallies = tally(
            results, form, solved=lambda r: r.outcome is Outcome.SOLVED or r.outcome in counted
        )
        return settled(tallies, solved=up)

    found = []
    for gate in gates:
        # A gap is in this run's favour where text is low; a drop where the other run is.
        here = rates(evidence.new, gate.form, base=False, up=best)
        text = rates(evidence.new, _TEXT, base=False, up=not best)
        there = rates(evidence.base, gate.form, base=True, up=not best)
        text_there = rates(evidence.base, _TEXT, base=True, up=best)
        found.append(_values(gate, here, text, there, text_there))
    p_fail: dict[Kind, list[float]] = {}
    tails = [_tails(gate, values) for gate, values in zip(gates, found, strict=True)]
    for gate, tail in zip(gates, tails, strict=True):
        p_fail.setdefault(gate.kind, []).append(tail.above)
    adjusted = {kind: iter(holm(ps)) for kind, ps in p_fail.items()}
    return [
        _word(gate, values, tail, next(adjusted[gate.kind]))
        for gate, values, tail in zip(gates, found, tails, strict=True)
    ]


def _values(
    gate: Gate, here: Tallies, text: Tallies, there: Tallies, text_there: Tallies
) -> _Values:
    """The figure that a gate looks at, for each problem that has all it takes."""
    sides = {
        Kind.FAIL_UNDER: [here],
        Kind.MAX_GAP: [text, here],
        Kind.COMPARE: [text, here, text_there, there] if gate.of_gap else [there, here],
    }[gate.kind]
    rates = [measured(side) for side in sides]
    common = [p for p in rates[-1] if all(p in rate for rate in rates)]
    signs = {1: (1,), 2: (1, -1), 4: (1, -1, -1, 1)}[len(sides)]
    values = [sum(s * rate[p] for s, rate in zip(signs, rates, strict=True)) for p in common]
    counts = {t.asked - t.unknown for side in sides for t in side.values()} - {0}
    return _Values(values, common, lcm(*counts) if counts else 1)


def _tails(gate: Gate, found: _Values) -> Tails:
    """p-values for breaking the limit (`above`) and for keeping it (`below`)."""
    values = found.values
    if not values:
        return Tails(1.0, 1.0)
    if gate.kind is Kind.FAIL_UNDER:
        if found.samples == 1:
            tails = proportion_tails(round(sum(values)), len(values), gate.limit)
        else:
            tails = mean_tails(values, gate.limit, pseudo=RATE_PSEUDO)
        return Tails(above=tails.below, below=tails.above)
    tails = mean_tails(values, gate.limit, pseudo=GAP_PSEUDO)
    if gate.kind is Kind.MAX_GAP:
        return tails
    return Tails(above=_p_change(found), below=tails.below)


def _p_change(found: _Values) -> float:
    """p-value against "no change"."""
    if found.samples > _MOST_SAMPLES:
        return mean_tails(found.values, 0.0, pseudo=GAP_PSEUDO).above
    return sign_flip([round(value * found.samples) for value in found.values])


def _word(gate: Gate, found: _Values, tails: Tails, p_fail: float) -> Word:
    if not found.values:
        return Word.INCONCLUSIVE
    figure = fmean(found.values)
    broken = figure < gate.limit if gate.kind is Kind.FAIL_UNDER else figure > gate.limit
    if broken and p_fail <= ALPHA:
        return Word.FAIL
    # No test can show that a share is 1, or that nothing at all changes; nothing can be better.
    if gate.kind is Kind.FAIL_UNDER:
        flawless = min(found.values) == 1 or gate.limit == 0
    else:
        flawless = max(found.values) <= 0
    if not broken and (flawless or tails.below <= ALPHA):
        return Word.PASS
    return Word.INCONCLUSIVE


def whole_values(gate: Gate, evidence: Evidence, order: Callable[[str], Any]) -> Iterator[float]:
    """The figures of problems in an order, up to the first that lacks a measurement."""
    found = _measured_values(gate, evidence)
    value = dict(zip(found.problems, found.values, strict=True))
    open_ones = {
        problem
        for results, form in _looked_at(gate, evidence)
        for problem, t in tally(results, form).items()
        if t.unknown
    }
    for problem in sorted({*value, *open_ones}, key=order):
        if problem in open_ones:
            return
        yield value[problem]


def _measured_values(gate: Gate, evidence: Evidence) -> _Values:
    """The figures from what was measured, whatever is missing."""
    return _values(
        gate,
        tally(evidence.new, gate.form),
        tally(evidence.new, _TEXT),
        tally(evidence.base, gate.form),
        tally(evidence.base, _TEXT),
    )


def _missing(gate: Gate, evidence: Evidence) -> int:
    """Samples without a measurement that the gate would look at."""
    return sum(
        t.unknown
        for results, form in _looked_at(gate, evidence)
        for t in tally(results, form).values()
    )


def _looked_at(gate: Gate, evidence: Evidence) -> Iterator[tuple[Sequence[Result], Form]]:
    """The results and forms that a gate looks at."""
    for results in [evidence.new, evidence.base] if gate.kind is Kind.COMPARE else [evidence.new]:
        yield results, gate.form
        if gate.of_gap or gate.kind is Kind.MAX_GAP:
            yield results, _TEXT


def _verdict(model: str, gate: Gate, word: Word, found: _Values, notes: tuple[str, ...]) -> Verdict:
    values = found.values
    verdict = Verdict(model, str(gate), word, None, None, gate.limit, len(values), None, notes)
    if not values:
        return replace(verdict, notes=(*notes, "no problem has a measurement"))
    figure = fmean(values)
    if gate.kind is not Kind.FAIL_UNDER:
        interval = gap_interval(values, most=2.0 if gate.of_gap else 1.0)
    elif found.samples == 1:
        interval = wilson(round(sum(values)), len(values))
    else:
        interval = rate_interval(values)
    return replace(verdict, figure=figure, interval=interval, detectable=_detectable(gate, values))


def _detectable(gate: Gate, values: Sequence[float]) -> float:
    """See `Verdict.detectable`."""
    n = len(values)
    if gate.kind is Kind.COMPARE:
        spread = sqrt(fmean([*(v**2 for v in values), *(p**2 for p in GAP_PSEUDO)]))
        seen = detectable(spread, n, alpha=ALPHA)
        # The drop that was measured must be over the limit, too.
        return max(seen, gate.limit + detectable(spread, n, alpha=0.5))
    if gate.kind is Kind.FAIL_UNDER:
        return gate.limit - detectable_share(gate.limit, n, alpha=ALPHA)
    mean = fmean(values)
    spread = sqrt(fmean([*((v - mean) ** 2 for v in values), *(p**2 for p in GAP_PSEUDO)]))
    return detectable(spread, n, alpha=ALPHA)
