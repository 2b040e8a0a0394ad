"""`pytest --crossmath-model=…` alone: the built-in items, their ids and their selection."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_crossmath.plugin.exit_status import NO_RESULT
from pytest_crossmath.plugin.fixtures import active
from tests.integration.workers import HERE, NONE, TWO, TWO_NIGHTLY

WORKERS = pytest.mark.parametrize("workers", [HERE, NONE, TWO])
WORKERS_NIGHTLY = pytest.mark.parametrize("workers", [HERE, NONE, TWO_NIGHTLY])

FIRST = "crossmath::test_problem[fake-mini-0001-text]"


@WORKERS
def test_outcomes(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """Solved passes, missed and unparsed are expected failures, and a backend error is an error."""
    spec = replay(text="10u-", image="1111", both="1111")
    result = pytester.runpytest(
        f"--crossmath-model={spec}", "--crossmath-limit=4", "-rxE", *workers
    )
    result.assert_outcomes(passed=9, xfailed=2, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "no measurement: * has no response for mini-0004 as text",
            "XFAIL crossmath::test_problem[[]fake-mini-0002-text[]] - missed: *",
            "XFAIL crossmath::test_problem[[]fake-mini-0003-text[]] - unparsed: *",
        ]
    )
    assert result.ret == NO_RESULT


def test_missed_problems_do_not_fail_the_run(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """Missing is not failing: the exit status is 0 although every problem is missed."""
    spec = replay(text="00", image="00", both="00")
    result = pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=2")
    assert result.ret == 0
    result.assert_outcomes(xfailed=6)


def test_ids_are_the_same_everywhere(pytester: pytest.Pytester, replay: Callable[..., str]) -> None:
    """Ids contain no path, are ordered by model, problem and form, and differ between models."""
    one, two = replay("one", text="1"), replay("two", text="1")
    result = pytester.runpytest(
        f"--crossmath-model={one}", f"--crossmath-model={two}", "--crossmath-limit=1",
        "--collect-only", "-q",
    )  # fmt: skip
    forms = ("text", "image", "image+text")
    expected = [
        f"crossmath::test_problem[{m}-mini-0001-{f}]" for m in ("one", "two") for f in forms
    ]
    assert result.outlines[:6] == expected


@WORKERS_NIGHTLY
def test_an_id_is_taken_back(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """An id from the output runs exactly that test, and no test of the directory."""
    pytester.makepyfile("def test_other(): assert False")
    spec = replay(text="11", image="11", both="11")
    result = pytester.runpytest(f"--crossmath-model={spec}", FIRST, *workers)
    result.assert_outcomes(passed=1)


@WORKERS_NIGHTLY
def test_the_bare_name_runs_only_the_builtin_items(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """`pytest crossmath` leaves the tests of the directory alone."""
    pytester.makepyfile("def test_other(): assert False")
    spec = replay(text="11", image="11", both="11")
    result = pytester.runpytest(
        f"--crossmath-model={spec}", "--crossmath-limit=2", "crossmath", *workers
    )
    result.assert_outcomes(passed=6)


@WORKERS_NIGHTLY
def test_other_arguments_leave_the_builtin_items_out(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """Naming a file runs only that file; without a file, both run."""
    file = pytester.makepyfile("def test_other(): pass")
    spec = replay(text="1", image="1", both="1")
    options = (f"--crossmath-model={spec}", "--crossmath-limit=1", *workers)
    pytester.runpytest(*options, str(file)).assert_outcomes(passed=1)
    pytester.runpytest(*options).assert_outcomes(passed=4)
    pytester.runpytest(*options, str(file), FIRST).assert_outcomes(passed=2)


@WORKERS_NIGHTLY
def test_an_unknown_id_is_a_usage_error(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """An id that does not exist gives one line and exit status 4."""
    spec = replay(text="1")
    result = pytester.runpytest(
        f"--crossmath-model={spec}", "crossmath::test_problem[fake-mini-9-text]", *workers
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: crossmath: there is no built-in test *mini-9*"])


def test_a_folder_of_the_same_name_is_the_users(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """If there is a folder called crossmath, `pytest crossmath` runs that folder."""
    pytester.mkdir("crossmath").joinpath("test_mine.py").write_text("def test_mine(): pass")
    spec = replay(text="1")
    pytester.runpytest(f"--crossmath-model={spec}", "crossmath").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("selection", "passed"),
    [
        (("-k", "image"), 8),
        (("-k", "0002 and text"), 2),
        (("-m", "crossmath(modality='image')"), 4),
        (("-m", "crossmath(model='fake') and crossmath(difficulty='medium')"), 6),
        (("--deselect", FIRST), 11),
    ],
)
def test_selection(
    pytester: pytest.Pytester,
    replay: Callable[..., str],
    selection: tuple[str, ...],
    passed: int,
) -> None:
    """-k matches the id, -m the arguments of the mark, and --deselect the id."""
    spec = replay(text="1111", image="1111", both="1111")
    result = pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=4", *selection)
    result.assert_outcomes(passed=passed, deselected=12 - passed)


@pytest.mark.parametrize("other", ["def test_other(): pass", "def test_other(): assert False"])
def test_last_failed(pytester: pytest.Pytester, replay: Callable[..., str], other: str) -> None:
    """--lf runs what failed, built-in items included, whatever else failed."""
    pytester.makepyfile(other)
    failing = other.count("assert")
    spec = replay(text="101", image="110", both="111")
    options = (f"--crossmath-model={spec}", "--crossmath-limit=3", "--crossmath-strict")
    pytester.runpytest(*options).assert_outcomes(passed=8 - failing, failed=2 + failing)
    result = pytester.runpytest(*options, "--lf")
    assert result.parseoutcomes()["failed"] == 2 + failing


def test_exit_first_stops(pytester: pytest.Pytester, replay: Callable[..., str]) -> None:
    """-x stops at the first failure, and the table shows what was measured up to then."""
    spec = replay(text="011", image="111", both="111")
    result = pytester.runpytest(
        f"--crossmath-model={spec}", "--crossmath-limit=3", "--crossmath-strict", "-x"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*modality gap*", "outcomes of fake: *1 missed"])


def test_nothing_happens_without_a_model(pytester: pytest.Pytester) -> None:
    """A run without options of this plugin has no items, no header and no file from it."""
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "modality" not in result.stdout.str()
    assert "crossmath:" not in result.stdout.str()
    assert not (pytester.path / ".crossmath").exists()


def test_collect_only_leaves_nothing_behind(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """--collect-only asks no model and writes no record."""
    pytester.runpytest(f"--crossmath-model={replay(text='1')}", "--collect-only")
    assert not (pytester.path / ".crossmath").exists()


@pytest.mark.parametrize(
    "ini",
    [
        "python_functions = check_*",
        "python_functions = *\npython_classes = *",
        "filterwarnings = error",
        "python_classes = *\nfilterwarnings = error",
    ],
)
def test_the_users_naming_rules_leave_the_builtin_test_alone(
    pytester: pytest.Pytester, replay: Callable[..., str], ini: str
) -> None:
    """The naming rules in an ini file neither hide built-in items nor add to them."""
    pytester.makeini(f"[pytest]\n{ini}\n")
    spec = replay(text="11", image="11", both="11")
    result = pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=2")
    result.assert_outcomes(passed=6)


def test_one_broken_model_does_not_stop_another(
    pytester: pytest.Pytester, replay: Callable[..., str], tiny_llava: Path
) -> None:
    """A model that cannot be loaded causes errors in its own items only."""
    shutil.copytree(tiny_llava, "copy")
    Path("copy", "chat_template.jinja").unlink()
    spec = replay(text="11", image="11", both="11")
    result = pytester.runpytest(
        "--crossmath-model=copy", f"--crossmath-model={spec}", "--crossmath-limit=2"
    )
    result.assert_outcomes(passed=6, errors=6)
    assert "During handling" not in result.stdout.str()


def test_the_plan_names_what_is_collected(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """Ids on the command line, and stretches for workers, are found by what the plan says."""
    spec = replay(text="1", image="1")
    asked = (f"--crossmath-model={spec}", "--crossmath-limit=3", "--crossmath-samples=2")
    result = pytester.runpytest("crossmath", *asked, "--collect-only", "-q")
    collected = [line for line in result.outlines if line.startswith("crossmath::")]
    config = pytester.parseconfigure(*asked)
    expected = [f"crossmath::test_problem[{id}]" for id in config.stash[active].plan.ids()]
    assert collected == expected
    assert len(collected) == 18
