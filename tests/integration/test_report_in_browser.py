"""The page in a real browser: filters, hostile text, and no request that leaves the file."""

from __future__ import annotations

import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Replay
from pytest_crossmath.inference.result import scored
from pytest_crossmath.inference.run import Run
from pytest_crossmath.models.backend import Response
from pytest_crossmath.reporting.html import page as html
from pytest_crossmath.reporting.report import report_of
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality
from tests.tasks.questions.made_up import own_lines, write_own

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


class Server(http.server.ThreadingHTTPServer):
    """A server that remembers who sent it a request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hits: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    """A handler that answers with nothing."""

    server: Server

    def do_GET(self) -> None:
        """Note the request."""
        self.server.hits.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that hostile text wants the browser to contact."""
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def opened(page: Path, filters: str = "") -> str:
    """The document after the script of the page has run."""
    assert CHROMIUM is not None
    done = subprocess.run(  # noqa: S603 - our own page
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update",
            f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=5000",
            "--dump-dom", f"{page.as_uri()}#{filters}",
        ],
        capture_output=True, text=True, encoding="utf-8", check=True, timeout=120,
    )  # fmt: skip
    return done.stdout


def shown(document: str) -> tuple[str, int]:
    """The count that the page shows, and the number of problems on it."""
    [said] = re.findall(r'<p class="count"[^>]*>([^<]*)</p>', document)
    return said, document.count('<article class="card">')


def test_a_report_is_filtered(pytester: pytest.Pytester, replay: Replay) -> None:
    """Filters work by the address and by the controls; problems come a page at a time."""
    model = replay(text="1" * 30, image="1" * 22 + "0" * 8)
    pytester.runpytest(
        "crossmath", f"--crossmath-model={model}", "--crossmath-modality=text,image",
        "--crossmath-limit=30", "--crossmath-html=page.html",
    )  # fmt: skip
    page = pytester.path / "page.html"
    assert shown(opened(page)) == ("60 of 60 responses, the first 24 shown", 24)
    document = opened(page, "outcome=missed&modality=image")
    assert shown(document) == ("8 of 60 responses", 8)
    assert document.count('src="data:image/png;base64,') == 8
    assert "✗" in document
    assert shown(opened(page, "find=mini-0007")) == ("2 of 60 responses", 2)
    assert shown(opened(page, "outcome=solved&find=mini-0030&modality=image"))[1] == 0


def test_a_hostile_model_does_nothing_to_a_browser(
    pytester: pytest.Pytester, replay: Replay, server: Server
) -> None:
    """Tags stay text, nothing is fetched, and ten megabytes are not a problem."""
    where = f"http://127.0.0.1:{server.server_address[1]}"
    hostile = (
        f"</script><script>document.title='hit';fetch('{where}/script')</script>"
        f"<img src='{where}/image' onerror='document.title=1'><iframe src='{where}/frame'></iframe>"
        f"<style>@import '{where}/style';</style>\x1b[31m\u2028"
    )
    model = replay(text="1", image="u")
    file = pytester.path / "fake.jsonl"
    told = file.read_text(encoding="utf-8")
    escaped = (hostile + "x" * 10_000_000).replace("\x1b", "\\u001b").replace("\u2028", "\\u2028")
    file.write_text(told.replace("I cannot tell.", escaped), encoding="utf-8")
    pytester.runpytest(
        "crossmath", f"--crossmath-model={model}", "--crossmath-modality=text,image",
        "--crossmath-limit=1", "--crossmath-html=page.html",
    )  # fmt: skip
    page = pytester.path / "page.html"
    assert page.stat().st_size < 200_000
    document = opened(page, "outcome=unparsed")
    assert shown(document)[1] == 1
    assert "&lt;/script&gt;&lt;script&gt;document.title='hit'" in document
    assert "<title>Modality gap" in document
    assert server.hits == []


def test_the_server_would_notice(tmp_path: Path, server: Server) -> None:
    """Without the precautions of the page, a browser does fetch what it is told to."""
    page = tmp_path / "page.html"
    where = f"http://127.0.0.1:{server.server_address[1]}"
    page.write_text(f"<p class='count'></p><img src='{where}/image'>", encoding="utf-8")
    opened(page)
    assert server.hits == ["/image"]


def test_questions_are_shown_and_do_nothing(tmp_path: Path, server: Server) -> None:
    """Texts, choices and pictures are shown, and hostile ones have no effect."""
    where = f"http://127.0.0.1:{server.server_address[1]}"
    hostile = f"</script><img src='{where}/x' onerror='document.title=1'> <image 1> square?"
    line = own_lines(1)[0] | {"choices": [hostile[:-20], "four"]}
    line["forms"]["image+text"]["text"] = hostile
    suite = load_suite(str(write_own(tmp_path, [line])))
    [question] = suite.tasks
    results = [
        scored("m", asked, response, score_response(question, response.text))
        for modality in Modality
        if (asked := make_request(question, Form(modality)))
        and (response := Response("<answer>A</answer>", Finish.STOP, 3, 0.1))
    ]
    header = {"suite": {"name": "own", "digest": suite.digest}, "modalities": list(Modality)}
    page = tmp_path / "page.html"
    page.write_text(
        html([report_of(Run("run.jsonl", header, tuple(results), (), {}))], suite), "utf-8"
    )
    document = opened(page)
    assert shown(document)[1] == 3
    assert document.count('src="data:image/png;base64,') == 2
    assert "A square, number 1. How many sides has it?" in document
    assert "right: B (four)" in document
    assert "&lt;/script&gt;&lt;img src=" in document
    assert server.hits == []
