"""Two writers at one place: the second hears of the first when it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import Replay
from pytest_crossmath.cli.main import main
from pytest_crossmath.errors import OptionError
from pytest_crossmath.locks import Lock
from pytest_crossmath.tasks.suite import load_suite

HOLDER = """
import sys
from pathlib import Path
from pytest_crossmath.locks import Lock
lock = Lock(Path(sys.argv[1]), "the suite", file=Path(sys.argv[2]) if sys.argv[2:] else None)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock of a path."""
    command = [sys.executable, "-c", HOLDER, *arguments]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def left(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_second_is_told_who_has_it_and_a_dead_process_has_nothing(tmp_path: Path) -> None:
    """The number of the process is there for everyone who asks; after a kill the path is free."""
    path = tmp_path / "suite"
    with held(str(path)) as other:
        for _ in range(3):
            with pytest.raises(OptionError, match=rf"written by .* \(pid {other.pid}\): wait for"):
                Lock(path, "the suite")
    Lock(path, "the suite").release()
    assert left(tmp_path) == []


def test_a_lock_leaves_nothing_and_does_not_fill_a_folder(tmp_path: Path) -> None:
    """A folder that must be empty stays so, and an unusual name or place does not matter."""
    for path in (tmp_path / "a", tmp_path / ("n" * 250), tmp_path / "new" / "deep" / "a"):
        with Lock(path, "it"):
            assert not path.exists()
    folder = tmp_path / "b"
    folder.mkdir()
    with Lock(folder, "it") as lock:
        assert left(folder) == []
        lock.release()
    assert left(tmp_path) == ["b", "new"]
    assert left(tmp_path / "new" / "deep") == []


def test_a_place_without_locks_is_written_all_the_same(tmp_path: Path) -> None:
    """A lock is a courtesy; what cannot be locked is not refused for it."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    Lock(tmp_path / "file" / "a", "it").release()
    assert left(tmp_path) == ["file"]


GENERATE = ["generate", "--count", "2", "--seed", "1", "--out", "out", "--difficulty", "mini"]


@pytest.mark.parametrize(
    "command",
    [GENERATE, ["export", "mini", "--format", "lmms-eval", "--out", "out"]],
    ids=["generate", "export"],
)
def test_commands_that_write_a_folder(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, exit status 2, and the first is left alone."""
    monkeypatch.chdir(tmp_path)
    with held("out") as other:
        assert main(command) == 2
        assert left(tmp_path) == [".out.lock"]
    message = capsys.readouterr().err
    assert f"out is being written by another process (pid {other.pid}): wait for it" in message
    assert message.count("\n") == 1
    if command is GENERATE:
        assert main(command) == 0
        assert len(load_suite("out").tasks) == 2
        assert left(tmp_path) == ["out"]


def test_two_runs_with_one_record(pytester: pytest.Pytester, replay: Replay) -> None:
    """The second ends before a model is asked, in one line."""
    options = (
        "crossmath", f"--crossmath-model={replay(text='1')}", "--crossmath-limit=1",
        "--crossmath-modality=text", "--crossmath-record=run.jsonl",
    )  # fmt: skip
    with held("run.jsonl") as other:
        done = pytester.runpytest(*options)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        [f"ERROR: crossmath: the run record *run.jsonl is being written by * (pid {other.pid}): *"]
    )
    assert not Path("run.jsonl").exists()
    assert pytester.runpytest(*options).ret == 0
    assert not Path(".run.jsonl.lock").exists()


def test_two_updates_of_one_snapshot(pytester: pytest.Pytester, replay: Replay) -> None:
    """The second would mix its outcomes with those of the first."""
    options = (
        "crossmath", f"--crossmath-model={replay(text='1')}", "--crossmath-limit=1",
        "--crossmath-modality=text",
    )  # fmt: skip
    folder = Path("__snapshots__", "crossmath", "mini")
    with held(str(folder / "fake.outcomes")) as other:
        done = pytester.runpytest(*options, "--snapshot-update")
        assert pytester.runpytest(*options).ret == 0
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: crossmath: the snapshot * (pid {other.pid}): *"])
    assert pytester.runpytest(*options, "--snapshot-update").ret == 0
    assert left(pytester.path / folder) == ["fake.outcomes"]


def test_this_process_is_not_named_for_a_lock_of_its_own(tmp_path: Path) -> None:
    """It is: a second lock of one path is a mistake of the program, and must not hang."""
    with (
        Lock(tmp_path / "a", "it"),
        pytest.raises(OptionError, match=f"pid {os.getpid()}"),
    ):
        Lock(tmp_path / "a", "it")


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed")
def test_a_lock_on_a_file_that_another_has_replaced_is_not_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking, the owner removes the file and a third process makes one."""
    from filelock import FileLock

    path, file = tmp_path / "suite", tmp_path / ".suite.lock"
    acquire, seen = FileLock.acquire, []

    def replaced(lock: FileLock, *args: object) -> object:
        found = acquire(lock, *args)  # type: ignore[arg-type]
        seen.append(found)
        if len(seen) == 1:
            file.unlink()
            (tmp_path / "new").write_text("1", encoding="utf-8")
            (tmp_path / "new").rename(file)
        return found

    monkeypatch.setattr(FileLock, "acquire", replaced)
    Lock(path, "the suite").release()
    assert len(seen) == 2
    assert left(tmp_path) == []


def test_a_refused_run_leaves_no_folder(pytester: pytest.Pytester, replay: Replay) -> None:
    """What to write is checked before the lock makes the record's folder."""
    done = pytester.runpytest(
        "crossmath", f"--crossmath-model={replay(text='1')}", "--crossmath-limit=1",
        "--crossmath-record=new/run.jsonl", "--crossmath-markdown=new/run.jsonl",
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert not Path("new").exists()
