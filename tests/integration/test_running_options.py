"""Options and their ini settings in whole runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from tests.integration.workers import WORKERS_NIGHTLY

RecordLines = Callable[[], list[dict[str, object]]]


@WORKERS_NIGHTLY
def test_ini_twins(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """A plain `pytest` does what the ini file says; the command line takes precedence."""
    spec = replay(text="101", image="111")
    pytester.makeini(
        f"""
        [pytest]
        crossmath_model =
            {spec}
        crossmath_modality = text
        crossmath_limit = 3
        crossmath_strict = true
        """
    )
    pytester.runpytest(*workers).assert_outcomes(passed=2, failed=1)
    pytester.runpytest("--crossmath-limit=1", *workers).assert_outcomes(passed=1)
    pytester.runpytest("--crossmath-modality=image", *workers).assert_outcomes(passed=3)


def test_ini_without_a_model_does_nothing(pytester: pytest.Pytester) -> None:
    """Defaults in an ini file do not start a run by themselves."""
    pytester.makeini("[pytest]\ncrossmath_limit = 3\n")
    assert pytester.runpytest().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_an_option_without_a_model_is_told(pytester: pytest.Pytester) -> None:
    """An option of this plugin on the command line needs a model to apply to."""
    result = pytester.runpytest("--crossmath-limit=3")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: crossmath: --crossmath-limit needs a model*=pocket"])


def test_samples(pytester: pytest.Pytester, record_lines: RecordLines) -> None:
    """K samples make K items per problem and form, which count as one problem in the table."""
    lines = [
        f'{{"id": "mini-0001", "modality": "text", "sample": {i}, "text": "{text}"}}'
        for i, text in enumerate(["<answer>20, 1, 17</answer>", "<answer>1, 1, 1</answer>"])
    ]
    pytester.path.joinpath("r.jsonl").write_text("\n".join(lines))
    result = pytester.runpytest(
        "--crossmath-model=replay:r.jsonl", "--crossmath-suite=mini",
        "--crossmath-samples=2", "--crossmath-modality=text",
        "--crossmath-limit=1", "-v",
    )  # fmt: skip
    result.assert_outcomes(passed=1, xfailed=1)
    result.stdout.fnmatch_lines(["*test_problem[[]r-mini-0001-text-s1[]]*", "  text *50.0% (*"])
    assert [line["sample"] for line in record_lines() if line["type"] == "result"] == [0, 1]


@WORKERS_NIGHTLY
def test_strict_draws_the_grid(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """With --crossmath-strict a missed problem fails and shows right and wrong cells."""
    line = '{"id": "mini-0001", "modality": "text", "text": "<answer>20, 1, 16</answer>"}'
    pytester.path.joinpath("r.jsonl").write_text(line)
    result = pytester.runpytest(
        "--crossmath-model=replay:r.jsonl", "--crossmath-suite=mini",
        "--crossmath-strict", "--crossmath-modality=text",
        "--crossmath-limit=1", *workers,
    )  # fmt: skip
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*wrong blanks are shown as !given/right*",
            "[[]  20  []]          [[]1[]]",
            "[[]!16/17[]][[]-[]][[]16[]][[]=[]][[]1[]]",
            "row 5: ? - 16 = 1",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_runxfail_makes_a_miss_a_failure(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """--runxfail does not turn a missed problem into a pass."""
    spec = replay(text="01", image="11", both="11")
    result = pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=2", "--runxfail")
    result.assert_outcomes(passed=5, failed=1)


def test_the_prompt_of_a_file(
    pytester: pytest.Pytester, replay: Callable[..., str], record_lines: RecordLines
) -> None:
    """--crossmath-prompt replaces the instruction, and the record contains it."""
    pytester.path.joinpath("mine.txt").write_text("Fill in the gaps.\n")
    spec = replay(text="1")
    pytester.runpytest(
        f"--crossmath-model={spec}", "--crossmath-limit=1", "--crossmath-prompt=mine.txt"
    )
    assert record_lines()[0]["instruction"] == "Fill in the gaps."
    assert INSTRUCTION != "Fill in the gaps."


def test_the_record_goes_where_it_is_told(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """--crossmath-record names the file, and missing folders are created."""
    spec = replay(text="1")
    result = pytester.runpytest(
        f"--crossmath-model={spec}", "--crossmath-limit=1", "--crossmath-record=out/run.jsonl"
    )
    result.stdout.fnmatch_lines(["record: out/run.jsonl"])
    assert Path("out/run.jsonl").is_file()
    assert not Path(".crossmath").exists()


def test_a_checkpoint_runs_end_to_end(pytester: pytest.Pytester, tiny_llava: Path) -> None:
    """A real checkpoint, in batches, answers every item; nonsense is unparsed or truncated."""
    result = pytester.runpytest(
        f"--crossmath-model=tiny={tiny_llava}", "--crossmath-limit=3", "--crossmath-batch-size=2",
        "--crossmath-device=cpu", "--crossmath-dtype=float32", "--crossmath-max-new-tokens=5",
    )  # fmt: skip
    result.assert_outcomes(xfailed=9)
    result.stdout.fnmatch_lines(["outcomes of tiny: 9 truncated", "9 responses in * tokens/s"])


def test_how_a_checkpoint_is_run_in_an_ini_file(
    pytester: pytest.Pytester, tiny_llava: Path, record_lines: RecordLines
) -> None:
    """Attention, remote code and the rest reach the model, and the record says so."""
    pytester.makeini(
        f"""
        [pytest]
        crossmath_model = tiny={tiny_llava}
        crossmath_limit = 1
        crossmath_max_new_tokens = 2
        crossmath_device = cpu
        crossmath_attention = eager
        crossmath_trust_remote_code = true
        """
    )
    pytester.runpytest().assert_outcomes(xfailed=3)
    settings = record_lines()[0]["settings"]
    assert isinstance(settings, dict)
    assert (settings["attention"], settings["trust_remote_code"]) == ("eager", True)


@pytest.mark.parametrize(
    ("models", "first"),
    [
        (["pocket"], "pocket-mini-0001-text"),
        (["reference"], "reference-standard-0001-text"),
        (["pocket", "reference"], "pocket-standard-0001-text"),
    ],
)
def test_the_default_suite(pytester: pytest.Pytester, models: list[str], first: str) -> None:
    """It is `standard`, but `mini` if only pocket is asked, which can do no other."""
    options = [f"--crossmath-model={model}" for model in models]
    result = pytester.runpytest(*options, "--collect-only", "-q")
    assert result.outlines[0] == f"crossmath::test_problem[{first}]"


def test_the_calibrator_shows_no_gap(pytester: pytest.Pytester) -> None:
    """`reference` solves every problem in every form and style."""
    result = pytester.runpytest(
        "--crossmath-model=reference", "--crossmath-style=all", "--crossmath-limit=10"
    )
    result.assert_outcomes(passed=90)
    gaps = [line for line in result.outlines if line.startswith("    ")]
    assert len(gaps) == 8
    assert all(" 100.0% " in line and "+0.0 " in line for line in gaps)


def test_junit_properties(pytester: pytest.Pytester, replay: Callable[..., str]) -> None:
    """The JUnit file has model, modality and outcome of each item."""
    spec = replay(text="0", image="1", both="1")
    pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=1", "--junit-xml=j.xml")
    written = pytester.path.joinpath("j.xml").read_text()
    assert '<property name="crossmath_modality" value="image+text"' in written
    assert '<property name="crossmath_outcome" value="missed"' in written


def test_lists_and_numbers_of_a_pyproject(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """TOML lists and strings are accepted where an ini file has text."""
    spec = replay(text="11", image="11")
    pytester.makepyprojecttoml(
        f"""
        [tool.pytest.ini_options]
        crossmath_model = ["{spec}"]
        crossmath_modality = ["text", "image"]
        crossmath_limit = "2"
        """
    )
    pytester.runpytest().assert_outcomes(passed=4)


def test_paths_of_an_ini_file_are_taken_from_there(
    pytester: pytest.Pytester, replay: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run from a subfolder finds the files that the ini file names."""
    replay(text="1")
    pytester.makeini(
        "[pytest]\ncrossmath_model = fake=replay:fake.jsonl\n"
        "crossmath_limit = 1\ncrossmath_modality = text\n"
    )
    monkeypatch.chdir(pytester.mkdir("sub"))
    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("option", ["--help", "--markers", "--fixtures"])
def test_a_bad_model_in_an_ini_file_does_not_hide_the_help(
    pytester: pytest.Pytester, option: str
) -> None:
    """Options that only print something check nothing."""
    pytester.makeini("[pytest]\ncrossmath_model = ./gone\n")
    assert pytester.runpytest(option).ret == 0
