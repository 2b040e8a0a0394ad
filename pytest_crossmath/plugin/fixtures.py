"""The fixtures and their parametrization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

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
    taken = {name for m in metafunc.definition.iter_markers("parametrize") for name in _names(m)}
    asked = set(metafunc.fixturenames) - taken
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


def _names(mark: pytest.Mark) -> list[str]:
    """The arguments that a mark of the user already parametrizes."""
    names = mark.args[0] if mark.args else mark.kwargs.get("argnames", "")
    return [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)


def _parameter(request: pytest.FixtureRequest) -> Any:
    if active not in request.config.stash:
        pytest.skip("no model to run: add --crossmath-model=pocket, or your own model")
    if not hasattr(request, "param"):
        pytest.fail(f"{request.fixturename} must be an argument of the test", pytrace=False)
    return request.param


@pytest.fixture(scope="session")
def crossmath_model(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The model: an `Engine`, with its `name` and its loaded `backend`."""
    name = _parameter(request)
    engine = request.config.stash[asking].asker.engine(name)
    yield engine
    engine.close()


@pytest.fixture
def crossmath_problem(request: pytest.FixtureRequest) -> Task:
    """The problem: id, family, key, steps, difficulty and pictures; for a grid also equations."""
    problem: Task = _parameter(request)
    return problem


@pytest.fixture
def crossmath_modality(request: pytest.FixtureRequest) -> Modality:
    """The form in which it is shown: ``text``, ``image`` or ``image+text``."""
    modality: Modality = _parameter(request).form.modality
    return modality


@pytest.fixture
def crossmath_style(request: pytest.FixtureRequest, crossmath_modality: Modality) -> str | None:  # noqa: ARG001 - asked for its parameter
    """The image style; None without an image."""
    style: str | None = request.node.callspec.params["crossmath_modality"].form.style
    return style


@pytest.fixture
def _crossmath_request(
    request: pytest.FixtureRequest,
    crossmath_problem: Task,
    crossmath_modality: Modality,  # noqa: ARG001 - asked for its parameter
) -> Request:
    """The request for the problem in its form, from the plan."""
    asked = request.node.callspec.params["crossmath_modality"]
    _check_ours(crossmath_problem=hasattr(crossmath_problem, "shown"))
    _check_ours(crossmath_modality=hasattr(asked, "form"))
    return request.config.stash[asking].plan.request(crossmath_problem, asked)


@pytest.fixture
def _crossmath_scored(
    request: pytest.FixtureRequest, crossmath_model: Engine, _crossmath_request: Request
) -> Scored:
    _check_ours(crossmath_model=hasattr(crossmath_model, "name"))
    return request.config.stash[asking].ask(request.node, crossmath_model, _crossmath_request)


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
    model = crossmath_model.name
    return request.config.stash[asking].is_regressed(
        request.node, model, _crossmath_request, crossmath_score
    )


@pytest.fixture
def crossmath_strict(request: pytest.FixtureRequest) -> bool:
    """Whether a missed problem fails: ``--crossmath-strict``."""
    session = request.config.stash.get(active, None)
    return session is not None and session.run.strict


def _check_ours(**fixtures: bool) -> None:
    """Fail a test that asks a model but parametrizes one of these fixtures with its own values."""
    for name, ours in fixtures.items():
        if not ours:
            pytest.fail(
                f"{name} is parametrized by the plugin in a test that asks a model; select with -k"
                " or -m, such as -m \"crossmath(modality='text')\"",
                pytrace=False,
            )
