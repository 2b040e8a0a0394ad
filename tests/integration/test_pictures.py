"""Pictures that are not plain: shown as a person sees them, said in every output."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pytest_crossmath.tasks.pictures import Picture
from tests.integration.suites import three_of_mini
from tests.integration.workers import WORKERS


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Path:
    """Three problems of `mini`: with transparent paper, in 16 bits, and plain."""
    folder = three_of_mini(pytester.mkdir("mine"))
    first, second = (folder / f"original/mini-000{number}.png" for number in (1, 2))
    ink = Picture(first).rgb()
    clear = Image.new("RGBA", ink.size, (0, 0, 0, 0))
    clear.putalpha(ink.convert("L").point([255 - value for value in range(256)]))
    clear.save(first)
    deep = np.asarray(Picture(second).rgb().convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(second)
    return folder


@WORKERS
def test_they_are_read_and_what_was_done_is_said(
    pytester: pytest.Pytester, suite: Path, workers: tuple[str, ...]
) -> None:
    """The calibrator reads all of them; terminal, record and page say which were not plain."""
    done = pytester.runpytest_subprocess(
        "--crossmath-model=reference", f"--crossmath-suite={suite}", "--crossmath-record=r.jsonl",
        "--crossmath-html=r.html", *workers,
    )  # fmt: skip
    done.assert_outcomes(passed=9)
    done.stdout.fnmatch_lines(
        ["2 pictures were not plain: 16 bits reduced to 8 (1), transparency over white (1)"]
    )
    results = [json.loads(line) for line in Path("r.jsonl").read_text("utf-8").splitlines()]
    notes = {
        (line["problem"], line["modality"]): line["picture"]
        for line in results
        if line["type"] == "result" and "picture" in line
    }
    clear, deep = "transparency over white", "16 bits reduced to 8"
    assert notes == {
        ("mini-0001", "image"): clear, ("mini-0001", "image+text"): clear,
        ("mini-0002", "image"): deep, ("mini-0002", "image+text"): deep,
    }  # fmt: skip
    page = Path("r.html").read_text(encoding="utf-8")
    assert page.count(f'"note":"{clear}"') == page.count(f'"note":"{deep}"') == 2


@pytest.mark.parametrize("kind", ["pipe", "outside", "format", "range", "missing"])
def test_a_picture_that_must_not_be_shown_stops_the_run(
    pytester: pytest.Pytester, suite: Path, kind: str
) -> None:
    """One line with file and line number, before any model is loaded, and without waiting."""
    picture = suite / "original" / "mini-0003.png"
    picture.rename(suite.parent / "moved.png")
    if kind == "pipe":
        os.mkfifo(picture)
    elif kind == "outside":
        picture.symlink_to(suite.parent / "moved.png")
    elif kind == "format":
        Image.new("RGB", (9, 9)).save(picture, "EPS")
    elif kind == "range":
        Image.new("F", (9, 9)).save(picture, "TIFF")
    done = pytester.runpytest_subprocess(
        "--crossmath-model=reference", f"--crossmath-suite={suite}", timeout=60
    )
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    [said] = [line for line in done.errlines if line.strip()]
    assert "problems.jsonl:3: " in said
    reason = {
        "pipe": "is not a regular file", "outside": "lies outside the folder",
        "format": "is not PNG, JPEG, WebP, GIF, BMP or TIFF", "range": "have no range from black",
        "missing": "is missing",
    }  # fmt: skip
    assert f"the picture {picture} " in said
    assert reason[kind] in said
