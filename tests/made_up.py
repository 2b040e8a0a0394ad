"""A record as a run writes it, for tests of what reads records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_crossmath.gating.gates import parse_gate
from pytest_crossmath.gating.verdicts import Evidence, judge
from pytest_crossmath.inference.result import Result, failed, scored
from pytest_crossmath.inference.transcript import Transcript
from pytest_crossmath.models.backend import Response
from pytest_crossmath.reporting.summary import summarize_run
from pytest_crossmath.tasks.answers import marked
from pytest_crossmath.tasks.diagnosis import Cause
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.score import Finish, Outcome
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form

FORMS = ("text", "image/original")
MODEL = "m"


def record_lines(model: str = MODEL, problems: int = 4, seconds: float = 0.25) -> list[Any]:
    """The lines of a record of the first problems of `mini`: solved, missed, unparsed, an error."""
    suite = load_suite("mini")
    tasks = suite.tasks[:problems]
    results: list[Result] = []
    for number, task in enumerate(tasks):
        for place, form in enumerate(map(Form.parse, FORMS)):
            request = make_request(task, form)
            text = [marked(task.target), marked([*task.target[:-1], "99"]), "I cannot tell.", ""]
            if number % 4 == 3 and place:
                results.append(failed(model, request, "the server is down"))
                continue
            response = Response(text[number % 4], Finish.STOP, 7, seconds + number + place / 8)
            score = score_response(task, response.text, response.finish)
            results.append(scored(model, request, response, score))
    header = {
        "type": "run", "schema": 1, "started": "2026-01-01T00:00:00+00:00",
        "models": {model: {"kind": "replay", "target": "r.jsonl", "revision": None}},
        "suite": {
            "name": "mini", "digest": suite.digest, "problems": [task.id for task in suite.tasks],
        },
        "modalities": ["text", "image"], "styles": ["original"], "samples": 1, "scoring": 1,
        "instruction": "Solve it.", "settings": {"temperature": 0.0, "batch_size": None},
        "versions": {"pytest": "9"},
    }  # fmt: skip
    missed = next(r for r in results if r.outcome is Outcome.MISSED and r.modality == "image")
    gates = judge([parse_gate("fail-under", "image:50%")], {model: Evidence(results)})
    last = {
        "type": "summary", **summarize_run(results).to_json(),
        "gates": [verdict.to_json() for verdict in gates], "stopped_early": {}, "causes": [],
    }  # fmt: skip
    transcript = Transcript.of(missed, Cause.MISREAD, "| 1 |")
    lines = [header, *(r.to_json() for r in results), transcript.to_json(), last]
    again: list[Any] = json.loads(json.dumps(lines))
    return again


def write_record(
    path: Path, edit: Callable[[list[Any]], object] = lambda _: None, **about: Any
) -> Path:
    """Write these lines, after an edit, and return the path."""
    lines = record_lines(**about)
    edit(lines)
    text = "".join(
        line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) + "\n"
        for line in lines
    )
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path
