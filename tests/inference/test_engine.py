"""The engine: batches, failures, memory, and what reaches the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.inference.engine import Answer, Engine, Failure, plan_batches
from pytest_crossmath.models.backend import OutOfMemoryError, Response, Settings
from pytest_crossmath.prompting import Modality, Sample, make_sample
from pytest_crossmath.puzzle.suite import load_suite
from pytest_crossmath.scoring import Finish, Outcome

PROBLEMS = load_suite("mini").problems


def samples(count: int, *modalities: Modality) -> list[Sample]:
    """Samples of the first problems, in each modality."""
    return [
        make_sample(problem, modality, style="original")
        for problem in PROBLEMS[:count]
        for modality in modalities or (Modality.TEXT,)
    ]


class Solver:
    """A backend that knows every key, and breaks where it is told to."""

    def __init__(
        self, *, batch_size: int = 4, fits: int = 99, breaks_at: str = "", reads_images: bool = True
    ) -> None:
        self.batch_size = batch_size
        self.reads_images = reads_images
        self.calls: list[list[Sample]] = []
        self._fits, self._breaks_at = fits, breaks_at

    def generate(self, samples: Sequence[Sample], settings: Settings) -> Iterator[Response]:  # noqa: ARG002 - nothing is generated
        """Answer right."""
        self.calls.append(list(samples))
        if len(samples) > self._fits:
            raise OutOfMemoryError("no memory left")
        for sample in samples:
            if sample.problem.id == self._breaks_at:
                raise BackendError("the server hung up")
            key = ", ".join(sample.problem.key)
            yield Response(f"<answer>{key}</answer>", Finish.STOP, 5, 0.1)


def engine_on(backend: Solver, asked: list[Sample], **settings: int) -> Engine:
    """An engine that has planned its samples."""
    engine = Engine("m", load=lambda: backend, settings=Settings(**settings))  # type: ignore[arg-type]  # ints only
    engine.plan(asked)
    return engine


def test_the_first_sample_runs_its_whole_batch_and_no_other() -> None:
    """A batch runs once, when the first of its samples is asked for."""
    backend, asked = Solver(batch_size=4), samples(12)
    engine = engine_on(backend, asked)
    for sample in asked:
        answer = engine.answer(sample)
        assert isinstance(answer, Answer)
        assert answer.score.outcome is Outcome.SOLVED
    assert [len(call) for call in backend.calls] == [4, 4, 4]
    assert {s.key for call in backend.calls for s in call} == {s.key for s in asked}


def test_every_answer_belongs_to_its_own_sample() -> None:
    """Sorting into batches does not mix up who is answered."""
    asked = samples(20, *Modality)
    engine = engine_on(Solver(batch_size=7), asked)
    for sample in reversed(asked):
        answer = engine.answer(sample)
        assert isinstance(answer, Answer)
        assert answer.result.identity == ("m", *sample.key)
        assert answer.score.answer == sample.problem.key


def test_no_batch_holds_samples_with_and_without_pictures() -> None:
    """A processor aligns pictures with rows by counting, so rows are of one kind."""
    batches = plan_batches(samples(9, *Modality), 4)
    assert sum(len(batch) for batch in batches) == 27
    for batch in batches:
        assert len(batch) <= 4
        assert len({bool(sample.images) for sample in batch}) == 1


def test_the_users_batch_size_wins() -> None:
    """The backend's own size counts only where the user names none."""
    backend, asked = Solver(batch_size=4), samples(6)
    engine_on(backend, asked, batch_size=3).answer(asked[0])
    assert len(backend.calls[0]) == 3


def test_out_of_memory_halves_the_batch_and_goes_on() -> None:
    """Nothing is lost when memory runs out, and the smaller size is kept."""
    backend, asked = Solver(batch_size=8, fits=2), samples(16)
    engine = engine_on(backend, asked)
    assert all(isinstance(engine.answer(sample), Answer) for sample in asked)
    sizes = [len(call) for call in backend.calls]
    assert sizes[:3] == [8, 4, 2]
    assert set(sizes[2:]) == {2}


def test_out_of_memory_with_one_sample_is_an_error_of_that_sample() -> None:
    """Where one sample alone does not fit, it is an error and never a wrong answer."""
    asked = samples(2)
    engine = engine_on(Solver(batch_size=2, fits=0), asked)
    answer = engine.answer(asked[0])
    assert isinstance(answer, Failure)
    assert "single sample" in answer.message
    assert [r.outcome for r in engine.take_fresh()] == [Outcome.ERROR] * 2


def test_one_bad_sample_costs_only_itself() -> None:
    """Where a batch fails, its samples are asked one by one, and only the culprit is an error."""
    asked = samples(4)
    ordered = plan_batches(asked, 4)[0]
    engine = engine_on(Solver(batch_size=4, breaks_at=ordered[2].problem.id), asked)
    found = [engine.answer(sample) for sample in ordered]
    assert [isinstance(answer, Answer) for answer in found] == [True, True, False, True]
    outcomes = [result.outcome for result in engine.take_fresh()]
    assert outcomes == [Outcome.SOLVED] * 2 + [Outcome.ERROR, Outcome.SOLVED]


def test_too_few_responses_are_a_failure() -> None:
    """A backend that stops early has failed, and what is missing is asked again."""

    class Short(Solver):
        def generate(self, samples: Sequence[Sample], settings: Settings) -> Iterator[Response]:
            yield from super().generate(samples[:1], settings)

    asked = samples(3)
    engine = engine_on(Short(), asked)
    kinds = [type(engine.answer(sample)) for sample in plan_batches(asked, 4)[0]]
    assert kinds == [Answer, Answer, Answer]


def test_fresh_results_are_handed_out_once() -> None:
    """Each result travels on exactly one report."""
    asked = samples(4)
    engine = engine_on(Solver(batch_size=4), asked)
    engine.answer(asked[0])
    assert len(engine.take_fresh()) == 4
    engine.answer(asked[1])
    assert engine.take_fresh() == []


def test_a_model_that_cannot_see_is_told_before_it_is_asked() -> None:
    """Pictures for a model without eyes are one clear error, and nothing is inferred."""
    backend = Solver(reads_images=False)
    asked = samples(2, Modality.TEXT, Modality.IMAGE)
    with pytest.raises(ModelError, match=r"takes no images.*--crossmath-modality=text"):
        engine_on(backend, asked).answer(asked[0])
    assert backend.calls == []


def test_a_sample_that_was_not_planned_is_answered_too() -> None:
    """A fixture asked for in an unforeseen way still works."""
    asked = samples(5)
    engine = engine_on(Solver(batch_size=2), asked[:2])
    for sample in asked:
        assert isinstance(engine.answer(sample), Answer)


def test_a_model_that_cannot_be_loaded_is_not_loaded_again() -> None:
    """Each of its items gets the same error at once."""
    loads: list[int] = []

    def load() -> Solver:
        loads.append(1)
        raise ModelError("no weights")

    engine = Engine("m", load=load, settings=Settings())
    engine.plan(samples(4))
    for sample in samples(4):
        with pytest.raises(ModelError, match="no weights"):
            engine.answer(sample)
    assert loads == [1]


def test_the_backend_is_loaded_once_and_late() -> None:
    """Planning loads nothing; answering loads once."""
    loads: list[int] = []

    def load() -> Solver:
        loads.append(1)
        return Solver()

    engine = Engine("m", load=load, settings=Settings())
    engine.plan(samples(8))
    assert loads == []
    for sample in samples(8):
        engine.answer(sample)
    assert loads == [1]
