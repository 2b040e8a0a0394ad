"""The pytest plugin: hooks and fixtures, each a few lines that delegate.

Without a crossmath option only `pytest_addoption` and `pytest_configure` do
anything, and neither imports more than this package's option table.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_crossmath.plugin.options import (
    SNAPSHOT_EXTENSION,
    add_options,
    build_config,
    is_active,
)

if TYPE_CHECKING:
    from pytest_crossmath.inference.engine import Engine, Scored
    from pytest_crossmath.models.backend import Response
    from pytest_crossmath.plugin.session import CrossmathSession
    from pytest_crossmath.plugin.xdist import GpuAssignment
    from pytest_crossmath.run.plan import FormSample
    from pytest_crossmath.tasks.score import Score
    from pytest_crossmath.tasks.task import Modality, Task

_active = pytest.StashKey["CrossmathSession"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check what was asked and start a session, if anything was."""
    config.addinivalue_line(
        "markers",
        "crossmath(model, problem, modality, style, difficulty, family): set by pytest-crossmath",
    )
    # Else syrupy would take them for leftovers of the user's own tests, and delete them.
    ignored = getattr(config.option, "ignore_file_extensions", None) or []
    config.option.ignore_file_extensions = [*ignored, SNAPSHOT_EXTENSION]
    if is_active(config):
        config.pluginmanager.register(_start(config), "crossmath-session")


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: one worker for each GPU; without a GPU two at most, since a model fills them."""
    if not is_active(config):
        return None
    from pytest_crossmath.plugin.xdist import automatic_workers

    return automatic_workers()


def _start(config: pytest.Config) -> _Hooks:
    from pytest_crossmath.errors import CrossmathError
    from pytest_crossmath.plugin.items import check_selection, take_selection
    from pytest_crossmath.plugin.session import CrossmathSession, usage_error
    from pytest_crossmath.plugin.xdist import prepare_worker

    take_selection(config)
    prepare_worker(getattr(config, "workerinput", {}))
    try:
        session = CrossmathSession(build_config(config), config)
    except CrossmathError as error:
        raise usage_error(error) from None
    check_selection(config, session.ids())
    config.stash[_active] = session
    return _Hooks(session)


class _Hooks:
    """The hooks that only an active run needs."""

    def __init__(self, session: CrossmathSession) -> None:
        self._session = session
        self._is_worker = session.is_worker
        self._gpus: GpuAssignment | None = None

    def pytest_report_header(self) -> str:
        return self._session.header()

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        from pytest_crossmath.plugin.items import BuiltinModule, selection

        report = yield
        if isinstance(collector, pytest.Session) and collector.config.stash[selection] is not None:
            report.result = [*(report.result or ()), BuiltinModule.of(collector)]
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._session.reorder(items)

    @pytest.hookimpl(trylast=True)  # after syrupy
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        from pytest_crossmath.errors import CrossmathError
        from pytest_crossmath.plugin.items import hide_from_syrupy
        from pytest_crossmath.plugin.session import usage_error

        hide_from_syrupy(session.config)
        if not session.config.option.collectonly:
            try:
                self._session.plan(session.items)
            except CrossmathError as error:
                raise usage_error(error) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        from pytest_crossmath.errors import CrossmathError
        from pytest_crossmath.plugin.session import usage_error

        if not self._is_worker and not session.config.option.collectonly:
            try:
                self._session.start()
            except CrossmathError as error:
                raise usage_error(error) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self,
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._session.attach(report)
        return report

    @pytest.hookimpl(wrapper=True)  # around what pytest writes
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        self._session.progress.clear()
        yield
        if not self._is_worker:
            self._session.receive(report)

    @pytest.hookimpl(tryfirst=True)  # before a worker of xdist sends its last word
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._is_worker:
            session.config.workeroutput.update(self._session.last_word())  # type: ignore[attr-defined]  # set by xdist
        self._session.finish()
        if self._session.has_failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    # What xdist asks its controller. Without it nobody calls these.

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        from pytest_crossmath.plugin.xdist import make_scheduler

        if config.getvalue("dist") != "load":
            return None
        return make_scheduler(config, log, self._session.stretches)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        from pytest_crossmath.plugin.session import FLAGS
        from pytest_crossmath.plugin.xdist import GPU, GpuAssignment, visible_gpus

        if self._gpus is None:
            by_hand = self._session.config.settings.device not in {"auto", "cuda"}
            self._gpus = GpuAssignment([] if by_hand else visible_gpus())
        node.workerinput[GPU] = self._gpus.take(node.gateway.id)
        node.workerinput[FLAGS] = self._session.flags()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        if self._gpus is not None:
            self._gpus.release(node.gateway.id)
        self._session.receive_last_word(getattr(node, "workeroutput", {}))

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        self._session.receive_crash(crashitem)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._session.report is not None:
            from pytest_crossmath.plugin.outputs import show

            show(self._session.report, terminalreporter)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize model x problem x form for every test that asks for them."""
    session = metafunc.config.stash.get(_active, None)
    if session is None:
        return
    from pytest_crossmath.run.plan import asked_tasks, forms

    mark = pytest.mark.crossmath
    taken = {name for m in metafunc.definition.iter_markers("parametrize") for name in _names(m)}
    asked = set(metafunc.fixturenames) - taken
    if "crossmath_model" in asked:
        names = [spec.name for spec in session.config.models]
        models = [pytest.param(n, id=n, marks=mark(model=n)) for n in names]
        metafunc.parametrize("crossmath_model", models, indirect=True, scope="session")
    if {"crossmath_problem", "crossmath_modality"} <= asked:
        # Together: a question need not have every form.
        both = [
            pytest.param(p, f, id=id, marks=(_of_problem(p), _of_form(f)))
            for id, p, f in asked_tasks(session.config)
        ]
        metafunc.parametrize(["crossmath_problem", "crossmath_modality"], both, indirect=True)
    elif "crossmath_problem" in asked:
        tasks = [pytest.param(p, id=p.id, marks=_of_problem(p)) for p in session.config.suite.tasks]
        metafunc.parametrize("crossmath_problem", tasks, indirect=True)
    elif "crossmath_modality" in asked:
        shown = [pytest.param(f, id=id, marks=_of_form(f)) for id, f in forms(session.config)]
        metafunc.parametrize("crossmath_modality", shown, indirect=True)


def _of_problem(problem: Task) -> pytest.MarkDecorator:
    return pytest.mark.crossmath(
        problem=problem.id, difficulty=problem.difficulty, family=problem.family
    )


def _of_form(asked: FormSample) -> pytest.MarkDecorator:
    return pytest.mark.crossmath(modality=asked.form.modality.value, style=asked.form.style)


def _names(mark: pytest.Mark) -> list[str]:
    """The arguments that a mark of the user's parametrizes by itself."""
    names = mark.args[0] if mark.args else mark.kwargs.get("argnames", "")
    return [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)


def _parameter(request: pytest.FixtureRequest) -> Any:
    if _active not in request.config.stash:
        pytest.skip("no model to run: add --crossmath-model=pocket, or a model of yours")
    if not hasattr(request, "param"):
        pytest.fail(f"{request.fixturename} must be an argument of the test", pytrace=False)
    return request.param


@pytest.fixture(scope="session")
def crossmath_model(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The model: an `Engine`, with its `name` and its loaded `backend`."""
    name = _parameter(request)
    engine = request.config.stash[_active].engine(name)
    yield engine
    engine.close()


@pytest.fixture
def crossmath_problem(request: pytest.FixtureRequest) -> Task:
    """The problem: its id, family, key, steps, difficulty and pictures; of a grid, equations."""
    problem: Task = _parameter(request)
    return problem


@pytest.fixture
def crossmath_modality(request: pytest.FixtureRequest) -> Modality:
    """The form it is given in: ``text``, ``image`` or ``image+text``."""
    modality: Modality = _parameter(request).form.modality
    return modality


@pytest.fixture
def crossmath_style(request: pytest.FixtureRequest, crossmath_modality: Modality) -> str | None:  # noqa: ARG001 - asked for its parameter
    """The image style; None without an image."""
    style: str | None = request.node.callspec.params["crossmath_modality"].form.style
    return style


@pytest.fixture
def _crossmath_scored(
    request: pytest.FixtureRequest,
    crossmath_model: Engine,
    crossmath_problem: Task,
    crossmath_modality: Modality,  # noqa: ARG001 - asked for its parameter
) -> Scored:
    session = request.config.stash[_active]
    asked = request.node.callspec.params["crossmath_modality"]
    scored = session.ask(
        crossmath_model, session.request(crossmath_problem, asked), request.session
    )
    request.node.user_properties.extend(session.properties(scored))
    return scored


@pytest.fixture
def crossmath_response(_crossmath_scored: Scored) -> Response:
    """What the model said: text, why it ended, tokens and seconds."""
    return _crossmath_scored.response


@pytest.fixture
def crossmath_score(_crossmath_scored: Scored) -> Score:
    """The response, scored: outcome, answer, and for each blank whether it is right."""
    return _crossmath_scored.score


@pytest.fixture
def crossmath_regressed(
    request: pytest.FixtureRequest,
    crossmath_model: Engine,
    crossmath_problem: Task,
    crossmath_score: Score,
) -> bool:
    """Whether the snapshot of outcomes says that the problem was solved before, and now is not."""
    session = request.config.stash[_active]
    asked = session.request(crossmath_problem, request.node.callspec.params["crossmath_modality"])
    return session.is_regressed(request.node, crossmath_model.name, asked, crossmath_score)


@pytest.fixture
def crossmath_strict(request: pytest.FixtureRequest) -> bool:
    """Whether a missed problem is to fail: ``--crossmath-strict``."""
    session = request.config.stash.get(_active, None)
    return session is not None and session.config.strict
