"""Runs of tests in this process and in two workers of pytest-xdist."""

from __future__ import annotations

import pytest

HERE = pytest.param((), id="here")
NONE = pytest.param(("-n", "0"), id="none")
TWO = pytest.param(("-n", "2"), id="workers")
TWO_NIGHTLY = pytest.param(("-n", "2"), id="workers", marks=pytest.mark.nightly)

WORKERS = pytest.mark.parametrize("workers", [HERE, TWO])
"""Run a test without workers and with two."""
WORKERS_NIGHTLY = pytest.mark.parametrize("workers", [HERE, TWO_NIGHTLY])
"""The same, with the two workers in the nightly run alone."""
