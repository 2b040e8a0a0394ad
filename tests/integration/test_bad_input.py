"""A mistake in the input gives one line that says what is wrong and where, never a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_crossmath.plugin.exit_status import NO_RESULT
from tests.integration.suites import three_of_mini
from tests.integration.workers import WORKERS, WORKERS_NIGHTLY


def usage_error(result: pytest.RunResult) -> str:
    """The single line of a usage error; fails if there is more or less."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith("ERROR: crossmath: ")
    assert "Traceback" not in result.stdout.str()
    return lines[0].removeprefix("ERROR: crossmath: ")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Path:
    """A copy of a few problems of `mini`, for tests to damage."""
    return three_of_mini(pytester.mkdir("mine"))


@WORKERS_NIGHTLY
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--crossmath-model=pockt"], "unknown model 'pockt': did you mean pocket?"),
        (["--crossmath-model=./nowhere"], "there is no directory ./nowhere"),
        (["--crossmath-model=."], ". is not a checkpoint: it has neither config.json nor"),
        (["--crossmath-model=pocket", "--crossmath-suite=x"], "no suite 'x'"),
        (["--crossmath-model=pocket", "--crossmath-modality=sound"], "cannot be 'sound'"),
        (["--crossmath-model=pocket", "--crossmath-style=pink"], "cannot be 'pink'"),
        (["--crossmath-model=pocket", "--crossmath-dtype=int4"], "cannot be 'int4'"),
        (["--crossmath-model=pocket", "--crossmath-attention=spda"], "Did you mean 'sdpa'?"),
        (["--crossmath-model=hf:a/b@"], "hf:a/b@ has no revision after the @"),
        (["--crossmath-model=pocket", "--crossmath-prompt=no.txt"], "cannot read no.txt"),
        (["--crossmath-model=pocket", "--crossmath-model=pocket"], "two models are called"),
    ],
)
def test_options(
    pytester: pytest.Pytester, options: list[str], message: str, workers: tuple[str, ...]
) -> None:
    """Each invalid value is reported before anything runs."""
    assert message in usage_error(pytester.runpytest(*options, *workers))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "problems.jsonl:2: not JSON"),
        ('{"id": "a"}', "problems.jsonl:2: the field 'table' is missing"),
        ("[1]", "problems.jsonl:2: a problem must be a JSON object"),
    ],
)
def test_a_bad_line_of_a_suite(
    pytester: pytest.Pytester, replay: Callable[..., str], suite: Path, line: str, message: str
) -> None:
    """The message gives the file and the line."""
    file = suite / "problems.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([lines[0], line, *lines[2:]]), encoding="utf-8")
    result = pytester.runpytest(f"--crossmath-model={replay(text='1')}", "--crossmath-suite=mine")
    assert message in usage_error(result)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "mini-0002.png is missing"),
        (b"", "mini-0002.png is broken"),
        (b"GIF89a", "mini-0002.png is broken"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "mini-0002.png is broken"),
    ],
)
def test_a_bad_picture(
    pytester: pytest.Pytester,
    replay: Callable[..., str],
    suite: Path,
    content: bytes | None,
    message: str,
) -> None:
    """A missing or broken picture is reported before the model is loaded."""
    picture = suite / "original" / "mini-0002.png"
    if content is None:
        picture.unlink()
    else:
        picture.write_bytes(content)
    options = (f"--crossmath-model={replay(text='111')}", "--crossmath-suite=mine")
    assert message in usage_error(pytester.runpytest(*options))
    text_only = pytester.runpytest(*options, "--crossmath-modality=text")
    text_only.assert_outcomes(passed=3)


def test_a_truncated_picture(
    pytester: pytest.Pytester, replay: Callable[..., str], suite: Path
) -> None:
    """A picture that was truncated when copied is found even though its header is intact."""
    picture = suite / "original" / "mini-0003.png"
    picture.write_bytes(picture.read_bytes()[:-900])
    options = (f"--crossmath-model={replay(text='111')}", "--crossmath-suite=mine")
    assert "mini-0003.png is broken" in usage_error(pytester.runpytest(*options))


def test_a_suite_without_pictures(
    pytester: pytest.Pytester, replay: Callable[..., str], suite: Path
) -> None:
    """A suite that has only text says in which forms it can be asked."""
    file = suite / "problems.jsonl"
    problems = [json.loads(line) | {"images": {}} for line in file.read_text().splitlines()]
    file.write_text("\n".join(json.dumps(problem) for problem in problems))
    result = pytester.runpytest(f"--crossmath-model={replay(text='1')}", "--crossmath-suite=mine")
    assert "has no pictures: run it with --crossmath-modality=text" in usage_error(result)


@WORKERS
def test_a_model_that_cannot_be_loaded_stops_the_run(
    pytester: pytest.Pytester, tiny_llava: Path, workers: tuple[str, ...]
) -> None:
    """An error that only shows on loading ends the run at its first item, in one line."""
    shutil.copytree(tiny_llava, "copy")
    Path("copy", "chat_template.jinja").unlink()
    result = pytester.runpytest("--crossmath-model=copy", "--crossmath-limit=20", *workers)
    assert result.ret == NO_RESULT
    result.stdout.fnmatch_lines(["*copy has no chat template, so it cannot be prompted*"])
    assert result.parseoutcomes()["errors"] <= 2
    assert "Traceback" not in result.stdout.str()


def test_a_record_that_cannot_be_written(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """A path that is a folder is reported before any model is asked."""
    pytester.mkdir("taken")
    result = pytester.runpytest(
        f"--crossmath-model={replay(text='1')}", "--crossmath-limit=1", "--crossmath-record=taken"
    )
    assert "the run record taken already exists" in usage_error(result)
