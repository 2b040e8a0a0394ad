"""Outputs: written as a whole or not at all, and never over what is read or written besides."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_crossmath import files
from pytest_crossmath.errors import OptionError, OutputError
from pytest_crossmath.files import require_outputs, write_output, write_whole

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs links, modes and pipes")


def everything(folder: Path) -> list[str]:
    """The names of all that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    """Also one that was deleted while the run went on."""
    write_output(tmp_path / "a" / "b" / "page.html", "new \ud800", "--html")
    assert (tmp_path / "a" / "b" / "page.html").read_bytes() == b"new ?"
    assert everything(tmp_path) == ["a", "a/b", "a/b/page.html"]


@pytest.mark.parametrize(
    "fault", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG], ids=errno.errorcode.get
)
@pytest.mark.parametrize("step", ["write_bytes", "replace"])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_disk_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int, step: str, before: str | None
) -> None:
    """Neither half a report nor a draft is left, and the message names the file."""
    file = tmp_path / "page.html"
    if before is not None:
        file.write_text(before, encoding="utf-8")
    known = everything(tmp_path)

    def fail(path: Path, *_: object) -> None:
        path.touch()
        raise OSError(fault, os.strerror(fault), str(path))

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(OutputError, match=r"--html: not written: .*page\.html"):
        write_output(file, "new", "--html")
    assert everything(tmp_path) == known
    assert before is None or file.read_text(encoding="utf-8") == before


@POSIX
def test_a_limit_of_the_system_leaves_the_old_content(tmp_path: Path) -> None:
    """The same with a real limit, on the size of files."""
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from pytest_crossmath.files import write_output\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_output(Path('page.html'), 'x' * 5000, '--html')\n"
    )
    (tmp_path / "page.html").write_text("old", encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    assert "OutputError: --html: not written: [Errno 27] File too large" in done.stderr
    assert everything(tmp_path) == ["page.html"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "old"


def test_an_interrupt_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the draft and its place."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "page.html", "new")
    assert everything(tmp_path) == []


@POSIX
def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    """The file behind it gets the new content."""
    (tmp_path / "there").mkdir()
    real = tmp_path / "there" / "real.html"
    real.write_text("old", encoding="utf-8")
    real.chmod(0o604)
    (tmp_path / "page.html").symlink_to("there/real.html")
    write_output(tmp_path / "page.html", "new", "--html")
    assert (tmp_path / "page.html").is_symlink()
    assert real.read_text(encoding="utf-8") == "new"
    assert real.stat().st_mode & 0o777 == 0o604
    assert everything(tmp_path) == ["page.html", "there", "there/real.html"]


@POSIX
def test_a_link_to_nothing_is_followed(tmp_path: Path) -> None:
    """Checking it makes nothing, and writing makes the file that it names."""
    (tmp_path / "page.html").symlink_to("real.html")
    require_outputs([("--html", tmp_path / "page.html")])
    assert everything(tmp_path) == ["page.html"]
    write_output(tmp_path / "page.html", "new", "--html")
    assert (tmp_path / "page.html").is_symlink()
    assert (tmp_path / "real.html").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
@pytest.mark.parametrize("fault", sorted(files._DIRECT), ids=errno.errorcode.get)
def test_a_folder_that_takes_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, fault: int
) -> None:
    """Its folder is another user's, or the file a mount point: it is written in place."""
    file = tmp_path / "page.html"
    file.write_text("old, and longer", encoding="utf-8")

    def refuse(path: Path, *_: object) -> None:
        raise OSError(fault, os.strerror(fault), str(path))

    monkeypatch.setattr(Path, step, refuse)
    write_output(file, "new", "--html")
    assert file.read_text(encoding="utf-8") == "new"
    assert everything(tmp_path) == ["page.html"]
    with pytest.raises(OutputError, match="not written"):
        write_output(tmp_path / "other.html", "new", "--html")


@POSIX
def test_a_pipe_gets_the_text_and_a_check_leaves_it_alone(tmp_path: Path) -> None:
    """A check that opened it would end its reader."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="--html: not written"):
        write_output(pipe, "new", "--html")  # nobody reads: an error, and no waiting
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    require_outputs([("--html", pipe)])
    while True:
        try:
            write_output(pipe, "new", "--html")
            break
        except OutputError:  # the reader is not there yet
            continue
    reader.join()
    assert got == ["new"]


@POSIX
@pytest.mark.parametrize("how", ["> out.txt", "| cat > out.txt"])
def test_the_standard_output_as_a_file(tmp_path: Path, how: str) -> None:
    """What is printed before and after stays in its place."""
    program = (
        "from pathlib import Path\n"
        "from pytest_crossmath.files import require_outputs, write_output\n"
        "out = Path('/dev/stdout')\n"
        "require_outputs([('--json', out)])\n"
        "print('before')\n"
        "write_output(out, 'figures\\n', '--json')\n"
        "print('after')\n"
    )
    command = f'"$0" -c "$1" {how}'
    subprocess.run(  # noqa: S603 - our own program
        ["/bin/sh", "-c", command, sys.executable, program], cwd=tmp_path, check=True
    )  # fmt: skip
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "before\nfigures\nafter\n"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A folder with two names for one file."""
    (tmp_path / "file.txt").write_text("mine", encoding="utf-8")
    if os.name == "posix":
        (tmp_path / "alias.txt").symlink_to("file.txt")
        (tmp_path / "again.txt").hardlink_to(tmp_path / "file.txt")
    yield tmp_path
    assert (tmp_path / "file.txt").read_text(encoding="utf-8") == "mine"


@POSIX
@pytest.mark.parametrize("name", ["file.txt", "alias.txt", "again.txt", "./x/../file.txt"])
def test_no_output_replaces_what_is_read_or_written_besides(here: Path, name: str) -> None:
    """Whatever names are used for it."""
    (here / "x").mkdir()
    with pytest.raises(OptionError, match=r"--html .* is also an input"):
        require_outputs([("--html", here / name)], [None, here / "file.txt"])
    with pytest.raises(OptionError, match="--html and --json name the same file"):
        require_outputs([("--json", here / name), ("--html", here / "file.txt")])
    with pytest.raises(OptionError, match="--html and --junit-xml name the same file"):
        require_outputs([("--html", here / name)], others=[("--junit-xml", here / "file.txt")])


def test_also_what_does_not_exist_yet(tmp_path: Path) -> None:
    """Such as the cache of a first run."""
    with pytest.raises(OptionError, match="is also an input"):
        require_outputs([("--html", tmp_path / "a" / ".." / "new")], [tmp_path / "new"])
    with pytest.raises(OptionError, match="name the same file"):
        require_outputs([("--html", tmp_path / "new"), ("--json", tmp_path / "." / "new")])


@POSIX
def test_devices_are_nobodys_file() -> None:
    """Two outputs may both be thrown away."""
    require_outputs([("--html", Path(os.devnull)), ("--json", Path(os.devnull))])


BAD: dict[str, Callable[[Path], Path]] = {
    "below a file": lambda folder: folder / "file.txt" / "page.html",
    "in a new folder below a file": lambda folder: folder / "file.txt" / "a" / "page.html",
    "a folder": lambda folder: folder,
    "a long name": lambda folder: folder / ("n" * 300),
    "a long name in a new folder": lambda folder: folder / "new" / "er" / ("n" * 300),
    "a name with a zero": lambda folder: folder / "a\0b",
}


@pytest.mark.parametrize("where", BAD.values(), ids=BAD)
def test_what_cannot_be_written_is_known_before(
    tmp_path: Path, where: Callable[[Path], Path]
) -> None:
    """One line, and nothing is left behind."""
    (tmp_path / "file.txt").write_text("", encoding="utf-8")
    with pytest.raises(OptionError, match=r"(?s)--html: .* cannot be written: "):
        require_outputs([("--html", where(tmp_path))])
    assert everything(tmp_path) == ["file.txt"]
    with pytest.raises(OutputError, match="--html: not written: "):
        write_output(where(tmp_path), "new", "--html")


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    """A run that is then refused for another reason has made no empty folders or files."""
    (tmp_path / "old.html").write_text("old", encoding="utf-8")
    names = ["old.html", "new.html", "a/b/new.html"]
    require_outputs([(f"--{name}", tmp_path / name) for name in names])
    assert everything(tmp_path) == ["old.html"]
    assert (tmp_path / "old.html").read_text(encoding="utf-8") == "old"
