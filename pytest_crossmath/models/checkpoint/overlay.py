"""The processor of an adapter: its own files over those of its base.

A training saves beside an adapter what it may have changed: a tokenizer with new tokens, a chat
template, the size of pictures, all of it or nothing. What an adapter has of its own counts, and
the rest comes from its base::

    with overlaid(adapter, base, trusted=False) as folder:
        processor = AutoProcessor.from_pretrained(folder)
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_crossmath.models.checkpoint.files import (
    ADAPTER_WEIGHTS,
    CONFIG_FILE,
    PICTURES_FILE,
    PROCESSOR_FILE,
    is_vocabulary,
    other_files,
)
from pytest_crossmath.models.spec import ADAPTER_FILE, read_json

_TOKENIZER_CONFIG = "tokenizer_config.json"
_NOT_OF_A_PROCESSOR = {CONFIG_FILE, ADAPTER_FILE, ADAPTER_WEIGHTS, "generation_config.json"}
_NOT_OF_A_TOKENIZER = {PROCESSOR_FILE, PICTURES_FILE, "video_preprocessor_config.json"}
_CODE = ".py"
_TEMPLATE = "chat_template"
_TEMPLATE_FILES = ("chat_template.", "additional_chat_templates/")


def has_own_processor(adapter: Path) -> bool:
    """Whether an adapter has files of a processor, or of a part of one, beside it."""
    return bool(_processor_files(adapter))


@contextmanager
def overlaid(adapter: Path, base: Path, *, trusted: bool) -> Iterator[Path]:
    """A temporary folder with the processor of an adapter, completed from its base's folder.

    With `trusted`, the Python code of both is in it, too.
    """
    mine, theirs = (_processor_files(one, trusted=trusted) for one in (adapter, base))
    with tempfile.TemporaryDirectory(prefix="crossmath-processor-") as place:
        folder = Path(place)
        for name, file in (_kept(theirs, mine) | mine).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / name)
        _settle(folder, mine, theirs)
        yield folder


def _processor_files(folder: Path, *, trusted: bool = False) -> dict[str, Path]:
    """The files of a processor, by their names below the folder; with `trusted`, its code, too."""
    files = other_files(folder)
    if trusted:  # not all files: among those are the weights
        files += [one for one in other_files(folder, trusted=True) if one.suffix == _CODE]
    named = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: file for name, file in named.items() if name not in _NOT_OF_A_PROCESSOR}


def _kept(theirs: Mapping[str, Path], mine: Mapping[str, Path]) -> dict[str, Path]:
    """The base's files that still count: parts are replaced as a whole, not file by file."""
    kept = dict(theirs)
    if any(map(is_vocabulary, mine)):
        # Otherwise tokens that the base's tokenizer added would be added to the new one.
        kept = {name: file for name, file in kept.items() if not _is_of_a_tokenizer(name)}
    if _has_template(mine):
        kept = {name: file for name, file in kept.items() if not name.startswith(_TEMPLATE_FILES)}
    return kept


def _is_of_a_tokenizer(name: str) -> bool:
    is_other = name in _NOT_OF_A_TOKENIZER or name.endswith(_CODE)
    return not is_other and not name.startswith(_TEMPLATE_FILES)


def _has_template(files: Mapping[str, Path]) -> bool:
    return any(name.startswith(_TEMPLATE_FILES) for name in files) or bool(_inner_template(files))


def _inner_template(files: Mapping[str, Path]) -> Any:
    """The chat template in a tokenizer's configuration, where older versions saved it."""
    if _TOKENIZER_CONFIG not in files:
        return None
    return read_json(files[_TOKENIZER_CONFIG]).get(_TEMPLATE)


def _settle(folder: Path, mine: Mapping[str, Path], theirs: Mapping[str, Path]) -> None:
    """Move what the two keep in different files to where the loader looks for it."""
    if PROCESSOR_FILE not in mine and (folder / PROCESSOR_FILE).is_file():
        content = read_json(folder / PROCESSOR_FILE)
        # What is described in this file would hide what the adapter has in a file of its own.
        if PICTURES_FILE in mine:
            content.pop("image_processor", None)
        if _has_template(mine):
            content.pop(_TEMPLATE, None)
        (folder / PROCESSOR_FILE).write_text(json.dumps(content), encoding="utf-8")
    inner = _inner_template(theirs)
    if inner and not _has_template(mine) and _TOKENIZER_CONFIG in mine:
        content = read_json(folder / _TOKENIZER_CONFIG) | {_TEMPLATE: inner}
        (folder / _TOKENIZER_CONFIG).write_text(json.dumps(content), encoding="utf-8")
