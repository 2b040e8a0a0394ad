"""Snapshots of outcomes: what a file says, and what became of an outcome."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.errors import SnapshotError
from pytest_crossmath.gating.snapshot import (
    SnapshotChange,
    change,
    entry,
    format_snapshot,
    name_of,
    no_worse,
    parse_name,
    parse_snapshot,
    read_snapshot,
)
from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from pytest_crossmath.tasks.request import RequestId, make_request
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality

PROBLEM, OTHER = load_suite("mini").tasks[:2]
KEY = ", ".join(PROBLEM.key)


def scored(text: str) -> Score:
    """The score of a response to the first problem."""
    return score_response(PROBLEM, text)


SOLVED = scored(f"<answer>{KEY}</answer>")
MISSED = scored("<answer>1, 2</answer>")
UNPARSED = scored("I cannot tell.")


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (None, SOLVED, SnapshotChange.NEW),
        (None, MISSED, SnapshotChange.NEW),
        (SOLVED, SOLVED, SnapshotChange.SAME),
        (MISSED, MISSED, SnapshotChange.SAME),
        (MISSED, UNPARSED, SnapshotChange.SAME),
        (SOLVED, MISSED, SnapshotChange.REGRESSED),
        (SOLVED, UNPARSED, SnapshotChange.REGRESSED),
        (MISSED, SOLVED, SnapshotChange.IMPROVED),
        (UNPARSED, SOLVED, SnapshotChange.IMPROVED),
    ],
)
def test_what_became_of_an_outcome(
    before: Score | None, now: Score, expected: SnapshotChange
) -> None:
    """Only what was solved can regress, and a wrong answer is as good as another."""
    assert change(entry(before) if before else None, now) is expected


def test_an_outcome_of_another_problem_of_the_same_id_is_none() -> None:
    """Its answer is not the key: the suite was changed, and nothing regressed."""
    assert change(f"solved\t{', '.join(OTHER.key)}", MISSED) is SnapshotChange.NEW


def test_a_solved_entry_has_the_key_however_it_was_written() -> None:
    """``20.0`` and ``20`` are the same answer, so they are the same line."""
    assert entry(scored(f"<answer>{KEY.replace(',', '.0,')}</answer>")) == f"solved\t{KEY}"


def test_an_entry_never_has_raw_text() -> None:
    """The answer is made printable, and cut."""
    hostile = scored(f"<answer>\x1b[31m1\t2, {'9' * 500}</answer>")
    line = entry(hostile)
    outcome, _, answer = line.partition("\t")
    assert outcome == "missed"
    assert answer.isprintable()
    assert len(answer) < 130


def test_lines_stand_by_problem_and_form() -> None:
    """So that a diff shows what changed and nothing else."""
    names = [
        parse_name(f"{problem}\t{form}")
        for problem in ("b", "a")
        for form in ("image+text/original", "image/original#1", "image/beige", "text")
    ]
    lines = format_snapshot(dict.fromkeys(names, "missed\t1")).splitlines()[1:]
    assert [line.split("\t")[:2] for line in lines] == [
        [problem, form]
        for problem in ("a", "b")
        for form in ("text", "image/beige", "image/original#1", "image+text/original")
    ]


def test_the_name_of_a_request() -> None:
    """Problem, modality, style and number."""
    asked = make_request(
        PROBLEM, Form(Modality.IMAGE, "original"), sample=2, instruction=INSTRUCTION
    )
    assert name_of(asked.id) == "mini-0001\timage/original#2"


_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
_STYLES = _WORDS.filter(lambda word: "#" not in word)
_FORMS = st.builds(Form, st.sampled_from([Modality.IMAGE, Modality.IMAGE_TEXT]), _STYLES)
_NAMES = st.builds(
    RequestId,
    _WORDS | st.sampled_from(["#1", "=======", "<<<<<<<"]),
    st.sampled_from([Form(modality) for modality in Modality]) | _FORMS,
    st.integers(0, 999_999),
    st.just(False),
)
_ENTRIES = st.builds(
    lambda outcome, answer: f"{outcome.value}\t{answer}".rstrip(), st.sampled_from(Outcome), _WORDS
)


@given(st.dictionaries(_NAMES, _ENTRIES))
def test_a_file_reads_back(entries: dict[RequestId, str]) -> None:
    """Whatever was written."""
    assert parse_snapshot(format_snapshot(entries), "file") == entries


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["<<<<<<< HEAD"], "file:2: a merge left a conflict here"),
        (["a\ttext\tsolved\t1", "======="], "file:3: a merge left a conflict here"),
        (["a\ttext\tperfect\t1"], "file:2: not an outcome of a problem"),
        (["a\tsmell\tsolved\t1"], "file:2: not an outcome of a problem"),
        (["a\ttext"], "file:2: not an outcome of a problem"),
        (["a\ttext\tsolved\t1\t2"], "file:2: not an outcome of a problem"),
        (
            ["a\ttext\tsolved\t1", "a\ttext\tmissed\t2"],
            "file:3: this problem and form already has a line above",
        ),
    ],
)
def test_what_is_no_snapshot_is_told_with_its_line(lines: list[str], message: str) -> None:
    """And how to mend it."""
    with pytest.raises(SnapshotError) as raised:
        parse_snapshot("\n".join(["# title", *lines, ""]), "file")
    assert str(raised.value).startswith(message)
    assert "--snapshot-update" in str(raised.value)


def test_an_editor_may_have_touched_it(tmp_path: Path) -> None:
    """Windows line ends and a byte order mark change nothing."""
    file = tmp_path / "m.outcomes"
    file.write_bytes(b"\xef\xbb\xbf# title\r\na\ttext\tsolved\t1\r\n\r\n")
    assert {name_of(id): text for id, text in read_snapshot(file).items()} == {
        "a\ttext": "solved\t1"
    }


def test_a_missing_file_is_an_empty_snapshot(tmp_path: Path) -> None:
    """The first run has none."""
    assert read_snapshot(tmp_path / "none.outcomes") == {}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A folder, or bytes that are no text."""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for file in (tmp_path, tmp_path / "bytes"):
        with pytest.raises(SnapshotError, match="cannot be read"):
            read_snapshot(file)


def test_lines_are_held_against_each_other() -> None:
    """As syrupy does it: whole lines."""
    solved, missed = "a\ttext\tsolved\t1", "a\ttext\tmissed\t2"
    assert no_worse(missed, solved)
    assert no_worse(missed, missed)
    assert no_worse(solved, solved)
    assert not no_worse(solved, missed)
