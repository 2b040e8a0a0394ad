"""What users put into their CI: the action, its script, and the workflows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from PIL import Image

from conftest import Replay
from pytest_crossmath.cli.main import main
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.registry import parse_spec
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.plugin.action import content_of
from pytest_crossmath.plugin.exit_status import NO_RESULT

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github/actions/gate/action.yml"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCRIPT = ACTION.parent / "gate.sh"
INPUTS: dict[str, str] = dict.fromkeys(
    (
        "BASELINE_MODEL", "BASELINE_KEY", "BASELINE_RECORD", "FAIL_UNDER", "MAX_GAP",
        "COMPARE_FAIL", "ARGUMENTS", "GATE_ARGUMENTS", "PACKAGE",
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
        "GITHUB_JOB": "job",
        "GITHUB_ACTION_PATH": str(ACTION.parent),
        "RUNNER_TEMP": str(folder / "temp"),
        "CROSSMATH_PYTHON": sys.executable,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    given = {**INPUTS, "SUITE": "mini", "INCONCLUSIVE": "pass", "ARTIFACT": "auto", **inputs}
    (folder / "output").unlink(missing_ok=True)
    return subprocess.run(  # noqa: S603 - our own script
        ["bash", str(SCRIPT), mode],  # noqa: S607 - the job's bash
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, **job, **given},
    )  # fmt: skip


def outputs(folder: Path) -> dict[str, str]:
    """The outputs of the last step; of two equal names the later holds, as with GitHub."""
    file = folder / "output"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return dict(line.split("=", 1) for line in lines)


def baselines(folder: Path) -> list[Path]:
    """The baselines that are kept."""
    return sorted((folder / ".crossmath").glob("baseline-*.jsonl"))


def key(folder: Path, **inputs: str) -> str:
    """The key of a baseline, which must have been found."""
    done = gate("key", folder, **inputs)
    assert done.returncode == 0, done.stdout + done.stderr
    return outputs(folder)["key"]


def test_a_model_is_judged(pytester: pytest.Pytester, replay: Replay) -> None:
    """The summary of the job, an annotation for each gate, the outputs, and pytest's status."""
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
    given = outputs(pytester.path)
    assert given["status"] == "failed"
    assert re.fullmatch(r"crossmath-job-\w{6}", given["artifact"])
    lines = Path(given["record"]).read_text(encoding="utf-8").splitlines()
    assert [one["word"] for one in json.loads(lines[-1])["gates"]] == ["pass", "fail", "pass"]
    assert "GATE FAILED" in Path(given["report"]).read_text(encoding="utf-8")
    found = {file.name for file in Path(given["files"]).iterdir()}
    assert found == {"gate.jsonl", "gate.md", "gate.xml"}


@pytest.mark.parametrize(
    ("image", "inputs", "status", "word"),
    [
        pytest.param("1" * 30, {}, 0, "passed", marks=pytest.mark.nightly),
        ("1" * 30, {"FAIL_UNDER": "image:50%"}, 0, "passed"),
        ("1" * 16 + "0" * 14, {"FAIL_UNDER": "image:50%"}, 0, "cannot-tell"),
        ("1" * 16 + "0" * 14, {"FAIL_UNDER": "image:50%", "INCONCLUSIVE": "fail"}, 1,
         "cannot-tell"),
        ("1" * 16 + "0" * 14, {"FAIL_UNDER": "image:50%", "ARGUMENTS": "--crossmath-strict",
                               "INCONCLUSIVE": "fail"}, 1, "failed"),
        pytest.param("0" * 30, {"FAIL_UNDER": "image:50%"}, 1, "failed", marks=pytest.mark.nightly),
        pytest.param("0" * 30, {"ARGUMENTS": "--crossmath-strict"}, 1, "failed",
                     marks=pytest.mark.nightly),
        ("1" * 29 + "-", {"FAIL_UNDER": "image:50%"}, NO_RESULT, "not-measured"),
        pytest.param("1" * 30, {"FAIL_UNDER": "image"}, 4, "not-measured",
                     marks=pytest.mark.nightly),
        ("1" * 30, {"BASELINE_RECORD": "gone.jsonl"}, 4, "not-measured"),
    ],
)  # fmt: skip
def test_the_status_is_passed_on_and_said_in_a_word(
    pytester: pytest.Pytester,
    replay: Replay,
    image: str,
    inputs: dict[str, str],
    status: int,
    word: str,
) -> None:
    """Whatever pytest's exit status is, the outputs are given and the step ends with it."""
    common = "--crossmath-limit=30\n--crossmath-modality=image\n"
    inputs = {**inputs, "ARGUMENTS": common + inputs.get("ARGUMENTS", "")}
    done = gate("judge", pytester.path, MODEL=replay(image=image), **inputs)
    assert done.returncode == status, done.stdout + done.stderr
    given = outputs(pytester.path)
    assert given["status"] == word
    assert set(given) == {"status", "record", "report", "artifact", "files"}


@pytest.mark.nightly
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
    assert outputs(pytester.path) == {"made": "true"}
    [record] = baselines(pytester.path)
    assert record.name == f"baseline-{key(pytester.path, **inputs)}.jsonl"
    written = record.read_bytes()
    assert gate("baseline", pytester.path, **inputs).stdout == ""
    assert outputs(pytester.path) == {}
    assert record.read_bytes() == written
    # Only the run that is judged has gates, so only there can it stop early.
    early = {"GATE_ARGUMENTS": "--crossmath-stop-early\n"}
    assert gate("judge", pytester.path, MODEL=base, **early, **inputs).returncode == 0
    worse = replay("worse", image="0" * 15 + "1" * 25)
    done = gate("judge", pytester.path, MODEL=worse, **inputs)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "::warning title=worse%3A 15 regressed as image::mini-0001, mini-0002" in done.stdout
    kept = Path(outputs(pytester.path)["files"], "baseline.jsonl")
    assert kept.read_bytes() == written


def test_two_uses_in_one_workspace_have_a_baseline_each(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """The second use compares with its own baseline, and the first one's record is still there."""
    good, bad = replay("good", image="1" * 40), replay("bad", image="0" * 40)
    common = {
        "ARGUMENTS": "--crossmath-limit=40\n--crossmath-modality=image",
        "COMPARE_FAIL": "image:5%",
    }
    records = []
    # `bad` is as good as itself, and worse than `good`.
    for base, status in ((bad, 0), (good, 1)):
        assert gate("baseline", pytester.path, BASELINE_MODEL=base, **common).returncode == 0
        done = gate("judge", pytester.path, MODEL=bad, BASELINE_MODEL=base, **common)
        assert done.returncode == status, done.stdout
        records.append(outputs(pytester.path)["record"])
    assert len(baselines(pytester.path)) == 2
    assert len(set(records)) == 2
    assert all(map(os.path.isfile, records))


@pytest.mark.parametrize(
    "damage",
    [
        "another model's", pytest.param("half of it", marks=pytest.mark.nightly),
        pytest.param("with an error", marks=pytest.mark.nightly),
        pytest.param("no record", marks=pytest.mark.nightly),
    ],
)  # fmt: skip
def test_a_record_that_is_not_the_baselines_is_not_used(
    pytester: pytest.Pytester, replay: Replay, damage: str
) -> None:
    """A file in its place, from a cache or an older job, is checked: it is run again."""
    base, other = replay("base", image="1111"), replay("other", image="0000")
    common = {"ARGUMENTS": "--crossmath-limit=4\n--crossmath-modality=image"}
    assert gate("baseline", pytester.path, BASELINE_MODEL=base, **common).returncode == 0
    [file] = baselines(pytester.path)
    good = file.read_text(encoding="utf-8")
    if damage == "another model's":
        assert gate("baseline", pytester.path, BASELINE_MODEL=other, **common).returncode == 0
        [content] = (f.read_text("utf-8") for f in baselines(pytester.path) if f != file)
    elif damage == "half of it":
        content = "".join(good.splitlines(keepends=True)[:3])
    elif damage == "with an error":
        content = good.replace('"outcome": "solved"', '"outcome": "error"', 1)
    else:
        content = "{}"
    assert content != good
    file.write_text(content, encoding="utf-8")
    judged = gate("judge", pytester.path, MODEL=base, BASELINE_MODEL=base, **common)
    assert judged.returncode == NO_RESULT, judged.stdout
    assert outputs(pytester.path)["status"] == "not-measured"
    done = gate("baseline", pytester.path, BASELINE_MODEL=base, **common)
    assert done.returncode == 0, done.stderr
    assert f"{file.relative_to(pytester.path)} is not used: " in done.stderr
    assert outputs(pytester.path) == {"made": "true"}
    assert '"base"' in file.read_text(encoding="utf-8").splitlines()[0]


def test_a_baseline_that_was_not_measured_is_not_kept(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """Half a run is nothing to compare with; the status says that nothing is known to be worse."""
    inputs = {
        "BASELINE_MODEL": replay(image="1-1"),
        "ARGUMENTS": "--crossmath-limit=3\n--crossmath-modality=image",
    }
    assert gate("baseline", pytester.path, **inputs).returncode == NO_RESULT
    assert baselines(pytester.path) == []
    assert outputs(pytester.path) == {}
    done = gate("judge", pytester.path, MODEL=inputs["BASELINE_MODEL"], **inputs)
    assert done.returncode == NO_RESULT
    assert outputs(pytester.path)["status"] == "not-measured"


@pytest.mark.parametrize(("image", "status"), [("110", 0), ("1-0", NO_RESULT)])
def test_a_failing_test_does_not_spoil_a_baseline(
    pytester: pytest.Pytester, replay: Replay, image: str, status: int
) -> None:
    """Status 1 says nothing about the responses: they are all there, or they are not."""
    pytester.makepyfile(test_own="def test_mine(): assert False")
    done = gate(
        "baseline", pytester.path, BASELINE_MODEL=replay(image=image),
        ARGUMENTS="test_own.py\n--crossmath-strict\n--crossmath-limit=3\n--crossmath-modality=image",
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert len(baselines(pytester.path)) == (status == 0)
    assert ("::warning" in done.stdout.splitlines()[-1]) == (status == 0)


def test_a_gate_in_the_ini_file_does_not_cut_the_baseline_short(
    pytester: pytest.Pytester, replay: Replay
) -> None:
    """A run that stops early is for the model that is judged."""
    pytester.makeini("[pytest]\ncrossmath_fail_under = image:90%\ncrossmath_stop_early = exact")
    done = gate(
        "baseline", pytester.path, BASELINE_MODEL=replay(image="0" * 40),
        ARGUMENTS="--crossmath-limit=40\n--crossmath-modality=image",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    [file] = baselines(pytester.path)
    assert file.read_text(encoding="utf-8").count('"type": "result"') == 40


@pytest.mark.parametrize(
    ("mode", "option"),
    [
        ("key", "--crossmath-stop-early"),
        ("key", "--crossmath-compare=b"),
        ("baseline", "--crossmath-stop-early=exact"),
    ],
)
def test_an_argument_for_the_judged_model_only_is_told(
    tmp_path: Path, mode: str, option: str
) -> None:
    """It says where the argument belongs, before anything is run."""
    done = gate(mode, tmp_path, BASELINE_MODEL="pocket", ARGUMENTS=f"--crossmath-limit=3\n{option}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    flag = option.partition("=")[0]
    assert f"::error title=crossmath::{flag} is for the model that is judged" in done.stdout
    assert "write it in gate-arguments" in done.stdout


def test_a_mistake_in_the_arguments_ends_the_first_step(tmp_path: Path) -> None:
    """In one line, with pytest's own status."""
    done = gate("key", tmp_path, BASELINE_MODEL="pocket", ARGUMENTS="--crossmath-limit=many")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "crossmath: --crossmath-limit must be a whole number" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_key_of_a_baseline_is_that_of_what_made_it(tmp_path: Path) -> None:
    """Another model, suite or argument is another baseline; the same one is not."""
    common = {"BASELINE_MODEL": "m=reference", "ARGUMENTS": "--crossmath-limit=5"}
    keys = [
        key(tmp_path, **{**common, **inputs})
        for inputs in (
            {}, {}, {"BASELINE_MODEL": "n=reference"}, {"BASELINE_MODEL": "m=pocket"},
            {"BASELINE_KEY": "1"}, {"SUITE": "standard"}, {"ARGUMENTS": "--crossmath-limit=6"},
        )
    ]  # fmt: skip
    assert re.fullmatch("[0-9a-f]{32}", keys[0])
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1


Change = Callable[[Path], object]


def _append(name: str) -> Change:
    def change(folder: Path) -> None:
        with (folder / name).open("ab") as stream:
            stream.write(b" \n")

    return change


def _repaint(folder: Path) -> None:
    with Image.open(folder / "suite/original/suite-0001.png") as picture:
        changed = picture.convert("RGB")
    changed.putpixel((0, 0), (1, 2, 3))
    changed.save(folder / "suite/original/suite-0001.png")


def _reword(folder: Path) -> None:
    file = folder / "suite/problems.jsonl"
    first, second = file.read_text(encoding="utf-8").splitlines()
    file.write_text(f"{second}\n{first}\n", encoding="utf-8")


CHANGES: dict[str, Change] = {
    "the order of the suite": _reword,
    "a pixel of a picture": _repaint,
    "the prompt": lambda folder: (folder / "prompt.txt").write_text("Solve this, please."),
    "the end of the prompt": lambda folder: (folder / "prompt.txt").write_text("Solve this.!"),
    "the responses": _append("base.jsonl"),
    "the ini file": lambda folder: (folder / "pytest.ini").write_text(
        "[pytest]\ncrossmath_samples = 2"
    ),
}
"""What changes nothing of the inputs' text."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a suite, a prompt, and saved responses."""
    folder = tmp_path_factory.mktemp("workspace")
    suite = str(folder / "suite")
    options = ["--count", "2", "--seed", "1", "--difficulty", "mini", "--out", suite]
    assert main(["generate", *options]) == 0
    (folder / "prompt.txt").write_text("Solve this.")
    line = {"id": "suite-0001", "modality": "text", "text": "<answer>1</answer>"}
    (folder / "base.jsonl").write_text(f"{json.dumps(line)}\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(
            what, marks=[pytest.mark.nightly] if "'s end" in what or "line" in what else []
        )
        for what in CHANGES
    ],
)
def test_the_key_has_the_content(tmp_path: Path, workspace: Path, what: str) -> None:
    """An edited file is another baseline, though each input of the action reads as before."""
    shutil.copytree(workspace, tmp_path, dirs_exist_ok=True)
    inputs = {
        "SUITE": "suite", "ARGUMENTS": "--crossmath-prompt=prompt.txt",
        "BASELINE_MODEL": "base=replay:base.jsonl",
    }  # fmt: skip
    before = key(tmp_path, **inputs)
    CHANGES[what](tmp_path)
    assert key(tmp_path, **inputs) != before


def test_the_key_has_the_weights_of_a_folder(tmp_path: Path) -> None:
    """A checkpoint that was written over is another baseline, with no key of the user's own."""
    shutil.copytree(pocket_directory(), tmp_path / "base")
    inputs = {"BASELINE_MODEL": "base=./base", "SUITE": "mini"}
    before = key(tmp_path, **inputs)
    assert key(tmp_path, **inputs) == before
    weights = tmp_path / "base/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    changed = key(tmp_path, **inputs)
    assert changed != before
    with (tmp_path / "base/chat_template.jinja").open("a", encoding="utf-8") as stream:
        stream.write("{# #}")
    assert key(tmp_path, **inputs) not in {before, changed}


def test_a_branch_on_the_hub_is_a_commit_in_the_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A branch that moved is another baseline; a commit needs no look-up."""
    hub: Any = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    sha = "0" * 40

    def model_info(self: object, name: str, **named: object) -> SimpleNamespace:
        if sha == "offline":
            raise ConnectionError(name)
        return SimpleNamespace(sha=sha)

    monkeypatch.setattr(hub.HfApi, "model_info", model_info)
    run: Any = None
    branch, commit = (parse_spec(f"hf:ORG/NAME{at}") for at in ("@main", f"@{'c' * 40}"))
    assert content_of(branch, run, Digests()) == "0" * 40
    sha = "1" * 40
    assert content_of(branch, run, Digests()) == "1" * 40
    assert content_of(commit, run, Digests()) == "c" * 40
    sha = "offline"
    assert content_of(branch, run, Digests()) is None
    assert "name one, hf:ORG/NAME@COMMIT" in capsys.readouterr().err


@pytest.mark.parametrize("uses", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_the_environment_is_its_own(tmp_path: Path, uses: int) -> None:
    """Pip installs into a new one under the runner's temporary folder, another for each use."""
    (tmp_path / "temp").mkdir()
    wheel = _wheel(tmp_path)
    pythons = []
    for _ in range(uses):
        done = gate(
            "install", tmp_path, PACKAGE=f"{wheel}\n", PIP_NO_INDEX="1",
            PIP_DISABLE_PIP_VERSION_CHECK="1",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        python = outputs(tmp_path)["python"]
        assert Path(python).is_relative_to(tmp_path / "temp")
        code = "import sys, tried; print(sys.prefix)"
        shown = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
        pythons.append(shown.stdout)
    assert len(set(pythons)) == uses
    mine = subprocess.run([sys.executable, "-c", "import tried"], capture_output=True, check=False)
    assert mine.returncode


def _wheel(folder: Path) -> Path:
    """A wheel with one empty module."""
    file = folder / "tried-1-py3-none-any.whl"
    about = "tried-1.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("tried.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tried\nVersion: 1\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    return file


def test_without_a_python_it_says_what_to_do(tmp_path: Path) -> None:
    """A self-hosted runner may have none, or an old one."""
    (tmp_path / "bin").mkdir()
    old = tmp_path / "bin/python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for tool in ("bash", "mktemp"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    done = gate("install", tmp_path, PATH=str(tmp_path / "bin"))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "::error title=crossmath::There is no Python 3.11 or newer: set python-version" in (
        done.stdout
    )


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
    action = yaml.safe_load(text)
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])
    modes = []
    script = SCRIPT.read_text(encoding="utf-8")
    for step in steps():
        if "run" in step:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"]
            modes.append(step["run"].rpartition(" ")[2])
    assert modes == re.findall(r"^    (\w+)\)$", script, re.MULTILINE)
    asked = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", script))
    given = {name for step in steps() for name in step.get("env", {})}
    of_the_job = {"GITHUB_OUTPUT", "GITHUB_ACTION_PATH", "GITHUB_JOB", "RUNNER_TEMP", "TMPDIR"}
    assert asked - of_the_job - {"PWD", "BASH_REMATCH"} == given


def test_outputs_of_steps_exist() -> None:
    """What the action takes from a step, the step's mode writes."""
    text, script = ACTION.read_text(encoding="utf-8"), SCRIPT.read_text(encoding="utf-8")
    by_mode = dict(re.findall(r"^    (\w+)\)\n(.*?)^        ;;", script, re.MULTILINE | re.DOTALL))
    for step, name in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text):
        mode = {"gate": "judge"}.get(step, step)
        assert f"output {name} " in by_mode[mode], (step, name)
    for output in yaml.safe_load(text)["outputs"].values():
        assert output["description"]


def test_the_baseline_is_saved_before_the_model_is_judged() -> None:
    """A red run saves it as well: at once, and with the very path under which it is restored."""
    used = [(step.get("uses") or step["run"]).split("@")[0].split()[-1] for step in steps()]
    order = ["actions/cache/restore", "baseline", "actions/cache/save", "judge"]
    assert [one for one in used if one in order] == order
    restore, save = (step["with"] for step in steps() if "actions/cache/" in step.get("uses", ""))
    assert restore == save
    assert "steps.key.outputs.key" in restore["path"]


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
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    assert taken - {"runner", "timeout-minutes", "clean"} == set(step["with"])
    assert set(step["with"]) == set(action["inputs"])
    for name, value in step["with"].items():
        assert value == f"${{{{ inputs.{name} }}}}"
        declared = workflow[True]["workflow_call"]["inputs"][name]
        assert declared.get("default") == action["inputs"][name].get("default")
    job = workflow["jobs"]["gate"]
    assert job["steps"][0]["with"]["clean"] == "${{ inputs.clean }}"
    for name, output in workflow[True]["workflow_call"]["outputs"].items():
        assert output["value"] == f"${{{{ jobs.gate.outputs.{name} }}}}"
        assert job["outputs"][name] == f"${{{{ steps.gate.outputs.{name} }}}}"
        assert name in action["outputs"]


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_finds_nothing() -> None:
    """In any workflow."""
    done = subprocess.run(  # noqa: S603 - our own files
        ["actionlint", *map(str, WORKFLOWS)],  # noqa: S607 - wherever it is installed
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
