"""The pytest plugin: the hooks that pytest finds first. The rest is in `session` and `fixtures`.

Without a crossmath option, only `pytest_addoption` and `pytest_configure` do anything, and they
import only the option table of this package.
"""

from __future__ import annotations

from collections.abc import Generator
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
    """Check the options and start a session, if any option was given."""
    config.addinivalue_line(
        "markers",
        "crossmath(model, problem, modality, style, difficulty, family): set by pytest-crossmath",
    )
    # Otherwise syrupy would mistake our files for leftovers of the user's tests and delete them.
    ignored = getattr(config.option, "ignore_file_extensions", None) or []
    config.option.ignore_file_extensions = [*ignored, SNAPSHOT_EXTENSION]
    if is_active(config):
        _start(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around all that is written
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Write the reports as a whole: a signal comes too late to end the run."""
    from pytest_crossmath.plugin.fixtures import active

    if active not in session.config.stash:
        return (yield)
    from pytest_crossmath.signals import undisturbed

    with undisturbed():
        return (yield)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: one worker per GPU; without a GPU at most two, as a model uses several cores."""
    if not is_active(config):
        return None
    from pytest_crossmath.plugin.xdist import automatic_workers

    return automatic_workers()


def _start(config: pytest.Config) -> None:
    from pytest_crossmath.plugin.items import check_selection, take_selection
    from pytest_crossmath.plugin.xdist import prepare_worker
    from pytest_crossmath.signals import interrupt_on_sigterm

    take_selection(config)
    # Before torch is imported, which looks for GPUs only once.
    prepare_worker(getattr(config, "workerinput", {}))

    from pytest_crossmath.plugin.asker_role import AskerRole
    from pytest_crossmath.plugin.fixtures import active, asking
    from pytest_crossmath.plugin.role import usage_errors
    from pytest_crossmath.plugin.session import start

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
