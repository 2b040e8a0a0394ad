"""Options in pytest's own TOML table, which has numbers and lists where ini files have texts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

NATIVE = pytest.version_tuple >= (9,)
"""Whether pytest reads a TOML table with its own types."""

LINES = """
crossmath_model = {model}
crossmath_limit = {limit}
crossmath_temperature = 0.0
crossmath_modality = ["text", "image"]
crossmath_fail_under = ["text:50%"]
"""


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("pyproject.toml", "tool.pytest.ini_options"),
        pytest.param("pyproject.toml", "tool.pytest", marks=pytest.mark.skipif(
            not NATIVE, reason="pytest 8 has no such table")),
        pytest.param("pytest.toml", "pytest", marks=pytest.mark.skipif(
            not NATIVE, reason="pytest 8 has no such file")),
    ],
)  # fmt: skip
def test_a_number_needs_no_quotes(
    pytester: pytest.Pytester,
    replay: Callable[..., str],
    file: str,
    table: str,
) -> None:
    """It means what the same text on the command line means."""
    model = replay(text="1" * 4, image="1" * 4)
    lines = LINES.format(model=json.dumps([model]), limit=4)
    pytester.path.joinpath(file).write_text(f"[{table}]\n{lines}", encoding="utf-8")
    result = pytester.runpytest_subprocess("crossmath")
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["*fail-under text:50%*"])


@pytest.mark.skipif(not NATIVE, reason="pytest 8 has no such table")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("crossmath_limit = -1", "--crossmath-limit must be a whole number from 1 to 999999999"),
        ("crossmath_limit = true", "config option 'crossmath_limit' expects a string"),
        ("crossmath_strict = 1", "config option 'crossmath_strict' expects a bool"),
    ],
)
def test_any_other_value_is_a_line(
    pytester: pytest.Pytester, replay: Callable[..., str], line: str, message: str
) -> None:
    """A mistake in the file is reported as one, with status 4."""
    lines = f"crossmath_model = {json.dumps(replay(text='1'))}\n{line}\n"
    pytester.path.joinpath("pytest.toml").write_text(f"[pytest]\n{lines}", encoding="utf-8")
    result = pytester.runpytest_subprocess("crossmath")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    shown = result.stderr.str() + result.stdout.str()
    assert message in shown
    assert "Traceback" not in shown
