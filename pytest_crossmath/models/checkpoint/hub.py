"""The Hugging Face Hub, when it cannot be reached: its client would try each file for 23 seconds.

::

    with offline_if_unreachable():
        AutoConfig.from_pretrained("org/name")   # from the local cache at once, or not at all
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import huggingface_hub
from huggingface_hub import constants

from pytest_crossmath.models.spec import ADAPTER_FILE

P = ParamSpec("P")
T = TypeVar("T")

_SECONDS = 10.0
"""How long the Hub may take to answer."""
_PAUSES = (1.0, None)
"""Seconds to wait after each try; None after the last."""


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Use only the local cache of the Hub if it does not answer."""
    if constants.HF_HUB_OFFLINE or _answers():
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = False


def loads_from_the_hub(
    load: Callable[Concatenate[str, P], T],
) -> Callable[Concatenate[str, P], T]:
    """Decorates what loads a directory or a repository, its first argument.

    A directory needs the Hub only if it holds an adapter, for its base.
    """

    @wraps(load)
    def loading(target: str, /, *arguments: P.args, **options: P.kwargs) -> T:
        if Path(target).is_dir() and not (Path(target) / ADAPTER_FILE).exists():
            return load(target, *arguments, **options)
        with offline_if_unreachable():
            return load(target, *arguments, **options)

    return loading


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
