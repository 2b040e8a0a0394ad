"""`crossmath calibrate`: only what was measured twice tells how much two runs differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.cli.main import main
from tests.made_up import write_record


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "one.jsonl")


def served(lines: list[Any]) -> None:
    """As a second run writes it, whose responses all come from the cache."""
    for line in lines:
        if line["type"] == "result" and line["outcome"] != "error":
            line["cached"] = True


def half(lines: list[Any]) -> None:
    """As a run that was interrupted, and finished by another."""
    served(lines[:4])


def nothing(_: list[Any]) -> None:
    """A copy of the file, or a record of its replay."""


@pytest.mark.parametrize("edit", [served, nothing])
@pytest.mark.parametrize("order", ["one.jsonl two.jsonl", "two.jsonl one.jsonl"])
def test_copies_are_refused(
    edit: Any, order: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A churn of 0.0 % would be that of the cache."""
    write_record(tmp_path / "two.jsonl", edit)
    assert main(["calibrate", *order.split()]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "no response was measured anew" in line
    assert "--crossmath-cache=refresh" in line


def test_the_rest_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Responses that were measured again count, and it is said how many these are."""
    write_record(tmp_path / "two.jsonl", half, seconds=0.3)
    assert main(["calibrate", "one.jsonl", "two.jsonl", "--json", "out.json"]) == 0
    shown = capsys.readouterr().out
    assert "measured anew in every run: 4 of 7 responses" in shown
    assert "--crossmath-cache=refresh" in shown
    said = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (said["responses"], said["measured_anew"]) == (7, 4)
    assert [form["problems"] for form in said["forms"]] == [2, 2]


def test_runs_that_were_measured_twice_count_in_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Greedy decoding gives the same texts, but never in the same time."""
    write_record(tmp_path / "two.jsonl", seconds=0.3)
    assert main(["calibrate", "one.jsonl", "two.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "measured anew in every run: 7 of 7 responses" in shown
    assert "refresh" not in shown


def test_a_copy_of_one_of_three_runs_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies are found between any two."""
    write_record(tmp_path / "two.jsonl", seconds=0.3)
    write_record(tmp_path / "three.jsonl")
    assert main(["calibrate", "one.jsonl", "two.jsonl", "three.jsonl"]) == 2
    assert "three.jsonl are copies" in capsys.readouterr().err


def test_a_comparison_of_copies_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is judged all the same: the same responses may have been scored again."""
    write_record(tmp_path / "two.jsonl", served)
    for new in ("one.jsonl", "two.jsonl"):
        assert main(["compare", "one.jsonl", new]) == 0
        assert "m: every response is a copy of the baseline's" in capsys.readouterr().out
    write_record(tmp_path / "three.jsonl", seconds=0.3)
    assert main(["compare", "one.jsonl", "three.jsonl"]) == 0
    assert "copy" not in capsys.readouterr().out


def test_two_runs_with_the_cache_are_one_measurement(pytester: pytest.Pytester) -> None:
    """The bundled model, run twice: the second run is a replay of the first, unless it is asked."""
    options = (
        "crossmath", "--crossmath-model=pocket", "--crossmath-limit=2",
        "--crossmath-modality=text", "--crossmath-max-new-tokens=4",
    )  # fmt: skip
    for name, more in (("a", ()), ("b", ()), ("c", ("--crossmath-cache=refresh",))):
        pytester.runpytest_subprocess(*options, f"--crossmath-record={name}.jsonl", *more)
    assert main(["calibrate", "a.jsonl", "b.jsonl"]) == 2
    assert main(["calibrate", "a.jsonl", "c.jsonl"]) == 0


def other_weights(lines: list[Any]) -> None:
    """As a run of another checkpoint under the same name."""
    for about in lines[0]["models"].values():
        about["digest"] = "sha256:other"


def weights(lines: list[Any]) -> None:
    """As a run of a checkpoint."""
    for about in lines[0]["models"].values():
        about["digest"] = "sha256:first"


def test_runs_of_two_models_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How much two models differ is no noise."""
    write_record(tmp_path / "one.jsonl", weights)
    write_record(tmp_path / "two.jsonl", other_weights, seconds=0.3)
    assert main(["calibrate", "one.jsonl", "two.jsonl"]) == 2
    assert "one.jsonl and two.jsonl are runs of different weights" in capsys.readouterr().err


def test_the_run_that_is_a_copy_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever place it has on the command line."""
    write_record(tmp_path / "one.jsonl", served)
    write_record(tmp_path / "two.jsonl", seconds=0.3)
    assert main(["calibrate", "one.jsonl", "two.jsonl"]) == 2
    assert "those of one.jsonl are copies" in capsys.readouterr().err
