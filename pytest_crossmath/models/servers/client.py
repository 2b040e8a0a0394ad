"""The client for a server: its URL, its key, and the texts that must not show the key.

::

    model, url = resolve("llava@http://127.0.0.1:8000/v1")
    async with client_for(url, settings, longest=COMPLETION_BYTES) as client:
        …
"""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit

import openai

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import API_KEY_ENV, Settings
from pytest_crossmath.models.servers.address import check_url, split_server
from pytest_crossmath.models.servers.reading import bounded_client
from pytest_crossmath.text import one_line

URL_ENV = "OPENAI_BASE_URL"
"""Name of the environment variable with the URL of models that are named without one."""
_SHORTEST_SECRET = 6
"""Characters of the shortest key that is taken for a secret."""
_CONNECT_SECONDS = 5.0
_NO_KEY = "none"
"""Sent to servers that do not need a key, since the client insists on one."""
_VENDOR = re.compile(r"(.+\.)?(openai|azure)\.com")


def resolve(target: str) -> tuple[str, str | None]:
    """The model's name and the base URL; None for the hosted API. Raises `ModelError`."""
    model, url = split_server(target)
    if url is None and (url := os.environ.get(URL_ENV, "").strip() or None):
        check_url(url)
    return model, url


def client_for(
    url: str | None, settings: Settings, *, longest: int, silence: float | None = None
) -> openai.AsyncOpenAI:
    """A client that reads at most `longest` bytes of a response, and tries everything once.

    `silence` is how long the server may be silent, in seconds; None for the user's setting.
    Raises `ModelError` for a key that cannot be used, and what the client raises for a proxy.
    """
    return openai.AsyncOpenAI(
        api_key=api_key(settings) or _NO_KEY,
        base_url=url,
        max_retries=0,  # see `tries`
        # With over a thousand requests some wait for a connection, which is not a failure.
        timeout=openai.Timeout(silence or settings.timeout, connect=_CONNECT_SECONDS, pool=None),
        http_client=bounded_client(longest),
    )


def api_key(settings: Settings) -> str | None:
    """The API key.

    Raises `ModelError` if the setting is not a variable's name, since it may be the key itself.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", settings.api_key_env, re.ASCII):
        raise ModelError(
            "give the name of the environment variable that holds the API key, not the key itself"
        )
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key and settings.api_key_env != API_KEY_ENV:
        raise ModelError(
            f"the environment variable {settings.api_key_env}, which should hold the API key, is"
            " not set"
        )
    if not (key.isascii() and key.isprintable()):
        raise ModelError(f"{settings.api_key_env} contains characters that an API key cannot have")
    return key or None


def without_key(text: str, settings: Settings) -> str:
    """A server's text as one line, with the API key masked."""
    return one_line(masked(text, settings))


def masked(text: str, settings: Settings) -> str:
    """A server's text with the API key masked, since some servers repeat it.

    A word or a number, which servers without keys are often given, is no secret, and may be what
    a model answers: it stays.
    """
    key = api_key(settings)
    return text.replace(key, "***") if key and _is_secret(key) else text


def _is_secret(key: str) -> bool:
    return len(key) >= _SHORTEST_SECRET and not (key.isalpha() or key.isdigit())


def place(url: str | None) -> str:
    """What messages call a server."""
    return url or "the hosted API"


def is_vendor(url: str | None) -> bool:
    """Whether a URL is that of the vendor's own API."""
    return url is None or bool(_VENDOR.fullmatch(host(url)))


def is_local(url: str | None) -> bool:
    """Whether a server runs on this machine or in its network, where the user can start it."""
    try:
        return ipaddress.ip_address(host(url)).is_private
    except ValueError:
        return "." not in host(url) and url is not None


def host(url: str | None) -> str:
    """The host of a URL; empty for the hosted API."""
    return urlsplit(url or "").hostname or ""
