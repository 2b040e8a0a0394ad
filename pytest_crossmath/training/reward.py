r"""The reward of a completion: its right blanks, with deeper ones weighing more.

>>> from pytest_crossmath.tasks.suite import load_suite
>>> task = load_suite("mini").tasks[0]
>>> task.target, task.steps
(('20', '1', '17'), (2, 1, 1))
>>> reward_of(task, "<answer>9, 1, 17</answer>")
0.5
>>> reward_of(task, "<answer>2, 3, 4</answer>", format_weight=0.2)
0.2

With TRL's `GRPOTrainer` in your own script::

    GRPOTrainer(model=…, reward_funcs=crossmath_reward(load_suite("learn").tasks), …)

where the rows have a column `problem` with ids, as rows from `crossmath export` do.

Source: CrossMath (arXiv 2604.16256), section on reinforcement learning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pytest_crossmath.errors import OptionError
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.task import Task


def reward_of(
    task: Task, text: str, *, depth_weight: float = 1.0, format_weight: float = 0.0
) -> float:
    """The reward of one response, from 0 to 1.

    A blank of step k weighs ``1 + depth_weight * (k - 1)``, and the reward is the weight of the
    right blanks divided by the weight of all blanks. `format_weight` is the share of the reward
    given for a well-formed answer, one with as many values as there are blanks.
    """
    score = score_response(task, text)
    weights = [1.0 + depth_weight * (step - 1) for step in score.steps]
    right = sum(w for w, fine in zip(weights, score.right, strict=True) if fine) / sum(weights)
    formed = score.answer is not None and len(score.answer) == len(score.target)
    return (1.0 - format_weight) * right + format_weight * formed


def crossmath_reward(
    tasks: Iterable[Task], *, depth_weight: float = 1.0, format_weight: float = 0.0
) -> Callable[..., list[float | None]]:
    """`reward_of` as a TRL reward function, for rows with a column `problem`."""
    by_id = {task.id: task for task in tasks}

    def crossmath_reward(
        completions: Sequence[Any],
        problem: Sequence[str],
        **_: object,
    ) -> list[float | None]:  # TRL's type; no value is ever None
        if unknown := next((id for id in problem if id not in by_id), None):
            raise OptionError(
                f"unknown problem {unknown!r}: give the reward the suite that the rows come from"
            )
        return [
            reward_of(
                by_id[id], _text(completion), depth_weight=depth_weight, format_weight=format_weight
            )
            for completion, id in zip(completions, problem, strict=True)
        ]

    return crossmath_reward


def _text(completion: Any) -> str:
    """The text of a completion: TRL passes messages if prompts are messages, else plain text."""
    if isinstance(completion, str):
        return completion
    return "\n".join(_content(message["content"]) for message in completion)


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
