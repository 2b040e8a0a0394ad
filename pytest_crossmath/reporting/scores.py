"""The published metrics of saved responses: what `crossmath score` prints and writes.

All responses with the same sample number form one run. Figures are means over runs; if there are
several, the sample standard deviation is given as well.

Source: CrossMath (arXiv 2604.16256), evaluation protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from pytest_crossmath.models.replay import SavedResponse
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.tasks.scoring import Metrics, score_response, summarize
from pytest_crossmath.tasks.suite import Suite
from pytest_crossmath.tasks.task import Form

_STEPS = {"1": "step1_acc", "2": "step2_acc", "3": "step3_acc", "4+": "step4plus_acc"}
UNNAMED = "responses"
"""Name of the model if the file does not name one."""


@dataclass(frozen=True, slots=True)
class FormScores:
    """One model in one form."""

    model: str
    """Name of the model, or `UNNAMED`."""
    form: Form
    """The form, with its style if the file has several styles."""
    runs: tuple[Metrics, ...]
    """The metrics of each run, in the order of sample numbers."""
    offered: int
    """Number of problems in the suite that have this form."""
    missing: tuple[str, ...]
    """Problems without a response in at least one run; they are counted in none."""
    repeated: int
    """Number of responses that a later one to the same request supersedes."""

    def to_json(self) -> dict[str, Any]:
        """The figures under their published names, as fractions from 0 to 1."""
        named = {
            "micro_acc": [r.micro for r in self.runs],
            "macro_acc": [r.macro for r in self.runs],
        }
        for step, name in _STEPS.items():
            named[name] = [r.by_step[step] for r in self.runs if step in r.by_step]
        figures: dict[str, Any] = {n: fmean(v) if v else None for n, v in named.items()}
        if len(self.runs) > 1:
            figures |= {f"{n}_std": stdev(v) if len(v) > 1 else None for n, v in named.items()}
        outcomes = sum((Counter(run.outcomes) for run in self.runs), Counter())
        return figures | {
            "n_problems": self.runs[0].problems,
            "n_missing": len(self.missing),
            "samples": len(self.runs),
            "outcomes": {outcome.value: count for outcome, count in outcomes.items()},
        }


def score_saved(suite: Suite, responses: Iterable[SavedResponse]) -> tuple[FormScores, ...]:
    """Score saved responses against a suite.

    Responses to problems of other suites are ignored. If a request has several responses, the
    last one counts, as in a file that was appended to.
    """
    tasks = {task.id: task for task in suite.tasks}
    # What a model copied from a picture is not an answer.
    saved = [one for one in responses if one.id.task in tasks and not one.id.transcribes]
    several = len({one.id.form.style for one in saved if one.id.form.style}) > 1
    runs: dict[tuple[str, Form], dict[int, dict[str, Score]]] = {}
    repeated: Counter[tuple[str, Form]] = Counter()
    for one in saved:
        task, form = one.id.task, one.id.form if several else one.id.form.pooled
        score = score_response(tasks[task], one.response.text, one.response.finish)
        where = one.model or UNNAMED, form
        run = runs.setdefault(where, {}).setdefault(one.id.sample, {})
        repeated[where] += task in run
        run[task] = score
    scored = (
        _form_scores(*where, by_sample, _with_form(where[1], suite, several), repeated[where])
        for where, by_sample in runs.items()
    )
    return tuple(form for form in scored if form.runs)


def _with_form(form: Form, suite: Suite, several_styles: bool) -> list[str]:
    """The problems that have a form; puzzles in any style match a form without one."""
    exactly = several_styles and not suite.can_be_proved
    return [
        task.id
        for task in suite.tasks
        if (form in task.forms if exactly else any(map(form.holds, task.forms)))
    ]


def _form_scores(
    model: str,
    form: Form,
    by_sample: Mapping[int, Mapping[str, Score]],
    problems: Sequence[str],
    repeated: int,
) -> FormScores:
    ordered = [by_sample[sample] for sample in sorted(by_sample)]
    # Runs over different problems could not be averaged.
    missing = tuple(id for id in problems if any(id not in run for run in ordered))
    runs = ([score for id, score in run.items() if id not in missing] for run in ordered)
    return FormScores(
        model, form, tuple(summarize(scores) for scores in runs if scores), len(problems), missing,
        repeated,
    )  # fmt: skip
