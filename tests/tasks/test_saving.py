"""Suites that are interrupted and resumed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from pytest_crossmath.cli.main import main
from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.generating import numbered
from pytest_crossmath.tasks.saving import SuiteWriter
from pytest_crossmath.tasks.suite import UNFINISHED_FILE, load_suite, taken_fingerprints
from pytest_crossmath.tasks.task import Task

ARGUMENTS = ["--seed", "5", "--difficulty", "mini", "--name", "s"]


def generate(out: Path, count: int, *arguments: str) -> int:
    """Run the command and return its exit status."""
    return main(["generate", "--count", str(count), *ARGUMENTS, "--out", str(out), *arguments])


def broken_off(folder: Path, after: int, styles: Sequence[str] = ("original",)) -> None:
    """Leave a suite in the state in which a killed job leaves it after some problems."""
    made_by = "crossmath generate --difficulty mini --seed 5 --name s"
    writer = SuiteWriter(folder, styles=styles, palette=None, made_by=made_by, seed=5)
    taken = {known for _, known in taken_fingerprints()}
    endless = numbered(FAMILY, "mini", seed=5, prefix="s", exclude=taken)
    for index, problem in islice(endless, after):
        writer.add(problem, index)
    writer.close()


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("styles", [["original"], ["original", "background"]], ids=len)
@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_broken_off_suite_is_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cut: int, styles: list[str]
) -> None:
    """A resumed suite equals an uninterrupted one byte for byte, even if a line was cut off."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert generate(whole, 6, "--style", *styles) == 0
    broken_off(resumed, 4, styles)
    file = resumed / UNFINISHED_FILE
    file.write_bytes(file.read_bytes()[: -cut or None])
    assert generate(resumed, 6, "--style", *styles) == 0
    assert f"resuming: {4 if cut == 0 else 3} problems are already there" in capsys.readouterr().out
    assert files(resumed) == files(whole)
    assert UNFINISHED_FILE not in files(whole)


def saved(folder: Path, problems: Sequence[Task], seed: int) -> dict[str, bytes]:
    """The pictures on varied backgrounds, by the problem's id."""
    writer = SuiteWriter(folder, styles=["background"], palette=None, made_by="x", seed=seed)
    for problem in problems:
        writer.add(problem)
    writer.close()
    return {path.stem: path.read_bytes() for path in folder.glob("background/*.png")}


def test_a_background_is_the_problems_own(tmp_path: Path) -> None:
    """The background depends on the seed and the id, not on the order."""
    problem = load_suite("mini").tasks[0]
    problems = [replace(problem, id=f"x-{number}") for number in range(6)]
    forwards = saved(tmp_path / "one", problems, seed=1)
    assert saved(tmp_path / "two", problems[:2:-1], seed=1).items() <= forwards.items()
    assert len(set(forwards.values())) == 6
    assert set(saved(tmp_path / "three", problems, seed=2).values()).isdisjoint(forwards.values())


def test_a_manifest_says_what_makes_the_suite_again(tmp_path: Path) -> None:
    """It holds the command, seed and name, and the styles of the pictures."""
    assert generate(tmp_path / "s", 4, "--style", "background", "original") == 0
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text(encoding="utf-8"))
    problems = list(manifest["problems"].values())
    command = [
        *manifest["generator"].removeprefix("crossmath ").split(), "--seed", str(manifest["seed"]),
        "--name", manifest["name"], "--count", str(len(problems)),
        "--style", *problems[0]["pixels"], "--out", str(tmp_path / "again"),
    ]  # fmt: skip
    assert main(command) == 0
    assert files(tmp_path / "again") == files(tmp_path / "s")


def test_a_palette_leaves_varied_backgrounds_alone(tmp_path: Path) -> None:
    """With few colours a gradient has bands, which are not reliably distinguished from boxes."""
    styles = ["--style", "original", "background"]
    assert generate(tmp_path / "s", 3, *styles) == 0
    assert generate(tmp_path / "t", 3, *styles, "--palette", "16") == 0
    full, few = files(tmp_path / "s"), files(tmp_path / "t")
    for name in full:
        if name.endswith(".png"):
            assert (full[name] == few[name]) == ("background" in name)


@pytest.mark.parametrize("difficulty", ["mini", "easy"])
def test_backgrounds_are_proved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], difficulty: str
) -> None:
    """Every picture is read back with certainty from the file that was written."""
    out = tmp_path / "s"
    styles = ["--style", "original", "background"]
    assert generate(out, 20, *styles, "--difficulty", difficulty) == 0
    assert main(["verify", str(out)]) == 0
    assert "pictures not read with certainty: 0" in capsys.readouterr().out


def test_a_repeated_solution_is_not_made_after_a_break(tmp_path: Path) -> None:
    """A resumed job skips existing solutions, as an uninterrupted one does."""
    folder = tmp_path / "s"
    broken_off(folder, 4)
    writer = SuiteWriter(
        folder, styles=["original"], palette=None,
        made_by="crossmath generate --difficulty mini --seed 5 --name s",
    )  # fmt: skip
    assert writer.made == len(writer.fingerprints) == 4
    assert writer.index >= 4
    writer.close()


@pytest.mark.parametrize(
    "arguments", [["--style", "beige"], ["--palette", "64"], ["--seed", "6"], ["--name", "t"]]
)
def test_other_options_do_not_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """A suite is resumed only with its own options; existing files stay."""
    folder = tmp_path / "s"
    broken_off(folder, 2)
    before = files(folder)
    assert generate(folder, 3, *arguments) == 2
    told = capsys.readouterr().err
    assert "started with other options" in told
    assert told.count("\n") == 1
    assert files(folder) == before


def test_a_damaged_beginning_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the damaged line."""
    folder = tmp_path / "s"
    broken_off(folder, 3)
    file = folder / UNFINISHED_FILE
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[1] = "{}"
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert generate(folder, 4) == 2
    assert f"{UNFINISHED_FILE}:2: not a problem of a suite" in capsys.readouterr().err


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    """None of the user's files are overwritten."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(SuiteError, match="already exists"):
        SuiteWriter(tmp_path, styles=["original"], palette=None, made_by="x")


def test_an_unfinished_suite_is_no_suite(tmp_path: Path) -> None:
    """An unfinished suite cannot be run by mistake."""
    broken_off(tmp_path / "s", 2)
    with pytest.raises(SuiteError):
        load_suite(str(tmp_path / "s"))
