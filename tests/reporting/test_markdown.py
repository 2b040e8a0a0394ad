"""The report as Markdown, and as annotations of GitHub Actions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_crossmath.reporting.github import workflow_commands
from pytest_crossmath.reporting.markdown import markdown
from pytest_crossmath.reporting.summary import summarize_run
from tests.gating.made_up import results
from tests.reporting.made_up import report

HOSTILE = "x|y</details><script>`*_\n::error::boo%0A"


def test_the_tables_are_those_of_the_terminal() -> None:
    """They have the same figures and the same words."""
    lines = [" ".join(line.split()) for line in markdown(report()).splitlines()]
    assert lines[0] == "### Modality gap: suite mini (40 problems), greedy decoding"
    assert "- **GATE FAILED m: fail-under image:95%: 50.0% (35-65)**" in lines
    assert "- **GATE CANNOT TELL, passes m: fail-under image:50%: 50.0% (35-65)**" in lines
    assert any(
        line.startswith("| image | 50.0% (35-65) | 50.0% | +50.0 (") and line.endswith(" worse |")
        for line in lines
    )
    assert any(line.startswith("| m | fail-under text:50% | pass | 100.0%") for line in lines)
    for line in ("- m: 1 regressed", "- cache: was set aside", "- regressed: p001"):
        assert line in lines


def test_styles_are_told_apart_only_where_there_are_several() -> None:
    """A style is named only if there are several, as on the terminal."""
    assert "image/original" not in markdown(report())
    both = results("m", image="10") + results("m", styles=("beige",), image="10")
    assert "image/original" in markdown(replace(report(), summary=summarize_run(both)))


def test_several_models_have_a_column() -> None:
    """With a single model there is no such column."""
    two = replace(report(), summary=summarize_run(results("a", text="1") + results("b", text="0")))
    assert "| model   | form" in markdown(two)
    assert "| model   | form" not in markdown(report())


def test_names_are_shown_as_they_are() -> None:
    """No name of a suite or a model turns into markup, or ends a cell or a line."""
    text = markdown(report(HOSTILE, lost=(HOSTILE,)))
    assert "<script>" not in text
    assert text.count("</details>") == 1
    assert "\n::error" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {5, 6}


def test_long_lists_are_cut() -> None:
    """A summary is for reading; the record has the whole list."""
    text = markdown(report(lost=tuple(f"p{n:03}" for n in range(100))))
    assert "p039, and 60 more" in text


def test_what_fails_is_an_error_and_what_cannot_tell_a_warning() -> None:
    """Regressed problems are listed in the annotations too."""
    assert list(workflow_commands(report())) == [
        "::error title=crossmath gate::GATE FAILED  m: fail-under image:95%25: 50.0%25 (35-65)",
        (
            "::warning title=crossmath gate::GATE CANNOT TELL, passes"
            "  m: fail-under image:50%25: 50.0%25 (35-65)"
        ),
        "::warning title=m%3A 1 regressed as image::p001",
    ]
    strict = replace(report(), inconclusive_fails=True)
    assert sum(line.startswith("::error") for line in workflow_commands(strict)) == 2


@pytest.mark.parametrize("lost", [(), ("p001",)])
def test_nothing_is_said_of_what_did_not_regress(lost: tuple[str, ...]) -> None:
    """An annotation calls for attention, so there is none without a reason."""
    said = [line for line in workflow_commands(report(lost=lost)) if "regressed" in line]
    assert len(said) == len(lost)


def test_no_name_starts_a_command() -> None:
    """Line breaks, and the characters that separate title from text, are escaped."""
    for line in workflow_commands(report(HOSTILE, lost=(HOSTILE,))):
        assert line.isprintable()
        assert line.count("::error::") <= 1
        assert "title=x|y</details><script>`*_%0A%3A%3Aerror%3A%3Aboo%250A%3A" in line or (
            "crossmath gate" in line
        )
