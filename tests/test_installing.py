"""The command that installs an extra."""

from __future__ import annotations

import json
import shlex
from types import SimpleNamespace

import pytest

from pytest_crossmath import installing
from pytest_crossmath.installing import command_for, pip_install

REPOSITORY = "https://github.com/OWNER/pytest-crossmath"


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        ({}, ["pytest-crossmath[train]"]),
        ({"url": "file:///a/my%20copy", "dir_info": {"editable": True}},
         ["-e", "/a/my copy[train]"]),
        ({"url": "file:///a/copy", "dir_info": {}}, ["/a/copy[train]"]),
        ({"url": REPOSITORY, "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
         [f"pytest-crossmath[train] @ git+{REPOSITORY}"]),
        ({"url": REPOSITORY, "vcs_info": {"vcs": "git", "requested_revision": "v0.1"}},
         [f"pytest-crossmath[train] @ git+{REPOSITORY}@v0.1"]),
        ({"url": "https://host/x.whl", "archive_info": {}},
         ["pytest-crossmath[train] @ https://host/x.whl"]),
    ],
)  # fmt: skip
def test_the_extra_comes_from_where_the_package_did(
    origin: dict[str, object], requirement: list[str]
) -> None:
    """From the index, a checkout, a repository or an archive; in one word for the shell."""
    assert shlex.split(command_for("train", origin)) == ["pip", "install", *requirement]


@pytest.mark.parametrize("text", [None, "", "{", "[]", json.dumps({"url": ""})])
def test_an_unreadable_origin_is_the_index(
    monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """A message never fails for it."""
    found = SimpleNamespace(read_text=lambda _: text)
    monkeypatch.setattr(installing, "distribution", lambda _: found)
    pip_install.cache_clear()
    assert pip_install("openai") == "pip install 'pytest-crossmath[openai]'"
    pip_install.cache_clear()
