"""Gates of a run: the exit status, the table, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Replay
from tests.integration.workers import WORKERS, WORKERS_NIGHTLY


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """A run of the first problems."""
    return pytester.runpytest("crossmath", "--crossmath-limit=40", *arguments)


def crossmath(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """The `crossmath` command."""
    return pytester.run(sys.executable, "-m", "pytest_crossmath.cli.main", *arguments)


def recorded(pytester: pytest.Pytester, replay: Replay, name: str, **forms: str) -> str:
    """The record file of a run with these outcomes."""
    file = f"{name}.jsonl"
    done = run(
        pytester, f"--crossmath-model={replay(f'{name}-responses', **forms)}",
        f"--crossmath-modality={','.join(forms)}", f"--crossmath-record={file}",
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.OK
    return file


@WORKERS
def test_absolute_gates_set_the_exit_status(
    pytester: pytest.Pytester, replay: Replay, workers: tuple[str, ...]
) -> None:
    """A failed gate makes it 1; an inconclusive one is prominent, and a passed one is quiet."""
    model = replay(text="1" * 40, image="1" * 20 + "0" * 20)
    done = run(
        pytester, f"--crossmath-model={model}", "--crossmath-modality=text,image",
        "--crossmath-fail-under=text:90%", "--crossmath-fail-under=image:45%",
        "--crossmath-max-gap=image:0.2", *workers,
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        [
            "fail-under text:90%*pass*100.0% (91-100)*",
            "fail-under image:45%*cannot tell*50.0% (35-65)*",
            "max-gap image:20%*FAIL*gap +50.0 (*",
            "GATE CANNOT TELL, passes  fake: fail-under image:45%: 50.0% (35-65)",
            "GATE FAILED  fake: max-gap image:20%: gap +50.0 (*",
            "*60 passed, 20 xfailed*",
        ]
    )
    done.stdout.no_fnmatch_line("GATE*text:90%*")


@pytest.mark.parametrize(("word", "status"), [("pass", 0), ("fail", 1)])
def test_what_cannot_tell_does_as_it_is_told(
    pytester: pytest.Pytester, replay: Replay, word: str, status: int
) -> None:
    """`--crossmath-inconclusive` decides whether it passes or fails."""
    done = run(
        pytester, f"--crossmath-model={replay(image='10' * 20)}", "--crossmath-modality=image",
        "--crossmath-fail-under=image:45%", f"--crossmath-inconclusive={word}",
    )  # fmt: skip
    assert done.ret == status


@WORKERS_NIGHTLY
def test_a_run_is_compared_with_an_earlier_one(
    pytester: pytest.Pytester, replay: Replay, workers: tuple[str, ...]
) -> None:
    """A live run and the two records give the same problems, verdicts and exit status."""
    base = recorded(pytester, replay, "base", text="1" * 40, image="1" * 40)
    model = replay("tuned", text="1" * 40, image="0" * 10 + "1" * 30)
    done = run(
        pytester, f"--crossmath-model={model}", "--crossmath-modality=text,image",
        f"--crossmath-compare={base}", "--crossmath-compare-fail=image:5%",
        "--crossmath-compare-fail=gap:image:5%", "--crossmath-record=new.jsonl", *workers,
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    lines = [
        "tuned (baseline: base-responses), text: 0 regressed, 0 improved",
        "tuned (baseline: base-responses), image: 10 regressed, 0 improved",
        "  regressed: mini-0001, mini-0002, *",
        "compare-fail image:5%*FAIL*drop +25.0 (*",
        "compare-fail gap:image:5%*FAIL*growth +25.0 (*",
    ]
    done.stdout.fnmatch_lines(lines)
    again = crossmath(
        pytester, "compare", base, "new.jsonl", "--fail=image:5%", "--fail=gap:image:5%",
        "--json=out.json",
    )  # fmt: skip
    assert again.ret == 1
    again.stdout.fnmatch_lines(lines)
    live = summary(pytester.path / "new.jsonl")["gates"]
    filed = json.loads((pytester.path / "out.json").read_text(encoding="utf-8"))["gates"]
    assert filed == live
    assert crossmath(pytester, "compare", "new.jsonl", base, "--fail=image:5%").ret == 0


def summary(record: Path) -> Any:
    """The last line of a record."""
    return json.loads(record.read_text(encoding="utf-8").splitlines()[-1])


@pytest.mark.parametrize("how", ["exact", "sequential"])
def test_a_model_is_asked_no_more_once_the_gates_are_decided(
    pytester: pytest.Pytester, replay: Replay, how: str
) -> None:
    """The rest is skipped, the verdict stands, and the record gives the same one."""
    base = recorded(pytester, replay, "base", image="1" * 40)
    done = run(
        pytester, f"--crossmath-model={replay('broken', image='0' * 40)}",
        "--crossmath-modality=image", f"--crossmath-compare={base}",
        "--crossmath-compare-fail=image:5%", "--crossmath-record=new.jsonl", "-rs",
        f"--crossmath-stop-early={how}",
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        [
            "stopped early: the gates of broken were decided after 16 responses",
            "compare-fail image:5%*FAIL*",
            "SKIPPED*stopped early: the gates are decided",
        ]
    )
    done.assert_outcomes(xfailed=16, skipped=24)
    again = crossmath(pytester, "compare", base, "new.jsonl", "--fail=image:5%")
    assert again.ret == 1
    again.stdout.fnmatch_lines(["compare-fail image:5%*FAIL*"])


def test_workers_are_told_when_the_gates_are_decided(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """How far they have got by then is chance; the verdict is not."""
    base = recorded(pytester, replay, "base", image="1" * 40)
    done = run(
        pytester, f"--crossmath-model={replay('broken', image='0' * 40)}",
        "--crossmath-modality=image", f"--crossmath-compare={base}",
        "--crossmath-compare-fail=image:5%", "--crossmath-stop-early=exact", "-n", "2",
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["compare-fail image:5%*FAIL*"])
    outcomes = done.parseoutcomes()
    assert outcomes["xfailed"] + outcomes.get("skipped", 0) == 40


def test_interrupted_runs_decide_nothing_that_is_open(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """A gate is decided only if it holds both with unasked requests solved and with them missed."""
    model = replay(image="1" * 40)
    pytester.makeconftest(
        "def pytest_runtest_teardown(item):\n"
        "    if '0005' in item.nodeid: item.session.shouldstop = 'enough'\n"
    )
    done = run(
        pytester, f"--crossmath-model={model}", "--crossmath-modality=image",
        "--crossmath-fail-under=image:50%",
    )  # fmt: skip
    done.stdout.fnmatch_lines(["fail-under image:50%*cannot tell*100.0% (57-100)*"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--crossmath-limit=9"], "*cover different problems: 40 and 9 of suite mini*"),
        (["-k", "0001 or 0002"], "*cover different problems: 40 and 2 samples, 2 of them in both*"),
        (["--crossmath-modality=image,text"], "*have different modalities: image and image, text"),
        (["--crossmath-samples=2"], "*have different sample counts: 1 and 2"),
        (["--crossmath-prompt=prompt.txt"], "*have different prompts: *"),
        (["--crossmath-suite=standard"], "*cover different problems: suites mini and standard*"),
        (["--crossmath-compare=missing.jsonl"], "*missing.jsonl cannot be read*"),
        (["--crossmath-compare=base.jsonl#other"], "*has no results of 'other': base-responses*"),
        (["--crossmath-compare=prompt.txt"], "*prompt.txt:1: not a line of a run record*"),
        (["--crossmath-compare-fail=image+text:5%"], "*this run does not include image+text*"),
        (["--crossmath-stop-early", "crossmath::x"], "*write --crossmath-stop-early=exact"),
        (["--crossmath-inconclusive=maybe"], "*cannot be 'maybe'*"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    pytester: pytest.Pytester, replay: Replay, arguments: list[str], message: str
) -> None:
    """One line says what differs, before any model is asked."""
    recorded(pytester, replay, "base", image="1" * 40)
    (pytester.path / "prompt.txt").write_text("Solve it.", encoding="utf-8")
    done = run(
        pytester, f"--crossmath-model={replay(image='1' * 40, text='1' * 40)}",
        "--crossmath-modality=image", "--crossmath-compare=base.jsonl",
        "--crossmath-compare-fail=image:5%", *arguments,
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: crossmath: {message}"])
    assert "Traceback" not in done.stderr.str()


def test_gates_need_what_they_are_about(pytester: pytest.Pytester, replay: Replay) -> None:
    """A comparison needs a baseline, and stopping early needs a gate."""
    model = f"--crossmath-model={replay(image='1' * 40)}"
    for argument, message in (
        ("--crossmath-compare-fail=image:5%", "*needs --crossmath-compare=RUN.jsonl*"),
        ("--crossmath-stop-early=exact", "*stops when the gates are decided: add a gate*"),
    ):
        done = run(pytester, model, "--crossmath-modality=image", argument)
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        done.stderr.fnmatch_lines([message])


def test_gates_in_an_ini_file(pytester: pytest.Pytester, replay: Replay) -> None:
    """Each option has its twin, one gate per line; a record's path is relative to the ini file."""
    recorded(pytester, replay, "base", image="1" * 40)
    pytester.makeini(
        "[pytest]\n"
        "crossmath_compare = base.jsonl\n"
        "crossmath_compare_fail = image:5%\n"
        "crossmath_fail_under =\n  image:10%\n  image/original:90%\n"
    )
    done = run(
        pytester, f"--crossmath-model={replay('new', image='1' * 20 + '0' * 20)}",
        "--crossmath-modality=image",
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        ["fail-under image:10%*pass*", "fail-under image/original:90%*FAIL*", "compare-fail*FAIL*"]
    )


def test_other_versions_and_settings_are_told_beside_the_verdict(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """Differences are listed next to the verdict and do not prevent the comparison."""
    base = pytester.path / recorded(pytester, replay, "base", image="1" * 40)
    first, *rest = base.read_text(encoding="utf-8").splitlines(keepends=True)
    header = json.loads(first)
    header["versions"]["pillow"] = "1.2.3"
    header["settings"]["max_new_tokens"] = 7
    base.write_text("".join([json.dumps(header) + "\n", *rest]), encoding="utf-8")
    done = run(
        pytester, f"--crossmath-model={replay('new', image='1' * 40)}",
        "--crossmath-modality=image", f"--crossmath-compare={base}",
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.OK
    done.stdout.fnmatch_lines(
        [
            "  differs from the baseline: setting max_new_tokens: 7, now None",
            "  differs from the baseline: version of pillow: 1.2.3, now *",
        ]
    )
    done.stdout.no_fnmatch_line("*version of pytest:*")


Record = Callable[[], list[dict[str, object]]]


def test_the_verdicts_are_in_the_record(
    pytester: pytest.Pytester, replay: Replay, record_lines: Record
) -> None:
    """Later reports find the word, the figure, the interval and the detectable change there."""
    run(
        pytester, f"--crossmath-model={replay(image='1' * 40)}", "--crossmath-modality=image",
        "--crossmath-fail-under=image:50%",
    )  # fmt: skip
    gates = record_lines()[-1]["gates"]
    assert isinstance(gates, list)
    [verdict] = gates
    assert (verdict["gate"], verdict["word"], verdict["figure"]) == (
        "fail-under image:50%", "pass", 1.0,
    )  # fmt: skip
    assert 0 < verdict["detectable"] < 0.3


def test_records_that_are_no_pair_are_both_named(pytester: pytest.Pytester, replay: Replay) -> None:
    """`crossmath compare` reads two files, and the message says which is which."""
    one = recorded(pytester, replay, "one", image="1" * 40)
    two = pytester.path / "two.jsonl"
    lines = (pytester.path / one).read_text(encoding="utf-8").splitlines(keepends=True)
    two.write_text("".join(lines[:1] + lines[2:]), encoding="utf-8")
    refused = crossmath(pytester, "compare", one, "two.jsonl")
    assert refused.ret == 2
    refused.stderr.fnmatch_lines(["crossmath: one.jsonl and two.jsonl cover different problems: *"])


def test_repeated_runs_are_calibrated(pytester: pytest.Pytester, replay: Replay) -> None:
    """`crossmath calibrate` prints how much they differ, and refuses runs of other requests."""
    one = recorded(pytester, replay, "one", image="1" * 40)
    two = recorded(pytester, replay, "two", image="0" + "1" * 39)
    done = crossmath(pytester, "calibrate", one, two, "--json", "out.json")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["image * 40 *2.5%*2.5*"])
    [form] = json.loads((pytester.path / "out.json").read_text(encoding="utf-8"))["forms"]
    assert (form["form"], form["problems"], form["churn"]) == ("image", 40, 0.025)
    assert crossmath(pytester, "calibrate", one).ret == 2
    other = recorded(pytester, replay, "other", text="1" * 40)
    refused = crossmath(pytester, "calibrate", one, other)
    assert refused.ret == 2
    assert len(refused.stderr.lines) == 1
    refused.stderr.fnmatch_lines(["*modalit*"])


@WORKERS
def test_a_selection_that_the_baseline_does_not_cover(
    pytester: pytest.Pytester, replay: Replay, workers: tuple[str, ...]
) -> None:
    """What only the selected tests can show is a usage error, wherever they are planned."""
    recorded(pytester, replay, "base", image="1" * 40)
    done = pytester.runpytest_subprocess(
        "crossmath", "--crossmath-limit=40", f"--crossmath-model={replay('new', image='1' * 40)}",
        "--crossmath-modality=image", "--crossmath-compare=base.jsonl", "-k", "mini-0001", *workers,
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: crossmath: base.jsonl and this run cover different *"])
