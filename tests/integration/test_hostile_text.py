"""Text from outside, in every field that can hold it, on its way to every output."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from PIL import Image

from pytest_crossmath.reporting.record import read_record
from tests.made_up import write_record

LINE_ENDS = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029")
COMMANDS = ("::error file=x::boo", "  ::add-mask::x", "##[error]boo", "##vso[task.x]boo")
MARKUP = "<script>alert(1)</script><img src=x onerror=y>![a](http://e.x/b)|`@you` #12 **b** </pre>"
CONTROLS = "\x1b]0;t\x07\x1b[2J\x00\x08\x9b31m\u202eevil\u2066\u200b\ufeff\ufffe\uffff"
HOSTILE = "a" + "".join(end + command for end in LINE_ENDS for command in COMMANDS)
HOSTILE += f"\n{MARKUP}\n{CONTROLS}\ud800"

_SPLIT = re.compile("|".join(map(re.escape, sorted(LINE_ENDS, key=len, reverse=True))))
_COMMAND = re.compile(r"^\s*::|##\w*\[")
_OURS = re.compile(r"^::(error|warning) title=")


def check_log(text: str, *, annotates: bool = False) -> None:
    """No line of a log is a command, moves the cursor, or has marks that hide what follows."""
    for line in text.split("\n"):
        plain = line.removesuffix("\r")
        assert plain.isprintable(), ascii(plain)
        if not (annotates and _OURS.match(plain)):
            for piece in _SPLIT.split(plain):
                assert not _COMMAND.search(piece), ascii(piece)


class _Tags(HTMLParser):
    """The tags of a page, and what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        for name, _ in attrs:
            assert not name.startswith("on"), (tag, name)


def check_page(file: Path) -> None:
    """Only the page's own tags, and only characters that HTML allows."""
    page = file.read_text(encoding="utf-8")
    tags = _Tags()
    tags.feed(page)
    assert tags.found.count("script") <= 2
    assert "img" not in tags.found
    assert not set(page) & set("\x00\x07\x08\x1b\x9b\ufffe\uffff")
    assert "\u202e" not in page.partition("<script")[0]


def check_markdown(text: str) -> None:
    """No tag but ours, no picture, link or mention, and every table row whole."""
    assert set(re.findall(r"(?<!\\)</?([a-z]+)", text)) <= {"sub", "details", "summary"}
    assert not re.search(r"(?<!\\)!?\[[^\]]*\]\(", text)
    assert not re.search(r"@(?!&#8203;)", text)
    assert "://" not in text
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)
        assert not _COMMAND.search(line), ascii(line)
    rows = [re.sub(r"\\.", "", line) for line in text.split("\n") if line.startswith("|")]
    assert len({row.count("|") for row in rows}) <= 2


def check_json_lines(file: Path) -> None:
    """One object on each line, whatever it holds."""
    for line in file.read_text(encoding="utf-8").split("\n"):
        if line:
            assert isinstance(json.loads(line), dict)


QUESTION: dict[str, Any] = {
    "id": "q1", "kind": "choice", "choices": [f"1 {HOSTILE}", f"2 {HOSTILE}"], "answer": "A",
    "group": HOSTILE, "forms": {"text": HOSTILE, "image": {"images": ["q1.png"]}},
}  # fmt: skip
FREE: dict[str, Any] = {
    "id": "q2", "kind": "text", "answer": "::error::x ##[error]y <b>|", "group": "g",
    "accepted": ["@you"], "forms": {"text": HOSTILE},
}  # fmt: skip


def suite(folder: Path) -> Path:
    """A suite of questions whose texts are hostile."""
    folder.mkdir()
    Image.new("RGB", (8, 8), "white").save(folder / "q1.png")
    file = folder / "own.jsonl"
    file.write_text("".join(f"{json.dumps(one)}\n" for one in (QUESTION, FREE)), encoding="utf-8")
    return file


def responses(file: Path) -> None:
    """Answers that are as hostile."""
    lines = [
        {"id": "q1", "modality": "text", "text": f"<answer>{HOSTILE}</answer>", "model": HOSTILE},
        {"id": "q1", "modality": "image", "text": f"{HOSTILE}", "model": HOSTILE},
        {"id": "q2", "modality": "text", "text": "<answer>::error::z ##[x]</answer>",
         "model": HOSTILE},
    ]  # fmt: skip
    file.write_text("".join(f"{json.dumps(one)}\n" for one in lines), encoding="utf-8")


@pytest.mark.parametrize("on_github", [False, True])
@pytest.mark.parametrize(
    "options",
    [("-v",), ("-vv", "-rA", "--crossmath-strict"), ("-q", "-rx", "--tb=long", "-l")],
    ids=["v", "strict", "quiet"],
)
def test_a_run(
    options: tuple[str, ...],
    on_github: bool,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Questions, answers, and what a gate says of them, to terminal, page, Markdown and XML."""
    if on_github:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    summary = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    file = suite(pytester.path / "s \u202e::x<b>@you")
    responses(pytester.path / "##[x]::e <b>|@you.jsonl")
    done = pytester.runpytest_subprocess(
        "crossmath", "--crossmath-model=replay:##[x]::e <b>|@you.jsonl",
        f"--crossmath-suite={file}", "--crossmath-record=run.jsonl", "--crossmath-html=run.html",
        "--crossmath-markdown=run.md", "--junitxml=run.xml", "--crossmath-fail-under=text:90%",
        *options,
    )  # fmt: skip
    assert "INTERNALERROR" not in done.stdout.str()
    assert "Traceback" not in done.stdout.str()
    check_log(done.stdout.str(), annotates=on_github)
    check_log(done.stderr.str())
    check_page(pytester.path / "run.html")
    check_markdown((pytester.path / "run.md").read_text(encoding="utf-8"))
    check_markdown(summary.read_text(encoding="utf-8"))
    check_json_lines(pytester.path / "run.jsonl")
    ET.parse(pytester.path / "run.xml")  # noqa: S314 - our own file
    assert len(read_record(pytester.path / "run.jsonl").results) == 3


def test_mistakes_with_such_names(pytester: pytest.Pytester) -> None:
    """Every option that repeats its value in a message, from the command line and from a file."""
    name = "x\n::error::y\r##[error]z\x1b[31m\u202e"
    for option in (
        "model", "suite", "style", "modality", "dtype", "device", "prompt", "compare", "limit",
        "fail-under", "record", "cache", "inconclusive", "timeout", "temperature",
    ):  # fmt: skip
        more = [] if option == "model" else ["--crossmath-model=reference"]
        done = pytester.runpytest(
            "crossmath", "--collect-only", *more, f"--crossmath-{option}={name}", "-q"
        )
        for line in [*done.outlines, *done.errlines]:
            if "unrecognized arguments" not in line:
                assert not _COMMAND.search(line), (option, ascii(line))


def crossmath(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run a command, and check what it shows."""
    done = pytester.run(sys.executable, "-m", "pytest_crossmath.cli.main", *arguments)
    assert "Traceback" not in done.stderr.str()
    check_log(done.stdout.str())
    check_log(done.stderr.str())
    return done


def poisoned(lines: list[Any]) -> None:
    """Hostile text in each text field of a record that is free."""
    name = printable_name()
    header, last = lines[0], lines[-1]
    header["models"] = {name: {"kind": HOSTILE, "target": HOSTILE, "revision": HOSTILE}}
    header["suite"]["name"] = HOSTILE
    header["started"] = header["instruction"] = HOSTILE
    header["versions"] = {HOSTILE: HOSTILE}
    header["settings"] = {HOSTILE: HOSTILE, "temperature": 0.5}
    for line in lines[1:-1]:
        line["model"] = name
        line["response"] = HOSTILE + line["response"]
        if line.get("outcome") == "missed":
            line["answer"] = [*line["answer"][:-1], HOSTILE]
    gate = last["gates"][0]
    gate["model"], gate["gate"], gate["notes"] = name, HOSTILE, [HOSTILE]


def printable_name() -> str:
    """A name of a model or problem that a record may have."""
    return "::error::m ##[error]n <script>|`![x](http://e.x)@you #12"


def test_commands_on_a_record(pytester: pytest.Pytester) -> None:
    """Nothing that a record holds comes through, whichever command reads it."""
    write_record(pytester.path / "run.jsonl", poisoned)
    write_record(pytester.path / "good.jsonl", seconds=0.3)

    def other(lines: list[Any]) -> None:
        poisoned(lines)
        lines[0]["versions"] = {HOSTILE: "2"}

    write_record(pytester.path / "other.jsonl", other, seconds=0.3)
    for status, *arguments in (
        (0, "compare", "run.jsonl", "other.jsonl", "--fail", "image:5%", "--json", "c.json"),
        (2, "compare", "run.jsonl#nobody\n::error::x", "good.jsonl"),
        (0, "calibrate", "run.jsonl", "other.jsonl", "--json", "d.json"),
        (0, "score", "--suite", "mini", "--responses", "run.jsonl", "--json", "s.json"),
        (0, "report", "run.jsonl", "other.jsonl", "--suite", "mini", "--html", "r.html",
         "--markdown", "r.md", "--json", "r.json"),
        (0, "report", "run.jsonl", "--model-card", "card.md"),
        (2, "score", "--suite", "\n::error::x", "--responses", "run.jsonl"),
        (2, "verify", "\n::error::x"), (2, "\n::error::x"), (2, "verify", "mini", "\n##[error]x"),
        (2, "generate", "--count", "1", "--seed", "1", "--out", "o", "--name", "\n::error::x"),
    ):  # fmt: skip
        assert crossmath(pytester, *map(str, arguments)).ret == status, arguments
    check_page(pytester.path / "r.html")
    check_markdown((pytester.path / "r.md").read_text(encoding="utf-8"))
    for name in ("c.json", "d.json", "s.json", "r.json"):
        json.loads((pytester.path / name).read_text(encoding="utf-8"))
    card = (pytester.path / "card.md").read_text(encoding="utf-8")
    _, head, body = card.split("---\n", 2)
    about = yaml.safe_load(head)
    assert about["model-index"][0]["name"] == printable_name()
    check_markdown(body)


def test_commands_on_a_suite(pytester: pytest.Pytester) -> None:
    """Nor what a suite holds, in the messages about what is wrong with it."""
    changes: list[dict[str, Any]] = [
        *({name: HOSTILE} for name in ("id", "kind", "answer", "choices", "group", "forms")),
        {"family": HOSTILE}, {"choices": ["a", HOSTILE, HOSTILE]}, {HOSTILE: 1, "id": None},
        {"forms": {HOSTILE: "x"}}, {"forms": {"image": {"styles": {HOSTILE: {}}}}},
    ]  # fmt: skip
    for number, change in enumerate(changes):
        file = pytester.path / f"{number}.jsonl"
        file.write_text(json.dumps(QUESTION | change) + "\n", encoding="utf-8")
        assert crossmath(pytester, "verify", str(file)).ret == 2
