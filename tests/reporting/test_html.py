"""Run records as a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_crossmath.errors import RecordError
from pytest_crossmath.gating.gates import parse_gate
from pytest_crossmath.gating.verdicts import Evidence, judge
from pytest_crossmath.inference.result import Result
from pytest_crossmath.inference.run import Run
from pytest_crossmath.reporting.html import LONGEST, page, shortened
from pytest_crossmath.reporting.report import side_by_side
from pytest_crossmath.tasks.suite import Suite, load_suite
from tests.gating.made_up import results

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \x1b[31m \u2028 ${x}"
SUITE = load_suite("mini")


def run(name: str = "run.jsonl", model: str = "m", response: str = "", **forms: str) -> Run:
    """A run over the first problems of `mini`."""
    found = [
        _of_mini(replace(result, response=response or result.response))
        for result in results(model, **forms)
    ]
    gates = judge([parse_gate("fail-under", "image:90%")], {model: Evidence(found)})
    header = {
        "suite": {"name": "mini", "digest": SUITE.digest, "problems": []},
        "modalities": list(dict.fromkeys(r.modality for r in found)),
        "styles": ["original"], "samples": 1, "instruction": "", "settings": {}, "models": {},
    }  # fmt: skip
    return Run(name, header, tuple(found), (), {"gates": [gate.to_json() for gate in gates]})


def _of_mini(result: Result) -> Result:
    problem = SUITE.tasks[int(result.problem[1:])]
    solved = all(result.right)
    return replace(
        result, problem=problem.id, key=problem.key, steps=problem.steps,
        right=(solved,) * len(problem.key), answer=problem.key if solved else ("1",),
    )  # fmt: skip


def data_of(html: str) -> Any:
    """The data that the page passes to its script."""
    [text] = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL
    )
    return json.loads(text)


def page_of(runs: Sequence[Run], suite: Suite | None, notes: Sequence[str] = ()) -> str:
    """The page of some runs, each compared with the first."""
    reports, more = side_by_side(runs)
    return page(reports, suite, [*notes, *more])


def words(html: str) -> str:
    """The text of a page without its markup."""
    body = html.partition("<main>")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_figures_are_those_of_the_table() -> None:
    """The page shows rates with intervals, gaps in words, and gates with their verdicts."""
    shown = words(page_of([run(text="1" * 20, image="1" * 10 + "0" * 10)], SUITE))
    assert "text 100.0% (84-100) 100.0%" in shown
    assert re.search(r"image 50\.0% \(30-70\) 50\.0% \+50\.0 \(\+\d+ to \+\d+\) worse", shown)
    assert "FAIL fail-under image:90% 50.0% (30-70)" in shown


def test_text_and_image_are_held_against_each_other() -> None:
    """It counts problems with both right, only one right, or neither."""
    shown = words(page_of([run(text="1110", image="1001", both="e111")], SUITE))
    assert "text right 1 both 2 text only text wrong 1 image only 0 neither" in shown
    assert "text right 2 both 0 text only text wrong 1 image+text only 0 neither" in shown


def test_every_response_is_there_with_its_picture_and_grid() -> None:
    """Each problem and each picture is stored once, in the order of the suite."""
    data = data_of(page_of([run(text="10", image="01")], SUITE))
    assert [problem["id"] for problem in data["problems"]] == ["mini-0001", "mini-0002"]
    assert data["problems"][0]["grid"] == [
        [cell.text for cell in row] for row in SUITE.tasks[0].content.rows
    ]
    assert sorted(data["pictures"]) == ["mini-0001/original", "mini-0002/original"]
    picture = data["pictures"]["mini-0001/original"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(picture) == SUITE.tasks[0].images["original"].data
    shown = [
        (one["problem"], data["modalities"][one["modality"]], data["outcomes"][one["outcome"]])
        for one in data["results"]
    ]
    assert shown == [
        (0, "text", "solved"), (0, "image", "missed"),
        (1, "text", "missed"), (1, "image", "solved"),
    ]  # fmt: skip


def test_without_a_suite_there_are_neither() -> None:
    """The page then has no pictures or grids, and a note says why."""
    html = page_of([run(text="1")], None, ["no pictures or grids: no suite here"])
    assert "no pictures or grids: no suite here" in words(html)
    data = data_of(html)
    assert data["pictures"] == {}
    assert data["problems"] == [{"id": "mini-0001"}]


def test_runs_are_compared_with_the_first() -> None:
    """Regressions and improvements are listed, and marked on each response."""
    html = page_of([run(image="110"), run("new.jsonl", image="011")], SUITE)
    assert "m, image: 1 regressed, 1 improved" in words(html)
    data = data_of(html)
    changed = {
        data["problems"][one["problem"]]["id"]: one["change"]
        for one in data["results"]
        if one["change"]
    }
    assert changed == {"mini-0001": "regressed", "mini-0003": "improved"}


def test_runs_that_are_no_pair_are_shown_beside_each_other() -> None:
    """A note says why they cannot be compared."""
    html = page_of([run(image="110"), run("new.jsonl", text="011")], SUITE)
    assert "new.jsonl cannot be compared with run.jsonl: " in words(html)
    assert len(data_of(html)["results"]) == 6


@pytest.mark.parametrize("place", ["response", "model", "name"])
def test_nothing_hostile_is_markup(place: str) -> None:
    """No response or name adds a script or a picture to the page."""
    plain, hostile = (
        page_of([run(**{place: text, "text": "10", "image": "01"})], SUITE)
        for text in ("x", HOSTILE)
    )
    for tag in ("<script", "</script", "<img", "<!--", "<svg"):
        assert hostile.count(tag) == plain.count(tag)
    if place == "response":
        assert {one["response"] for one in data_of(hostile)["results"]} == {HOSTILE}


def test_the_policy_allows_the_own_script_and_style_only() -> None:
    """They are allowed by their digests, and no request is allowed at all."""
    html = page_of([run(text="1")], SUITE)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src 'none'; img-src data:;")
    for kind, text in (
        ("style-src", re.findall(r"<style>(.*?)</style>", html, re.DOTALL)[0]),
        ("script-src", re.findall(r"<script>(.*?)</script>", html, re.DOTALL)[0]),
    ):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert "style=" not in html
    assert not re.search(r"(src|href)=\"(?!#|data:)", html)


def test_a_lone_surrogate_is_no_error() -> None:
    """A model may write text that cannot be encoded as UTF-8."""
    page_of([run(text="1", response="a\ud800b")], SUITE).encode("utf-8")


def test_a_huge_response_is_cut() -> None:
    """Its beginning and its end are kept, and the page says how much was left out."""
    cut = shortened("a" * 10_000_000 + "the end")
    assert len(cut) < LONGEST + 80
    assert cut.startswith("aaa")
    assert cut.endswith("the end")
    left = 10_000_000 + len("the end") - 2 * LONGEST // 3 - LONGEST // 3
    assert f"[… {left:,} characters left out; see the record …]" in cut
    assert shortened("a" * LONGEST) == "a" * LONGEST


@pytest.mark.parametrize("gates", [[{}], [5], [{"word": "perhaps", "interval": None, "notes": []}]])
def test_a_gate_that_is_none_is_told(gates: Sequence[object]) -> None:
    """An invalid gate is reported in one line with the name of the record."""
    broken = replace(run(text="1"), summary={"gates": gates})
    with pytest.raises(RecordError, match=r"run\.jsonl: the last line has an invalid gate"):
        page_of([broken], SUITE)
