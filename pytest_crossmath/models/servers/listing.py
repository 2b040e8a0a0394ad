"""What a server lists of its models: whether it serves one, and what tells it from others.

>>> entries('{"data": [{"id": "m", "owned_by": "vllm"}]}')
[{'id': 'm', 'owned_by': 'vllm'}]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_crossmath.errors import ModelError, setting
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.servers.client import api_key, client_for, host, place, without_key
from pytest_crossmath.models.servers.failures import unanswered
from pytest_crossmath.models.servers.reading import LISTING_BYTES
from pytest_crossmath.models.servers.threads import run_apart
from pytest_crossmath.models.servers.tries import Patience, TriesError, attempt

_RETRIES = 2
_SECONDS = 30.0
"""How long a server may be silent when it lists its models, and no longer than for a response;
all tries together may take twice as long."""
_LONGEST_LIST = 20
_LASTING = {401, 403, 408, 429, 502, 503, 504}
"""Statuses of a server that cannot be asked at all; any other is that of one without a list."""


def find(model: str, url: str | None, settings: Settings) -> Mapping[str, Any] | None:
    """The entry of a model; None if the server lists nothing useful.

    Raises `ModelError` if the server cannot be reached or does not serve this model, or if the
    hosted API is used without a key.
    """
    listed = _listed(url, settings)
    if listed is None:
        return None
    found = next((entry for entry in listed if entry["id"] == model), None)
    if found is None:
        names = ", ".join(entry["id"] for entry in listed[:_LONGEST_LIST])
        more = f" and {len(listed) - _LONGEST_LIST} more" if len(listed) > _LONGEST_LIST else ""
        raise ModelError(
            f"the server does not serve {model!r}: it serves {without_key(names, settings)}{more}"
        )
    return found


def entries(body: str) -> list[Mapping[str, Any]] | None:
    """The models in the body of a response; None if it lists none, or what it does not serve."""
    try:
        data = json.loads(body)["data"]
        found = [entry for entry in data if isinstance(entry["id"], str)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None if all(map(_lies_in_a_cache, found)) else found


def _listed(url: str | None, settings: Settings) -> list[Mapping[str, Any]] | None:
    """The models that a server lists; None if it lists none, or lists models it does not serve."""
    if url is None and not api_key(settings):
        raise ModelError(
            f"the hosted API needs a key: set the environment variable {settings.api_key_env},"
            f" or name your own server: {setting('model')}=openai:NAME@http://HOST:PORT/v1"
        )
    silence = min(_SECONDS, settings.timeout)
    patience = Patience(_RETRIES, 2 * silence)
    try:
        body = run_apart(_ask(url, settings, patience, silence), patience.seconds + 1)
    except (TriesError, TimeoutError) as error:
        failed = error if isinstance(error, TriesError) else TriesError(error, None, 1)
        status = getattr(failed.cause, "status_code", None)
        if status is not None and status not in _LASTING:
            return None
        raise ModelError(unanswered(failed, url, settings, patience.seconds)) from None
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a client raises, for a proxy for example
        raise ModelError(
            f"{place(url)} cannot be used: {without_key(str(error), settings)}"
        ) from None
    # Azure lists what could be deployed, but requests name a deployment.
    return None if host(url).endswith(".azure.com") else entries(body)


async def _ask(url: str | None, settings: Settings, patience: Patience, silence: float) -> str:
    async with client_for(url, settings, longest=LISTING_BYTES, silence=silence) as client:

        async def send() -> bytes:
            return (await client.models.with_raw_response.list()).content

        return (await attempt(send, patience)).decode("utf-8-sig", "replace")


def _lies_in_a_cache(entry: Mapping[str, Any]) -> bool:
    """Whether an entry's `owned_by` is the owner of the repository.

    That marks `transformers serve`, which lists the local Hub cache instead of what it serves.
    """
    owner, slash, _ = entry["id"].partition("/")
    return bool(entry.get("owned_by") == (owner if slash else ""))
