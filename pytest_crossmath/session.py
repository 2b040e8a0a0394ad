"""One run: what is asked, the engines that answer, and what is known when it ends.

The hooks and fixtures of `plugin` delegate to a `CrossmathSession`. Under
pytest-xdist each worker has one that answers, and the controller has one that
collects: results travel on the test reports, the only thing that survives a
worker that dies.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.inference.engine import Answer, Engine, Failure
from pytest_crossmath.inference.result import Key, Result
from pytest_crossmath.models.registry import ModelSpec, load_backend, weights_digest
from pytest_crossmath.options import CrossmathConfig
from pytest_crossmath.prompting import Modality, Sample, make_sample
from pytest_crossmath.puzzle.grid import Problem
from pytest_crossmath.reporting.record import RecordWriter, check_writable, default_path, relative
from pytest_crossmath.reporting.summary import summarize_run
from pytest_crossmath.reporting.terminal import draw_answer, modality_gap_table, throughput
from pytest_crossmath.scoring import Outcome, Score

ANSWER_FIXTURE = "_crossmath_answer"
"""The fixture that asks a model; every test that depends on it is planned."""

REPORT_ATTRIBUTE = "crossmath_results"
"""Where a test report carries results, as builtin types."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a problem is given: the value behind `crossmath_modality`."""

    modality: Modality
    """Text, image or both."""
    style: str | None
    """Image style; None without an image."""
    sample: int
    """Sample number, from 0."""


class CrossmathSession:
    """The state of a run in one process."""

    def __init__(self, config: CrossmathConfig, root: pytest.Config) -> None:
        self.config = config
        self._pytest = root
        self._engines = {spec.name: self._engine(spec) for spec in config.models}
        self._results: dict[Key, Result] = {}
        self._record: RecordWriter | None = None
        self._started = time.perf_counter()

    # -- what is asked ---------------------------------------------------------------

    def forms(self) -> Iterator[tuple[str, Form]]:
        """Every form with its part of the test id, in a fixed order."""
        several_styles, several = len(self.config.styles) > 1, self.config.samples > 1
        for modality in self.config.modalities:
            styles = self.config.styles if modality.shows_image else (None,)
            for style in styles:
                for sample in range(self.config.samples):
                    id = modality.value
                    id += f"-{style}" if several_styles and style else ""
                    id += f"-s{sample}" if several else ""
                    yield id, Form(modality, style, sample)

    def ids(self) -> Iterator[str]:
        """The bracketed part of every built-in test id."""
        for spec in self.config.models:
            for problem in self.config.suite.problems:
                for id, _ in self.forms():
                    yield f"{spec.name}-{problem.id}-{id}"

    def plan(self, items: Iterable[pytest.Item]) -> None:
        """Tell each engine the samples that the selected items will ask for."""
        planned: dict[str, list[Sample]] = {}
        for item in items:
            if _asks_a_model(item):
                params = item.callspec.params  # type: ignore[attr-defined]  # parametrized by us
                sample = self.sample(params["crossmath_problem"], params["crossmath_modality"])
                planned.setdefault(params["crossmath_model"], []).append(sample)
        for name, samples in planned.items():
            self._engines[name].plan(samples)

    def sample(self, problem: Problem, form: Form) -> Sample:
        """The sample for a problem in a form."""
        return make_sample(
            problem, form.modality, style=form.style, index=form.sample,
            instruction=self.config.instruction,
        )  # fmt: skip

    def engine(self, name: str) -> Engine:
        """The engine of a model."""
        return self._engines[name]

    def start(self) -> None:
        """Start the clock, and see that the record can be written before anything is asked.

        Raises `OptionError` where it cannot.
        """
        self._started = time.perf_counter()
        if self.config.record is not None:
            check_writable(self.config.record)

    # -- what came of it -------------------------------------------------------------

    def answer(self, engine: Engine, sample: Sample, session: pytest.Session) -> Answer:
        """The answer to a sample; ends the test as an error when there is none."""
        try:
            answer = engine.answer(sample)
        except ModelError as error:
            if len(self._engines) == 1 and all(map(_asks_a_model, session.items)):
                # The items left would only say the same: stop, as after --maxfail.
                session.shouldfail = str(error)
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if isinstance(answer, Failure):
            pytest.fail(f"no measurement: {answer.message}", pytrace=False)
        return answer

    def properties(self, answer: Answer) -> list[tuple[str, object]]:
        """What a test's JUnit entry says of it."""
        result = answer.result
        return [
            ("crossmath_model", result.model),
            ("crossmath_modality", result.modality),
            ("crossmath_outcome", result.outcome.value),
        ]

    def attach(self, report: pytest.TestReport) -> None:
        """Put what arrived since the last report on this one."""
        fresh = [r.to_json() for engine in self._engines.values() for r in engine.take_fresh()]
        if fresh:
            setattr(report, REPORT_ATTRIBUTE, fresh)

    def receive(self, report: pytest.TestReport) -> None:
        """Take the results that a report carries into the record, each once."""
        for fields in getattr(report, REPORT_ATTRIBUTE, ()):
            result = Result.from_json(fields)
            if result.identity not in self._results:
                self._results[result.identity] = result
                self._open_record().append(result)

    def finish(self) -> None:
        """Close the record with the figures."""
        if self._record is not None:
            self._record.finish(summarize_run(self._results.values()).to_json())

    def report_lines(self) -> Iterator[str]:
        """The section at the end of the run."""
        summary = summarize_run(self._results.values())
        asked = (
            f"{summary.problems} of " if summary.problems < len(self.config.suite.problems) else ""
        )
        yield f"suite {self._suite_title(asked)}, {self._decoding()}"
        yield ""
        yield from modality_gap_table(summary, several_styles=len(self.config.styles) > 1)
        yield throughput(summary, time.perf_counter() - self._started)
        if self._record is not None:
            yield f"record: {relative(self._record.path)}"
            if self._record.trouble:
                yield f"  it is incomplete: {self._record.trouble}"

    @property
    def has_results(self) -> bool:
        """Whether anything was answered."""
        return bool(self._results)

    def header(self) -> str:
        """The line at the start of the run."""
        models = ", ".join(spec.name for spec in self.config.models)
        forms = ", ".join(modality.value for modality in self.config.modalities)
        return f"crossmath: {models} on suite {self._suite_title()} as {forms}"

    # -- inside ----------------------------------------------------------------------

    def _engine(self, spec: ModelSpec) -> Engine:
        settings = self.config.settings
        return Engine(spec.name, load=lambda: load_backend(spec, settings), settings=settings)

    def _suite_title(self, asked: str = "") -> str:
        count = len(self.config.suite.problems)
        return f"{self.config.suite.name} ({asked}{count} problem{'s' if count > 1 else ''})"

    def _decoding(self) -> str:
        temperature = self.config.settings.temperature
        return f"temperature {temperature:g}" if temperature else "greedy decoding"

    def _open_record(self) -> RecordWriter:
        if self._record is None:
            path = self.config.record or default_path(self._pytest.rootpath)
            self._record = RecordWriter(path, self._record_header())
        return self._record

    def _record_header(self) -> Mapping[str, Any]:
        suite = self.config.suite
        return {
            "models": {
                spec.name: {
                    "kind": spec.kind,
                    "target": spec.target,
                    "revision": spec.revision,
                    "digest": weights_digest(spec),
                }
                for spec in self.config.models
            },
            "suite": {
                "name": suite.name,
                "digest": suite.digest,
                "problems": [problem.id for problem in suite.problems],
            },
            "modalities": [modality.value for modality in self.config.modalities],
            "styles": list(self.config.styles),
            "samples": self.config.samples,
            "instruction": self.config.instruction,
            "settings": asdict(self.config.settings),
        }


def _asks_a_model(item: pytest.Item) -> bool:
    return ANSWER_FIXTURE in getattr(item, "fixturenames", ())


def judge(problem: Problem, score: Score, *, strict: bool) -> None:
    """End the test as the outcome says: return, xfail, or fail with the grid drawn."""
    if score.outcome is Outcome.SOLVED:
        return
    if strict:
        _fail(problem, score)
    # The exception and not pytest.xfail(): that does nothing under --runxfail.
    raise pytest.xfail.Exception(score.reason)


def share_cores() -> None:
    """Give each xdist worker its share of the cores, unless the user already did.

    torch takes all cores in every worker otherwise. It reads the variable when
    it is imported.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))


def usage_error(error: Exception) -> pytest.UsageError:
    """A user's mistake in pytest's own form: one line and exit status 4."""
    return pytest.UsageError(f"crossmath: {error}")


def _fail(problem: Problem, score: Score) -> NoReturn:
    lines = [
        f"{score.reason}; wrong blanks are drawn as !given/right",
        "",
        *draw_answer(problem, score),
    ]
    lines += ["", *(str(equation) for equation in problem.puzzle.equations)]
    pytest.fail("\n".join(lines), pytrace=False)
