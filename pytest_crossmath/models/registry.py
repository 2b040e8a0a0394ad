"""The backends: finds the one that a model spec belongs to, and calls it.

>>> parse_spec("llava")
ModelSpec(name='llava', kind='hub', target='llava-hf/llava-1.5-7b-hf', revision=None)
>>> parse_spec("tuned=hf:Qwen/Qwen2.5-VL-3B-Instruct@main").revision
'main'

Backends are listed by the name of their module, which has a `SCHEME`. None of these modules
imports anything heavy before a model is loaded, so that a wrong name, a missing folder or a
missing extra is reported at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module

from pytest_crossmath.errors import ModelError
from pytest_crossmath.files import where_it_was_sought
from pytest_crossmath.models.backend import Backend, Settings
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.scheme import Scheme
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.tasks.suite import Suite

BACKENDS = (
    "pytest_crossmath.models.checkpoint.scheme",
    "pytest_crossmath.models.reference",
    "pytest_crossmath.models.servers.scheme",
    "pytest_crossmath.models.replay",
)
"""The module of each backend."""

STANDARD_SUITE = "standard"
"""The default suite of most models."""

_NAMED = re.compile(r"(?P<name>[\w.+-]+)=(?P<spec>.+)", re.DOTALL | re.ASCII)


def parse_spec(text: str) -> ModelSpec:
    """What ``SPEC`` or ``NAME=SPEC`` stands for.

    Raises `ModelError` for an unknown name, listing the closest ones, and for a
    directory or file that does not exist.
    """
    given = _NAMED.fullmatch(text.strip())
    name, spec = (given["name"], given["spec"].strip()) if given else (None, text.strip())
    found = _parse(spec)
    return replace(found, name=name or re.sub(r"[^\w.+-]+", "-", found.name, flags=re.ASCII))


def check_spec(spec: ModelSpec) -> None:
    """Raise `ModelError` for any mistake that can be found without loading the model."""
    _scheme(spec).check(spec)


def check_suite(spec: ModelSpec, suite: Suite) -> None:
    """Raise `OptionError` for a suite that the model cannot be run on."""
    _scheme(spec).check_suite(spec, suite)


def default_suite(specs: Iterable[ModelSpec]) -> str:
    """The bundled suite on which these models are run if the user does not name one."""
    suites = {_scheme(spec).default_suite(spec) or STANDARD_SUITE for spec in specs}
    return suites.pop() if len(suites) == 1 else STANDARD_SUITE


def load_backend(spec: ModelSpec, settings: Settings) -> Backend:
    """The model, loaded. Raises `ModelError`."""
    return _scheme(spec).load(spec, settings)


def identify(spec: ModelSpec, settings: Settings, digests: Digests, *, loaded: bool) -> str | None:
    """A text that is equal for two models exactly if they respond alike; see `Scheme.identify`."""
    return _scheme(spec).identify(spec, settings, digests, loaded=loaded)


def sends_files(spec: ModelSpec) -> bool:
    """Whether a model gets pictures as files, which it decodes itself, and not as pixels."""
    return _scheme(spec).sends_files


def weights_digest(spec: ModelSpec, digests: Digests) -> str | None:
    """``sha256:…`` over a model's weights, for an adapter together with those of its base.

    None if they are not on this machine.
    """
    return _scheme(spec).weights_digest(spec, digests)


def model_names() -> Mapping[str, str]:
    """Models that are known by name, with what each name stands for."""
    return {name: what for scheme in _schemes() for name, what in scheme.names.items()}


def usages() -> tuple[str, ...]:
    """How models that are not known by name are written."""
    return tuple(scheme.usage for scheme in _schemes() if scheme.usage)


def path_prefixes() -> tuple[str, ...]:
    """The prefixes that are followed by a file or folder."""
    return tuple(scheme.prefix for scheme in _schemes() if scheme.takes_path)


def _parse(spec: str) -> ModelSpec:
    prefix, _, target = spec.partition(":")
    for scheme in _schemes():
        if target and prefix and scheme.prefix == prefix:
            return scheme.parse(target)
    # Built-in names win over folders of the same name.
    for scheme in sorted(_schemes(), key=lambda scheme: spec not in scheme.names):
        if (found := scheme.named(spec)) is not None:
            return found
    for scheme in _schemes():
        if (message := scheme.missing(spec)) is not None:
            raise ModelError(f"{message} ({where_it_was_sought(spec, folders=True)})")
    close = difflib.get_close_matches(spec.casefold(), list(model_names()), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ModelError(
        f"unknown model {spec!r}: {hint}A model is a name that `crossmath models` lists,"
        f" {', '.join(usages()[:-1])} or {usages()[-1]}"
    )


def _schemes() -> tuple[Scheme, ...]:
    return _loaded(BACKENDS)


@cache
def _loaded(modules: tuple[str, ...]) -> tuple[Scheme, ...]:
    return tuple(import_module(module).SCHEME for module in modules)


def _scheme(spec: ModelSpec) -> Scheme:
    return next(scheme for scheme in _schemes() if spec.kind in scheme.kinds)
