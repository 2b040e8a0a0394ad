"""A kind of model: how it is written on the command line, checked, loaded and identified.

A backend has a module with `SCHEME`, which `models/registry.py` lists. The smallest one that
works, with the `Parrot` of `models/backend.py`::

    class ParrotScheme(Scheme):
        kinds, prefix, usage = ("parrot",), "parrot", "parrot:WORD"

        def parse(self, target: str) -> ModelSpec:
            return ModelSpec(target, "parrot", target)

        def load(self, spec: ModelSpec, settings: Settings) -> Parrot:
            return Parrot()

    SCHEME = ParrotScheme()

Now ``--crossmath-model=parrot:hello`` works. Such a module must not import anything heavy:
leave that to `load`.
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
    """What comes before the colon, such as ``hf``; empty if models are known only by name."""
    usage: ClassVar[str]
    """How it is written, for messages: ``hf:ORG/NAME[@REVISION]``; empty if names are enough."""
    names: ClassVar[Mapping[str, str]] = {}
    """Models that are known by name, with what each name stands for."""
    takes_path: ClassVar[bool] = False
    """Whether a file or folder comes after the colon."""
    sends_files: ClassVar[bool] = True
    """Whether a model gets pictures as files, which it decodes itself, and not as pixels."""

    def parse(self, target: str) -> ModelSpec:
        """The model that is written ``PREFIX:TARGET``, under its default name.

        Raises `ModelError` if the target is invalid. Called only if the scheme has a prefix.
        """
        raise NotImplementedError

    def named(self, text: str) -> ModelSpec | None:  # noqa: ARG002 - most have no such names
        """The model that is written without a prefix; None if the text is not one of these.

        Raises `ModelError` if it is one of these, but cannot be used.
        """
        return None

    def missing(self, text: str) -> str | None:  # noqa: ARG002 - most have nothing to look for
        """What to say of a text that no scheme knows, if it looks like one of these; else None."""
        return None

    def check(self, spec: ModelSpec) -> None:  # noqa: B027 - most have nothing to check
        """Raise `ModelError` for any mistake that can be found without loading the model."""

    def check_suite(self, spec: ModelSpec, suite: Suite) -> None:  # noqa: B027 - most take any
        """Raise `OptionError` for a suite that such a model cannot be run on."""

    def default_suite(self, spec: ModelSpec) -> str | None:  # noqa: ARG002 - most have none
        """The bundled suite on which a model is run if the user does not name one; None for any."""
        return None

    @abstractmethod
    def load(self, spec: ModelSpec, settings: Settings) -> Backend:
        """The model, loaded. Raises `ModelError`."""

    def identify(
        self,
        spec: ModelSpec,  # noqa: ARG002 - not cached
        settings: Settings,  # noqa: ARG002 - not cached
        digests: Digests,  # noqa: ARG002 - not cached
        *,
        loaded: bool,  # noqa: ARG002 - not cached
    ) -> str | None:
        """A text, for the cache, that is equal for two models exactly if they respond alike.

        None if that is not known, or if responses cost nothing: then they are not cached.
        Called again once the model is `loaded`.
        """
        return None

    def weights_digest(self, spec: ModelSpec, digests: Digests) -> str | None:  # noqa: ARG002 - most have no weights here
        """``sha256:…`` over the weights alone, for the record; None if they are not here."""
        return None
