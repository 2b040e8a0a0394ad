"""The house: floors, who may import pytest, and what starting pytest costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_crossmath

PACKAGE = Path(pytest_crossmath.__file__).parent
HEAVY = (
    "torch", "transformers", "PIL", "numpy", "scipy", "tabulate", "peft", "jinja2", "openai",
    "pyarrow",
)  # fmt: skip

# The longest prefix that matches says the floor.
FLOORS = {
    "errors": 0,
    "workspace": 0,
    "forms": 0,
    "puzzle.grid": 0,
    "puzzle": 1,
    "prompting": 1,
    "scoring": 1,
    "spoken": 1,
    "questions": 1,
    "diagnosis": 1,
    "models": 2,
    "inference": 3,
    "gating": 3,
    "reporting": 4,
    "training": 4,
    "distribution": 5,
    "options": 5,
    "asked": 5,
    "closing": 5,
    "judging": 5,
    "progress": 5,
    "session": 5,
    "snapshots": 5,
    "suite_options": 5,
    "collection": 6,
    "builtin": 6,
    "plugin": 6,
    "commands": 6,
    "cli": 6,
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below the package."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "__init__.py"
    }


def floor(name: str) -> int:
    """The floor of a module."""
    prefixes = [p for p in FLOORS if name == p or name.startswith(f"{p}.")]
    return FLOORS[max(prefixes, key=len)]


def imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_from_its_floor_or_below(name: str) -> None:
    """No module of ours imports one from a floor above its own."""
    known = modules()
    for imported in imports(known[name]):
        target = imported.removeprefix("pytest_crossmath.")
        if target != imported and target in known:
            assert floor(target) <= floor(name), f"{name} imports {target}"


@pytest.mark.parametrize("name", [name for name in modules() if floor(name) < 5])
def test_nothing_below_floor_five_imports_pytest(name: str) -> None:
    """The library can be used, and tested, without pytest."""
    assert not {"pytest", "_pytest"} & {i.split(".")[0] for i in imports(modules()[name])}


@pytest.mark.parametrize("name", modules())
def test_a_module_is_no_longer_than_500_lines(name: str) -> None:
    """A room that grows past 500 lines is two rooms."""
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= 500


def test_starting_pytest_imports_nothing_heavy(tmp_path: Path) -> None:
    """A user who passes no option of ours pays for none of our libraries."""
    program = (
        "import sys, pytest\n"
        "status = pytest.main(['-q', '--collect-only', '-p', 'no:cacheprovider'])\n"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "ours = sorted(m for m in sys.modules if m.startswith('pytest_crossmath'))\n"
        "print('LOADED', loaded, ours)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    expected = [
        "pytest_crossmath",
        *(f"pytest_crossmath.{m}" for m in ("errors", "options", "plugin")),
    ]
    assert f"LOADED [] {expected}" in done.stdout


def test_checking_the_models_imports_no_torch(tmp_path: Path) -> None:
    """Collecting for a checkpoint loads none of what running it needs."""
    program = (
        "import sys, pytest\n"
        "status = pytest.main(['-q', '--collect-only', '--crossmath-model=pocket'])\n"
        "print('LOADED', int(status), [m for m in ('torch', 'transformers') if m in sys.modules])\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "LOADED 0 []" in done.stdout
