"""The run record."""

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import OptionError
from pytest_crossmath.inference.result import Result
from pytest_crossmath.reporting.record import (
    SCHEMA,
    RecordWriter,
    check_writable,
    default_path,
    relative,
)
from pytest_crossmath.scoring import Outcome


def result(response: str = "<answer>5</answer>") -> Result:
    """A result with this response."""
    return Result(
        "m", "p", "text", None, 0, Outcome.SOLVED, response, ("5",), ("5",), (True,), (1,), 7, 0.5
    )


def read(path: Path) -> list[Any]:
    """The lines of a record, each parsed."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_a_record_has_a_header_results_and_a_summary(tmp_path: Path) -> None:
    """The first line says what was run, then comes a line a response, last the figures."""
    path = tmp_path / "run.jsonl"
    writer = RecordWriter(path, {"suite": "mini"})
    writer.append(result())
    writer.append(result("other"))
    writer.finish({"rows": []})
    header, *responses, summary = read(path)
    assert (header["type"], header["schema"], header["suite"]) == ("run", SCHEMA, "mini")
    assert {"pytest-crossmath", "pytest", "pillow"} <= set(header["versions"])
    assert [Result.from_json(line) for line in responses] == [result(), result("other")]
    assert summary == {"type": "summary", "rows": []}


def test_every_line_is_whole_the_moment_it_is_written(tmp_path: Path) -> None:
    """A killed run leaves lines that can be read: nothing waits in a buffer."""
    path = tmp_path / "run.jsonl"
    writer = RecordWriter(path, {})
    for count in range(1, 4):
        writer.append(result("x" * 100_000))
        assert path.read_text(encoding="utf-8").endswith("\n")
        assert len(read(path)) == 1 + count
    writer.finish({})


@pytest.mark.parametrize(
    "response",
    [
        "\ud800",
        "a\udcffb",
        "two\nlines\r\n",
        "\u2028\x85\x0b",
        "\x00\x1b[31m",
        'quo"te\\',
        "漢 × 𝔸",
    ],
)
def test_any_response_comes_back_as_it_was(tmp_path: Path, response: str) -> None:
    """Lone surrogates, line ends and control characters neither break a line nor get lost."""
    path = tmp_path / "run.jsonl"
    writer = RecordWriter(path, {})
    writer.append(result(response))
    writer.finish({})
    _, line, _ = read(path)
    assert Result.from_json(line).response == response


def test_text_is_written_as_it_reads(tmp_path: Path) -> None:
    """A record is for people too: other scripts are not escaped."""
    path = tmp_path / "run.jsonl"
    RecordWriter(path, {}).finish({"note": "5 × 3"})
    assert "5 × 3" in path.read_text(encoding="utf-8")


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    """A record goes where it was asked to go."""
    path = tmp_path / "a" / "b" / "run.jsonl"
    check_writable(path)
    RecordWriter(path, {}).finish({})
    assert len(read(path)) == 2


def test_a_file_that_is_there_is_never_touched(tmp_path: Path) -> None:
    """Neither a record nor any other file of the user's is written over."""
    path = tmp_path / "notes.txt"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(OptionError, match="is there already: name another file"):
        check_writable(path)
    writer = RecordWriter(path, {})
    writer.finish({})
    assert writer.trouble is not None
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["file/run.jsonl", "n" * 300])
def test_a_path_that_cannot_be_written_is_an_option_error(tmp_path: Path, name: str) -> None:
    """A folder, a file taken for a folder, and a name too long are told before anything runs."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OptionError, match=r"the run record .* cannot be written"):
        check_writable(tmp_path / name)


def test_the_default_path_is_new_each_time_and_kept_out_of_git(tmp_path: Path) -> None:
    """Two runs in one second do not share a file, and none is committed by accident."""
    one, two = default_path(tmp_path), default_path(tmp_path)
    assert one != two
    assert one.parent == tmp_path / ".crossmath" / "runs"
    assert (tmp_path / ".crossmath" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_an_ignore_file_of_the_users_is_left_alone(tmp_path: Path) -> None:
    """Who wants runs in git can have them there."""
    ignore = tmp_path / ".crossmath" / ".gitignore"
    ignore.parent.mkdir()
    ignore.write_text("!*\n", encoding="utf-8")
    default_path(tmp_path)
    assert ignore.read_text(encoding="utf-8") == "!*\n"


def test_a_folder_that_cannot_be_made_does_not_end_the_run(tmp_path: Path) -> None:
    """Where the default folder cannot be made, the writer keeps the trouble for the report."""
    (tmp_path / ".crossmath").write_text("", encoding="utf-8")
    writer = RecordWriter(default_path(tmp_path), {})
    writer.finish({})
    assert writer.trouble is not None


def test_a_path_is_shown_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are shown relative to the current directory."""
    monkeypatch.chdir(tmp_path)
    assert Path(relative(tmp_path / "a" / "run.jsonl")) == Path("a/run.jsonl")
