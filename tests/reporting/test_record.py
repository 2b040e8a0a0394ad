"""The run record."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import RecordError
from pytest_crossmath.files import relative
from pytest_crossmath.inference.result import Result
from pytest_crossmath.models.lines import SCHEMA
from pytest_crossmath.reporting.record import (
    RecordWriter,
    default_path,
    read_record,
)
from pytest_crossmath.tasks.score import Outcome


def result(response: str = "<answer>5</answer>") -> Result:
    """A result with this response."""
    return Result(
        "m", "p", "text", None, 0, Outcome.SOLVED, response, ("5",), ("5",), (True,), (1,), 7, 0.5
    )


def read(path: Path) -> list[Any]:
    """The lines of a record, parsed."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_a_record_has_a_header_results_and_a_summary(tmp_path: Path) -> None:
    """The first line says what was run, then comes one line per response, and last the figures."""
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
    """A killed run leaves readable lines: nothing is held back in a buffer."""
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
    """People read records too: text in other scripts is not escaped."""
    path = tmp_path / "run.jsonl"
    RecordWriter(path, {}).finish({"note": "5 × 3"})
    assert "5 × 3" in path.read_text(encoding="utf-8")


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    """Missing folders on the path of a record are created."""
    path = tmp_path / "a" / "b" / "run.jsonl"
    RecordWriter(path, {}).finish({})
    assert len(read(path)) == 2


def test_a_file_that_is_there_is_never_touched(tmp_path: Path) -> None:
    """Neither a record nor any other existing file is overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("mine", encoding="utf-8")
    writer = RecordWriter(path, {})
    writer.finish({})
    assert writer.trouble is not None
    assert path.read_text(encoding="utf-8") == "mine"


def test_the_default_path_is_new_each_time_and_kept_out_of_git(tmp_path: Path) -> None:
    """Two runs in one second do not share a file, and git ignores both."""
    one, two = default_path(tmp_path), default_path(tmp_path)
    assert one != two
    assert one.parent == tmp_path / ".crossmath" / "runs"
    assert (tmp_path / ".crossmath" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_an_ignore_file_of_the_users_is_left_alone(tmp_path: Path) -> None:
    """A user who wants runs in git can have them there."""
    ignore = tmp_path / ".crossmath" / ".gitignore"
    ignore.parent.mkdir()
    ignore.write_text("!*\n", encoding="utf-8")
    default_path(tmp_path)
    assert ignore.read_text(encoding="utf-8") == "!*\n"


def test_a_folder_that_cannot_be_made_does_not_end_the_run(tmp_path: Path) -> None:
    """The writer keeps the error for the report."""
    (tmp_path / ".crossmath").write_text("", encoding="utf-8")
    writer = RecordWriter(default_path(tmp_path), {})
    writer.finish({})
    assert writer.trouble is not None


def test_a_path_is_shown_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are shown relative to the current directory."""
    monkeypatch.chdir(tmp_path)
    assert Path(relative(tmp_path / "a" / "run.jsonl")) == Path("a/run.jsonl")


def written(path: Path, *responses: str, finish: bool = True) -> Path:
    """A record with these responses."""
    writer = RecordWriter(path, {"suite": {"name": "mini"}, "models": {}})
    for number, response in enumerate(responses):
        writer.append(replace(result(response), problem=f"p{number}"))
    writer.finish({"gates": []})
    if not finish:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:-1]), encoding="utf-8")
    return path


def test_a_record_reads_back(tmp_path: Path) -> None:
    """Header, results and summary come back; texts only on request."""
    path = written(tmp_path / "run.jsonl", "one", "two")
    run = read_record(path, texts=True)
    assert run.header["suite"] == {"name": "mini"}
    assert [one.response for one in run.results] == ["one", "two"]
    assert run.models == ("m",)
    assert run.summary is not None
    assert run.summary["gates"] == []
    assert [one.response for one in read_record(path).results] == ["", ""]


def test_a_record_that_was_broken_off_reads_as_far_as_it_goes(tmp_path: Path) -> None:
    """A missing summary and half a last line do no harm."""
    path = written(tmp_path / "run.jsonl", "one", "two", finish=False)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[:-20], encoding="utf-8")
    run = read_record(path)
    assert [one.problem for one in run.results] == ["p0"]
    assert run.summary is None


def test_a_sample_counts_once(tmp_path: Path) -> None:
    """A line that is there twice counts once; two different measurements are refused."""
    path = written(tmp_path / "run.jsonl", "one", finish=False)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[1], ""]), encoding="utf-8")
    assert [one.response for one in read_record(path, texts=True).results] == ["one"]
    path.write_text("\n".join([*lines, lines[1].replace("one", "again"), ""]), encoding="utf-8")
    with pytest.raises(RecordError, match=r"run\.jsonl:3: .* another result of the same request"):
        read_record(path)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "{}", ":1: not a line of a run record: the field 'type' is missing"),
        (1, '{"type": "result"}', ":1: not a line of a run record"),
        (1, '{"type": "run", "schema": 99}', ":1: not a line of a run record: schema 99"),
        *(
            (1, f'{{"type": "run", "schema": 1, "{name}": null}}', f"the field '{name}'")
            for name in ("suite", "models", "settings", "versions", "modalities", "styles")
        ),
        (1, '{"type": "run", "schema": 1, "suite": 5}', ":1: not a line of a run record"),
        (
            1,
            '{"type": "run", "schema": 1, "models": {"m": 5}}',
            "the field 'models",
        ),
        (
            1,
            '{"type": "run", "schema": 1, "styles": 3}',
            "the field 'styles'",
        ),
        (4, '{"type": "summary", "gates": 5}', ":4: not a line of a run record: the field 'gates'"),
        (
            1,
            '{"type": "run", "schema": 1, "suite": {"problems": [[1]]}}',
            "the field 'suite.problems[0]': expected str",
        ),
        (2, '{"type": "run", "schema": 1}', ":2: not a line of a run record: another run begins"),
        (2, "{", ":2: not a line of a run record"),
        (2, "[]", ":2: not a line of a run record"),
        (2, "null", ":2: not a line of a run record"),
        (2, '{"type": "result", "model": "m"}', ":2: not a line of a run record"),
        (2, "[" * 100_000, ":2: not a line of a run record"),
    ],
)
def test_what_is_no_record_is_told_with_its_line(
    tmp_path: Path, line: int, text: str, message: str
) -> None:
    """A damaged file is reported with the number of its bad line."""
    path = written(tmp_path / "run.jsonl", "one", "two")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RecordError, match=r"run\.jsonl") as raised:
        read_record(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, empty or not text is reported."""
    path = tmp_path / "run.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordError, match=r"run\.jsonl"):
        read_record(path)
