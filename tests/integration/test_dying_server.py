"""A server that dies during a run, and the run after it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pytest_crossmath.plugin.exit_status import NO_RESULT

pytest.importorskip("openai")


class Mortal(ThreadingHTTPServer):
    """A server that answers a number of questions and then dies."""

    daemon_threads = True

    def __init__(self, port: int, lives: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.lives, self.asked = lives, 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def dies(self) -> bool:
        """Count a question, and say whether it is one too many."""
        with self.lock:
            self.asked += 1
            return self.asked > self.lives

    def stop(self) -> None:
        """Free the port."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Mortal

    def do_GET(self) -> None:
        """List the model that is served."""
        self._say({"object": "list", "data": [{"id": "m", "object": "model"}]})

    def do_POST(self) -> None:
        """An answer, while the server lives."""
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.dies():
            self.close_connection = True
            self.server.socket.close()
            return
        message = {"role": "assistant", "content": "<answer>0</answer>"}
        self._say({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})

    def _say(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is printed."""


def test_a_server_that_dies_costs_what_it_did_not_answer(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    record_lines: Callable[[], list[dict[str, object]]],
) -> None:
    """The rest are errors with exit status 1; the next run asks only for those."""
    monkeypatch.setattr("pytest_crossmath.models.servers.tries.LONGEST_WAIT", 0.002)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    first = Mortal(0, lives=17)
    port = first.server_address[1]
    options = (
        f"--crossmath-model=openai:m@http://127.0.0.1:{port}/v1", "--crossmath-suite=mini",
        "--crossmath-limit=10", "--crossmath-batch-size=3",
    )  # fmt: skip
    result = pytester.runpytest(*options)
    assert result.ret == NO_RESULT
    result.assert_outcomes(xfailed=17, errors=13)
    result.stdout.fnmatch_lines(["outcomes of m: 17 missed, 13 error"])
    assert sum(line.get("outcome") == "error" for line in record_lines()) == 13

    second = Mortal(port, lives=999)
    result = pytester.runpytest(*options, "--crossmath-record=second.jsonl")
    second.stop()
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(xfailed=30)
    result.stdout.fnmatch_lines(["30 responses, 17 of them from the cache, in *"])
    assert second.asked == 13
