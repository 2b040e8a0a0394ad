"""What a test asks: from the plugin's own parameters, or from what a user's test says instead.

A user's own parametrization or fixture may give a problem by its id, a form as ``image`` or
``image/beige``, and a model by its name. Anything else is a mistake in that test alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_crossmath.errors import OptionError
from pytest_crossmath.run.plan import FormSample, Plan
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.task import Form, Modality, Task
from pytest_crossmath.text import excerpt

MODEL, PROBLEM, MODALITY, STYLE = (
    "crossmath_model", "crossmath_problem", "crossmath_modality", "crossmath_style",
)  # fmt: skip
"""The fixtures that say what is asked."""

SCORED = "_crossmath_scored"
"""The fixture that asks a model; every test that depends on it is planned."""


def model_of(plan: Plan, value: object) -> str:
    """The name of a model of the run. Raises `OptionError`."""
    if isinstance(value, str) and value in plan.models:
        return value
    raise OptionError(f"{MODEL}: there is no model {excerpt(value)}; use {', '.join(plan.models)}")


def task_of(plan: Plan, value: object) -> Task:
    """The problem that a value names or is. Raises `OptionError`."""
    if isinstance(value, Task):
        return value
    found = next((task for task in plan.tasks if task.id == value), None)
    if found is None:
        raise OptionError(f"{PROBLEM}: the run has no problem {excerpt(value)}")
    return found


def form_of(plan: Plan, value: object, task: Task | None, style: object = None) -> FormSample:
    """The form that a value names or is, of a problem if that is known.

    Without a style it is the first that the run shows. Raises `OptionError`.
    """
    sample = value.sample if isinstance(value, FormSample) else 0
    wanted = _form(value.form if isinstance(value, FormSample) else value)
    if style is not None and wanted.modality.shows_image:
        wanted = Form(wanted.modality, str(style))
    # Those of the run first, then those that it leaves out.
    planned = (asked.form for _, asked in plan.forms)
    tasks = plan.tasks if task is None else (task,)
    for form in (*planned, *(form for one in tasks for form in one.shown)):
        if wanted.holds(form) and (task is None or form in task.shown):
            return FormSample(form, sample)
    who = "the run" if task is None else task.id
    raise OptionError(f"{MODALITY}: {who} has no form {wanted}")


def asked_by(item: pytest.Item, plan: Plan) -> tuple[str, Request] | None:
    """The model and the request of a test, as far as its parameters say; None if it asks none.

    What only a user's fixture knows is asked without a plan.
    """
    if SCORED not in getattr(item, "fixturenames", ()) or not hasattr(item, "callspec"):
        return None
    params: Mapping[str, Any] = item.callspec.params
    try:
        model = model_of(plan, params.get(MODEL))
        task = task_of(plan, params.get(PROBLEM))
        form = form_of(plan, params.get(MODALITY), task, params.get(STYLE))
    except OptionError:
        return None  # only that test fails, when it asks
    return model, plan.request(task, form)


def _form(value: object) -> Form:
    if isinstance(value, Form):
        return value
    try:
        return Form.parse(value if isinstance(value, str) else "")
    except ValueError:
        names = ", ".join(Modality)
        raise OptionError(f"{MODALITY}: {excerpt(value)} is not a form; use {names}") from None
