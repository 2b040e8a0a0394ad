"""A family from another package: found by its entry point, without any other change."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_crossmath.cli.main import main
from pytest_crossmath.plugin.exit_status import NO_RESULT
from pytest_crossmath.tasks import family
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import load_suite
from tests.integration.workers import WORKERS

DOCS = Path(__file__).parents[2] / "docs" / "families.md"
LARGEST = (
    DOCS.read_text(encoding="utf-8").split("<!-- own family -->\n```python\n")[1].split("```")[0]
)
"""The example that the documentation has."""

Install = Callable[..., None]


@pytest.fixture
def install(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package that provides families, as pip would."""
    pytester.syspathinsert()
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)

    def make(text: str = LARGEST, name: str = "largest", value: str = "toy_families") -> None:
        # As in a new process: the package is imported again with its new text.
        monkeypatch.setattr(family, "_loaded", {})
        sys.modules.pop("toy_families", None)
        pytester.makepyfile(toy_families=text)
        about = pytester.path / "toy_families-1.0.dist-info"
        about.mkdir(exist_ok=True)
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


@WORKERS
def test_a_run(workers: tuple[str, ...], suite: str, pytester: pytest.Pytester) -> None:
    """The calibrator solves it in every form, and it appears in table, record and page."""
    # Workers inherit the path with which pytest was started.
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
    """The failure shows its data, the answer and the right answer."""
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
    """It is proved, scored and exported like every other family."""
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
    """The reader works from the pixels alone."""
    first, second, *_ = sorted(Path(suite, "original").iterdir())
    first.write_bytes(second.read_bytes())
    assert main(["verify", suite]) == 1
    said = capsys.readouterr().out
    assert f"{first.stem}: picture: original: shows" in said
    assert f"{first.stem}: manifest: original: does not match the hash of its pixels" in said


def test_what_a_model_copied_is_compared(suite: str, pytester: pytest.Pytester) -> None:
    """A diagnosis needs only the text, equality and the solver of the family."""
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


def broken(method: str, arguments: str) -> str:
    """The family with a method that raises for the first task."""
    passed = arguments.replace("*, is_whole", "is_whole=is_whole")
    return LARGEST.replace(
        "\n\nFAMILY =",
        f"""
    def {method}(self, {arguments}):
        if first(locals()):
            raise RuntimeError("broken")
        return super().{method}({passed})


def first(found):
    return "-0001" in str(found.get("task", "-0001"))


FAMILY =""",
    )


def test_a_family_that_cannot_score_a_response(
    suite: str, install: Install, pytester: pytest.Pytester
) -> None:
    """That task is not measured, and the others are not affected."""
    install(broken("score", "task, text, *, is_whole"))
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", f"--crossmath-suite={suite}",
        "--crossmath-modality=text",
    )  # fmt: skip
    done.assert_outcomes(passed=4, errors=1)
    said = "the family 'largest' cannot score a response to numbers-0001: RuntimeError: broken"
    done.stdout.fnmatch_lines([f"*no measurement: {said}"])


def test_a_family_that_cannot_solve(
    suite: str, install: Install, pytester: pytest.Pytester
) -> None:
    """The calibrator has no answer, which is an error and not a wrong answer."""
    install(LARGEST.replace("Solution((str(max(content)),), (1,))", "1 / 0"))
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", f"--crossmath-suite={suite}"
    )
    done.assert_outcomes(errors=15)
    done.stdout.fnmatch_lines(["*cannot read or solve numbers-0001: ZeroDivisionError: *"])


def test_a_family_that_cannot_show_a_task(
    suite: str, install: Install, pytester: pytest.Pytester
) -> None:
    """The page is not written, which is reported, but the table is there."""
    install(broken("page", "task, forms, put"))
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", f"--crossmath-suite={suite}",
        "--crossmath-html=run.html",
    )  # fmt: skip
    done.assert_outcomes(passed=15)
    assert done.ret == NO_RESULT
    done.stdout.fnmatch_lines(
        ["*suite numbers (5 problems)*",
         "--crossmath-html: not written: *'largest' cannot show numbers-0001 on a page: *"]
    )  # fmt: skip


def giving(method: str, arguments: str, value: str) -> str:
    """The family with a method that returns something of the wrong type."""
    more = f"\n\n    def {method}(self, {arguments}):\n        return {value}\n"
    return LARGEST.replace("\n\n\nFAMILY =", f"{more}\n\nFAMILY =")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (giving("instruction", "task", "None"),
         "*'largest' cannot ask numbers-0001: TypeError: instruction() returned None, not a str"),
        (giving("parse", "record, file, origin", "{}"),
         "*.jsonl:1: *cannot read this line: TypeError: parse() returned {}, not a Task"),
        (giving("as_text", "content", "5"),
         "*.jsonl:1: *cannot read this line: TypeError: as_text() returned 5, not a str"),
        (giving("digest", "task", "[5]"),
         "the family 'largest' cannot compute a digest of numbers-0001: TypeError: *"),
    ],
    ids=["instruction", "parse", "as_text", "digest"],
)  # fmt: skip
def test_what_a_family_gives_is_checked(
    text: str, said: str, suite: str, install: Install, pytester: pytest.Pytester,
) -> None:  # fmt: skip
    """A wrong type is reported before any model is asked."""
    install(text)
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", f"--crossmath-suite={suite}"
    )
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: crossmath: {said}"])


def test_what_a_family_draws_cannot_steer_a_terminal(
    suite: str, install: Install, pytester: pytest.Pytester
) -> None:
    """Control characters are escaped, as in the text of a model."""
    install(giving("show", "task, form, score", "[chr(27) + '[31m' + 'x' * 999]"))
    task = lines(f"{suite}/problems.jsonl")[0]
    said = {"id": task["id"], "modality": "text", "text": "<answer>-1</answer>"}
    Path("said.jsonl").write_text(json.dumps(said), encoding="utf-8")
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=m=replay:said.jsonl", f"--crossmath-suite={suite}",
        "--crossmath-modality=text", "--crossmath-limit=1", "--crossmath-strict",
    )  # fmt: skip
    assert "\\x1b[31mxxx" in done.stdout.str()
    assert "x" * 500 not in done.stdout.str()
    assert "\x1b[31mx" not in done.stdout.str()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (giving("draw", "content, style, seed", "None"),
         "the family 'largest' cannot draw numbers-0001 in style original: TypeError: draw()"),
        (giving("fingerprint", "task", "[]"),
         "the family 'largest' cannot compute a fingerprint of a new task: TypeError: "),
        (giving("ask", "content, rng", "7"),
         "the field 'question' must be a string, not 7"),
        (giving("fields", "content", "{'id': 'x', 'text': self.as_text(content)}"),
         "the family 'largest' does not read numbers-0001 back as it wrote it"),
        (giving("solve", "content, question", "exit(0)"),
         "the family 'largest' cannot generate a task of 'easy': SystemExit: 0"),
        (LARGEST.replace("Solution((str(max(content)),), (1,))", "None"),
         "the family 'largest' generated a task that does not have exactly one solution: "),
        (LARGEST.replace("Solution((str(max(content)),), (1,))", "1 / 0"),
         "the family 'largest' cannot generate a task of 'easy': ZeroDivisionError: "),
        (LARGEST.replace("rng.sample(range(256), 5)", "[1, 2, 3]"),
         "the family 'largest' finds nothing new for 'easy' after 1 tasks: request fewer"),
    ],
    ids=["draw", "fingerprint", "ask", "fields", "exit", "no solution", "an error", "nothing new"],
)  # fmt: skip
def test_a_family_that_cannot_generate(
    text: str, said: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is one line."""
    install(text)
    made = ["--family", "largest", "--count", "5", "--seed", "1", "--out", "numbers"]
    # A task that cannot be read back is a bad suite; whatever else fails is the family's.
    assert main(["generate", *made]) == (2 if said.startswith("the field") else 3)
    assert f"crossmath: {said}" in capsys.readouterr().err


def test_a_family_that_cannot_check_a_task(
    suite: str, install: Install, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The error is one line."""
    install(broken("check", "task"))
    assert main(["verify", suite]) == 3
    said = "crossmath: the family 'largest' cannot check numbers-0001: RuntimeError: broken\n"
    assert capsys.readouterr().err.endswith(said)


def test_a_question_of_its_own_is_text_in_every_form(
    install: Install, pytester: pytest.Pytester
) -> None:
    """It is generated with the task, saved in the suite, asked, and passed to the solver."""
    install(
        LARGEST.replace("def solve", "def ask(self, content, rng):\n"
                        "        return rng.choice(['Or the smallest?', ''])\n\n    def solve")
        .replace("max(content)", "(min if question else max)(content)")
    )  # fmt: skip
    made = ["--family", "largest", "--count", "8", "--seed", "1", "--out", "numbers"]
    assert main(["generate", *made]) == 0
    tasks = lines("numbers/problems.jsonl")
    assert {task.get("question") for task in tasks} == {"Or the smallest?", None}
    assert main(["verify", "numbers"]) == 0
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", "--crossmath-suite=numbers"
    )
    done.assert_outcomes(passed=24)
    for form in load_suite("numbers").forms:
        for task in load_suite("numbers").tasks:
            assert (task.question in make_request(task, form).text) or not task.question


def test_two_packages_with_one_family_are_told(install: Install, pytester: pytest.Pytester) -> None:
    """Which of the two would be used depends on the path, so both are refused."""
    install()
    other = pytester.mkdir("others-1.0.dist-info")
    (other / "METADATA").write_text("Name: others\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text(f"[{family.GROUP}]\nlargest = others\n")
    Path("s.jsonl").write_text('{"id": "a", "family": "largest"}', encoding="utf-8")
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", "--crossmath-suite=s.jsonl"
    )
    done.stderr.fnmatch_lines(["*two families are called 'largest': *others*"])


@pytest.mark.parametrize(
    ("value", "text", "said"),
    [
        ("toy_families", "raise RuntimeError('broken\\nhere')",
         "*the family 'largest' of toy_families cannot be loaded: RuntimeError: broken here"),
        ("toy_families:none", LARGEST, "*cannot be loaded: AttributeError: *none*"),
        ("toy_families:Image", LARGEST, "*is not an instance of *Family"),
        ("toy_families", LARGEST.replace('"largest"', '"other"'),
         "*has the name 'other': it must be that of the entry point"),
    ],
    ids=["an error of its own", "no such attribute", "something else", "two names"],
)  # fmt: skip
def test_one_that_cannot_be_used_is_told_in_one_line(
    value: str, text: str, said: str, install: Install, pytester: pytest.Pytester
) -> None:
    """The message names the line of the suite that needs it; the exit status is 4."""
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
        ('"family": "larges"', "there is no family 'larges'; available: crossmath, question, *"),
        ('"family": 3', "the field 'family' must be the name of a family, not 3"),
        ('"family": "largest"', "the field 'key' is missing"),
        (
            '"family": "largest", "key": [], "steps": [], "difficulty": "easy", "images": {}',
            "the field 'key' must be a non-empty list of whole numbers as strings, not []",
        ),
        (
            (
                '"family": "largest", "text": "x", "key": ["1"], "steps": [1],'
                ' "difficulty": "easy", "images": {}'
            ),
            "the family 'largest' cannot read this line: ValueError: invalid literal *",
        ),
    ],
)
def test_a_line_that_cannot_be_read(
    fields: str, said: str, install: Install, pytester: pytest.Pytester
) -> None:
    """It is reported with file and line number."""
    install()
    Path("s.jsonl").write_text(f'{{"id": "a", {fields}}}', encoding="utf-8")
    done = pytester.runpytest(
        "crossmath", "--crossmath-model=reference", "--crossmath-suite=s.jsonl"
    )
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: crossmath: s.jsonl:1: {said}"])
