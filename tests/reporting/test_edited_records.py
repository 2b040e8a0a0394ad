"""A record that was edited by hand: every command refuses it in a line, or takes it as it is."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_crossmath.cli.main import main
from pytest_crossmath.errors import CrossmathError
from pytest_crossmath.gating.gatekeeper import Baseline, Gatekeeper
from pytest_crossmath.models.registry import check_spec, check_suite, parse_spec
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.tasks.suite import load_suite
from tests.made_up import record_lines, write_record

COMMANDS = {
    "compare base": "compare edited.jsonl good.jsonl --fail image:5%",
    "compare new": "compare good.jsonl edited.jsonl --fail image:5%",
    "calibrate": "calibrate edited.jsonl other.jsonl",
    "report": "report edited.jsonl good.jsonl --html out.html --markdown out.md --json out.json",
    "card": "report edited.jsonl --model-card card.md",
    "score": "score --suite mini --responses edited.jsonl",
}


def replay(folder: Path) -> int:
    """What a run with ``replay:edited.jsonl`` and ``--crossmath-compare`` checks at its start."""
    suite = load_suite("mini")
    try:
        spec = parse_spec(f"m=replay:{folder / 'edited.jsonl'}")
        check_spec(spec)
        check_suite(spec, suite)
        run = read_record(folder / "edited.jsonl")
        Gatekeeper((), Baseline(run, None)).check_asked(run.header, run.models)
    except CrossmathError as error:
        return 2 if "\n" not in str(error) else -1
    return 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two good records."""
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "good.jsonl")
    write_record(tmp_path / "other.jsonl", seconds=0.3)
    return tmp_path


def outcomes(folder: Path) -> dict[str, int]:
    """The exit status of every command; each says at most one line where it refuses."""
    found = {"replay": replay(folder)}
    for name, command in COMMANDS.items():
        out, err = io.StringIO(), io.StringIO()
        (folder / "card.md").unlink(missing_ok=True)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            found[name] = main(command.split())
        lines = err.getvalue().splitlines()
        assert all(line.isprintable() for line in [*lines, *out.getvalue().splitlines()])
        if found[name] in {2, 3}:
            assert len([line for line in lines if line.startswith("crossmath: ")]) >= 1
            assert len(lines) == 1 or name == "score"
    return found


READERS = {"replay", *COMMANDS}


def test_the_record_is_good_before_it_is_edited(folder: Path) -> None:
    """So that each refusal below is of the edit."""
    write_record(folder / "edited.jsonl")
    assert set(outcomes(folder).values()) == {0}


Edit = Callable[[list[Any]], object]


def of_result(place: int = 1, **fields: object) -> Edit:
    """An edit of a line."""
    return lambda lines: lines[place].update(fields)


def again(place: int = 1, **fields: object) -> Edit:
    """A second line for one request."""
    return lambda lines: lines.insert(-1, lines[place] | fields)


REFUSED_BY_ALL: dict[str, Edit] = {
    "schema 99": of_result(0, schema=99),
    "schema true": of_result(0, schema=True),
    "schema text": of_result(0, schema="1"),
    "schema float": of_result(0, schema=1.0),
    "schema null": of_result(0, schema=None),
    "two headers": lambda lines: lines.insert(3, lines[0]),
    "two records": lambda lines: lines.extend(record_lines()),
    "model unknown": of_result(model="z"),
    "solved, but wrong": of_result(right=[False, True, True]),
    "solved, other answer": of_result(answer=["1", "2", "3"]),
    "solved, no answer": of_result(answer=None),
    "solved, answer cut": of_result(answer=["20"]),
    "missed, but right": of_result(outcome="missed"),
    "missed, no answer": of_result(3, answer=None),
    "missed, right answer": lambda lines: lines[3].update(answer=lines[3]["key"]),
    "missed, all right": of_result(3, right=[True, True, True]),
    "unparsed, but answered": of_result(5, answer=["1"]),
    "unparsed, but right": lambda lines: lines[5].update(right=[True] * len(lines[5]["key"])),
    "key of one line": of_result(key=["1", "2", "3"]),
    "steps differ": lambda lines: lines[1].update(steps=[9] * len(lines[1]["steps"])),
    "no values": of_result(key=[], right=[], steps=[], answer=[]),
    "family of one line": of_result(family="question"),
    "seconds NaN": of_result(seconds=float("nan")),
    "seconds infinite": of_result(seconds=float("inf")),
    "seconds huge": lambda lines: lines.__setitem__(
        1, json.dumps(lines[1]).replace('"seconds": 0.25', '"seconds": 1e999') + "\n"
    ),
    "seconds negative": of_result(seconds=-1.0),
    "tokens huge": of_result(new_tokens=10**400),
    "tokens negative": of_result(new_tokens=-1),
    "sample negative": of_result(sample=-1),
    "style empty": of_result(2, style=""),
    "style blank": of_result(2, style=" \n"),
    "problem empty": of_result(problem=""),
    "model empty": of_result(model=""),
    "modality": of_result(modality="sound"),
    "outcome pending": of_result(outcome="pending"),
    "field twice": lambda lines: lines.__setitem__(
        1, json.dumps(lines[1])[:-1] + ', "outcome": "missed"}\n'
    ),
    "conflict in outcome": again(outcome="unparsed", answer=None, right=[False] * 3),
    "conflict in text": again(response="another"),
    "conflict with a cached one": again(cached=True),
}


@pytest.mark.parametrize("name", REFUSED_BY_ALL)
def test_what_no_run_has_written_is_refused_by_all(name: str, folder: Path) -> None:
    """One reader for all: none computes figures from what another refuses."""
    write_record(folder / "edited.jsonl", REFUSED_BY_ALL[name])
    assert {n: s for n, s in outcomes(folder).items() if s != 2} == {}


REFUSED_BY_RECORDS: dict[str, Edit] = {
    "temperature huge": of_result(0, settings={"temperature": 1e300}),
    "temperature negative": of_result(0, settings={"temperature": -1}),
    "temperature text": of_result(0, settings={"temperature": "warm"}),
    "temperature true": of_result(0, settings={"temperature": True}),
    "samples none": of_result(0, samples=0),
    "scoring text": of_result(0, scoring="1"),
    "interval upside down": lambda lines: lines[-1]["gates"][0].update(
        interval={"low": 0.9, "high": 0.1}
    ),
    "figure huge": lambda lines: lines[-1]["gates"][0].update(figure=1e300),
    "problems negative": lambda lines: lines[-1]["gates"][0].update(problems=-1),
}


@pytest.mark.parametrize("name", REFUSED_BY_RECORDS)
def test_what_only_records_have_is_refused_by_what_reads_it(name: str, folder: Path) -> None:
    """Scoring takes the responses alone, and needs neither settings nor figures."""
    write_record(folder / "edited.jsonl", REFUSED_BY_RECORDS[name])
    assert {n: s for n, s in outcomes(folder).items() if s != 2} == {"score": 0}


def test_a_record_of_another_suite_with_the_same_ids(folder: Path) -> None:
    """The problem is named, by all that know two suites."""

    def other(lines: list[Any]) -> None:
        for line in lines:
            if line.get("problem") == "mini-0001" and line["type"] == "result":
                line["key"] = ["1", "2", "3"]
                line.update(answer=["1", "2", "3"], outcome="solved", right=[True] * 3)

    write_record(folder / "edited.jsonl", other)
    assert {n: s for n, s in outcomes(folder).items() if s != 2} == {"card": 0}
    with contextlib.redirect_stderr(io.StringIO()) as err:
        main(COMMANDS["score"].split())
    assert "the problem mini-0001 has the key ['1', '2', '3'], and in suite mini" in err.getvalue()


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("same line twice", again()),
        ("a measurement after an error", lambda lines: lines.insert(1, error_for(lines[1]))),
        ("an error after a measurement", lambda lines: lines.insert(-1, error_for(lines[1]))),
        ("a field of a later version", of_result(judged="mini")),
        ("a line of a later version", lambda lines: lines.insert(2, {"type": "note", "a": 1})),
        ("cut within the last line", lambda lines: lines.append('{"type": "res')),
    ],
)
def test_what_a_run_may_have_written_changes_nothing(name: str, edit: Edit, folder: Path) -> None:
    """Every command gives the same as before."""
    assert name
    write_record(folder / "edited.jsonl", edit)
    assert set(outcomes(folder).values()) == {0}
    assert read_record(folder / "edited.jsonl").results == tuple(
        sorted(
            read_record(folder / "good.jsonl").results,
            key=lambda one: [r.id for r in read_record(folder / "edited.jsonl").results].index(
                one.id
            ),
        )
    )


def error_for(line: dict[str, Any]) -> dict[str, Any]:
    """The line of an error in place of a measurement."""
    wrong = {"answer": None, "right": [False] * len(line["key"]), "new_tokens": 0, "seconds": 0.0}
    return line | wrong | {"outcome": "error", "response": "down"}


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside of a JSON value."""
    if path:
        yield path
    items = content.items() if isinstance(content, dict) else enumerate(content)
    if isinstance(content, dict | list):
        for key, value in list(items)[:6] if isinstance(content, list) else items:
            if isinstance(value, dict | list):
                yield from places(value, (*path, key))
            else:
                yield (*path, key)


LINES = record_lines(problems=2)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9),
    st.sampled_from(
        ["solved", "missed", "text", "image", "\n::error::x", "\x1b[2J", "\ud800", 10**400, -1, 0]
    ),
    st.lists(st.integers(0, 3), max_size=3), st.dictionaries(st.text(max_size=3), st.none()),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from([p for p in places(LINES) if len(p) > 1]),
    value=VALUES,
    how=st.sampled_from(["set", "remove", "twice", "swap"]),
)
def test_any_edit_of_one_value_is_refused_or_read_alike(
    folder: Path, place: tuple[Any, ...], value: Any, how: str
) -> None:
    """Never a traceback, whatever stands where; commands that read the same agree."""

    def edit(lines: list[Any]) -> None:
        *path, last = place
        inner: Any = lines
        for key in path:
            inner = inner[key]
        if how == "remove":
            del inner[last]
        elif how == "twice":
            lines.insert(place[0], lines[place[0]])
        elif how == "swap":
            lines[place[0]], lines[-1] = lines[-1], lines[place[0]]
        else:
            inner[last] = value

    write_record(folder / "edited.jsonl", edit, problems=2)
    found = outcomes(folder)
    assert set(found.values()) <= {0, 1, 2, 3}
    try:
        read_record(folder / "edited.jsonl")
    except CrossmathError:
        assert {found[name] for name in COMMANDS if name != "score"} == {2}
    else:
        assert found["card"] in {0, 2}


@pytest.mark.parametrize("edit", ["damaged", "steps", "summary"])
def test_record_and_replay_refuse_the_same_lines(edit: str, folder: Path) -> None:
    """A damaged but whole last line, a negative step, and two summaries."""
    file = folder / "edited.jsonl"
    lines = (folder / "good.jsonl").read_text(encoding="utf-8").splitlines()
    if edit == "damaged":
        lines.append('{"type": "result", ')
    elif edit == "summary":
        lines += ['{"type": "summary"}', '{"type": "summary"}']
    else:
        line = json.loads(lines[1])
        line["steps"] = [-1 for _ in line["steps"]]
        lines[1] = json.dumps(line)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(CrossmathError) as caught:
        read_record(file)
    assert ("'steps'" in str(caught.value)) is (edit == "steps")
    assert replay(folder) == 2
    with pytest.raises(CrossmathError):
        check_spec(parse_spec(f"m=replay:{file}"))
