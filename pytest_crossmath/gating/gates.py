"""Gates: what a run must show, as a user writes it.

>>> gate = parse_gate(Kind.FAIL_UNDER, "image:0.5")
>>> gate.kind, str(gate.form), gate.limit
(<Kind.FAIL_UNDER: 'fail-under'>, 'image', 0.5)
>>> print(parse_gate(Kind.COMPARE, "gap:image/noborder:3%"))
compare-fail gap:image/noborder:3%
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_crossmath.errors import OptionError, setting
from pytest_crossmath.tasks.task import Form, Modality

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")
_FRACTION = re.compile(r"[01]?\.\d{1,6}|0")
_OF_GAP = "gap:"


class Kind(StrEnum):
    """What a gate looks at; the value is the option that takes it."""

    FAIL_UNDER = "fail-under"
    """The share of problems solved: it must not be under the limit."""
    MAX_GAP = "max-gap"
    """The gap to text: it must not be over the limit."""
    COMPARE = "compare-fail"
    """The drop since another run in problems solved: it must not be over the limit."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One requirement."""

    kind: Kind
    """What is looked at."""
    form: Form
    """In which form."""
    limit: float
    """The limit, a fraction from 0 to 1."""
    of_gap: bool = False
    """Whether a `COMPARE` gate looks at how much the gap grew, and not at the form alone."""

    def __str__(self) -> str:
        of = _OF_GAP if self.of_gap else ""
        return f"{self.kind} {of}{self.form}:{100 * self.limit:g}%"


def parse_gate(kind: Kind, text: str) -> Gate:
    """A gate from ``FORM:LIMIT``, such as ``image:0.5``, ``image/beige:50%`` or ``gap:image:3%``.

    Raises `OptionError` that says what is wrong and what is taken.
    """
    whole = f"{setting(kind)}={text}"
    of_gap = kind is Kind.COMPARE and text.startswith(_OF_GAP)
    form, colon, limit = text.removeprefix(_OF_GAP if of_gap else "").rpartition(":")
    if not colon:
        raise OptionError(f"{whole}: write a form and a limit, such as {_example(kind)}")
    name = form.strip().partition("/")[0]
    if name not in list(Modality):
        raise OptionError(f"{whole}: {name!r} is no form; it takes {', '.join(Modality)}")
    try:
        looked_at = Form.parse(form.strip())
    except ValueError:
        raise OptionError(f"{whole}: an image style comes after image/ or image+text/") from None
    if looked_at.modality is Modality.TEXT and (of_gap or kind is Kind.MAX_GAP):
        raise OptionError(f"{whole}: the gap is measured to text; name image or image+text")
    return Gate(kind, looked_at, _limit(whole, limit.strip()), of_gap)


def check_gates(
    gates: Sequence[Gate],
    *,
    modalities: Sequence[str],
    styles: Sequence[str],
    forms: Collection[Form] | None = None,
) -> None:
    """Raise `OptionError` for a gate on a form that is not asked.

    `forms` are those of the suite, where it is known.
    """
    for gate in gates:
        whole = str(gate).replace(gate.kind, setting(gate.kind), 1)
        needs_text = gate.of_gap or gate.kind is Kind.MAX_GAP
        for name in (gate.form.modality, *([Modality.TEXT] if needs_text else [])):
            if name not in modalities:
                raise OptionError(
                    f"{whole}: this run does not ask {name}:"
                    f" add it to {setting('modality')}, or leave the gate out"
                )
        if gate.form.style and gate.form.style not in styles:
            raise OptionError(
                f"{whole}: this run does not ask style {gate.form.style}:"
                f" it asks {', '.join(styles) or 'none'}"
            )
        if gate.form.style and forms is not None and gate.form not in forms:
            raise OptionError(f"{whole}: the suite has no {gate.form}")


def _limit(whole: str, text: str) -> float:
    """A fraction from 0 to 1, or a percentage with its sign."""
    percent = _PERCENT.fullmatch(text)
    if percent and float(percent[1]) <= 100:
        return float(percent[1]) / 100
    if _FRACTION.fullmatch(text) and float(text) <= 1:
        return float(text)
    raise OptionError(f"{whole}: {text!r} is no limit; write a fraction as 0.05, or 5%")


def _example(kind: Kind) -> str:
    return {Kind.FAIL_UNDER: "image:0.5", Kind.MAX_GAP: "image:0.2", Kind.COMPARE: "image:5%"}[kind]
