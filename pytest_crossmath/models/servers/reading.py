"""Reading what a server sends, up to a size: no response is too long, or unpacks to too much.

::

    client = openai.AsyncOpenAI(http_client=bounded_client(COMPLETION_BYTES), …)

The limit holds for every body, those of errors and redirects too, as sent and as unpacked. The
client itself reads a body without end until the memory is full.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai

from pytest_crossmath.errors import BackendError

COMPLETION_BYTES = 16 * 2**20
"""Longest response to a request: the longest texts of models have a few hundred kilobytes."""
LISTING_BYTES = 4 * 2**20
"""Longest list of models: a hosted router's has one megabyte."""
_CONNECTIONS = 1000
_GZIP_OR_ZLIB = 47
"""Of zlib: the largest window, with either header."""


class ReadingError(BackendError):
    """What a server sends cannot be read, and trying again would not help."""


def bounded_client(longest: int) -> httpx2.AsyncClient:
    """An HTTP client that reads at most `longest` bytes of a response, else `ReadingError`."""

    async def bound(response: httpx2.Response) -> None:
        encoding = response.headers.pop("content-encoding", "").strip().lower()
        response.stream = _Bounded(response.stream, encoding, longest)

    return openai.DefaultAsyncHttpxClient(
        event_hooks={"response": [bound]},
        # A packed body saves nothing here, and may unpack to a thousand times its size.
        headers={"accept-encoding": "identity"},
        # A connection is used once: what a server sends beyond a response would be taken for the
        # response to the next request.
        limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=0),
    )


class _Bounded(httpx2.AsyncByteStream):
    """The unpacked bytes of a stream."""

    def __init__(self, stream: Any, encoding: str, longest: int) -> None:
        self._stream, self._encoding, self._longest = stream, encoding, longest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        unpack = self._unpacker()
        packed = plain = 0
        async for data in self._stream:
            packed += len(data)
            piece = data
            if unpack is not None:
                try:
                    piece = unpack.decompress(data, self._longest - plain + 1)
                except zlib.error as error:
                    raise ReadingError(
                        f"the server's response cannot be unpacked: {error}"
                    ) from None
            plain += len(piece)
            if max(packed, plain) > self._longest:
                raise ReadingError(
                    f"the server's response is longer than {self._longest // 2**20} MiB"
                )
            yield piece
        if unpack is not None and not unpack.eof:
            raise ReadingError("the server's response is packed, and its end is missing")

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def _unpacker(self) -> Any:
        """What unpacks the body; None if it is plain. Raises `ReadingError`."""
        if self._encoding in {"", "identity"}:
            return None
        if self._encoding in {"gzip", "x-gzip", "deflate"}:
            return zlib.decompressobj(_GZIP_OR_ZLIB)
        raise ReadingError(
            f"the server's response is packed as {self._encoding[:40]!r}, although it was asked to"
            " send it plain"
        )
