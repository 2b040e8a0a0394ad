"""The house: layers, who may import pytest, and what starting pytest costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest_crossmath

PACKAGE = Path(pytest_crossmath.__file__).parent
CONTRIBUTING = Path(__file__).parent.parent / "CONTRIBUTING.md"
HEAVY = (
    "torch", "transformers", "PIL", "numpy", "scipy", "tabulate", "peft", "jinja2", "openai",
    "pyarrow",
)  # fmt: skip
_ROW = re.compile(r"^\| (\d+) \| (`[^|]+`) \|", re.MULTILINE)

Arrows = Mapping[str, Collection[str]]
"""For each module or folder, those that it imports from."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below the package."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "__init__.py"
    }


def room(module: str) -> str:
    """The folder that a module lies in, with a slash at its end; empty for the root."""
    folder = module.rpartition(".")[0]
    return f"{folder.replace('.', '/')}/" if folder else ""


def layers() -> dict[str, int]:
    """The layer of each folder, as the table in CONTRIBUTING.md has it; the root is the lowest."""
    table = _ROW.findall(CONTRIBUTING.read_text(encoding="utf-8"))
    rooms = {name: int(layer) for layer, names in table for name in re.findall("`([^`]+)`", names)}
    return {"" if name.endswith(".py") else name: layer for name, layer in rooms.items()}


def imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports, inside functions too; not what only types need."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def arrows() -> Arrows:
    """For each module the modules of the package that it imports."""
    known = modules()
    return {
        name: {
            target
            for imported in imports(path)
            if (target := imported.removeprefix("pytest_crossmath.")) in known
            and target != imported
        }
        for name, path in known.items()
    }


@cache
def arrows_of_rooms() -> Arrows:
    """For each folder the other folders that it imports from; one inside another is another."""
    found: dict[str, set[str]] = {}
    for name, targets in arrows().items():
        found.setdefault(room(name), set()).update(map(room, targets))
    return {name: targets - {name} for name, targets in found.items()}


def circles(graph: Arrows) -> list[list[str]]:
    """What imports each other in a loop, one loop for each way back."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            found.append([*path[path.index(name) :], name])
        elif name not in done:
            for target in sorted(graph.get(name, ())):
                walk(target, [*path, name])
            done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return found


def test_a_folder_imports_from_the_layers_below_it() -> None:
    """The layers are those of the table in CONTRIBUTING.md, which names every folder."""
    layer = layers()
    assert set(layer) == {room(name) for name in modules()}
    upward = [
        f"{name} -> {target}"
        for name, targets in arrows().items()
        for target in targets
        if room(name) != room(target) and layer[room(target)] >= layer[room(name)]
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """A module can be understood with those below it, and without those above."""
    assert circles(arrows()) == []


def test_no_folders_import_each_other_in_a_circle() -> None:
    """So it is with folders. Prints the house, for `pytest -s`."""
    print(f"\n{plan_of_the_house()}")  # noqa: T201 - it is to be looked at
    assert circles(arrows_of_rooms()) == []


def plan_of_the_house() -> str:
    """The layers with their folders from the top down, and what was counted."""
    by_layer: dict[int, list[str]] = {}
    for name, layer in layers().items():
        by_layer.setdefault(layer, []).append(name or "the root")
    lines = [f"{layer:>3}  {'  '.join(by_layer[layer])}" for layer in sorted(by_layer)[::-1]]
    count = sum(map(len, arrows_of_rooms().values()))
    inner = sum(map(len, arrows().values()))
    lines.append(
        f"modules: {len(modules())}, layers: {len(by_layer)}, arrows between folders: {count},"
        f" between modules: {inner}, circles of modules: {len(circles(arrows()))},"
        f" of folders: {len(circles(arrows_of_rooms()))}"
    )
    return "\n".join(lines)


def test_nothing_outside_of_the_plugin_imports_pytest() -> None:
    """The library can be used, and tested, without pytest."""
    guilty = {
        name
        for name, path in modules().items()
        if room(name) != "plugin/"
        and {"pytest", "_pytest"} & {i.split(".")[0] for i in imports(path)}
    }
    assert guilty == set()


def test_no_module_is_longer_than_500_lines() -> None:
    """A room that grows past 500 lines is two rooms."""
    lines = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()
    }
    assert {name: count for name, count in lines.items() if count > 500} == {}


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
        *(
            f"pytest_crossmath.{m}"
            for m in (
                "errors",
                "plugin",
                "plugin.fixtures",
                "plugin.hooks",
                "plugin.options",
                "plugin.values",
                "reporting",
                "reporting.writers",
            )
        ),
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
