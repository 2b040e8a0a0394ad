"""A real server: `transformers serve` with the bundled model, against the same model loaded."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO

import pytest

from pytest_crossmath.errors import BackendError
from pytest_crossmath.models.backend import Backend, Response, Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.registry import load_backend, parse_spec
from pytest_crossmath.models.spec import pocket_directory
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Modality

for _package in ("openai", "fastapi", "uvicorn"):
    pytest.importorskip(_package, reason='needs a server: pip install "pytest-crossmath[test]"')

PATIENCE = 120.0
"""Seconds in which the server must be up; it takes about five."""
SETTINGS = Settings(device="cpu", max_new_tokens=30)
"""Some responses are shorter, some longer, none as long as the limit."""
MINI = load_suite("mini")
REQUESTS = [make_request(problem, form) for problem in MINI.tasks[:4] for form in MINI.forms]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server on a free port of this machine."""
    environment = os.environ | {
        "HF_HOME": str(tmp_path_factory.mktemp("hub") / "empty"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    options = ["--host", "127.0.0.1", "--port", "0", "--device", "cpu", "--dtype", "float32"]
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "transformers.cli.transformers", "serve",
         str(pocket_directory()), *options],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Read to the end, because a full pipe would block the server.
        reader = threading.Thread(target=drain, args=(process.stderr, lines), daemon=True)
        reader.start()
        try:
            yield f"{wait_for_address(lines)}/v1"
        finally:
            process.terminate()
            process.wait(PATIENCE)
            reader.join()


def drain(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Pass on the output of a process, line by line; None at its end."""
    for line in stream:
        lines.put(line)
    lines.put(None)


def wait_for_address(lines: queue.SimpleQueue[str | None]) -> str:
    """The address on which the server says it listens."""
    said = []
    while (line := lines.get(timeout=PATIENCE)) is not None:
        said.append(line)
        if "running on http://" in line:
            return next(word for word in line.split() if word.startswith("http://"))
    pytest.fail(f"transformers serve ended by itself: {''.join(said)}")


def ask(backend: Backend, requests: list[Request], size: int) -> list[Response | BackendError]:
    """The result of each request."""
    arrived = dict(backend.generate(requests, SETTINGS, batch_size=size))
    return [arrived[index] for index in range(len(requests))]


def served(url: str, name: str | None = None) -> Backend:
    """The bundled model behind the server."""
    return load_backend(parse_spec(f"openai:{name or pocket_directory()}@{url}"), SETTINGS)


def test_a_server_says_what_the_model_says(server: str) -> None:
    """Text, picture and both reach a served model as they reach a loaded one."""
    here = HFBackend.load(str(pocket_directory()), SETTINGS)
    expected = [(r.text, r.finish, r.new_tokens) for r in unfailed(ask(here, REQUESTS, 1))]
    there = [(r.text, r.finish, r.new_tokens) for r in unfailed(ask(served(server), REQUESTS, 4))]
    assert there == expected
    assert {finish for _, finish, _ in there} == {Finish.STOP, Finish.LENGTH}
    # The response to a picture alone can only come from the picture.
    shown = [i for i, request in enumerate(REQUESTS) if request.form.modality is Modality.IMAGE]
    assert len({there[i] for i in shown}) == len(shown)


def test_a_name_that_the_server_does_not_have(server: str) -> None:
    """A server that lists no models refuses a wrong name itself: an error, not a response."""
    [refused] = ask(served(server, "org/other"), REQUESTS[:1], 1)
    assert isinstance(refused, BackendError)
    assert "the server answered 400: Server is pinned to" in str(refused)


def test_a_whole_run_against_a_server(
    server: str, pytester: pytest.Pytester, record_lines: Callable[[], list[dict[str, object]]]
) -> None:
    """In one run, a served and a loaded model get the same results."""
    spec = f"served=openai:{pocket_directory()}@{server}"
    result = pytester.runpytest(
        "--crossmath-model=pocket", f"--crossmath-model={spec}",
        "--crossmath-suite=mini", "--crossmath-limit=2", "--crossmath-batch-size=2",
        "--crossmath-max-new-tokens=64",
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.OK
    outcomes: dict[object, dict[object, object]] = {}
    for line in record_lines():
        if line["type"] == "result":
            outcomes.setdefault(line["model"], {})[line["problem"], line["modality"]] = (
                line["outcome"],
                line["response"],
            )
    assert len(outcomes["served"]) == 6
    assert outcomes["served"] == outcomes["pocket"]


def unfailed(arrived: list[Response | BackendError]) -> list[Response]:
    """The responses; fails if there is an error among them."""
    responses = [got for got in arrived if isinstance(got, Response)]
    assert len(responses) == len(arrived), arrived
    return responses
