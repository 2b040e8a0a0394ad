"""Ways in which a server can go wrong, over raw sockets: each is an error with its cause.

No mode takes more than its number of requests or its configured, small timeouts, and none is
ever scored.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import socketserver
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.inference.engine import Engine, Failure
from pytest_crossmath.inference.result import Result
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.score import Finish, Outcome
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality

pytest.importorskip("openai", reason='pip install "pytest-crossmath[openai]"')

from pytest_crossmath.models.servers import openai_api, reading, tries
from pytest_crossmath.models.servers.openai_api import OpenAIBackend

REQUESTS = [make_request(task, Form(Modality.TEXT)) for task in load_suite("mini").tasks[:40]]
TRIES = openai_api._RETRIES + 1
QUICK = Settings(timeout=0.15)
"""For servers that never end."""
PATIENT = Settings(timeout=20)
"""For servers that fail by themselves: the time does not matter."""

Act = Callable[["Wire"], object]


@dataclass
class Wire:
    """One connection of a server, after it has read a request."""

    socket: socket.socket
    number: int
    """How many requests came before, on any connection."""
    head: str
    """The request's first line."""
    over: threading.Event
    """Set when the test is over."""

    def send(self, data: bytes | str) -> None:
        """Send bytes, if the client still reads."""
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def drip(self, data: bytes | str, pause: float = 0.02) -> None:
        """Send the same bytes again and again until the test is over."""
        while not self.over.wait(pause):
            self.send(data)

    def reset(self) -> None:
        """Drop the connection without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


@dataclass
class WireServer:
    """A server that does the same with each request."""

    act: Act
    sent: list[str] = field(default_factory=list)
    """The first line of each request that arrived."""
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def serve(self, wire: socket.socket) -> None:
        """Answer one request, then close."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += (data := wire.recv(65536))
            if not data:
                return
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [int(x[15:]) for x in head.lower().split(b"\r\n") if x[:15] == b"content-length:"]
        while len(body) < sum(lengths):
            body += wire.recv(65536)
        line = head.split(b"\r\n")[0].decode("latin-1")
        self.sent.append(line)
        self.act(Wire(wire, len(self.sent) - 1, line, self.over))


Start = Callable[[Act], WireServer]


@pytest.fixture(autouse=True)
def _small_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response may have one mebibyte, so that a longer one is quickly sent."""
    monkeypatch.setattr(reading, "COMPLETION_BYTES", 2**20)
    monkeypatch.setattr(openai_api, "COMPLETION_BYTES", 2**20)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers on free local ports, and stops them at the end."""
    running: list[tuple[WireServer, socketserver.ThreadingTCPServer]] = []

    def run(act: Act) -> WireServer:
        server = WireServer(act)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):  # the client has gone
                    server.serve(self.request)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

        listener = Listener(("127.0.0.1", 0), Handler)
        threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
        server.url = f"http://127.0.0.1:{listener.server_address[1]}/v1"
        running.append((server, listener))
        return server

    yield run
    for server, listener in running:
        server.over.set()
        listener.shutdown()
        listener.server_close()


def http(
    body: bytes | str, status: int = 200, *, length: int | None = None, **headers: Any
) -> bytes:
    """A whole response."""
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    fields = {"content-type": "application/json", "connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    fields["content-length"] = str(len(data) if length is None else length)
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + data


def body_of(message: object = None, *, finish: object = "stop", **fields: Any) -> str:
    """The body of a completion; fields are those of the top level."""
    message = {"role": "assistant", "content": "<answer>1</answer>"} | (message or {})  # type: ignore[operator]  # a dict
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"model": "m", "choices": [choice], **fields})


GOOD = body_of()
STREAM = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = f"{STREAM}transfer-encoding: chunked\r\n\r\n"
MEGABYTE = b" " * 2**20


def sends(data: bytes | str) -> Act:
    """Sends bytes and closes."""
    return lambda wire: wire.send(data)


def says(body: bytes | str, status: int = 200, **headers: Any) -> Act:
    """Sends a whole response."""
    return sends(http(body, status, **headers))


def drips(first: bytes | str, again: bytes | str) -> Act:
    """Sends bytes, then others without end."""

    def act(wire: Wire) -> None:
        wire.send(first)
        wire.drip(again)

    return act


def floods(first: bytes | str, again: bytes) -> Act:
    """Sends bytes, then others without end, as fast as the client reads them."""

    def act(wire: Wire) -> None:
        wire.send(first)
        while not wire.over.is_set():
            wire.send(again)

    return act


def redirects(status: int, there: str) -> Act:
    """Sends the client elsewhere; ``*`` is the number of the request."""
    return lambda wire: wire.send(http("", status, location=there.replace("*", str(wire.number))))


def odd(message: object = None, **fields: Any) -> Act:
    """A response with an odd body."""
    return says(body_of(message, **fields))


def resets(after: bytes | str = b"") -> Act:
    """Sends bytes and drops the connection."""

    def act(wire: Wire) -> None:
        wire.send(after)
        wire.reset()

    return act


LASTING = {
    # statuses
    **{f"status {code}": (says("{}", code), f"answered {code}") for code in (400, 402, 403, 422)},
    "status 401": (says("{}", 401), r"needs an API key \(401\)"),
    "status 404": (says('{"detail": "Not Found"}', 404), "404: Not Found; check the name of the"),
    "status 413 as HTML": (says("<html>big</html>", 413), "answered 413: an HTML page"),
    "status 204": (sends("HTTP/1.1 204 X\r\n\r\n"), "not JSON: no message"),
    "status 206": (says("part of it", 206), "not JSON: part of it"),
    "status 304": (sends("HTTP/1.1 304 X\r\n\r\n"), "answered 304"),
    "status 300": (says("{}", 300), "answered 300"),
    "status 999": (says("{}", 404, x_should_retry="false"), "answered 404"),
    "500 that says not to retry": (says("{}", 500, x_should_retry="false"), "answered 500"),
    "429 for hours": (says("{}", 429, retry_after="7200"), "429: .*it says to wait for 7200 s"),
    # bodies
    "empty": (says(""), "it is not JSON: no message"),
    "HTML": (says("<html>hello</html>", content_type="text/html"), "it is not JSON: <html>"),
    "stream": (says(f"data: {GOOD}\n\ndata: [DONE]"), "it is not JSON: data:"),
    "lines": (says(f"{GOOD}\n{GOOD}"), "it is not JSON"),
    "JSON text": (says(json.dumps(GOOD)), "it is not a JSON object"),
    "latin-1": (says(GOOD.replace("1", "\xe9").encode("latin-1")), "it is not UTF-8"),
    "UTF-16": (says(GOOD.encode("utf-16")), "it is not (UTF-8|JSON)"),
    "NaN": (odd(score=float("nan")), "it has the number NaN"),
    "infinity": (odd(score=float("-inf")), "it has the number -Infinity"),
    "a number of 5000 digits": (says(GOOD.replace('"m"', "9" * 5000)), "it is not JSON"),
    "nested without end": (says("[" * 200_000), "it is not JSON"),
    "two choices": (says(GOOD.replace("[{", '[{"message": {}}, {')), "it has 2 choices"),
    "choices of several kinds": (says(GOOD.replace("[{", '["x", {')), "it has 2 choices"),
    "a field twice": (
        says(GOOD.replace('"content"', '"content": "<answer>9</answer>", "content"')),
        "one of its objects has a field twice",
    ),
    "choices twice": (says(GOOD.replace('"model"', '"choices": [], "model"')), "a field twice"),
    "error and choices": (odd(error={"message": "fell over"}), "reports an error: .*fell over"),
    "error as text": (odd(error="fell over"), 'reports an error: "fell over"'),
    "error in the choice": (
        says(GOOD.replace('"index": 0', '"error": {"code": 502}')), "reports an error: .*502"
    ),
    "echo": (odd({"role": "user"}), 'its message is from "user"'),
    "unknown finish": (odd(finish="error"), 'its finish_reason is "error"'),
    "no finish": (odd(finish=None), "its finish_reason is null"),
    "finish missing": (says(GOOD.replace("finish_reason", "reason")), "its finish_reason is null"),
    "a chunk": (says(GOOD.replace('"message"', '"delta"')), "its choice has no message"),
    "old completion": (says(GOOD.replace('"message"', '"text"')), "its choice has no message"),
    "content null": (odd({"content": None}), "its message has no content"),
    "only reasoning": (
        odd({"content": None, "reasoning": "<answer>1</answer>"}), "only reasoning: the server's"
    ),
    "empty beside reasoning": (odd({"content": "", "reasoning": "1"}), "only reasoning"),
    "blank beside reasoning": (odd({"content": " \n", "reasoning_content": "1"}), "only reasoning"),
    "blank beside details": (
        odd({"content": "", "reasoning_details": [{"text": "1"}]}), "only reasoning"
    ),
    "a list of no parts beside reasoning": (
        odd({"content": [], "reasoning": "1"}), "only reasoning"
    ),
    "a picture in the content": (
        odd({"content": [{"type": "text", "text": "1"}, {"type": "image_url"}]}),
        "parts that are not text",
    ),
    "thinking in the content": (
        odd({"content": [{"type": "thinking", "text": "<answer>1</answer>"}]}),
        "parts that are not text",
    ),
    "content is a number": (odd({"content": 1}), "the content of its message is not text"),
    "content is an object": (odd({"content": {"text": "1"}}), "content of its message is not text"),
    "tool call": (odd({"tool_calls": [{"id": "1"}]}), "it calls a tool"),
    # sizes
    "a long body": (says(MEGABYTE + GOOD.encode()), "is longer than 1 MiB"),
    "a body without end": (floods(f"{STREAM}\r\n", MEGABYTE), "is longer than 1 MiB"),
    "chunks without end": (
        floods(CHUNKED, b"100000\r\n" + MEGABYTE + b"\r\n"), "is longer than 1 MiB"
    ),
    "an error without end": (
        floods("HTTP/1.1 400 X\r\n\r\n", MEGABYTE), "is longer than 1 MiB"
    ),
    "a redirect without end": (
        floods("HTTP/1.1 307 X\r\nlocation: /x\r\n\r\n", MEGABYTE), "is longer than 1 MiB"
    ),
    "a gzip bomb": (
        says(gzip.compress(MEGABYTE * 64), content_encoding="gzip"), "is longer than 1 MiB"
    ),
    "a deflate bomb": (
        says(zlib.compress(MEGABYTE * 64), content_encoding="deflate"), "is longer than 1 MiB"
    ),
    "a bomb in a bomb": (
        says(gzip.compress(gzip.compress(MEGABYTE)), content_encoding="gzip, gzip"),
        "is packed as 'gzip, gzip'",
    ),
    "brotli": (says(b"\x8b\x00", content_encoding="br"), "is packed as 'br'"),
    "zstd": (says(b"\x28\xb5", content_encoding="zstd"), "is packed as 'zstd'"),
    "gzip that is none": (says(GOOD, content_encoding="gzip"), "cannot be unpacked"),
    "half of a gzip": (
        says(gzip.compress(GOOD.encode())[:-9], content_encoding="gzip"), "its end is missing"
    ),
    # redirects
    "redirect to itself": (redirects(307, "/v1/chat/completions"), "redirects without end"),
    "redirect ever on": (redirects(308, "/v1/*"), "redirects without end"),
    "redirect to nothing": (sends("HTTP/1.1 307 X\r\n\r\n"), "answered 307"),
    "redirect to a file": (redirects(307, "file:///etc/passwd"), "UnsupportedProtocol"),
}  # fmt: skip
"""Modes that trying again does not change: one request each, redirects aside."""

PASSING = {
    **{f"status {code}": (says("{}", code), f"answered {code}") for code in (408, 409, 429)},
    **{f"status {code}": (says("{}", code), f"answered {code}") for code in (500, 503, 599)},
    "500 as HTML": (says("<html>", 500), "answered 500: an HTML page"),
    "429 at once": (says("{}", 429, retry_after="0"), "answered 429"),
    "429 before yesterday": (
        says("{}", 429, retry_after="Thu, 01 Jan 1970 00:00:00 GMT"), "answered 429"
    ),
    "429 in words": (says("{}", 429, retry_after="soon"), "answered 429"),
    "400 that says to retry": (says("{}", 400, x_should_retry="true"), "answered 400"),
    "closed at once": (sends(b""), "the connection was lost"),
    "reset at once": (resets(), "the connection was lost"),
    "reset in the status": (resets("HTTP/1.1 20"), "the connection was lost"),
    "reset in the headers": (resets("HTTP/1.1 200 OK\r\ncontent-"), "the connection was lost"),
    "closed in the body": (sends(http(GOOD)[:-9]), "the connection was lost"),
    "reset in the body": (resets(http(GOOD)[:-9]), "the connection was lost"),
    "reset in a chunk": (resets(f"{CHUNKED}ff\r\n{{"), "the connection was lost"),
    "no end of chunks": (sends(f"{CHUNKED}{len(GOOD):x}\r\n{GOOD}\r\n"), "connection was lost"),
    "chunk of garbage": (sends(f"{CHUNKED}zz\r\n{GOOD}\r\n0\r\n\r\n"), "connection was lost"),
    "negative length": (says(GOOD, length=-5), "the connection was lost"),
    "length too long": (says(GOOD, length=10**6), "the connection was lost"),
    "two lengths": (
        sends(f"{STREAM}content-length: 5\r\ncontent-length: {len(GOOD)}\r\n\r\n{GOOD}"),
        "the connection was lost",
    ),
    "HTTP/0.9": (sends(GOOD), "the connection was lost"),
    "TLS": (sends(b"\x15\x03\x01\x00\x02\x02\x28"), "the connection was lost"),
    "another protocol": (sends("SSH-2.0-OpenSSH_9.6\r\n"), "the connection was lost"),
    "null bytes": (sends(b"\0" * 100), "the connection was lost"),
    "headers without end": (floods("HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 999), "was lost"),
    "a header without end": (floods("HTTP/1.1 200 OK\r\nx: ", b"y" * 9999), "connection was lost"),
}  # fmt: skip
"""Modes that might pass: as many requests as there are tries."""

HANGING = {
    "silent": lambda wire: wire.over.wait(20),
    "silent after the status": drips("HTTP/1.1 200 OK\r\n", ""),
    "silent after the headers": drips(f"{STREAM}content-length: 99\r\n\r\n", ""),
    "silent in the body": drips(f"{STREAM}content-length: 99\r\n\r\n{{", ""),
    "headers that drip": drips("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
    "a header that drips": drips("HTTP/1.1 200 OK\r\nx: ", "y"),
    "spaces that drip": drips(f"{STREAM}content-length: 999999\r\n\r\n", " "),
    "chunks that drip": drips(CHUNKED, "1\r\n \r\n"),
    "an error that drips": drips("HTTP/1.1 500 X\r\ncontent-length: 999999\r\n\r\n", " "),
    "100 Continue without end": drips("", "HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints without end": drips("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a redirect that drips": drips(
        "HTTP/1.1 307 X\r\nlocation: /x\r\ncontent-length: 999999\r\n\r\n", " "
    ),
}
"""Modes without an end: cut off by the timeout, twice at most."""


def ask(server: WireServer, settings: Settings, count: int = 1) -> list[Response | BackendError]:
    """The outcomes of the first requests, one at a time."""
    backend = OpenAIBackend("m", server.url)
    arrived = dict(backend.generate(REQUESTS[:count], settings, batch_size=1))
    return [arrived[index] for index in range(count)]


def failure_of(server: WireServer, settings: Settings) -> str:
    """The error of one request, and a check that no score comes of it."""
    [got] = ask(server, settings)
    assert isinstance(got, BackendError), got
    assert str(got).isprintable()
    return str(got)


@pytest.mark.parametrize(("act", "message"), LASTING.values(), ids=LASTING)
def test_what_does_not_pass_is_told_at_once(start: Start, act: Act, message: str) -> None:
    """An error with its cause, after one try; redirects are followed for a while."""
    server = start(act)
    said = failure_of(server, PATIENT)
    assert re.search(message, said), said
    assert len(server.sent) <= (21 if "redirect" in said else 1)


@pytest.mark.parametrize(("act", "message"), PASSING.values(), ids=PASSING)
def test_what_may_pass_is_tried_again_and_its_last_cause_told(
    start: Start, act: Act, message: str
) -> None:
    """An error with the cause of the last try, and the number of tries."""
    server = start(act)
    said = failure_of(server, PATIENT)
    assert re.search(message, said), said
    assert said.endswith(f"after {TRIES} tries")
    assert len(server.sent) == TRIES


@pytest.mark.parametrize("act", HANGING.values(), ids=HANGING)
def test_what_never_ends_is_cut_off(start: Start, act: Act) -> None:
    """The time for all tries is twice the timeout, whatever the server does meanwhile."""
    server = start(act)
    assert failure_of(server, QUICK).startswith("no response within 0.")
    assert len(server.sent) <= 3


@pytest.mark.parametrize(
    "act", [act for act, _ in (*LASTING.values(), *PASSING.values())], ids=[*LASTING, *PASSING]
)
@pytest.mark.nightly
def test_nothing_is_scored(start: Start, act: Act) -> None:
    """Through the engine, each mode is an error in the record."""
    server, results = start(act), list[Result]()
    engine = Engine(
        "m", load=lambda: OpenAIBackend("m", server.url), settings=PATIENT, on_result=results.append
    )
    assert isinstance(engine.ask(REQUESTS[0]), Failure)
    assert [result.outcome for result in results] == [Outcome.ERROR]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (http(b"\xef\xbb\xbf" + GOOD.encode()), "<answer>1</answer>"),
        (http(GOOD, content_type="text/html; charset=utf-7"), "<answer>1</answer>"),
        (http(gzip.compress(GOOD.encode()), content_encoding="gzip"), "<answer>1</answer>"),
        (http(zlib.compress(GOOD.encode()), content_encoding="deflate"), "<answer>1</answer>"),
        (http(GOOD, content_encoding="identity"), "<answer>1</answer>"),
        (http(f"\n\n{GOOD}\n"), "<answer>1</answer>"),
        (http(body_of({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})),
         "ab"),
        (http(body_of({"content": "4\ud83d"})), "4\ufffd"),
        (http(body_of({"content": "−4"}), content_type="x; charset=latin-1"), "−4"),
        (http(body_of(error=None, usage=None)), "<answer>1</answer>"),
        (f"{CHUNKED}{len(GOOD):x}\r\n{GOOD}\r\n0\r\n\r\n".encode(), "<answer>1</answer>"),
    ],
)  # fmt: skip
def test_what_is_odd_and_right_is_read(start: Start, data: bytes, text: str) -> None:
    """Marks, encodings and layouts that leave no doubt about the text."""
    [got] = ask(start(sends(data)), PATIENT)
    assert isinstance(got, Response), got
    assert (got.text, got.finish) == (text, Finish.STOP)


@pytest.mark.parametrize("beyond", [http(body_of({"content": "9"})), b"\0" * 99, b"HTTP/1.1 2"])
def test_what_is_sent_beyond_a_response_is_not_the_next_one(start: Start, beyond: bytes) -> None:
    """A connection is used once, so that a response never answers another request."""
    reused: list[bytes] = []

    def act(wire: Wire) -> None:
        body = body_of({"content": str(wire.number)})
        wire.send(http(body, connection="keep-alive") + beyond)
        reused.append(wire.socket.recv(65536))

    got = ask(start(act), PATIENT, 4)
    assert [one.text for one in got if isinstance(one, Response)] == ["0", "1", "2", "3"]
    assert not any(reused)


# -- the last cause --------------------------------------------------------------------


def test_a_server_that_fails_at_once_is_not_called_slow(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a timeout that is shorter than the waits, its own words are told (once a timeout)."""
    monkeypatch.setattr(tries, "FIRST_WAIT", 30)
    monkeypatch.setattr(tries, "LONGEST_WAIT", 30)
    server = start(says('{"message": "CUDA error"}', 500))
    assert failure_of(server, Settings(timeout=0.5)) == "the server answered 500: CUDA error"
    assert len(server.sent) == 1


def test_a_try_that_is_cut_off_tells_of_the_one_before(start: Start) -> None:
    """A server that fails and then hangs: both are told."""

    def act(wire: Wire) -> None:
        if wire.number == 0:
            wire.send(http('{"message": "CUDA error"}', 500))
        else:
            HANGING["headers that drip"](wire)

    said = failure_of(start(act), QUICK)
    assert said == (
        "no response within 0.3 s, after 2 tries; the try before: the server answered 500: CUDA"
        " error"
    )


# -- giving up -------------------------------------------------------------------------


def engine_on(server: WireServer, settings: Settings, results: list[Result]) -> Engine:
    """An engine with all requests planned."""
    engine = Engine(
        "m", load=lambda: OpenAIBackend("m", server.url), settings=settings,
        on_result=results.append,
    )  # fmt: skip
    engine.plan(REQUESTS)
    return engine


@pytest.mark.parametrize("in_flight", [1, 4, 32])
@pytest.mark.parametrize(
    ("act", "each"),
    [(says("{}", 500), TRIES), (says("{}", 400), 1), (odd(error="no"), 1), (resets(), TRIES)],
    ids=["500", "400", "error with status 200", "reset"],
)
def test_after_some_failures_in_a_row_nothing_is_sent(
    start: Start, act: Act, each: int, in_flight: int
) -> None:
    """Requests are bounded by those in flight, and the reason is kept."""
    server, results = start(act), list[Result]()
    settings = Settings(give_up=3, batch_size=in_flight)
    engine = engine_on(server, settings, results)
    found = [engine.ask(request) for request in REQUESTS]
    assert [result.outcome for result in results] == [Outcome.ERROR] * len(REQUESTS)
    said = [one.message for one in found if isinstance(one, Failure)]
    given_up = [message for message in said if message.startswith("gave up after ")]
    # One request without pictures is tried after those with pictures, and in flight are as many.
    assert len(given_up) >= len(REQUESTS) - 4
    assert len({*given_up}) <= 2
    assert all("the last: " in message for message in given_up)
    # The first requests in flight are tried in full, those after them less.
    assert len(server.sent) <= (2 * in_flight + 4) * each
    sent = -1
    while sent != len(server.sent):  # the server may still read what was cancelled
        sent = len(server.sent)
        time.sleep(0.3)
    engine.plan(REQUESTS)  # as when tests are rerun
    assert isinstance(engine.ask(REQUESTS[0]), Failure)
    assert len(server.sent) == sent


def test_a_success_resets_the_count(start: Start) -> None:
    """A server that answers now and then is asked to the end."""

    def act(wire: Wire) -> None:
        wire.send(http(GOOD) if wire.number % 3 == 2 else http("{}", 400))

    server, results = start(act), list[Result]()
    engine = engine_on(server, Settings(give_up=3, batch_size=1), results)
    found = [engine.ask(request) for request in REQUESTS]
    assert sum(not isinstance(one, Failure) for one in found) == len(REQUESTS) // 3
    assert len(server.sent) == len(REQUESTS)


def test_failures_are_counted_across_groups_and_after_successes(start: Start) -> None:
    """Tests that ask on their own count like those that were planned together."""

    def act(wire: Wire) -> None:
        wire.send(http(GOOD) if wire.number < 5 else http("{}", 400))

    server = start(act)
    engine = Engine("m", load=lambda: OpenAIBackend("m", server.url), settings=Settings(give_up=3))
    found = [engine.ask(request) for request in REQUESTS]  # each a group of its own
    assert [isinstance(one, Failure) for one in found] == [False] * 5 + [True] * 35
    assert len(server.sent) == 8


def test_zero_never_gives_up(start: Start) -> None:
    """Each request is sent."""
    server, results = start(says("{}", 400)), list[Result]()
    engine = engine_on(server, Settings(give_up=0), results)
    assert all(isinstance(engine.ask(request), Failure) for request in REQUESTS)
    assert len(server.sent) == len(REQUESTS)


def test_a_server_that_hangs_is_given_up_on_after_some_timeouts(start: Start) -> None:
    """One request at a time: two timeouts for the first, one for each other."""
    server, results = start(HANGING["spaces that drip"]), list[Result]()
    engine = engine_on(server, Settings(give_up=3, batch_size=1, timeout=0.1), results)
    assert all(isinstance(engine.ask(request), Failure) for request in REQUESTS)
    said = [result.response for result in results]
    assert said[:3] == ["no response within 0.2 s", *["no response within 0.1 s"] * 2]
    assert said[-1].endswith("in a row; the last: no response within 0.1 s")
    assert len(server.sent) == 3


# -- listing models --------------------------------------------------------------------


@pytest.mark.parametrize("act", HANGING.values(), ids=HANGING)
def test_a_list_that_never_ends_is_cut_off(start: Start, act: Act) -> None:
    """The start of a run does not hang either."""
    server = start(act)
    with pytest.raises(ModelError, match="does not list its models: no response within 0"):
        OpenAIBackend.connect(f"m@{server.url}", QUICK)
    assert len(server.sent) <= 3


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (floods(f"{STREAM}\r\n", MEGABYTE), "is longer than 4 MiB$"),
        (says(gzip.compress(MEGABYTE * 64), content_encoding="gzip"), "is longer than 4 MiB$"),
        (redirects(307, "/v1/models"), "redirects without end: start it, or fix the URL"),
        (resets(), "the connection was lost .*after|connection was lost .*: start it, or fix"),
        (sends("SSH-2.0-OpenSSH_9.6\r\n"), "the connection was lost .*: start it, or fix the URL"),
    ],
    ids=["flood", "bomb", "redirects", "reset", "another protocol"],
)
def test_a_list_that_cannot_be_read(start: Start, act: Act, message: str) -> None:
    """One line that says why, and what to do."""
    with pytest.raises(ModelError, match=message) as caught:
        OpenAIBackend.connect(f"m@{start(act).url}", PATIENT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "variable", "message"),
    [
        ("m", None, "the hosted API cannot be reached (ConnectError): check the network and its"),
        ("m@http://127.0.0.1:9/v1", None, "start it, or fix the URL in --crossmath-model=openai:"),
        ("m@http://gpu-box:9/v1", None, "start it, or fix the URL in --crossmath-model=openai:"),
        ("m", "http://127.0.0.1:9/v1", "start it, or fix the environment variable OPENAI_BASE_URL"),
        ("m@https://models.invalid/v1", None, "check the network and its proxy, and the URL in --"),
        ("m", "https://models.invalid/v1", "proxy, and the environment variable OPENAI_BASE_URL"),
    ],
)  # fmt: skip
def test_a_server_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, target: str, variable: str | None, message: str
) -> None:
    """The advice is for what was written: nobody can start the hosted API."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def nowhere(*_: object, **__: object) -> object:
        raise OSError("no network in tests")

    monkeypatch.setattr("socket.getaddrinfo", nowhere)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    if variable:
        monkeypatch.setenv("OPENAI_BASE_URL", variable)
    with pytest.raises(ModelError) as caught:
        OpenAIBackend.connect(target, PATIENT)
    assert message in str(caught.value)
    assert "answers at the hosted" not in str(caught.value)


def test_the_look_up_of_a_name_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A resolver that hangs holds up neither the start nor the end of a run."""
    over, ended = threading.Event(), threading.Event()

    def look_up(*_: object, **__: object) -> object:
        over.wait(30)
        ended.set()
        raise OSError("no network in tests")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.setattr("pytest_crossmath.models.servers.client._CONNECT_SECONDS", 0.05)
    with pytest.raises(ModelError, match=r"no server answers at http://gpu-box.*ConnectTimeout"):
        OpenAIBackend.connect("m@http://gpu-box:9/v1", PATIENT)
    backend = OpenAIBackend("m", "http://gpu-box:9/v1")
    [(_, got)] = backend.generate(REQUESTS[:1], PATIENT, batch_size=1)
    assert "can no longer be reached (ConnectTimeout)" in str(got)
    assert not ended.is_set()
    over.set()
