"""The grammar of gates: how a user writes a requirement on a run.

A gate is ``[PREFIX:]FORM[@FAMILY]:LIMIT``, parsed from the right, since a style may contain colons:

>>> gate = parse_gate("fail-under", "image:50%")
>>> gate.kind, str(gate.form), gate.limit
('share', 'image', 0.5)
>>> print(parse_gate("compare-fail", "gap:image/original+jpeg:30@crossmath:3%"))
compare-fail gap:image/original+jpeg:30@crossmath:3%
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from pytest_crossmath.errors import OptionError, setting
from pytest_crossmath.gating.gate import Gate
from pytest_crossmath.gating.kinds import GATES
from pytest_crossmath.tasks.task import Form, Modality

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")
_FRACTION = re.compile(r"[01]?\.[0-9]{1,6}|0")


def parse_gate(option: str, text: str) -> Gate:
    """The gate that a setting's value stands for, such as ``image/beige:50%`` or ``gap:image:3%``.

    Raises `OptionError`, which says what is wrong and what is accepted.
    """
    whole = f"{setting(option)}={text}"
    kinds = {kind.prefix: kind for kind in GATES if kind.option == option}
    prefix, colon, rest = text.partition(":")
    kind = kinds.get(prefix.strip()) if colon and prefix else None
    what, colon, limit = (rest if kind else text).rpartition(":")
    kind = kind or kinds.get("")
    if not (kind and colon):
        examples = " or ".join(kind.example for kind in kinds.values())
        raise OptionError(f"{whole}: write a form and a limit, such as {examples}")
    form, at, family = what.strip().partition("@")
    looked_at = _form(whole, form.strip())
    if kind.needs_text() and looked_at.modality is Modality.TEXT:
        raise OptionError(f"{whole}: a gap is measured against text; write image or image+text")
    if at and not family.strip():
        raise OptionError(f"{whole}: write a family of problems after the @, or leave out the @")
    return kind(looked_at, _limit(whole, limit.strip()), family.strip() or None)


def parse_shown(text: str) -> Gate:
    """Parse a gate as it is displayed, ``compare-fail image:5%``. Raises `OptionError`."""
    option, _, value = text.partition(" ")
    return parse_gate(option, value)


def check_gates(
    gates: Iterable[Gate],
    *,
    modalities: Sequence[str],
    styles: Sequence[str],
    forms: Mapping[str, Collection[Form]],
) -> None:
    """Raise `OptionError` for a gate on something that the run does not include.

    `forms` has the forms of the problems, by family; it is empty if they are not known.
    """
    for gate in gates:
        whole = str(gate).replace(f"{gate.option} ", f"{setting(gate.option)}=", 1)
        for name in (gate.form.modality, *([Modality.TEXT] if gate.needs_text() else [])):
            if name not in modalities:
                raise OptionError(
                    f"{whole}: this run does not include {name}:"
                    f" add it to {setting('modality')}, or remove the gate"
                )
        if gate.form.style and gate.form.style not in styles:
            raise OptionError(
                f"{whole}: this run does not include style {gate.form.style}:"
                f" its styles are {', '.join(styles) or 'none'}"
            )
        if gate.family is not None and forms and gate.family not in forms:
            raise OptionError(
                f"{whole}: this run does not include family {gate.family}:"
                f" its families are {', '.join(forms) or 'none'}"
            )
        asked = [
            form for family, some in forms.items() if gate.family in {None, family} for form in some
        ]
        if forms and not any(map(gate.form.holds, asked)):
            of = f" of family {gate.family}" if gate.family else ""
            raise OptionError(f"{whole}: the suite has no {gate.form}{of}")


def needs_baseline(gates: Iterable[Gate]) -> bool:
    """Whether any gate compares the run with a baseline."""
    return any(gate.needs_baseline() for gate in gates)


def _form(whole: str, text: str) -> Form:
    name = text.partition("/")[0]
    if name not in list(Modality):
        raise OptionError(f"{whole}: {name!r} is not a form; use one of {', '.join(Modality)}")
    try:
        return Form.parse(text)
    except ValueError:
        raise OptionError(f"{whole}: an image style comes after image/ or image+text/") from None


def _limit(whole: str, text: str) -> float:
    """A percentage with its % sign, or a fraction from 0 to 1."""
    percent = _PERCENT.fullmatch(text)
    if percent and float(percent[1]) <= 100:
        return float(percent[1]) / 100
    if _FRACTION.fullmatch(text) and float(text) <= 1:
        return float(text)
    raise OptionError(f"{whole}: {text!r} is not a limit; write a percentage, such as 5%")
