"""Whole runs against servers: giving up, and answers of another model."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.cli.main import main
from pytest_crossmath.plugin.exit_status import NO_RESULT

pytest.importorskip("openai")

Script = Callable[[int], tuple[int, dict[str, Any]]]
Serve = Callable[[Script], str]
RUN = ("--crossmath-suite=mini", "--crossmath-limit=10", "--crossmath-batch-size=1")


def answer(model: str, finish: str = "stop") -> tuple[int, dict[str, Any]]:
    """An answer of a model."""
    message = {"role": "assistant", "content": "<answer>0</answer>"}
    return 200, {"model": model, "choices": [{"finish_reason": finish, "message": message}]}


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts servers that answer by a script, given the number of the request; gives the model."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pytest_crossmath.models.servers.tries.LONGEST_WAIT", 0.001)
    running: list[ThreadingHTTPServer] = []

    def start(script: Script) -> str:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.say(200, {"data": [{"id": "m", "owned_by": "vllm"}]})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                asked.append(self.path)
                self.say(*script(len(asked) - 1))

            def say(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return f"--crossmath-model=openai:m@http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        pytest.param((), 1, id=""),
        pytest.param(("--reruns=2",), 1, id="reruns", marks=pytest.mark.nightly),
        pytest.param(("-n2",), 2, id="n2", marks=pytest.mark.nightly),
    ],
)
def test_a_run_gives_up_on_a_server_that_fails(
    pytester: pytest.Pytester,
    serve: Serve,
    record_lines: Callable[[], list[dict[str, Any]]],
    options: tuple[str, ...],
    workers: int,
) -> None:
    """Nothing is sent after N failures in a row, in each process, also by reruns."""
    sent: list[int] = []

    def script(number: int) -> tuple[int, dict[str, Any]]:
        sent.append(number)
        return 500, {"message": "CUDA error"}

    result = pytester.runpytest(serve(script), *RUN, "--crossmath-give-up=3", *options)
    assert result.ret == NO_RESULT
    assert result.parseoutcomes()["errors"] == 30
    result.stdout.fnmatch_lines(
        ["*gave up after 3 failures in a row; the last: the server answered 500: CUDA error*"]
    )
    said = [line["response"] for line in record_lines() if line["type"] == "result"]
    assert len(said) == 30
    # Once given up on pictures, one request without a picture is tried.
    assert sum(text.startswith("gave up after") for text in said) >= 30 - 4 * workers
    assert len(sent) <= (7 + 2 + 2 + 2) * workers


def test_giving_up_is_an_option_with_an_ini_twin(pytester: pytest.Pytester, serve: Serve) -> None:
    """An ini file sets it, and a wrong value is one line."""
    pytester.makeini("[pytest]\ncrossmath_give_up = 0\n")
    sent: list[int] = []

    def script(number: int) -> tuple[int, dict[str, Any]]:
        sent.append(number)
        return 400, {"message": "no"}

    model = serve(script)
    assert pytester.runpytest(model, *RUN).ret == NO_RESULT
    assert len(sent) == 30
    result = pytester.runpytest(model, *RUN, "--crossmath-give-up=-1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--crossmath-give-up must be a whole number from 0 to 999999999, not '-1'"]
    )


def test_another_model_that_answers_is_told_everywhere(
    pytester: pytest.Pytester,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Record, terminal, Markdown, page, gate, the next run from the cache, and a comparison."""
    model = serve(lambda number: answer("m-2024-08-06" if number % 3 else "fallback"))
    outputs = ("--crossmath-markdown=r.md", "--crossmath-html=r.html")
    gate = "--crossmath-fail-under=text:50%"
    result = pytester.runpytest(model, *RUN, *outputs, gate, "--crossmath-record=one.jsonl")
    line = "asked for m, answered by fallback (10 of 30), m-2024-08-06 (20 of 30)"
    said = re.sub(r"\s+", " ", result.stdout.str())
    assert f"ANOTHER MODEL ANSWERED m: {line}" in said
    assert f"text:50%: {line}" in said
    assert line in Path("r.html").read_text("utf-8")
    assert line in Path("r.md").read_text("utf-8")
    lines = [json.loads(text) for text in Path("one.jsonl").read_text("utf-8").splitlines()]
    assert [one["answered_by"] for one in lines[1:-1]].count("fallback") == 10
    assert line in lines[-1]["gates"][0]["notes"]

    result = pytester.runpytest(model, *RUN, "--crossmath-record=two.jsonl")
    result.stdout.fnmatch_lines(["30 responses, 30 of them from the cache*"])
    assert line in re.sub(r"\s+", " ", result.stdout.str())

    other = serve(lambda _: answer("m"))
    compared = "--crossmath-compare=one.jsonl"
    result = pytester.runpytest(other, *RUN, compared, "--crossmath-record=three.jsonl")
    difference = "answering model of m: fallback, m-2024-08-06, now m"
    result.stdout.fnmatch_lines([f"*differs from the baseline: {difference}"])
    assert "ANOTHER MODEL" not in result.stdout.str()
    capsys.readouterr()
    assert main(["compare", "three.jsonl", "one.jsonl"]) == 0
    said = capsys.readouterr().out
    assert "answering model of m: m, now fallback, m-2024-08-06" in said
    assert f"ANOTHER MODEL ANSWERED  m: {line}" in said
