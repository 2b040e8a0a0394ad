"""What all tests of servers start from."""

from __future__ import annotations

import pytest

from pytest_crossmath.models.servers import tries


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the developer's key, URL and proxy, and makes retries immediate."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(tries, "FIRST_WAIT", 0.001)
