"""What users put into their CI: the action, its script, and the workflows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Replay
from pytest_crossmath.plugin.exit_status import NO_RESULT

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github/actions/gate/action.yml"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCRIPT = ACTION.parent / "gate.sh"
INPUTS: dict[str, str] = dict.fromkeys(
    (
        "BASELINE_MODEL", "BASELINE_KEY", "BASELINE_RECORD", "FAIL_UNDER", "MAX_GAP",
        "COMPARE_FAIL", "ARGUMENTS",
    ),
    "",
)  # fmt: skip

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the action needs bash")


def gate(mode: str, folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """What a step of the action prints, in a job of GitHub's."""
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_OUTPUT": str(folder / "output"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.run(  # noqa: S603 - our own script
        ["bash", str(SCRIPT), mode],  # noqa: S607 - the job's bash
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, **job, **INPUTS, "SUITE": "mini", "INCONCLUSIVE": "pass", **inputs},
    )  # fmt: skip


def test_a_model_is_judged(pytester: pytest.Pytester, replay: Replay) -> None:
    """The summary of the job, an annotation for each gate, the record, and pytest's status."""
    done = gate(
        "judge", pytester.path, MODEL=replay(text="1" * 40, image="1" * 20 + "0" * 20),
        ARGUMENTS="--crossmath-limit=40\n--crossmath-modality=text,image\n",
        FAIL_UNDER="text:80%\n  image:90%  \n", MAX_GAP="image:80%",
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "::error title=crossmath gate::GATE FAILED  fake: fail-under image:90%25" in done.stdout
    summary = (pytester.path / "summary.md").read_text(encoding="utf-8")
    assert "GATE FAILED" in summary
    assert summary.count("| fake ") == 3
    record = (pytester.path / "output").read_text(encoding="utf-8").strip()
    assert record == "record=.crossmath/gate.jsonl"
    lines = (pytester.path / ".crossmath/gate.jsonl").read_text(encoding="utf-8").splitlines()
    assert [one["word"] for one in json.loads(lines[-1])["gates"]] == ["pass", "fail", "pass"]
    for file in ("gate.md", "gate.xml"):
        assert (pytester.path / ".crossmath" / file).stat().st_size


def test_a_baseline_is_asked_once_and_compared_with(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """What the cache brought is not asked again; the same model passes, a worse one fails."""
    base = replay("base", image="1" * 40)
    inputs = {
        "BASELINE_MODEL": base,
        "ARGUMENTS": "--crossmath-limit=40\n--crossmath-modality=image",
        "COMPARE_FAIL": "image:5%",
    }
    assert gate("baseline", pytester.path, **inputs).returncode == 0
    record = pytester.path / ".crossmath/baseline.jsonl"
    written = record.read_bytes()
    assert gate("baseline", pytester.path, **inputs).stdout == ""
    assert record.read_bytes() == written
    assert gate("judge", pytester.path, MODEL=base, **inputs).returncode == 0
    worse = replay("worse", image="0" * 15 + "1" * 25)
    done = gate("judge", pytester.path, MODEL=worse, **inputs)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "::warning title=worse%3A 15 regressed as image::mini-0001, mini-0002" in done.stdout


def test_a_baseline_that_broke_off_is_not_kept(pytester: pytest.Pytester, replay: Replay) -> None:
    """Half a run is nothing to compare with."""
    done = gate(
        "baseline", pytester.path, BASELINE_MODEL=replay(image="1-1"),
        ARGUMENTS="--crossmath-limit=3\n--crossmath-modality=image",
    )  # fmt: skip
    assert done.returncode == NO_RESULT
    assert not (pytester.path / ".crossmath/baseline.jsonl").exists()


def test_the_key_of_a_baseline_is_that_of_what_made_it(tmp_path: Path) -> None:
    """Another model, suite or argument is another baseline."""
    keys = [
        gate("key", tmp_path, **{"BASELINE_MODEL": "m", **inputs}).stdout
        for inputs in (
            {}, {}, {"BASELINE_MODEL": "n"}, {"BASELINE_KEY": "1"}, {"SUITE": "standard"},
            {"ARGUMENTS": "--crossmath-limit=3"},
        )
    ]  # fmt: skip
    assert re.fullmatch(r"key=[0-9a-f]{32}\n", keys[0])
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1


@pytest.mark.parametrize(
    "text",
    [
        "$(touch hit)",
        pytest.param("`touch hit`", marks=pytest.mark.nightly),
        pytest.param("; touch hit", marks=pytest.mark.nightly),
        pytest.param("'; touch hit; '", marks=pytest.mark.nightly),
        "a b\n\n-p hit",
    ],
)
def test_no_input_is_run(pytester: pytest.Pytester, replay: Replay, text: str) -> None:
    """Whatever a pull request names its model, or its gates."""
    model = replay(text="1")
    done = gate("judge", pytester.path, MODEL=model, FAIL_UNDER=text)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    done = gate("judge", pytester.path, MODEL=text)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert not (pytester.path / "hit").exists()


def steps() -> list[dict[str, Any]]:
    """The steps of the action."""
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = action["runs"]["steps"]
    return found


def test_the_action_fits_its_script() -> None:
    """Each step has a shell and no input in its commands; each input that is used is declared."""
    text = ACTION.read_text(encoding="utf-8")
    declared = yaml.safe_load(text)["inputs"]
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(declared)
    for step in steps():
        if "run" in step:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"]
    asked = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", SCRIPT.read_text(encoding="utf-8")))
    given = {name for step in steps() for name in step.get("env", {})}
    assert asked - {"GITHUB_OUTPUT"} == given - {"PACKAGE"}


@pytest.mark.parametrize("file", [*WORKFLOWS, ACTION], ids=lambda file: file.name)
def test_what_is_used_has_a_version(file: Path) -> None:
    """And workflows of ours may do no more than they need."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for used in re.findall(r"uses: (\S+)", file.read_text(encoding="utf-8")):
        assert used.startswith("./") or "@" in used or re.search(r":\d", used), used
    if file != ACTION:
        assert content["permissions"] == {"contents": "read"}


def test_the_nightly_run_is_the_readmes_with_everything() -> None:
    """Each night and on demand, what a newcomer types, with what takes too long for each push."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text("utf-8"))
    assert set(workflow[True]) == {"schedule", "workflow_dispatch"}  # YAML reads `on` as true
    job = workflow["jobs"]["nightly"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [command] = re.findall(r"<!-- test command -->\n```console\n(.+)\n```", readme)
    install, tests = command.split(" && ")
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[-2:] == [install, tests.replace("pytest", "pytest --nightly", 1)]


def test_the_reusable_workflow_passes_on_what_it_takes() -> None:
    """Each input of its own goes to the input of the action with the same name."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/model-gate.yml").read_text("utf-8"))
    taken = set(workflow[True]["workflow_call"]["inputs"])  # YAML reads `on` as true
    step = workflow["jobs"]["gate"]["steps"][-1]
    assert taken - {"runner", "timeout-minutes"} == set(step["with"])
    for name, value in step["with"].items():
        assert value == f"${{{{ inputs.{name} }}}}"
    assert set(step["with"]) <= set(yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"])


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_finds_nothing() -> None:
    """In any workflow."""
    done = subprocess.run(  # noqa: S603 - our own files
        ["actionlint", *map(str, WORKFLOWS)],  # noqa: S607 - wherever it is installed
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
