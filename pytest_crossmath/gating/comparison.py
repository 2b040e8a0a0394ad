"""Comparing two runs: whether they can be compared, and which problems changed.

Runs over different problems, prompts, modalities, styles or sample counts cannot be compared.
Differences in settings, backends or versions may be the point of a comparison: they are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_crossmath.errors import ComparisonError, setting
from pytest_crossmath.gating.calibration import are_copies
from pytest_crossmath.gating.rates import measured, tally
from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.run import Run
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.task import Form, Modality
from pytest_crossmath.text import cut

_ASKED = {
    "modalities": "modalities",
    "styles": "image styles",
    "samples": "sample counts",
    "instruction": "prompts",
}
"""Header fields that must be equal, with the word that messages use for each."""
_MOVED = {"batch_size", "timeout", "api_key_env", "give_up"}
"""Settings that affect how a run is carried out, not what a model answers."""
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Change:
    """The problems whose outcome in one form changed."""

    form: Form
    """The form."""
    regressed: tuple[str, ...]
    """Ids of problems solved less often than before."""
    improved: tuple[str, ...]
    """Ids of problems solved more often."""


def check_comparable(base: Run, new: Run) -> None:
    """Raise `ComparisonError` with the first reason why two runs cannot be compared."""
    for run in (base, new):
        if run.summary is None:
            raise ComparisonError(
                f"{run.name} is not finished: it ends after {len(run.results)} results;"
                " run it again, its responses so far are in the cache"
            )
        if not run.results:
            raise ComparisonError(f"{run.name} holds no results: there is nothing to compare")
    check_headers(base, new.header, new.name)


def same_requests(base_name: str, base: Sequence[Result], name: str, new: Sequence[Result]) -> None:
    """Raise `ComparisonError` unless both models were given the same requests."""
    theirs, ours = ({result.id[1] for result in results} for results in (base, new))
    if ours != theirs:
        first = min((theirs ^ ours), key=str)
        what = f"{first.task} as {first.form.modality}"
        raise ComparisonError(
            f"{base_name} and {name} cover different problems: {len(theirs)} and {len(ours)}"
            f" samples, {len(ours & theirs)} of them in both (first difference: {what})"
        )


def same_targets(base_name: str, base: Sequence[Result], name: str, new: Sequence[Result]) -> None:
    """Raise `ComparisonError` unless what both models were asked has the same right values.

    The pictures and texts are those of the suite's digest, but a record may have been edited.
    """
    theirs = {result.problem: (result.key, result.steps) for result in base}
    for result in new:
        key, steps = theirs.get(result.problem, (result.key, result.steps))
        if (key, steps) != (result.key, result.steps):
            raise ComparisonError(
                f"{base_name} and {name} have different keys for {result.problem}:"
                f" {_short(list(key))} and {_short(list(result.key))}"
            )


def same_weights(one: Run, other: Run, models: tuple[str, str]) -> None:
    """Raise `ComparisonError` for two models: the difference between them is not noise."""
    there, here = _of_models("digest", (one.header, other.header), models)
    if there and here and there != here:
        raise ComparisonError(
            f"{one.name} and {other.name} are runs of different weights: calibrate needs runs of"
            " one model; to compare two, use crossmath compare"
        )


def check_headers(base: Run, header: Mapping[str, Any], name: str) -> None:
    """The part of `check_comparable` that can be checked before a run starts."""
    there, here = _suite(base.header), _suite(header)
    if there.get("digest") != here.get("digest"):
        raise ComparisonError(
            f"{base.name} and {name} cover different problems: suites {there.get('name')} and"
            f" {here.get('name')}, or different versions of one suite"
        )
    if set(there.get("problems", ())) != set(here.get("problems", ())):
        raise ComparisonError(
            f"{base.name} and {name} cover different problems:"
            f" {len(there.get('problems', ()))} and {len(here.get('problems', ()))} of suite"
            f" {here.get('name')} ({setting('limit')})"
        )
    rules = [found.get("scoring", 1) for found in (base.header, header)]
    if rules[0] != rules[1]:
        raise ComparisonError(
            f"{base.name} and {name} were scored by different rules, {rules[0]} and {rules[1]}:"
            f" score the older one again, with pytest {setting('model')}=NAME=replay:RUN.jsonl"
        )
    for field, word in _ASKED.items():
        one, other = base.header.get(field), header.get(field)
        if _as_set(one) != _as_set(other):
            raise ComparisonError(
                f"{base.name} and {name} have different {word}: {_short(one)} and {_short(other)}"
            )


def differences(
    base: Mapping[str, Any], new: Mapping[str, Any], models: tuple[str, str]
) -> Iterator[str]:
    """One line for each other difference between two headers: settings, backends, versions."""
    settings = base.get("settings", {}), new.get("settings", {})
    versions = base.get("versions", {}), new.get("versions", {})
    for what, (one, other) in (("setting", settings), ("version of", versions)):
        for key in sorted({*one, *other} - _MOVED):
            if one.get(key) != other.get(key):
                yield f"{what} {key}: {_short(one.get(key))}, now {_short(other.get(key))}"
    there, here = _of_models("kind", (base, new), models)
    if there != here:
        yield f"kind of model: {there}, now {here}"


def _of_models(
    field: str, headers: tuple[Mapping[str, Any], ...], models: tuple[str, ...]
) -> list[Any]:
    """What each header says of its model; None where it says nothing."""
    return [
        header.get("models", {}).get(model, {}).get(field)
        for header, model in zip(headers, models, strict=True)
    ]


def copies(base: Sequence[Result], new: Sequence[Result]) -> Iterator[str]:
    """A line if everything that was measured is a copy of the baseline's, so that nothing is new.

    That is so for a record and itself, for its replay, and for a run of the same model whose
    responses come from the cache.
    """
    known = {result.id[1]: result for result in base}
    found = [
        (known[result.id[1]], result)
        for result in new
        if result.outcome is not Outcome.ERROR and result.id[1] in known
    ]
    if found and all(are_copies(*pair) for pair in found):
        yield (
            "every response is a copy of the baseline's, from the cache or a record: nothing was"
            " measured anew"
        )


def pick_model(base: Run, model: str, wanted: str | None) -> str:
    """The model of the base run that a model is compared with.

    It is the one named by `wanted`, the one of the same name, or the only one. Raises
    `ComparisonError` if there is none.
    """
    names = base.models
    if wanted is not None and wanted not in names:
        raise ComparisonError(f"{base.name} has no results of {wanted!r}: {_listed(names)}")
    for name in (wanted, model, names[0] if len(names) == 1 else None):
        if name in names:
            return str(name)
    raise ComparisonError(
        f"{base.name} has results of {_listed(names)} but none of {model}: pick one with"
        f" {base.name}#NAME"
    )


def of_model(results: Sequence[Result], model: str) -> tuple[Result, ...]:
    """The results of one model."""
    return tuple(result for result in results if result.model == model)


def changes(base: Sequence[Result], new: Sequence[Result]) -> Iterator[Change]:
    """The problems that changed, by modality; each run is given as the results of one model."""
    asked = {result.form.modality for result in new}
    for form in (Form(modality) for modality in Modality if modality in asked):
        there, here = (measured(tally(results, form)) for results in (base, new))
        both = sorted(problem for problem in here if problem in there)
        yield Change(
            form,
            tuple(problem for problem in both if here[problem] < there[problem]),
            tuple(problem for problem in both if here[problem] > there[problem]),
        )


def _suite(header: Mapping[str, Any]) -> Mapping[str, Any]:
    suite = header.get("suite")
    return suite if isinstance(suite, dict) else {}


def _as_set(value: Any) -> Any:
    """A list as a set: runs that asked the same forms in a different order do not differ."""
    return set(value) if isinstance(value, list) else value


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return cut(" ".join(text.split()), _SHOWN)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no model"
