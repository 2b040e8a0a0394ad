"""What gates say of runs: pass, fail, or that they cannot tell."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.gating.gate import Word
from pytest_crossmath.gating.gates import parse_gate
from pytest_crossmath.gating.kinds import Drop
from pytest_crossmath.gating.verdicts import Evidence, Verdict, decided, judge
from pytest_crossmath.reporting.gates import detects, measured
from pytest_crossmath.tasks.task import Form
from tests.gating.made_up import results


def verdict(kind: str, text: str, evidence: Evidence) -> Verdict:
    """What one gate says."""
    [found] = judge([parse_gate(kind, text)], {"m": evidence})
    return found


@pytest.mark.parametrize(
    ("solved", "text", "word"),
    [
        (100, "image:1.0", Word.PASS),
        (99, "image:1.0", Word.FAIL),
        (60, "image:50%", Word.PASS),
        (55, "image:50%", Word.INCONCLUSIVE),
        (45, "image:50%", Word.INCONCLUSIVE),
        (40, "image:50%", Word.FAIL),
        (0, "image:0%", Word.PASS),
    ],
)
def test_fail_under(solved: int, text: str, word: Word) -> None:
    """Of 100 problems: shown to be over, shown to be under, or neither."""
    found = verdict(
        "fail-under", text, Evidence(results(image="1" * solved + "0" * (100 - solved)))
    )
    assert found.word is word
    assert found.figure == solved / 100
    assert found.problems == 100


@pytest.mark.parametrize(
    ("lost", "limit", "word"),
    [(40, "20%", Word.FAIL), (23, "20%", Word.INCONCLUSIVE), (10, "20%", Word.PASS),
     (0, "0%", Word.PASS)],
)  # fmt: skip
def test_max_gap(lost: int, limit: str, word: Word) -> None:
    """The gap is text minus the form, by problem."""
    image = "0" * lost + "1" * (100 - lost)
    found = verdict("max-gap", f"image:{limit}", Evidence(results(text="1" * 100, image=image)))
    assert found.word is word
    assert found.figure == pytest.approx(lost / 100)


@pytest.mark.parametrize(
    ("lost", "gained", "word"),
    [
        (0, 0, Word.PASS),
        (0, 9, Word.PASS),
        (1, 0, Word.PASS),
        (2, 0, Word.INCONCLUSIVE),
        (12, 0, Word.FAIL),
        (30, 14, Word.FAIL),
        (30, 22, Word.INCONCLUSIVE),
        (12, 12, Word.INCONCLUSIVE),
    ],
)
def test_compare(lost: int, gained: int, word: Word) -> None:
    """With a limit of 5 points of 100: churn alone is no regression, and no proof of none."""
    same = 100 - lost - gained
    base = results(image="1" * lost + "0" * gained + "1" * same)
    new = results(image="0" * lost + "1" * gained + "1" * same)
    found = verdict("compare-fail", "image:5%", Evidence(new, base))
    assert found.word is word
    assert found.figure == pytest.approx((lost - gained) / 100)


def test_the_gap_may_grow_while_the_form_stays() -> None:
    """Text that got better widens the gap: only the gate on the gap sees it."""
    base = results(text="0" * 30 + "1" * 70, image="0" * 30 + "1" * 70)
    new = results(text="1" * 100, image="0" * 30 + "1" * 70)
    evidence = Evidence(new, base)
    assert verdict("compare-fail", "image:5%", evidence).word is Word.PASS
    assert verdict("compare-fail", "gap:image:5%", evidence).word is Word.FAIL


def test_several_gates_are_corrected() -> None:
    """A loss that one gate alone would fail is not shown where three were looked at."""
    base = results(text="1" * 100, image="1" * 100, both="1" * 100)
    new = results(text="1" * 100, image="0" * 5 + "1" * 95, both="1" * 100)
    gate = parse_gate("compare-fail", "image:2%")
    three = [*(parse_gate("compare-fail", f"{form}:2%") for form in ("text", "image+text")), gate]
    evidence = {"m": Evidence(new, base)}
    assert [v.word for v in judge([gate], evidence)] == [Word.FAIL]
    assert judge(three, evidence)[2].word is Word.INCONCLUSIVE


def test_samples_of_a_problem_are_one_piece_of_evidence() -> None:
    """Four samples that fall together show no more than one of them."""
    base, new = "1" * 100, "0" * 4 + "1" * 96
    once = Evidence(results(image=new), results(image=base))
    four = Evidence(results(image=" ".join([new] * 4)), results(image=" ".join([base] * 4)))
    for evidence in (once, four):
        found = verdict("compare-fail", "image:2%", evidence)
        assert (found.word, found.problems) == (Word.INCONCLUSIVE, 100)
        assert found.figure == pytest.approx(0.04)


def test_styles_are_pooled_unless_one_is_named() -> None:
    """A model that fails in one of two styles solves half; the gate on that style sees it all."""
    styles = ("original", "beige")
    new = [r for r in results(image="1" * 50, styles=styles) if r.style == "original"]
    new += [r for r in results(image="0" * 50, styles=styles) if r.style == "beige"]
    assert verdict("fail-under", "image:40%", Evidence(new)).figure == 0.5
    assert verdict("fail-under", "image/beige:40%", Evidence(new)).word is Word.FAIL


def test_what_has_no_measurement_is_counted_both_ways() -> None:
    """A server that died cannot pass a gate, nor fail one, unless nothing hangs on the rest."""
    clear = verdict("fail-under", "image:50%", Evidence(results(image="1" * 95 + "e" * 5)))
    assert clear.word is Word.PASS
    open_ = verdict("fail-under", "image:50%", Evidence(results(image="1" * 50 + "e" * 50)))
    assert open_.word is Word.INCONCLUSIVE
    assert open_.notes == ("50 samples have no measurement: counted both as solved and as missed",)
    nothing = verdict("fail-under", "image:50%", Evidence(results(image="e" * 9)))
    assert (nothing.word, nothing.figure) == (Word.INCONCLUSIVE, None)
    assert "no problem has a measurement" in nothing.notes


def test_truncated_responses_that_decide_are_told() -> None:
    """They count as missed, and the verdict says when that is what turns it."""
    found = verdict("fail-under", "image:50%", Evidence(results(image="1" * 40 + "t" * 60)))
    assert found.word is Word.FAIL
    assert found.notes == (
        "truncated and unparsed responses decide: if they counted as solved, it would be pass",
    )
    alike = verdict("fail-under", "image:50%", Evidence(results(image="1" * 20 + "0" * 79 + "u")))
    assert (alike.word, alike.notes) == (Word.FAIL, ())


def test_truncated_responses_of_the_other_run_are_told_too() -> None:
    """A gain over a run that was cut off may be none."""
    base, new = results(image="t" * 30 + "1" * 70), results(image="0" * 30 + "1" * 70)
    found = verdict("compare-fail", "image:5%", Evidence(new, base))
    assert found.word is Word.PASS
    assert found.notes == (
        "truncated and unparsed responses decide: if they counted as solved, it would be fail",
    )


def test_a_verdict_as_json() -> None:
    """Builtin types only."""
    found = verdict("fail-under", "image:50%", Evidence(results(image="10")))
    json = found.to_json()
    assert json["word"] == "inconclusive"
    assert json["interval"] == {"low": found.interval.low, "high": found.interval.high}  # type: ignore[union-attr]  # measured


GATES = [
    parse_gate("fail-under", "image:50%"), parse_gate("max-gap", "image:10%"),
    parse_gate("compare-fail", "image:5%"), parse_gate("compare-fail", "gap:image:5%"),
]  # fmt: skip
OUTCOMES = st.text("01", min_size=12, max_size=12)


@given(
    OUTCOMES, OUTCOMES, OUTCOMES, OUTCOMES, st.lists(st.integers(0, 23), max_size=5, unique=True)
)
def test_a_decided_verdict_holds_whatever_comes(
    text: str, image: str, text_there: str, image_there: str, unknown: list[int]
) -> None:
    """Every way the unknown samples can come out is tried: where decided, all agree."""
    base = results(text=text_there, image=image_there)
    both = list(text + image)
    for place in unknown:
        both[place] = "e"

    def evidence(letters: list[str]) -> Evidence:
        joined = "".join(letters)
        return Evidence(results(text=joined[:12], image=joined[12:]), base)

    for gate in GATES:
        if not decided([gate], evidence(both)):
            continue
        words = set()
        for outcomes in product("01", repeat=len(unknown)):
            filled = both.copy()
            for place, outcome in zip(unknown, outcomes, strict=True):
                filled[place] = outcome
            words.add(judge([gate], {"m": evidence(filled)})[0].word)
        assert len(words) == 1


@pytest.mark.parametrize("limit", [0.0, 0.02, 0.05, 0.2])
@pytest.mark.parametrize("problems", [1, 2, 5, 30])
def test_a_gate_never_turns_for_the_worse_when_more_is_solved(limit: float, problems: int) -> None:
    """All counts of lost and gained problems: one lost less, or one gained more, is no worse."""
    rank = {Word.FAIL: 0, Word.INCONCLUSIVE: 1, Word.PASS: 2}

    def word(lost: int, gained: int) -> int:
        same = problems - lost - gained
        base = results(image="1" * lost + "0" * gained + "1" * same)
        new = results(image="0" * lost + "1" * gained + "1" * same)
        gate = Drop(Form.parse("image"), limit)
        return rank[judge([gate], {"m": Evidence(new, base)})[0].word]

    words = {
        (lost, gained): word(lost, gained)
        for lost in range(problems + 1)
        for gained in range(problems + 1 - lost)
    }
    for (lost, gained), here in words.items():
        assert words.get((lost - 1, gained), here) >= here
        assert words.get((lost, gained + 1), here) >= here


def test_a_kind_of_a_later_version_is_shown() -> None:
    """A record may hold a verdict of a kind that this version does not have."""
    evidence = Evidence(results(text="1" * 30, image="0" * 30))
    fields = verdict("max-gap", "image:5%", evidence).to_json() | {"kind": "consistency"}
    later = Verdict.from_json(fields)
    assert measured(later).startswith("figure +100.0 (")
    assert detects(later).startswith("figure +")
