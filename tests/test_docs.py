"""The documentation: its links lead somewhere, and it names what exists."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_crossmath
from pytest_crossmath.cli.main import main
from pytest_crossmath.plugin.options import OPTIONS
from pytest_crossmath.tasks.suite import load_suite

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def modules_with_examples() -> Iterator[str]:
    """Full names of the modules whose docstrings show what to type."""
    for found in pkgutil.walk_packages(pytest_crossmath.__path__, "pytest_crossmath."):
        file = Path(pytest_crossmath.__path__[0], *found.name.split(".")[1:]).with_suffix(".py")
        if file.is_file() and ">>> " in file.read_text(encoding="utf-8"):
            yield found.name


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pages
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of this repository, and to a heading that it has."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


@pages
def test_options_exist(page: Path) -> None:
    """Every option of ours that a page names."""
    known = {option.name for option in OPTIONS}
    named = set(re.findall(r"--crossmath-([a-z-]+[a-z])", page.read_text(encoding="utf-8")))
    assert named <= known


def test_every_option_is_in_the_readme() -> None:
    """A reader finds what there is."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [o.name for o in OPTIONS if f"--crossmath-{o.name}" not in text] == []


def test_every_page_is_linked_from_the_readme() -> None:
    """Else nobody reads it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in PAGES if p.parent.name == "docs" and f"docs/{p.name}" not in text] == []


def test_the_style_of_the_documentation_can_be_drawn_and_read(tmp_path: Path) -> None:
    """`night.toml` as it is printed, through generate and verify."""
    text = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert tomllib.loads(block)
    style = tmp_path / "night.toml"
    style.write_text(block, encoding="utf-8")
    out = tmp_path / "mine"
    arguments = ["--count", "3", "--seed", "7", "--style", str(style), "--out", str(out)]
    assert main(["generate", *arguments]) == 0
    assert load_suite(str(out)).styles == ("night",)
    assert main(["verify", str(out)]) == 0


@pytest.mark.parametrize("name", sorted(modules_with_examples()))
def test_examples_in_docstrings_work(name: str) -> None:
    """A reader may type them."""
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted
    assert not found.failed
