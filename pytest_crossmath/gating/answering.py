"""The model that answered: whether a server let another one answer than was asked for.

A router may send a request to another model, and a server may be restarted with another one,
in the middle of a run too. That is not an error, since some users ask for it, but no verdict
should be read without it.

>>> is_as_asked("gpt-4o", "gpt-4o-2024-08-06")
True
>>> is_as_asked("gpt-4o", "gpt-4o-mini")
False
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_crossmath.errors import ModelError
from pytest_crossmath.inference.result import Result
from pytest_crossmath.models.servers.address import split_server
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.text import one_line

_FINGERPRINT = re.compile(r" \([^()]*\)$")
"""The configuration after the name, see `models/servers/chat_completion.py`."""
_TAG = re.compile(r"([-:]latest|:free|:default|@main)$")
"""What a name may have or lack and still mean the same."""
_VERSION = re.compile(r"(-\d{4}-\d{2}-\d{2}|-\d{8}|-\d{3,4}|@[\w.-]+)$")
"""The date or number of a snapshot, which either name may leave out."""
_SHOWN = 4


def answering_lines(header: Mapping[str, Any], results: Iterable[Result]) -> dict[str, str]:
    """For each model that another one answered for, or several: what was asked for, and who did.

    `results` are those of a run, with this header.
    """
    by_model: dict[str, Counter[str | None]] = {}
    for result in results:
        if result.outcome not in {Outcome.ERROR, Outcome.PENDING}:
            by_model.setdefault(result.model, Counter())[_plain(result.answered_by)] += 1
    return {
        model: line
        for model, counts in by_model.items()
        if (line := _line(_asked(header, model), counts)) is not None
    }


def another_answered(header: Mapping[str, Any], results: Iterable[Result]) -> list[str]:
    """The lines of `answering_lines`, each with its model, to stand out in a report."""
    found = answering_lines(header, results)
    return [f"ANOTHER MODEL ANSWERED  {model}: {line}" for model, line in found.items()]


def answering_difference(
    model: str, base: Iterable[Result], new: Iterable[Result]
) -> Iterator[str]:
    """A line if other models, or other configurations, answered than in the baseline.

    Both are the results of one model. Nothing if either run does not say who answered.
    """
    there, here = (sorted({r.answered_by for r in some if r.answered_by}) for some in (base, new))
    if there and here and there != here:
        yield f"answering model of {model}: {_listed(there)}, now {_listed(here)}"


def is_as_asked(asked: str, answered: str) -> bool:
    """Whether an answering model is the one that was asked for, maybe by a longer name."""
    one, other = _short(asked), _short(answered)
    return one in {other, _VERSION.sub("", other)} or other == _VERSION.sub("", one)


def _short(name: str) -> str:
    """A name without its owner or folder, its tag and its case."""
    return _TAG.sub("", re.split(r"[/\\]", name.rstrip("/\\"))[-1].casefold())


def _line(asked: str | None, counts: Counter[str | None]) -> str | None:
    names = [name for name in counts if name is not None]
    as_asked = asked is None or all(is_as_asked(asked, name) for name in names)
    if not names or (as_asked and len(names) == 1):
        return None
    total = counts.total()
    said = [f"{name} ({counts[name]} of {total})" for name in sorted(names)]
    return f"{f'asked for {asked}, ' if asked else ''}answered by {_listed(said)}"


def _asked(header: Mapping[str, Any], model: str) -> str | None:
    """The name that a server was asked for; None for a model that is not on a server."""
    about = header.get("models", {}).get(model) or {}
    if about.get("kind") != "openai":
        return None
    try:
        return split_server(str(about.get("target")))[0]
    except ModelError:
        return None


def _plain(answered: str | None) -> str | None:
    return None if answered is None else _FINGERPRINT.sub("", one_line(answered))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
