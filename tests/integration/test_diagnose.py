"""`--crossmath-diagnose`: what a model saw in the pictures that it missed."""

from __future__ import annotations

import json

import pytest

from pytest_crossmath.tasks.suite import load_suite
from tests.integration.workers import WORKERS

PROBLEMS = load_suite("mini").tasks[:8]


@pytest.fixture
def model(pytester: pytest.Pytester) -> str:
    """A model that solves every text and misses six pictures, in every possible way."""
    lines: list[dict[str, str]] = []
    for number, problem in enumerate(PROBLEMS):
        key = ", ".join(problem.key)
        lines += [
            {"id": problem.id, "modality": "text", "text": f"<answer>{key}</answer>"},
            {
                "id": problem.id,
                "modality": "image",
                "text": "?" if number == 5 else f"<answer>{'99' if number < 5 else key}</answer>",
            },
        ]
    saw = [
        PROBLEMS[0].text, "| ? | + | 1 | = | 100 |", "| ? | + | 1 | = | 3 |", "I see numbers.",
    ]  # fmt: skip
    lines += [
        {"id": problem.id, "modality": "image", "transcript": text}
        for problem, text in zip(PROBLEMS, saw, strict=False)
    ]
    file = pytester.path / "saved.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return f"m=replay:{file}"


def run(pytester: pytest.Pytester, model: str, *arguments: str) -> pytest.RunResult:
    """A run with diagnosis."""
    return pytester.runpytest(
        "crossmath", f"--crossmath-model={model}", "--crossmath-suite=mini",
        "--crossmath-limit=8", "--crossmath-modality=text,image", "--crossmath-diagnose",
        "--crossmath-record=run.jsonl", *arguments,
    )  # fmt: skip


def record(pytester: pytest.Pytester) -> list[dict[str, object]]:
    """The lines of the record."""
    text = (pytester.path / "run.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@WORKERS
def test_the_gap_is_split_by_cause(
    pytester: pytest.Pytester, model: str, workers: tuple[str, ...]
) -> None:
    """The causes are in the table and in the record, and no result changes."""
    done = run(pytester, model, *workers)
    assert done.ret == pytest.ExitCode.OK
    done.stdout.fnmatch_lines(
        [
            "why m missed 4 pictures:",
            "  read right      1   25%  copied the grid correctly, then reasoned wrongly",
            "  misread         1   25%  copied a different grid and solved that one",
            "  both            1   25%  copied a different grid and did not solve it either",
            "  no grid         1   25%  the copy is not a grid",
        ]
    )
    lines = record(pytester)
    transcripts = [line for line in lines if line["type"] == "transcript"]
    assert {line["problem"]: line["cause"] for line in transcripts} == {
        "mini-0001": "read right",
        "mini-0002": "misread",
        "mini-0003": "both",
        "mini-0004": "no grid",
    }
    causes = lines[-1]["causes"]
    assert isinstance(causes, list)
    [split] = causes
    assert split["missed"] == {"read right": 1, "misread": 1, "both": 1, "no grid": 1}
    assert sum(line["type"] == "result" for line in lines) == 16


def test_a_record_with_transcripts_is_replayed(pytester: pytest.Pytester, model: str) -> None:
    """The replay gives the same causes."""
    run(pytester, model)
    (pytester.path / "run.jsonl").rename(pytester.path / "first.jsonl")
    done = run(pytester, "m=replay:first.jsonl")
    done.stdout.fnmatch_lines(["why m missed 4 pictures:", "  read right      1   25%*"])


def test_the_page_shows_what_it_saw(pytester: pytest.Pytester, model: str) -> None:
    """The page has a filter for the cause."""
    run(pytester, model, "--crossmath-html=page.html")
    page = (pytester.path / "page.html").read_text(encoding="utf-8")
    assert '"cause":"misread","saw":"| ? | + | 1 | = | 100 |"' in page
    assert "Why pictures were missed" in page


def test_without_the_option_nothing_is_asked(pytester: pytest.Pytester, model: str) -> None:
    """A diagnosis costs one more response for each missed picture."""
    pytester.runpytest(
        "crossmath", f"--crossmath-model={model}", "--crossmath-suite=mini", "--crossmath-limit=8",
        "--crossmath-modality=image", "--crossmath-record=run.jsonl",
    )  # fmt: skip
    assert not [line for line in record(pytester) if line["type"] == "transcript"]


def test_a_real_model_is_asked_in_a_batch(pytester: pytest.Pytester) -> None:
    """`pocket` cannot copy grids, so every cause is `no grid`; the copies are cached."""
    for _ in range(2):
        done = pytester.runpytest_subprocess(
            "crossmath", "--crossmath-model=pocket", "--crossmath-limit=20",
            "--crossmath-modality=text,image", "--crossmath-diagnose",
        )  # fmt: skip
        done.stdout.fnmatch_lines(["why pocket missed * pictures:", "  no grid * 100%*"])
    done.stdout.fnmatch_lines(["40 responses, 40 of them from the cache,*"])
