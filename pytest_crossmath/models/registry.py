"""The backends: which module runs which kind of model.

A backend is a module with four functions. They are looked up by the module's name, so that
only the one that is asked for is imported::

    check(spec)                                  # what can be seen to be wrong without loading
    load(spec, settings)                         # the model as a `Backend`
    identify(spec, settings, digests, loaded=…)   # what can change an answer, for the cache
    weights_digest(spec, digests)               # the weights alone, for the record
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from pytest_crossmath.models.backend import Backend, Settings
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.spec import ModelSpec

BACKENDS: Mapping[str, str] = {
    "local": "pytest_crossmath.models.checkpoint.scheme",
    "hub": "pytest_crossmath.models.checkpoint.scheme",
    "openai": "pytest_crossmath.models.servers.scheme",
    "replay": "pytest_crossmath.models.replay",
    "reference": "pytest_crossmath.models.reference",
}
"""The module of each kind of model."""


class _Scheme(Protocol):
    """What a module of a backend has."""

    def check(self, spec: ModelSpec) -> None: ...

    def load(self, spec: ModelSpec, settings: Settings) -> Backend: ...

    def identify(
        self, spec: ModelSpec, settings: Settings, digests: Digests, *, loaded: bool
    ) -> str | None: ...

    def weights_digest(self, spec: ModelSpec, digests: Digests) -> str | None: ...


def check_spec(spec: ModelSpec) -> None:
    """Raise `ModelError` for whatever can be seen to be wrong without loading the model."""
    _scheme(spec).check(spec)


def load_backend(spec: ModelSpec, settings: Settings) -> Backend:
    """The model, loaded. Raises `ModelError`."""
    return _scheme(spec).load(spec, settings)


def identify(spec: ModelSpec, settings: Settings, digests: Digests, *, loaded: bool) -> str | None:
    """A text equal for two models exactly if they answer alike; None where that cannot be said.

    That is so for saved responses and the calibrator, which cost nothing to ask again, and
    for a model of the Hub before it is `loaded`: nobody knows yet which commit its branch
    stands for.
    """
    return _scheme(spec).identify(spec, settings, digests, loaded=loaded)


def weights_digest(spec: ModelSpec, digests: Digests) -> str | None:
    """``sha256:…`` over a model's weights, an adapter's with its base.

    None where they are not on this machine.
    """
    return _scheme(spec).weights_digest(spec, digests)


def _scheme(spec: ModelSpec) -> _Scheme:
    return cast(_Scheme, import_module(BACKENDS[spec.kind]))
