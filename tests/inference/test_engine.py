"""The engine: batches, failures, memory, and the results that reach the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.inference.cache import ModelCache, ResponseStore
from pytest_crossmath.inference.engine import Engine, Failure, Scored, arranged
from pytest_crossmath.inference.result import Result
from pytest_crossmath.models.backend import OutOfMemoryError, Response, Settings
from pytest_crossmath.models.circuit import UnfitRequestError
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Finish, Outcome
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Modality

MINI = load_suite("mini")


def requests(count: int, *modalities: Modality) -> list[Request]:
    """Requests for the first problems, in each modality."""
    forms = MINI.chosen(modalities or (Modality.TEXT,), MINI.styles)
    return [make_request(problem, form) for problem in MINI.tasks[:count] for form in forms]


class Solver:
    """A backend that knows every key, and fails on demand."""

    def __init__(
        self, *, batch_size: int = 4, fits: int = 99, breaks_at: str = "", reads_images: bool = True
    ) -> None:
        self._batch_size = batch_size
        self.reads_images = reads_images
        self.calls: list[tuple[int, int]] = []
        self.given = 0
        self._fits, self._breaks_at = fits, breaks_at

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:  # noqa: ARG002 - always the same
        """The batch size that the test sets."""
        return self._batch_size

    def generate(
        self,
        requests: Sequence[Request],
        settings: Settings,  # noqa: ARG002 - nothing is generated
        *,
        batch_size: int,
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """Answer correctly, in reverse order."""
        self.calls.append((len(requests), batch_size))
        if min(len(requests), batch_size) > self._fits:
            raise OutOfMemoryError("no memory left")
        for index, request in reversed(list(enumerate(requests))):
            if request.task.id == self._breaks_at:
                raise BackendError("the server hung up")
            key = ", ".join(request.task.key)
            self.given += 1
            yield index, Response(f"<answer>{key}</answer>", Finish.STOP, 5, 0.1)


def engine_on(
    backend: Solver, asked: list[Request], results: list[Result] | None = None, **settings: int
) -> Engine:
    """An engine with these requests planned, which appends its results to `results`."""
    engine = Engine(
        "m",
        load=lambda: backend,
        settings=Settings(**settings),  # type: ignore[arg-type]  # ints only
        on_result=(results if results is not None else list[Result]()).append,
    )
    engine.plan(asked)
    return engine


def test_what_was_planned_is_asked_in_one_go() -> None:
    """The backend gets all requests at once and fills its batches from them."""
    backend, asked = Solver(batch_size=4), requests(12)
    engine = engine_on(backend, asked)
    for request in asked:
        scored = engine.ask(request)
        assert isinstance(scored, Scored)
        assert scored.score.outcome is Outcome.SOLVED
    assert backend.calls == [(12, 4)]


def test_inference_goes_only_as_far_as_the_answer_that_is_waited_for() -> None:
    """A stopped run has not inferred requests that it had not asked for yet."""
    backend, asked = Solver(), arranged(requests(12), 4)
    engine = engine_on(backend, asked)
    engine.ask(asked[-1])
    assert backend.given == 1
    engine.ask(asked[-4])
    assert backend.given == 4
    engine.ask(asked[-2])
    assert backend.given == 4


def test_results_are_told_as_they_arrive() -> None:
    """All results are reported as they arrive, so that a killed run has saved them."""
    asked, results = arranged(requests(12), 4), list[Result]()
    engine_on(Solver(), asked, results).ask(asked[0])
    assert [result.problem for result in results] == [one.task.id for one in reversed(asked)]


def test_like_requests_are_beside_each_other_and_early_tests_come_early() -> None:
    """Pictures first and longest first within eight batches, test order beyond."""
    asked = requests(40, *Modality)
    order = arranged(asked, 5)
    for start in range(0, 120, 40):
        span = order[start : start + 40]
        assert {one.id for one in span} == {one.id for one in asked[start : start + 40]}
        pictured = [bool(one.pictures) for one in span]
        assert pictured == sorted(pictured, reverse=True)
        lengths = [(bool(one.pictures), len(one.text)) for one in span]
        assert lengths == sorted(lengths, reverse=True)


def test_groups_are_inferred_apart() -> None:
    """Groups are inferred separately, so one worker does not infer another's."""
    backend, asked = Solver(), requests(12)
    engine = engine_on(backend, asked[:6])
    engine.plan(asked[6:])
    engine.ask(asked[11])
    assert backend.calls == [(6, 4)]
    engine.ask(asked[5])
    assert backend.calls == [(6, 4), (6, 4)]


def test_every_answer_belongs_to_its_own_request() -> None:
    """Responses are matched to their requests whatever the order in which they arrive."""
    asked = requests(20, *Modality)
    engine = engine_on(Solver(batch_size=7), asked)
    for request in asked:
        scored = engine.ask(request)
        assert isinstance(scored, Scored)
        assert scored.result.id == ("m", request.id)
        assert scored.score.answer == request.task.key


def test_the_users_batch_size_wins() -> None:
    """The backend's batch size is used only if the user does not set one."""
    backend, asked = Solver(batch_size=4), requests(6)
    engine_on(backend, asked, batch_size=3).ask(asked[0])
    assert backend.calls == [(6, 3)]


def test_out_of_memory_halves_the_batch_and_goes_on() -> None:
    """Nothing is lost when memory runs out, and the smaller size is kept."""
    backend, asked = Solver(batch_size=8, fits=2), requests(16)
    engine = engine_on(backend, asked)
    assert all(isinstance(engine.ask(request), Scored) for request in asked)
    engine.plan(more := requests(20)[16:])
    assert all(isinstance(engine.ask(request), Scored) for request in more)
    assert backend.calls == [(16, 8), (16, 4), (16, 2), (4, 2)]


def test_out_of_memory_with_one_request_is_an_error_of_that_request() -> None:
    """A single request that does not fit is an error, never a wrong answer."""
    asked, results = requests(2), list[Result]()
    engine = engine_on(Solver(batch_size=2, fits=0), asked, results)
    for request in asked:
        settled = engine.ask(request)
        assert isinstance(settled, Failure)
        assert "single request" in settled.message
    assert [r.outcome for r in results] == [Outcome.ERROR] * 2


def test_one_bad_request_costs_only_itself() -> None:
    """The rest of its batch is tried one by one, and other requests continue in batches."""
    asked, results = arranged(requests(6), 2), list[Result]()
    backend = Solver(batch_size=2, breaks_at=asked[1].task.id)
    engine = engine_on(backend, asked, results)
    found = [engine.ask(request) for request in asked]
    assert [isinstance(one, Failure) for one in found] == [i == 1 for i in range(6)]
    # The last four had arrived when it failed; the other two are tried one by one.
    assert backend.calls == [(6, 2), (1, 2), (1, 2)]
    assert len(results) == 6


def test_an_error_in_place_of_a_response_is_final() -> None:
    """If a backend says which request failed, the others are not repeated."""

    class Refuser(Solver):
        def generate(
            self, requests: Sequence[Request], settings: Settings, *, batch_size: int
        ) -> Iterator[tuple[int, Response | BackendError]]:
            for index, response in super().generate(requests, settings, batch_size=batch_size):
                yield index, BackendError("too long") if index == 2 else response

    backend, asked = Refuser(), arranged(requests(5), 4)
    engine = engine_on(backend, asked)
    found = [engine.ask(request) for request in asked]
    assert [isinstance(one, Failure) for one in found] == [i == 2 for i in range(5)]
    assert len(backend.calls) == 1


def test_too_few_responses_are_a_failure() -> None:
    """A backend that stops early has failed, and the missing requests are tried again."""

    class Short(Solver):
        def generate(
            self, requests: Sequence[Request], settings: Settings, *, batch_size: int
        ) -> Iterator[tuple[int, Response | BackendError]]:
            yield from super().generate(requests[:1], settings, batch_size=batch_size)

    asked = requests(3)
    engine = engine_on(Short(), asked)
    assert [type(engine.ask(request)) for request in asked] == [Scored, Scored, Scored]


class Failing(Solver):
    """Fails as a whole from some request on, as a model does that computes NaN."""

    def generate(
        self, requests: Sequence[Request], settings: Settings, *, batch_size: int
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """Answers, then an error."""
        for found in super().generate(requests, settings, batch_size=batch_size):
            if self.given > 4:
                raise BackendError("the logits are NaN")
            yield found


def test_a_backend_that_keeps_failing_is_given_up_on() -> None:
    """After a number of failures in a row nothing is asked, also by later groups."""
    asked, results = requests(20), list[Result]()
    backend = Failing(batch_size=4)
    engine = engine_on(backend, asked, results, give_up=3)
    found = [engine.ask(request) for request in asked]
    assert sum(isinstance(one, Failure) for one in found) == 16
    said = [result.response for result in results if result.outcome is Outcome.ERROR]
    assert said[:3] == ["the logits are NaN"] * 3
    assert set(said[3:]) == {"gave up after 3 failures in a row; the last: the logits are NaN"}
    calls = len(backend.calls)
    assert isinstance(engine.ask(requests(21)[20]), Failure)
    assert len(backend.calls) == calls


def test_giving_up_ends_a_generator_and_any_other_iterator() -> None:
    """What is in flight is cancelled where that can be done."""
    closed: list[bool] = []

    class Asker(Solver):
        def generate(
            self, requests: Sequence[Request], *_: object, **__: object
        ) -> Iterator[tuple[int, Response | BackendError]]:
            try:
                for index in range(len(requests)):
                    yield index, BackendError("no")
            finally:
                closed.append(index < len(requests) - 1)

    class Lister(Solver):
        def generate(
            self, requests: Sequence[Request], *_: object, **__: object
        ) -> Iterator[tuple[int, Response | BackendError]]:
            return iter([(index, BackendError("no")) for index in range(len(requests))])

    for backend in (Asker(), Lister()):
        asked, results = requests(9), list[Result]()
        engine = engine_on(backend, asked, results, give_up=2)
        assert all(isinstance(engine.ask(request), Failure) for request in asked)
        assert sum(result.response == "no" for result in results) == 2
    assert closed == [True]


def test_what_is_wrong_with_a_request_itself_is_not_counted() -> None:
    """Pictures that cannot be read, or responses that are not in a file, stop nothing."""

    class Picky(Solver):
        def generate(
            self, requests: Sequence[Request], settings: Settings, *, batch_size: int
        ) -> Iterator[tuple[int, Response | BackendError]]:
            found = list(super().generate(requests, settings, batch_size=batch_size))
            for place, (index, response) in enumerate(found):
                yield index, UnfitRequestError("unreadable") if place < 8 else response

    asked = requests(10)
    engine = engine_on(Picky(), asked, give_up=1)
    assert sum(isinstance(engine.ask(request), Failure) for request in asked) == 8


def test_cached_responses_neither_count_nor_are_lost(tmp_path: Path) -> None:
    """A run that gave up still has what earlier runs got."""
    cache = ModelCache(ResponseStore(tmp_path), identify=lambda: "m1", settings=Settings())
    asked = requests(6)
    saved = Response("<answer>1</answer>", Finish.STOP, 3, 0.1, "gpt-4o-2024-08-06")
    for request in asked[3:]:
        cache.save(request, saved)
    failing = Failing()
    failing.given = 99
    engine = Engine("m", load=lambda: failing, settings=Settings(give_up=1), cache=cache)
    engine.plan(asked[:3])
    engine.plan(asked[3:])
    found = [engine.ask(request) for request in asked]
    assert [isinstance(one, Failure) for one in found] == [True] * 3 + [False] * 3
    assert isinstance(found[5], Scored)
    assert found[5].response == saved
    assert found[5].result.answered_by == "gpt-4o-2024-08-06"


def test_an_interrupted_engine_keeps_what_arrived() -> None:
    """Ctrl-C in the middle of a batch loses no response that had arrived."""

    class Interrupted(Solver):
        def generate(
            self, requests: Sequence[Request], settings: Settings, *, batch_size: int
        ) -> Iterator[tuple[int, Response | BackendError]]:
            for number, found in enumerate(
                super().generate(requests, settings, batch_size=batch_size)
            ):
                if number == 3:
                    raise KeyboardInterrupt
                yield found

    asked, results = arranged(requests(8), 4), list[Result]()
    with pytest.raises(KeyboardInterrupt):
        engine_on(Interrupted(), asked, results).ask(asked[0])
    assert len(results) == 3


def test_an_answer_is_let_go_when_it_was_asked_for_the_last_time() -> None:
    """Two tests that need the same request share one inference; a third one infers again."""
    backend, asked = Solver(), requests(2)
    engine = engine_on(backend, [*asked, asked[0]])
    for request in (asked[0], asked[1], asked[0]):
        assert isinstance(engine.ask(request), Scored)
    assert backend.given == 2
    assert isinstance(engine.ask(asked[0]), Scored)
    assert backend.given == 3


def test_cached_responses_are_not_inferred(tmp_path: Path) -> None:
    """A second engine only infers what the first one did not get."""

    def engine(backend: Solver, refresh: bool = False) -> Engine:
        cache = ModelCache(
            ResponseStore(tmp_path), identify=lambda: "m1", settings=Settings(), refresh=refresh
        )
        return Engine("m", load=lambda: backend, settings=Settings(), cache=cache)

    asked = requests(6, *Modality)
    first = engine(Solver())
    first.plan(asked[:10])
    before = [first.ask(request) for request in asked[:10]]
    second_backend = Solver()
    second = engine(second_backend)
    second.plan(asked)
    after = [second.ask(request) for request in asked]
    assert second_backend.given == 8
    for old, new in zip(before, after, strict=False):
        assert isinstance(old, Scored)
        assert isinstance(new, Scored)
        assert (new.response, new.score) == (old.response, old.score)
        assert (old.result.cached, new.result.cached) == (False, True)
    refreshed = Solver()
    third = engine(refreshed, refresh=True)
    third.plan(asked)
    third.ask(arranged(asked, 4)[0])
    assert refreshed.given == 18


def test_a_run_that_is_all_in_the_cache_loads_no_model(tmp_path: Path) -> None:
    """If every response is cached, the model is not loaded."""
    cache = ModelCache(ResponseStore(tmp_path), identify=lambda: "m1", settings=Settings())
    asked = requests(2)
    for request in asked:
        cache.save(request, Response("<answer>1</answer>", Finish.STOP, 3, 0.1))

    def load() -> Solver:
        raise AssertionError

    engine = Engine("m", load=load, settings=Settings(), cache=cache)
    engine.plan(asked)
    assert all(isinstance(engine.ask(request), Scored) for request in asked)


def test_a_model_that_cannot_see_is_told_before_it_is_asked() -> None:
    """Pictures for a text-only model are one clear error, and nothing is inferred."""
    backend = Solver(reads_images=False)
    asked = requests(2, Modality.TEXT, Modality.IMAGE)
    with pytest.raises(ModelError, match=r"takes no images.*--crossmath-modality=text"):
        engine_on(backend, asked).ask(asked[0])
    assert backend.calls == []


def test_a_request_that_was_not_planned_is_answered_too() -> None:
    """A request that was not announced is still answered."""
    asked = requests(5)
    engine = engine_on(Solver(batch_size=2), asked[:2])
    for request in asked:
        assert isinstance(engine.ask(request), Scored)


def test_a_model_that_cannot_be_loaded_is_not_loaded_again() -> None:
    """Each of its items gets the same error immediately."""
    loads: list[int] = []

    def load() -> Solver:
        loads.append(1)
        raise ModelError("no weights")

    engine = Engine("m", load=load, settings=Settings())
    engine.plan(requests(4))
    for request in requests(4):
        with pytest.raises(ModelError, match="no weights"):
            engine.ask(request)
    assert loads == [1]


def test_the_backend_is_loaded_once_and_late() -> None:
    """Planning loads nothing; answering loads once."""
    loads: list[int] = []

    def load() -> Solver:
        loads.append(1)
        return Solver()

    engine = Engine("m", load=load, settings=Settings())
    engine.plan(requests(8))
    assert loads == []
    for request in requests(8):
        engine.ask(request)
    assert loads == [1]


def table_of(request: Request) -> str:
    """The table of a request's grid."""
    return request.task.text


class Copyist(Solver):
    """Misses every picture, and copies its grid when asked to transcribe it."""

    def generate(
        self, requests: Sequence[Request], settings: Settings, *, batch_size: int
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """The table, or a wrong answer."""
        for index, response in super().generate(requests, settings, batch_size=batch_size):
            request = requests[index]
            if isinstance(response, Response) and request.form.modality is Modality.IMAGE:
                text = table_of(request) if request.transcribes else "<answer>99</answer>"
                yield index, Response(text, Finish.STOP, 5, 0.1)
            else:
                yield index, response


def test_missed_pictures_are_transcribed_together() -> None:
    """The first request transcribes every picture missed so far; no transcript is a result."""
    asked = requests(6, Modality.TEXT, Modality.IMAGE)
    backend, results = Copyist(), list[Result]()
    engine = engine_on(backend, asked, results)
    for request in asked:
        scored = engine.ask(request)
        assert isinstance(scored, Scored)
        assert scored.is_missed_picture is (request.form.modality is Modality.IMAGE)
        if scored.is_missed_picture:
            assert engine.transcript(request) == table_of(request)
    assert [count for count, _ in backend.calls] == [12, 6]
    assert len(results) == 12


def test_a_backend_that_fails_at_a_transcript_costs_nothing_else() -> None:
    """A failed transcript is None, and the answers are unchanged."""
    asked = requests(2, Modality.IMAGE)
    backend, results = Copyist(), list[Result]()
    engine = engine_on(backend, asked, results)
    found = [engine.ask(request) for request in asked]
    assert [isinstance(one, Scored) for one in found] == [True, True]
    backend._breaks_at = asked[0].task.id
    assert [engine.transcript(request) for request in asked] == [None, table_of(asked[1])]
    assert [result.outcome for result in results] == [Outcome.MISSED, Outcome.MISSED]


def test_a_transcript_is_another_question(tmp_path: Path) -> None:
    """A transcript and an answer to the same picture never share a cache entry."""
    store = ResponseStore(tmp_path)
    [request] = requests(1, Modality.IMAGE)

    def ask() -> tuple[str, str | None, int]:
        backend = Copyist()
        cache = ModelCache(store, identify=lambda: "m", settings=Settings(), refresh=False)
        engine = Engine("m", load=lambda: backend, settings=Settings(), cache=cache)
        scored = engine.ask(request)
        assert isinstance(scored, Scored)
        return scored.response.text, engine.transcript(request), backend.given

    said = ("<answer>99</answer>", table_of(request))
    assert ask() == (*said, 2)
    assert ask() == (*said, 0)
    store.close()


class Raising(Solver):
    """A backend whose own code fails in a way that nobody foresaw, for one problem."""

    def generate(
        self, requests: Sequence[Request], settings: Settings, *, batch_size: int
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """Answer the others."""
        for index, response in super().generate(requests, settings, batch_size=batch_size):
            if requests[index].task.id == "mini-0002":
                raise KeyError("pixel\nvalues")
            yield index, response


def test_any_error_of_a_backend_is_a_failure_of_its_requests() -> None:
    """It costs no other request, and is one line."""
    asked = requests(3)
    engine = engine_on(Raising(), asked)
    settled = [engine.ask(request) for request in asked]
    failures = [one for one in settled if isinstance(one, Failure)]
    assert 0 < len(failures) < len(asked)
    assert {failure.message for failure in failures} == {r"KeyError: 'pixel\nvalues'"}


def test_any_error_while_a_model_is_loaded_is_a_model_error() -> None:
    """A model's own code may raise anything; it ends in one line, as any other."""

    def load() -> Solver:
        raise ValueError("two <image> tokens\nand one image")

    engine = Engine("m", load=load, settings=Settings())
    with pytest.raises(
        ModelError, match=r"^model 'm' cannot be loaded: ValueError: two <image> tokens and one"
    ):
        engine.ask(requests(1)[0])


def test_a_model_that_cannot_see_still_reads() -> None:
    """Giving up on pictures costs no text, whatever comes first."""

    class Blind(Solver):
        def generate(
            self, requests: Sequence[Request], settings: Settings, *, batch_size: int
        ) -> Iterator[tuple[int, Response | BackendError]]:
            for index, found in super().generate(requests, settings, batch_size=batch_size):
                yield index, BackendError("NaN") if requests[index].pictures else found

    asked = requests(20, Modality.TEXT, Modality.IMAGE)
    engine = engine_on(Blind(), asked, give_up=3)
    found = {request.id: engine.ask(request) for request in asked}
    seen = [isinstance(found[request.id], Scored) for request in asked]
    assert seen == [not request.pictures for request in asked]
