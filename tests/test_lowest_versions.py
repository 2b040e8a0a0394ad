"""The lowest versions that pyproject.toml allows are those that CI runs tests on."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = ("openai", "xdist")
"""The extras that need no torch."""


def floors() -> dict[str, str]:
    """Each dependency without torch, with its lowest version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for extra in EXTRAS for one in extras[extra])]
    return dict(requirement.split(">=") for requirement in wanted)


def test_the_lowest_versions_are_the_floors() -> None:
    """Each dependency has a floor, and CI installs exactly these."""
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pinned == floors()
    script = (ROOT / ".ci/check-lowest").read_text(encoding="utf-8")
    assert f"-c constraints-lowest.txt -e '.[{','.join(EXTRAS)}]'" in script
    assert "bash .ci/check-lowest" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_light_set_of_tests_exists() -> None:
    """Every path and test that is selected or left out is there, and most areas are selected."""
    arguments = (ROOT / ".ci/lowest-tests").read_text(encoding="utf-8").splitlines()
    for argument in arguments:
        [word] = shlex.split(argument)
        path, _, test = word.removeprefix("--ignore=").removeprefix("--deselect=").partition("::")
        assert (ROOT / path).exists(), argument
        if test:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^def {test}\(", source, re.MULTILINE), argument
    for area in ("gates", "snapshots", "workers", "builtin_items"):
        assert f"tests/integration/test_{area}.py" in arguments


def test_what_is_imported_is_a_dependency() -> None:
    """A package that the light part imports is named in pyproject.toml, not only brought along."""
    names = {"PIL": "pillow"}
    light = ("tasks", "gating", "reporting", "plugin", "run", "inference", "cli")
    found = {
        name
        for folder in light
        for file in (ROOT / "pytest_crossmath" / folder).rglob("*.py")
        for name in re.findall(
            r"^\s*(?:import|from) (PIL|numpy|scipy|tabulate|jinja2|msgspec|tqdm|syrupy|xdist)\b",
            file.read_text(encoding="utf-8"), re.MULTILINE,
        )
    }  # fmt: skip
    named = {names.get(name, name).replace("xdist", "pytest-xdist") for name in found}
    assert named <= set(floors())
