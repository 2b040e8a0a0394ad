"""Which worker gets which tests and which GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.plugin.xdist import (
    GPU,
    GpuAssignment,
    automatic_workers,
    prepare_worker,
    visible_gpus,
)
from pytest_crossmath.run.plan import stretches

FORMS = ("text", "image", "image+text")
PROBLEMS = [f"mini-{i:04}" for i in range(200)]


def ids_of(*models: str, problems: list[str] = PROBLEMS) -> list[str]:
    """Ids of built-in tests."""
    return [
        f"crossmath::test_problem[{model}-{problem}-{form}]"
        for model in models
        for problem in problems
        for form in FORMS
    ]


def test_a_stretch_is_a_run_of_problems_of_one_model() -> None:
    """All forms of a problem are in the same stretch, and stretches are consecutive."""
    ids = ids_of("llava", "llava-next")
    scopes = stretches(ids, models=["llava", "llava-next"], problems=PROBLEMS, workers=2)
    order = [scopes[id] for id in ids]
    assert list(dict.fromkeys(order)) == sorted(set(order), key=order.index)
    assert order == sorted(order, key=order.index)
    for id, scope in scopes.items():
        assert scope.split(",")[0] == id.split("[")[1].split("-mini")[0]
    sizes = [order.count(scope) for scope in dict.fromkeys(order)]
    assert sizes == [75] * 16


def test_a_users_test_shares_the_stretch_of_its_problem() -> None:
    """Two tests of the same request run in the worker that made it."""
    own = [f"test_x.py::test_it[{p}-extra-image-pocket]" for p in PROBLEMS]
    ids = [*ids_of("pocket"), *own, "test_x.py::test_plain", "test_x.py::test_other[mini]"]
    scopes = stretches(ids, models=["pocket"], problems=PROBLEMS, workers=4)
    for problem, id in zip(PROBLEMS, own, strict=True):
        assert scopes[id] == scopes[f"crossmath::test_problem[pocket-{problem}-text]"]
    assert scopes[ids[-2]] == ids[-2]
    assert scopes[ids[-1]] == ids[-1]


def test_a_selection_is_shared_out_evenly() -> None:
    """The split depends on the number of selected problems, not on their place in the suite."""
    ids = ids_of("m", problems=PROBLEMS[::7])
    scopes = stretches(ids, models=["m"], problems=PROBLEMS, workers=2)
    sizes = {scope: list(scopes.values()).count(scope) for scope in scopes.values()}
    assert list(sizes.values()) == [33, 33, 21]


@given(st.lists(st.sampled_from(ids_of("a", "a-b")), unique=True), st.integers(1, 9))
def test_every_test_has_a_stretch(ids: list[str], workers: int) -> None:
    """Any selection in any order is covered."""
    scopes = stretches(ids, models=["a", "a-b"], problems=PROBLEMS, workers=workers)
    assert scopes.keys() == set(ids)


def test_every_gpu_gets_a_worker_before_one_gets_two() -> None:
    """The replacement of a worker that died gets its GPU."""
    gpus = GpuAssignment(["0", "1"])
    assert [gpus.take(f"gw{i}") for i in range(3)] == ["0", "1", "0"]
    gpus.release("gw1")
    assert gpus.take("gw3") == "1"
    assert GpuAssignment([]).take("gw0") is None


@pytest.mark.parametrize(
    ("value", "gpus"),
    [
        ("0,1,3", ["0", "1", "3"]),
        ("GPU-1f,GPU-2a", ["GPU-1f", "GPU-2a"]),
        ("", []),
        ("-1", []),
        ("2,-1,3", ["2"]),
    ],
)
def test_the_variable_of_cuda_says_which_gpus_may_be_used(
    monkeypatch: pytest.MonkeyPatch, value: str, gpus: list[str]
) -> None:
    """`CUDA_VISIBLE_DEVICES` is read as CUDA itself reads it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == gpus
    assert automatic_workers() == (len(gpus) or min(2, os.cpu_count() or 1))


def test_the_driver_is_asked_where_nothing_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its tool lists the GPUs, and below each the parts of it."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'GPU 0: H200 (UUID: GPU-aa)'\necho '  MIG 1g Device 0: (UUID: MIG-bb)'\n"
        "echo 'GPU 1: H200 (UUID: GPU-cc)'\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == ["0", "1"]
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert visible_gpus() == []
    tool.unlink()
    assert visible_gpus() == []


def test_a_worker_is_pinned_and_gets_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A number of cores that the user has set is kept."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    prepare_worker({GPU: "1", "workercount": 2})
    assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]) == ("1", "4")
    prepare_worker({GPU: None, "workercount": 4})
    assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]) == ("1", "4")
    monkeypatch.delenv("OMP_NUM_THREADS")
    prepare_worker({})
    assert "OMP_NUM_THREADS" not in os.environ
