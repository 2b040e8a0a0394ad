"""`crossmath verify SUITE`: prove a suite, or list its defects."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from pytest_crossmath.cli.output import announce, check_json, print_lines, write_json
from pytest_crossmath.files import require_new_file

HELP = "prove a suite, or list its defects"
EXAMPLE = "crossmath verify mini --json report.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "suite", help="a bundled suite, a folder with problems.jsonl, or a JSONL file"
    )
    parser.add_argument("--against", nargs="+", default=[], metavar="SUITE",
                        help="suites whose problems must not occur in this one")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the report to this file")


def run(arguments: argparse.Namespace) -> int:
    """Print every defect; return 1 if there is one. Raises `CrossmathError`."""
    from tqdm import tqdm

    from pytest_crossmath.tasks.suite import find_suite, load_provable
    from pytest_crossmath.tasks.verify import verify, verify_manifest

    suite, *others = (
        load_provable(name, "crossmath verify") for name in (arguments.suite, *arguments.against)
    )
    against = [task for other in others for task in other.tasks]
    if arguments.json:
        require_new_file(arguments.json, "--json")
        check_json(arguments.json)
    shown = sum(len(task.images) for task in suite.tasks)
    announce(f"proving {len(suite.tasks)} problems with {shown} pictures")
    report = verify(
        suite.tasks,
        against=against,
        progress=lambda tasks: tqdm(tasks, desc="verify", unit=" problems", disable=None),
    )
    found = [*report.defects, *verify_manifest(find_suite(arguments.suite), suite.tasks)]
    print_lines(map(str, found))
    print_lines(f"not proved: {one.id} ({one.style}): {one.detail}" for one in report.unread)
    defects = [asdict(defect) for defect in found]
    pictures = [asdict(picture) for picture in report.unread]
    write_json(
        arguments.json, {"problems": report.problems, "defects": defects, "unread": pictures}
    )
    print(
        f"problems: {report.problems}, pictures: {shown}, defects: {len(found)},"
        f" pictures not read with certainty: {len(report.unread)}"
    )
    return 1 if found else 0
