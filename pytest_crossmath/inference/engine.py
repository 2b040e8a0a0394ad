"""The engine: takes all requests for a model and returns one outcome each, inferred in batches.

::

    engine = Engine("pocket", load=lambda: load_backend(spec, settings), settings=settings)
    engine.plan(requests)
    scored = engine.ask(requests[0])       # infers until this request has its response

Every request is known before the first one runs. Asking for a request runs inference
on its group until that response has arrived; responses that arrive earlier are saved
at once and returned when they are asked for.
"""

from __future__ import annotations

import gc
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_crossmath.errors import BackendError, FamilyError, ModelError, setting
from pytest_crossmath.inference.cache import ModelCache
from pytest_crossmath.inference.result import Result, failed, scored
from pytest_crossmath.models.backend import Backend, OutOfMemoryError, Response, Settings
from pytest_crossmath.models.circuit import Circuit
from pytest_crossmath.tasks.request import Request, RequestId, make_transcription
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.task import Modality
from pytest_crossmath.text import described

_GROUP = 2048
"""Largest group, and so the most responses held in memory before tests have read them."""

_BATCHES_SORTED = 8
"""Number of batches across which requests are sorted."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A response with its score."""

    result: Result
    """The line for the run record."""
    response: Response
    """The model's response."""
    score: Score
    """Its score."""
    request: Request
    """The request it answers."""

    @property
    def is_missed_picture(self) -> bool:
        """Whether this is a wrong answer to a picture alone."""
        alone = self.request.form.modality is Modality.IMAGE and not self.request.transcribes
        return alone and self.score.outcome is Outcome.MISSED


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that the backend could not answer: nothing was measured."""

    message: str
    """The reason, in one line."""


class Engine:
    """One model and its requests."""

    def __init__(
        self,
        name: str,
        *,
        load: Callable[[], Backend],
        settings: Settings,
        cache: ModelCache | None = None,
        on_result: Callable[[Result], object] = lambda _: None,
    ) -> None:
        """`on_result` is called with every result as soon as it arrives."""
        self.name = name
        self._load = load
        self._settings = settings
        self._cache = cache
        self._on_result = on_result
        self._backend: Backend | None = None
        self._broken: ModelError | None = None
        self._circuit = Circuit(settings.give_up)
        self._groups: dict[RequestId, Sequence[Request]] = {}
        self._running: Iterator[None] = iter(())
        self._settled: dict[RequestId, Scored | Failure] = {}
        self._asks: Counter[RequestId] = Counter()
        self._done: set[RequestId] = set()
        self._transcripts: dict[RequestId, str | None] = {}
        self._limit: int | None = None
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> list[str]:
        """What the backend found out about the model, a sentence each."""
        self._keep_notes()
        return list(self._notes)

    @property
    def backend(self) -> Backend:
        """The model, loaded when it is first needed.

        Raises `ModelError` when it cannot be loaded, or when requests contain
        pictures and it does not take images.
        """
        if self._broken is not None:
            raise self._broken
        if self._backend is None:
            try:
                self._backend = self._loaded()
            except ModelError as error:
                self._broken = error
                raise
        return self._backend

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._backend is not None

    def plan(self, requests: Iterable[Request]) -> None:
        """Announce the requests to come, each as many times as it will be asked for.

        Equal requests are inferred once. A response is dropped after it was asked for the
        last time, so that memory does not grow with the length of a run.
        """
        planned = list(requests)
        self._asks.update(request.id for request in planned)
        unique = [s for s in {s.id: s for s in planned}.values() if s.id not in self._groups]
        self._done.difference_update(request.id for request in unique)
        for start in range(0, len(unique), _GROUP):
            group = unique[start : start + _GROUP]
            self._groups.update((request.id, group) for request in group)

    def ask(self, request: Request) -> Scored | Failure:
        """The scored response to a request, inferring its group until that response arrives.

        Raises `ModelError` when the model cannot be loaded.
        """
        if request.id not in self._groups:
            self.plan([request])
        while request.id not in self._settled:
            # Finish the running group before starting another: two at once would not fit.
            if next(self._running, self) is self:
                self._running = self._infer(self._groups[request.id])
        settled = self._settled[request.id]
        self._asks[request.id] -= 1
        if self._asks[request.id] <= 0:
            del self._settled[request.id], self._groups[request.id], self._asks[request.id]
        return settled

    def is_settled(self, request: Request) -> bool:
        """Whether a request's response has arrived, so that asking for it infers nothing."""
        return request.id in self._settled

    def transcript(self, request: Request) -> str | None:
        """What the model writes when it is asked to copy a picture that it missed.

        The first call transcribes all pictures missed so far in one go. None if the
        backend failed.
        """
        if request.id not in self._transcripts:
            for _ in self._running:  # two at once would not fit
                pass
            missed = [
                one.request
                for one in self._settled.values()
                if isinstance(one, Scored) and one.is_missed_picture
            ]
            asked = {one.id: make_transcription(one) for one in (request, *missed)}
            self._running = self._infer(list(asked.values()))
            for _ in self._running:
                pass
            for key, one in asked.items():
                settled = self._settled.pop(one.id, None)
                said = settled.response.text if isinstance(settled, Scored) else None
                self._transcripts[key] = said
        return self._transcripts.pop(request.id)

    def close(self) -> None:
        """Release the model to free memory for the next one; responses are kept."""
        self._running = iter(())
        self._keep_notes()
        self._backend = None
        gc.collect()

    def _keep_notes(self) -> None:
        """Keep them for when the model is gone."""
        self._notes.update(dict.fromkeys(getattr(self._backend, "notes", ())))

    def _loaded(self) -> Backend:
        with warnings.catch_warnings(action="ignore"):
            try:
                backend = self._load()
            except ModelError:
                raise
            except Exception as error:  # a model's own code may raise anything
                raise ModelError(
                    f"model {self.name!r} cannot be loaded: {described(error)}"
                ) from error
        if self._cache:
            self._cache.confirm()
        pictured = any(request.pictures for group in self._groups.values() for request in group)
        if pictured and not backend.reads_images:
            raise ModelError(
                f"model {self.name!r} takes no images: it can only be run with"
                f" {setting('modality')}=text"
            )
        return backend

    def _infer(self, group: Sequence[Request]) -> Iterator[None]:
        """Infer a group, yielding after each response."""
        if self._broken is not None:
            raise self._broken
        if self._cache:
            self._get_to_know(self._cache)
            for request, response in self._cache.find(self._open(group)):
                self._keep(request, response, cached=True)
            yield
        parts = [self._open(group)]
        while parts:
            part = parts.pop(0)
            if self._give_up(self._open(part)):
                yield
            part = self._open(part)
            if not part:
                continue
            size = 1
            try:
                size = self._batch_size(part)
                part = arranged(part, size)
                yield from self._ask(part, size)
                parts.insert(0, part)  # what is left of it, if the circuit broke
            except BackendError as error:
                left = self._open(part)
                if isinstance(error, OutOfMemoryError) and size > 1:
                    # Applies to all later batches too: they would run out of memory as well.
                    self._limit = size // 2
                    parts.insert(0, left)
                elif len(left) == 1:
                    self._fail(left[0], error)
                    yield
                else:
                    # One request may have broken its whole batch, which is the first `size` of
                    # the remaining requests: try each of those on its own.
                    parts[:0] = [*([request] for request in left[:size]), left[size:]]

    def _ask(self, requests: Sequence[Request], size: int) -> Iterator[None]:
        responses = self.backend.generate(requests, self._settings, batch_size=size)
        missing = set(range(len(requests)))
        while (arrived := _next(responses)) is not None:
            index, response = arrived
            missing.discard(index)
            if isinstance(response, BackendError):
                self._fail(requests[index], response)
            else:
                self._circuit.count(requests[index], None)
                self._keep(requests[index], response)
            yield
            if self._circuit.broken_for(requests[index]):
                if isinstance(responses, Generator):
                    responses.close()  # cancels what is in flight
                return
        if missing:
            raise BackendError("the backend returned fewer responses than there were requests")

    def _give_up(self, requests: Iterable[Request]) -> bool:
        """Fail the requests that are not to be asked any more; returns whether there were any."""
        given_up = [(one, error) for one in requests if (error := self._circuit.broken_for(one))]
        for request, error in given_up:
            self._settle_failure(request, str(error))
        return bool(given_up)

    def _get_to_know(self, cache: ModelCache) -> None:
        """Make sure that the cache knows the model's identity, loading the model if necessary."""
        try:
            if not cache.knows_the_model:
                # The identity of a model from the Hub is known once it is downloaded.
                _ = self.backend
        except ModelError as error:
            self._broken = error
            raise

    def _batch_size(self, requests: Sequence[Request]) -> int:
        """The user's batch size or the backend's, reduced once memory has run out."""
        if self._limit is None:
            self._limit = self._settings.batch_size or self.backend.suggest_batch_size(
                arranged(requests, len(requests)), self._settings
            )
        return self._limit

    def _open(self, requests: Iterable[Request]) -> list[Request]:
        return [request for request in requests if request.id not in self._done]

    def _keep(self, request: Request, response: Response, *, cached: bool = False) -> None:
        if self._cache and not cached:
            self._cache.save(request, response)
        try:
            score = score_response(request.task, response.text, response.finish)
        except FamilyError as error:
            self._settle_failure(request, str(error))
            return
        result = scored(self.name, request, response, score, cached=cached)
        self._settle(request, Scored(result, response, score, request))
        if not request.transcribes:
            self._on_result(result)

    def _fail(self, request: Request, error: BackendError) -> None:
        alone = isinstance(error, OutOfMemoryError)
        message = f"out of memory with a single request: {error}" if alone else str(error)
        self._circuit.count(request, error)
        self._settle_failure(request, message)

    def _settle_failure(self, request: Request, message: str) -> None:
        self._settle(request, Failure(message))
        if not request.transcribes:
            self._on_result(failed(self.name, request, message))

    def _settle(self, request: Request, settled: Scored | Failure) -> None:
        self._settled[request.id] = settled
        self._done.add(request.id)


def _next(
    responses: Iterator[tuple[int, Response | BackendError]],
) -> tuple[int, Response | BackendError] | None:
    """The next response of a backend; None at the end. Raises `BackendError` for any error."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return next(responses, None)
    except BackendError:
        raise
    except Exception as error:  # a backend, or the model's own code, may raise anything
        raise BackendError(described(error)) from error


def arranged(requests: Sequence[Request], batch_size: int) -> list[Request]:
    """The requests in the order in which they are passed to a backend.

    Within a span of a few batches, requests with and without pictures are separated, and
    similar lengths are put together, longest first, so that there is little padding and
    memory runs out early or not at all. The spans themselves follow the order of the
    tests, so that the first tests do not wait for the last.
    """
    span = batch_size * _BATCHES_SORTED
    return [
        request
        for start in range(0, len(requests), span)
        for request in sorted(
            requests[start : start + span],
            key=lambda request: (bool(request.pictures), len(request.text)),
            reverse=True,
        )
    ]
