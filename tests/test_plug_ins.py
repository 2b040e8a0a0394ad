"""A backend, a gate and a report format take one class or module and one line each.

What is added is what the docstrings show, as CONTRIBUTING.md says, to a copy of the package.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

import pytest_crossmath
from pytest_crossmath.gating.gates import parse_gate
from pytest_crossmath.gating.kinds import GATES
from pytest_crossmath.models.registry import BACKENDS
from pytest_crossmath.plugin.options import OPTIONS
from pytest_crossmath.reporting.writers import WRITERS
from pytest_crossmath.tasks.family import FAMILIES

PACKAGE = Path(pytest_crossmath.__file__).parent

PARROT = """
from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_crossmath.errors import BackendError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.scheme import Scheme
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Finish
"""


def example(module: str) -> str:
    """The code in the docstring of a module."""
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    found = re.search(r"::\n\n((?: {4}.*\n|\n)+)", f"{ast.get_docstring(tree)}\n")
    assert found
    return textwrap.dedent(found[1])


def add_line(file: Path, table: str, line: str) -> None:
    """Put a line at the end of a table that opens with `table`."""
    text = file.read_text(encoding="utf-8")
    start = text.index(f"\n{table}")
    end = text.index(")\n", text.index("= (", start))
    before = text[:end] if text[:end].rstrip().endswith((",", "(")) else f"{text[:end]}, "
    file.write_text(f"{before}{line}{text[end:]}", encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of a copy with all three: its folder, and what it showed."""
    place = tmp_path_factory.mktemp("copy")
    copy = place / "pytest_crossmath"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))
    (place / "problems").symlink_to(PACKAGE.parent / "problems")

    parrot = PARROT + example("models/backend.py") + example("models/scheme.py")
    (copy / "models" / "parrot.py").write_text(parrot, encoding="utf-8")
    add_line(copy / "models" / "registry.py", "BACKENDS", '"pytest_crossmath.models.parrot",\n')

    kinds = copy / "gating" / "kinds.py"
    text = kinds.read_text(encoding="utf-8").replace(
        "\nGATES", f"\n{example('gating/gate.py')}\n\nGATES", 1
    )
    kinds.write_text(text, encoding="utf-8")
    add_line(kinds, "GATES", "Loss")

    (copy / "reporting" / "counted.py").write_text(
        example("reporting/writers.py"), encoding="utf-8"
    )
    writer = 'Writer("counted", "count responses", "pytest_crossmath.reporting.counted"),\n'
    add_line(copy / "reporting" / "writers.py", "WRITERS", writer)

    folder = place / "elsewhere"
    folder.mkdir()
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "crossmath", "--crossmath-model=parrot:hello",
            "--crossmath-suite=mini", "--crossmath-limit=30", "--crossmath-counted=counted.txt",
            "--crossmath-fail-under=loss:image:5%", "--crossmath-stop-early=sequential",
        ],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(place)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_a_backend(run: tuple[Path, str]) -> None:
    """Its models are asked, named as its scheme says."""
    assert "crossmath: hello on suite mini (30 problems)" in run[1]
    assert "outcomes of hello: 3 solved, 87 missed" in run[1]


def test_a_gate(run: tuple[Path, str]) -> None:
    """It is parsed, judged, and shown with figures of its own."""
    assert re.search(r"fail-under loss:image:5% +\S.* loss \+0\.0 \(.*\) +loss \+", run[1])


def test_a_report_format(run: tuple[Path, str]) -> None:
    """It has an option, and its file is written."""
    lines = (run[0] / "counted.txt").read_text(encoding="utf-8").splitlines()
    length = len("<answer>1</answer>")
    assert set(lines) == {f"mini-{number:04},{length}" for number in range(1, 31)}
    assert len(lines) == 90


def test_the_lists_hold_what_they_name() -> None:
    """A module without what is expected of it is found here, and not at the end of a run."""
    assert len({kind for module in BACKENDS for kind in import_module(module).SCHEME.kinds}) == 5
    for writer in WRITERS:
        assert callable(import_module(writer.module).write)
    for name, module in FAMILIES.items():
        assert import_module(module).FAMILY.name == name
    options = {option.name for option in OPTIONS}
    assert options >= {gate.option for gate in GATES} | {writer.name for writer in WRITERS}
    for gate in GATES:
        assert parse_gate(gate.option, gate.example).kind == gate.kind
