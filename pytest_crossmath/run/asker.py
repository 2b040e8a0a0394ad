"""The asker: sends the requests of one process to its models, each with its own engine.

::

    asker = Asker(config, root, digests, keep=collector.add, is_over=collector.is_over)
    asker.plan([("llava", "stretch 0", request), …])
    scored = asker.ask("llava", request)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from pytest_crossmath.inference.cache import ModelCache, ResponseStore
from pytest_crossmath.inference.engine import Engine, Failure, Scored
from pytest_crossmath.inference.result import Result, failed
from pytest_crossmath.inference.transcript import Transcript
from pytest_crossmath.models.backend import Backend
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.registry import identify, load_backend, sends_files
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.run.config import RunConfig
from pytest_crossmath.tasks.diagnosis import diagnose
from pytest_crossmath.tasks.request import Request


class Stopwatch:
    """The time that models were asked, without what else happens in between."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = 0.0
        """The time so far."""
        self._clock = clock
        self._aside = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of a block."""
        started, aside = self._clock(), self._aside
        try:
            yield
        finally:
            self.seconds += self._clock() - started - (self._aside - aside)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time of a block within."""
        started = self._clock()
        try:
            yield
        finally:
            self._aside += self._clock() - started


class Asker:
    """Asks the models of a run, in one process."""

    def __init__(
        self,
        config: RunConfig,
        root: Path,
        digests: Digests,
        *,
        keep: Callable[[Result | Transcript], object],
        is_over: Callable[[str], bool],
        loading: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
    ) -> None:
        """`keep` is called with each line of the record as soon as it exists.

        `is_over` says whether a model has been stopped, and `loading` is entered while one is
        loaded. The cache is below `root`.
        """
        self._config = config
        self._digests = digests
        self._keep = keep
        self._is_over = is_over
        self._loading = loading
        self._store = ResponseStore(root)
        self._watch = Stopwatch()
        self._engines = {spec.name: self._engine(spec) for spec in config.models}

    def engine(self, model: str) -> Engine:
        """The engine of a model."""
        return self._engines[model]

    def plan(self, requests: Iterable[tuple[str, str | None, Request]]) -> None:
        """Announce the requests that will be made, each with its model and its stretch."""
        together: dict[tuple[str, str | None], list[Request]] = {}
        for model, stretch, request in requests:
            together.setdefault((model, stretch), []).append(request)
        for (model, _), some in together.items():
            self._engines[model].plan(some)

    def ask(self, model: str, request: Request) -> Scored | Failure | None:
        """The scored response to a request; None if the model has been stopped.

        Raises `ModelError` if the model cannot be loaded.
        """
        engine = self._engines[model]
        if not engine.is_settled(request) and self._is_over(model):
            return None
        with self._watch.running():
            settled = engine.ask(request)
            if self._config.diagnose and isinstance(settled, Scored) and settled.is_missed_picture:
                self._diagnose(engine, settled)
        return settled

    def give_up(self, model: str, request: Request, message: str) -> None:
        """Keep that asking was cut off, by what is neither the model's error nor an interrupt."""
        if not self._engines[model].is_settled(request):
            self._keep(failed(model, request, message))

    @property
    def seconds(self) -> float:
        """How long models have been asked: without imports, loading and hashing."""
        return self._watch.seconds

    def close(self) -> list[str]:
        """Close the cache; return what went wrong with it, and notes on the models, as lines."""
        self._store.close()
        notes = [f"{name}: {note}" for name, one in self._engines.items() for note in one.notes]
        return [*notes, f"cache: {self._store.trouble}"] if self._store.trouble else notes

    def _diagnose(self, engine: Engine, scored: Scored) -> None:
        """Ask what the model saw in a picture that it missed, and keep the cause."""
        said = engine.transcript(scored.request)
        if said is not None:
            cause = diagnose(scored.request.task, scored.score.answer or (), said)
            self._keep(Transcript.of(scored.result, cause, said))

    def _engine(self, spec: ModelSpec) -> Engine:
        settings = self._config.settings

        def load() -> Backend:
            with self._watch.paused(), self._loading(spec.name):
                return load_backend(spec, settings)

        return Engine(
            spec.name, load=load, settings=settings, cache=self._cache(spec), on_result=self._keep
        )

    def _cache(self, spec: ModelSpec) -> ModelCache | None:
        if self._config.cache == "off":
            return None
        settings = self._config.settings

        def identity() -> str | None:
            loaded = self._engines[spec.name].is_loaded
            with self._watch.paused():
                return identify(spec, settings, self._digests, loaded=loaded)

        return ModelCache(
            self._store, identify=identity, settings=settings,
            refresh=self._config.cache == "refresh", sends_files=sends_files(spec),
        )  # fmt: skip
