"""Trying a request again: what may pass, how long to wait, and when to stop.

::

    body = await attempt(send, Patience(retries=6, seconds=1200))

A failure keeps the cause of its last try, with the number of tries.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

from pytest_crossmath.models.servers.reading import ReadingError

FIRST_WAIT = 0.5
"""Seconds before the second try; each further wait is twice as long as the one before."""
LONGEST_WAIT = 8.0
_LONGEST_WAIT_ASKED = 120.0
"""Longest wait that a server may ask for; a longer one is an error."""
_TRANSIENT = {408, 409, 429}
"""Statuses that may pass, besides those of a failing server."""
_LASTING = ("TooManyRedirects", "UnsupportedProtocol", "InvalidURL")
"""Class names of causes that trying again would not change."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try."""

    retries: int
    """Further tries after the first."""
    seconds: float
    """Time for all tries and the waits between them."""


class TriesError(Exception):
    """The last try failed: the cause is what the client raised, or `TimeoutError`."""

    def __init__(self, cause: Exception, before: Exception | None, tries: int) -> None:
        super().__init__(str(cause))
        self.cause = cause
        """Why the last try failed; `TimeoutError` if it was cut off by the time for all tries."""
        self.before = before
        """Why the try before it failed, if the last one was cut off."""
        self.tries = tries
        """Number of tries."""


async def attempt(
    send: Callable[[], Awaitable[bytes]],
    patience: Patience,
    *,
    stop: Callable[[], Exception | None] = lambda: None,
) -> bytes:
    """What `send` returns, tried again after failures that may pass.

    Raises `TriesError`, and before each try what `stop` returns, if anything.
    """
    end = time.monotonic() + patience.seconds
    before: Exception | None = None
    tries = 0
    while True:
        if (reason := stop()) is not None:
            raise reason
        tries += 1
        try:
            # The client's own timeout only limits silence: a server that sends a space now and
            # then would never reach it.
            async with asyncio.timeout(max(0.0, end - time.monotonic())):
                return await send()
        except TimeoutError as error:
            raise TriesError(error, before, tries) from None
        except (openai.OpenAIError, ReadingError) as error:
            wait = _wait(error, tries)
            if wait is None or tries > patience.retries or time.monotonic() + wait >= end:
                raise TriesError(error, None, tries) from None
            before = error
            await asyncio.sleep(wait)


def _wait(error: Exception, tries: int) -> float | None:
    """Seconds to wait before the next try; None if there should be none."""
    wait: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1)) * random.uniform(0.75, 1)
    if isinstance(error, openai.APIStatusError):
        if not _may_pass(error):
            return None
        asked = _wait_asked(error)
        if asked is None or not asked > 0:
            return wait
        return asked if asked <= _LONGEST_WAIT_ASKED else None
    if isinstance(error, openai.APIConnectionError):
        return None if type(error.__cause__).__name__ in _LASTING else wait
    return None  # what cannot be read


def _may_pass(error: openai.APIStatusError) -> bool:
    said = error.response.headers.get("x-should-retry")
    if said in {"true", "false"}:
        return bool(said == "true")
    return error.status_code in _TRANSIENT or error.status_code >= 500


def _wait_asked(error: openai.APIStatusError) -> float | None:
    """The seconds that a server says to wait: a number, or the date until when."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(ValueError, OverflowError):
            return float(headers.get(name, "")) * unit
    with suppress(ValueError, TypeError, OverflowError):
        until = parsedate_to_datetime(headers.get("retry-after", ""))
        return (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return None
