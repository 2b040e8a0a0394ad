"""Suites exported as training sets."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pytest_crossmath.cli.main import main
from pytest_crossmath.tasks.answers import marked
from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from pytest_crossmath.tasks.crossmath.worked import worked_solution
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import Suite, load_suite
from pytest_crossmath.tasks.task import Task


@pytest.fixture(scope="module")
def learn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite to learn from: three problems in two styles."""
    folder = tmp_path_factory.mktemp("export") / "learn"
    arguments = ["--count", "3", "--seed", "5", "--difficulty", "easy"]
    styles = ["--style", "original", "beige"]
    assert main(["generate", *arguments, *styles, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def suite(learn: Path) -> Suite:
    """The suite, loaded."""
    return load_suite(str(learn))


def export(learn: Path, out: Path, form: str, *arguments: str) -> int:
    """Run the export command; returns its exit status."""
    return main(["export", str(learn), "--format", form, "--out", str(out), *arguments])


def lines(file: Path) -> list[Any]:
    """The lines of a file, parsed."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def pixels(picture: Path | io.BytesIO) -> bytes:
    """The pixels of a picture."""
    with Image.open(picture) as image:
        return image.convert("RGB").tobytes()


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("problem", load_suite("standard").tasks[::50], ids=lambda p: p.id)
def test_a_worked_solution_solves_the_problem(problem: Task, seed: int) -> None:
    """Scored as a response, it is right, and it states each value that it finds."""
    text = worked_solution(problem, seed=seed)
    assert score_response(problem, text).outcome is Outcome.SOLVED
    steps = text.splitlines()
    for value in problem.key:
        assert any(value in step for step in steps[:-1])
    assert "?" in text


def test_the_wording_is_drawn_by_the_seed() -> None:
    """The same seed gives the same wording, and different seeds give different ones."""
    problem = load_suite("mini").tasks[0]
    texts = [worked_solution(problem, seed=seed) for seed in range(40)]
    assert texts == [worked_solution(problem, seed=seed) for seed in range(40)]
    assert len(set(texts)) > 20


def test_trl(learn: Path, suite: Suite, tmp_path: Path) -> None:
    """Prompt and completion are messages and pictures are paths, an empty list for text."""
    out = tmp_path / "out"
    assert export(learn, out, "trl", "--seed", "3") == 0
    rows = lines(out / "train.jsonl")
    assert len(rows) == 3 * (1 + 2 + 2)
    text, image = rows[0], rows[1]
    problem = suite.tasks[0]
    assert text["prompt"] == [{"role": "user", "content": f"{INSTRUCTION}\n\n{problem.text}"}]
    assert text["images"] == []
    assert image["prompt"] == [{"role": "user", "content": INSTRUCTION}]
    completion = [{"role": "assistant", "content": worked_solution(problem, seed=3)}]
    assert text["completion"] == image["completion"] == completion
    for row in rows:
        for name in row["images"]:
            assert (out / name).is_file()
    assert pixels(out / image["images"][0]) == pixels(problem.images["original"].path)


def test_each_style_is_an_example(tmp_path: Path) -> None:
    """A problem is exported once per style: as a plain picture and on its own background."""
    learn, out = tmp_path / "pairs", tmp_path / "out"
    arguments = ["--count", "2", "--seed", "5", "--difficulty", "mini"]
    styles = ["--style", "original", "background"]
    assert main(["generate", *arguments, *styles, "--out", str(learn)]) == 0
    assert export(learn, out, "trl", "--modality", "image") == 0
    rows = lines(out / "train.jsonl")
    shown = [pixels(out / row["images"][0]) for row in rows]
    problems = load_suite(str(learn)).tasks
    assert shown == [pixels(p.images[style].path) for p in problems for style in styles[1:]]
    assert len(set(shown)) == 4
    assert rows[0]["completion"] == rows[1]["completion"]


def test_llava(learn: Path, suite: Suite, tmp_path: Path) -> None:
    """It is one list, and only examples with a picture contain its marker."""
    out = tmp_path / "out"
    assert export(learn, out, "llava", "--completion", "answer", "--style", "beige") == 0
    rows = json.loads((out / "train.json").read_text(encoding="utf-8"))
    assert len(rows) == 9
    assert [("image" in row, "<image>" in row["conversations"][0]["value"]) for row in rows] == [
        (False, False), (True, True), (True, True),
    ] * 3  # fmt: skip
    assert rows[0]["conversations"][1] == {"from": "gpt", "value": marked(suite.tasks[0].target)}
    assert {row["id"] for row in rows} >= {"learn-0001-image-beige", "learn-0001-text"}


def test_openai(learn: Path, suite: Suite, tmp_path: Path) -> None:
    """It is one file that contains the pictures."""
    out = tmp_path / "out"
    assert export(learn, out, "openai", "--modality", "image") == 0
    rows = lines(out / "train.jsonl")
    assert len(rows) == 6
    picture, text = rows[0]["messages"][0]["content"]
    encoded = picture["image_url"]["url"].removeprefix("data:image/png;base64,")
    shown = pixels(io.BytesIO(base64.b64decode(encoded)))
    assert shown == pixels(suite.tasks[0].images["original"].path)
    assert text == {"type": "text", "text": INSTRUCTION}
    assert list(out.iterdir()) == [out / "train.jsonl"]


def test_parquet(learn: Path, suite: Suite, tmp_path: Path) -> None:
    """`datasets` loads it with messages and decoded pictures."""
    datasets: Any = pytest.importorskip("datasets", reason="datasets is not installed")
    out = tmp_path / "out"
    assert export(learn, out, "parquet", "--modality", "text,image", "--style", "original") == 0
    loaded = datasets.load_dataset(
        "parquet", data_files=str(out / "train.parquet"), split="train",
        cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    assert loaded.num_rows == 6
    assert loaded[0]["images"] == []
    assert loaded[1]["images"][0].convert("RGB").tobytes() == pixels(
        suite.tasks[0].images["original"].path
    )
    assert loaded[1]["completion"][0]["role"] == "assistant"
    assert loaded[1]["key"] == list(suite.tasks[0].key)


def test_lmms_eval(learn: Path, suite: Suite, tmp_path: Path) -> None:
    """The functions of the task give the same prompts and scores as this package."""
    out = tmp_path / "out"
    assert export(learn, out, "lmms-eval", "--style", "original") == 0
    text = (out / "crossmath_learn.yaml").read_text(encoding="utf-8")
    task = yaml.safe_load(text.replace("!function ", ""))
    assert task["dataset_kwargs"]["data_files"] == {"test": "test.jsonl"}
    spec = importlib.util.spec_from_file_location("utils_of_the_task", out / "utils.py")
    assert spec is not None
    assert spec.loader is not None
    functions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(functions)
    for name in ("doc_to_visual", "doc_to_text", "process_results"):
        assert task[name] == f"utils.{name}"
    docs = lines(out / "test.jsonl")
    assert [len(functions.doc_to_visual(doc)) for doc in docs[:3]] == [0, 1, 1]
    assert functions.doc_to_text(docs[1]) == INSTRUCTION
    right = functions.process_results(docs[1], [worked_solution(suite.tasks[0], seed=1)])
    assert right == {"solved_image/original": 1.0, "blanks": 1.0, "solved_score": 1.0}
    assert set(functions.process_results(docs[1], ["no idea"]).values()) == {0.0}
    # A figure for each form; one of them all is the only one that --baseline can take.
    given = {name for doc in docs for name in functions.process_results(doc, ["no idea"])}
    names = [metric["metric"] for metric in task["metric_list"]]
    assert set(names) == given
    assert names[:3] == ["solved_text", "solved_image/original", "solved_image+text/original"]
    assert [name for name in names if name.endswith("_score")] == names[-1:] == ["solved_score"]
    assert task["metadata"] == {"version": 1.0}
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "--tasks crossmath_learn" in readme
    assert "device_map=cpu" in readme
    assert "decord" in readme
    sys.modules.pop("utils_of_the_task", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mini", "--format", "trl"], "is a problem of a bundled suite"),
        (["nowhere", "--format", "trl"], "no suite 'nowhere'"),
        (["LEARN", "--format", "trl", "--style", "neon"], "has no style 'neon'; it has: "),
        (["LEARN", "--format", "trl", "--modality", "smell"], "--modality cannot be"),
        (["LEARN", "--format", "trl", "--prompt", "none.txt"], "cannot read none.txt"),
        (["LEARN", "--format", "trl", "--out", "TAKEN"], "already exists"),
    ],
)
def test_mistakes_are_told_in_a_line(
    learn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """A mistake gives exit status 2, and no files are written."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    known = {"LEARN": str(learn), "TAKEN": str(tmp_path / "taken")}
    given = [known.get(argument, argument) for argument in arguments]
    if "--out" not in given:
        given += ["--out", str(tmp_path / "out")]
    assert main(["export", *given]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_bundled_suite_can_be_run_elsewhere(tmp_path: Path) -> None:
    """A bundled suite can be exported as a task, but not as training data."""
    out = tmp_path / "task"
    arguments = ["--modality", "text", "--format", "lmms-eval", "--out", str(out)]
    assert main(["export", "mini", *arguments]) == 0
    assert len(lines(out / "test.jsonl")) == 200
