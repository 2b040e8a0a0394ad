"""The engine: all samples of a model in, one outcome for each, inferred in batches.

::

    engine = Engine("pocket", load=lambda: load_backend(spec, settings), settings=settings)
    engine.plan(samples)
    outcome = engine.answer(samples[0])   # runs the whole batch that holds this sample

Every sample is known before the first runs, so batches hold samples of similar
length. A batch runs when the first of its samples is asked for; the others
then only read what is there.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.inference.result import Result, failed, scored
from pytest_crossmath.models.backend import Backend, OutOfMemoryError, Response, Settings
from pytest_crossmath.prompting import Sample
from pytest_crossmath.scoring import Score, score_response

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


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample that the backend could not answer: nothing was measured."""

    message: str
    """What went wrong, in one line."""


class Engine:
    """One model and the samples it is asked."""

    def __init__(self, name: str, *, load: Callable[[], Backend], settings: Settings) -> None:
        self.name = name
        self._load = load
        self._settings = settings
        self._backend: Backend | None = None
        self._broken: ModelError | None = None
        self._samples: dict[_SampleKey, Sample] = {}
        self._batches: dict[_SampleKey, list[Sample]] | None = None
        self._answers: dict[_SampleKey, Answer | Failure] = {}
        self._fresh: list[Result] = []
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

    def plan(self, samples: Iterable[Sample]) -> None:
        """Name the samples that will be asked for. Equal samples count once."""
        self._samples.update((sample.key, sample) for sample in samples)
        self._batches = None

    def answer(self, sample: Sample) -> Answer | Failure:
        """The answer to a sample; its batch is run if it was not yet.

        Raises `ModelError` when the model cannot be loaded.
        """
        if sample.key not in self._answers:
            if sample.key not in self._samples:
                self.plan([sample])
            self._run(self._batch_of(sample))
        return self._answers[sample.key]

    def take_fresh(self) -> list[Result]:
        """Results that came since the last call, each handed out once."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def close(self) -> None:
        """Let go of the model, so that the next one has the memory; answers stay."""
        self._backend = None
        gc.collect()

    def _loaded(self) -> Backend:
        with warnings.catch_warnings(action="ignore"):
            backend = self._load()
        pictured = any(sample.images for sample in self._samples.values())
        if pictured and not backend.reads_images:
            raise ModelError(
                f"model {self.name!r} takes no images: it can only be asked with"
                " --crossmath-modality=text"
            )
        return backend

    def _batch_of(self, sample: Sample) -> list[Sample]:
        if self._batches is None:
            size = self._settings.batch_size or self.backend.batch_size
            waiting = [s for key, s in self._samples.items() if key not in self._answers]
            batches = plan_batches(waiting, size)
            self._batches = {s.key: batch for batch in batches for s in batch}
        return self._batches[sample.key]

    def _run(self, batch: Sequence[Sample]) -> None:
        """Ask the backend; ask fewer at once where that may help."""
        waiting = [list(batch)]
        while waiting:
            chunk = waiting.pop(0)
            if self._limit and len(chunk) > self._limit:
                waiting[:0] = [chunk[: self._limit], chunk[self._limit :]]
                continue
            try:
                for sample, response in self._generate(chunk):
                    self._keep(sample, response)
            except BackendError as error:
                left = [sample for sample in chunk if sample.key not in self._answers]
                if len(chunk) == 1:
                    self._fail(left, error)
                elif isinstance(error, OutOfMemoryError):
                    # Remembered for all later batches: they would run out of memory as well.
                    self._limit = len(chunk) // 2
                    waiting.insert(0, left)
                else:
                    # One sample may have spoilt it for all: each gets its own try.
                    waiting[:0] = [[sample] for sample in left]

    def _generate(self, chunk: Sequence[Sample]) -> Iterable[tuple[Sample, Response]]:
        responses = iter(self.backend.generate(chunk, self._settings))
        for sample in chunk:
            with warnings.catch_warnings(action="ignore"):
                response = next(responses, None)
            if response is None:
                raise BackendError("the backend gave fewer responses than it was asked for")
            yield sample, response

    def _keep(self, sample: Sample, response: Response) -> None:
        score = score_response(sample.problem, response.text, response.finish)
        result = scored(self.name, sample, response, score)
        self._answers[sample.key] = Answer(result, response, score)
        self._fresh.append(result)

    def _fail(self, samples: Iterable[Sample], error: BackendError) -> None:
        alone = isinstance(error, OutOfMemoryError)
        message = f"out of memory with a single sample: {error}" if alone else str(error)
        for sample in samples:
            self._answers[sample.key] = Failure(message)
            self._fresh.append(failed(self.name, sample, message))


def plan_batches(samples: Iterable[Sample], size: int) -> list[list[Sample]]:
    """Batches of at most `size` samples, none with and without pictures together.

    Sorted by length, so that little is padded; the longest come first, so that
    memory runs out at the start of a run or not at all.
    """
    ordered = sorted(samples, key=lambda s: (bool(s.images), len(s.text)), reverse=True)
    batches: list[list[Sample]] = []
    for sample in ordered:
        full = not batches or len(batches[-1]) == size
        if full or bool(batches[-1][0].images) is not bool(sample.images):
            batches.append([])
        batches[-1].append(sample)
    return batches
