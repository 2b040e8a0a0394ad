"""Snapshots of outcomes in whole runs: what fails, what is written, and what is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Replay
from pytest_crossmath.plugin.exit_status import NO_RESULT
from tests.integration.workers import WORKERS, WORKERS_NIGHTLY

FILE = "__snapshots__/crossmath/mini/fake.outcomes"


def run(pytester: pytest.Pytester, replay: Replay, text: str, *arguments: str) -> pytest.RunResult:
    """A run of the first problems as text, with these outcomes."""
    return pytester.runpytest(
        "crossmath", "--crossmath-modality=text", f"--crossmath-limit={len(text)}",
        f"--crossmath-model={replay(text=text)}", *arguments,
    )  # fmt: skip


def lines(pytester: pytest.Pytester, file: str = FILE) -> list[list[str]]:
    """Problem and outcome in each line of a snapshot."""
    text = (pytester.path / file).read_text(encoding="utf-8")
    return [line.split("\t")[::2] for line in text.splitlines()[1:]]


def update(pytester: pytest.Pytester, replay: Replay, text: str, *arguments: str) -> None:
    """Write the snapshot of a model with these outcomes."""
    done = run(pytester, replay, text, "--snapshot-update", *arguments)
    assert done.ret == pytest.ExitCode.OK


@WORKERS
def test_a_problem_that_was_solved_and_no_longer_is_fails(
    pytester: pytest.Pytester, replay: Replay, workers: tuple[str, ...]
) -> None:
    """The failure shows the grid; newly solved problems pass, and the rest is as before."""
    update(pytester, replay, "111000", *workers)
    done = run(pytester, replay, "1u0100", *workers)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.assert_outcomes(passed=2, failed=2, xfailed=2)
    done.stdout.fnmatch_lines(
        [
            "regressed: solved in the snapshot, now unparsed*; wrong blanks are shown*",
            "regressed: solved in the snapshot, now missed: *; wrong blanks are shown*",
            f"snapshot: {FILE}",
            "  fake: 2 regressed, 1 improved, 3 as before",
            "*2 snapshots failed. 4 snapshots passed.*",
        ]
    )


@WORKERS_NIGHTLY
def test_an_update_writes_what_changed(
    pytester: pytest.Pytester, replay: Replay, workers: tuple[str, ...]
) -> None:
    """Better and worse outcomes are written without failures; a second update changes nothing."""
    update(pytester, replay, "111000", *workers)
    update(pytester, replay, "1u0100", *workers)
    outcomes = ["solved", "unparsed", "missed", "solved", "missed", "missed"]
    assert lines(pytester) == [
        [f"mini-{n:04}", outcome] for n, outcome in enumerate(outcomes, start=1)
    ]
    before = (pytester.path / FILE).read_bytes()
    update(pytester, replay, "1u0100", *workers)
    assert (pytester.path / FILE).read_bytes() == before
    assert [path.name for path in (pytester.path / FILE).parent.iterdir()] == ["fake.outcomes"]


def test_the_file_reads_well(pytester: pytest.Pytester, replay: Replay) -> None:
    """It has the outcome and the answer of each problem, checked byte for byte."""
    pytester.runpytest(
        f"--crossmath-model={replay(text='10u', image='1')}", "--crossmath-modality=image,text",
        "--crossmath-limit=3", "--snapshot-update",
    )  # fmt: skip
    assert (pytester.path / FILE).read_text(encoding="utf-8") == (
        "# Outcomes of pytest-crossmath, with the answers as they were read.\n"
        "mini-0001\ttext\tsolved\t20, 1, 17\n"
        "mini-0001\timage/original\tsolved\t20, 1, 17\n"
        "mini-0002\ttext\tmissed\t1, 15, 7, 99\n"
        "mini-0003\ttext\tunparsed\n"
    )


@pytest.mark.parametrize(
    "subset",
    [
        ("--crossmath-limit=2",),
        ("-k", "mini-0001 or mini-0002"),
        ("--deselect", "crossmath::test_problem[fake-mini-0003-text]"),
        ("-x", "--crossmath-strict"),
    ],
    ids=["limit", "keyword", "deselect", "first failure"],
)
def test_a_subset_leaves_the_rest_alone(
    pytester: pytest.Pytester, replay: Replay, subset: tuple[str, ...]
) -> None:
    """Lines of tests that did not run are neither deleted nor rewritten."""
    update(pytester, replay, "111111")
    run(pytester, replay, "001111", "--snapshot-update", *subset)
    kept = lines(pytester)
    assert len(kept) == 6
    assert kept[0] == ["mini-0001", "missed"]
    assert [verdict for _, verdict in kept[2:]] == ["solved"] * 4


def test_an_error_leaves_its_verdict_alone(pytester: pytest.Pytester, replay: Replay) -> None:
    """An error measures nothing."""
    update(pytester, replay, "11")
    done = run(pytester, replay, "1-", "--snapshot-update")
    assert done.ret == NO_RESULT
    assert lines(pytester) == [["mini-0001", "solved"], ["mini-0002", "solved"]]


def test_only_what_is_new_is_written_where_that_is_asked(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """With `--snapshot-update-new-only` a regression still fails and stays in the file."""
    update(pytester, replay, "11")
    done = run(pytester, replay, "010", "--snapshot-update-new-only")  # fmt: skip
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert lines(pytester) == [
        ["mini-0001", "solved"], ["mini-0002", "solved"], ["mini-0003", "missed"],
    ]  # fmt: skip


def test_without_a_snapshot_nothing_is_said(pytester: pytest.Pytester, replay: Replay) -> None:
    """No file is written either."""
    done = run(pytester, replay, "101010")
    assert done.ret == pytest.ExitCode.OK
    done.stdout.no_fnmatch_line("*snapshot:*")
    assert not (pytester.path / "__snapshots__").exists()


def test_models_and_suites_have_files_of_their_own(
    pytester: pytest.Pytester, replay: Replay, tmp_path: Path
) -> None:
    """The outcomes of one cannot make another regress."""
    generated = pytester.run(
        "crossmath", "generate", "--count=2", "--seed=3", "--difficulty=mini", "--out=own"
    )
    assert generated.ret == 0
    update = ("crossmath", "--snapshot-update", "--crossmath-limit=2", "--crossmath-modality=text")
    one, two = replay("one", text="11"), replay("two", text="00")
    pytester.runpytest(*update, f"--crossmath-model={one}", f"--crossmath-model={two}")
    pytester.runpytest(*update, "--crossmath-model=one=reference", "--crossmath-suite=own")
    files = sorted((pytester.path / "__snapshots__/crossmath").rglob("*.outcomes"))
    assert ["/".join(file.parts[-2:]) for file in files] == [
        "mini/one.outcomes", "mini/two.outcomes", "own/one.outcomes",
    ]  # fmt: skip
    assert lines(pytester, "__snapshots__/crossmath/mini/two.outcomes")[0][1] == "missed"


@WORKERS_NIGHTLY
def test_lines_of_problems_that_are_gone_are_unused(
    pytester: pytest.Pytester, replay: Replay, workers: tuple[str, ...]
) -> None:
    """They are reported, listed with --snapshot-details, and removed by a full update only."""
    update(pytester, replay, "1")
    file = pytester.path / FILE
    file.write_text(file.read_text(encoding="utf-8") + "gone-1\ttext\tsolved\t1\n")
    model = f"--crossmath-model={replay('whole', text='1' * 200).replace('whole=', 'fake=')}"
    whole = ("crossmath", "--crossmath-modality=text", model, *workers)
    done = pytester.runpytest(*whole, "--snapshot-details")
    assert done.ret == pytest.ExitCode.OK
    done.stdout.fnmatch_lines(
        [
            "  unused: gone-1 text",
            "  1 unused (problems that the suite no longer has): --snapshot-update with the*",
        ]
    )
    update(pytester, replay, "1")
    assert ["gone-1", "solved"] in lines(pytester)
    pytester.runpytest(*whole, "--snapshot-update", "-k", "mini-0001")
    assert ["gone-1", "solved"] in lines(pytester)
    pytester.runpytest(*whole, "--snapshot-update", "--snapshot-no-cleanup")
    assert ["gone-1", "solved"] in lines(pytester)
    pytester.runpytest(*whole, "--snapshot-update")
    assert ["gone-1", "solved"] not in lines(pytester)
    assert len(lines(pytester)) == 200
    assert [path.name for path in (pytester.path / FILE).parent.iterdir()] == ["fake.outcomes"]


@WORKERS_NIGHTLY
def test_a_broken_snapshot_is_told_before_anything_is_asked(
    pytester: pytest.Pytester, replay: Replay, workers: tuple[str, ...]
) -> None:
    """The error is one line with file and line number, and exit status 4."""
    update(pytester, replay, "11")
    with (pytester.path / FILE).open("a", encoding="utf-8") as file:
        file.write("=======\n")
    done = run(pytester, replay, "11", *workers)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: crossmath: *fake.outcomes:4: a merge left a conflict*"])


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_asked(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """A file is in the way of the folder."""
    (pytester.path / "__snapshots__").write_text("", encoding="utf-8")
    done = run(pytester, replay, "11", "--snapshot-update")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: *crossmath: the snapshot: * cannot be written: *"])


def test_it_runs_without_syrupy(pytester: pytest.Pytester, replay: Replay) -> None:
    """`-p no:syrupy` turns snapshots off."""
    update(pytester, replay, "11")
    done = run(pytester, replay, "00",
               "-p", "no:syrupy")  # fmt: skip
    assert done.ret == pytest.ExitCode.OK
    done.assert_outcomes(xfailed=2)


def test_the_users_own_snapshots_are_theirs(
    pytester: pytest.Pytester, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Updating the user's snapshots leaves those of this plugin alone, and vice versa."""
    update(pytester, replay, "11")
    pytester.makepyfile(test_own="def test_own(snapshot):\n    assert snapshot == 1\n")
    next_door = pytester.path.parent / "__snapshots__" / "test_next_door.ambr"
    next_door.parent.mkdir(exist_ok=True)
    next_door.write_text("# serializer version: 1\n# name: test_a\n  1\n# ---\n", encoding="utf-8")
    ours = (pytester.path / FILE).read_bytes()
    monkeypatch.delenv("PYTEST_ADDOPTS")
    assert pytester.runpytest("--snapshot-update").ret == pytest.ExitCode.OK
    assert (pytester.path / FILE).read_bytes() == ours
    theirs = pytester.path / "__snapshots__" / "test_own.ambr"
    assert theirs.exists()
    done = pytester.runpytest("--snapshot-details")
    assert done.ret == pytest.ExitCode.OK
    done.stdout.no_fnmatch_line("*unused*")
    done = pytester.runpytest(
        f"--crossmath-model={replay(text='00')}", "--crossmath-suite=mini", "--crossmath-limit=2",
        "--crossmath-modality=text", "--snapshot-update",
    )  # fmt: skip
    done.assert_outcomes(passed=1, xfailed=2)
    assert lines(pytester) == [["mini-0001", "missed"], ["mini-0002", "missed"]]
    assert theirs.exists()
    assert next_door.exists()


Record = Callable[[], list[dict[str, object]]]


def test_the_counts_are_in_the_record(
    pytester: pytest.Pytester, replay: Replay, record_lines: Record
) -> None:
    """Each test also has its change since the snapshot as a property."""
    update(pytester, replay, "10", "--crossmath-record=first.jsonl")
    done = run(pytester, replay, "01",
               "--junit-xml=junit.xml")  # fmt: skip
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert record_lines()[-1]["snapshots"] == {"fake": {"regressed": 1, "improved": 1}}
    junit = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert '<property name="crossmath_snapshot" value="regressed"' in junit
    first = (pytester.path / "first.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(first)["snapshots"] == {"fake": {"new": 2}}
