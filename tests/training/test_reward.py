"""The reward of completions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.tasks.crossmath.worked import worked_solution
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.training.reward import crossmath_reward, reward_of

PROBLEM = load_suite("mini").tasks[0]  # key 20, 1, 17; steps 2, 1, 1


@pytest.mark.parametrize(
    ("answer", "depth_weight", "format_weight", "reward"),
    [
        ("20, 1, 17", 1.0, 0.0, 1.0),
        ("9, 1, 17", 1.0, 0.0, 0.5),
        ("20, 9, 9", 1.0, 0.0, 0.5),
        ("9, 1, 9", 1.0, 0.0, 0.25),
        ("9, 1, 17", 0.0, 0.0, 2 / 3),
        ("20, 9, 9", 0.0, 0.0, 1 / 3),
        ("20, 9, 9", 2.0, 0.0, 0.6),
        ("9, 9, 9", 1.0, 0.2, 0.2),
        ("20, 1, 17", 1.0, 0.2, 1.0),
        ("20, 1", 1.0, 0.2, 0.6),
        ("20, 1, 17, 5", 1.0, 0.2, 0.8),
    ],
)
def test_right_blanks_are_rewarded_by_depth(
    answer: str, depth_weight: float, format_weight: float, reward: float
) -> None:
    """Deeper blanks weigh more, and a well-formed answer earns its own share."""
    given = reward_of(
        PROBLEM, f"so <answer>{answer}</answer>",
        depth_weight=depth_weight, format_weight=format_weight,
    )  # fmt: skip
    assert given == pytest.approx(reward)


@pytest.mark.parametrize("text", ["", "20, 1, 17", "<answer>", "<think><answer>20, 1, 17</answer>"])
def test_no_answer_is_no_reward(text: str) -> None:
    """A response without an answer gets no reward, not even for its format."""
    assert reward_of(PROBLEM, text, format_weight=0.5) == 0.0


@given(st.text(), st.floats(0, 10), st.floats(0, 1))
def test_a_reward_lies_between_0_and_1(text: str, depth: float, form: float) -> None:
    """The reward is between 0 and 1 for any text."""
    reward = reward_of(PROBLEM, f"<answer>{text}</answer>", depth_weight=depth, format_weight=form)
    assert 0.0 <= reward <= 1.0


@pytest.mark.parametrize("problem", load_suite("standard").tasks[::25], ids=lambda p: p.id)
def test_worked_solutions_get_the_whole_reward(problem: object) -> None:
    """The solutions that fine-tuning teaches earn the full reward."""
    assert reward_of(problem, worked_solution(problem, seed=1), format_weight=0.3) == 1.0  # type: ignore[arg-type]  # parametrized


def test_a_reward_function_takes_what_trl_gives() -> None:
    """It accepts completions as messages or as plain text, along with the columns of the rows."""
    reward = crossmath_reward(load_suite("mini").tasks)
    fine = "<answer>20, 1, 17</answer>"
    completions = [
        [{"role": "assistant", "content": fine}],
        [{"role": "assistant", "content": [{"type": "text", "text": fine}]}],
        fine,
        [{"role": "assistant", "content": "no idea"}],
    ]
    ids = [PROBLEM.id] * 4
    assert reward(completions=completions, problem=ids, prompts=[], steps=[]) == [1, 1, 1, 0]
    assert reward.__name__ == "crossmath_reward"
