"""Any OpenAI-compatible server as a model: vLLM, SGLang, `transformers serve`, hosted APIs.

::

    backend = OpenAIBackend.connect("llava@http://127.0.0.1:8000/v1", Settings())
    for index, response in backend.generate(requests, Settings(), batch_size=64):
        print(requests[index].id, response)

The batch size is the number of requests in flight: the server forms its own batches from
them. An API key is read from the environment whenever it is needed and is never stored.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import openai

from pytest_crossmath.errors import BackendError, ModelError, setting
from pytest_crossmath.models.backend import API_KEY_ENV, Response, Settings
from pytest_crossmath.models.servers.address import check_url, split_server
from pytest_crossmath.models.servers.chat_completion import chat_arguments, read_completion
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.text import one_line

_BATCH_SIZE = 32
_RETRIES = 6
"""Retries after transient failures: about 20 s of waiting if the server does not say how long."""
_TIMEOUTS = 2
"""A request may take this many timeouts in total, retries and waiting included: each further
retry would give a server that hangs one more generation to work on."""
_CONNECT_RETRIES = 2
_CONNECT_SECONDS = 5.0
_LIST_SECONDS = 30.0
_NO_KEY = "none"
"""Sent to servers that do not need a key, since the client insists on one."""
_VENDOR = re.compile(r"(.+\.)?(openai|azure)\.com")
_IDENTITY = ("id", "root", "parent", "owned_by", "max_model_len")
_LONGEST_LIST = 20
_NO_CONNECTION = ("ConnectError", "ConnectTimeout")
"""Class names of the causes; the package they come from depends on the client's version."""

_Arrival = tuple[int, Response | BackendError]


class _ServerGoneError(BackendError):
    """The server is gone, so no other request can succeed either."""


@dataclass(frozen=True)
class OpenAIBackend:
    """A model behind a server."""

    model: str
    """The model's name on the server."""
    url: str | None
    """The server's base URL; None for the client's default, the hosted API."""
    reads_images: bool = True
    """Assumed to be true: it cannot be known before a request is sent."""

    @classmethod
    def connect(cls, target: str, settings: Settings) -> OpenAIBackend:
        """The model ``NAME@URL``, or ``NAME`` at ``OPENAI_BASE_URL`` or the hosted API.

        Raises `ModelError` if the server cannot be reached or does not serve this model,
        or if the hosted API is used without a key.
        """
        model, url = _resolve(target)
        _find(model, _listed(url, settings), settings)
        return cls(model, url)

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:  # noqa: ARG002 - always the same
        """A number of requests that even a small server can take; larger ones benefit from more."""
        return _BATCH_SIZE

    def generate(
        self, requests: Sequence[Request], settings: Settings, *, batch_size: int
    ) -> Iterator[_Arrival]:
        """Yield each request's index with its response as soon as it arrives.

        A request that fails for good yields an error instead. Requests still in flight
        when the iterator is closed are cancelled.
        """
        arrived: SimpleQueue[_Arrival | None] = SimpleQueue()
        loop = asyncio.new_event_loop()
        asking = loop.create_task(self._ask(requests, settings, batch_size, arrived.put))
        asking.add_done_callback(lambda _: arrived.put(None))
        # A separate thread keeps the server busy while the caller handles a response.
        thread = Thread(target=_run, args=(loop, asking), name="crossmath-openai", daemon=True)
        thread.start()
        try:
            yield from iter(arrived.get, None)
        finally:
            loop.call_soon_threadsafe(asking.cancel)
            thread.join()
            loop.close()
        asking.result()

    async def _ask(
        self,
        requests: Sequence[Request],
        settings: Settings,
        batch_size: int,
        deliver: Callable[[_Arrival], None],
    ) -> None:
        waiting = iter(enumerate(requests))
        in_flight = min(batch_size, len(requests))
        gone: BackendError | None = None

        async def work() -> None:
            nonlocal gone
            # All workers share one iterator, so a request is built only when its turn comes.
            for index, request in waiting:
                answer = gone or await self._answer(client, request, settings, in_flight)
                if isinstance(answer, _ServerGoneError):
                    gone = answer
                deliver((index, answer))

        async with (
            openai.AsyncOpenAI(**_client_options(self.url, settings)) as client,
            asyncio.TaskGroup() as workers,
        ):
            for _ in range(in_flight):
                workers.create_task(work())

    async def _answer(
        self, client: openai.AsyncOpenAI, request: Request, settings: Settings, in_flight: int
    ) -> Response | BackendError:
        started = time.perf_counter()
        longest = _TIMEOUTS * settings.timeout
        try:
            arguments = chat_arguments(self.model, request, settings, hosted=_is_vendor(self.url))
            # The client's own timeout only limits silence: a proxy that keeps the connection
            # alive by sending a space now and then would never reach it.
            async with asyncio.timeout(longest):
                # Raw, since the client accepts anything as a completion.
                answer = await client.chat.completions.with_raw_response.create(**arguments)
            completion = read_completion(_masked(answer.text, settings))
        except BackendError as error:
            return BackendError(_without_key(str(error), settings))
        except TimeoutError:
            return BackendError(f"no response within {longest:g} s, including retries")
        except openai.APIStatusError as error:
            return BackendError(_refusal(error, settings))
        except openai.APIConnectionError as error:
            return self._disconnection(error, settings)
        except Exception as error:  # noqa: BLE001 - anything else a client raises fails this request only
            return BackendError(_without_key(f"{type(error).__name__}: {error}", settings))
        seconds = (time.perf_counter() - started) / in_flight
        # Mask again, since JSON can encode a key in many ways.
        text = _masked(completion.text, settings)
        return Response(text, completion.finish, completion.new_tokens, seconds)

    def _disconnection(self, error: openai.APIConnectionError, settings: Settings) -> BackendError:
        cause = type(error.__cause__).__name__
        if cause in _NO_CONNECTION:
            return _ServerGoneError(f"{_place(self.url)} can no longer be reached ({cause})")
        tries = f"after {_RETRIES + 1} tries"
        if isinstance(error, openai.APITimeoutError):
            return BackendError(f"no response within {settings.timeout:g} s, {tries}")
        return BackendError(f"the connection was lost ({cause}), {tries}")


def describe_server(target: str, settings: Settings) -> dict[str, Any]:
    """What a server reports to identify a model, for a cache key.

    It does not depend on when the server was started. Different weights under the same path
    and name cannot be distinguished. Raises `ModelError` like `connect`.
    """
    model, url = _resolve(target)
    found = _find(model, _listed(url, settings), settings) or {"id": model}
    return {"url": url} | {field: found[field] for field in _IDENTITY if field in found}


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    """Run a task until it ends or fails; checking its result is left to the caller."""
    loop.run_until_complete(asyncio.wait([task]))
    loop.run_until_complete(loop.shutdown_default_executor())


def _resolve(target: str) -> tuple[str, str | None]:
    """The model's name and the base URL."""
    model, url = split_server(target)
    if url is None and (url := os.environ.get("OPENAI_BASE_URL", "").strip() or None):
        check_url(url)
    return model, url


def _client_options(url: str | None, settings: Settings) -> dict[str, Any]:
    """Arguments for both clients: the one that lists models and the one that sends requests."""
    return {
        "api_key": _key(settings) or _NO_KEY,
        "base_url": url,
        "max_retries": _RETRIES,
        # With over a thousand requests some wait for a connection, which is not a failure.
        "timeout": openai.Timeout(settings.timeout, connect=_CONNECT_SECONDS, pool=None),
    }


def _key(settings: Settings) -> str | None:
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


def _listed(url: str | None, settings: Settings) -> list[Mapping[str, Any]] | None:
    """The models that a server lists; None if it lists none, or lists models it does not serve."""
    if url is None and not _key(settings):
        raise ModelError(
            f"the hosted API needs a key: set the environment variable {settings.api_key_env},"
            " or name your own server: openai:NAME@http://HOST:PORT/v1"
        )
    options = _client_options(url, settings) | {
        "max_retries": _CONNECT_RETRIES,
        "timeout": openai.Timeout(min(_LIST_SECONDS, settings.timeout), connect=_CONNECT_SECONDS),
    }
    try:
        with openai.OpenAI(**options) as client:
            body = client.models.with_raw_response.list().text
    except openai.APIStatusError as error:
        if error.status_code in {401, 403, 408, 429, 502, 503, 504}:
            raise ModelError(f"{_place(url)}: {_refusal(error, settings)}") from None
        return None
    except openai.APIConnectionError as error:
        cause = type(error.__cause__).__name__
        raise ModelError(
            f"no server answers at {_place(url)} ({cause}): start it, or fix the URL in"
            f" {setting('model')}=openai:NAME@http://HOST:PORT/v1"
        ) from None
    except (ImportError, ValueError) as error:  # from a proxy set in the environment
        raise ModelError(f"{_place(url)} cannot be used: {one_line(error)}") from None
    # Azure lists what could be deployed, but requests name a deployment.
    return None if _host(url).endswith(".azure.com") else _entries(body)


def _entries(body: str) -> list[Mapping[str, Any]] | None:
    try:
        data = json.loads(body)["data"]
        entries = [entry for entry in data if isinstance(entry["id"], str)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None if all(map(_lies_in_a_cache, entries)) else entries


def _lies_in_a_cache(entry: Mapping[str, Any]) -> bool:
    """Whether an entry's `owned_by` is the owner of the repository.

    That marks `transformers serve`, which lists the local Hub cache instead of what it serves.
    """
    owner, slash, _ = entry["id"].partition("/")
    return bool(entry.get("owned_by") == (owner if slash else ""))


def _find(
    model: str, entries: Sequence[Mapping[str, Any]] | None, settings: Settings
) -> Mapping[str, Any] | None:
    """The entry of a model; None if the server lists nothing useful."""
    if entries is None:
        return None
    found = next((entry for entry in entries if entry["id"] == model), None)
    if found is None:
        names = ", ".join(entry["id"] for entry in entries[:_LONGEST_LIST])
        more = f" and {len(entries) - _LONGEST_LIST} more" if len(entries) > _LONGEST_LIST else ""
        raise ModelError(
            f"the server does not serve {model!r}: it serves {_without_key(names, settings)}{more}"
        )
    return found


def _refusal(error: openai.APIStatusError, settings: Settings) -> str:
    """One line for an error status, with advice if there is any."""
    status, env = error.status_code, settings.api_key_env
    if status == 401:
        # The server's message often contains part of the key.
        if _key(settings):
            return f"the server refused the API key in {env} (401)"
        return f"the server needs an API key (401): set the environment variable {env}"
    said = _without_key(_words(error), settings)
    return f"the server answered {status}: {said}{_advice(error, settings)}"


def _advice(error: openai.APIStatusError, settings: Settings) -> str:
    if error.status_code == 404:
        return "; check the path of the URL, which usually ends in /v1"
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


def _without_key(text: str, settings: Settings) -> str:
    return one_line(_masked(text, settings))


def _masked(text: str, settings: Settings) -> str:
    """A server's text with the API key masked, since some servers repeat it."""
    key = _key(settings)
    return text.replace(key, "***") if key else text


def _place(url: str | None) -> str:
    return url or "the hosted API"


def _is_vendor(url: str | None) -> bool:
    return url is None or bool(_VENDOR.fullmatch(_host(url)))


def _host(url: str | None) -> str:
    return urlsplit(url or "").hostname or ""
