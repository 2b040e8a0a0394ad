"""The address of a model on a server, ``NAME@URL``, and which URLs are accepted."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pytest_crossmath.errors import ModelError

USAGE = "openai:NAME@http://HOST:PORT/v1"
_SERVER = re.compile(r"(?P<model>.+?)@(?P<url>https?:/.*)", re.DOTALL | re.IGNORECASE)


def split_server(target: str) -> tuple[str, str | None]:
    """Name and base URL of a model on a server, ``NAME@URL``; None for the URL if there is none.

    >>> split_server("org/model@http://127.0.0.1:8000/v1")
    ('org/model', 'http://127.0.0.1:8000/v1')

    Raises `ModelError` if the text is malformed.
    """
    found = _SERVER.fullmatch(target)
    if found:
        check_url(found["url"])
        return found["model"], found["url"]
    _, at, place = target.rpartition("@")
    if at and (not place or re.search(r"[:/]", place)):
        raise ModelError(f"a model on a server is written {USAGE}")
    return target, None


def check_url(url: str) -> None:
    """Raise `ModelError` for a URL that is not a server's base URL, or that may contain a secret.

    The message does not repeat the URL, since any part of an invalid URL may be the secret.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ModelError(f"the URL of a server is invalid: write {USAGE}")
    if parts.username is not None or parts.query or parts.fragment:
        # URLs are written to records.
        raise ModelError(
            "the URL of a server must end with its path, and an API key belongs in the environment:"
            f" write {USAGE}"
        )
