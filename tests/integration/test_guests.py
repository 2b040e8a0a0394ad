"""Other plugins beside ours: what they repeat counts once, and their terminals get the table."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# What pytest-repeat does for --count=2.
TWICE = """
import pytest

@pytest.fixture
def repetition(request):
    return request.param

def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("repetition")
    metafunc.parametrize("repetition", range(2), indirect=True)
"""
REPEATED = {
    "twice": ((), TWICE),
    "twice, in workers": (("-n2",), TWICE),
    "in each worker": (("--dist=each", "--tx=2*popen"), ""),
    "again after a failure": (("--reruns=1",), ""),
}


@pytest.mark.parametrize(("options", "conftest"), REPEATED.values(), ids=REPEATED)
def test_a_request_counts_once(
    pytester: pytest.Pytester, replay: Callable[..., str], options: tuple[str, ...], conftest: str
) -> None:
    """Snapshots, table and status count requests, however often and wherever they are run."""
    pytest.importorskip("xdist")
    pytest.importorskip("pytest_rerunfailures")
    pytester.makeconftest(conftest)
    common = ("crossmath", "--crossmath-modality=text", "--crossmath-limit=3")
    model = f"--crossmath-model={replay(text='111')}"
    done = pytester.runpytest_subprocess(*common, model, "--snapshot-update", *options)
    done.stdout.fnmatch_lines(["  fake: written: 3 new"])
    model = f"--crossmath-model={replay(text='10-')}"
    done = pytester.runpytest_subprocess(
        *common, model, "--crossmath-cache=off", "--crossmath-record=run.jsonl", *options
    )
    done.stdout.fnmatch_lines(
        ["outcomes of fake: 1 solved, 1 missed, 1 error", "  fake: 1 regressed, 1 as before"]
    )
    *_, last = map(json.loads, Path("run.jsonl").read_text(encoding="utf-8").splitlines())
    assert last["snapshots"] == {"fake": {"same": 1, "regressed": 1}}
    done = pytester.runpytest_subprocess(
        *common, f"--crossmath-model={replay(text='11-')}", "--crossmath-cache=off", *options
    )
    assert done.ret == 6
    done.stdout.fnmatch_lines(["crossmath: * but: 1 measurement missing (exit status 6)"])


def test_the_last_word_on_a_request_counts(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """A test that is run again may have another outcome than before."""
    pytest.importorskip("pytest_rerunfailures")
    pytester.makeconftest(
        "from pytest_crossmath.plugin import snapshots\n"
        "check, seen = snapshots.Snapshots.check, []\n"
        "def once(*arguments):\n"
        "    what, passes = check(*arguments)\n"
        "    seen.append(what)\n"
        "    return (what, passes) if seen[1:] else (snapshots.SnapshotChange.REGRESSED, False)\n"
        "snapshots.Snapshots.check = once\n"
    )
    common = (
        "crossmath", "--crossmath-modality=text", "--crossmath-limit=1",
        f"--crossmath-model={replay(text='0')}",
    )  # fmt: skip
    pytester.runpytest_subprocess(*common, "--snapshot-update", "-pno:rerunfailures")
    done = pytester.runpytest_subprocess(*common, "--reruns=1")
    done.stdout.fnmatch_lines(["  fake: 1 as before"])


REPORTERS = {
    "with nothing": "class Odd: pass",
    "that is no terminal": "class Odd:\n    isatty = None\n    _tw = None",
    "with a terminal": (
        "class Odd:\n"
        "    isatty = True\n"
        "    @property\n"
        "    def _tw(self): raise RuntimeError('there is no writer')\n"
    ),
}


@pytest.mark.parametrize("reporter", REPORTERS.values(), ids=REPORTERS)
def test_another_plugins_reporter(
    pytester: pytest.Pytester, replay: Callable[..., str], monkeypatch: pytest.MonkeyPatch,
    reporter: str,
) -> None:  # fmt: skip
    """No item errors, whatever the reporter lacks, and the table is shown."""
    monkeypatch.setenv("TERM", "xterm")
    pytester.makepyfile(
        odd=f"import pytest\n{reporter}\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_configure(config):\n"
        "    manager = config.pluginmanager\n"
        "    manager.unregister(manager.get_plugin('terminalreporter'))\n"
        "    manager.register(Odd(), 'terminalreporter')\n"
    )
    done = pytester.runpytest_subprocess(
        "-podd", "crossmath", f"--crossmath-model={replay(text='11')}", "--crossmath-limit=2",
        "--crossmath-modality=text", "--crossmath-record=run.jsonl",
    )  # fmt: skip
    assert done.ret == 0, done.stderr.str()
    done.stdout.fnmatch_lines(["*crossmath: modality gap*", "outcomes of fake: 2 solved"])


@pytest.mark.parametrize(
    ("option", "environment"),
    [
        ("-pno:terminal", {}),
        ("-pno:terminal", {"PYTHONIOENCODING": "ascii"}),
        ("-v", {"PYTHONIOENCODING": "ascii"}),
        ("-v", {"LC_ALL": "C", "PYTHONUTF8": "0"}),
        ("-pno:cacheprovider", {}),
        ("-pno:capture", {}),
        ("-s", {}),
    ],
)
def test_the_table_is_shown(
    pytester: pytest.Pytester, replay: Callable[..., str], monkeypatch: pytest.MonkeyPatch,
    option: str, environment: dict[str, str],
) -> None:  # fmt: skip
    """Without pytest's terminal and in any encoding, once."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # Both are used by pytest's own start.
    replayed = replay("modèle", text="1") if "LC_ALL" not in environment else replay(text="1")
    done = pytester.runpytest_subprocess(
        "crossmath", f"--crossmath-model=m={replayed.partition('=')[2]}", "--crossmath-limit=1",
        "--crossmath-modality=text", option,
    )  # fmt: skip
    assert done.ret == 0, done.stderr.str()
    assert done.stdout.str().count("crossmath: modality gap") == 1
    done.stdout.fnmatch_lines(["outcomes of m: 1 solved"])


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_reader_that_leaves(pytester: pytest.Pytester, replay: Callable[..., str]) -> None:
    """As with `| head`: pytest fails to write, and record and page are complete."""
    done = pytester.run(
        "/bin/sh", "-c",
        f"{sys.executable} -m pytest -v crossmath --crossmath-model={replay(text='111')}"
        " --crossmath-modality=text --crossmath-limit=3 --crossmath-record=run.jsonl"
        " --crossmath-html=page.html | grep -m1 PASSED > /dev/null",
    )  # fmt: skip
    assert done.ret == 0
    *_, last = map(json.loads, Path("run.jsonl").read_text(encoding="utf-8").splitlines())
    assert last["type"] == "summary"
    assert Path("page.html").exists()


CUT_OFF = {
    "a time limit": ("pytest.fail('Timeout > 1.0s')", ()),
    "a fault of a backend": ("raise ZeroDivisionError('by zero')", ()),
    "a fault, in workers": ("raise ZeroDivisionError('by zero')", ("-n2",)),
}


@pytest.mark.parametrize(("fault", "workers"), CUT_OFF.values(), ids=CUT_OFF)
def test_asking_that_is_cut_off_is_no_measurement(
    pytester: pytest.Pytester, replay: Callable[..., str], fault: str, workers: tuple[str, ...]
) -> None:
    """It is an error in the table too, and nothing is called worse; the others are asked."""
    pytester.makeconftest(
        "import pytest\n"
        "import pytest_crossmath.run.asker as asker\n"
        "ask = asker.Engine.ask\n"
        "def some(self, request):\n"
        "    if request.task.id == 'mini-0002':\n"
        f"        {fault}\n"
        "    return ask(self, request)\n"
        "asker.Engine.ask = some\n"
    )
    done = pytester.runpytest_subprocess(
        "crossmath", f"--crossmath-model={replay(text='11')}", "--crossmath-limit=2",
        "--crossmath-modality=text", "--crossmath-batch-size=1", *workers,
    )  # fmt: skip
    done.assert_outcomes(passed=1, errors=1)
    assert done.ret == 6
    done.stdout.fnmatch_lines(["crossmath: * but: 1 measurement missing (exit status 6)"])
