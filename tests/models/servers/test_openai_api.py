"""OpenAI-compatible servers: requests, answers and faults, over real sockets."""

from __future__ import annotations

import base64
import gc
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pytest_crossmath.errors import BackendError, ModelError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.servers.chat_completion import chat_arguments
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Finish, Outcome
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, ImagePart, Modality, TextPart

pytest.importorskip("openai", reason='pip install "pytest-crossmath[openai]"')

from pytest_crossmath.models.servers import client, openai_api
from pytest_crossmath.models.servers.openai_api import OpenAIBackend, describe_server

KEY = "sk-test-0123456789abcdef"
SOON = {"retry-after-ms": "1"}
PROBLEMS = load_suite("mini").tasks
IMAGE = Form(Modality.IMAGE, "original")
TEXTS = [make_request(problem, Form(Modality.TEXT)) for problem in PROBLEMS[:12]]
PICTURE = make_request(PROBLEMS[0], Form(Modality.IMAGE_TEXT, "original"))


@dataclass(frozen=True)
class Reply:
    """A response that the server sends."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Number of bytes after which the connection is dropped."""
    drip: bytes | None = None
    """Sent repeatedly instead of the body, until the test is over."""


@dataclass
class FaultServer:
    """A server on a free local port that follows its script."""

    script: Callable[[int, dict[str, Any]], Reply | None]
    """Maps a request's number, from 0, and body to the reply; None drops the connection."""
    models: Reply
    """The reply to `GET /models`."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    """The authorization header of each request."""
    active: int = 0
    peak: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over."""
    url: str = ""


def completion(text: str | None = "<answer>1</answer>", **fields: Any) -> Reply:
    """A plain completion, with further fields of the message."""
    finish = fields.pop("finish_reason", "stop")
    message = {"role": "assistant", "content": text, **fields}
    return Reply(
        json.dumps(
            {
                "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 7},
            }
        )
    )


def error(status: int, message: str, **fields: Any) -> Reply:
    """An error in the layout of the hosted API."""
    headers = fields.pop("headers", {})
    return Reply(json.dumps({"error": {"message": message, **fields}}), status, headers)


def listing(*entries: dict[str, Any]) -> Reply:
    """A response of `/models`."""
    return Reply(json.dumps({"object": "list", "data": list(entries)}))


LISTED = listing(
    {"id": "m", "object": "model", "created": 1, "owned_by": "vllm", "root": "org/m",
     "parent": None, "max_model_len": 4096, "permission": [{"id": "x"}]},
)  # fmt: skip

Serve = Callable[..., FaultServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers, each with a script, and stops them all at the end."""
    running: list[ThreadingHTTPServer] = []
    scripts: list[FaultServer] = []

    def start(
        script: Callable[[int, dict[str, Any]], Reply | None] = lambda *_: completion(),
        models: Reply = LISTED,
    ) -> FaultServer:
        faults = FaultServer(script, models)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(faults))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        scripts.append(faults)
        faults.url = f"http://127.0.0.1:{server.server_port}/v1"
        return faults

    yield start
    for faults in scripts:
        faults.over.set()
    for server in running:
        server.shutdown()
        server.server_close()


def handler(faults: FaultServer) -> type[BaseHTTPRequestHandler]:
    """The handler of a server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with faults.lock:
                faults.keys.append(self.headers.get("authorization"))
            self.reply(faults.models)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with faults.lock:
                number = len(faults.requests)
                faults.requests.append(body)
                faults.keys.append(self.headers.get("authorization"))
                faults.active += 1
                faults.peak = max(faults.peak, faults.active)
            try:
                reply = faults.script(number, body)
            finally:
                with faults.lock:
                    faults.active -= 1
            self.reply(reply)

        def reply(self, reply: Reply | None) -> None:
            self.close_connection = reply is None or reply.cut is not None
            if reply is None:
                return
            data = reply.body.encode()
            self.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            while reply.drip is not None and not faults.over.wait(0.02):
                self.wfile.write(reply.drip)
            self.wfile.write(data[: reply.cut])

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler


def ask(
    server: FaultServer, requests: list[Request], size: int = 4, settings: Settings | None = None
) -> list[Response | BackendError]:
    """The outcome of each request: a response or an error."""
    settings = settings or Settings()
    backend = OpenAIBackend.connect(f"m@{server.url}", settings)
    arrived = dict(backend.generate(requests, settings, batch_size=size))
    assert sorted(arrived) == list(range(len(requests)))
    return [arrived[index] for index in range(len(requests))]


def ask_one(
    server: FaultServer, settings: Settings | None = None, request: Request = TEXTS[0]
) -> Response | BackendError:
    """The outcome of one request: a response or an error."""
    return ask(server, [request], 1, settings)[0]


def response(server: FaultServer, settings: Settings | None = None) -> Response:
    """The response to one request."""
    got = ask_one(server, settings)
    assert isinstance(got, Response), got
    return got


def failure(
    server: FaultServer, settings: Settings | None = None, request: Request = TEXTS[0]
) -> str:
    """The one-line error of a failed request."""
    got = ask_one(server, settings, request)
    assert isinstance(got, BackendError), got
    assert "\n" not in str(got)
    return str(got)


# -- requests ------------------------------------------------------------------------


def test_a_picture_arrives_as_it_lies_on_disk(serve: Serve) -> None:
    """The server gets the unchanged bytes of the file with their type, followed by the text."""
    server = serve()
    ask_one(server, request=PICTURE)
    [message] = server.requests[0]["messages"]
    picture, text = message["content"]
    head, _, data = picture["image_url"]["url"].partition(",")
    sent = base64.b64decode(data)
    assert head == "data:image/png;base64"
    assert sent == PICTURE.pictures[0].data
    with Image.open(io.BytesIO(sent)) as shown:
        assert shown.convert("RGB").tobytes() == PICTURE.pictures[0].rgb().tobytes()
    assert text == {"type": "text", "text": PICTURE.text}


def test_the_type_of_a_picture_is_that_of_its_bytes(serve: Serve, tmp_path: Path) -> None:
    """A JPEG that is named .png is sent as a JPEG."""
    file = tmp_path / "really.png"
    Image.new("RGB", (4, 4)).save(file, format="JPEG")
    content = (ImagePart(Picture(file)), TextPart("?"))
    server = serve()
    ask_one(server, request=Request(PROBLEMS[0], IMAGE, 0, content))
    url = server.requests[0]["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")


def test_a_broken_picture_is_told_and_not_sent(serve: Serve, tmp_path: Path) -> None:
    """A file that is not a picture fails only its own request, and nothing is sent for it."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n")
    content = (ImagePart(Picture(broken)), TextPart("?"))
    server = serve()
    bad = Request(PROBLEMS[0], IMAGE, 0, content)
    first, second = ask(server, [bad, TEXTS[0]])
    assert f"the picture {broken} is broken" in str(first)
    assert isinstance(second, Response)
    assert len(server.requests) == 1


def test_text_alone_is_sent_as_plain_text(serve: Serve) -> None:
    """Servers for text-only models do not accept a list of parts."""
    server = serve()
    ask_one(server)
    assert server.requests[0]["messages"] == [{"role": "user", "content": TEXTS[0].text}]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), {"temperature": 0.0}),
        (Settings(max_new_tokens=64), {"temperature": 0.0, "max_tokens": 64}),
        (Settings(temperature=1.0), {"temperature": 1.0, "seed": 2806163980}),
        (
            Settings(thinking=True),
            {"temperature": 0.0, "chat_template_kwargs": {"enable_thinking": True}},
        ),
    ],
)
def test_settings_become_fields(serve: Serve, settings: Settings, expected: dict[str, Any]) -> None:
    """Only requested settings are sent, under the names that such servers use."""
    server = serve()
    ask_one(server, settings)
    fields = {k: v for k, v in server.requests[0].items() if k not in {"model", "messages"}}
    assert fields == expected
    assert server.requests[0]["model"] == "m"


def test_each_sample_is_drawn_with_a_seed_of_its_own(serve: Serve) -> None:
    """Sampling twice sends the same seeds, a different one for each sample of a problem."""
    server = serve()
    requests = [
        make_request(PROBLEMS[0], Form(Modality.TEXT), sample=sample) for sample in range(3)
    ]
    for _ in range(2):
        ask(server, requests, 1, Settings(temperature=0.7))
    seeds = [sent["seed"] for sent in server.requests]
    assert seeds[:3] == seeds[3:]
    assert len(set(seeds)) == 3


def test_the_hosted_api_has_its_own_names() -> None:
    """There the limit has a different name, and temperature 1, the default, is omitted."""
    settings = Settings(max_new_tokens=8, temperature=1.0)
    arguments = chat_arguments("m", TEXTS[0], settings, hosted=True)
    assert arguments["max_completion_tokens"] == 8
    assert not {"max_tokens", "temperature"} & set(arguments)


@pytest.mark.parametrize(
    ("url", "hosted"),
    [
        (None, True),
        ("https://eu.api.openai.com/v1", True),
        ("https://mine.openai.azure.com/openai/v1", True),
        ("https://notopenai.com/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_who_is_the_vendor(url: str | None, hosted: bool) -> None:
    """The vendor's own hosts are distinguished from other servers with the same API."""
    assert client.is_vendor(url) is hosted


# -- responses -----------------------------------------------------------------------


def test_a_plain_answer(serve: Serve) -> None:
    """Text, finish and token count are the server's."""
    got = response(serve(lambda *_: completion("so <answer>4</answer>")))
    assert (got.text, got.finish, got.new_tokens) == ("so <answer>4</answer>", Finish.STOP, 7)
    assert got.seconds > 0


@pytest.mark.parametrize(
    ("reply", "text", "finish"),
    [
        (completion("4 and", finish_reason="length"), "4 and", Finish.LENGTH),
        (completion("", finish_reason="content_filter"), "", Finish.REFUSED),
        (completion(None, finish_reason="content_filter"), "", Finish.REFUSED),
        (completion(None, refusal="I won't."), "I won't.", Finish.REFUSED),
        (completion("hm", reasoning_content="2+2"), "<think>2+2</think>hm", Finish.STOP),
        (completion("hm", reasoning="2+2"), "<think>2+2</think>hm", Finish.STOP),
        (
            completion("hm", reasoning="2+2", reasoning_content="2+2"),
            "<think>2+2</think>hm",
            Finish.STOP,
        ),
        (
            completion(None, reasoning="2+", finish_reason="length"),
            "<think>2+</think>",
            Finish.LENGTH,
        ),
        (completion(""), "", Finish.STOP),
    ],
)
def test_how_an_answer_ended(serve: Serve, reply: Reply, text: str, finish: Finish) -> None:
    """Truncation and refusal are kept apart; reasoning goes into a thinking block."""
    got = response(serve(lambda *_: reply))
    assert (got.text, got.finish) == (text, finish)


def test_an_answer_within_reasoning_is_not_scored(serve: Serve) -> None:
    """An answer that only appears in the reasoning does not count."""
    right = f"<answer>{', '.join(PROBLEMS[0].key)}</answer>"
    got = response(serve(lambda *_: completion("I give up.", reasoning_content=right)))
    assert score_response(PROBLEMS[0], got.text).outcome is Outcome.UNPARSED
    got = response(serve(lambda *_: completion(right, reasoning_content="<answer>9</answer>")))
    assert score_response(PROBLEMS[0], got.text).outcome is Outcome.SOLVED


@pytest.mark.parametrize("usage", [None, {}, {"completion_tokens": "7"}, {"completion_tokens": -1}])
def test_unknown_numbers_of_tokens_are_zero(serve: Serve, usage: object) -> None:
    """A server does not have to report token counts."""
    body = json.loads(completion().body) | {"usage": usage}
    assert response(serve(lambda *_: Reply(json.dumps(body)))).new_tokens == 0


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply("<html><body>Welcome</body></html>"), "it is not JSON: <html>"),
        (Reply(""), "it is not JSON: no message"),
        (Reply("[" * 100_000), "it is not JSON"),
        (Reply("[]"), "it is not a JSON object"),
        (Reply("{}"), "it has no choices"),
        (Reply('{"choices": []}'), "it has no choices"),
        (Reply('{"choices": {"0": 1}}'), "it has no choices"),
        (Reply('{"choices": ["x"]}'), "it has no choices"),
        (Reply('{"error": {"message": "no credit"}}'), 'no choices: {"message": "no credit"}'),
        (Reply('{"choices": [{"finish_reason": "stop"}]}'), "its choice has no message"),
        (completion(None), "its message has no content"),
        (completion(None, reasoning="2+2"), "its message has no content, only reasoning"),
        (completion("", reasoning="2+2"), "its message has no content, only reasoning"),
        (completion(" \n", reasoning_content="2+2"), "its message has no content, only reasoning"),
        (completion(4), "the content of its message is not text"),  # type: ignore[arg-type]
        (completion("x", reasoning=["2+2"]), "the reasoning of its message is not text"),
        (completion("x", refusal=True), "the refusal of its message is not text"),
        (completion("x", tool_calls=[{"id": "1"}]), "it calls a tool"),
        (completion("x", finish_reason="tool_calls"), 'its finish_reason is "tool_calls"'),
        (completion("x", finish_reason=None), "its finish_reason is null"),
        (completion("x", finish_reason=["stop"]), r'its finish_reason is ["stop"]'),
    ],
)
def test_an_odd_answer_is_an_error(serve: Serve, reply: Reply, message: str) -> None:
    """Anything that is not finished text is an error and is never scored."""
    assert message in failure(serve(lambda *_: reply))


# -- faults --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(serve: Serve, status: int) -> None:
    """Rate limits and server failures are retried after the wait that the server asks for."""
    server = serve(lambda n, _: completion() if n == 3 else error(status, "no", headers=SOON))
    assert response(server).text == "<answer>1</answer>"
    assert len(server.requests) == 4


def test_the_server_says_how_long_to_wait(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After overrides our own waits."""
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("pytest_crossmath.models.servers.tries.asyncio.sleep", wait)
    slow = error(429, "slow down", headers={"retry-after": "17"})
    server = serve(lambda n, _: completion() if n else slow)
    assert response(server).finish is Finish.STOP
    assert waits == [17.0]


def test_a_wait_of_hours_is_an_error(serve: Serve) -> None:
    """The client waits two minutes at most; the error gives the wait that the server asked for."""
    server = serve(lambda *_: error(429, "quota used up", headers={"retry-after": "7200"}))
    assert failure(server) == ("the server answered 429: quota used up; it says to wait for 7200 s")
    assert len(server.requests) == 1


def test_a_failure_that_stays_is_told(serve: Serve) -> None:
    """When all retries have failed, the server's own message is reported."""
    server = serve(lambda *_: error(500, "CUDA\n\x1b[31merror", headers=SOON))
    assert failure(server) == "the server answered 500: CUDA [31merror, after 7 tries"
    assert len(server.requests) == openai_api._RETRIES + 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"message": "too long", "object": "error"}', "the server answered 400: too long"),
        ('{"error": {"message": "too long"}}', "the server answered 400: too long"),
        ('{"detail": "too long"}', "the server answered 400: too long"),
        ('{"error": "too long"}', "the server answered 400: too long"),
        ("<!doctype html><h1>Bad</h1>", "the server answered 400: an HTML page"),
        ("x" * 1000, "the server answered 400: xxx"),
    ],
)
def test_a_refused_request_is_one_line(serve: Serve, body: str, message: str) -> None:
    """Every layout of error messages is understood; the request is not retried."""
    server = serve(lambda *_: Reply(body, 400))
    assert failure(server).startswith(message)
    assert len(failure(server)) < 300
    assert len(server.requests) == 2


def test_one_refused_sample_leaves_the_others(serve: Serve) -> None:
    """A prompt that is too long fails without affecting the others."""
    long = TEXTS[2].text

    def script(_: int, body: dict[str, Any]) -> Reply:
        too_long = body["messages"][0]["content"] == long
        return error(400, "maximum context length") if too_long else completion()

    got = ask(serve(script), TEXTS)
    assert [isinstance(response, BackendError) for response in got] == [
        index == 2 for index in range(len(TEXTS))
    ]


def test_a_model_that_takes_no_temperature_says_what_to_do(serve: Serve) -> None:
    """Hosted reasoning models support a single temperature."""
    server = serve(lambda *_: error(400, "Unsupported value", param="temperature"))
    assert failure(server) == (
        "the server answered 400: Unsupported value; it does not support temperature 0:"
        " --crossmath-temperature=1 lets it use its default"
    )


def test_a_path_that_is_not_there(serve: Serve) -> None:
    """The error explains a URL without its /v1, a common mistake."""
    server = serve(lambda *_: error(404, "Not Found"), models=error(404, "Not Found"))
    assert "which usually ends in /v1" in failure(server)


@pytest.mark.parametrize(("drip", "count"), [(b"", 2), (b" ", 1)], ids=["silent", "alive"])
def test_a_server_that_does_not_answer_in_time(serve: Serve, drip: bytes, count: int) -> None:
    """A silent server is retried once; one that only keeps the connection alive is not."""
    server = serve(lambda *_: Reply(" " * 10**6, drip=drip))
    message = failure(server, Settings(timeout=0.5))
    assert message == f"no response within 1 s{', after 2 tries' if count == 2 else ''}"
    assert len(server.requests) == count


@pytest.mark.parametrize("reply", [None, Reply(completion().body, cut=20)])
def test_a_connection_that_breaks_off(serve: Serve, reply: Reply | None) -> None:
    """A connection dropped before or within the body is retried."""
    server = serve(lambda n, _: completion() if n == 2 else reply)
    assert response(server).text == "<answer>1</answer>"
    server = serve(lambda *_: reply)
    assert failure(server).startswith("the connection was lost (")
    assert len(server.requests) == openai_api._RETRIES + 1


def test_when_the_server_dies_the_rest_fails_at_once(serve: Serve) -> None:
    """Responses so far are kept, and only the requests in flight go through their retries."""
    stop: list[Callable[[], None]] = []

    def script(number: int, _: dict[str, Any]) -> Reply | None:
        if number == 3:
            stop.pop()()
        return completion() if number < 3 else None

    server = mortal(script, stop)
    backend = OpenAIBackend.connect(f"m@{server.url}", Settings())
    requests = TEXTS * 20
    arrived = dict(backend.generate(requests, Settings(), batch_size=2))
    failures = [got for got in arrived.values() if isinstance(got, BackendError)]
    assert len(arrived) == len(requests)
    assert len(failures) == len(requests) - 3
    assert "can no longer be reached (ConnectError)" in str(failures[-1])
    assert "gave up after 10 failures in a row" in str(failures[-1])
    assert len({id(error) for error in failures}) <= 11


def mortal(
    script: Callable[[int, dict[str, Any]], Reply | None], stop: list[Callable[[], None]]
) -> FaultServer:
    """A server whose script can shut it down with `stop`."""
    faults = FaultServer(script, LISTED)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(faults))
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    faults.url = f"http://127.0.0.1:{server.server_port}/v1"

    def close() -> None:
        server.shutdown()
        server.server_close()

    stop.append(close)
    return faults


# -- requests in flight --------------------------------------------------------------


def test_as_many_requests_as_the_batch_size(serve: Serve) -> None:
    """The limit is reached and never exceeded."""
    together = threading.Barrier(4)

    def script(*_: object) -> Reply:
        together.wait(20)
        return completion()

    server = serve(script)
    ask(server, TEXTS, 4)
    assert server.peak == 4


def test_a_request_is_made_when_its_turn_comes(serve: Serve) -> None:
    """Pictures of waiting requests are not held in memory."""
    drawn: list[int] = []

    class Watched(list[Request]):
        def __iter__(self) -> Iterator[Request]:
            for index, request in enumerate(super().__iter__()):
                drawn.append(index)
                yield request

    seen: list[int] = []

    def script(*_: object) -> Reply:
        seen.append(len(drawn))
        return completion()

    ask(serve(script), Watched(TEXTS), 1)
    assert seen == list(range(1, len(TEXTS) + 1))


def test_responses_come_in_the_order_of_completion(serve: Serve) -> None:
    """A response is yielded while an earlier request is still waiting for its own."""
    later = threading.Event()

    def script(_: int, body: dict[str, Any]) -> Reply:
        if body["messages"][0]["content"] == TEXTS[0].text:
            later.wait(20)
        return completion()

    backend = OpenAIBackend.connect(f"m@{serve(script).url}", Settings())
    arrivals = backend.generate(TEXTS[:3], Settings(), batch_size=2)
    order = [next(arrivals)[0], next(arrivals)[0]]
    later.set()
    assert [*order, *(index for index, _ in arrivals)] == [1, 2, 0]


def test_closing_cancels_what_is_in_flight(serve: Serve) -> None:
    """Closing does not wait for responses that will not be read, and leaves no thread behind."""
    never = threading.Event()

    def script(number: int, _: dict[str, Any]) -> Reply | None:
        if number:
            never.wait(20)
        return completion()

    server = serve(script)
    backend = OpenAIBackend.connect(f"m@{server.url}", Settings())
    arrivals = backend.generate(TEXTS, Settings(), batch_size=1)
    next(arrivals)
    arrivals.close()  # type: ignore[attr-defined]  # it is a generator
    assert not [t for t in threading.enumerate() if t.name == "crossmath-openai"]
    assert len(server.requests) <= 2
    never.set()


def test_nothing_asked_is_nothing_answered(serve: Serve) -> None:
    """An empty list of requests is not an error."""
    assert ask(serve(), []) == []


# -- the key -------------------------------------------------------------------------


def test_the_key_is_sent_and_shown_nowhere(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that a server repeats in its errors does not appear in ours."""
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    settings = Settings(api_key_env="MY_KEY")
    messages: list[str] = []
    for status in (400, 401, 403, 404, 500):
        server = serve(lambda *_, status=status: error(status, f"bad key {KEY}", headers=SOON))
        messages.append(failure(server, settings))
        assert set(server.keys) == {f"Bearer {KEY}"}
    for status in (401, 403, 503):
        server = serve(models=error(status, f"bad key {KEY}", headers=SOON))
        with pytest.raises(ModelError) as caught:
            OpenAIBackend.connect(f"m@{server.url}", settings)
        messages.append(str(caught.value))
        assert caught.value.__cause__ is None
    server = serve()
    backend = OpenAIBackend.connect(f"m@{server.url}", settings)
    messages += [repr(backend), repr(settings), repr(describe_server(f"m@{server.url}", settings))]
    assert len(messages) == 11
    assert not [message for message in messages if KEY in message or KEY[-4:] in message]
    gc.collect()
    assert KEY not in repr(vars(backend))


def test_a_refused_key_names_its_variable(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """With or without a key, the error names the variable."""
    models = error(401, "Incorrect API key")
    with pytest.raises(ModelError, match=r"needs an API key \(401\): set .* OPENAI_API_KEY"):
        OpenAIBackend.connect(f"m@{serve(models=models).url}", Settings())
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ModelError, match=r"refused the API key in OPENAI_API_KEY \(401\)"):
        OpenAIBackend.connect(f"m@{serve(models=models).url}", Settings())


def test_a_server_of_ones_own_needs_no_key(serve: Serve) -> None:
    """Without a key a placeholder is sent."""
    server = serve()
    ask_one(server)
    assert set(server.keys) == {"Bearer none"}


def test_the_hosted_api_needs_a_key() -> None:
    """Without a key, no request is sent."""
    with pytest.raises(ModelError, match=r"needs a key: set the environment variable OPENAI_API"):
        OpenAIBackend.connect("m", Settings())


def test_a_variable_that_is_named_and_not_set(serve: Serve) -> None:
    """If a named variable is not set, no server is contacted."""
    with pytest.raises(ModelError, match="MY_KEY, which should hold the API key, is not set"):
        OpenAIBackend.connect(f"m@{serve().url}", Settings(api_key_env="MY_KEY"))


@pytest.mark.parametrize(
    "body",
    [
        completion(f"{KEY} <answer>1</answer>").body,
        completion(KEY, reasoning_content=f"the key is {KEY}").body,
        completion(None, refusal=f"not with {KEY}").body,
        completion(finish_reason=f"Bearer {KEY}").body,
        completion(f"{KEY} <answer>1</answer>").body.replace("sk-", "\\u0073k-"),
        json.dumps({"error": {"message": f"bad key {KEY}"}}),
        f"{'x' * 40} {KEY}",
    ],
)
def test_a_key_in_an_answer_is_not_kept(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    """A key in a response with status 200 is masked before it reaches a record."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    got = ask_one(serve(lambda *_: Reply(body)))
    said = got.text if isinstance(got, Response) else str(got)
    assert "***" in said
    assert KEY[3:9] not in said


@pytest.mark.parametrize("key", ["1", "x", "k", "answer", "think", "EMPTY", "12345678"])
def test_a_key_that_is_no_secret_changes_no_response(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Servers without keys are given any word, which may also be part of an answer."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    said = f"{key} x <answer>12345678</answer>"
    got = ask_one(serve(lambda *_: completion(said, reasoning_content=key)))
    assert isinstance(got, Response)
    assert got.text == f"<think>{key}</think>{said}"


def test_a_key_among_the_models_is_not_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in a server's list of models is masked."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ModelError, match=r"it serves \*\*\*") as caught:
        ask_one(serve(models=listing({"id": KEY})))
    assert KEY not in str(caught.value)


def test_a_key_in_place_of_its_name_is_not_repeated() -> None:
    """Giving the key itself is an error that does not repeat it."""
    with pytest.raises(ModelError, match="name of the environment variable") as caught:
        OpenAIBackend.connect("m", Settings(api_key_env=KEY))
    assert KEY not in str(caught.value)


def test_a_damaged_key_is_not_repeated(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that cannot be sent is reported by the name of its variable."""
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\N{EN DASH}")
    with pytest.raises(ModelError, match="OPENAI_API_KEY contains characters") as caught:
        OpenAIBackend.connect(f"m@{serve().url}", Settings())
    assert KEY not in str(caught.value)


# -- connecting ----------------------------------------------------------------------


def test_the_base_url_of_the_environment(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without @URL, the client's own environment variable gives the server."""
    server = serve()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert OpenAIBackend.connect("m", Settings()).url == server.url
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://user:{KEY}@host/v1")
    with pytest.raises(ModelError, match="API key belongs in the environment") as caught:
        OpenAIBackend.connect("m", Settings())
    assert KEY not in str(caught.value)


def test_an_unknown_model_is_refused_with_the_known_ones(serve: Serve) -> None:
    """If a server lists its models, an unknown one is refused."""
    server = serve(models=listing(*({"id": f"m-{i}", "owned_by": "vllm"} for i in range(22))))
    with pytest.raises(ModelError) as caught:
        OpenAIBackend.connect(f"M@{server.url}", Settings())
    assert str(caught.value).startswith("the server does not serve 'M': it serves m-0, m-1, ")
    assert str(caught.value).endswith("m-19 and 2 more")


@pytest.mark.parametrize(
    "models",
    [
        error(404, "Not Found"),
        error(405, "Method Not Allowed"),
        error(500, "CacheNotFound", headers=SOON),
        Reply("<html></html>"),
        Reply("[]"),
        Reply('{"data": null}'),
        Reply('{"data": [{"id": 3}]}'),
        listing(),
        listing({"id": "org/other", "owned_by": "org"}, {"id": "gpt2", "owned_by": ""}),
    ],
)
def test_a_server_that_does_not_list_what_it_serves_is_fine(serve: Serve, models: Reply) -> None:
    """A missing list, or a list of the local cache, does not rule out a name."""
    server = serve(models=models)
    assert response(server).finish is Finish.STOP
    assert describe_server(f"m@{server.url}", Settings()) == {"url": server.url, "id": "m"}


def test_a_proxy_that_cannot_be_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy setting that the client does not understand is reported in one line."""
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(ModelError, match=r"http://127.* cannot be used: .*gopher"):
        OpenAIBackend.connect(f"m@{serve().url}", Settings())


def test_what_identifies_a_model_does_not_change_with_time(serve: Serve) -> None:
    """The time of the call, which some servers report as the model's, is ignored."""
    url = serve().url
    assert describe_server(f"m@{url}", Settings()) == {
        "url": url, "id": "m", "root": "org/m", "parent": None, "owned_by": "vllm",
        "max_model_len": 4096,
    }  # fmt: skip


def test_a_server_that_is_not_there() -> None:
    """A refused connection is reported in one line that says what to do."""
    stop: list[Callable[[], None]] = []
    server = mortal(lambda *_: None, stop)
    stop.pop()()
    with pytest.raises(ModelError, match=r"no server answers at http://127.*: start it, or") as e:
        OpenAIBackend.connect(f"m@{server.url}", Settings())
    assert "\n" not in str(e.value)


def test_a_server_that_is_still_loading(serve: Serve) -> None:
    """A server that is up but not ready is not mistaken for one without a list."""
    server = serve(models=error(503, "Loading model", headers=SOON))
    with pytest.raises(ModelError, match=r"http://127.*: the server answered 503: Loading model"):
        OpenAIBackend.connect(f"m@{server.url}", Settings())
