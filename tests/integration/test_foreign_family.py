"""A family of another package: found by its entry point, and nothing else is touched."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_crossmath.cli.main import main
from pytest_crossmath.tasks import family

DOCS = Path(__file__).parents[2] / "docs" / "families.md"
LARGEST = (
    DOCS.read_text(encoding="utf-8").split("<!-- own family -->\n```python\n")[1].split("```")[0]
)
"""The example that the documentation has."""

Install = Callable[..., None]


@pytest.fixture
def install(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package that has families, as pip would."""
    monkeypatch.setattr(family, "_loaded", {})
    pytester.syspathinsert()
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)

    def make(text: str = LARGEST, name: str = "largest", value: str = "toy_families") -> None:
        pytester.makepyfile(toy_families=text)
        about = pytester.mkdir("toy_families-1.0.dist-info")
        (about / "METADATA").write_text("Name: toy-families\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{family.GROUP}]\n{name} = {value}\n")

    yield make
    sys.modules.pop("toy_families", None)


@pytest.fixture
def suite(install: Install, capsys: pytest.CaptureFixture[str]) -> str:
    """A suite of five tasks of the family, made by the command."""
    install()
    made = ["--family", "largest", "--count", "5", "--seed", "1", "--out", "numbers"]
    assert main(["generate", *made]) == 0
    capsys.readouterr()
    return "numbers"


def lines(file: str) -> list[dict[str, object]]:
    """The objects of a JSONL file."""
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_run(workers: tuple[str, ...], suite: str, pytester: pytest.Pytester) -> None:
    """The calibrator solves it in every form; table, record and page have it."""
    # Workers have the path that pytest was started with.
    done = pytester.runpytest_subprocess(
        "crossmath", "--crossmath-model=reference", f"--crossmath-suite={suite}",
        "--crossmath-record=run.jsonl", "--crossmath-html=run.html", *workers,
    )  # fmt: skip
    done.assert_outcomes(passed=15)
    done.stdout.fnmatch_lines(
        ["suite numbers (5 problems), greedy decoding", "  image  *100.0% *+0.0 *"]
    )
    results = [line for line in lines("run.jsonl") if line["type"] == "result"]
    assert {line["family"] for line in results} == {"largest"}
    assert {line["outcome"] for line in results} == {"solved"}
    page = Path("run.html").read_text(encoding="utf-8")
    task = lines(f"{suite}/problems.jsonl")[0]
    assert f'"image/original":[{{"picture":"picture 1","file":"{task["id"]}.png"}}]' in page
    assert f'"{task["text"]}"' in page


def test_a_missed_task_is_shown(suite: str, pytester: pytest.Pytester) -> None:
    """With its data, the answer and the right one."""
    task = lines(f"{suite}/problems.jsonl")[0]
    said = {"id": task["id"], "modality": "text", "text": "<answer>-1</answer>"}
    Path("said.jsonl").write_text(json.dumps(said), encoding="utf-8")
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=m=replay:said.jsonl", f"--crossmath-suite={suite}",
        "--crossmath-modality=text", "--crossmath-limit=1", "--crossmath-strict",
    )  # fmt: skip
    done.assert_outcomes(failed=1)
    right = task["key"][0]  # type: ignore[index]  # a list
    done.stdout.fnmatch_lines(
        ["missed: 1 of 1 value", "", str(task["text"]), "", "answered: -1", f"right:    {right}"]
    )


def test_the_commands(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is proved, scored and exported like every other."""
    assert main(["verify", suite]) == 0
    assert "problems: 5, pictures: 5, defects: 0" in capsys.readouterr().out
    tasks = lines(f"{suite}/problems.jsonl")
    said = [
        {"id": task["id"], "modality": "image", "text": f"<answer>{task['key'][0]}</answer>"}  # type: ignore[index]  # a list
        for task in tasks
    ]
    Path("said.jsonl").write_text("\n".join(map(json.dumps, said)), encoding="utf-8")
    assert main(["score", "--suite", suite, "--responses", "said.jsonl", "--json", "s.json"]) == 0
    scores = json.loads(Path("s.json").read_text(encoding="utf-8"))
    assert scores["models"]["responses"]["image"]["macro_acc"] == 1
    assert main(["export", suite, "--format", "trl", "--out", "learn"]) == 0
    assert len(lines("learn/train.jsonl")) == 15


def test_a_picture_of_something_else_is_found(
    suite: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader reads the pixels, and nothing but these."""
    first, second, *_ = sorted(Path(suite, "original").iterdir())
    first.write_bytes(second.read_bytes())
    assert main(["verify", suite]) == 1
    said = capsys.readouterr().out
    assert f"{first.stem}: picture: original: shows" in said
    assert f"{first.stem}: manifest: original: has other pixels than were hashed" in said


def test_what_a_model_copied_is_compared(suite: str, pytester: pytest.Pytester) -> None:
    """A diagnosis needs no more than text, equality and the solver."""
    task = lines(f"{suite}/problems.jsonl")[0]
    asked = {"id": task["id"], "modality": "image"}
    said = [
        {**asked, "text": "<answer>77</answer>"},
        {**asked, "transcript": "76 77 3"},
    ]
    Path("said.jsonl").write_text("\n".join(map(json.dumps, said)), encoding="utf-8")
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=m=replay:said.jsonl", f"--crossmath-suite={suite}",
        "--crossmath-modality=image", "--crossmath-limit=1", "--crossmath-diagnose",
    )  # fmt: skip
    done.stdout.fnmatch_lines(["why m missed 1 picture:", "  misread *1  100%*"])


@pytest.mark.parametrize(
    ("value", "text", "said"),
    [
        ("toy_families", "raise RuntimeError('broken\\nhere')",
         "*the family 'largest' of toy_families cannot be loaded: RuntimeError: broken here"),
        ("toy_families:none", LARGEST, "*cannot be loaded: AttributeError: *none*"),
        ("toy_families:Image", LARGEST, "*is not an instance of *Family"),
        ("toy_families", LARGEST.replace('"largest"', '"other"'),
         "*calls itself 'other': give both one name"),
    ],
    ids=["an error of its own", "no such attribute", "something else", "two names"],
)  # fmt: skip
def test_one_that_cannot_be_used_is_told_in_one_line(
    value: str, text: str, said: str, install: Install, pytester: pytest.Pytester
) -> None:
    """With the line of the suite that needs it, and exit status 4."""
    install(text, value=value)
    Path("s.jsonl").write_text('{"id": "a", "family": "largest"}', encoding="utf-8")
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", "--crossmath-suite=s.jsonl"
    )
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: crossmath: s.jsonl:1: {said}"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('"family": "larges"', "there is no family 'larges'; there are: crossmath, question, *"),
        ('"family": 3', "the field 'family' must be the name of a family, not 3"),
        ('"family": "largest"', "the field 'key' is missing"),
    ],
)
def test_a_line_that_cannot_be_read(
    fields: str, said: str, install: Install, pytester: pytest.Pytester
) -> None:
    """It is told with its place."""
    install()
    Path("s.jsonl").write_text(f'{{"id": "a", {fields}}}', encoding="utf-8")
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", "--crossmath-suite=s.jsonl"
    )
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: crossmath: s.jsonl:1: {said}"])
