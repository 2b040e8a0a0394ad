"""What the CI action asks this package: the baseline's key, which record has it, how a run ended.

::

    python -m pytest_crossmath.plugin.action key [SALT] -- --crossmath-model=base=./base …
    python -m pytest_crossmath.plugin.action check RECORD STATUS -- --crossmath-model=base=./base …
    python -m pytest_crossmath.plugin.action word STATUS RECORD JUNIT

The arguments after ``--`` are those of pytest. They are read as pytest reads them, together with
its ini file, but nothing is collected and no model is loaded.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import pytest_crossmath
from pytest_crossmath.errors import CrossmathError, OptionError
from pytest_crossmath.files import FOLDER, split_pick
from pytest_crossmath.gating.gate import Word
from pytest_crossmath.inference.run import Run
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.registry import identify, weights_digest
from pytest_crossmath.models.spec import HUB, ModelSpec
from pytest_crossmath.plugin.options import build_config
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.run.config import RunConfig
from pytest_crossmath.run.header import planned_header
from pytest_crossmath.run.plan import Plan
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.text import log_line

_LIBRARIES = (
    "pytest-crossmath", "accelerate", "openai", "peft", "pillow", "tokenizers", "torch",
    "torchvision", "transformers",
)  # fmt: skip
"""Packages that produce prompts, pixels, tokens or logits."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_USAGE = 4
"""pytest's exit status for a mistake in the request."""


def key_of(run: RunConfig, arguments: Sequence[str], salt: str = "") -> str:
    """32 hexadecimal digits that differ for any two runs whose responses could differ.

    Everything is hashed by content: the suite with its pictures, the instruction, the files of
    the models. `salt` identifies what cannot be seen from here, such as a server's weights.
    """
    digests = Digests(Path(FOLDER))
    facts = {
        "run": planned_header(run),
        "models": [[*_place(spec), content_of(spec, run, digests)] for spec in run.models],
        "python": platform.python_version(),
        "versions": dict(_versions()),
        "package": _source_digest(),
        "arguments": list(arguments),
        "salt": salt,
    }
    digests.save()
    whole = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def content_of(spec: ModelSpec, run: RunConfig, digests: Digests) -> str | None:
    """What the name of a model stands for today; None if that cannot be seen from here.

    A digest of its files, the commit of a branch on the Hub, or what a server says that it serves.
    """
    if spec.kind == HUB:
        return _commit(spec)
    known = identify(spec, run.settings, digests, loaded=False)
    place = Path(split_pick(spec.target)[0])
    if known is None and place.is_file():
        return digests.of(place)
    if known is None and place.is_dir():
        # An adapter whose base is not on this machine: at least its own files.
        files = sorted(file for file in place.rglob("*") if file.is_file())
        return json.dumps({str(file.relative_to(place)): digests.of(file) for file in files})
    return known


def doubts(record: Run, run: RunConfig) -> Iterator[str]:
    """Why a record is not a whole one of this configuration; nothing if it is."""
    header = record.header
    # The record has been through JSON.
    for name, value in json.loads(json.dumps(planned_header(run))).items():
        if header.get(name) != value:
            yield f"it is of another run: its {name} differs"
    if header.get("python") != platform.python_version():
        yield "it was made with another version of Python"
    made_with = header.get("versions", {})
    for library, number in _versions():
        if made_with.get(library, number) != number:
            yield f"it was made with {library} {made_with[library]}, not {number}"
    models = header.get("models", {})
    if list(models) != [spec.name for spec in run.models]:
        yield f"it is of other models: {', '.join(map(str, models)) or 'none'}"
    else:
        for spec in run.models:
            yield from _other_model(models[spec.name], spec)
    yield from _gaps(record)


def _other_model(said: Mapping[str, object], spec: ModelSpec) -> Iterator[str]:
    if [said.get(field) for field in ("kind", "target", "revision")] != _place(spec)[1:]:
        yield f"it is of another model called {spec.name}"
    digest = weights_digest(spec, Digests(Path(FOLDER)))
    if digest and said.get("digest") and digest != said["digest"]:
        yield f"the weights of {spec.name} have changed since"


def _gaps(record: Run) -> Iterator[str]:
    """What a record lacks to be a whole one, as far as it says so itself."""
    if record.summary is None:
        yield "the run was interrupted: it has no last line"
    elif record.summary.get("stopped_early"):
        yield "the run was stopped early"
    if not record.results:
        yield "it has no responses"
    errors = [result for result in record.results if result.outcome is Outcome.ERROR]
    if errors:
        yield f"{len(errors)} responses are errors (first: {errors[0].response:.200})"


def missing(record: Run, run: RunConfig) -> int:
    """How many responses of the plan the record does not have."""
    plan = Plan.of(run)
    found = {result.id[1] for result in record.results}
    planned = {plan.request(task, form).id for _, task, form in plan.entries()}
    return len(planned - found)


def word(status: int, record: Path, junit: Path) -> str:
    """How a judged run ended: ``passed``, ``failed``, ``cannot-tell`` or ``not-measured``."""
    if status not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        return "not-measured"
    try:
        gates = (read_record(record).summary or {}).get("gates", [])
    except CrossmathError:
        gates = []
    words = {gate.get("word") for gate in gates}
    unsure = Word.INCONCLUSIVE in words and Word.FAIL not in words
    if status == pytest.ExitCode.OK:
        return "cannot-tell" if unsure else "passed"
    # With `inconclusive: fail`, a gate that cannot tell may be the only reason for status 1.
    return "cannot-tell" if unsure and not _failed(junit) else "failed"


def _failed(junit: Path) -> int:
    """The tests that failed, as the JUnit file counts them; 1 if it cannot be read."""
    try:
        suites = ET.parse(junit).iter("testsuite")  # noqa: S314 - pytest wrote it just now
        return sum(int(s.get(count, 0)) for s in suites for count in ("failures", "errors"))
    except (OSError, ValueError, ET.ParseError):
        return 1


class _Reader:
    """A pytest plugin that reads the options and does nothing else."""

    run: RunConfig | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """In place of a test run."""
        try:
            self.run = build_config(config)
        except CrossmathError as error:
            print(log_line(f"crossmath: {error}"), file=sys.stderr)
            return _USAGE
        return 0


def configured(arguments: Sequence[str]) -> RunConfig:
    """The configuration that pytest makes of its arguments. Exits with 4 for a mistake in them."""
    reader = _Reader()
    with redirect_stdout(sys.stderr):
        status = pytest.main([*arguments], plugins=[reader])
    if reader.run is None:
        raise SystemExit(int(status) or _USAGE)
    return reader.run


def _place(spec: ModelSpec) -> list[str | None]:
    return [spec.name, spec.kind, spec.target, spec.revision]


def _commit(spec: ModelSpec) -> str | None:
    """The commit that a revision on the Hub stands for; None if the Hub cannot be asked."""
    if spec.revision and _COMMIT.fullmatch(spec.revision):
        return spec.revision
    try:
        from huggingface_hub import HfApi

        return HfApi().model_info(spec.target, revision=spec.revision, timeout=20).sha
    except Exception as error:  # noqa: BLE001 - offline, not allowed, not installed: all the same
        print(
            f"::warning title=crossmath::It is not known which commit of {spec.target} the"
            f" baseline is ({type(error).__name__}): name one, hf:ORG/NAME@COMMIT",
            file=sys.stderr,
        )
        return None


def _versions() -> Iterator[tuple[str, str]]:
    for library in _LIBRARIES:
        try:
            yield library, version(library)
        except PackageNotFoundError:
            continue


def _source_digest() -> str:
    """A digest of this package's code, whose version says little between two releases."""
    folder = Path(pytest_crossmath.__file__).parent
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        total.update(f"{file.relative_to(folder).as_posix()}\0".encode())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _check(file: Path, status: int, run: RunConfig) -> str | None:
    try:
        record = read_record(file)
    except CrossmathError as error:
        return str(error)
    if reason := next(doubts(record, run), None):
        return reason
    # Without a failure, fewer responses than planned are what the arguments ask for (-k).
    if status and (count := missing(record, run)):
        return f"{count} responses are missing"
    return None


def main(words: Sequence[str]) -> int:
    """Do what the words say; see the module's docstring."""
    ours, _, rest = "\0".join(words).partition("\0--\0")
    command, *given = ours.split("\0")
    arguments = rest.split("\0")
    try:
        if command == "word":
            print(word(int(given[0]), Path(given[1]), Path(given[2])))
            return 0
        run = configured(arguments)
        if command == "key":
            print(key_of(run, arguments, *given))
            return 0
        if command != "check":
            raise OptionError(f"{command!r} is not key, check or word")
        reason = _check(Path(given[0]), int(given[1]), run)
    except CrossmathError as error:
        print(log_line(f"crossmath: {error}"), file=sys.stderr)
        return _USAGE
    if reason is not None:
        print(log_line(f"{given[0]} is not used: {reason}"), file=sys.stderr)
    return reason is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
