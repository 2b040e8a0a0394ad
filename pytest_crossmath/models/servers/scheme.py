"""OpenAI-compatible servers as a kind of model."""

from __future__ import annotations

import json

from pytest_crossmath.models.backend import Backend, Settings
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.scheme import Scheme
from pytest_crossmath.models.servers.address import USAGE, split_server
from pytest_crossmath.models.spec import ModelSpec, require


class ServerScheme(Scheme):
    """A model on a server; without a URL, that is the hosted API or ``OPENAI_BASE_URL``."""

    kinds = ("openai",)
    prefix = "openai"
    usage = USAGE

    def parse(self, target: str) -> ModelSpec:
        """A name with or without a URL."""
        model, _ = split_server(target)
        return ModelSpec(model.rstrip("/").rpartition("/")[2] or model, "openai", target)

    def check(self, spec: ModelSpec) -> None:
        """Raise `ModelError` if the client is not installed."""
        require(spec, "openai", extra="openai")

    def load(self, spec: ModelSpec, settings: Settings) -> Backend:
        """A client for the server, which must respond. Raises `ModelError`."""
        from pytest_crossmath.models.servers.openai_api import OpenAIBackend

        return OpenAIBackend.connect(spec.target, settings)

    def identify(
        self,
        spec: ModelSpec,
        settings: Settings,
        digests: Digests,  # noqa: ARG002 - nothing is hashed
        *,
        loaded: bool,  # noqa: ARG002 - loading changes nothing
    ) -> str | None:
        """What the server says it serves.

        Different weights under the same name, path and URL cannot be told apart.
        """
        from pytest_crossmath.models.servers.openai_api import describe_server

        return json.dumps(describe_server(spec.target, settings), sort_keys=True)


SCHEME = ServerScheme()
