"""How to install an extra of this package: from where the package itself was installed.

::

    pip_install("train")
    # "pip install 'pytest-crossmath[train]'", or for a checkout "pip install -e '/src/it[train]'"
"""

from __future__ import annotations

import json
import shlex
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import urlsplit
from urllib.request import url2pathname

NAME = "pytest-crossmath"


@cache
def pip_install(extra: str) -> str:
    """The command that installs this package with an extra, as it can be pasted into a shell."""
    try:
        origin = json.loads(distribution(NAME).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        origin = {}
    return command_for(extra, origin if isinstance(origin, dict) else {})


def command_for(extra: str, origin: dict[str, object]) -> str:
    """The command for an `origin` as in PEP 610; an empty one stands for the package index.

    Source: https://packaging.python.org/en/latest/specifications/direct-url/
    """
    wanted, url = f"{NAME}[{extra}]", str(origin.get("url", ""))
    folder, source = origin.get("dir_info"), origin.get("vcs_info")
    if isinstance(folder, dict):
        path = url2pathname(urlsplit(url).path)
        editable = "-e " if folder.get("editable") else ""
        return f"pip install {editable}{shlex.quote(f'{path}[{extra}]')}"
    if isinstance(source, dict):
        revision = source.get("requested_revision")
        wanted += f" @ {source.get('vcs')}+{url}" + (f"@{revision}" if revision else "")
    elif url:
        wanted += f" @ {url}"
    return f"pip install {shlex.quote(wanted)}"
