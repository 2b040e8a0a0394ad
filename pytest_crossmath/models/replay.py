"""Saved responses as a model, to be scored again without inference.

Two layouts are read: a run record of this package, and lines made elsewhere::

    {"id": "mini-0001", "modality": "image", "text": "… <answer>4, 9</answer>"}

with `style`, `sample` and `model` where they matter, and `transcript` instead of `text` for the
copy of a picture. ``replay:FILE.jsonl#NAME`` picks one model of a file that holds several.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import BackendError, ModelError, OptionError
from pytest_crossmath.fields import parse_fields, parse_json, require_counts, require_schema
from pytest_crossmath.files import require_regular_file, split_pick, where_it_was_sought
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.circuit import UnfitRequestError
from pytest_crossmath.models.lines import (
    CONFLICT,
    SCHEMA,
    Targets,
    check_models,
    check_outcome,
    check_request,
    check_steps,
    read_lines,
)
from pytest_crossmath.models.scheme import Scheme
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.tasks.request import Request, RequestId
from pytest_crossmath.tasks.score import Finish, Outcome
from pytest_crossmath.tasks.suite import Suite, bundled_suites
from pytest_crossmath.tasks.task import Form, Modality
from pytest_crossmath.text import excerpt

_FINISH = {Outcome.TRUNCATED: Finish.LENGTH, Outcome.REFUSED: Finish.REFUSED}


@dataclass(frozen=True, slots=True)
class SavedResponse:
    """One line of a file of responses."""

    model: str | None
    """Name of the model; None if the file does not name one."""
    id: RequestId
    """The request. Its form has a style if it has a picture and the file names the style."""
    response: Response
    """The response."""
    key: tuple[str, ...] | None = None
    """The right values when it was scored; None if the file does not say."""
    family: str | None = None
    """Family of the problem; None if the file does not say."""


@dataclass(frozen=True)
class ReplayBackend:
    """Saved responses, by request."""

    file: Path
    """The file that they come from."""
    responses: Mapping[RequestId, Response]
    """The saved responses."""
    reads_images: bool = True
    """Always true: any saved response can be replayed."""

    @classmethod
    def open(cls, target: str) -> ReplayBackend:
        """Read ``FILE`` or ``FILE#MODEL``.

        Raises `ModelError` with file and line for a line that cannot be
        understood, and when the file holds several models and none is picked.
        """
        name, wanted = split_pick(target)
        file = Path(name)
        found = _by_model(file, *_stamp(file))
        if wanted and wanted not in found:
            raise ModelError(f"{file} holds no responses of {wanted!r}{_only(found, file)}")
        if not wanted and len(found) > 1:
            if None in found:
                raise ModelError(
                    f"{file} holds responses of {_names(found)}, and others without a model: give"
                    " each line the field 'model'"
                )
            raise ModelError(
                f"{file} holds responses of {_names(found)}: pick one with replay:{file}#NAME"
            )
        responses = found[wanted] if wanted else next(iter(found.values()), {})
        if not responses:
            raise ModelError(f"{file} holds no responses")
        return cls(file, responses)

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:  # noqa: ARG002 - always the same
        """One: larger batches gain nothing."""
        return 1

    def generate(
        self,
        requests: Sequence[Request],
        settings: Settings,  # noqa: ARG002 - nothing is generated
        *,
        batch_size: int,  # noqa: ARG002 - nothing is computed
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """The saved responses; an error for a request that has none."""
        for index, request in enumerate(requests):
            asked = request.id
            saved = self.responses.get(asked) or self.responses.get(
                replace(asked, form=asked.form.pooled)
            )
            if saved is None:
                yield index, UnfitRequestError(f"{self.file} has no response for {asked}")
            else:
                yield index, saved


class ReplayScheme(Scheme):
    """A file of responses, or those of one model in it."""

    kinds = ("replay",)
    prefix = "replay"
    usage = "replay:FILE.jsonl[#NAME]"
    takes_path = True

    def parse(self, target: str) -> ModelSpec:
        """The file, which must exist. Raises `ModelError`."""
        file, _ = split_pick(target)
        if not os.path.isfile(file):
            sought = where_it_was_sought(file, folders=False)
            raise ModelError(f"replay:{file}: there is no such file ({sought})")
        return ModelSpec(Path(file).stem, "replay", target)

    def check(self, spec: ModelSpec) -> None:
        """Read the file. Raises `ModelError` if anything is wrong with it."""
        ReplayBackend.open(spec.target)

    def check_suite(self, spec: ModelSpec, suite: Suite) -> None:
        """Raise `OptionError` for responses to another suite whose problems have the same ids."""
        name, wanted = split_pick(spec.target)
        file = Path(name)
        mine = (one for one in _saved(file, *_stamp(file)) if not wanted or one.model == wanted)
        try:
            check_targets(mine, suite)
        except ValueError as error:
            raise OptionError(f"{name}: {error}") from None

    def default_suite(self, spec: ModelSpec) -> str | None:
        """The suite that a run record was made on, if it is a bundled one."""
        file, _ = split_pick(spec.target)
        try:
            require_regular_file(Path(file))
            with Path(file).open(encoding="utf-8-sig") as stream:
                name = parse_json(stream.readline())["suite"]["name"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return name if isinstance(name, str) and name in bundled_suites() else None

    def load(self, spec: ModelSpec, settings: Settings) -> ReplayBackend:  # noqa: ARG002 - nothing is generated
        """The responses of one model in the file. Raises `ModelError`."""
        return ReplayBackend.open(spec.target)


SCHEME = ReplayScheme()


def read_responses(file: Path) -> Iterator[SavedResponse]:
    """The responses in a file, in its order; errors in a run record are left out.

    Raises `ModelError` with file and line.
    """
    reading = _Reading()
    for number, line, may_be_cut in _lines(file):
        try:
            if (saved := reading.take(parse_fields(dict[str, Any], parse_json(line)))) is not None:
                yield saved
        except ValueError as error:
            if may_be_cut and isinstance(error, json.JSONDecodeError):
                # Cut off, by a full disk or while copying: the complete lines are used.
                return
            raise ModelError(f"{file}:{number}: not a response line: {error}") from None


def _lines(file: Path) -> Iterator[tuple[int, str, bool]]:
    try:
        yield from read_lines(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from None


def check_targets(responses: Iterable[SavedResponse], suite: Suite) -> None:
    """Raise `ValueError` for the first response to a problem that the suite has with another key.

    Only a run record has the keys; a problem that the suite lacks is not looked at.
    """
    tasks = {task.id: task for task in suite.tasks}
    for one in responses:
        task = tasks.get(one.id.task)
        if task is None:
            continue
        if one.family is not None and one.family != task.family:
            raise ValueError(
                f"the problem {task.id} is of the family {one.family}, and in suite {suite.name} of"
                f" {task.family}: name the suite that was run"
            )
        if one.key is not None and one.key != task.target:
            raise ValueError(
                f"the problem {task.id} has the key {excerpt(list(one.key))}, and in suite"
                f" {suite.name} {excerpt(list(task.target))}: name the suite that was run"
            )


class _Reading:
    """The lines of a file read so far. Run records are refused as `reporting.record` does."""

    def __init__(self) -> None:
        self._header: Mapping[str, Any] | None = None
        self._targets = Targets()
        self._seen: dict[tuple[str | None, RequestId], int] = {}
        self._is_first = True
        self._is_over = False

    def take(self, record: Mapping[str, Any]) -> SavedResponse | None:
        """The response on a line, if it has a new one. Raises `ValueError`."""
        kind, is_first = record.get("type", "result"), self._is_first
        self._is_first = False
        if kind == "run":
            if not is_first:
                raise ValueError("another run begins here: keep each record in a file of its own")
            require_schema(record.get("schema"), SCHEMA)
            self._header = record
        if kind == "summary" and self._header is not None:
            if self._is_over:
                raise ValueError("a record has only one summary, its last line")
            self._is_over = True
        if kind not in {"result", "transcript"}:
            return None
        line = _line(record)
        if "response" in record:
            self._check(line)
            if line.outcome is Outcome.ERROR:
                return None
        saved = _saved_response(line, transcribes=_transcribes(record))
        if "response" in record:
            said = hash((saved.response, line.outcome, line.answer, line.right, line.cached))
            known = self._seen.setdefault((saved.model, saved.id), said)
            if known != said:
                raise ValueError(CONFLICT)
        return saved

    def _check(self, line: _Line) -> None:
        """Raise `ValueError` for a line of a run record that contradicts itself or another."""
        check_request(line.id, line.modality, line.style, line.model)
        if self._header is not None:
            check_models(self._header, line.model)
        if line.key is None or line.right is None or line.steps is None or line.outcome is None:
            return
        if not len(line.key) == len(line.right) == len(line.steps) > 0:
            raise ValueError("the fields 'key', 'right' and 'steps' do not have the same length")
        check_outcome(line.outcome, line.answer, line.key, line.right, line.family)
        check_steps(line.steps)
        self._targets.check(line.id, line.key, line.steps, line.family)


# Checking a file and loading it both read it, and it may have gigabytes: read it only once.
@lru_cache(maxsize=4)
def _saved(file: Path, *_: int) -> tuple[SavedResponse, ...]:
    return tuple(read_responses(file))


@lru_cache(maxsize=4)
def _by_model(file: Path, *stamp: int) -> Mapping[str | None, Mapping[RequestId, Response]]:
    found: dict[str | None, dict[RequestId, Response]] = {}
    for saved in _saved(file, *stamp):
        known = found.setdefault(saved.model, {}).setdefault(saved.id, saved.response)
        if (known.text, known.finish) != (saved.response.text, saved.response.finish):
            raise ModelError(
                f"{file} has two responses to {saved.id}: remove one, or number samples with the"
                " field 'sample'"
            )
    return found


def _stamp(file: Path) -> tuple[int, ...]:
    """Values that change if the file's content does."""
    try:
        state = file.stat()
    except OSError:
        return ()
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of either layout; run records call `id` `problem`, and `text` `response`."""

    id: str
    modality: Modality
    text: str
    model: str | None = None
    style: str | None = None
    sample: int = 0
    outcome: Outcome | None = None
    new_tokens: float = 0
    seconds: float = 0.0
    answered_by: str | None = None
    answer: tuple[str, ...] | None = None
    key: tuple[str, ...] | None = None
    right: tuple[bool, ...] | None = None
    steps: tuple[int, ...] | None = None
    family: str | None = None
    cached: bool = False


_OF_RECORDS = ("outcome", "answer", "key", "right", "steps", "family", "cached")
"""Fields that mean this only in a run record."""


def _transcribes(record: Mapping[str, Any]) -> bool:
    return "transcript" in record or record.get("type") == "transcript"


def _line(record: Mapping[str, Any]) -> _Line:
    """The fields of a line in either layout. Raises `ValueError`."""
    fields = dict(record)
    if "response" in record:
        if "problem" not in record:
            raise ValueError("the field 'problem' is missing")
        fields |= {"id": record["problem"], "text": record["response"]}
    else:
        for name in _OF_RECORDS:
            fields.pop(name, None)
        if "transcript" in record:
            fields |= {"text": record["transcript"]}
    line = parse_fields(_Line, fields)
    require_counts(line.sample, line.new_tokens, line.seconds)
    if line.outcome is Outcome.PENDING:
        raise ValueError("the field 'outcome': a pending request has no result")
    return line


def _saved_response(line: _Line, *, transcribes: bool) -> SavedResponse:
    finish = _FINISH.get(line.outcome, Finish.STOP) if line.outcome else Finish.STOP
    response = Response(line.text, finish, int(line.new_tokens), line.seconds, line.answered_by)
    form = Form(line.modality, line.style if line.modality.shows_image else None)
    return SavedResponse(
        line.model, RequestId(line.id, form, line.sample, transcribes), response,
        line.key, line.family,
    )  # fmt: skip


def _names(found: Mapping[str | None, object]) -> str:
    return ", ".join(sorted(name for name in found if name is not None))


def _only(found: Mapping[str | None, object], file: Path) -> str:
    """What a file has instead of the model that was picked."""
    if not _names(found):
        return f": its lines do not name a model, so write replay:{file}"
    return f", only of {_names(found)}"
