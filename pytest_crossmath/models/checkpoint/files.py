"""The files of a checkpoint: the one list of what transformers and PEFT read from a folder.

::

    files = list_files(Path("checkpoints/step-2000"))
    files.weights   # the safetensors files that hold its weights, in the order of their names
    files.others    # configuration, processor, tokenizer, templates: all else that can be read

What is checked, hashed and reported is what stands in this list. Weights are listed by the
rules of the loader: a file of weights that it does not read, such as one of another format, is
not in the list. All other files are, unless it is certain that nothing reads them: a file too
many costs a repeated run, a file too few a wrong score. Nothing here imports torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.checkpoint.limits import check_sizes
from pytest_crossmath.models.spec import (
    ADAPTER_FILE,
    HUB_ID,
    ModelSpec,
    base_of_adapter,
    read_json,
    require,
)
from pytest_crossmath.text import one_line

CONFIG_FILE = "config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_WEIGHTS = "model.safetensors"
_INDEX = f"{_WEIGHTS}.index.json"
_UNREAD = re.compile(
    # Weights in formats that are not read, and code that is not run unless it is trusted.
    r".+\.(safetensors|bin|pt|pth|ckpt|h5|msgpack|onnx|ot|gguf|pyc?)"
    # Documents, reports, and what a trainer leaves behind.
    r"|.+\.(md|rst|log|csv|tsv|pdf|png|jpe?g|gif|svg|ipynb|html?|xml|jsonl)"
    r"|(trainer_state|.*_results|(.*[_-])?logs?|requirements)\.(json|txt)"
    r"|(readme|licen[cs]e|notice)(\.txt)?",
    re.IGNORECASE,
)
"""Names of files that no loader reads from a checkpoint whose code is not trusted."""
PROCESSOR_FILE, PICTURES_FILE = "processor_config.json", "preprocessor_config.json"
"""The configuration of a processor, and the older one of its part for pictures alone."""
_VOCABULARY = re.compile(
    r"tokenizer\.json|tekken\.json|.*vocab.*|.+\.(model|tiktoken|tokenizer|codes)"
    r"|tokenizer\.model.*|dict\.txt|byte_maps\.json"
)
"""Names of files, at least one of which a tokenizer is made from."""
_PROCESSOR_FILES = (PROCESSOR_FILE, PICTURES_FILE)
SIZED_FILES = (CONFIG_FILE, *_PROCESSOR_FILES)
"""Configurations that say how large something is that is built at load."""
_ELSEWHERE = ("configuration_files", "fast_tokenizer_files")
"""Fields that list alternatives to a file of the folder, for certain versions of transformers."""
_TAKEN: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("auto_map", lambda value: "--" in str(value), "code"),
    ("use_pretrained_backbone", bool, "weights"),
    ("attn_implementation", lambda value: "/" in str(value), "a kernel"),
    ("adapters", bool, "adapters"),
)
"""Fields of configurations with the values at which a loader fetches something else."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files that a checkpoint, or an adapter without its base, is loaded from."""

    folder: Path
    """Its folder."""
    weights: tuple[Path, ...]
    """The safetensors files that hold its weights; each may be a link."""
    others: tuple[Path, ...]
    """All other files that can change a response, in a fixed order."""

    def name(self, file: Path) -> str:
        """A file's name below the folder; for one that lies outside, its whole path."""
        inside = file.is_relative_to(self.folder)
        return file.relative_to(self.folder).as_posix() if inside else file.as_posix()


def list_files(folder: Path, *, trusted: bool = False) -> Files:
    """The files that are read from a folder; with `trusted`, those that its code may read, too.

    Raises `ModelError` if the folder does not hold exactly one model, if weights are missing or
    lie outside of it, or if something in it is not a regular file.
    """
    weights = weight_files(folder)
    others = [file for file in other_files(folder, trusted=trusted) if file not in weights]
    return Files(folder, weights, (*others, *_named_elsewhere(folder)))


def other_files(folder: Path, *, trusted: bool = False) -> list[Path]:
    """The files in a folder that may be read from it, apart from weights. Raises `ModelError`."""
    found = (path for path in _walk(folder) if trusted or not _UNREAD.fullmatch(path.name))
    return list(map(_regular, found))


def is_vocabulary(name: str) -> bool:
    """Whether a tokenizer is made from a file of this name."""
    return bool(_VOCABULARY.fullmatch(name))


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files that the weights in a folder are read from. Raises `ModelError`."""
    if is_adapter(folder):
        _require_one_model(folder)
        return (_weight_file(folder, ADAPTER_WEIGHTS, "PEFT"),)
    config = read_json(folder / CONFIG_FILE)
    named = config.get("transformers_weights")
    if isinstance(named, str):
        _require_inside(folder, named, CONFIG_FILE)
        default = [name for name in (_WEIGHTS, _INDEX) if os.path.lexists(folder / name)]
        # A version of transformers that does not know the field reads the default.
        names = [named, *default]
        found = (path for name in names for path in _weights_named(folder, name))
        return tuple(dict.fromkeys(found))
    if os.path.lexists(folder / _WEIGHTS):
        if os.path.lexists(folder / _INDEX):
            raise ModelError(
                f"{folder} holds two models, {_WEIGHTS} and the one of {_INDEX}: only the first"
                " would be read; remove one of them"
            )
        return (_weight_file(folder, _WEIGHTS, "transformers"),)
    return tuple(_weights_named(folder, _INDEX))


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, which changes the model that its config names."""
    return os.path.isfile(folder / ADAPTER_FILE)


def check_directory(spec: ModelSpec, directory: Path, *, trusted: bool = False) -> None:
    """Raise `ModelError` if a checkpoint, or an adapter or its base, is damaged or incomplete."""
    if is_adapter(directory):
        require(spec, "peft")
        _require_one_model(directory)
        _check_base(spec, directory, trusted=trusted)
    elif not os.path.isfile(directory / CONFIG_FILE):
        raise ModelError(
            f"{directory} is not a checkpoint: it has neither {CONFIG_FILE} nor {ADAPTER_FILE}"
            f"{_found_deeper(directory)}"
        )
    files = list_files(directory, trusted=trusted)
    for name in SIZED_FILES:
        if os.path.isfile(directory / name):
            check_sizes(directory / name)
    for file in files.weights:
        check_weights(file)
    if not is_adapter(directory):
        _check_processor(files)


def check_weights(file: Path) -> None:
    """Raise `ModelError` if a safetensors file is truncated or damaged; its header is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="numpy"):
            pass
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}") from None
    except (SafetensorError, ValueError) as error:
        raise ModelError(
            f"{file} is damaged: {one_line(error, 120)}; copy or download it again"
        ) from None


def _check_base(spec: ModelSpec, adapter: Path, *, trusted: bool) -> None:
    base = base_of_adapter(adapter)
    if is_adapter(Path(base)):
        raise ModelError(f"{adapter}: the adapter's base {base} is itself an adapter")
    if os.path.isdir(base):
        check_directory(spec, Path(base), trusted=trusted)
        return
    if HUB_ID.fullmatch(base) and not base.startswith("."):
        return
    beside = adapter / base
    looked = "check the path" if Path(base).is_absolute() else f"looked for in {Path.cwd()}"
    hint = f", and {beside.resolve()} exists" if os.path.isdir(beside) else ""
    raise ModelError(
        f"{adapter}: there is no directory {base}, which {ADAPTER_FILE} names as the adapter's"
        f" base: {looked}{hint}; correct base_model_name_or_path"
    )


def _check_processor(files: Files) -> None:
    """Raise `ModelError` if tokenizer or processor are missing; loading would say so much later."""
    names = {files.name(file) for file in files.others}
    lacks = None
    if not any(map(is_vocabulary, names)):
        lacks = "tokenizer (tokenizer.json, tokenizer_config.json)"
    elif "vision_config" in read_json(files.folder / CONFIG_FILE) and names.isdisjoint(
        _PROCESSOR_FILES
    ):
        lacks = f"processor ({' or '.join(_PROCESSOR_FILES)})"
    if lacks:
        raise ModelError(
            f"{files.folder} has no {lacks}: copy it from the model that this one was trained from,"
            " or save it with processor.save_pretrained"
        )


def _require_one_model(adapter: Path) -> None:
    """Raise `ModelError` if full weights lie beside an adapter: only one of them is meant."""
    full = next((name for name in (_WEIGHTS, _INDEX) if os.path.lexists(adapter / name)), None)
    if full:
        raise ModelError(
            f"{adapter} holds two models, a checkpoint ({full}) and an adapter ({ADAPTER_FILE}):"
            " move one of them to a folder of its own"
        )


def _weights_named(folder: Path, name: str) -> Iterator[Path]:
    """The file of weights of this name, or all that an index of this name lists."""
    if not name.endswith(".index.json"):
        yield _weight_file(folder, name, "transformers")
        return
    if not os.path.isfile(folder / name):
        raise ModelError(
            f"{folder} has no weights: neither {_WEIGHTS} nor {_INDEX}. Other formats are not read"
            " because loading them can run code; save with"
            " save_pretrained(safe_serialization=True)"
        )
    shards = read_json(folder / name).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
        raise ModelError(f"{folder / name} is damaged: it has no map of weights to files")
    for shard in sorted(set(shards.values())):
        _require_inside(folder, shard, name)
        if not os.path.lexists(folder / shard):
            raise ModelError(f"{folder} lacks {shard}, which {name} lists")
        yield _weight_file(folder, shard, "transformers")


def _weight_file(folder: Path, name: str, loader: str) -> Path:
    file = folder / name
    if not os.path.lexists(file):
        raise ModelError(
            f"{folder} has no {name}, from which {loader} would read its weights: other formats are"
            " not read because loading them can run code; save it with"
            " save_pretrained(safe_serialization=True)"
        )
    if not name.endswith(".safetensors"):
        raise ModelError(f"{file} is not a safetensors file: other formats can run code")
    return _regular(file)


def _require_inside(folder: Path, name: str, lister: str) -> None:
    """Raise `ModelError` for a name that leads out of the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not name or path.is_absolute() or Path(name).is_absolute() or ".." in path.parts:
        raise ModelError(
            f"{folder / lister} names {name!r}, which lies outside of the folder: it is not read;"
            " move it into the folder"
        )


def _regular(file: Path) -> Path:
    """The file. Raises `ModelError` for a pipe or device, which could be read for ever."""
    if os.path.exists(file) and not os.path.isfile(file):
        raise ModelError(f"{file} is not a regular file: remove it from the checkpoint")
    return file


def _walk(folder: Path) -> Iterator[Path]:
    """All files, in a fixed order; hidden ones and those of checkpoints inside are left out.

    Links are followed, as the loaders do.
    """
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        state = here.stat()
        # A link may lead back to a folder above it.
        is_new = (state.st_dev, state.st_ino) not in seen
        seen.add((state.st_dev, state.st_ino))
        inner = [name for name in folders if not (name.startswith(".") or _is_model(here / name))]
        folders[:] = sorted(inner) if is_new else []
        if is_new:
            yield from (here / name for name in sorted(names) if not name.startswith("."))


def _is_model(folder: Path) -> bool:
    """Whether a folder inside a checkpoint is a model by itself, such as a trainer's last one."""
    described = any(os.path.isfile(folder / name) for name in (CONFIG_FILE, ADAPTER_FILE))
    return described and any(p.suffix in {".safetensors", ".bin"} for p in folder.iterdir())


def _named_elsewhere(folder: Path) -> Iterator[Path]:
    """Existing files outside of the folder that its tokenizer's config names by their path.

    Only some versions of transformers read them, but they cost little to hash. Raises
    `ModelError` for alternatives to its own files that lie elsewhere.
    """
    for name in (CONFIG_FILE, "tokenizer_config.json", *_PROCESSOR_FILES):
        if not os.path.isfile(folder / name):
            continue
        content = read_json(folder / name)
        for field in _ELSEWHERE:
            for other in content.get(field) or ():
                _require_inside(folder, str(other), name)
        for field, value in sorted(content.items()):
            if field.endswith("_file") and isinstance(value, str) and os.path.isfile(value):
                yield Path(value).absolute()


def _found_deeper(directory: Path) -> str:
    """A hint for a folder of checkpoints, or of adapters by name."""
    try:
        inner = sorted(path for path in directory.iterdir() if path.is_dir() and _is_model(path))
    except OSError:
        return ""
    return f"; did you mean {inner[-1]}?" if inner else ""


def outside(files: Files) -> str | None:
    """What a model takes from elsewhere, which a hash of its files does not cover; else None.

    Such a model is run, but its responses are not cached.
    """
    for file in files.others:
        if file.name.endswith("config.json"):
            for field, value in _fields(read_json(file)):
                for name, condition, what in _TAKEN:
                    if name == field.lstrip("_") and condition(value):
                        return f"{file}: {field} takes {what} from elsewhere"
    return None


def _fields(content: Any) -> Iterator[tuple[str, Any]]:
    """Every field of a JSON value, at any depth, with its value."""
    if isinstance(content, dict):
        yield from content.items()
    values = content.values() if isinstance(content, dict) else content
    for value in values if isinstance(values, Iterable) and not isinstance(values, str) else ():
        yield from _fields(value)
