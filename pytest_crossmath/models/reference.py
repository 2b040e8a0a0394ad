"""The calibrator: a model that is always right if the suite is sound.

Given text, it parses the data and solves them. Given an image, it reads the pixels and
solves what it read, without using the text. Given both, it does both, and answers only
if they agree. It must solve everything in every form, so any gap that it shows is a
defect of the suite::

    pytest --crossmath-model=reference
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from pytest_crossmath.errors import BackendError, CrossmathError, OptionError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.scheme import Scheme
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.tasks.answers import marked
from pytest_crossmath.tasks.family import guarded
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.provable import ProvableFamily, provable
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.suite import Suite

REFERENCE = "reference"
"""Name of the calibrator, and its kind."""


class ReferenceBackend:
    """The solver and the reader, as a backend."""

    reads_images = True

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:  # noqa: ARG002 - always the same
        """One: batches gain nothing."""
        return 1

    def generate(
        self,
        requests: Sequence[Request],
        settings: Settings,  # noqa: ARG002 - nothing is generated
        *,
        batch_size: int,  # noqa: ARG002 - one after the other
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """Solve each request from what its prompt shows, and from nothing else."""
        for index, request in enumerate(requests):
            started = time.perf_counter()
            try:
                with guarded(_family(request), f"read or solve {request.task.id}"):
                    text = _transcribe(request) if request.transcribes else _respond(request)
            except CrossmathError as error:
                yield index, BackendError(str(error))
            else:
                yield index, Response(text, Finish.STOP, 0, time.perf_counter() - started)


class ReferenceScheme(Scheme):
    """The calibrator, known by its name."""

    kinds = (REFERENCE,)
    prefix = ""
    usage = ""
    names: ClassVar[Mapping[str, str]] = {
        REFERENCE: "the exact solver, with a reader for pictures: always right"
    }

    def named(self, text: str) -> ModelSpec | None:
        """The calibrator, if this is its name."""
        return ModelSpec(REFERENCE, REFERENCE, REFERENCE) if text == REFERENCE else None

    def check_suite(self, spec: ModelSpec, suite: Suite) -> None:
        """Raise `OptionError` for tasks that cannot be proved, which it cannot solve."""
        if not suite.can_be_proved:
            raise OptionError(
                f"model {spec.name} solves only tasks that can be proved, and suite {suite.name}"
                f" holds {suite.plural}: use a different model"
            )

    def load(self, spec: ModelSpec, settings: Settings) -> ReferenceBackend:  # noqa: ARG002 - nothing is generated
        """The solver and the reader."""
        return ReferenceBackend()


SCHEME = ReferenceScheme()


def _respond(request: Request) -> str:
    family, contents = _family(request), list(_contents(request))
    if not contents:
        return "There is nothing to solve."
    first, *others = contents
    if any(other != first for other in others):
        return "The text and the picture do not show the same."
    found = family.solve(first, request.task.question) if first is not None else None
    return marked(found.values) if found else "I cannot read or solve this."


def _transcribe(request: Request) -> str:
    family = _family(request)
    seen = [_read(family, picture) for picture in request.pictures]
    copied = seen and seen[0] is not None
    return family.as_text(seen[0]) if copied else "I cannot read this picture."


def _contents(request: Request) -> Iterator[Any]:
    """The content of each part of a prompt; None for a part that cannot be read."""
    family = _family(request)
    for picture in request.pictures:
        yield _read(family, picture)
    if request.form.modality.shows_text:
        try:
            # The data are the last paragraph.
            yield family.from_text(request.text.rstrip().rpartition("\n\n")[2])
        except (CrossmathError, ValueError):
            yield None


def _family(request: Request) -> ProvableFamily:
    return provable(request.task.family, "the reference model")


def _read(family: ProvableFamily, picture: Picture) -> Any:
    return _read_once(family, picture, picture.digest)


# Each picture is used twice, as image and as image+text. Its file may change in between.
@lru_cache(maxsize=4096)
def _read_once(family: ProvableFamily, picture: Picture, _: str) -> Any:
    return family.read(picture.rgb()).certain
