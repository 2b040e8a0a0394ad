"""The engine: all samples of a model in, one outcome for each, inferred in batches.

::

    engine = Engine("pocket", load=lambda: load_backend(spec, settings), settings=settings)
    engine.plan(samples)
    answer = engine.answer(samples[0])    # infers until this sample has its answer

Every sample is known before the first runs. The first that is asked for starts
the inference of its group, which goes on only as far as the answer that is being
waited for; what arrives on the way is saved at once and read later.
"""

from __future__ import annotations

import gc
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_crossmath.errors import BackendError, ModelError, setting
from pytest_crossmath.inference.cache import ModelCache
from pytest_crossmath.inference.result import Result, failed, scored
from pytest_crossmath.models.backend import Backend, OutOfMemoryError, Response, Settings
from pytest_crossmath.tasks.request import Sample, make_transcription
from pytest_crossmath.tasks.scoring import Outcome, Score, score_response
from pytest_crossmath.tasks.task import Modality

_GROUP = 2048
"""Most samples in a group: so many responses are in memory before tests have read them."""

_BATCHES_SORTED = 8
"""Batches within which samples are sorted."""

_SampleKey = tuple[str, str, str | None, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with its score."""

    result: Result
    """The line for the record."""
    response: Response
    """What the model said."""
    score: Score
    """How good it is."""
    sample: Sample
    """What it was asked."""

    @property
    def is_missed_picture(self) -> bool:
        """Whether there is an answer to a picture alone, and it is wrong."""
        alone = self.sample.modality is Modality.IMAGE and not self.sample.transcribes
        return alone and self.score.outcome is Outcome.MISSED


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample that the backend could not answer: nothing was measured."""

    message: str
    """What went wrong, in one line."""


class Engine:
    """One model and the samples it is asked."""

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
        self._groups: dict[_SampleKey, Sequence[Sample]] = {}
        self._running: Iterator[None] = iter(())
        self._answers: dict[_SampleKey, Answer | Failure] = {}
        self._asks: Counter[_SampleKey] = Counter()
        self._done: set[_SampleKey] = set()
        self._transcripts: dict[_SampleKey, str | None] = {}
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

    def plan(self, samples: Iterable[Sample]) -> None:
        """Name samples that will be asked for together, each as often as it will be asked for.

        Equal samples are inferred once. An answer is let go when it was asked for the
        last time, so that memory does not grow with the length of a run.
        """
        planned = list(samples)
        self._asks.update(sample.key for sample in planned)
        unique = [s for s in {s.key: s for s in planned}.values() if s.key not in self._groups]
        self._done.difference_update(sample.key for sample in unique)
        for start in range(0, len(unique), _GROUP):
            group = unique[start : start + _GROUP]
            self._groups.update((sample.key, group) for sample in group)

    def answer(self, sample: Sample) -> Answer | Failure:
        """The answer to a sample; its group is inferred until it is there.

        Raises `ModelError` when the model cannot be loaded.
        """
        if sample.key not in self._groups:
            self.plan([sample])
        while sample.key not in self._answers:
            # What runs is finished before another group starts: two at once would not fit.
            if next(self._running, self) is self:
                self._running = self._infer(self._groups[sample.key])
        answer = self._answers[sample.key]
        self._asks[sample.key] -= 1
        if self._asks[sample.key] <= 0:
            del self._answers[sample.key], self._groups[sample.key], self._asks[sample.key]
        return answer

    def has_answer(self, sample: Sample) -> bool:
        """Whether a sample's answer is there, so that asking for it infers nothing."""
        return sample.key in self._answers

    def transcript(self, sample: Sample) -> str | None:
        """What the model writes when it is asked for the grid of a picture that it missed.

        The first time it is asked for, all answers that are there and missed a picture are
        transcribed in one go. None where the backend failed.
        """
        if sample.key not in self._transcripts:
            for _ in self._running:  # two at once would not fit
                pass
            missed = [
                answer.sample
                for answer in self._answers.values()
                if isinstance(answer, Answer) and answer.is_missed_picture
            ]
            asked = {one.key: make_transcription(one) for one in (sample, *missed)}
            self._running = self._infer(list(asked.values()))
            for _ in self._running:
                pass
            for key, one in asked.items():
                answer = self._answers.pop(one.key, None)
                said = answer.response.text if isinstance(answer, Answer) else None
                self._transcripts[key] = said
        return self._transcripts.pop(sample.key)

    def close(self) -> None:
        """Let go of the model, so that the next one has the memory; answers stay."""
        self._running = iter(())
        self._backend = None
        gc.collect()

    def _loaded(self) -> Backend:
        with warnings.catch_warnings(action="ignore"):
            backend = self._load()
        pictured = any(sample.images for group in self._groups.values() for sample in group)
        if pictured and not backend.reads_images:
            raise ModelError(
                f"model {self.name!r} takes no images: it can only be asked with"
                f" {setting('modality')}=text"
            )
        return backend

    def _infer(self, group: Sequence[Sample]) -> Iterator[None]:
        """Answer a group, and pause after each answer."""
        if self._broken is not None:
            raise self._broken
        if self._cache:
            self._get_to_know(self._cache)
            for sample, response in self._cache.find(self._unanswered(group)):
                self._keep(sample, response, cached=True)
            yield
        parts = [self._unanswered(group)]
        while parts:
            part = self._unanswered(parts.pop(0))
            if not part:
                continue
            size = 1
            try:
                size = self._batch_size(part)
                part = arranged(part, size)
                yield from self._ask(part, size)
            except BackendError as error:
                left = self._unanswered(part)
                if isinstance(error, OutOfMemoryError) and size > 1:
                    # Remembered for all later batches: they would run out of memory as well.
                    self._limit = size // 2
                    parts.insert(0, left)
                elif len(left) == 1:
                    self._fail(left[0], error)
                    yield
                else:
                    # One sample may have spoilt it for those that ran beside it, which are the
                    # first that are left: each of them gets its own try.
                    parts[:0] = [*([sample] for sample in left[:size]), left[size:]]

    def _ask(self, samples: Sequence[Sample], size: int) -> Iterator[None]:
        responses = self.backend.generate(samples, self._settings, batch_size=size)
        missing = set(range(len(samples)))
        while True:
            with warnings.catch_warnings(action="ignore"):
                arrived = next(responses, None)
            if arrived is None:
                break
            index, response = arrived
            missing.discard(index)
            if isinstance(response, BackendError):
                self._fail(samples[index], response)
            else:
                self._keep(samples[index], response)
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

    def _batch_size(self, samples: Sequence[Sample]) -> int:
        """The user's number or the backend's; what was too much is not tried again."""
        if self._limit is None:
            self._limit = self._settings.batch_size or self.backend.suggest_batch_size(
                arranged(samples, len(samples)), self._settings
            )
        return self._limit

    def _unanswered(self, samples: Iterable[Sample]) -> list[Sample]:
        return [sample for sample in samples if sample.key not in self._done]

    def _keep(self, sample: Sample, response: Response, *, cached: bool = False) -> None:
        if self._cache and not cached:
            self._cache.save(sample, response)
        score = score_response(sample.problem, response.text, response.finish)
        result = scored(self.name, sample, response, score, cached=cached)
        self._settle(sample, Answer(result, response, score, sample))
        if not sample.transcribes:
            self._on_result(result)

    def _fail(self, sample: Sample, error: BackendError) -> None:
        alone = isinstance(error, OutOfMemoryError)
        message = f"out of memory with a single sample: {error}" if alone else str(error)
        self._settle(sample, Failure(message))
        if not sample.transcribes:
            self._on_result(failed(self.name, sample, message))

    def _settle(self, sample: Sample, answer: Answer | Failure) -> None:
        self._answers[sample.key] = answer
        self._done.add(sample.key)


def arranged(samples: Sequence[Sample], batch_size: int) -> list[Sample]:
    """The samples in the order in which a backend is to take them.

    Like beside like within a few batches: with and without pictures apart, and similar
    lengths together, the longest first, so that little is padded and memory runs out
    early or not at all. Beyond that in the order of the tests, so that those that come
    first do not wait for the last.
    """
    span = batch_size * _BATCHES_SORTED
    return [
        sample
        for start in range(0, len(samples), span)
        for sample in sorted(
            samples[start : start + span],
            key=lambda sample: (bool(sample.images), len(sample.text)),
            reverse=True,
        )
    ]
