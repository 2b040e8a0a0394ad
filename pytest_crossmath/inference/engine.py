"""The engine: all requests of a model in, one outcome for each, inferred in batches.

::

    engine = Engine("pocket", load=lambda: load_backend(spec, settings), settings=settings)
    engine.plan(requests)
    scored = engine.ask(requests[0])       # infers until this request has its response

Every request is known before the first runs. The first that is asked for starts
the inference of its group, which goes only as far as the response that is being
waited for; what arrives on the way is saved at once and read later.
"""

from __future__ import annotations

import gc
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_crossmath.errors import BackendError, FamilyError, ModelError, setting
from pytest_crossmath.inference.cache import ModelCache
from pytest_crossmath.inference.result import Result, failed, scored
from pytest_crossmath.models.backend import Backend, OutOfMemoryError, Response, Settings
from pytest_crossmath.tasks.request import Request, RequestId, make_transcription
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.task import Modality

_GROUP = 2048
"""Most requests in a group: so many responses are in memory before tests have read them."""

_BATCHES_SORTED = 8
"""Batches within which requests are sorted."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A response with its score."""

    result: Result
    """The line for the record."""
    response: Response
    """What the model said."""
    score: Score
    """How good it is."""
    request: Request
    """What it was asked."""

    @property
    def is_missed_picture(self) -> bool:
        """Whether there is an answer to a picture alone, and it is wrong."""
        alone = self.request.form.modality is Modality.IMAGE and not self.request.transcribes
        return alone and self.score.outcome is Outcome.MISSED


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that the backend could not answer: nothing was measured."""

    message: str
    """What went wrong, in one line."""


class Engine:
    """One model and the requests it is asked."""

    def __init__(
        self,
        name: str,
        *,
        load: Callable[[], Backend],
        settings: Settings,
        cache: ModelCache | None = None,
        on_result: Callable[[Result], None] = lambda _: None,
    ) -> None:
        """`on_result` is called with every result the moment it is there."""
        self.name = name
        self._load = load
        self._settings = settings
        self._cache = cache
        self._on_result = on_result
        self._backend: Backend | None = None
        self._broken: ModelError | None = None
        self._groups: dict[RequestId, Sequence[Request]] = {}
        self._running: Iterator[None] = iter(())
        self._settled: dict[RequestId, Scored | Failure] = {}
        self._asks: Counter[RequestId] = Counter()
        self._done: set[RequestId] = set()
        self._transcripts: dict[RequestId, str | None] = {}
        self._limit: int | None = None

    @property
    def backend(self) -> Backend:
        """The model, loaded when it is first needed.

        Raises `ModelError` when it cannot be loaded, or cannot read the pictures
        that it is going to be shown.
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
        """Name requests that will be asked for together, each as often as it will be asked for.

        Equal requests are inferred once. A response is let go when it was asked for the
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
        """The scored response to a request; its group is inferred until it is there.

        Raises `ModelError` when the model cannot be loaded.
        """
        if request.id not in self._groups:
            self.plan([request])
        while request.id not in self._settled:
            # What runs is finished before another group starts: two at once would not fit.
            if next(self._running, self) is self:
                self._running = self._infer(self._groups[request.id])
        settled = self._settled[request.id]
        self._asks[request.id] -= 1
        if self._asks[request.id] <= 0:
            del self._settled[request.id], self._groups[request.id], self._asks[request.id]
        return settled

    def is_settled(self, request: Request) -> bool:
        """Whether a request's response is there, so that asking for it infers nothing."""
        return request.id in self._settled

    def transcript(self, request: Request) -> str | None:
        """What the model writes when it is asked to copy a picture that it missed.

        The first time it is asked for, all pictures that were missed so far are
        transcribed in one go. None where the backend failed.
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
        """Let go of the model, so that the next one has the memory; responses stay."""
        self._running = iter(())
        self._backend = None
        gc.collect()

    def _loaded(self) -> Backend:
        with warnings.catch_warnings(action="ignore"):
            backend = self._load()
        pictured = any(request.pictures for group in self._groups.values() for request in group)
        if pictured and not backend.reads_images:
            raise ModelError(
                f"model {self.name!r} takes no images: it can only be asked with"
                f" {setting('modality')}=text"
            )
        return backend

    def _infer(self, group: Sequence[Request]) -> Iterator[None]:
        """Answer a group, and pause after each answer."""
        if self._broken is not None:
            raise self._broken
        if self._cache:
            self._get_to_know(self._cache)
            for request, response in self._cache.find(self._open(group)):
                self._keep(request, response, cached=True)
            yield
        parts = [self._open(group)]
        while parts:
            part = self._open(parts.pop(0))
            if not part:
                continue
            size = 1
            try:
                size = self._batch_size(part)
                part = arranged(part, size)
                yield from self._ask(part, size)
            except BackendError as error:
                left = self._open(part)
                if isinstance(error, OutOfMemoryError) and size > 1:
                    # Remembered for all later batches: they would run out of memory as well.
                    self._limit = size // 2
                    parts.insert(0, left)
                elif len(left) == 1:
                    self._fail(left[0], error)
                    yield
                else:
                    # One request may have spoilt it for those that ran beside it, which are the
                    # first that are left: each of them gets its own try.
                    parts[:0] = [*([request] for request in left[:size]), left[size:]]

    def _ask(self, requests: Sequence[Request], size: int) -> Iterator[None]:
        responses = self.backend.generate(requests, self._settings, batch_size=size)
        missing = set(range(len(requests)))
        while True:
            with warnings.catch_warnings(action="ignore"):
                arrived = next(responses, None)
            if arrived is None:
                break
            index, response = arrived
            missing.discard(index)
            if isinstance(response, BackendError):
                self._fail(requests[index], response)
            else:
                self._keep(requests[index], response)
            yield
        if missing:
            raise BackendError("the backend gave fewer responses than it was asked for")

    def _get_to_know(self, cache: ModelCache) -> None:
        """Let the cache find out what the model is."""
        try:
            if not cache.knows_the_model:
                # A model of the Hub is known when it is there.
                _ = self.backend
        except ModelError as error:
            self._broken = error
            raise

    def _batch_size(self, requests: Sequence[Request]) -> int:
        """The user's number or the backend's; what was too much is not tried again."""
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
            self._fail(request, BackendError(str(error)))
            return
        result = scored(self.name, request, response, score, cached=cached)
        self._settle(request, Scored(result, response, score, request))
        if not request.transcribes:
            self._on_result(result)

    def _fail(self, request: Request, error: BackendError) -> None:
        alone = isinstance(error, OutOfMemoryError)
        message = f"out of memory with a single request: {error}" if alone else str(error)
        self._settle(request, Failure(message))
        if not request.transcribes:
            self._on_result(failed(self.name, request, message))

    def _settle(self, request: Request, settled: Scored | Failure) -> None:
        self._settled[request.id] = settled
        self._done.add(request.id)


def arranged(requests: Sequence[Request], batch_size: int) -> list[Request]:
    """The requests in the order in which a backend is to take them.

    Like beside like within a few batches: with and without pictures apart, and similar
    lengths together, the longest first, so that little is padded and memory runs out
    early or not at all. Beyond that in the order of the tests, so that those that come
    first do not wait for the last.
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
