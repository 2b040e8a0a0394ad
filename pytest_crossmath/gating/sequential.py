"""A sequential test: gates decided during the run, in random order, with stated error rates.

Problems are asked in a seeded random order, and after each one the evidence is an *e-value*
(see `betting`): one gambler bets against "the limit is kept", another against "it is broken".
A gate is decided the moment one of them owns enough, however often this is checked.

A gate that is decided this way is wrong with a chance of at most `ALPHA` in either direction;
a gate that is never decided gets the verdict of the full run. Overall, the chance of a false
alarm is at most `ALPHA` plus the 5 % of the full run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from pytest_crossmath.gating.gate import Gate, Word
from pytest_crossmath.gating.verdicts import Evidence, whole_values

ALPHA = 0.01
"""Chance, for all gates of a model together, that the sequential test decides one wrongly."""

SEED = 2604


def random_order(problem: str) -> bytes:
    """Sort key that puts problems into the random order, the same in every process."""
    return hashlib.sha256(f"{SEED}/{problem}".encode()).digest()


def sequential_words(gates: Sequence[Gate], evidence: Evidence) -> list[Word | None]:
    """The verdict that each gate has reached so far; None if it is not decided yet.

    Looks at problems in the random order, up to the first that is not complete yet.
    """
    return [
        _decide(gate, whole_values(gate, evidence, random_order), enough=len(gates) / ALPHA)
        for gate in gates
    ]


def _decide(gate: Gate, values: Iterable[float], *, enough: float) -> Word | None:
    """The first decision as the values are added one by one."""
    breaks, keeps = gate.gamblers()
    total = 0.0
    for count, value in enumerate(values, start=1):
        fails, passes = (gambler.after(value) >= enough for gambler in (breaks, keeps))
        total += value
        is_broken = gate.is_broken(total / count)
        if fails and is_broken:
            return Word.FAIL
        if passes and not is_broken:
            return Word.PASS
    return None
