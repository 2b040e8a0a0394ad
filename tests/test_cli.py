"""The `crossmath` command."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_crossmath.cli import main
from pytest_crossmath.puzzle.suite import load_suite


def test_models_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    """`crossmath models` shows the bundled model and the aliases."""
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "pocket" in shown
    assert "llava-hf/llava-1.5-7b-hf" in shown


def test_generate_makes_a_suite(tmp_path: Path) -> None:
    """What `crossmath generate` writes is a suite, named by its folder."""
    out = tmp_path / "my-suite"
    assert main(["generate", "--count", "3", "--seed", "1", "--out", str(out)]) == 0
    suite = load_suite(str(out))
    assert suite.name == "my-suite"
    assert [problem.id for problem in suite.problems] == [f"my-suite-000{i}" for i in (1, 2, 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "--count must be at least 1"),
        (["--style", "pink"], "--style: there is no 'pink'; it takes original"),
    ],
)
def test_generate_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """A bad value is one line and exit status 2."""
    common = ["generate", "--count", "3", "--seed", "1", "--out", str(tmp_path / "s")]
    assert main([*common, *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"crossmath: {message}")


def test_generate_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds a suite is left alone."""
    command = ["generate", "--count", "1", "--seed", "1", "--out", str(tmp_path / "s")]
    assert main(command) == 0
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err


def test_generate_into_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot be made is one line."""
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "suite")
    assert main(["generate", "--count", "1", "--seed", "1", "--out", out]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["train", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself."""
    with pytest.raises(SystemExit, match="0"):
        main(arguments)
    assert "usage: crossmath" in capsys.readouterr().out
