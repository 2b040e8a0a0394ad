"""`crossmath report`: a page, figures for a dashboard, and a model card."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from conftest import Replay


def crossmath_report(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the command."""
    return pytester.run(sys.executable, "-m", "pytest_crossmath.cli.main", "report", *arguments)


@pytest.fixture
def record(pytester: pytest.Pytester, replay: Replay) -> str:
    """The record of a run."""
    pytester.runpytest(
        "crossmath", f"--crossmath-model={replay('m', text='1' * 20, image='10' * 10)}",
        "--crossmath-modality=text,image", "--crossmath-limit=20", "--crossmath-record=run.jsonl",
        "--crossmath-fail-under=text:50%",
    )  # fmt: skip
    return "run.jsonl"


def has_pictures(page: Path) -> bool:
    """Whether any picture of a problem is in a page."""
    return "data:image/png;base64," in page.read_text(encoding="utf-8")


def metadata(file: Path) -> dict[str, list[dict[str, object]]]:
    """The figures of a card, by form."""
    card = yaml.safe_load(file.read_text(encoding="utf-8").split("---")[1])
    return {
        result["dataset"].get("config", result["dataset"]["name"]): result["metrics"]
        for result in card["model-index"][0]["results"]
    }


def test_a_page_and_the_figures(pytester: pytest.Pytester, record: str) -> None:
    """A record is enough; the model is not needed."""
    done = crossmath_report(pytester, record, "-o", "new/page.html", "--json", "out.json")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["report: new/page.html"])
    page = (pytester.path / "new" / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert '"mini-0001/original":"data:image/png;base64,' in page
    [figures] = json.loads((pytester.path / "out.json").read_text(encoding="utf-8"))["runs"]
    assert [(row["modality"], row["solved"]) for row in figures["rows"]] == [
        ("text", 1.0), ("image", 0.5),
    ]  # fmt: skip
    assert figures["gates"][0]["word"] == "pass"
    assert figures["finished"] is True


@pytest.mark.parametrize(
    "command",
    [
        "report RECORD -o RECORD",
        "report RECORD --json RECORD",
        "report RECORD --model-card RECORD",
        "compare RECORD RECORD --json RECORD",
        "calibrate RECORD RECORD --json RECORD",
        "score --suite mini --responses RECORD --json RECORD",
    ],
)
def test_no_command_writes_over_what_it_read(
    command: str, pytester: pytest.Pytester, record: str
) -> None:
    """A record took hours, and is the only copy of the responses."""
    before = (pytester.path / record).read_bytes()
    done = pytester.run(
        sys.executable, "-m", "pytest_crossmath.cli.main",
        *command.replace("RECORD", record).split(),
    )  # fmt: skip
    assert done.ret == 2
    done.stderr.fnmatch_lines(["crossmath: * run.jsonl is also an input: *"])
    assert (pytester.path / record).read_bytes() == before


def test_a_suite_that_is_not_here_costs_the_pictures_only(
    pytester: pytest.Pytester, record: str
) -> None:
    """A note says so; but a suite named with `--suite` must exist."""
    file = pytester.path / record
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"name": "mini"', '"name": "gone"', 1), encoding="utf-8")
    done = crossmath_report(pytester, record, "-o", "page.html")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["no pictures or grids: suite 'gone' is not here; name it *"])
    assert (
        "base64" not in (pytester.path / "page.html").read_text(encoding="utf-8").split("<main>")[1]
    )
    assert crossmath_report(pytester, record, "-o", "p.html", "--suite", "mini").ret == 0
    assert has_pictures(pytester.path / "p.html")
    other = crossmath_report(pytester, record, "-o", "page.html", "--suite", "standard")
    other.stdout.fnmatch_lines(["*suite standard here is not the one that was run*"])
    assert crossmath_report(pytester, record, "-o", "page.html", "--suite", "nowhere").ret == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run.jsonl",), "*nothing to write: add --html, --markdown*"),
        (("none.jsonl", "-o", "p.html"), "*none.jsonl cannot be read*"),
        (("m.jsonl", "-o", "p.html"), "*m.jsonl:1: not a line of a run record*"),
        (("run.jsonl", "-o", "."), "*cannot be written*"),
        (("run.jsonl", "--model-card", "."), "*--model-card: . cannot be written*"),
        (
            ("run.jsonl", "--model-card", "R.md", "--model", "x"),
            "*but 0 match: the records hold m;*",
        ),
    ],
)
def test_mistakes_are_told_in_a_line(
    pytester: pytest.Pytester, record: str, arguments: tuple[str, ...], message: str
) -> None:
    """The exit status is 2."""
    assert record == "run.jsonl"
    done = crossmath_report(pytester, *arguments)
    assert done.ret == 2
    assert len(done.stderr.lines) == 1
    done.stderr.fnmatch_lines([message])


def test_a_model_card_gets_the_figures(pytester: pytest.Pytester, record: str) -> None:
    """They become evaluation metadata of the Hub; a second time changes nothing."""
    card = pytester.path / "README.md"
    card.write_text(
        "---\nlicense: mit\nmodel-index:\n- name: mine\n  results:\n  - task:\n"
        "      type: t\n    dataset:\n      name: other\n      type: other\n"
        "    metrics:\n    - type: accuracy\n      value: 7\n---\n\n# My model\n\nProse.\n",
        encoding="utf-8",
    )
    done = crossmath_report(pytester, record, "--model-card", "README.md")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["model card: README.md, 3 figures of m"])
    text = card.read_text(encoding="utf-8")
    assert "license: mit" in text
    assert text.endswith("# My model\n\nProse.\n")
    found = metadata(card)
    assert [metric["value"] for metric in found["text"]] == [100.0]
    assert [metric["value"] for metric in found["image/original"]] == [50.0, 50.0]
    assert [metric["value"] for metric in found["other"]] == [7]
    crossmath_report(pytester, record, "--model-card", "README.md")
    assert card.read_text(encoding="utf-8") == text


def test_a_missing_card_is_made(pytester: pytest.Pytester, record: str) -> None:
    """The new card has the name of the model."""
    assert crossmath_report(pytester, record, "--model-card", "new.md").ret == 0
    assert set(metadata(pytester.path / "new.md")) == {"text", "image/original"}


def test_a_damaged_card_is_left_alone(pytester: pytest.Pytester, record: str) -> None:
    """The error is one line, and the file is not changed."""
    card = pytester.path / "README.md"
    card.write_text("---\na: [1\n---\ntext\n", encoding="utf-8")
    done = crossmath_report(pytester, record, "--model-card", "README.md")
    assert done.ret == 2
    assert len(done.stderr.lines) == 1
    assert card.read_text(encoding="utf-8") == "---\na: [1\n---\ntext\n"


def test_a_card_in_no_folder_is_a_mistake(pytester: pytest.Pytester, record: str) -> None:
    """A card lies beside a checkpoint: a folder that is missing is misspelt, and is not made."""
    done = crossmath_report(pytester, record, "--model-card", "typo/README.md")
    assert done.ret == 2
    done.stderr.fnmatch_lines(["crossmath: --model-card: there is no folder typo (looked in *"])
    assert not (pytester.path / "typo").exists()
