"""`crossmath score --suite S --responses FILE.jsonl`: the published metrics of saved responses."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pytest_crossmath.cli.output import check_json, write_json
from pytest_crossmath.errors import OptionError

HELP = "score saved responses with the published metrics"
EXAMPLE = """\
echo '{"id": "mini-0001", "modality": "text",' \\
    '"text": "<answer>20, 1, 17</answer>"}' > r.jsonl
crossmath score --suite mini --responses r.jsonl --json scores.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--suite", required=True, metavar="SUITE", help="suite that the responses belong to"
    )
    parser.add_argument(
        "--responses",
        type=Path,
        required=True,
        metavar="FILE",
        help="run record, or responses as JSON lines",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")


def run(arguments: argparse.Namespace) -> int:
    """Print the metrics for every model and form. Raises `CrossmathError`."""
    from tabulate import tabulate

    from pytest_crossmath.models.replay import read_responses
    from pytest_crossmath.reporting.scores import score_saved
    from pytest_crossmath.tasks.suite import load_suite

    suite = load_suite(arguments.suite)
    check_json(arguments.json, read=(arguments.responses, *suite.files))
    responses = list(read_responses(arguments.responses))
    forms = score_saved(suite, responses)
    if not forms:
        raise OptionError(f"{arguments.responses} has no response to any problem of {suite.name}")
    models: dict[str, dict[str, object]] = {}
    for form in forms:
        models.setdefault(form.model, {})[str(form.form)] = form.to_json()
        if form.missing:
            print(
                f"crossmath: {form.model}, {form.form}: {len(form.missing)} of"
                f" {form.offered} problems have no response and are not counted"
                f" (first: {form.missing[0]})",
                file=sys.stderr,
            )
    for form in forms:
        if form.repeated:
            print(
                f"crossmath: {form.model}, {form.form}: {form.repeated} responses are superseded by"
                " a later one to the same sample; number samples with the field 'sample'",
                file=sys.stderr,
            )
    known = {task.id for task in suite.tasks}
    if strangers := [r.id.task for r in responses if r.id.task not in known]:
        print(
            f"crossmath: {len(strangers)} responses do not belong to any problem of {suite.name}"
            f" and are not counted (first: {strangers[0]})",
            file=sys.stderr,
        )
    rows = [(f.model, f.form, f.to_json()) for f in forms]
    names = ("micro_acc", "macro_acc", "step1_acc", "step2_acc", "step3_acc", "step4plus_acc")
    headers = ("model", "form", "n", *(name.removesuffix("_acc") for name in names))
    cells = [(m, f, j["n_problems"], *(j[name] for name in names)) for m, f, j in rows]
    print(tabulate(cells, headers=headers, floatfmt=".1%", missingval="-"))
    write_json(arguments.json, {"models": models})
    return 0
