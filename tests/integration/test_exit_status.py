"""Exit statuses of whole runs: 0 well, 1 worse, 2 interrupted, 4 a mistake, 6 not known."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pytest_crossmath.cli.main import main
from pytest_crossmath.files import FULL
from tests.integration.workers import WORKERS, WORKERS_NIGHTLY

GATE = ("--crossmath-fail-under=text:50%",)

# A test with a measurement whose fixture breaks behind it.
BREAKS = """
import pytest

@pytest.fixture
def breaks():
    yield
    assert False

def test_it(breaks, crossmath_score):
    pass
"""

# A model whose requests fail so many times each, before they are answered.
FAILS = """
import collections
import pytest_crossmath.run.asker as asker
from pytest_crossmath.errors import BackendError

load, times = asker.load_backend, collections.Counter()

class Failing:
    def __init__(self, spec, settings):
        self.backend, self.reads_images = load(spec, settings), True

    def suggest_batch_size(self, requests, settings):
        return 1

    def generate(self, requests, settings, *, batch_size):
        for index, response in self.backend.generate(requests, settings, batch_size=1):
            times[requests[index].id] += 1
            failed = times[requests[index].id] <= TIMES and requests[index].task.id == "mini-0001"
            yield index, BackendError("the GPU is gone") if failed else response

asker.load_backend = Failing
"""


@WORKERS_NIGHTLY
@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        ("1100", (), 0),
        ("1100", ("--crossmath-strict",), 1),
        ("0" * 20, GATE, 1),
        ("10" * 10, GATE, 0),
        ("10" * 10, (*GATE, "--crossmath-inconclusive=fail"), 1),
        ("1100", ("--crossmath-fail-under=text:much",), 4),
        ("1---", (), 6),
        ("1-" + "0" * 18, GATE, 1),
        ("1---", ("--crossmath-strict",), 6),
        ("0---", ("--crossmath-strict",), 1),
        ("----1", ("--crossmath-limit=4", *GATE, "--crossmath-inconclusive=fail"), 6),
        ("1111", (*GATE, "-knothing"), 6),
        ("1111", ("-knothing",), 5),
    ],
)
def test_each_row_of_the_table(
    pytester: pytest.Pytester, replay: Callable[..., str],
    text: str, options: tuple[str, ...], status: int, workers: tuple[str, ...],
) -> None:  # fmt: skip
    """What is shown to be worse outweighs what could not be measured, and that what is well."""
    model = replay(text=text)
    result = pytester.runpytest(
        "crossmath", f"--crossmath-model={model}", "--crossmath-modality=text",
        f"--crossmath-limit={len(text)}", *options, *workers,
    )  # fmt: skip
    assert result.ret == status
    told = "crossmath: nothing is known to be worse, but:" in result.stdout.str()
    assert told == (status == 6)


@WORKERS
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("def test_it(crossmath_score): assert crossmath_score.outcome", 6),
        ("def test_it(crossmath_score): pass\ndef test_other(): assert False", 1),
        (BREAKS, 1),
    ],
)  # fmt: skip
def test_failures_of_the_users_own_tests(
    pytester: pytest.Pytester, replay: Callable[..., str],
    body: str, status: int, workers: tuple[str, ...],
) -> None:  # fmt: skip
    """A missing measurement ends their test as an error; whatever else fails is theirs."""
    pytester.makepyfile(body)
    model = replay(text="1-")
    result = pytester.runpytest(
        f"--crossmath-model={model}", "--crossmath-modality=text", "--crossmath-limit=2", *workers
    )
    assert result.ret == status


def test_a_regression_is_worse(pytester: pytest.Pytester, replay: Callable[..., str]) -> None:
    """Also beside a response that is missing."""
    options = ("crossmath", "--crossmath-modality=text", "--crossmath-limit=2")
    pytester.runpytest(*options, f"--crossmath-model={replay(text='11')}", "--snapshot-update")
    for text, status in (("1-", 6), ("0-", 1)):
        result = pytester.runpytest(*options, f"--crossmath-model={replay(text=text)}")
        assert result.ret == status


@WORKERS_NIGHTLY
def test_a_report_that_cannot_be_written_at_the_end(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """The verdict is known, the report is lost: nothing is worse, and not all is well."""
    pytester.makeconftest(
        "import os\n"
        "def pytest_runtest_logfinish(): os.path.isdir('report.md') or os.mkdir('report.md')\n"
    )
    result = pytester.runpytest(
        "crossmath", f"--crossmath-model={replay(text='1')}", "--crossmath-modality=text",
        "--crossmath-limit=1", "--crossmath-markdown=report.md", *workers,
    )  # fmt: skip
    assert result.ret == 6
    result.stdout.fnmatch_lines(["*--crossmath-markdown: not written:*"])


@WORKERS
def test_a_model_that_cannot_be_loaded(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """Nothing was measured, whoever ran the items."""
    pytester.makeconftest(
        "import pytest_crossmath.run.asker as asker\n"
        "from pytest_crossmath.errors import ModelError\n"
        "def load(spec, settings): raise ModelError('its weights are damaged')\n"
        "asker.load_backend = load\n"
    )
    result = pytester.runpytest_subprocess(
        "crossmath", f"--crossmath-model={replay(text='1111')}", "--crossmath-modality=text",
        "--crossmath-limit=4", *workers,
    )  # fmt: skip
    assert result.ret == 6
    assert result.parseoutcomes()["errors"] <= 2


@WORKERS_NIGHTLY
@pytest.mark.parametrize(("times", "reruns", "status"), [(1, 1, 0), (2, 1, 6), (1, 0, 6)])
def test_tests_that_are_run_again(
    pytester: pytest.Pytester, replay: Callable[..., str],
    times: int, reruns: int, status: int, workers: tuple[str, ...],
) -> None:  # fmt: skip
    """Only the last report counts, and a measurement replaces the error before it."""
    pytest.importorskip("pytest_rerunfailures")
    pytester.makeconftest(FAILS.replace("TIMES", str(times)))
    result = pytester.runpytest_subprocess(
        "crossmath", f"--crossmath-model={replay(text='11')}", "--crossmath-modality=text",
        "--crossmath-limit=2", f"--reruns={reruns}", "--crossmath-record=run.jsonl", *workers,
    )  # fmt: skip
    assert result.ret == status
    *lines, last = map(json.loads, Path("run.jsonl").read_text(encoding="utf-8").splitlines())
    outcomes = [line["outcome"] for line in lines if line.get("problem") == "mini-0001"]
    expected = {"solved": 2} if status == 0 else {"solved": 1, "error": 1}
    assert outcomes == (["error", "solved"] if status == 0 else ["error"])
    assert last["outcomes"]["fake"] == expected


@pytest.mark.parametrize(("workers", "status"), [((), 6), (("-n2",), 2)], ids=["here", "workers"])
def test_a_run_that_ends_at_its_first_failure(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...], status: int
) -> None:
    """With -x; pytest-xdist calls that an interrupt, and its status stays."""
    result = pytester.runpytest(
        "crossmath", f"--crossmath-model={replay(text='-111')}", "--crossmath-modality=text",
        "--crossmath-limit=4", "-x", *workers,
    )  # fmt: skip
    assert result.ret == status


def test_a_worker_that_dies(pytester: pytest.Pytester, replay: Callable[..., str]) -> None:
    """What it was running has no measurement."""
    pytester.makeconftest(
        "import os\n"
        "def pytest_runtest_setup(item):\n"
        "    if 'mini-0001' in item.nodeid: os._exit(1)\n"
    )
    result = pytester.runpytest_subprocess(
        "crossmath", f"--crossmath-model={replay(text='111')}", "--crossmath-modality=text",
        "--crossmath-limit=3", "-n2",
    )  # fmt: skip
    assert result.ret == 6
    result.stdout.fnmatch_lines(["crossmath: nothing is known to be worse, but: 1 measurement*"])


# Where a run is when the signal comes: it waits there, and says so by a file.
WAIT = """
import pathlib, time
def wait(*_, **__):
    pathlib.Path("waiting").touch()
    for _ in range(3000): time.sleep(0.01)
"""
PHASES = {
    "collection": (f"{WAIT}\ndef pytest_collection_modifyitems(): wait()\n", False),
    "loading": (f"{WAIT}\nimport pytest_crossmath.run.asker as a\na.load_backend = wait\n", False),
    "inference": (
        (
            f"{WAIT}\nimport pytest_crossmath.models.replay as r\n"
            "generate = r.ReplayBackend.generate\n"
            "def some(*a, **k):\n"
            "    yield next(generate(*a, **k))\n"
            "    wait()\n"
            "r.ReplayBackend.generate = some\n"
        ),
        True,
    ),
    "between tests": (f"{WAIT}\ndef pytest_runtest_logfinish(): wait()\n", True),
}


@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)])
@pytest.mark.parametrize(("conftest", "has_results"), PHASES.values(), ids=PHASES)
def test_a_run_that_a_scheduler_ends(
    pytester: pytest.Pytester, replay: Callable[..., str],
    conftest: str, has_results: bool, number: signal.Signals,
) -> None:  # fmt: skip
    """SIGTERM is an interrupt wherever it comes: the table is shown, and the status is 2."""
    pytester.makeconftest(conftest)
    code, shown = started_and_sent(replay(text="11"), "waiting", number)
    assert code == pytest.ExitCode.INTERRUPTED
    assert ("crossmath: modality gap" in shown) == has_results
    if has_results:
        *_, last = map(json.loads, Path("run.jsonl").read_text(encoding="utf-8").splitlines())
        assert last["type"] == "summary"
        assert Path("page.html").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_reports_are_written(
    pytester: pytest.Pytester, replay: Callable[..., str], number: signal.Signals
) -> None:
    """The run was over: they are written as a whole, and its status is its own."""
    pytester.makeconftest(
        "import pathlib, time\n"
        "import pytest_crossmath.reporting.html as html\n"
        "write = html.write\n"
        "def slow(document):\n"
        "    pathlib.Path('waiting').touch()\n"
        "    while not pathlib.Path('sent').exists(): time.sleep(0.01)\n"
        "    return write(document)\n"
        "html.write = slow\n"
    )
    code, shown = started_and_sent(replay(text="11"), "waiting", number)
    assert code == 0
    assert "crossmath: modality gap" in shown
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def started_and_sent(model: str, sign: str, number: signal.Signals) -> tuple[int, str]:
    """Status and output of a run that is sent a signal, twice, when it makes a file."""
    run = subprocess.Popen(  # noqa: S603 - ourselves
        [
            # A shell that runs its tests in the background makes them ignore Ctrl-C.
            sys.executable, "-c",
            ("import pytest, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
            " signal.signal(signal.SIGHUP, signal.SIG_DFL); raise SystemExit(pytest.main())"),
            "crossmath", f"--crossmath-model={model}", "--crossmath-modality=text",
            "--crossmath-limit=2", "--crossmath-record=run.jsonl", "--crossmath-html=page.html",
        ],
        stdout=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    while run.poll() is None and not Path(sign).exists():
        time.sleep(0.01)
    run.send_signal(number)
    Path("sent").touch()
    shown, _ = run.communicate(timeout=60)
    return run.returncode, shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_disk_that_is_full(pytester: pytest.Pytester, replay: Callable[..., str]) -> None:
    """A run and a command both say that something was not written."""
    model = replay(text="1")
    result = pytester.runpytest(
        "crossmath", f"--crossmath-model={model}", "--crossmath-modality=text",
        "--crossmath-limit=1", "--crossmath-markdown=/dev/full", "--crossmath-record=run.jsonl",
    )  # fmt: skip
    assert result.ret == 6
    score = ["score", "--suite", "mini", "--responses", "fake.jsonl", "--json"]
    assert main([*score, "/dev/full"]) == 3
    assert main([*score, "scores.json"]) == 0


@pytest.mark.parametrize(("text", "status"), [("1" * 20, 0), ("0" * 20, 1), ("-" * 20 + "1", 3)])
def test_a_comparison_of_records(
    pytester: pytest.Pytester, replay: Callable[..., str], text: str, status: int
) -> None:
    """0 for no worse, 1 for worse, 3 where nothing was measured that could be compared."""
    for name, outcomes in (("base", "1" * 20), ("new", text)):
        pytester.runpytest(
            "crossmath", f"--crossmath-model=m={replay(text=outcomes).partition('=')[2]}",
            "--crossmath-modality=text", "--crossmath-limit=20", f"--crossmath-record={name}.jsonl",
        )  # fmt: skip
    compare = ["compare", "base.jsonl", "new.jsonl", "--fail", "text:5%"]
    assert main([*compare, "--inconclusive", "fail"]) == status


def test_repeated_runs_without_a_measurement(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """Noise that was not measured is not reported as none."""
    for name in ("one", "two"):
        pytester.runpytest(
            "crossmath", f"--crossmath-model={replay(text='--1')}", "--crossmath-modality=text",
            "--crossmath-limit=2", f"--crossmath-record={name}.jsonl",
        )  # fmt: skip
    assert main(["calibrate", "one.jsonl", "two.jsonl"]) == 3


def test_a_command_that_a_scheduler_ends(tmp_path: Path) -> None:
    """SIGTERM ends it as Ctrl-C does."""
    command = [
        sys.executable, "-m", "pytest_crossmath.cli.main",
        "generate", "--count", "1000000", "--seed", "1", "--out", "suite",
    ]  # fmt: skip
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
    while run.poll() is None and not (tmp_path / "suite" / "unfinished.jsonl").exists():
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert said.endswith("crossmath: interrupted\n")


@WORKERS_NIGHTLY
def test_a_test_that_expects_to_fail(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """A missing measurement is missing, whatever the user's test makes of it."""
    pytester.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_it(crossmath_score): assert 0")
    result = pytester.runpytest(
        "test_a_test_that_expects_to_fail.py", f"--crossmath-model={replay(text='1-')}",
        "--crossmath-modality=text", "--crossmath-limit=2", *workers,
    )  # fmt: skip
    result.assert_outcomes(xfailed=2)
    assert result.ret == 6


def test_a_crash_after_a_measurement_is_the_tests_own(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """A user's test that had its response, and then kills its worker, fails for its own reasons."""
    pytester.makepyfile("import os\ndef test_it(crossmath_score): os._exit(1)")
    result = pytester.runpytest_subprocess(
        "test_a_crash_after_a_measurement_is_the_tests_own.py",
        f"--crossmath-model={replay(text='1')}", "--crossmath-modality=text",
        "--crossmath-limit=1", "-n2",
    )  # fmt: skip
    assert result.ret == 1


@WORKERS_NIGHTLY
def test_a_snapshot_that_cannot_be_written(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """Syrupy writes at the end: its error is a line, and the table is there."""
    pytester.makeconftest(
        "import errno\n"
        "import pytest_crossmath.plugin.snapshots as snapshots\n"
        "def full(*paths): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "snapshots.write_whole = full\n"
    )
    result = pytester.runpytest_subprocess(
        "crossmath", f"--crossmath-model={replay(text='1')}", "--crossmath-modality=text",
        "--crossmath-limit=1", "--snapshot-update", *workers,
    )  # fmt: skip
    assert result.ret == 6
    result.stdout.fnmatch_lines(["crossmath: nothing is known to be worse, but: a snapshot was*"])
    assert "crossmath: modality gap" in result.stdout.str()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_command_whose_output_is_lost() -> None:
    """As with `crossmath models > /dev/full`."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_crossmath.cli.main", "models"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.startswith("crossmath: the output was not written: ")


@pytest.mark.parametrize("fault", sorted(FULL), ids=errno.errorcode.get)
@pytest.mark.parametrize("command", ["generate --count=2 --seed=1", "export learn --format=trl"])
def test_a_disk_that_fails_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    fault: int, command: str,
) -> None:  # fmt: skip
    """Nothing was wrong with the request, and it can be repeated: the suite is resumed."""
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "--count=1", "--seed=3", "--difficulty=mini", "--out=learn"]) == 0
    wrote, saved = Path.write_bytes, Image.Image.save

    def fail(*_: object, **__: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(Path, "write_bytes", fail)
    monkeypatch.setattr(Image.Image, "save", fail)
    options = [*command.split(), "--out=out"]
    assert main(options) == 3
    assert "--out out cannot be written: " in capsys.readouterr().err
    monkeypatch.setattr(Path, "write_bytes", wrote)
    monkeypatch.setattr(Image.Image, "save", saved)
    assert main(options) == 0


def test_a_report_about_nothing(pytester: pytest.Pytester, replay: Callable[..., str]) -> None:
    """A page that was requested, and a run that measured nothing."""
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest(
        "test_a_report_about_nothing.py", f"--crossmath-model={replay(text='1')}",
        "--crossmath-limit=1", "--crossmath-html=page.html",
    )  # fmt: skip
    assert result.ret == 6
    result.stdout.fnmatch_lines(["crossmath: * there was nothing to write for --crossmath-html *"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_one_output_that_fails_costs_no_other(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """What can be written is written, half of a surrogate pair included."""
    responses = Path(replay(text="1").partition("replay:")[2])
    line = json.loads(responses.read_text(encoding="utf-8")) | {"model": "a\ud800"}
    responses.write_text(json.dumps(line) + "\n", encoding="utf-8")
    pytester.runpytest(
        "crossmath", f"--crossmath-model=m=replay:{responses}", "--crossmath-modality=text",
        "--crossmath-limit=1", "--crossmath-record=run.jsonl",
    )  # fmt: skip
    assert main(["report", "run.jsonl", "-o", "/dev/full", "--json", "figures.json"]) == 3
    assert json.loads(Path("figures.json").read_text(encoding="utf-8"))["runs"]
    score = ["score", "--suite", "mini", "--responses", str(responses), "--json", "scores.json"]
    assert main(score) == 0


CHANGES = """
import pathlib

def pytest_runtest_logreport(report):
    if report.when == "call":
        for file in pathlib.Path("model").glob("*.safetensors"):
            CHANGE
"""
ZEROED = r'file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")'


@pytest.mark.parametrize("cache", ["on", "off"])
def test_weights_that_change_during_a_run(
    pytester: pytest.Pytester, tiny_llava: Path, cache: str
) -> None:
    """Each worker loads them for itself: the figures may be those of two models."""
    shutil.copytree(tiny_llava, pytester.path / "model")
    pytester.makeconftest(CHANGES.replace("CHANGE", ZEROED))
    result = pytester.runpytest_subprocess(
        "--crossmath-model=./model", "--crossmath-suite=mini", "--crossmath-limit=2",
        "--crossmath-modality=text", f"--crossmath-cache={cache}",
    )  # fmt: skip
    assert result.ret == 6
    result.stdout.fnmatch_lines(["*the weights of model changed during the run*two models*"])


def test_weights_that_are_removed_during_a_run(pytester: pytest.Pytester, tiny_llava: Path) -> None:
    """A training keeps its latest checkpoints only; what was loaded stays valid."""
    shutil.copytree(tiny_llava, pytester.path / "model")
    pytester.makeconftest(CHANGES.replace("CHANGE", "file.unlink()"))
    result = pytester.runpytest_subprocess(
        "--crossmath-model=./model", "--crossmath-suite=mini", "--crossmath-limit=2",
        "--crossmath-modality=text", "-x",
    )  # fmt: skip
    assert result.ret == 0


@pytest.mark.parametrize(
    ("harm", "record", "said"),
    [
        ("block()", (), "record: not written: *Errno*"),
        ("block()", ("--crossmath-record=runs/run.jsonl",), "record: not written: *Errno*"),
        ("remove()", (), "record: not written: * was removed during the run"),
        ("remove()", ("--crossmath-record=runs/run.jsonl",), "record: not written: * removed *"),
        ("fill()", (), "  it is incomplete: *File too large*"),
        ("fill()", ("--crossmath-record=runs/run.jsonl",), "  it is incomplete: *File too large*"),
    ],
)
def test_what_became_of_the_record(
    pytester: pytest.Pytester, replay: Callable[..., str],
    harm: str, record: tuple[str, ...], said: str,
) -> None:  # fmt: skip
    """What is not a file is not called incomplete, and only what was requested counts."""
    pytest.importorskip("resource")
    pytester.makeconftest(
        "import pathlib, resource, shutil, signal\n"
        "def block():\n"
        "    shutil.rmtree('runs', ignore_errors=True)\n"
        "    [pathlib.Path(name).touch() for name in ('.crossmath', 'runs')]\n"
        "def remove(): pass\n"
        "def fill(): resource.setrlimit(resource.RLIMIT_FSIZE, (500, -1))\n"
        "def pytest_runtestloop():\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "def pytest_runtest_setup():\n"
        f"    {harm}\n"
        "def pytest_runtest_teardown():\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))\n"
        f"    files = pathlib.Path('.').rglob('runs/*.jsonl') if 'remove' in {harm!r} else []\n"
        "    [file.unlink() for file in files]\n"
    )
    done = pytester.runpytest_subprocess(
        "crossmath", f"--crossmath-model={replay(text='1')}", "--crossmath-modality=text",
        "--crossmath-limit=1", "--crossmath-cache=off", "-pno:cacheprovider",
        *record,
    )  # fmt: skip
    done.stdout.fnmatch_lines(["*crossmath: modality gap*", said])
    assert done.ret == (6 if record else 0)
    state = "incomplete" if "incomplete" in said else "not written"
    assert (f"the run record is {state}" in done.stdout.str()) == bool(record)
