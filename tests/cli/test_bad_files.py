"""Every command, given every kind of bad file: one line and exit status 2, at once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_crossmath.cli.main import main
from pytest_crossmath.gating.comparison import check_comparable
from pytest_crossmath.reporting.record import read_record
from tests.made_up import write_record

COMMANDS = [
    "score --suite mini --responses BAD",
    "score --suite BAD --responses good.jsonl",
    "compare BAD good.jsonl",
    "compare good.jsonl BAD",
    "calibrate BAD good.jsonl",
    "calibrate good.jsonl BAD",
    "report BAD --json out.json",
    "report good.jsonl --html out.html --suite BAD",
    "verify BAD",
    "verify mini --against BAD",
    "export BAD --format lmms-eval --out out",
    "generate --count 1 --seed 1 --out out --against BAD",
    "train sft BAD --model pocket --out out",
]


def pipe(path: Path) -> None:
    """A pipe that nobody writes to: reading it would take for ever."""
    os.mkfifo(path)


def loop(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path)


def holding(content: bytes) -> Callable[[Path], object]:
    """Makes a file with this content."""
    return lambda path: path.write_bytes(content)


KINDS: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None,
    "folder": Path.mkdir,
    "empty": holding(b""),
    "blank": holding(b"\n \n"),
    "binary": holding(bytes(range(256))),
    "picture": holding(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
    "utf-16": holding('{"type": "run", "schema": 1}\n'.encode("utf-16")),
    "pipe": pipe,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": loop,
    "dangling": lambda path: path.symlink_to("nowhere"),
    "list": holding(b'[{"id": "a"}]\n'),
    "deep": holding(b"[" * 200_000),
    "deep object": holding(b'{"type":' * 200_000),
    "long": holding(b'{"type": "' + b"x" * 3_000_000 + b'"}\n{"id": 1}\n'),
    "digits": holding(b'{"type": ' + b"9" * 100_000 + b"}\n{}\n"),
    "command": holding(b'{"type": "\\n::error::x", "id": "\\n::error::x"}\n{}\n'),
    "text": holding(b"Dear reader,\n\n::error::this is not JSON.\n"),
}


@pytest.fixture(autouse=True)
def _in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In an empty folder with one good record; what hangs is ended."""
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "good.jsonl")
    signal.alarm(60)
    yield
    signal.alarm(0)


def one_line(capsys: pytest.CaptureFixture[str], status: int) -> str:
    """The line on stderr."""
    shown = capsys.readouterr()
    assert status == 2, shown
    assert shown.out == ""
    [line] = shown.err.splitlines()
    assert line.startswith("crossmath: ")
    assert line.isprintable()
    assert len(line) < 700
    return line


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.nightly] * (number % 3 > 0))
        for number, kind in enumerate(KINDS)
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_file_is_a_line(
    command: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the file."""
    KINDS[kind](tmp_path / "bad.jsonl")
    status = main(command.replace("BAD", "bad.jsonl").split())
    assert "bad.jsonl" in one_line(capsys, status)


@pytest.mark.parametrize("name", ["", " ", "n" * 5000, "a/" * 600, "\n::error::x", "\ud800"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_name_is_a_line(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does a name that no file can have, or that holds a command, come through."""
    arguments = [name if word == "BAD" else word for word in command.split()]
    status = main(arguments)
    shown = capsys.readouterr().err
    assert status == 2, shown
    assert shown.count("\n") == 1
    assert not shown.lstrip().startswith("::")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_must_not_be_read_is_a_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the file."""
    file = tmp_path / "bad.jsonl"
    file.write_text("{}", encoding="utf-8")
    file.chmod(0)
    status = main(command.replace("BAD", "bad.jsonl").split())
    assert "bad.jsonl" in one_line(capsys, status)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("report good.jsonl --json o.json --suite nope", "--suite is for a page"),
        ("report good.jsonl --json o.json --model zz", "--model picks the model of a card"),
        ("report good.jsonl --html o.html --model zz", "--model picks the model of a card"),
    ],
)
def test_an_option_without_effect_is_refused(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was asked for and not done would be silent."""
    assert message in one_line(capsys, main(command.split()))


def test_arguments_are_repeated_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Argparse repeats what it does not know."""
    with pytest.raises(SystemExit):
        main(["compare", "a", "b", "c\n::error::x\x1b[31m"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.isprintable()
    assert "::error" in last


def test_the_good_record_is_good(tmp_path: Path) -> None:
    """So what the other tests show is not its fault."""
    run = read_record(tmp_path / "good.jsonl")
    check_comparable(run, run)
    assert main(["compare", "good.jsonl", "good.jsonl", "--json", "out.json"]) == 0
    said = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["copies"]
    assert said == [
        (
            "m: every response is a copy of the baseline's, from the cache or a record: nothing was"
            " measured anew"
        )
    ]
