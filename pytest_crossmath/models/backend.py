"""The interface between the package and whatever runs a model.

A backend answers requests. The smallest one that works::

    class Parrot:
        reads_images = True

        def suggest_batch_size(self, requests, settings):
            return 1

        def generate(self, requests, settings, *, batch_size):
            for index, request in enumerate(requests):
                yield index, Response("<answer>1</answer>", Finish.STOP, new_tokens=3, seconds=0.0)

It yields each `Response` with the index of its request the moment it is there, in
any order, so that what is done is saved whatever comes after. It must not hide
trouble in a response: an empty text is a model's answer, not a place for an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_crossmath.errors import BackendError
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Finish

SHARDED = "sharded"
"""The device of a model that is spread over all GPUs."""


API_KEY_ENV = "OPENAI_API_KEY"
"""Environment variable with the API key of a server, unless another is named."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to generate, and where."""

    max_new_tokens: int | None = None
    """Most new tokens in a response; None takes the backend's own default."""
    temperature: float = 0.0
    """0 is greedy decoding; else the softmax temperature of sampling."""
    batch_size: int | None = None
    """Requests in a batch; None lets the backend choose."""
    dtype: str = "auto"
    """``auto``, ``float32``, ``bfloat16`` or ``float16``."""
    device: str = "auto"
    """``auto``, what torch calls it (``cpu``, ``cuda``, ``cuda:1``, ``mps``), or ``sharded``:
    layer by layer over all GPUs, for a model that is too big for one."""
    attention: str | None = None
    """What transformers calls the attention implementation (``sdpa``, ``eager``,
    ``flash_attention_2``); None for the model's default."""
    thinking: bool = False
    """Whether chat templates that can are asked to open a thinking block."""
    trust_remote_code: bool = False
    """Whether Python files that a checkpoint brings are run."""
    timeout: float = 600.0
    """Seconds to wait for a server's response to one request."""
    api_key_env: str = API_KEY_ENV
    """Name of the environment variable that holds a server's API key."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a model said to one request."""

    text: str
    """The response, special tokens removed."""
    finish: Finish
    """Why it ended."""
    new_tokens: int
    """Number of generated tokens; 0 where a backend cannot know."""
    seconds: float
    """The request's share of the time its batch took."""


class OutOfMemoryError(BackendError):
    """Memory ran out: the same requests may work in smaller batches."""


class Backend(Protocol):
    """A loaded model."""

    @property
    def reads_images(self) -> bool:
        """Whether the model takes pictures."""

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:
        """How many of these requests to work on at once, where the user names no number.

        Asked once. Raises `BackendError` like `generate`.
        """

    def generate(
        self, requests: Sequence[Request], settings: Settings, *, batch_size: int
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """Each request's index with its response, at most `batch_size` being worked on at once.

        An error in place of a response says that this request failed for good, and
        the others go on. Raises `BackendError` when it cannot tell whose fault it
        was, and its subclass `OutOfMemoryError` when fewer at once might work.
        """
