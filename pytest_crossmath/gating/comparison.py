"""A run beside another: whether they can be compared, and which problems changed.

Runs over other problems, another prompt, other modalities, styles or sample counts are no
pair. Other settings, backends or versions are what a comparison may be about: they are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_crossmath.errors import ComparisonError, setting
from pytest_crossmath.gating.rates import measured, tally
from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.run import Run
from pytest_crossmath.tasks.task import Form, Modality
from pytest_crossmath.text import cut

_ASKED = {
    "modalities": "modalities",
    "styles": "image styles",
    "samples": "sample counts",
    "instruction": "prompts",
}
"""Fields of a header that must be equal, with the word for each."""
_MOVED = {"batch_size", "timeout", "api_key_env"}
"""Settings that say how a run is done and not what a model answers."""
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
    """Raise `ComparisonError` naming the first thing that makes two runs no pair."""
    for run in (base, new):
        if run.summary is None:
            raise ComparisonError(
                f"{run.name} was not finished: it ends after {len(run.results)} results;"
                " run it again, what it has is in the cache"
            )
    check_headers(base, new.header, new.name)


def same_requests(base_name: str, base: Sequence[Result], name: str, new: Sequence[Result]) -> None:
    """Raise `ComparisonError` unless one model here was asked what one was asked there."""
    theirs, ours = ({result.id[1] for result in results} for results in (base, new))
    if ours != theirs:
        first = min((theirs ^ ours), key=str)
        what = f"{first.task} as {first.form.modality}"
        raise ComparisonError(
            f"{base_name} and {name} hold other problems: {len(theirs)} and {len(ours)} samples,"
            f" {len(ours & theirs)} of them in both (first other: {what})"
        )


def check_headers(base: Run, header: Mapping[str, Any], name: str) -> None:
    """The part of `check_comparable` that is known before a run starts."""
    there, here = _suite(base.header), _suite(header)
    if there.get("digest") != here.get("digest"):
        raise ComparisonError(
            f"{base.name} and {name} are over other problems: suite {there.get('name')} and"
            f" {here.get('name')}, or another version of it"
        )
    if set(there.get("problems", ())) != set(here.get("problems", ())):
        raise ComparisonError(
            f"{base.name} and {name} are over other problems:"
            f" {len(there.get('problems', ()))} and {len(here.get('problems', ()))} of suite"
            f" {here.get('name')} ({setting('limit')})"
        )
    rules = [found.get("scoring", 1) for found in (base.header, header)]
    if rules[0] != rules[1]:
        raise ComparisonError(
            f"{base.name} and {name} were scored by different rules, {rules[0]} and {rules[1]}:"
            f" score the older anew, with pytest {setting('model')}=NAME=replay:RUN.jsonl"
        )
    for field, word in _ASKED.items():
        one, other = base.header.get(field), header.get(field)
        if _as_set(one) != _as_set(other):
            raise ComparisonError(
                f"{base.name} and {name} have other {word}: {_short(one)} and {_short(other)}"
            )


def differences(
    base: Mapping[str, Any], new: Mapping[str, Any], models: tuple[str, str]
) -> Iterator[str]:
    """What else differs between two headers, a line each: settings, backends, versions."""
    settings = base.get("settings", {}), new.get("settings", {})
    versions = base.get("versions", {}), new.get("versions", {})
    for what, (one, other) in (("setting", settings), ("version of", versions)):
        for key in sorted({*one, *other} - _MOVED):
            if one.get(key) != other.get(key):
                yield f"{what} {key}: {_short(one.get(key))} there, {_short(other.get(key))} here"
    kinds = [
        header.get("models", {}).get(model, {}).get("kind")
        for header, model in zip((base, new), models, strict=True)
    ]
    if kinds[0] != kinds[1]:
        yield f"kind of model: {kinds[0]} there, {kinds[1]} here"


def pick_model(base: Run, model: str, wanted: str | None) -> str:
    """Which model of the other run a model is compared with.

    That of the same name, or the only one. Raises `ComparisonError` where neither is there.
    """
    names = base.models
    if wanted is not None and wanted not in names:
        raise ComparisonError(f"{base.name} has no results of {wanted!r}: {_listed(names)}")
    for name in (wanted, model, names[0] if len(names) == 1 else None):
        if name in names:
            return str(name)
    raise ComparisonError(
        f"{base.name} has results of {_listed(names)} and none of {model}: pick one with"
        f" {base.name}#NAME"
    )


def of_model(results: Sequence[Result], model: str) -> tuple[Result, ...]:
    """The results of one model."""
    return tuple(result for result in results if result.model == model)


def changes(base: Sequence[Result], new: Sequence[Result]) -> Iterator[Change]:
    """The problems that changed, by modality, from the results of one model each."""
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
    """The order in which forms were asked is nothing that makes runs differ."""
    return set(value) if isinstance(value, list) else value


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return cut(" ".join(text.split()), _SHOWN)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no model"
