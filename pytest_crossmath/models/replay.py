"""Saved responses as a model, to be scored again without inference.

Two layouts are read: a run record of this package, and lines made elsewhere::

    {"id": "mini-0001", "modality": "image", "text": "… <answer>4, 9</answer>"}

with `style`, `sample` and `model` where they matter, and `transcript` instead of `text` for the
copy of a picture. ``replay:FILE.jsonl#NAME`` picks one model of a file that holds several.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.fields import parse_fields, require_counts
from pytest_crossmath.files import split_pick, where_it_was_sought
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.scheme import Scheme
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.tasks.request import Request, RequestId
from pytest_crossmath.tasks.score import Finish, Outcome
from pytest_crossmath.tasks.suite import bundled_suites
from pytest_crossmath.tasks.task import Form, Modality

_FINISH = {Outcome.TRUNCATED: Finish.LENGTH, Outcome.REFUSED: Finish.REFUSED}

_NOT_A_LINE = (
    ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SavedResponse:
    """One line of a file of responses."""

    model: str | None
    """Name of the model; None if the file does not name one."""
    id: RequestId
    """The request. Its form has a style if it has a picture and the file names the style."""
    response: Response
    """The response."""


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
            raise ModelError(f"{file} holds no responses of {wanted!r}, only of {_names(found)}")
        if not wanted and len(found) > 1:
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
                yield index, BackendError(f"{self.file} has no response for {asked}")
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

    def default_suite(self, spec: ModelSpec) -> str | None:
        """The suite that a run record was made on, if it is a bundled one."""
        file, _ = split_pick(spec.target)
        try:
            with Path(file).open(encoding="utf-8-sig") as stream:
                name = json.loads(stream.readline())["suite"]["name"]
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
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = parse_fields(dict[str, Any], json.loads(line))
            kind = record.get("type", "result")
            if kind in {"result", "transcript"} and record.get("outcome") != Outcome.ERROR:
                yield _parse(record)
        except _NOT_A_LINE as error:
            if number == len(lines) and isinstance(error, json.JSONDecodeError):
                # Cut off, by a full disk or while copying: the complete lines are used.
                return
            detail = f"the field {error} is missing" if isinstance(error, KeyError) else error
            raise ModelError(f"{file}:{number}: not a response line: {detail}") from None


# Checking a file and loading it both read it, and it may have gigabytes: read it only once.
@lru_cache(maxsize=4)
def _by_model(file: Path, *_: int) -> Mapping[str | None, Mapping[RequestId, Response]]:
    found: dict[str | None, dict[RequestId, Response]] = {}
    for saved in read_responses(file):
        found.setdefault(saved.model, {})[saved.id] = saved.response
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


def _parse(record: Mapping[str, Any]) -> SavedResponse:
    transcribes = "transcript" in record or record.get("type") == "transcript"
    fields = dict(record)
    if "response" in record:
        fields |= {"id": record["problem"], "text": record["response"]}
    else:
        # Only in a run record is this field the outcome of the response.
        fields |= {"outcome": None}
        if transcribes:
            fields |= {"text": record["transcript"]}
    line = parse_fields(_Line, fields)
    require_counts(line.sample, line.new_tokens, line.seconds)
    finish = _FINISH.get(line.outcome, Finish.STOP) if line.outcome else Finish.STOP
    response = Response(line.text, finish, int(line.new_tokens), line.seconds)
    form = Form(line.modality, line.style if line.modality.shows_image else None)
    return SavedResponse(line.model, RequestId(line.id, form, line.sample, transcribes), response)


def _names(found: Mapping[str | None, object]) -> str:
    return ", ".join(sorted(str(name) for name in found))
