"""The plan of a run: the requests that it may make, each built once, and what runs together.

::

    plan = Plan.of(config)
    [(model, request)] = plan.find(["crossmath::test_problem[pocket-mini-0001-image]"])
    scopes = plan.stretches(test_ids, workers=4)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_crossmath.run.config import RunConfig
from pytest_crossmath.tasks.request import Request, RequestId, make_request
from pytest_crossmath.tasks.task import Form, Task

Scopes = Mapping[str, str]
"""Test id to the name of its stretch."""

_SMALLEST, _LARGEST = 32, 512
"""Tests in a stretch: enough to fill batches, few enough to share out evenly."""
_STRETCHES_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class FormSample:
    """How a task is put to a model once: the value behind `crossmath_modality`."""

    form: Form
    """Text, picture or both, and the image style."""
    sample: int
    """Number of the repetition, from 0."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of a run, in a fixed order that is the same in every process."""

    models: tuple[str, ...]
    """Names of the models."""
    tasks: tuple[Task, ...]
    """The problems."""
    forms: tuple[tuple[str, FormSample], ...]
    """Every form and sample number, with its part of a test id."""
    instruction: str | None
    """The user's own instruction; None for the built-in one."""
    _requests: dict[RequestId, Request] = field(default_factory=dict, repr=False, compare=False)
    """The requests made so far: of many tests, only a few may be selected."""

    @classmethod
    def of(cls, config: RunConfig) -> Plan:
        """The plan for a configuration."""
        models = tuple(spec.name for spec in config.models)
        return cls(models, config.suite.tasks, tuple(_forms(config)), config.instruction)

    @property
    def is_complete(self) -> bool:
        """Whether every problem has every form."""
        forms = {asked.form for _, asked in self.forms}
        return all(forms <= task.shown.keys() for task in self.tasks)

    def ids(self) -> Iterator[str]:
        """The bracketed part of every built-in test id."""
        return (f"{model}-{id}" for model in self.models for id, _, _ in self.entries())

    def entries(self) -> Iterator[tuple[str, Task, FormSample]]:
        """Every problem in every form that it has, with that part of the test id, in order."""
        for task in self.tasks:
            for id, form in self.forms:
                if form.form in task.shown:
                    yield f"{task.id}-{id}", task, form

    def find(self, test_ids: Iterable[str]) -> Iterator[tuple[str, Request]]:
        """The model and request of each test that is built in."""
        known = {
            f"{model}-{id}": (model, task, form)
            for id, task, form in self.entries()
            for model in self.models
        }
        for test_id in test_ids:
            if (parameters := _parameters(test_id)) in known:
                model, task, form = known[parameters]
                yield model, self.request(task, form)

    def request(self, task: Task, asked: FormSample) -> Request:
        """The request for a problem in a form, made once; a test may have built the problem."""
        id = RequestId(task.id, asked.form, asked.sample)
        known = self._requests.get(id)
        if known is None or known.task is not task:
            known = make_request(
                task, asked.form, sample=asked.sample, instruction=self.instruction
            )
            self._requests[id] = known
        return known

    def stretches(self, test_ids: Sequence[str], workers: int) -> Scopes:
        """The stretch of every test: a stretch goes to one worker as a whole."""
        problems = [task.id for task in self.tasks]
        return stretches(test_ids, models=self.models, problems=problems, workers=workers)


def stretches(
    ids: Sequence[str], *, models: Iterable[str], problems: Iterable[str], workers: int
) -> Scopes:
    """The stretch of every test; a test that does not ask a model is a stretch by itself."""
    find_model, find_problem = _finder(models), _finder(problems)
    asked: dict[str, tuple[str, str]] = {}
    for id in ids:
        parameters = _parameters(id)
        model, problem = find_model(parameters), find_problem(parameters)
        if model is not None and problem is not None:
            asked[id] = model, problem
    tests = Counter(model for model, _ in asked.values())
    place: dict[str, dict[str, int]] = {model: {} for model in tests}
    for model, problem in asked.values():
        place[model].setdefault(problem, len(place[model]))
    scopes = {id: id for id in ids}
    for id, (model, problem) in asked.items():
        size = min(max(tests[model] / (workers * _STRETCHES_PER_WORKER), _SMALLEST), _LARGEST)
        problems_at_once = max(1, round(size * len(place[model]) / tests[model]))
        scopes[id] = f"{model}, stretch {place[model][problem] // problems_at_once}"
    return scopes


def _forms(config: RunConfig) -> Iterator[tuple[str, FormSample]]:
    several_styles, several = len(config.styles) > 1, config.samples > 1
    for form in config.suite.chosen(config.modalities, config.styles):
        for sample in range(config.samples):
            id = form.modality.value
            id += f"-{form.style}" if several_styles and form.style else ""
            id += f"-s{sample}" if several else ""
            yield id, FormSample(form, sample)


def _parameters(test_id: str) -> str:
    """The text in the brackets of a test id; empty without brackets."""
    return test_id.partition("[")[2].removesuffix("]")


def _finder(names: Iterable[str]) -> Callable[[str], str | None]:
    """A function that finds which of `names` a test's parameters contain, between hyphens."""
    known = set(names)
    longest = max((name.count("-") for name in known), default=0) + 1

    def find(parameters: str) -> str | None:
        words = parameters.split("-")
        for start in range(len(words)):
            for stop in range(min(start + longest, len(words)), start, -1):
                if (name := "-".join(words[start:stop])) in known:
                    return name
        return None

    return find
