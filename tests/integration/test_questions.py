"""Whole runs over questions: own tasks, MathVerse and MMMU, by the same rules as grids."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.cli.main import main
from pytest_crossmath.tasks.suite import load_suite
from tests.integration.workers import WORKERS, WORKERS_NIGHTLY
from tests.tasks.questions.made_up import (
    mathverse_rows,
    mmmu_rows,
    own_lines,
    write_mathverse,
    write_own,
    write_parquet,
)

RecordLines = Callable[[], list[dict[str, Any]]]


def answers(folder: Path, suite: str, solved: Callable[[str, str, str | None], str]) -> str:
    """Write responses to every form of a suite, and return the model spec of the file.

    `solved` gives the outcome for an id, a modality and a style: ``1``, ``0`` or ``u``.
    """
    lines = []
    for question in load_suite(suite, root=folder).tasks:
        for form in question.forms:
            modality, style = form.modality, form.style
            word = solved(question.id, modality.value, style)
            text = {"1": f"So <answer>{question.key[0]}</answer>", "u": "Who knows."}.get(
                word, "So <answer>A</answer>" if question.key != ("A",) else "<answer>B</answer>"
            )
            lines.append({"id": question.id, "modality": modality, "style": style, "text": text})
    file = folder / "fake.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return f"--crossmath-model=fake=replay:{file}"


def by_modality(**words: str) -> Callable[[str, str, str | None], str]:
    """The outcome of a question, by its number and modality; ``both`` is image+text."""
    named = {name.replace("both", "image+text"): word for name, word in words.items()}
    return lambda question, modality, _: named[modality][int(question[1:]) - 1]


def own(folder: Path, count: int = 4, **words: str) -> list[str]:
    """Arguments of a run over own tasks with these outcomes."""
    suite = str(write_own(folder / "data", own_lines(count)))
    return [f"--crossmath-suite={suite}", answers(folder, suite, by_modality(**words))]


@WORKERS
def test_own_tasks_make_a_table(
    pytester: pytest.Pytester, record_lines: RecordLines, workers: Sequence[str]
) -> None:
    """It has the gap of each form to text, and no table of steps."""
    asked = own(pytester.path, text="1111", image="1000", both="111u")
    result = pytester.runpytest("crossmath", *asked, *workers)
    result.assert_outcomes(passed=8, xfailed=4)
    result.stdout.fnmatch_lines(
        [
            "suite own (4 problems), greedy decoding",
            "  text *100.0% (*)",
            "  image *25.0% * +75.0 *",
            "  image+text *75.0% * +25.0 *",
            "outcomes of fake: 8 solved, 3 missed, 1 unparsed",
        ]
    )
    result.stdout.no_fnmatch_line("*blanks*")
    lines = record_lines()
    assert "multiple-choice" in lines[0]["instruction"]
    assert lines[0]["suite"]["problems"] == ["q1", "q2", "q3", "q4"]
    missed = [line for line in lines if line.get("outcome") == "missed"]
    assert all(line["answer"] == ["A"] and line["key"] == ["B"] for line in missed)
    assert all(line["steps"] == [0] for line in missed)


@WORKERS_NIGHTLY
def test_mathverse_in_all_versions(pytester: pytest.Pytester, workers: Sequence[str]) -> None:
    """Each version is a form, and the gap is paired by problem."""
    suite = f"mathverse:{write_mathverse(pytester.path / 'MathVerse')}"

    def solved(id: str, modality: str, style: str | None) -> str:
        return "0" if style == "vision-dominant" or (modality == "image" and id[-1] == "1") else "1"

    asked = [f"--crossmath-suite={suite}", answers(pytester.path, suite, solved)]
    result = pytester.runpytest("crossmath", *asked, "-rx", *workers)
    result.assert_outcomes(passed=9, xfailed=3)
    result.stdout.fnmatch_lines(
        [
            "suite mathverse (2 problems), greedy decoding",
            "  text *100.0%*",
            "  image * 50.0%* +50.0 *",
            "  image+text",
            "    text-dominant *100.0%* +0.0 *",
            "    vision-dominant * 0.0%* +100.0 *",
        ],
        consecutive=False,
    )
    result.stdout.fnmatch_lines(["*mathverse-1-image*answered A, right is B*"])


def test_a_version_alone(pytester: pytest.Pytester) -> None:
    """Modality and style select what is asked, and the test id names it."""
    suite = f"mathverse:{write_mathverse(pytester.path / 'MathVerse')}"
    asked = [f"--crossmath-suite={suite}", answers(pytester.path, suite, lambda *_: "1")]
    result = pytester.runpytest(
        "crossmath", *asked, "--crossmath-modality=image+text",
        "--crossmath-style=text-lite,vision-dominant", "-v",
    )  # fmt: skip
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*fake-mathverse-1-image+text-text-lite? PASSED*"])
    result = pytester.runpytest("crossmath", *asked, "--crossmath-style=text-lite", "-v")
    result.assert_outcomes(passed=6)


def test_a_style_that_a_form_lacks(pytester: pytest.Pytester) -> None:
    """The error is one line that names the style."""
    line = own_lines(1)[0]
    line["forms"]["image"] = {"styles": {"plain": {"images": ["q1.png"]}}}
    line["forms"]["image+text"] = {"styles": {"photo": line["forms"]["image+text"]}}
    suite = str(write_own(pytester.path, [line]))
    asked = [f"--crossmath-suite={suite}", answers(pytester.path, suite, lambda *_: "1")]
    pytester.runpytest("crossmath", *asked).assert_outcomes(passed=3)
    result = pytester.runpytest("crossmath", *asked, "--crossmath-style=plain")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*suite own has no image+text in these styles"])
    alone = pytester.runpytest(
        "crossmath", *asked, "--crossmath-style=photo", "--crossmath-modality=image"
    )
    alone.stderr.fnmatch_lines(["*--crossmath-style cannot be 'photo'*It takes: plain"])


def test_questions_without_every_form(pytester: pytest.Pytester) -> None:
    """Only existing forms become tests, and pairs need both forms."""
    rows = [row for row in mathverse_rows(3) if row["problem_index"] != "2"
            or row["problem_version"] != "Vision Only"]  # fmt: skip
    suite = f"mathverse:{write_mathverse(pytester.path / 'MathVerse', rows)}"
    asked = [f"--crossmath-suite={suite}", answers(pytester.path, suite, lambda *_: "1")]
    result = pytester.runpytest(
        "crossmath", *asked, "--crossmath-max-gap=image:50%", "--crossmath-modality=text,image"
    )
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["max-gap image:50%  *"])


@WORKERS_NIGHTLY
def test_mmmu_has_no_gap(pytester: pytest.Pytester, workers: Sequence[str]) -> None:
    """It has text and pictures together only; pictures are not extracted next to the data."""
    data = pytester.path / "MMMU"
    write_parquet(data / "Art" / "validation-00000-of-00001.parquet", mmmu_rows(count=6))
    suite = f"mmmu:{data}"
    asked = [f"--crossmath-suite={suite}", answers(pytester.path, suite, lambda *_: "1")]
    result = pytester.runpytest("crossmath", *asked, *workers)
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["suite mmmu (6 problems)*", "  image+text *100.0%*"])
    assert [file.suffix for file in data.rglob("*.*")] == [".parquet"]
    wrong = pytester.runpytest("crossmath", *asked, "--crossmath-modality=text")
    wrong.stderr.fnmatch_lines(["*suite mmmu has no text; it has: image+text"])


def test_gates(pytester: pytest.Pytester) -> None:
    """Gates judge questions as they judge grids, and compare them with an earlier run."""
    good = own(pytester.path, 12, text="1" * 12, image="1" * 12, both="1" * 12)
    run = ["crossmath", "--crossmath-cache=off"]
    done = pytester.runpytest(
        *run, *good, "--crossmath-record=base.jsonl", "--crossmath-fail-under=image:50%"
    )
    assert done.ret == pytest.ExitCode.OK
    compare = ["--crossmath-compare=base.jsonl", "--crossmath-compare-fail=image:5%"]
    done = pytester.runpytest(*run, *good, *compare)
    assert done.ret == pytest.ExitCode.OK
    bad = own(pytester.path, 12, text="1" * 12, image="0" * 12, both="1" * 12)
    done = pytester.runpytest(
        *run, *bad, *compare, "--crossmath-max-gap=image:20%", "--crossmath-record=new.jsonl"
    )
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["max-gap image:20% *FAIL*", "compare-fail image:5% *FAIL*"])
    assert main(["compare", "base.jsonl", "new.jsonl", "--fail", "image:5%"]) == 1
    assert main(["compare", "base.jsonl", "base.jsonl", "--fail", "image:5%"]) == 0


@WORKERS_NIGHTLY
def test_snapshots(pytester: pytest.Pytester, workers: Sequence[str]) -> None:
    """A question that is no longer solved fails, showing its end and both answers."""
    before = own(pytester.path, text="1110", image="1110", both="1110")
    pytester.runpytest("crossmath", *before, "--snapshot-update", *workers)
    now = own(pytester.path, text="0111", image="1110", both="1110")
    result = pytester.runpytest("crossmath", *now, *workers)
    result.assert_outcomes(passed=9, xfailed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "regressed: solved in the snapshot, now missed: answered A, right is B",
            "A square, number 1. How many sides has it?",
            "answered: A (three)",
            "right:    B (four)",
            "  fake: 1 regressed, 1 improved, 10 as before",
        ]
    )


def test_strict_names_the_pictures(pytester: pytest.Pytester) -> None:
    """If the question is in a picture, the message says in which one."""
    asked = own(pytester.path, 1, text="1", image="u", both="1")
    result = pytester.runpytest("crossmath", *asked, "--crossmath-strict")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["unparsed: no readable answer*", "picture: data?q1.png", "answered: nothing"]
    )


def test_reports_show_questions(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    """They appear in the page with texts and pictures, in Markdown, and in scores of responses."""
    asked = own(pytester.path, text="1111", image="1000", both="1111")
    result = pytester.runpytest(
        "crossmath", *asked, "--crossmath-html=r.html", "--crossmath-markdown=r.md",
        "--crossmath-record=r.jsonl",
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.OK
    page = (pytester.path / "r.html").read_text(encoding="utf-8")
    found = page.partition('id="data">')[2].partition("</script>")[0]
    data = json.loads(found)
    shown = data["problems"][0]["shown"]
    assert shown["text"][0].startswith("A square, number 1.")
    assert shown["image"] == [{"picture": "picture 1", "file": "q1.png"}]
    assert [type(part) for part in shown["image+text"]] == [str, dict, str]
    assert len(data["pictures"]) == 5
    assert data["problems"][0]["choices"] == ["three", "four"]
    assert "image" in (pytester.path / "r.md").read_text(encoding="utf-8")
    suite = str(pytester.path / "data" / "own.jsonl")
    capsys.readouterr()
    assert main(["score", "--suite", suite, "--responses", "r.jsonl", "--json", "s.json"]) == 0
    scores = json.loads((pytester.path / "s.json").read_text())["models"]["fake"]
    assert scores["image"]["macro_acc"] == 0.25
    assert scores["image"]["step1_acc"] is None
    assert main(["report", "r.jsonl", "--suite", suite, "-o", "again.html"]) == 0
    replayed = pytester.runpytest(
        "crossmath", asked[0], "--crossmath-model=again=replay:r.jsonl", "--crossmath-cache=off"
    )
    replayed.stdout.fnmatch_lines(["outcomes of again: 9 solved, 3 missed"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--crossmath-diagnose"],
            "--crossmath-diagnose needs pictures that can be copied as text, and suite own",
        ),
        (
            ["--crossmath-model=reference"],
            "model reference solves only tasks that can be proved, and suite",
        ),
        (["--crossmath-style=photo"], "suite own has no styles in text, image, image+text: remove"),
        (
            ["--crossmath-fail-under=image/photo:5%"],
            "does not include style photo: its styles are none",
        ),
    ],
)
def test_what_makes_sense_of_grids_alone(
    pytester: pytest.Pytester, arguments: list[str], message: str
) -> None:
    """The error is one line before any model is asked."""
    asked = own(pytester.path, text="1111", image="1111", both="1111")
    result = pytester.runpytest("crossmath", *asked, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])


@pytest.mark.parametrize(
    "command",
    [
        ["verify", "own.jsonl"],
        ["verify", "mini", "--against", "own.jsonl"],
        ["export", "own.jsonl", "--format", "trl", "--out", "x"],
        ["export", "own.jsonl", "--format", "lmms-eval", "--out", "x"],
        ["generate", "--count", "1", "--seed", "1", "--against", "own.jsonl", "--out", "x"],
    ],
    ids=lambda command: command[0],
)
def test_commands_for_grids(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    """The error says that a suite of questions cannot be used."""
    write_own(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    assert "suite own holds questions" in capsys.readouterr().err


def test_own_instruction(pytester: pytest.Pytester, record_lines: RecordLines) -> None:
    """It replaces the built-in one in every form."""
    asked = own(pytester.path, text="1111", image="1111", both="1111")
    (pytester.path / "prompt.txt").write_text("Pick a letter.")
    pytester.runpytest("crossmath", *asked, "--crossmath-prompt=prompt.txt")
    assert record_lines()[0]["instruction"] == "Pick a letter."


def test_fixtures(pytester: pytest.Pytester) -> None:
    """Users' own tests get questions like grids, in the forms that they have."""
    asked = own(pytester.path, text="1111", image="1111", both="1111")
    pytester.makepyfile(
        """
        def test_own(crossmath_problem, crossmath_modality, crossmath_score):
            assert crossmath_problem.key == ("B",)
            assert crossmath_score.right == (True,)
        """
    )
    result = pytester.runpytest("test_fixtures.py", *asked)
    result.assert_outcomes(passed=12)


def test_paths_of_an_ini_file(pytester: pytest.Pytester) -> None:
    """Paths after the name of a dataset are relative to the folder of the ini file."""
    write_mathverse(pytester.path / "data" / "MathVerse")
    suite = f"mathverse:{pytester.path / 'data' / 'MathVerse'}"
    spec = answers(pytester.path, suite, lambda *_: "1").partition("=")[2]
    pytester.makeini(
        f"[pytest]\ncrossmath_suite = mathverse:data/MathVerse\ncrossmath_model = {spec}"
    )
    (pytester.path / "elsewhere").mkdir()
    result = pytester.runpytest("crossmath", "--rootdir=.", "-c", "tox.ini", "-q")
    result.assert_outcomes(passed=12)


def test_a_checkpoint_sees_several_pictures(
    pytester: pytest.Pytester, tiny_llava: Path, record_lines: RecordLines
) -> None:
    """In a batch with one-picture questions, each gets the same response as alone."""
    data = write_parquet(pytester.path / "a.parquet", mmmu_rows(count=5))
    asked = [f"--crossmath-model=tiny={tiny_llava}", f"--crossmath-suite=mmmu:{data}"]
    result = pytester.runpytest("crossmath", *asked, "--crossmath-batch-size=5")
    assert result.parseoutcomes().get("error", 0) == 0
    together = {line["problem"]: line["response"] for line in record_lines()[1:-1]}
    assert len(together) == 5
    pytester.runpytest(
        "crossmath", *asked, "--crossmath-batch-size=1", "--crossmath-cache=off",
        "--crossmath-record=alone.jsonl",
    )  # fmt: skip
    lines = map(json.loads, (pytester.path / "alone.jsonl").read_text().splitlines()[1:-1])
    assert {line["problem"]: line["response"] for line in lines} == together
