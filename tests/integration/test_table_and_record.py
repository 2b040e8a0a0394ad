"""The output of a run: the table on the terminal and the record on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.workers import WORKERS, WORKERS_NIGHTLY

RecordLines = Callable[[], list[dict[str, object]]]


@WORKERS_NIGHTLY
def test_table(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """The table has a line for each form with accuracy, interval and gap."""
    spec = replay(text="1" * 40, image="10" * 20, both="1" * 39 + "0")
    result = pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=40", *workers)
    result.stdout.fnmatch_lines(
        [
            "*= crossmath: modality gap =*",
            "suite mini (40 problems), greedy decoding",
            "form * solved * blanks * gap to text",
            "fake",
            "  text *100.0% (91-100) *100.0%",
            "  image *50.0% (35-65) * +50.0 (+31 to +64)  worse",
            "  image+text *97.5% (87-100) * +2.5 (-6 to +10)  no clear difference",
            "outcomes of fake: 99 solved, 21 missed",
            "120 responses in *",
            "record: .crossmath/runs/*.jsonl",
        ]
    )


@WORKERS_NIGHTLY
def test_errors_are_not_measured(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """A failed request counts in no rate, and the gap is paired without it."""
    spec = replay(text="-1111", image="00111", both="11111")
    result = pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=5", *workers)
    result.stdout.fnmatch_lines(
        [
            "  text *100.0% (51-100)*",
            "  image * 60.0% (23-88)* +25.0 *",
            "outcomes of fake: 12 solved, 2 missed, 1 error",
        ]
    )


@WORKERS
def test_record(
    pytester: pytest.Pytester,
    replay: Callable[..., str],
    record_lines: RecordLines,
    workers: tuple[str, ...],
) -> None:
    """The record says what was run, and has each response once and the figures of the table."""
    spec = replay(text="101", image="000", both="u11")
    pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=3", *workers)
    run, *results, summary = record_lines()
    assert run["type"] == "run"
    assert run["schema"] == 1
    assert run["modalities"] == ["text", "image", "image+text"]
    assert {line["type"] for line in results} == {"result"}
    keys = {(r["model"], r["problem"], r["modality"], r["style"], r["sample"]) for r in results}
    assert len(keys) == len(results) == 9
    by_form = {(r["problem"], r["modality"]): r for r in results}
    missed = by_form["mini-0002", "text"]
    assert missed["outcome"] == "missed"
    assert missed["answer"] == [*missed["key"], "99"]  # type: ignore[misc]  # JSON
    assert by_form["mini-0001", "image+text"]["outcome"] == "unparsed"
    assert by_form["mini-0001", "image+text"]["style"] == "original"
    assert summary["type"] == "summary"
    assert [row["solved"] for row in summary["rows"]] == pytest.approx([2 / 3, 0, 2 / 3])  # type: ignore[attr-defined]  # JSON


def test_a_record_replays_to_the_same_table(
    pytester: pytest.Pytester, replay: Callable[..., str], record_lines: RecordLines
) -> None:
    """A record is a model: replayed, it gives the same figures."""
    spec = replay(text="1101", image="1000", both="11u1")
    options = ("--crossmath-limit=4", "-p", "no:cacheprovider")
    first = pytester.runpytest(f"--crossmath-model={spec}", *options)
    [file] = Path(pytester.path, ".crossmath", "runs").glob("*.jsonl")
    again = pytester.runpytest(f"--crossmath-model=fake=replay:{file}", *options)
    lines = [line for line in first.outlines if line.startswith("  ")]
    assert lines
    assert lines == [line for line in again.outlines if line.startswith("  ")]


def test_the_folder_is_kept_out_of_git(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """The folder of the records ignores itself."""
    pytester.runpytest(f"--crossmath-model={replay(text='1')}", "--crossmath-limit=1")
    assert (pytester.path / ".crossmath" / ".gitignore").read_text() == "*\n"


def test_a_killed_run_leaves_whole_lines(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """A process that dies in the middle leaves every response that had arrived."""
    pytester.makeconftest(
        """
        import os

        def pytest_runtest_teardown(item):
            if item.name.startswith("test_problem[fake-mini-0002-text"):
                os._exit(9)
        """
    )
    spec = replay(text="11", image="11", both="11")
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "pytest", f"--crossmath-model={spec}", "--crossmath-limit=2"],
        cwd=pytester.path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 9
    [file] = Path(pytester.path, ".crossmath", "runs").glob("*.jsonl")
    kinds = [json.loads(line)["type"] for line in file.read_text().splitlines()]
    # The fourth test had ended; the other responses from its batch are recorded too.
    assert kinds[:5] == ["run", "result", "result", "result", "result"]
    assert set(kinds[5:]) <= {"result"}


def test_model_output_cannot_steer_the_terminal(pytester: pytest.Pytester) -> None:
    """Escape sequences in an answer are written out when the grid is drawn."""
    answer = r"<answer>\u001b[31m7, 9\u001b[2J</answer>"
    line = f'{{"id": "mini-0001", "modality": "text", "text": "{answer}"}}\n'
    pytester.path.joinpath("r.jsonl").write_text(line)
    result = pytester.runpytest(
        "--crossmath-model=replay:r.jsonl", "--crossmath-suite=mini",
        "--crossmath-limit=1", "--crossmath-modality=text",
        "--crossmath-strict", "--color=no",
    )  # fmt: skip
    result.assert_outcomes(failed=1)
    assert "\x1b" not in result.stdout.str()
