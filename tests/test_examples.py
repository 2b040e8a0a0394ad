"""The examples of the documentation, run as they are printed.

Only what needs a network, a GPU or hours is replaced: models by the calibrator, which answers at
once, sizes by small ones, and installing, serving and training by nothing.
"""

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

from pytest_crossmath.cli.main import main
from pytest_crossmath.tasks.suite import load_suite

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github/actions/gate/action.yml"
REUSED = ROOT / ".github/workflows/model-gate.yml"
CI_PAGE = "docs/ci.md"
PAGES = ("README.md", "docs/ci.md", "docs/gates.md", "docs/suites.md", "docs/training.md")

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the examples need bash")

# What is not run. A function wins over a program of the same name.
NOT_RUN = """
set -eu
pip() { :; }
vllm() { :; }
transformers() { :; }
python() {
    case "$2" in
        venv) mkdir -p .venv/bin && : > .venv/bin/activate ;;
        sglang_router.*) ;;
        *) command python "$@" ;;
    esac
}
crossmath() { [ "$1" = train ] || command crossmath "$@"; }
pytest() { case "$*" in *mathverse:*|*mmmu:*) ;; *) command pytest "$@" ;; esac; }
"""
SMALLER = (
    (r"(--crossmath-model=(?:[\w.+-]+=)?)(?:llava|hf:|openai:|\./|rewarded|tuned\b)\S*",
     r"\1reference"),
    ("--crossmath-model=pocket", "--crossmath-model=pocket=reference"),
    ("RUN.jsonl", "run.jsonl"),
    (r"verify (standard|mini)\b", "verify tiny"),
    (r"--count \d+", "--count 2"),
    ("export standard", "export tiny"),
)  # fmt: skip


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in one language, apart from the command for this project's tests."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"<!-- test command -->\n```.*?```", "", text, flags=re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def prepare(folder: Path) -> None:
    """The files that the examples presuppose."""
    options = ["--count", "2", "--seed", "9", "--difficulty", "mini", "--style", "original"]
    assert main(["generate", *options, "beige", "--out", str(folder / "tiny")]) == 0
    line = {"id": "hard-100-0001", "modality": "image", "text": "<answer>1</answer>"}
    (folder / "responses.jsonl").write_text(json.dumps(line), encoding="utf-8")
    run = folder / ".crossmath/runs/run.jsonl"
    run.parent.mkdir(parents=True)
    lines = (
        {"id": task.id, "modality": form, "text": f"<answer>{', '.join(task.target)}</answer>"}
        for task in load_suite("mini").tasks[:2]
        for form in ("text", "image", "image+text")
    )
    run.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    (folder / "out").mkdir()


def run_as_printed(folder: Path, commands: str) -> subprocess.CompletedProcess[str]:
    """Run the commands in one shell, on few problems."""
    for pattern, shorter in SMALLER:
        commands = re.sub(pattern, shorter, commands)
    few = "--crossmath-suite=mini --crossmath-limit=2 -p no:cacheprovider"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(  # noqa: S603 - our own examples
        ["bash", "-c", NOT_RUN + commands],  # noqa: S607 - wherever it is installed
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path, "PYTEST_ADDOPTS": few},
    )  # fmt: skip


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.nightly] * (page != CI_PAGE)) for page in PAGES],
)
def test_the_commands_of_a_page_work_as_printed(tmp_path: Path, page: str) -> None:
    """One after the other, in one folder: each of them ends with status 0."""
    prepare(tmp_path)
    found = blocks(page, "console")
    assert found
    if page == "docs/ci.md":
        found.insert(0, "pytest crossmath --crossmath-model=base=./base"
                     " --crossmath-record=base.jsonl\n")  # fmt: skip
    for block in found:
        # A block with `cd` is for itself.
        done = run_as_printed(tmp_path, block)
        assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_an_example_that_fails_is_noticed(tmp_path: Path) -> None:
    """In the middle of a block, too."""
    assert run_as_printed(tmp_path, "pytest --crossmath-modell=x\ntrue\n").returncode == 4
    assert run_as_printed(tmp_path, "crossmath verify nowhere\ntrue\n").returncode == 2


def jobs(text: str) -> dict[str, Any]:
    """The jobs of a workflow in the documentation."""
    found: dict[str, Any] = yaml.safe_load(text)
    return dict(found.get("jobs", {}))


def test_the_workflows_give_inputs_and_use_outputs_that_exist() -> None:
    """Each example of docs/ci.md calls the action, or the reusable workflow, as it is."""
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    reused = yaml.safe_load(REUSED.read_text(encoding="utf-8"))[True]["workflow_call"]
    called = []
    for text in blocks("docs/ci.md", "yaml"):
        for job in jobs(text).values():
            for call in (job, *job.get("steps", [])):
                used = call.get("uses", "")
                given = call.get("with", {})
                if used.startswith("OWNER/pytest-crossmath/.github/actions/gate@"):
                    assert set(given) <= set(action["inputs"])
                    assert "model" in given
                    called.append("action")
                elif used.startswith("OWNER/pytest-crossmath/.github/workflows/model-gate.yml@"):
                    assert set(given) <= set(reused["inputs"])
                    assert set(call.get("secrets", {})) <= set(reused["secrets"])
                    called.append("workflow")
        for output in re.findall(r"needs\.gate\.outputs\.([\w-]+)", text):
            assert output in reused["outputs"]
    assert set(called) == {"action", "workflow"}


@pytest.mark.parametrize("name", ["inputs", "outputs"])
def test_the_page_about_ci_explains(name: str) -> None:
    """Every input and output of the action; it names none that does not exist."""
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    text = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    head = rf"^\| {name[:-1]} \| meaning \|\n\|---\|---\|\n"
    [table] = re.findall(rf"{head}((?:\|.*\n)+)", text, re.MULTILINE)
    cells = (row.split("|")[1] for row in table.splitlines())
    assert {word for cell in cells for word in re.findall("`([^`]+)`", cell)} == set(action[name])


def test_the_recipe_for_gitlab_works(tmp_path: Path) -> None:
    """Its script, line by line; the second run finds the baseline of the first."""
    [job] = (yaml.safe_load(text)["gate"] for text in blocks("docs/ci.md", "yaml")
             if "script:" in text)  # fmt: skip
    prepare(tmp_path)
    for _ in range(2):
        done = run_as_printed(tmp_path, "\n".join(job["script"]))
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).is_file()
    assert [tmp_path / path for path in job["cache"]["paths"]] == [tmp_path / "base.jsonl"]
    assert list((tmp_path / job["artifacts"]["paths"][0]).glob("*.jsonl"))
