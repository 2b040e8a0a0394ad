"""Reports that a run writes: Markdown, and the output for GitHub Actions."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import Replay
from pytest_crossmath.models.registry import parse_spec
from pytest_crossmath.tasks.suite import find_suite
from tests.integration.workers import WORKERS_NIGHTLY

POCKET = Path(parse_spec("pocket").target)
"""The folder of the bundled model."""


def run(pytester: pytest.Pytester, replay: Replay, *arguments: str) -> pytest.RunResult:
    """A run with a gate that fails."""
    return pytester.runpytest(
        "crossmath", f"--crossmath-model={replay(text='1' * 20, image='0' * 20)}",
        "--crossmath-modality=text,image", "--crossmath-limit=20",
        "--crossmath-fail-under=image:90%", *arguments,
    )  # fmt: skip


@WORKERS_NIGHTLY
def test_the_report_is_written_as_markdown(
    pytester: pytest.Pytester, replay: Replay, workers: tuple[str, ...]
) -> None:
    """It replaces an existing file, and missing folders are created."""
    file = pytester.path / "new" / "report.md"
    for _ in range(2):
        run(pytester, replay, "--crossmath-markdown=new/report.md", *workers)
    text = file.read_text(encoding="utf-8")
    assert text.count("### Modality gap") == 1
    assert "GATE FAILED" in text


def test_the_page_shows_what_regressed(pytester: pytest.Pytester, replay: Replay) -> None:
    """It shows the comparison with the baseline, and the gates."""
    pytester.runpytest(
        "crossmath", f"--crossmath-model={replay('base', image='1' * 5)}", "--crossmath-limit=5",
        "--crossmath-modality=image", "--crossmath-record=before.jsonl",
    )  # fmt: skip
    pytester.runpytest(
        "crossmath", f"--crossmath-model={replay('new', image='11100')}", "--crossmath-limit=5",
        "--crossmath-modality=image", "--crossmath-compare=before.jsonl",
        "--crossmath-compare-fail=image:5%", "--crossmath-html=page.html",
    )  # fmt: skip
    page = (pytester.path / "page.html").read_text(encoding="utf-8")
    assert "new, image: 2 regressed, 0 improved" in page
    assert "compare-fail image:5%" in page
    assert page.count('"change":"regressed"') == 2
    assert page.count('"change":null') == 8


def test_on_github_the_job_gets_a_summary_and_annotations(
    pytester: pytest.Pytester, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary is appended to what other steps of the job have written."""
    summary = pytester.path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    done = run(pytester, replay)
    done.stdout.fnmatch_lines(["::error title=crossmath gate::GATE FAILED  fake: *90%25*"])
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n### Modality gap")


def test_elsewhere_there_are_none(pytester: pytest.Pytester, replay: Replay) -> None:
    """To a person, workflow commands are noise."""
    run(pytester, replay).stdout.no_fnmatch_line("::*")


def test_a_summary_that_cannot_be_written_is_told(
    pytester: pytest.Pytester, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not requested, so the exit status is that of the tests."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path))
    done = run(pytester, replay, "--crossmath-inconclusive=pass")
    done.stdout.fnmatch_lines(["the job summary cannot be written: *"])


def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """The error is one line with exit status 4."""
    done = run(pytester, replay, f"--crossmath-markdown={pytester.path}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: *--crossmath-markdown: * cannot be written: *"])
    assert not Path(pytester.path, ".crossmath", "runs").exists()


@pytest.mark.parametrize("other", ["record", "html"])
def test_two_options_that_name_one_file_are_told_before_anything_is_asked(
    other: str, pytester: pytest.Pytester, replay: Replay
) -> None:
    """One of the two files would be lost."""
    flags = f"--crossmath-{other}=./one.txt", "--crossmath-markdown=one.txt"
    done = run(pytester, replay, *flags)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["ERROR: *--crossmath-* and --crossmath-* name the same file, *one.txt*"]
    )


@pytest.mark.parametrize(
    ("option", "file"),
    [
        (("--junit-xml=out.xml",), "out.xml"),
        (("--junit-xml=./new/out.xml",), "new/out.xml"),
        (("--log-file=out.log",), "out.log"),
        (("-o", "log_file=out.log"), "out.log"),
        pytest.param(
            ("--cov-report=xml:out.xml", "-pno:cov", "-ppytest_cov"),
            "out.xml",
            marks=pytest.mark.skipif(not find_spec("pytest_cov"), reason="needs pytest-cov"),
        ),
        (("--crossmath-prompt=prompt.txt",), "prompt.txt"),
        (("-c", "mine.ini"), "mine.ini"),
        (("test_mine.py::test_it",), "test_mine.py"),
        ((), ".crossmath/cache.sqlite"),
        ((), ".crossmath/digests.json"),
        ((), "__snapshots__/crossmath/mine/m.outcomes"),
        ((), "mine/manifest.json"),
        ((), "mine/original/mini-0001.png"),
        (("--crossmath-model=pocket=model",), "model/config.json"),
    ],
)
def test_a_report_is_a_file_of_its_own(
    pytester: pytest.Pytester, replay: Replay, option: tuple[str, ...], file: str
) -> None:
    """It goes over no file that pytest or another plugin writes, nor over one that is kept."""
    shutil.copytree(find_suite("mini").parent, pytester.path / "mine")
    shutil.copytree(POCKET, pytester.path / "model")
    pytester.makepyfile(test_mine="def test_it(): pass")
    for name in ("prompt.txt", "mine.ini"):
        (pytester.path / name).write_text("[pytest]", encoding="utf-8")
    before = set(pytester.path.rglob("*"))
    done = pytester.runpytest(
        f"--crossmath-model={replay('m', text='1')}", "--crossmath-suite=mine",
        "--crossmath-limit=1", f"--crossmath-html={file}", *option, "-pno:cacheprovider",
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.re_match_lines(
        ["ERROR: .*--crossmath-html .*(is also an input|name the same file).*"]
    )
    # What pytest itself and Python write.
    left = {path.name for path in {*pytester.path.rglob("*")} - before if path.suffix != ".pyc"}
    assert left <= {"m.jsonl", "new", "out.log", "out.xml", "__pycache__"}


@pytest.mark.parametrize("read", ["problems.jsonl", "old.jsonl", "m.jsonl"])
def test_a_report_never_goes_over_what_the_run_reads(
    read: str, pytester: pytest.Pytester, replay: Replay
) -> None:
    """Suite, baseline and responses are safe, by whatever name a report option calls them."""
    model = replay("m", text="1")
    shutil.copyfile(find_suite("mini"), pytester.path / "problems.jsonl")
    arguments = [
        "crossmath", f"--crossmath-model={model}", "--crossmath-suite=problems.jsonl",
        "--crossmath-modality=text", "--crossmath-limit=1",
    ]  # fmt: skip
    assert pytester.runpytest(*arguments, "--crossmath-record=old.jsonl").ret == 0
    [file] = pytester.path.rglob(read)
    before = file.read_bytes()
    (pytester.path / "alias.html").symlink_to(file)
    for name in (str(file), "alias.html"):
        done = pytester.runpytest(
            *arguments, "--crossmath-compare=old.jsonl", f"--crossmath-html={name}"
        )
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        done.stderr.fnmatch_lines(["ERROR: *--crossmath-html * is also an input: *"])
    assert file.read_bytes() == before
