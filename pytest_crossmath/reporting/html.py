"""Run records as one HTML file: figures, and every problem with its picture and answer.

The file needs neither a network nor any other file. Text that comes from a model or a suite is
escaped by the template, or is passed as JSON and inserted as text by the script. A content
security policy forbids every other script, style and request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from pytest_crossmath.gating.verdicts import Verdict
from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.transcript import Transcript
from pytest_crossmath.reporting.gallery import Gallery
from pytest_crossmath.reporting.gates import detects, measured, word
from pytest_crossmath.reporting.report import Report
from pytest_crossmath.reporting.summary import Row
from pytest_crossmath.reporting.terminal import CAUSES, form_name, gap_figures, solved_cell
from pytest_crossmath.reporting.writers import Document
from pytest_crossmath.tasks.diagnosis import Cause
from pytest_crossmath.tasks.family import family_of, guarded, must_be
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.suite import Suite
from pytest_crossmath.tasks.task import Form, Modality, Task
from pytest_crossmath.text import printable

LONGEST = 4_000
"""Longest response that is shown in full, in characters; a longer one is cut in the middle."""

_ALL = 16_000_000
"""Limit for all responses together, in characters, so that a browser can open the page."""
_LEAST = 500

_NOT_ASCII = re.compile("[^ -~]")
_HUES = {"text": "text", "image": "image", "image+text": "both"}
_BAR = 200
_SPARK = 40


def write(document: Document) -> str:
    """The page of a run, next to the runs that it is compared with.

    Raises `RecordError`, and `FamilyError` for a problem that cannot be shown.
    """
    reports = [*document.earlier(), document.report.with_texts()]
    return page(reports, document.suite, document.notes)


def page(reports: Sequence[Report], suite: Suite | None, notes: Sequence[str] = ()) -> str:
    """The HTML page of one or more runs; the reports must include the texts of responses.

    Without a suite the page has no pictures and no problem texts. `notes` appear at its top.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    folder = files("pytest_crossmath") / "reporting" / "templates"
    style, script = ((folder / name).read_text("utf-8") for name in ("report.css", "report.js"))
    environment = Environment(
        loader=PackageLoader("pytest_crossmath", "reporting/templates"),
        autoescape=True, finalize=_shown_text, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html").render(
        title=", ".join(report.run.name for report in reports),
        notes=notes,
        runs=[_run(report) for report in reports],
        footer=f"pytest-crossmath {version('pytest-crossmath')}",
        # Safe: the package's own text, and JSON without any character that ends a script.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=Markup(_json(_gallery(reports, suite))),  # noqa: S704
        hashes={"style": _hash(style), "script": _hash(script)},
    )


def _shown_text(value: Any) -> Any:
    """A value for the template, which escapes it: a text without characters that HTML forbids."""
    return printable(value) if type(value) is str else value


def _run(report: Report) -> dict[str, Any]:
    """The data of a run for the template."""
    run, summary = report.run, report.summary
    by_model = {model: [r for r in run.results if r.model == model] for model in run.models}
    about = [
        f"suite {run.header.get('suite', {}).get('name')}, {summary.problems} problems",
        report.decoding,
        f"{summary.responses:,} responses",
        *([f"started {started}"] if (started := run.header.get("started")) else []),
        *(["interrupted"] if run.summary is None else []),
    ]
    return {
        "name": run.name,
        "about": "; ".join(about),
        "answering": report.answering,
        "several_models": len(by_model) > 1,
        "has_blanks": summary.has_blanks,
        "verdicts": [_verdict(verdict) for verdict in report.verdicts],
        "models": [_model(report, model, results) for model, results in by_model.items()],
        "changes": [
            {
                "label": f"{comparison.model}, {change.form}: {len(change.regressed)} regressed,"
                f" {len(change.improved)} improved",
                "regressed": ", ".join(change.regressed),
                "improved": ", ".join(change.improved),
            }
            for comparison in report.comparisons
            for change in comparison.changes
        ],
    }


def _model(report: Report, model: str, results: Sequence[Result]) -> dict[str, Any]:
    summary = report.summary
    found = [row for row in summary.rows if row.model == model]
    rows = [_row(row, with_style=summary.several_styles) for row in found]
    return {
        "name": model,
        "rows": rows,
        "steps": _steps(rows, found),
        "confusions": list(_confusions(results)),
        "outcomes": list(summary.outcomes[model].items()),
        "causes": [
            (cause, count, CAUSES[Cause(cause)])
            for split in report.splits
            if split.model == model
            for cause, count in split.missed.items()
        ],
    }


def _row(row: Row, *, with_style: bool) -> dict[str, Any]:
    low, high = row.solved_interval.low, row.solved_interval.high
    return {
        "form": form_name(row, with_style=with_style),
        "hue": _HUES[row.modality],
        "bar": round(_BAR * row.solved, 1),
        "low": round(_BAR * low, 1),
        "high": round(_BAR * high, 1),
        "solved": solved_cell(row),
        "blanks": f"{row.blanks:.1%}",
        "gap": gap_figures(row.gap) if row.gap else None,
        "gap_word": row.gap.word.replace(" ", "-") if row.gap else "",
        "gap_label": row.gap.word if row.gap else "",
        "steps": [],
    }


def _steps(shown: Sequence[dict[str, Any]], rows: Sequence[Row]) -> list[str]:
    """All steps that occur; as a side effect, fills in the step cells of each row."""
    steps = sorted({step for row in rows for step in row.steps})
    for cells, row in zip(shown, rows, strict=True):
        cells["steps"] = [
            {"bar": round(_SPARK * row.steps[step], 1), "text": f"{row.steps[step]:.0%}"}
            if step in row.steps
            else None
            for step in steps
        ]
    return steps


def _confusions(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    """Text against each form with a picture: how often both, one or neither was right."""
    solved: dict[str, list[tuple[tuple[str, int], bool]]] = {}
    for result in results:
        if result.outcome is not Outcome.ERROR:
            pair = (result.problem, result.sample), result.outcome is Outcome.SOLVED
            solved.setdefault(result.modality, []).append(pair)
    text = dict(solved.get(Modality.TEXT, ()))
    for form in (Modality.IMAGE.value, Modality.IMAGE_TEXT.value):
        counts = Counter(
            (text[where], right) for where, right in solved.get(form, ()) if where in text
        )
        if counts:
            yield {
                "form": form,
                "both": counts[True, True],
                "text_only": counts[True, False],
                "other_only": counts[False, True],
                "neither": counts[False, False],
            }


def _verdict(verdict: Verdict) -> dict[str, str]:
    return {
        "word": verdict.word.value,
        "label": word(verdict),
        "model": verdict.model,
        "gate": verdict.gate,
        "measured": measured(verdict),
        "detects": detects(verdict),
    }


def _gallery(reports: Sequence[Report], suite: Suite | None) -> dict[str, Any]:
    """The data for the script: every result, and each problem and picture once."""
    runs = [report.run for report in reports]
    known: dict[str, Task] = {task.id: task for task in suite.tasks} if suite else {}
    order = {id: place for place, id in enumerate(known)}
    everything = sorted(
        ((place, result) for place, run in enumerate(runs) for result in run.results),
        key=lambda one: _order(*one, places=order),
    )
    ids = list(dict.fromkeys(result.problem for _, result in everything))
    models = list(dict.fromkeys(result.model for _, result in everything))
    styles = list(dict.fromkeys(result.style for _, result in everything if result.style))
    places = {id: place for place, id in enumerate(ids)}
    turned = dict(_turned(reports))
    seen = {
        (place, transcript.id): transcript
        for place, run in enumerate(runs)
        for transcript in run.transcripts
    }
    longest = min(LONGEST, max(_LEAST, _ALL // max(len(everything), 1)))
    return {
        "runs": [Path(run.name).name for run in runs],
        "models": models,
        "outcomes": [outcome.value for outcome in Outcome],
        "modalities": [modality.value for modality in Modality],
        "styles": styles,
        **_shown([result for _, result in everything], known, ids),
        "results": [
            {
                "run": place,
                "model": models.index(result.model),
                "problem": places[result.problem],
                "modality": list(Modality).index(Modality(result.modality)),
                "style": None if result.style is None else styles.index(result.style),
                "sample": result.sample,
                "outcome": list(Outcome).index(result.outcome),
                "answer": result.answer,
                "key": result.key,
                "right": [int(one) for one in result.right],
                "tokens": result.new_tokens,
                "response": shortened(result.response, longest),
                "change": turned.get((place, result.model, result.modality, result.problem)),
                **({"note": result.picture} if result.picture else {}),
                **_seen(seen.get((place, result.id)), longest),
            }
            for place, result in everything
        ],
    }


def _order(run: int, result: Result, *, places: Mapping[str, int]) -> tuple[Any, ...]:
    """Sort key: problems in the order of the suite, and results to compare next to each other."""
    place = places.get(result.problem, len(places))
    return place, result.problem, result.model, *result.form.order, result.sample, run


def _turned(
    reports: Sequence[Report],
) -> Iterator[tuple[tuple[int, str, str, str], str]]:
    """How each problem changed since the baseline, by run, model, modality and problem."""
    for place, report in enumerate(reports):
        for comparison in report.comparisons:
            for change in comparison.changes:
                for what in ("regressed", "improved"):
                    for problem in getattr(change, what):
                        modality = change.form.modality.value
                        yield (place, comparison.model, modality, problem), what


def _seen(transcript: Transcript | None, longest: int) -> dict[str, str]:
    """What the model copied from the picture, if it was asked to."""
    if transcript is None:
        return {}
    return {"cause": transcript.cause.value, "saw": shortened(transcript.response, longest)}


def _shown(
    results: Sequence[Result], known: Mapping[str, Task], ids: Sequence[str]
) -> dict[str, Any]:
    """The problems and their pictures."""
    forms: dict[str, dict[Form, None]] = {id: {} for id in ids}
    for result in results:
        forms[result.problem][result.form] = None
    gallery = Gallery()
    return {
        "problems": [_problem(id, known.get(id), forms[id], gallery) for id in ids],
        "pictures": gallery.pictures,
    }


def _problem(id: str, task: Task | None, forms: Iterable[Form], gallery: Gallery) -> dict[str, Any]:
    if task is None:
        return {"id": id}
    there = [form for form in forms if form in task.shown]
    family = family_of(task)
    with guarded(family, f"show {id} on a page"):
        page = must_be(dict, family.page(task, there, gallery.add), "page")
        json.dumps(page)
    return {**page, "id": id, "family": task.family, "difficulty": task.difficulty}


def shortened(text: str, longest: int = LONGEST) -> str:
    """A response cut to at most `longest` characters, with a note where text was left out."""
    if len(text) <= longest:
        return text
    head, tail = 2 * longest // 3, longest // 3
    left = f"[… {len(text) - head - tail:,} characters left out; see the record …]"
    return f"{text[:head]}\n\n{left}\n\n{text[-tail:]}"


def _json(content: object) -> str:
    """JSON that is safe inside a script element: it cannot end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate cannot be encoded as UTF-8, but a model can write one.
    plain = text.encode("utf-8", "replace").decode("utf-8")
    # Nor may a character end a line of the script, or be one that HTML forbids.
    return _NOT_ASCII.sub(_escaped, plain.replace("<", "\\u003c"))


def _escaped(found: re.Match[str]) -> str:
    """A character of a JSON text as it is, or as an escape if it is not shown as itself."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
