"""The Hugging Face Hub, when it cannot be reached: its client would try each file for 23 seconds.

::

    with offline_if_unreachable("org/name"):
        AutoConfig.from_pretrained("org/name")   # from the local cache at once, or not at all
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from transformers.utils.hub import cached_file

from pytest_crossmath.models.spec import ADAPTER_FILE, base_of_adapter

_SECONDS = 10.0
"""How long the Hub may take to answer."""
_PAUSES = (1.0, None)
"""Seconds to wait after each try; None after the last."""


@contextmanager
def offline_if_unreachable(target: str) -> Iterator[None]:
    """Use only the local cache of the Hub if it does not answer.

    It is not asked at all if `target`, a directory or a repository, needs nothing from it.
    Raises `ModelError` for an adapter that does not name its base.
    """
    if constants.HF_HUB_OFFLINE or not _needs_the_hub(target) or _answers():
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = False


def stored_file(place: str, name: str, revision: str | None) -> Path | None:
    """A file of a directory or of a Hub repository, downloaded if necessary; None without it."""
    if os.path.isdir(place):
        file = Path(place) / name
        return file if file.exists() else None
    found = cached_file(
        place, name, revision=revision,
        _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_connection_errors=False,
    )  # fmt: skip
    return Path(found) if isinstance(found, str) else None


def _needs_the_hub(target: str) -> bool:
    """Whether it is not a directory, or one with an adapter whose base is not a directory."""
    folder = Path(target)
    if not folder.is_dir():
        return True
    return (folder / ADAPTER_FILE).exists() and not os.path.isdir(base_of_adapter(folder))


def _answers() -> bool:
    """Whether there is an answer, whatever it is."""
    for pause in _PAUSES:
        try:
            huggingface_hub.get_session().head(constants.ENDPOINT, timeout=_SECONDS)
        except Exception:  # noqa: BLE001 - the classes depend on the client's version
            if pause:
                time.sleep(pause)
        else:
            return True
    return False
