"""Options: their declaration, their ini settings, and the one place that reads them.

``--crossmath-batch-size=8`` on a command line and ``crossmath_batch_size = 8``
in an ini file mean the same; the command line wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_crossmath.errors import OptionError
from pytest_crossmath.plugin.values import (
    ATTENTIONS,
    CACHE_MODES,
    DTYPES,
    INCONCLUSIVE,
    STOP_EARLY,
    parse_attention,
    parse_batch_size,
    parse_choice,
    parse_count,
    parse_positive,
    parse_seconds,
    parse_temperature,
    parse_variable,
)
from pytest_crossmath.reporting.writers import WRITERS

if TYPE_CHECKING:
    from pytest_crossmath.gating.gate import Gate
    from pytest_crossmath.gating.gatekeeper import Baseline
    from pytest_crossmath.models.spec import ModelSpec
    from pytest_crossmath.run.config import RunConfig

_ONLY_TELLS = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test")
"""Options of pytest under which nothing runs, so that nothing needs to be checked."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option, on the command line and in ini files."""

    name: str
    """What comes after ``--crossmath-``."""
    metavar: str | None
    """Placeholder of its value; None for a switch."""
    help: str
    """One sentence."""
    repeatable: bool = False
    """Whether it may be given more than once."""
    is_path: bool = False
    """Whether its value may be a path, which in an ini file is relative to that file."""
    const: str | None = None
    """Its value if it is given without one; None if it must have one."""

    @property
    def flag(self) -> str:
        """``--crossmath-batch-size``."""
        return f"--crossmath-{self.name}"

    @property
    def ini(self) -> str:
        """``crossmath_batch_size``: its name in ini files, and where argparse puts the value."""
        return f"crossmath_{self.name.replace('-', '_')}"

    @property
    def ini_type(self) -> Literal["string", "bool", "linelist"]:
        """What pytest makes of the ini value."""
        if self.metavar is None:
            return "bool"
        return "linelist" if self.repeatable else "string"


MODEL = Option(
    "model", "[NAME=]SPEC", "model to evaluate: pocket (bundled), an alias such as llava, a"
    " checkpoint or LoRA directory, hf:ORG/NAME[@REVISION], openai:NAME@URL or"
    " replay:FILE.jsonl; `crossmath models` lists them all; repeatable (default: none; the plugin"
    " then does nothing)",
    repeatable=True, is_path=True)  # fmt: skip

OPTIONS = (
    MODEL,
    Option("suite", "SUITE", "mini, standard, a folder with problems.jsonl, a JSONL file (the"
           " published CrossMath layout too), or your copy of a dataset: mathverse:PATH, mmmu:PATH"
           " (default: standard; mini for pocket alone; the recorded suite for a replayed run)",
           is_path=True),
    Option("modality", "LIST", "modalities to ask: text,image,image+text (default: all that the"
           " suite has)"),
    Option("style", "LIST", "image styles, or all (default: the suite's first style for puzzles,"
           " every style for other tasks)"),
    Option("limit", "N", "only the first N problems (default: all)"),
    Option("samples", "K", "samples per problem and form (default: 1)"),
    Option("prompt", "FILE", "file with your own instruction (default: the built-in one)",
           is_path=True),
    Option("max-new-tokens", "N", "longest response in tokens (default: 2048; a server has its"
           " own)"),
    Option("temperature", "T", "sampling temperature from 0 to 10; 0 is greedy (default: 0)"),
    Option("batch-size", "N", "requests in a batch, or auto (default: auto)"),
    Option("dtype", "DTYPE", f"{', '.join(DTYPES)} (default: auto, which is float32 on a CPU)"),
    Option("device", "DEVICE", "auto, cpu, cuda, cuda:1, mps, or sharded: spread over all GPUs"
           " (default: auto)"),
    Option("attention", "NAME", f"{', '.join(ATTENTIONS)} (default: the model's own)"),
    Option("thinking", None, "turn on thinking, if the chat template supports it (default: off)"),
    Option("trust-remote-code", None, "run Python code from a checkpoint: read it first (default:"
           " off)"),
    Option("record", "FILE", "new file for the run record (default: one under .crossmath/runs)",
           is_path=True),
    *(
        Option(writer.name, "FILE", f"{writer.help} (default: not written)", is_path=True)
        for writer in WRITERS
    ),
    Option("timeout", "SECONDS", "how long a server may be silent; a response, with all retries,"
           " may take twice as long, whatever the server does (default: 600)"),
    Option("give-up", "N", "ask a model nothing more after N failed requests in a row, each after"
           " its retries; 0 never gives up (default: 10)"),
    Option("api-key-env", "NAME", "environment variable with a server's API key (default:"
           " OPENAI_API_KEY)"),
    Option("fail-under", "GATE", "gate: fail if less than this share is solved, such as image:50%"
           " or image/beige:50%; repeatable (default: none)", repeatable=True),
    Option("max-gap", "GATE", "gate: fail if the gap to text is larger than this, such as"
           " image:20%; repeatable (default: none)", repeatable=True),
    Option("compare", "RUN.jsonl", "record of an earlier run to compare with; RUN.jsonl#NAME picks"
           " one of its models (default: none)", is_path=True),
    Option("compare-fail", "GATE", "gate: fail if more than this was lost since that run, such as"
           " image:5%, or if the gap grew by more, such as gap:image:3%; repeatable (default:"
           " none)", repeatable=True),
    Option("inconclusive", "pass|fail", "whether a gate that cannot tell passes or fails (default:"
           " pass)"),
    Option("stop-early", "HOW", "stop running a model as soon as its gates are decided: exact, or"
           " sequential, in random order (default: off; exact without =HOW)", const="exact"),
    Option("diagnose", None, "have the model copy each picture that it missed: did it misread the"
           " picture, or read it right and reason wrong? (default: off)"),
    Option("cache", "MODE", "responses of earlier runs: on (use and save), off, or refresh (save"
           " only) (default: on)"),
    Option("strict", None, "treat a missed problem as a failure (default: off)"),
)  # fmt: skip
"""Every option, in the order of the help."""


SNAPSHOT_EXTENSION = "outcomes"
"""Extension of snapshot files."""


def add_options(parser: pytest.Parser) -> None:
    """Declare every option, on the command line and in ini files."""
    group = parser.getgroup("crossmath", "vision-language models (pytest-crossmath)")
    for option in OPTIONS:
        if option.metavar is None:
            group.addoption(
                option.flag, dest=option.ini, action="store_true", default=None, help=option.help
            )
        else:
            action = "append" if option.repeatable else "store"
            alone = {"nargs": "?", "const": option.const} if option.const else {}
            group.addoption(
                option.flag, dest=option.ini, action=action, metavar=option.metavar,
                help=option.help.replace("%", "%%"), **alone,
            )  # fmt: skip
        parser.addini(
            option.ini,
            f"same as {option.flag} on the command line",
            type=option.ini_type,
            default=None,
        )


def is_active(config: pytest.Config) -> bool:
    """Whether this plugin has anything to do: an option was given, or an ini file has a model."""
    if any(config.getoption(name, default=False) for name in _ONLY_TELLS):
        return False
    return bool(_first_given(config)) or bool(_value(config, MODEL))


def build_config(config: pytest.Config) -> RunConfig:
    """Read and check every option.

    Raises `CrossmathError` with one line for the first value that cannot be used.
    """
    from pytest_crossmath.gating.gates import check_gates
    from pytest_crossmath.models.backend import API_KEY_ENV, Settings
    from pytest_crossmath.models.circuit import GIVE_UP
    from pytest_crossmath.plugin.suite_options import (
        check_asked,
        chosen_modalities,
        chosen_styles,
        chosen_suite,
    )
    from pytest_crossmath.run.config import RunConfig
    from pytest_crossmath.tasks.request import load_instruction
    from pytest_crossmath.tasks.suite import check_pictures

    values = {option.name: _value(config, option) for option in OPTIONS}
    if not values["model"]:
        raise OptionError(f"{_first_given(config)} needs a model: add --crossmath-model=pocket")
    models = parse_models(values["model"])
    gates = parse_gates(values)
    baseline = parse_baseline(values["compare"], gates)
    suite = chosen_suite(values, models, config.rootpath)
    modalities = chosen_modalities(values["modality"], suite)
    styles = chosen_styles(values["style"], suite, modalities)
    if not config.option.collectonly:  # nothing is shown to a model
        check_pictures(suite, styles)
    check_gates(
        gates, modalities=modalities, styles=styles,
        forms=suite.forms_by_family(modalities, styles),
    )  # fmt: skip
    check_asked(suite, models, diagnose=bool(values["diagnose"]))
    prompt = values["prompt"]
    return RunConfig(
        models=models,
        suite=suite,
        is_cut=values["limit"] is not None,
        modalities=modalities,
        styles=styles,
        samples=parse_positive("samples", values["samples"]) or 1,
        instruction=load_instruction(Path(prompt)) if prompt else None,
        settings=Settings(
            max_new_tokens=parse_positive("max-new-tokens", values["max-new-tokens"]),
            temperature=parse_temperature(values["temperature"]),
            batch_size=parse_batch_size(values["batch-size"]),
            dtype=parse_choice("dtype", values["dtype"] or "auto", DTYPES),
            device=values["device"] or "auto",
            attention=parse_attention(values["attention"]),
            thinking=bool(values["thinking"]),
            timeout=parse_seconds("timeout", values["timeout"] or "600"),
            give_up=parse_count("give-up", values["give-up"], GIVE_UP),
            api_key_env=parse_variable("api-key-env", values["api-key-env"] or API_KEY_ENV),
            trust_remote_code=bool(values["trust-remote-code"]),
        ),
        inputs=(Path(prompt),) if prompt else (),
        record=Path(values["record"]) if values["record"] else None,
        files={w.name: Path(values[w.name]) for w in WRITERS if values[w.name]},
        cache=parse_choice("cache", values["cache"] or "on", CACHE_MODES),
        strict=bool(values["strict"]),
        diagnose=bool(values["diagnose"]),
        gates=gates,
        baseline=baseline,
        inconclusive=parse_choice("inconclusive", values["inconclusive"] or "pass", INCONCLUSIVE),
        stop_early=parse_stop_early(values["stop-early"], gates),
    )


def parse_models(texts: Sequence[str]) -> tuple[ModelSpec, ...]:
    """The models, checked as far as possible without loading them; their names must differ."""
    from pytest_crossmath.models.registry import check_spec, parse_spec

    specs = [parse_spec(text) for text in texts]
    for i, spec in enumerate(specs):
        if spec.name in (other.name for other in specs[:i]):
            raise OptionError(
                f"two models are called {spec.name!r}: rename one with --crossmath-model=NAME=SPEC"
            )
        check_spec(spec)
    return tuple(specs)


def parse_gates(values: Mapping[str, Any]) -> tuple[Gate, ...]:
    """The gates of every option that takes gates, without duplicates."""
    from pytest_crossmath.gating.gates import parse_gate
    from pytest_crossmath.gating.kinds import gate_options

    gates = (
        parse_gate(option, text) for option in gate_options() for text in values.get(option) or ()
    )
    return tuple(dict.fromkeys(gates))


def parse_baseline(text: str | None, gates: Sequence[Gate]) -> Baseline | None:
    """The run in ``RUN.jsonl`` or ``RUN.jsonl#MODEL``."""
    from pytest_crossmath.files import split_pick
    from pytest_crossmath.gating.gatekeeper import Baseline
    from pytest_crossmath.gating.gates import needs_baseline
    from pytest_crossmath.reporting.record import read_record

    if text is None:
        if needs_baseline(gates):
            raise OptionError(
                "--crossmath-compare-fail needs --crossmath-compare=RUN.jsonl, the record of"
                " the run to compare with"
            )
        return None
    file, model = split_pick(text)
    return Baseline(read_record(Path(file)), model or None, Path(file))


def parse_stop_early(text: str | None, gates: Sequence[Gate]) -> str | None:
    """The rule for stopping early; None for no rule."""
    if not text:
        return None
    if not gates:
        raise OptionError(
            "--crossmath-stop-early stops when the gates are decided: add a gate, such as"
            " --crossmath-fail-under=image:50%"
        )
    if text not in STOP_EARLY:
        raise OptionError(
            f"--crossmath-stop-early cannot be {text!r}: it takes {', '.join(STOP_EARLY)};"
            " if another argument follows, write --crossmath-stop-early=exact"
        )
    return text


def _first_given(config: pytest.Config) -> str | None:
    """The first of our flags on the command line."""
    given = (o.flag for o in OPTIONS if config.getoption(o.ini, default=None))
    return next(given, None)


def _value(config: pytest.Config, option: Option) -> Any:
    """The value of an option: None, a string, a list of strings if it is repeatable, or a bool."""
    value = config.getoption(option.ini, default=None)
    if value is not None:
        return value
    try:
        value = config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError):
        # In [tool.pytest], pytest 9 refuses a number, or a single text, for what it calls another
        # type: its fields are all texts, or lists of them, so that ini files can have them too.
        value = _from_toml(config.inipath, option)
        if value is None:
            raise
    if option.metavar is None or value is None:
        return value
    # A pyproject.toml may have lists and numbers where ini files have strings.
    if option.repeatable:
        return [_from_ini_file(config, option, str(text)) for text in value]
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return _from_ini_file(config, option, text)


def _from_toml(file: Path | None, option: Option) -> str | list[str] | None:
    """A number, a text, or a list of these, as pytest's own table has it; else None."""
    if file is None or file.suffix != ".toml":
        return None
    import tomllib  # here, since it is rarely needed at the start of every pytest

    content = tomllib.loads(file.read_text(encoding="utf-8"))
    table = content.get("tool", {}) if file.name == "pyproject.toml" else content
    value = table.get("pytest", {}).get(option.ini)
    given = value if isinstance(value, list) else [value]
    if option.metavar is None or any(
        isinstance(one, bool) or not isinstance(one, int | float | str) for one in given
    ):
        return None
    texts = [str(one) for one in given]
    return texts if isinstance(value, list) or option.repeatable else texts[0]


def _from_ini_file(config: pytest.Config, option: Option, text: str) -> str:
    """The value; a path in it is taken relative to the ini file."""
    if not option.is_path or config.inipath is None:
        return text
    from pytest_crossmath.models.registry import path_prefixes
    from pytest_crossmath.tasks.catalogue import DATASETS

    schemes = "|".join(map(re.escape, (*path_prefixes(), *DATASETS)))
    head, path = re.match(rf"((?:[\w.+-]+=)?(?:(?:{schemes}):)?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]  # matches anything
    there = config.inipath.parent / path
    is_file = option.name not in {"model", "suite"}
    return f"{head}{there}" if is_file or there.exists() else text
