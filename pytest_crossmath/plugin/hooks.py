"""The pytest plugin: what pytest finds first. The rest is in `session` and `fixtures`.

Without a crossmath option only `pytest_addoption` and `pytest_configure` do
anything, and neither imports more than this package's option table.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from pytest_crossmath.plugin.options import (
    SNAPSHOT_EXTENSION,
    add_options,
    build_config,
    is_active,
)

pytest_plugins = ["pytest_crossmath.plugin.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check what was asked and start a session, if anything was."""
    config.addinivalue_line(
        "markers",
        "crossmath(model, problem, modality, style, difficulty, family): set by pytest-crossmath",
    )
    # Else syrupy would take them for leftovers of the user's own tests, and delete them.
    ignored = getattr(config.option, "ignore_file_extensions", None) or []
    config.option.ignore_file_extensions = [*ignored, SNAPSHOT_EXTENSION]
    if is_active(config):
        _start(config)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: one worker for each GPU; without a GPU two at most, since a model fills them."""
    if not is_active(config):
        return None
    from pytest_crossmath.plugin.xdist import automatic_workers

    return automatic_workers()


def _start(config: pytest.Config) -> None:
    from pytest_crossmath.plugin.items import check_selection, take_selection
    from pytest_crossmath.plugin.xdist import prepare_worker
    from pytest_crossmath.signals import interrupt_on_sigterm

    take_selection(config)
    # Before torch is imported, which asks once which GPUs there are.
    prepare_worker(getattr(config, "workerinput", {}))

    from pytest_crossmath.plugin.fixtures import active, asking
    from pytest_crossmath.plugin.session import AskerRole, start, usage_errors

    with usage_errors():
        session = start(config, build_config(config))
    check_selection(config, session.plan.ids())
    config.stash[active] = session
    if isinstance(session, AskerRole):
        config.stash[asking] = session
    config.pluginmanager.register(session)
    if not hasattr(config, "workerinput"):
        signals = ExitStack()
        signals.enter_context(interrupt_on_sigterm())
        config.add_cleanup(signals.close)
