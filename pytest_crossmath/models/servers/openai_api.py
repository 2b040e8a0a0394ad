"""Any OpenAI-compatible server as a model: vLLM, SGLang, `transformers serve`, hosted APIs.

::

    backend = OpenAIBackend.connect("llava@http://127.0.0.1:8000/v1", Settings())
    for index, response in backend.generate(requests, Settings(), batch_size=64):
        print(requests[index].id, response)

The batch size is the number of requests in flight: the server forms its own batches from
them. An API key is read from the environment whenever it is needed and is never stored.
"""

from __future__ import annotations

import time
from asyncio import TaskGroup
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import openai

from pytest_crossmath.errors import BackendError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.circuit import Circuit, GaveUpError, UnfitRequestError
from pytest_crossmath.models.servers.chat_completion import chat_arguments, read_completion
from pytest_crossmath.models.servers.client import (
    client_for,
    is_vendor,
    masked,
    resolve,
    without_key,
)
from pytest_crossmath.models.servers.failures import failure
from pytest_crossmath.models.servers.listing import find
from pytest_crossmath.models.servers.reading import COMPLETION_BYTES
from pytest_crossmath.models.servers.threads import LoopThread
from pytest_crossmath.models.servers.tries import Patience, TriesError, attempt
from pytest_crossmath.tasks.request import Request

_BATCH_SIZE = 32
_RETRIES = 6
"""Retries after transient failures: about 20 s of waiting if the server does not say how long."""
_TIMEOUTS = 2
"""A request may take this many timeouts in total, retries and waiting included: each further
retry would give a server that hangs one more generation to work on."""
_RETRIES_IN_DOUBT = 1
"""Retries while the last request failed for good: else a server that is gone costs a run minutes
before `give_up` failures have come together."""
_TIMEOUTS_IN_DOUBT = 1
_IDENTITY = ("id", "root", "parent", "owned_by", "max_model_len")

_Arrival = tuple[int, Response | BackendError]


@dataclass
class OpenAIBackend:
    """A model behind a server."""

    model: str
    """The model's name on the server."""
    url: str | None
    """The server's base URL; None for the client's default, the hosted API."""
    reads_images: bool = True
    """Assumed to be true: it cannot be known before a request is sent."""
    _circuit: Circuit | None = field(default=None, repr=False)
    """The failures so far: the requests in flight run ahead of what the caller has counted."""

    @classmethod
    def connect(cls, target: str, settings: Settings) -> OpenAIBackend:
        """The model ``NAME@URL``, or ``NAME`` at ``OPENAI_BASE_URL`` or the hosted API.

        Raises `ModelError` if the server cannot be reached or does not serve this model,
        or if the hosted API is used without a key.
        """
        model, url = resolve(target)
        find(model, url, settings)
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
        self._circuit = self._circuit or Circuit(settings.give_up)
        # A separate thread keeps the server busy while the caller handles a response.
        asking = LoopThread(
            self._ask(requests, settings, batch_size, self._circuit, arrived.put),
            at_end=lambda: arrived.put(None),
        )
        try:
            yield from iter(arrived.get, None)
        finally:
            asking.close()
        asking.task.result()

    async def _ask(
        self,
        requests: Sequence[Request],
        settings: Settings,
        batch_size: int,
        circuit: Circuit,
        deliver: Callable[[_Arrival], None],
    ) -> None:
        waiting = iter(enumerate(requests))
        in_flight = min(batch_size, len(requests))

        async def work() -> None:
            # All workers share one iterator, so a request is built only when its turn comes.
            for index, request in waiting:
                answer: Response | BackendError = circuit.broken_for(request) or await self._answer(
                    client, request, settings, circuit, in_flight
                )
                circuit.count(request, answer if isinstance(answer, BackendError) else None)
                deliver((index, answer))

        async with (
            client_for(self.url, settings, longest=COMPLETION_BYTES) as client,
            TaskGroup() as workers,
        ):
            for _ in range(in_flight):
                workers.create_task(work())

    async def _answer(
        self,
        client: openai.AsyncOpenAI,
        request: Request,
        settings: Settings,
        circuit: Circuit,
        in_flight: int,
    ) -> Response | BackendError:
        started = time.perf_counter()
        patience = _patience(circuit, settings)
        try:
            arguments = chat_arguments(self.model, request, settings, hosted=is_vendor(self.url))

            async def send() -> bytes:
                # Raw, since the client accepts anything as a completion.
                answer = await client.chat.completions.with_raw_response.create(**arguments)
                return bytes(answer.content)

            body = await attempt(send, patience, stop=lambda: circuit.broken_for(request))
            completion = read_completion(body, mask=lambda text: masked(text, settings))
        except (UnfitRequestError, GaveUpError) as error:
            return error
        except BackendError as error:
            return BackendError(without_key(str(error), settings))
        except TriesError as error:
            return BackendError(failure(error, patience, self.url, settings))
        except Exception as error:  # noqa: BLE001 - anything else a client raises fails this request only
            return BackendError(without_key(f"{type(error).__name__}: {error}", settings))
        seconds = (time.perf_counter() - started) / in_flight
        return Response(
            completion.text, completion.finish, completion.new_tokens, seconds,
            completion.answered_by,
        )  # fmt: skip


def describe_server(target: str, settings: Settings) -> dict[str, Any]:
    """What a server reports to identify a model, for a cache key.

    It does not depend on when the server was started. Different weights under the same path
    and name cannot be distinguished. Raises `ModelError` like `connect`.
    """
    model, url = resolve(target)
    found = find(model, url, settings) or {"id": model}
    return {"url": url} | {field: found[field] for field in _IDENTITY if field in found}


def _patience(circuit: Circuit, settings: Settings) -> Patience:
    """How long to try a request: less if the last one failed for good."""
    if circuit.failures:
        return Patience(_RETRIES_IN_DOUBT, _TIMEOUTS_IN_DOUBT * settings.timeout)
    return Patience(_RETRIES, _TIMEOUTS * settings.timeout)
