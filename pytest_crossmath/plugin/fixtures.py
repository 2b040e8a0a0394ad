"""The fixtures and their parametrization."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_crossmath.errors import OptionError

if TYPE_CHECKING:
    from pytest_crossmath.inference.engine import Engine, Scored
    from pytest_crossmath.models.backend import Response
    from pytest_crossmath.plugin.asker_role import AskerRole
    from pytest_crossmath.plugin.role import Session
    from pytest_crossmath.run.plan import FormSample
    from pytest_crossmath.tasks.request import Request
    from pytest_crossmath.tasks.score import Score
    from pytest_crossmath.tasks.task import Modality, Task

active: pytest.StashKey[Session] = pytest.StashKey()
"""The session of this process, if any option of the plugin was given."""

asking: pytest.StashKey[AskerRole] = pytest.StashKey()
"""The same session, in a process that runs tests."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize tests that take the fixtures by model, problem and form."""
    session = metafunc.config.stash.get(active, None)
    if session is None:
        return
    asked = set(metafunc.fixturenames) - set(_taken(metafunc))
    plan = session.plan
    if "crossmath_model" in asked:
        models = [
            pytest.param(name, id=name, marks=pytest.mark.crossmath(model=name))
            for name in plan.models
        ]
        metafunc.parametrize("crossmath_model", models, indirect=True, scope="session")
    takes_both = {"crossmath_problem", "crossmath_modality"} <= asked
    if takes_both and not plan.is_complete:
        # Together, because a problem may lack some of the forms.
        of_form = {asked: _of_form(asked) for _, asked in plan.forms}
        of_problem = {task.id: _of_problem(task) for task in plan.tasks}
        both = [
            pytest.param(task, form, id=id, marks=(of_problem[task.id], of_form[form]))
            for id, task, form in plan.entries()
        ]
        metafunc.parametrize(["crossmath_problem", "crossmath_modality"], both, indirect=True)
        return
    if "crossmath_problem" in asked:
        problems = [pytest.param(task, id=task.id, marks=_of_problem(task)) for task in plan.tasks]
        metafunc.parametrize("crossmath_problem", problems, indirect=True)
    if "crossmath_modality" in asked:
        shown = [pytest.param(form, id=id, marks=_of_form(form)) for id, form in plan.forms]
        metafunc.parametrize("crossmath_modality", shown, indirect=True)


def _of_problem(problem: Task) -> pytest.MarkDecorator:
    return pytest.mark.crossmath(
        problem=problem.id, difficulty=problem.difficulty, family=problem.family
    )


def _of_form(asked: FormSample) -> pytest.MarkDecorator:
    return pytest.mark.crossmath(modality=asked.form.modality.value, style=asked.form.style)


def _taken(metafunc: pytest.Metafunc) -> Iterator[str]:
    """The names that the user's own marks, hooks and fixtures give values to."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", "")
        yield from [n.strip() for n in names.split(",")] if isinstance(names, str) else names
    # pytest has no public names for what its hooks have parametrized, and for overridden fixtures.
    for call in getattr(metafunc, "_calls", ()):
        yield from call.params
    for name, defined in getattr(metafunc, "_arg2fixturedefs", {}).items():
        last = defined[-1]
        # A fixture that asks for the one of the same name passes its parameter on.
        if last.func.__module__ != __name__ and name not in last.argnames:
            yield name


def _role(request: pytest.FixtureRequest) -> AskerRole:
    if asking not in request.config.stash:
        pytest.skip("no model to run: add --crossmath-model=pocket, or your own model")
    return request.config.stash[asking]


def _given(request: pytest.FixtureRequest, name: str) -> Any:
    """The value of another fixture, if the test takes it."""
    return request.getfixturevalue(name) if name in request.fixturenames else None


def _parameter(request: pytest.FixtureRequest) -> Any:
    _role(request)
    if not hasattr(request, "param"):
        pytest.fail(f"{request.fixturename} must be an argument of the test", pytrace=False)
    return request.param


@contextmanager
def _mistakes() -> Iterator[None]:
    """Let a value that cannot be used fail the test that gave it, and nothing else."""
    try:
        yield
    except OptionError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def crossmath_model(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The model: an `Engine`, with its `name` and its loaded `backend`."""
    engine = _engine(request, _parameter(request))
    yield engine
    engine.close()


@pytest.fixture
def crossmath_problem(request: pytest.FixtureRequest) -> Task:
    """The problem: id, family, key, steps, difficulty and pictures; for a grid also equations."""
    return _task(request, _parameter(request))


@pytest.fixture
def crossmath_modality(request: pytest.FixtureRequest) -> Modality:
    """The form in which it is shown: ``text``, ``image`` or ``image+text``."""
    return _form(request, _parameter(request)).form.modality


@pytest.fixture
def crossmath_style(request: pytest.FixtureRequest, crossmath_modality: Modality) -> str | None:
    """The image style; None without an image."""
    if hasattr(request, "param"):
        style: str | None = request.param
        return style
    task = _given(request, "crossmath_problem")
    return _form(request, crossmath_modality, task).form.style


@pytest.fixture
def _crossmath_request(
    request: pytest.FixtureRequest, crossmath_problem: Task, crossmath_modality: Modality
) -> Request:
    """The request for the problem in its form, from the plan."""
    task = _task(request, crossmath_problem)
    style = _given(request, "crossmath_style")
    asked = _form(request, crossmath_modality, task, style)
    return _role(request).plan.request(task, asked)


@pytest.fixture
def _crossmath_scored(
    request: pytest.FixtureRequest, crossmath_model: Engine, _crossmath_request: Request
) -> Scored:
    engine = _engine(request, crossmath_model)
    return _role(request).ask(request.node, engine, _crossmath_request)


@pytest.fixture
def crossmath_response(_crossmath_scored: Scored) -> Response:
    """The response of the model: text, why it ended, tokens and seconds."""
    return _crossmath_scored.response


@pytest.fixture
def crossmath_score(_crossmath_scored: Scored) -> Score:
    """The score: outcome, answer, which values are right, and the reason."""
    return _crossmath_scored.score


@pytest.fixture
def crossmath_regressed(
    request: pytest.FixtureRequest,
    crossmath_model: Engine,
    _crossmath_request: Request,
    crossmath_score: Score,
) -> bool:
    """Whether the problem was solved in the snapshot and is not solved now."""
    model = _engine(request, crossmath_model).name
    return _role(request).is_regressed(request.node, model, _crossmath_request, crossmath_score)


@pytest.fixture
def crossmath_strict(request: pytest.FixtureRequest) -> bool:
    """Whether a missed problem fails: ``--crossmath-strict``."""
    session = request.config.stash.get(active, None)
    return session is not None and session.run.strict


def _engine(request: pytest.FixtureRequest, value: object) -> Engine:
    """The model of the run that a value names or is."""
    from pytest_crossmath.plugin.parameters import model_of

    role = _role(request)
    with _mistakes():
        return role.asker.engine(model_of(role.plan, getattr(value, "name", value)))


def _task(request: pytest.FixtureRequest, value: object) -> Task:
    """The problem that a value names or is."""
    from pytest_crossmath.plugin.parameters import task_of

    with _mistakes():
        return task_of(_role(request).plan, value)


def _form(
    request: pytest.FixtureRequest, value: object, task: object = None, style: object = None
) -> FormSample:
    """The form that a value names or is; the test's own parameter also knows the sample."""
    from pytest_crossmath.plugin.parameters import form_of
    from pytest_crossmath.run.plan import FormSample

    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    known = params.get("crossmath_modality")
    if isinstance(known, FormSample) and known.form.modality == value:
        value = known
    with _mistakes():
        plan = _role(request).plan
        return form_of(plan, value, None if task is None else _task(request, task), style)
