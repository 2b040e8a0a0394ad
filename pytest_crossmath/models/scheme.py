"""How a kind of model is written on a command line, and what is done with it.

A backend has a module with `SCHEME`, which `models/registry.py` lists. The smallest one that
works, with the `Parrot` of `models/backend.py`::

    class ParrotScheme(Scheme):
        kinds, prefix, usage = ("parrot",), "parrot", "parrot:WORD"

        def parse(self, target):
            return ModelSpec(target, "parrot", target)

        def load(self, spec, settings):
            return Parrot()

    SCHEME = ParrotScheme()

so that ``--crossmath-model=parrot:hello`` runs. Nothing heavy is imported by such a module:
that is for `load`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pytest_crossmath.models.backend import Backend, Settings
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.tasks.suite import Suite


class Scheme(ABC):
    """One way to name models, with the backend that runs them."""

    kinds: ClassVar[tuple[str, ...]]
    """The kinds of `ModelSpec` that it makes; no other scheme makes these."""
    prefix: ClassVar[str]
    """What stands before the colon: ``hf``; empty where models are known by name alone."""
    usage: ClassVar[str]
    """How it is written, for messages: ``hf:ORG/NAME[@REVISION]``; empty where names say it."""
    names: ClassVar[Mapping[str, str]] = {}
    """Models that have a name of their own, with what each stands for."""
    takes_path: ClassVar[bool] = False
    """Whether a file or folder comes after the colon."""

    def parse(self, target: str) -> ModelSpec:
        """The model that is written ``PREFIX:TARGET``, under its default name.

        Raises `ModelError` where that cannot be. Asked only of a scheme with a prefix.
        """
        raise NotImplementedError

    def named(self, text: str) -> ModelSpec | None:  # noqa: ARG002 - most have no such names
        """The model that is written without a prefix; None where it is not one of these.

        Raises `ModelError` where it is, and cannot be.
        """
        return None

    def check(self, spec: ModelSpec) -> None:  # noqa: B027 - with most nothing can be wrong
        """Raise `ModelError` for whatever can be seen to be wrong without loading the model."""

    def check_suite(self, spec: ModelSpec, suite: Suite) -> None:  # noqa: B027 - most take any
        """Raise `OptionError` for a suite that such a model cannot be asked."""

    def default_suite(self, spec: ModelSpec) -> str | None:  # noqa: ARG002 - most know any suite
        """The bundled suite that a model is asked where the user names none; None for any."""
        return None

    @abstractmethod
    def load(self, spec: ModelSpec, settings: Settings) -> Backend:
        """The model, loaded. Raises `ModelError`."""

    def identify(
        self,
        spec: ModelSpec,  # noqa: ARG002 - not cached
        settings: Settings,  # noqa: ARG002
        digests: Digests,  # noqa: ARG002
        *,
        loaded: bool,  # noqa: ARG002
    ) -> str | None:
        """A text that is equal for two models exactly if they answer alike, for the cache.

        None where that cannot be said, or where it costs nothing to ask again: then responses
        are not cached. It is asked again when the model is `loaded`.
        """
        return None

    def weights_digest(self, spec: ModelSpec, digests: Digests) -> str | None:  # noqa: ARG002 - most have no weights here
        """``sha256:…`` over the weights alone, for the record; None where they are not here."""
        return None
