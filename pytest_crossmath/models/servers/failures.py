"""Failures as one line: the cause of the last try, how many tries there were, and what to do."""

from __future__ import annotations

import json
from typing import Any

import openai

from pytest_crossmath.errors import setting
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.servers.client import (
    URL_ENV,
    api_key,
    is_local,
    place,
    resolve,
    without_key,
)
from pytest_crossmath.models.servers.reading import ReadingError
from pytest_crossmath.models.servers.tries import Patience, TriesError
from pytest_crossmath.text import one_line

_UNREACHED = ("ConnectError", "ConnectTimeout")
"""Class names of the causes; the package they come from depends on the client's version."""


def failure(error: TriesError, patience: Patience, url: str | None, settings: Settings) -> str:
    """Why a request failed for good."""
    tries = f", after {error.tries} tries" if error.tries > 1 else ""
    said = cause(error.cause, url, settings, longest=patience.seconds)
    before = (
        "; the try before: " + cause(error.before, url, settings, longest=patience.seconds)
        if error.before is not None and not isinstance(error.before, openai.APITimeoutError)
        else ""
    )
    return f"{said}{tries}{before}"


def cause(error: Exception, url: str | None, settings: Settings, *, longest: float) -> str:
    """Why one try failed; `longest` is the time for all tries, in seconds."""
    if isinstance(error, openai.APIStatusError):
        return refusal(error, url, settings)
    if isinstance(error, TimeoutError):
        return f"no response within {longest:g} s"
    if isinstance(error, ReadingError):
        return without_key(str(error), settings)
    if isinstance(error, openai.APIConnectionError):
        return _disconnection(error, url, settings)
    return without_key(f"{type(error).__name__}: {error}", settings)


def _disconnection(error: openai.APIConnectionError, url: str | None, settings: Settings) -> str:
    kind, said = type(error.__cause__).__name__, str(error.__cause__ or "")
    if kind == "TooManyRedirects":
        return "the server redirects without end"
    if is_unreached(error):
        return f"{place(url)} can no longer be reached ({kind})"
    if isinstance(error, openai.APITimeoutError):
        return f"no response within {settings.timeout:g} s"
    return f"the connection was lost ({without_key(f'{kind}: {said}' if said else kind, settings)})"


def unanswered(error: TriesError, url: str | None, settings: Settings, longest: float) -> str:
    """Why a server could not be asked what it serves, and what to do."""
    if isinstance(error.cause, openai.APIStatusError):
        return f"{place(url)}: {refusal(error.cause, url, settings)}"
    kind = type(error.cause.__cause__).__name__
    if is_unreached(error.cause):
        return f"{_nobody_at(url)} ({kind}): {_advice_on_address(url)}"
    said = cause(error.cause, url, settings, longest=longest)
    advice = "" if isinstance(error.cause, ReadingError) else f": {_advice_on_address(url)}"
    return f"{place(url)} does not list its models: {said}{advice}"


def is_unreached(error: BaseException) -> bool:
    """Whether there was no connection at all."""
    return type(error.__cause__).__name__ in _UNREACHED


def refusal(error: openai.APIStatusError, url: str | None, settings: Settings) -> str:
    """One line for an error status, with advice if there is any."""
    status, env = error.status_code, settings.api_key_env
    if status == 401:
        # The server's message often contains part of the key.
        if api_key(settings):
            return f"the server refused the API key in {env} (401)"
        return f"the server needs an API key (401): set the environment variable {env}"
    said = without_key(_words(error), settings)
    return f"the server answered {status}: {said}{_advice(error, url, settings)}"


def _nobody_at(url: str | None) -> str:
    return "the hosted API cannot be reached" if url is None else f"no server answers at {url}"


def _advice_on_address(url: str | None) -> str:
    """What to do if a server cannot be used; nobody can start a server of someone else's."""
    written = f"{setting('model')}=openai:NAME@http://HOST:PORT/v1"
    if url is None:
        return f"check the network and its proxy, or name your own server: {written}"
    by_default = resolve("any")[1] == url
    fix = f"the environment variable {URL_ENV}" if by_default else f"the URL in {written}"
    if is_local(url):
        return f"start it, or fix {fix}"
    return f"check the network and its proxy, and {fix}"


def _advice(error: openai.APIStatusError, url: str | None, settings: Settings) -> str:
    if error.status_code == 404 and url is not None:
        return "; check the name of the model, and the path of the URL, which usually ends in /v1"
    if error.status_code == 400 and error.param == "temperature":
        return (
            f"; it does not support temperature {settings.temperature:g}:"
            f" {setting('temperature')}=1 lets it use its default"
        )
    if wait := error.response.headers.get("retry-after"):
        said = one_line(wait, 40)  # a number of seconds, or a date
        return f"; it says to wait {f'for {said} s' if said.isdigit() else f'until {said}'}"
    return ""


def _words(error: openai.APIStatusError) -> str:
    """The error message in the server's response, which different servers lay out differently."""
    body: Any = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body.get("error") or body
    if isinstance(body, str) and body.lstrip().startswith("<"):
        return "an HTML page"
    return body if isinstance(body, str) else json.dumps(body)
