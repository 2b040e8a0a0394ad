"""Under pytest-xdist: work is divided without waste, results stay the same, a worker may die."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_crossmath.plugin.exit_status import NO_RESULT

pytest.importorskip("xdist")

# Writes a line for every model that is loaded and every request that is inferred.
SPY = """
import json, os
import pytest_crossmath.run.asker as asker

load = asker.load_backend

class Spy:
    def __init__(self, spec, settings):
        self.name, self.backend = spec.name, load(spec, settings)
        self.reads_images = True
        self.note("load")

    def note(self, *what):
        with open("spy.jsonl", "a") as file:
            file.write(json.dumps([os.getpid(), self.name, *what]) + "\\n")

    def suggest_batch_size(self, requests, settings):
        return 4

    def generate(self, requests, settings, *, batch_size):
        for index, response in self.backend.generate(requests, settings, batch_size=batch_size):
            self.note(str(requests[index].id))
            yield index, response

asker.load_backend = Spy
"""


def spied(pytester: pytest.Pytester) -> list[list[object]]:
    """The lines that the spy wrote."""
    return [json.loads(line) for line in Path(pytester.path, "spy.jsonl").read_text().splitlines()]


def test_nothing_is_inferred_or_loaded_twice(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """A request of two tests is inferred by one worker, which loads each model once."""
    one = replay("one", text="1" * 60, image="0" * 60, both="1" * 60)
    two = replay("two", text="1" * 60, image="1" * 60, both="1" * 60)
    pytester.makeconftest(SPY)
    pytester.makepyfile("def test_again(crossmath_response): assert crossmath_response.text")
    result = pytester.runpytest_subprocess(
        "-n", "2", f"--crossmath-model={one}", f"--crossmath-model={two}", "--crossmath-limit=60"
    )
    result.assert_outcomes(passed=360 + 300, xfailed=60)
    lines = spied(pytester)
    assert len({line[0] for line in lines}) == 2
    assert set(Counter(map(str, lines)).values()) == {1}
    requests = Counter(str(line[1:]) for line in lines if line[2] != "load")
    assert len(requests) == 360
    assert set(requests.values()) == {1}


@pytest.mark.parametrize(
    ("workers", "limit"),
    [
        ("2", 6),
        pytest.param("2", 14, marks=pytest.mark.nightly),
        pytest.param("4", 14, marks=pytest.mark.nightly),
    ],
)
def test_the_same_responses_with_any_number_of_workers(
    pytester: pytest.Pytester, workers: str, limit: int
) -> None:
    """Batches differ, but the responses do not."""
    records = []
    for count in ("0", workers):
        result = pytester.runpytest_subprocess(
            "-n", count, "--crossmath-model=pocket", f"--crossmath-limit={limit}",
            "--crossmath-cache=off", f"--crossmath-record=n{count}.jsonl",
        )  # fmt: skip
        assert result.ret == 0
        lines = map(json.loads, Path(pytester.path, f"n{count}.jsonl").read_text().splitlines())
        records.append(
            {
                (line["problem"], line["modality"]): (line["response"], line["outcome"])
                for line in lines
                if line["type"] == "result"
            }
        )
    assert len(records[0]) == 3 * limit
    assert records[0] == records[1]


KILLER = """
import os, pathlib, signal

def pytest_runtest_setup(item):
    if "mini-0020-image]" in item.nodeid and "PYTEST_XDIST_WORKER" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("cache", ["on", pytest.param("off", marks=pytest.mark.nightly)])
def test_a_worker_that_is_killed_costs_one_item(
    pytester: pytest.Pytester, replay: Callable[..., str], cache: str
) -> None:
    """The other workers take over; each request has one result in table and record.

    The one item is an error, unless its response arrived before the worker died.
    """
    spec = replay(text="1" * 60, image="1" * 60, both="0" * 60)
    pytester.makeconftest(KILLER)
    result = pytester.runpytest_subprocess(
        "-n", "2", f"--crossmath-model={spec}", "--crossmath-limit=60",
        f"--crossmath-cache={cache}", "--crossmath-record=r.jsonl",
    )  # fmt: skip
    result.assert_outcomes(passed=119, xfailed=60, failed=1)
    assert result.ret == NO_RESULT
    result.stdout.fnmatch_lines(["*crashed while running*mini-0020-image*"])
    result.stdout.re_match_lines(
        ["outcomes of fake: (120 solved, 60 missed|119 solved, 60 missed, 1 error)"]
    )
    lines = [json.loads(line) for line in Path(pytester.path, "r.jsonl").read_text().splitlines()]
    results = [line for line in lines if line["type"] == "result"]
    assert len({(line["problem"], line["modality"]) for line in results}) == len(results) == 180
    for line in results:
        killed = (line["problem"], line["modality"]) == ("mini-0020", "image")
        expected = "missed" if line["modality"] == "image+text" else "solved"
        assert line["outcome"] in {expected, "error" if killed else expected}
    assert lines[-1]["type"] == "summary"


def test_automatic_means_a_worker_for_each_gpu(
    pytester: pytest.Pytester, replay: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker sees only its own GPU from the start."""
    spec = replay(text="1" * 40)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    pytester.makepyfile(
        """
        import os, pathlib
        def test_gpu(crossmath_response):
            gpu, worker = os.environ["CUDA_VISIBLE_DEVICES"], os.environ["PYTEST_XDIST_WORKER"]
            pathlib.Path("seen", worker + " " + gpu).touch()
        """
    )
    pytester.mkdir("seen")
    result = pytester.runpytest_subprocess(
        "-n", "auto", f"--crossmath-model={spec}", "--crossmath-limit=40",
        "--crossmath-modality=text", "--crossmath-samples=5",
    )  # fmt: skip
    assert "3 workers [400 items]" in result.stdout.str()
    seen = sorted(path.name for path in Path(pytester.path, "seen").iterdir())
    assert seen == ["gw0 4", "gw1 5", "gw2 7"]


def test_automatic_without_us_is_that_of_xdist(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin does not interfere with a run without a model."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "1")
    pytester.makepyfile("def test_it(): pass")
    assert "1 worker [1 item]" in pytester.runpytest_subprocess("-n", "auto").stdout.str()


@pytest.mark.parametrize(
    "dist",
    [
        "loadgroup",
        pytest.param("loadfile", marks=pytest.mark.nightly),
        pytest.param("worksteal", marks=pytest.mark.nightly),
    ],
)
def test_another_distribution_is_the_users_choice(
    pytester: pytest.Pytester, replay: Callable[..., str], dist: str
) -> None:
    """Results are right under any, though two workers may infer the same request."""
    spec = replay(text="1" * 20, image="0" * 20, both="1" * 20)
    result = pytester.runpytest_subprocess(
        "-n", "2", "--dist", dist, f"--crossmath-model={spec}", "--crossmath-limit=20"
    )
    result.assert_outcomes(passed=40, xfailed=20)
    result.stdout.fnmatch_lines(["outcomes of fake: 40 solved, 20 missed"])


@pytest.mark.parametrize("crash", [1, 3, 5])
def test_a_test_without_a_model_that_kills_its_worker(
    pytester: pytest.Pytester, replay: Callable[..., str], crash: int
) -> None:
    """The run ends, with every other test run once."""
    pytester.makepyfile(
        "import os, pytest\n"
        "@pytest.mark.parametrize('i', range(6))\n"
        "def test_it(i):\n"
        f"    if i == {crash}: os._exit(3)\n"
    )
    result = pytester.runpytest_subprocess(
        "test_a_test_without_a_model_that_kills_its_worker.py", "-n", "2",
        f"--crossmath-model={replay(text='1')}", "--crossmath-limit=1", timeout=120,
    )  # fmt: skip
    result.assert_outcomes(passed=5, failed=1)
    assert result.ret == 1
