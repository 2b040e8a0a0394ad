"""The interface between the package and whatever runs a model.

A backend answers requests. A minimal working example::

    class Parrot:
        reads_images = True

        def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:
            return 1

        def generate(
            self, requests: Sequence[Request], settings: Settings, *, batch_size: int
        ) -> Iterator[tuple[int, Response | BackendError]]:
            for index in range(len(requests)):
                yield index, Response("<answer>1</answer>", Finish.STOP, new_tokens=3, seconds=0.0)

`models/scheme.py` continues the example: how such a model is named on the command line.
It yields each `Response` with the index of its request as soon as it is available, in
any order, so that finished responses are saved even if a later one fails. It must not
hide a failure in a response: an empty text is a response from the model, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_crossmath.errors import BackendError
from pytest_crossmath.models.circuit import GIVE_UP
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Finish

SHARDED = "sharded"
"""The device setting of a model that is spread over all GPUs."""


API_KEY_ENV = "OPENAI_API_KEY"
"""Default name of the environment variable that holds a server's API key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Generation settings, and the device to run on."""

    max_new_tokens: int | None = None
    """Maximum number of new tokens in a response; None for the backend's default."""
    temperature: float = 0.0
    """Softmax temperature for sampling; 0 for greedy decoding."""
    batch_size: int | None = None
    """Requests per batch; None lets the backend choose."""
    dtype: str = "auto"
    """``auto``, ``float32``, ``bfloat16`` or ``float16``."""
    device: str = "auto"
    """``auto``, a torch device (``cpu``, ``cuda``, ``cuda:1``, ``mps``), or ``sharded``: layer
    by layer over all GPUs, for a model that is too big for one."""
    attention: str | None = None
    """Name of the attention implementation in transformers (``sdpa``, ``eager``,
    ``flash_attention_2``); None for the model's default."""
    thinking: bool = False
    """Whether to enable thinking in chat templates that support it."""
    trust_remote_code: bool = False
    """Whether to run Python code that comes with a checkpoint."""
    timeout: float = 600.0
    """Seconds to wait for a server's response to one request."""
    api_key_env: str = API_KEY_ENV
    """Name of the environment variable that holds a server's API key."""
    give_up: int = GIVE_UP
    """Failures in a row, each after its tries, after which nothing more is asked; 0 for never."""


@dataclass(frozen=True, slots=True)
class Response:
    """A model's response to one request."""

    text: str
    """The text, without special tokens."""
    finish: Finish
    """Why it ended."""
    new_tokens: int
    """Number of generated tokens; 0 if the backend cannot know."""
    seconds: float
    """The request's share of the time its batch took."""
    answered_by: str | None = None
    """The model that a server says has answered; None if it does not say, or is not a server."""


class OutOfMemoryError(BackendError):
    """Out of memory: the same requests may work in smaller batches."""


class Backend(Protocol):
    """A loaded model."""

    @property
    def reads_images(self) -> bool:
        """Whether the model takes pictures."""

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:
        """How many of these requests to run at once when the user does not set a batch size.

        Called once. Raises `BackendError` like `generate`.
        """

    def generate(
        self, requests: Sequence[Request], settings: Settings, *, batch_size: int
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """Yield each request's index with its response, running at most `batch_size` at once.

        An error yielded in place of a response means that this request failed for good;
        the remaining requests continue. After too many failures in a row the iterator is closed,
        see `models/circuit.py`. Raises `BackendError` when it cannot tell which request failed,
        and its subclass `OutOfMemoryError` when a smaller batch might work.
        """
