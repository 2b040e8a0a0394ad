"""`crossmath score --suite S --responses FILE.jsonl`: the published metrics of saved responses."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_crossmath.cli.output import check_json, print_lines, print_note, write_json
from pytest_crossmath.errors import OptionError
from pytest_crossmath.text import printable

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

    from pytest_crossmath.models.replay import check_targets, read_responses
    from pytest_crossmath.reporting.scores import score_saved
    from pytest_crossmath.tasks.suite import load_suite

    suite = load_suite(arguments.suite)
    check_json(arguments.json, read=(arguments.responses, *suite.files))
    responses = list(read_responses(arguments.responses))
    try:
        check_targets(responses, suite)
    except ValueError as error:
        raise OptionError(f"{arguments.responses}: {error}") from None
    forms = score_saved(suite, responses)
    if not forms:
        raise OptionError(f"{arguments.responses} has no response to any problem of {suite.name}")
    models: dict[str, dict[str, object]] = {}
    for form in forms:
        models.setdefault(form.model, {})[str(form.form)] = form.to_json()
        if form.missing:
            print_note(
                f"{form.model}, {form.form}: {len(form.missing)} of {form.offered} problems have no"
                f" response and are not counted (first: {form.missing[0]})"
            )
    for form in forms:
        if form.repeated:
            print_note(
                f"{form.model}, {form.form}: {form.repeated} responses are superseded by a later"
                " one to the same sample; number samples with the field 'sample'"
            )
    known = {task.id for task in suite.tasks}
    if strangers := [r.id.task for r in responses if r.id.task not in known]:
        print_note(
            f"{len(strangers)} responses do not belong to any problem of {suite.name} and are not"
            f" counted (first: {strangers[0]})"
        )
    rows = [(printable(f.model), printable(str(f.form)), f.to_json()) for f in forms]
    names = ("micro_acc", "macro_acc", "step1_acc", "step2_acc", "step3_acc", "step4plus_acc")
    headers = ("model", "form", "n", *(name.removesuffix("_acc") for name in names))
    cells = [(m, f, j["n_problems"], *(j[name] for name in names)) for m, f, j in rows]
    # Names stay text even where they look like numbers.
    table = tabulate(
        cells, headers=headers, floatfmt=".1%", missingval="-", disable_numparse=[0, 1]
    )
    print_lines(table.split("\n"))
    write_json(arguments.json, {"models": models})
    return 0
