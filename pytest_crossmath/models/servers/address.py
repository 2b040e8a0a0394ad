"""Where a server is: ``NAME@URL``, and which URLs are taken."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pytest_crossmath.errors import ModelError

USAGE = "openai:NAME@http://HOST:PORT/v1"
_SERVER = re.compile(r"(?P<model>.+?)@(?P<url>https?:/.*)", re.DOTALL | re.IGNORECASE)


def split_server(target: str) -> tuple[str, str | None]:
    """Name and base URL of a model on a server, ``NAME@URL``; no URL where none is named.

    >>> split_server("org/model@http://127.0.0.1:8000/v1")
    ('org/model', 'http://127.0.0.1:8000/v1')

    Raises `ModelError` for what is no such thing.
    """
    found = _SERVER.fullmatch(target)
    if found:
        check_url(found["url"])
        return found["model"], found["url"]
    _, at, place = target.rpartition("@")
    if at and (not place or re.search(r"[:/]", place)):
        raise ModelError(f"a server is named as {USAGE}")
    return target, None


def check_url(url: str) -> None:
    """Raise `ModelError` for what is no base URL of a server, or may hold a secret.

    The message does not repeat the URL, which may hold one wherever it is wrong.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ModelError(f"the URL of a server cannot be understood: write {USAGE}")
    if parts.username is not None or parts.query or parts.fragment:
        # URLs are written to records.
        raise ModelError(
            "the URL of a server ends with its path, and an API key stays in the environment:"
            f" write {USAGE}"
        )
