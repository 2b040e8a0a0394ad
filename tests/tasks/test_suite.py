"""Suites: loading, saving, and the bundled ones."""

import hashlib
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks import family
from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.crossmath.solver import count_solutions, propagate
from pytest_crossmath.tasks.generating import numbered
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.saving import save_suite
from pytest_crossmath.tasks.suite import Suite, bundled_suites, load_suite
from pytest_crossmath.tasks.task import Task

ABOUT = {"name": "small", "version": 1, "licence": "MIT"}


@pytest.fixture(scope="module")
def problems() -> list[Task]:
    """A few problems without pictures."""
    return [task for _, task in islice(numbered(FAMILY, "mini", seed=3, prefix="s"), 4)]


@pytest.fixture(scope="module")
def mini() -> Suite:
    """The bundled mini suite."""
    return load_suite("mini")


def line(**changes: Any) -> str:
    """A line that loads, but for `changes`; a field set to ``...`` is left out."""
    record = {
        "id": "one",
        "table": "| 7 | - | ? | = | 2 |",
        "key": ["5"],
        "steps": [1],
        "difficulty": "easy",
        "equations": ["row 1: 7 - ? = 2"],
        "images": {},
    }
    return json.dumps({k: v for k, v in {**record, **changes}.items() if v is not ...})


def load_lines(folder: Path, *lines: str) -> Suite:
    """Load the suite in a file with these lines."""
    file = folder / "lines.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogatepass")
    return load_suite(str(file))


def contents(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


BAD_LINES: list[tuple[str, str]] = [
    ("{", "not JSON"),
    ('"id": 1', "not JSON"),
    ("[" * 100_000, "not JSON"),
    ('{"id": ' + "1" * 5_000 + "}", "not JSON"),
    ("[]", "a problem must be a JSON object, not list"),
    ("null", "a problem must be a JSON object, not NoneType"),
    ('"text"', "a problem must be a JSON object, not str"),
    ("{}", "the field 'id' is missing"),
    *(
        (line(**{field: ...}), f"the field '{field}' is missing")
        for field in ("id", "table", "key", "steps", "difficulty", "images")
    ),
    *(
        (line(id=id), "the field 'id' must be a non-empty ASCII string without")
        for id in (
            "",
            7,
            None,
            ["a"],
            "a b",
            "a/b",
            "a\\b",
            "a[0]",
            "a::b",
            "a\n",
            "\ud800",
            "\x1b",
        )
    ),
    *(
        (line(table=table), "the field 'table' must be a markdown table")
        for table in (7, None, ["| 7 |"])
    ),
    *(
        (line(key=key), "the field 'key' must be a list of strings")
        for key in ("5", [5], None, {"0": "5"})
    ),
    *(
        (line(steps=steps), "the field 'steps' must be a list of whole numbers")
        for steps in (1, ["1"], [1.0], [True], None)
    ),
    *(
        (line(difficulty=word), "the field 'difficulty' must be easy or medium or hard")
        for word in ("Easy", "", None, 1, ["easy"])
    ),
    *(
        (line(images=images), "the field 'images' must be an object that maps style names to paths")
        for images in (["original"], "original", None, {"original": 1}, {"original": None})
    ),
    (line(table=""), "the table is empty"),
    (line(table="7 - ? = 2"), "line 1 of the table"),
    (line(table="| 7 | - |\n| ? |"), "have the same length"),
    (line(key=["5", "6"]), "one entry per blank in the table (1)"),
    (line(key=[]), "one entry per blank in the table (1)"),
    (
        line(steps=[1, 1]),
        "the field 'steps' must be a list with one entry per blank in the table (1), not ",
    ),
    (line(table="| 7 |", key=[], steps=[]), "the field 'table' must be a table with at least"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_named_with_its_file_and_number(
    tmp_path: Path, bad: str, message: str
) -> None:
    """The error names the file, the line and the field that is wrong."""
    with pytest.raises(SuiteError) as caught:
        load_lines(tmp_path, line(id="fine"), "", bad)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'lines.jsonl'}:3: ")
    assert message in text
    assert "\n" not in text


def test_an_id_that_is_there_twice_is_named(tmp_path: Path) -> None:
    """Ids are unique; the error names the line of the second one."""
    with pytest.raises(SuiteError, match=r"lines\.jsonl:2: the id 'one' appears twice"):
        load_lines(tmp_path, line(), line())


def test_a_value_that_is_wrong_is_shown_shortened(tmp_path: Path) -> None:
    """An error stays readable even if the value is long."""
    with pytest.raises(SuiteError) as caught:
        load_lines(tmp_path, line(table=["| 7 |"] * 1_000))
    assert len(str(caught.value)) < 200 + len(str(tmp_path))


def test_separators_within_strings_do_not_end_a_line(tmp_path: Path) -> None:
    """Only a line feed ends a line: JSON strings may contain other line separators."""
    record = {**json.loads(line()), "note": "before\u2028after\x85end"}
    assert len(load_lines(tmp_path, json.dumps(record, ensure_ascii=False)).tasks) == 1


@pytest.mark.parametrize("text", ["", "\n", " \n\n\t\n"])
def test_a_file_without_problems_is_refused(tmp_path: Path, text: str) -> None:
    """An empty suite measures nothing."""
    file = tmp_path / "empty.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SuiteError, match=r"empty\.jsonl holds no problems"):
        load_suite(str(file))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A binary file is reported as unreadable."""
    file = tmp_path / "weights.jsonl"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SuiteError, match=r"weights\.jsonl cannot be read"):
        load_suite(str(file))


@pytest.mark.parametrize("name", ["nowhere", "nowhere.jsonl", "nowhere/problems.jsonl", "."])
def test_a_suite_that_is_nowhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The error repeats the name and lists the bundled suites."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SuiteError, match=r"neither a bundled suite .*mini") as caught:
        load_suite(name)
    assert f"no suite {name!r}" in str(caught.value)


def test_a_line_becomes_a_problem(tmp_path: Path) -> None:
    """Fields are kept as they are, and picture paths are relative to the file."""
    suite = load_lines(tmp_path, line(images={"bold": "b/one.png"}))
    (problem,) = suite.tasks
    assert suite.name == "lines"
    assert (problem.id, problem.text) == ("one", "| 7 | - | ? | = | 2 |")
    assert (problem.key, problem.steps, problem.difficulty) == (("5",), (1,), "easy")
    assert problem.images == {"bold": Picture(tmp_path / "b/one.png")}


def test_styles_are_those_that_every_problem_has(tmp_path: Path) -> None:
    """A style that some problem lacks is not offered; the first problem sets the order."""
    suite = load_lines(
        tmp_path,
        line(id="a", images={"x": "", "y": "", "z": ""}),
        line(id="b", images={"z": "", "x": ""}),
    )
    assert suite.styles == ("x", "z")


def test_a_saved_suite_loads_as_it_was(tmp_path: Path, problems: list[Task]) -> None:
    """A saved suite loads by folder or by file, and is named after the folder."""
    folder = tmp_path / "small"
    save_suite(problems, folder, styles=["original"], about=ABOUT)
    suite = load_suite(str(folder))
    assert suite == load_suite(str(folder / "problems.jsonl"))
    assert (suite.name, suite.styles) == ("small", ("original",))
    for loaded, saved in zip(suite.tasks, problems, strict=True):
        assert (loaded.id, loaded.text, loaded.content) == (saved.id, saved.text, saved.content)
        assert (loaded.key, loaded.steps) == (saved.key, saved.steps)
        assert loaded.difficulty == saved.difficulty
        loaded.images["original"].check()


def test_the_same_problems_give_the_same_bytes(tmp_path: Path, problems: list[Task]) -> None:
    """Saving twice writes the same files, including pictures, to any folder."""
    for name in ("one", "two"):
        save_suite(problems, tmp_path / name, styles=["original"], about=ABOUT)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    one, two = (load_suite(str(tmp_path / name)) for name in ("one", "two"))
    assert one.digest == two.digest


def test_the_manifest_tells_about_texts_and_pixels(tmp_path: Path, problems: list[Task]) -> None:
    """The manifest repeats its input and hashes each text and each picture's pixels."""
    save_suite(problems, tmp_path, styles=["original"], about=ABOUT)
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert {key: manifest[key] for key in ABOUT} == ABOUT
    assert list(manifest["problems"]) == [problem.id for problem in problems]
    for problem in problems:
        with Image.open(tmp_path / f"original/{problem.id}.png") as picture:
            pixels = hashlib.sha256(picture.tobytes()).hexdigest()
        text = hashlib.sha256(problem.text.encode()).hexdigest()
        assert manifest["problems"][problem.id] == {"text": text, "pixels": {"original": pixels}}


CHANGES: list[Callable[[dict[str, Any]], object]] = [
    lambda record: record.update(id="other"),
    lambda record: record.update(table=record["table"].replace("7", "8")),
    lambda record: record.update(key=["6", "2"]),
    lambda record: record.update(steps=[1, 2]),
    lambda record: record.update(images={"original": "other.png"}),
    lambda record: record.update(images={"other": "one.png"}),
]


@pytest.mark.parametrize("change", CHANGES, ids=["id", "table", "key", "steps", "pixels", "style"])
def test_the_digest_changes_with_what_is_asked(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """Runs are compared only if the suite's digest is the same, so it must reflect any change."""
    (tmp_path / "one.png").write_bytes(b"one")
    (tmp_path / "other.png").write_bytes(b"other")
    two = {"table": "| 7 | - | ? | = | ? |", "key": ["5", "2"], "steps": [1, 1]}
    record = json.loads(line(images={"original": "one.png"}, **two))
    before = load_lines(tmp_path, json.dumps(record)).digest
    change(record)
    assert load_lines(tmp_path, json.dumps(record)).digest != before


@pytest.mark.parametrize(
    "style",
    ["", " ", "a b", "a+b", "a:1", "a@b", "a#1", "a/b", "a,b", "..\n", "\ud800", "\u202e", "é"],
)
def test_a_style_has_a_name_that_forms_and_gates_can_hold(tmp_path: Path, style: str) -> None:
    """The signs of forms, gates and perturbations are refused where the suite is loaded."""
    with pytest.raises(SuiteError, match=r"lines\.jsonl:1: the field 'images' must be names") as e:
        load_lines(tmp_path, line(images={style: "one.png"}))
    assert "\n" not in str(e.value)


WRONG_KEYS = [
    " 7 ", "7 ", "1,000", "+7", "07", "7.0", "−7", "-0", "７", "", "7e0", "VII", "NaN", "Infinity",
    "²", "1_000", "7\n", "9" * 41,
]  # fmt: skip


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_key_is_a_whole_number_in_its_plain_spelling(tmp_path: Path, key: str) -> None:
    """Any other spelling might be missed although the answer is right: the line is named."""
    with pytest.raises(SuiteError, match=r"lines\.jsonl:1: the field 'key' must be a list of"):
        load_lines(tmp_path, line(key=[key]))
    if key.strip() not in {"", "7"}:  # a cell of a table has no blanks around it
        with pytest.raises(SuiteError, match=r"lines\.jsonl:1: the field 'markdown_answer'"):
            load_lines(tmp_path, published(key))


def published(key: str, step: str = "step1") -> str:
    """A line in the published layout."""
    record = {
        "img": "a/1.png", "img_blank": "b/1.png", "markdown_table": "| 7 | - | ? | = | 2 |",
        "markdown_answer": f"|   |   | {key} |   |   |", "difficulty": "easy",
        "markdown_answer_step": f"|   |   | {step} |   |   |",
    }  # fmt: skip
    return json.dumps(record)


@pytest.mark.parametrize("key", ["7", "0", "-12", "9" * 40])
def test_a_key_that_is_a_whole_number_is_kept(tmp_path: Path, key: str) -> None:
    """Whether it is right is for `crossmath verify` to say."""
    assert load_lines(tmp_path, line(key=[key])).tasks[0].key == (key,)


@pytest.mark.parametrize("steps", [[0, 1], [-1, 1], [2, 2], [1, 3], [10**30, 1]])
def test_steps_are_rounds(tmp_path: Path, steps: list[int]) -> None:
    """They begin with 1, and each round fills some blank."""
    two = {"table": "| 7 | - | ? | = | ? |", "key": ["5", "2"]}
    with pytest.raises(SuiteError, match=r"lines\.jsonl:1: the field 'steps' must be"):
        load_lines(tmp_path, line(steps=steps, **two))
    if len(set(steps)) == 1:
        with pytest.raises(SuiteError, match="the field 'markdown_answer_step' must be"):
            load_lines(tmp_path, published("5", f"step{steps[0]}"))


def test_ids_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    """Pictures are named by id, and some disks would keep only one of the two."""
    with pytest.raises(SuiteError, match=r"lines\.jsonl:2: the ids 'one' and 'ONE' differ in case"):
        load_lines(tmp_path, line(), line(id="ONE"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "a", "id": "b"}', "the field 'id' is given twice"),
        ('{"images": {"a": "1.png", "a": "2.png"}}', "the field 'a' is given twice"),
        ('{"id": NaN}', "NaN is not a JSON number"),
        ('{"id": -Infinity}', "-Infinity is not a JSON number"),
        ('{"id": 1e999}', "the number 1e999 is too large"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_json_is_read_strictly(tmp_path: Path, text: str, message: str) -> None:
    """What other readers might read in another way is refused."""
    with pytest.raises(SuiteError, match=r"lines\.jsonl:2: not JSON: ") as caught:
        load_lines(tmp_path, line(), text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200 + len(str(tmp_path))


@pytest.mark.parametrize("change", [str.encode, lambda text: b"\xef\xbb\xbf" + text.encode()])
def test_line_ends_and_marks_of_other_systems_do_not_matter(
    tmp_path: Path, change: Callable[[str], bytes]
) -> None:
    """CRLF and a byte order mark change nothing."""
    file = tmp_path / "lines.jsonl"
    file.write_bytes(change(f"{line()}\r\n{line(id='two')}\r\n"))
    assert [task.id for task in load_suite(str(file)).tasks] == ["one", "two"]


def test_a_family_of_this_package_that_cannot_be_loaded_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for one of another package."""
    monkeypatch.setattr(family, "_loaded", {})
    monkeypatch.setattr(family, "FAMILIES", {"broken": "pytest_crossmath.tasks.nowhere"})
    with pytest.raises(
        SuiteError, match=r"lines\.jsonl:1: the family 'broken' .* cannot be loaded"
    ):
        load_lines(tmp_path, line(family="broken"))


def test_mini_is_what_its_seed_makes(mini: Suite) -> None:
    """The generator named in the manifest reproduces the committed problems."""
    made = islice(numbered(FAMILY, "mini", seed=2604, prefix="mini"), 200)
    for committed, (_, problem) in zip(mini.tasks, made, strict=True):
        assert (committed.id, committed.text) == (problem.id, problem.text)
        assert (committed.key, committed.steps) == (problem.key, problem.steps)
        assert committed.difficulty == problem.difficulty


@pytest.mark.parametrize("name", bundled_suites())
def test_a_bundled_manifest_hashes_what_is_committed(name: str) -> None:
    """The manifest matches every committed text and every picture's pixels."""
    suite = load_suite(name)
    manifest = json.loads((bundled_suites()[name] / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["name"] == suite.name == name
    assert list(manifest["problems"]) == [problem.id for problem in suite.tasks]
    for problem in suite.tasks:
        hashes = manifest["problems"][problem.id]
        assert hashes["text"] == hashlib.sha256(problem.text.encode()).hexdigest()
        for style, picture in problem.images.items():
            pixels = hashlib.sha256(picture.rgb().tobytes()).hexdigest()
            assert hashes["pixels"][style] == pixels


@pytest.mark.parametrize("name", bundled_suites())
def test_a_bundled_problem_has_one_solution_which_is_its_key(name: str) -> None:
    """The solver confirms key, steps and uniqueness of every committed problem."""
    for problem in load_suite(name).tasks:
        state = propagate(problem.content)
        assert tuple(str(state.values[blank]) for blank in problem.content.blanks) == problem.key
        assert state.steps(problem.content) == problem.steps
        assert not state.contradictions
        assert count_solutions(problem.content) == 1


@pytest.mark.parametrize("name", bundled_suites())
def test_no_two_bundled_problems_are_alike(name: str) -> None:
    """No solved grid occurs twice within a suite, mirrored or not."""
    prints = [FAMILY.fingerprint(problem) for problem in load_suite(name).tasks]
    assert len(set(prints)) == len(prints)
