"""The `crossmath` command."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_crossmath.cli.main import COMMANDS, main
from pytest_crossmath.tasks.saving import SuiteWriter
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Task


def test_models_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    """`crossmath models` shows the bundled model and the aliases."""
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "pocket" in shown
    assert "llava-hf/llava-1.5-7b-hf" in shown


def test_generate_makes_a_suite(tmp_path: Path) -> None:
    """`crossmath generate` writes a suite that is named after its folder."""
    out = tmp_path / "my-suite"
    assert main(["generate", "--count", "3", "--seed", "1", "--out", str(out)]) == 0
    suite = load_suite(str(out))
    assert suite.name == "my-suite"
    assert [problem.id for problem in suite.tasks] == [f"my-suite-000{i}" for i in (1, 2, 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "--count must be from 1 to "),
        (["--count", str(10**30)], "--count must be from 1 to "),
        (["--style", "pink"], "--style: there is no style 'pink'; use original"),
        (["--style", "pink.toml"], "the style pink.toml cannot be read"),
        (["--name", "my suite"], "the field '--name (default: the folder)' must be a non-empty"),
        (["--name", "../../e"], "the field '--name (default: the folder)' must be a non-empty"),
        (["--against", "nothing"], "no suite 'nothing'"),
    ],
)
def test_generate_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """A bad value gives one line and exit status 2."""
    common = ["generate", "--count", "3", "--seed", "1", "--out", str(tmp_path / "s")]
    assert main([*common, *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"crossmath: {message}")


def test_a_bar_shows_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts all problems, including those of an interrupted run."""

    class BrokenOffError(Exception):
        pass

    command = ["generate", "--count", "5", "--seed", "1", "--difficulty", "mini"]
    command += ["--out", str(tmp_path / "s")]
    add = SuiteWriter.add

    def break_off(writer: SuiteWriter, problem: Task, index: int = 0) -> None:
        if writer.made == 3:
            raise BrokenOffError
        add(writer, problem, index)

    with monkeypatch.context() as patch:
        patch.setattr(SuiteWriter, "add", break_off)
        with pytest.raises(BrokenOffError):
            main(command)
    capsys.readouterr()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(command) == 0
    bar = capsys.readouterr().err
    assert "3/5" in bar
    assert "5/5" in bar


def test_generate_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds a suite, or anything else, is left alone."""
    command = ["generate", "--count", "1", "--seed", "1", "--out", str(tmp_path / "s")]
    assert main(command) == 0
    assert main(command) == 2
    assert "already exists" in capsys.readouterr().err
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "manifest.json").write_text("mine")
    assert main([*command[:-1], str(tmp_path / "web")]) == 2
    assert main(["verify", str(tmp_path / "s"), "--json", str(tmp_path / "s/problems.jsonl")]) == 2


def test_generate_into_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot be created is reported in one line."""
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "suite")
    assert main(["generate", "--count", "1", "--seed", "1", "--out", out]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_generate_never_makes_a_bundled_problem(tmp_path: Path) -> None:
    """Not even under the name and seed of the bundled suite, unless `--rebuild` is given."""
    out = tmp_path / "mini"
    common = ["generate", "--count", "5", "--seed", "2604", "--difficulty", "mini"]
    assert main([*common, "--out", str(out)]) == 0
    assert main(["verify", str(out), "--against", "mini"]) == 0
    assert main([*common, "--rebuild", "--out", str(tmp_path / "again" / "mini")]) == 0
    again = load_suite(str(tmp_path / "again" / "mini")).tasks
    assert [p.text for p in again] == [p.text for p in load_suite("mini").tasks[:5]]
    assert main([*common, "--against", str(out), "--out", str(tmp_path / "more")]) == 0
    assert main(["verify", str(tmp_path / "more"), "--against", str(out)]) == 0


def test_a_style_of_ones_own(tmp_path: Path) -> None:
    """Its fields come from a TOML file, and the style is named after the file."""
    (tmp_path / "night_sky.toml").write_text('background = "#101030"')
    out = tmp_path / "s"
    style = str(tmp_path / "night_sky.toml")
    command = ["generate", "--count", "1", "--seed", "1", "--style", style, "--out", str(out)]
    assert main(command) == 0
    [problem] = load_suite(str(out)).tasks
    picture = problem.images["night_sky"].rgb()
    assert (16, 16, 48) in {colour for _, colour in picture.getcolors(9999) or ()}


def test_a_changed_picture_or_text_differs_from_the_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A problem that was replaced by another valid one is found."""
    one, two = tmp_path / "one", tmp_path / "two"
    for seed, out in (("1", one), ("2", two)):
        common = ["--difficulty", "mini", "--name", "s", "--out", str(out)]
        main(["generate", "--count", "2", "--seed", seed, *common])
    assert main(["verify", str(one)]) == 0
    lines = [(out / "problems.jsonl").read_text(encoding="utf-8").split("\n") for out in (one, two)]
    picture = "original/s-0001.png"
    (one / picture).write_bytes((two / picture).read_bytes())
    (one / "problems.jsonl").write_text(f"{lines[1][0]}\n{lines[0][1]}\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["verify", str(one)]) == 1
    shown = capsys.readouterr().out
    assert "s-0001: manifest: table: does not match its hash" in shown
    assert "s-0001: manifest: original: does not match the hash of its pixels" in shown


@pytest.mark.parametrize(
    "command",
    ["models", "generate", "verify", "score", "compare", "calibrate", "report", "export",
     "train sft", pytest.param("train grpo", marks=pytest.mark.nightly)],
)  # fmt: skip
def test_every_example_works_as_printed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """The example in the help can be pasted into a shell."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    example = capsys.readouterr().out.partition("\nexample:\n")[2]
    assert example
    bin_folder = Path(sys.executable).parent
    subprocess.run(  # noqa: S602 - our own example
        f"set -e\n{example}", shell=True, cwd=tmp_path, capture_output=True, check=True,
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["train", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself."""
    with pytest.raises(SystemExit, match="0"):
        main(arguments)
    assert "usage: crossmath" in capsys.readouterr().out


every_command = pytest.mark.parametrize("name", COMMANDS)


@every_command
def test_every_option_is_explained(name: str) -> None:
    """Each help text names the choices and the default, and no two of a command are the same."""
    parser = argparse.ArgumentParser()
    COMMANDS[name].add_arguments(parser)
    helps = []
    for action in parser._actions:
        text = (action.help or "") % {"prog": "crossmath"}
        assert text, action.dest
        assert not re.search(r"\b(see|as) above\b", text), action.dest
        for choice in action.choices or ():
            assert re.search(rf"(?<!\S){re.escape(str(choice))}\b", text), (action.dest, choice)
        if action.default not in (None, [], argparse.SUPPRESS) and action.default is not False:
            assert f"(default: {_as_typed(action.default)})" in text, action.dest
        helps.append(text)
    assert len(set(helps)) == len(helps)


def _as_typed(default: object) -> str:
    """A default as a user would type it."""
    if isinstance(default, list):
        return " ".join(map(_as_typed, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


@every_command
def test_help_fits_a_terminal_of_80_columns(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example in the help is exactly the command to type, line by line."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([*name.split(), "--help"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    example = COMMANDS[name].EXAMPLE
    assert shown.partition("\nexample:\n")[2] == f"{example}\n"
    assert max(map(len, example.splitlines())) <= 76


def test_verify_reports_defects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sound suite gives 0; a wrong key gives 1, with a line and a JSON entry for it."""
    out, report = tmp_path / "s", tmp_path / "report.json"
    assert main(["generate", "--count", "2", "--seed", "1", "--out", str(out)]) == 0
    assert main(["verify", str(out)]) == 0
    file = out / "problems.jsonl"
    first, second = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    first["key"][0] = str(int(first["key"][0]) + 1)
    file.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["verify", str(out), "--json", str(report)]) == 1
    assert f"{first['id']}: contradiction: " in capsys.readouterr().out
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["problems"] == 2
    assert set(written["defects"][0]) == {"id", "kind", "where", "detail"}


def test_verify_against_finds_a_leak(tmp_path: Path) -> None:
    """A suite shares everything with itself, and a new one nothing with the bundled ones."""
    out = tmp_path / "s"
    main(["generate", "--count", "8", "--seed", "1", "--out", str(out)])
    assert main(["verify", str(out), "--against", "standard", "mini"]) == 0
    assert main(["verify", str(out), "--against", str(out)]) == 1


def test_training_problems_are_in_no_bundled_suite(tmp_path: Path) -> None:
    """Even the seed of a bundled suite makes different problems under another name."""
    out = tmp_path / "train"
    common = ["--difficulty", "mini", "--seed", "2604", "--out", str(out)]
    assert main(["generate", "--count", "60", *common]) == 0
    assert main(["verify", str(out), "--against", "mini", "standard"]) == 0


def test_score_writes_the_published_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints a table, writes the figures as JSON, and reports missing responses."""
    problem = load_suite("mini").tasks[0]
    line = {"id": problem.id, "modality": "text", "text": f"<answer>{', '.join(problem.key)}"}
    responses, out = tmp_path / "r.jsonl", tmp_path / "o.json"
    responses.write_text(json.dumps(line | {"text": line["text"] + "</answer>"}))
    command = ["score", "--suite", "mini", "--responses", str(responses), "--json", str(out)]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "100.0%" in shown.out
    assert "199 of 200 problems have no response" in shown.err
    figures = json.loads(out.read_text())["models"]["responses"]["text"]
    assert (figures["macro_acc"], figures["n_problems"], figures["samples"]) == (1.0, 1, 1)


def test_score_tells_of_responses_to_unknown_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt id is reported."""
    line = {"id": "mini-0001", "modality": "text", "text": ""}
    responses = tmp_path / "r.jsonl"
    responses.write_text(f"{json.dumps(line)}\n{json.dumps(line | {'id': 'mini-1'})}\n")
    assert main(["score", "--suite", "mini", "--responses", str(responses)]) == 0
    assert (
        "1 responses do not belong to any problem of mini and are not counted (first: mini-1)"
        in capsys.readouterr().err
    )


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    """`crossmath verify … | head` ends without a traceback."""
    out = tmp_path / "s"
    main(["generate", "--count", "40", "--seed", "1", "--difficulty", "mini", "--out", str(out)])
    command = [sys.executable, "-m", "pytest_crossmath.cli.main", "verify", str(out), "--against"]
    with subprocess.Popen(  # noqa: S603 - our own command
        [*command, str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        assert "leak" in process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "nothing"], "no suite 'nothing'"),
        (["verify", "mini", "--against", "nothing"], "no suite 'nothing'"),
        (["score", "--suite", "mini", "--responses", "no.jsonl"], "no.jsonl cannot be read"),
    ],
)
def test_a_wrong_path_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """It gives exit status 2 and one line."""
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("crossmath: ")
    assert message in error
    assert "\n" not in error


def test_a_log_says_what_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no bar can be seen, `generate` and `verify` say in a line what they begin."""
    out = str(tmp_path / "s")
    command = ["generate", "--count", "2", "--seed", "1", "--difficulty", "mini", "--out", out]
    assert main(command) == 0
    assert capsys.readouterr().err == "crossmath: making 2 problems\n"
    assert main(["verify", out]) == 0
    assert capsys.readouterr().err == "crossmath: proving 2 problems with 2 pictures\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["verify", out]) == 0
    assert "crossmath: proving" not in capsys.readouterr().err


def test_a_model_card_needs_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt folder is reported with the closest name, and is not made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoint").mkdir()
    header = {"type": "run", "schema": 1}
    (tmp_path / "run.jsonl").write_text(json.dumps(header), encoding="utf-8")
    assert main(["report", "run.jsonl", "--model-card", "checkpiont/README.md"]) == 2
    error = capsys.readouterr().err
    assert "--model-card: there is no folder checkpiont" in error
    assert "did you mean checkpoint?" in error
    assert not (tmp_path / "checkpiont").exists()
