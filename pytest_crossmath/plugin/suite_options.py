"""The options that choose a suite, and which part of it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import OptionError
from pytest_crossmath.models.registry import check_suite, default_suite
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.plugin.values import parse_list, parse_modalities, parse_positive
from pytest_crossmath.tasks.suite import Suite, load_suite
from pytest_crossmath.tasks.task import Modality


def chosen_suite(values: Mapping[str, Any], models: Sequence[ModelSpec], root: Path) -> Suite:
    """The suite that was chosen, cut to the limit. Raises `CrossmathError`."""
    suite = load_suite(values["suite"] or default_suite(models), root=root)
    return suite.cut(parse_positive("limit", values["limit"]))


def chosen_modalities(text: str | None, suite: Suite) -> tuple[Modality, ...]:
    """The requested modalities; for questions, the default is all that the suite has."""
    if suite.can_be_proved:
        return parse_modalities(text)
    if text is None:
        return suite.modalities
    for modality in (asked := parse_modalities(text)):
        if modality not in suite.modalities:
            raise OptionError(
                f"--crossmath-modality: suite {suite.name} has no {modality}; it has:"
                f" {', '.join(suite.modalities)}"
            )
    return asked


def check_asked(suite: Suite, models: Sequence[ModelSpec], *, diagnose: bool) -> None:
    """Raise `OptionError` if the suite cannot be diagnosed, or a model cannot be run on it."""
    if diagnose and not suite.can_be_proved:
        raise OptionError(
            f"--crossmath-diagnose needs pictures that can be copied as text, and suite"
            f" {suite.name} holds {suite.plural}: remove the option"
        )
    for spec in models:
        check_suite(spec, suite)


def chosen_styles(
    text: str | None, suite: Suite, modalities: Sequence[Modality]
) -> tuple[str, ...]:
    """The requested styles. Raises `CrossmathError`."""
    if not any(modality.shows_image for modality in modalities):
        return ()
    if not suite.styles and suite.can_be_proved:
        raise OptionError(
            f"suite {suite.name} has no pictures: run it with --crossmath-modality=text"
        )
    forms = suite.chosen(modalities, suite.styles)
    offered = tuple(dict.fromkeys(form.style for form in forms if form.style is not None))
    if text not in {None, "", "all"} and not offered:
        raise OptionError(
            f"suite {suite.name} has no styles in {', '.join(modalities)}: remove --crossmath-style"
        )
    everything = text == "all" or not suite.can_be_proved
    chosen = offered if everything else offered[:1]
    styles = chosen if text in (None, "", "all") else parse_list("style", text, offered)
    for modality in modalities:
        if not suite.chosen([modality], styles):
            raise OptionError(
                f"--crossmath-style={text}: suite {suite.name} has no {modality} in these styles"
            )
    return tuple(styles)
