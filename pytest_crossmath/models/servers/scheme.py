"""OpenAI-compatible servers as a kind of model."""

from __future__ import annotations

import json

from pytest_crossmath.models.backend import Backend, Settings
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.spec import ModelSpec, require


def check(spec: ModelSpec) -> None:
    """Raise `ModelError` where the client is not installed."""
    require(spec, "openai", extra="openai")


def load(spec: ModelSpec, settings: Settings) -> Backend:
    """A client that the server has answered. Raises `ModelError`."""
    from pytest_crossmath.models.servers.openai_api import OpenAIBackend

    return OpenAIBackend.connect(spec.target, settings)


def identify(spec: ModelSpec, settings: Settings, digests: Digests, *, loaded: bool) -> str | None:  # noqa: ARG001 - nothing is hashed
    """What the server says it serves.

    Other weights under the same name, path and URL cannot be told apart.
    """
    from pytest_crossmath.models.servers.openai_api import describe_server

    return json.dumps(describe_server(spec.target, settings), sort_keys=True)


def weights_digest(spec: ModelSpec, digests: Digests) -> str | None:  # noqa: ARG001 - they are elsewhere
    """None: the weights are on the server."""
    return None
