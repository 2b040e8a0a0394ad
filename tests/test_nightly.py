"""What is left to the nightly run."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("arguments", "outcomes", "examples"),
    [((), {"passed": 1, "deselected": 1}, 20), (("--nightly",), {"passed": 2}, 300)],
    ids=["default", "nightly"],
)
def test_nightly_tests_run_where_they_are_asked_for(
    pytester: pytest.Pytester, arguments: tuple[str, ...], outcomes: dict[str, int], examples: int
) -> None:
    """Elsewhere they are deselected, and a property is tried on fewer examples."""
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers = nightly")
    pytester.makepyfile(
        f"""
        import hypothesis, pytest
        def test_short(): assert hypothesis.settings().max_examples == {examples}
        @pytest.mark.nightly
        def test_long(): pass
        """
    )
    done = pytester.runpytest_subprocess("--strict-markers", *arguments)
    done.assert_outcomes(**outcomes)
