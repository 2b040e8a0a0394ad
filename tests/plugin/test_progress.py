"""The live line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from conftest import Replay
from pytest_crossmath.plugin.progress import status

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")

DRAWN = re.compile(r"\x1b7\x1b\[K ([^\x1b]*)\x1b8")


@pytest.mark.parametrize(
    ("done", "total", "speed", "left", "line"),
    [
        (3, 600, None, None, "3 of 600, m as image"),
        (1200, 6000, 812.4, 75.2, "1,200 of 6,000, 1:15 left, m as image, 812 tokens/s"),
        (3, 0, 0.0, None, "3, m as image"),
        (1, 9, None, 3725.0, "1 of 9, 1:02:05 left, m as image"),
    ],
)
def test_the_line_says_how_far_it_is(
    done: int, total: int, speed: float | None, left: float | None, line: str
) -> None:
    """The most important part comes first."""
    assert status("m", "image", done, total, tokens_per_second=speed, seconds_left=left) == line


def run(pytester: pytest.Pytester, *arguments: str, columns: int = 80, term: str = "xterm") -> str:
    """Everything that a run writes to a terminal."""
    ours, theirs = pty.openpty()
    command: Sequence[str] = [sys.executable, "-m", "pytest", "crossmath", *arguments]
    environment = {**os.environ, "TERM": term, "COLUMNS": str(columns), "PY_COLORS": "0"}
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=pytester.path, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux reports the end of the output this way
                break
            if not part:
                break
            written += part
    os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()


@pytest.fixture
def model(replay: Replay) -> Sequence[str]:
    """A model with saved responses."""
    return f"--crossmath-model={replay(text='1' * 40)}", "--crossmath-modality=text"


def test_it_is_drawn_and_taken_back(pytester: pytest.Pytester) -> None:
    """It appears behind the dots, and leaves the same output as a run without it."""
    written = run(pytester, "--crossmath-model=pocket", "--crossmath-limit=2", "--no-summary")
    drawn = DRAWN.findall(written)
    assert drawn[0] == "loading pocket …"
    assert any(re.fullmatch(r"\d+ of 6.*pocket as .*", line) for line in drawn), drawn
    assert all(len(line) < 80 for line in drawn)
    kept = DRAWN.sub("", written).replace("\x1b[K", "")
    assert "\x1b7" not in kept
    assert re.search(r"^crossmath [.x]{6} ", kept, re.MULTILINE)


def test_workers_are_followed(pytester: pytest.Pytester, model: Sequence[str]) -> None:
    """The process that has the terminal shows the progress of the workers."""
    written = run(pytester, *model, "--crossmath-limit=40", "-n", "2")
    assert re.search(r"\d+ of 40.*fake as text", "".join(DRAWN.findall(written)))
    assert "." * 40 in DRAWN.sub("", written).replace("\x1b[K", "")


@pytest.mark.parametrize(
    ("arguments", "term"), [(("-q",), "xterm"), ((), "dumb")], ids=["quiet", "dumb"]
)
def test_it_is_silent_where_nobody_wants_it(
    pytester: pytest.Pytester, model: Sequence[str], arguments: tuple[str, ...], term: str
) -> None:
    """Nothing is drawn under -q, or on a terminal that cannot erase."""
    assert "\x1b7" not in run(pytester, *model, "--crossmath-limit=5", *arguments, term=term)


def test_it_is_silent_where_there_is_no_terminal(
    pytester: pytest.Pytester, model: Sequence[str]
) -> None:
    """A log file gets the dots and nothing else."""
    done = pytester.runpytest_subprocess("crossmath", *model, "--crossmath-limit=5")
    assert "\x1b" not in done.stdout.str()
