"""Loading checkpoints through transformers: configuration, model, adapter and processor.

::

    loaded = load_checkpoint("org/name", Settings(attention="eager"), revision="v2")
    loaded.model, loaded.processor, loaded.reads_images

Most errors that transformers raises here are mistakes of the user: `failure` turns them
into one line that says what to do.
"""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformers
from huggingface_hub import snapshot_download, try_to_load_from_cache
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils.import_utils import is_torchvision_available

from pytest_crossmath.errors import ModelError, setting
from pytest_crossmath.models.backend import SHARDED, Settings
from pytest_crossmath.models.checkpoint.adapters import (
    adapter_weights,
    changes_embeddings,
    check_fit,
)
from pytest_crossmath.models.checkpoint.files import SIZED_FILES, weight_files
from pytest_crossmath.models.checkpoint.generation import bare_generation
from pytest_crossmath.models.checkpoint.hub import offline_if_unreachable, stored_file
from pytest_crossmath.models.checkpoint.limits import check_sizes
from pytest_crossmath.models.checkpoint.overlay import has_own_processor, overlaid
from pytest_crossmath.models.spec import ADAPTER_FILE, base_of_adapter, base_revision
from pytest_crossmath.text import one_line

_PARTS: dict[str, Any] = {
    "image_processor": AutoImageProcessor,
    "tokenizer": AutoTokenizer,
    "feature_extractor": AutoFeatureExtractor,
}
"""Classes that build the parts of a processor, except the one for videos."""
_VIDEO_PART = "video_processor"
_PROCESSOR: Any = AutoProcessor
_TEMPLATES = {
    "paligemma": "{% for part in messages[0].content %}"
    "{{ '<image>' if part.type == 'image' else part.text }}{% endfor %}",
}
"""Chat templates for families whose checkpoints do not include one."""
_IMAGE_TEXT_CLASS = "AutoModelForImageTextToText"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a checkpoint is read from."""

    place: str
    """A directory, or a Hub repository."""
    revision: str | None = None
    """Branch, tag or commit of the repository; None for its main branch."""
    trust_remote_code: bool = False
    """Whether to run Python code that comes with the checkpoint."""

    def __str__(self) -> str:
        """The name used in messages: ``org/name@v2``."""
        return f"{self.place}@{self.revision}" if self.revision else self.place

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for each ``from_pretrained``."""
        return {"revision": self.revision, "trust_remote_code": self.trust_remote_code}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded checkpoint, or a LoRA adapter on its base."""

    model: Any
    """The model, with its adapter if it has one."""
    processor: Any
    """Its processor, or its tokenizer if it takes text only."""
    reads_images: bool
    """Whether it takes pictures."""
    source: Source
    """Where the checkpoint was read from; for an adapter, where its base was."""
    adapter: Path | None
    """Folder of the adapter; None if there is none."""
    replaces_embeddings: bool = False
    """Whether the adapter replaces whole embeddings of its base by others."""


def load_checkpoint(
    target: str, settings: Settings, revision: str | None = None, *, trainable: bool = False
) -> Checkpoint:
    """Load a directory or a Hub repository: a checkpoint, or a LoRA adapter.

    `revision` is the repository's branch, tag or commit. With `trainable`, training can continue
    on an adapter's weights. Raises `ModelError` with a one-line message for anything that
    transformers raises.
    """
    quieten()
    trusted = settings.trust_remote_code
    named = source = Source(target, revision, trusted)
    loading = source
    try:
        with offline_if_unreachable(target):
            adapter = adapter_folder(source)
            if adapter:
                weight_files(adapter)  # otherwise PEFT would look for them in other formats
                loading = source = Source(base_of_adapter(adapter), base_revision(adapter), trusted)
            _check_sizes(source)
            if adapter:
                _check_sizes(Source(str(adapter)))
            config = load_config(source)
            reads_images = takes_images(config)
            # What is trained keeps its own settings, to be saved with it.
            own_generation = None if trainable else bare_generation(source.place, source.revision)
            model = load_model(source, config, settings, own_generation, reads_images=reads_images)
            replaced = False
            if adapter:
                loading = named
                weights = adapter_weights(adapter)
                replaced = changes_embeddings(model, weights)
                model = with_adapter(model, adapter, weights, trainable=trainable)
            if adapter and has_own_processor(adapter):
                with overlaid(adapter, _folder(source), trusted=trusted) as folder:
                    whole = Source(str(folder), None, trusted)
                    processor = load_processor(whole, config, reads_images=reads_images)
            else:
                loading = source
                processor = load_processor(source, config, reads_images=reads_images)
    except ModelError:
        raise
    except Exception as error:  # transformers raises many kinds of errors for a user's mistake
        raise ModelError(failure(loading, settings, error)) from error
    return Checkpoint(model, processor, reads_images, source, adapter, replaced)


def load_config(source: Source) -> Any:
    """The configuration. Raises `ModelError` for an encoder-decoder."""
    config: Any = AutoConfig.from_pretrained(source.place, **source.options)
    if config.is_encoder_decoder:
        raise ModelError(f"{source} is an encoder-decoder: only decoder models are supported")
    return config


def _check_sizes(source: Source) -> None:
    """Raise `ModelError` for a size that no model has."""
    for name in SIZED_FILES:
        if file := stored_file(source.place, name, source.revision):
            check_sizes(file)


def takes_images(config: Any) -> bool:
    """Whether transformers, or the checkpoint's own code, has a model for pictures and text."""
    known = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    return known or _IMAGE_TEXT_CLASS in (getattr(config, "auto_map", None) or {})


def load_model(
    source: Source, config: Any, settings: Settings, generation: Any = None, *, reads_images: bool
) -> Any:
    """The model on its device and in its dtype. Raises `ModelError` if weights are missing.

    `generation` takes the place of the checkpoint's own generation settings.
    """
    auto: Any = AutoModelForImageTextToText if reads_images else AutoModelForCausalLM
    device = _device(settings.device)
    attention = {"attn_implementation": settings.attention} if settings.attention else {}
    model, info = auto.from_pretrained(
        source.place,
        dtype=_dtype(settings.dtype, device, config),
        device_map="auto" if device == SHARDED else {"": device},
        use_safetensors=True,
        output_loading_info=True,
        generation_config=generation,
        **attention,
        **source.options,
    )
    if info["missing_keys"]:
        first = min(info["missing_keys"])
        raise ModelError(
            f"{source} lacks {len(info['missing_keys'])} weights of its architecture"
            f" ({first}, …): they would be left random"
        )
    return model


def adapter_folder(source: Source) -> Path | None:
    """The folder of an adapter, on disk or in the Hub's cache; None if it is not an adapter."""
    if Path(source.place).is_dir():
        return Path(source.place) if (Path(source.place) / ADAPTER_FILE).is_file() else None
    described: Any = try_to_load_from_cache(source.place, ADAPTER_FILE, revision=source.revision)
    if described is None:
        # The cache does not know whether the repository has such a file.
        described = stored_file(source.place, ADAPTER_FILE, source.revision)
    if not isinstance(described, str | Path):
        return None
    files = ["*.json", "*.jinja", "*.model", "*.safetensors", "*.txt"]
    return Path(snapshot_download(source.place, revision=source.revision, allow_patterns=files))


def with_adapter(
    model: Any, adapter: Path, weights: dict[str, torch.Tensor], *, trainable: bool = False
) -> Any:
    """The model with a LoRA adapter on it, from its folder and the weights in it.

    Raises `ModelError` if weights of the adapter do not fit, which PEFT itself ignores.
    """
    from peft import PeftModel

    with without_future_warnings():
        tuned: Any = PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable)
        check_fit(tuned, weights, adapter)
    return tuned


def load_processor(source: Source, config: Any, *, reads_images: bool) -> Any:
    """The processor, or the tokenizer of a text-only model, set to pad on the left.

    Raises `ModelError` if there is no chat template.
    """
    if not reads_images:
        processor: Any = AutoTokenizer.from_pretrained(source.place, **source.options)
    elif not is_torchvision_available() and _has_video_part(_processor_class(config)):
        processor = _without_videos(source, _processor_class(config))
    else:
        processor = _PROCESSOR.from_pretrained(source.place, **source.options)
    tokenizer = getattr(processor, "tokenizer", processor)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not processor.chat_template:
        processor.chat_template = tokenizer.chat_template or _TEMPLATES.get(config.model_type)
    if not processor.chat_template:
        raise ModelError(f"{source} has no chat template, so it cannot be prompted")
    return processor


def failure(source: Source, settings: Settings, error: Exception) -> str:
    """One line that says why a checkpoint could not be loaded, and what to do."""
    text = one_line(error)
    if not Path(source.place).is_dir() and isinstance(error, OSError):
        revision = f" --revision {source.revision}" if source.revision else ""
        return (
            f"{source} cannot be downloaded from the Hugging Face Hub and is not in the local"
            f" cache. With network access, run `hf download {source.place}{revision}` (after"
            " `hf auth login` for a gated model), or name a directory:"
            f" {setting('model')}=NAME=./DIR"
        )
    if "trust_remote_code=True" in str(error):
        return (
            f"{source} cannot be loaded without running Python code that comes with it: read that"
            f" code and, if you trust it, add {setting('trust-remote-code')}"
        )
    if "ignore_mismatched_sizes" in str(error):
        return f"{source} cannot be loaded: the shapes of its weights do not match its config.json"
    if settings.attention and re.search("attention|attn", text, re.IGNORECASE):
        return f"{source} cannot run with {setting('attention')}={settings.attention}: {text}"
    if package := _missing_package(error):
        name = re.split("[<>=]", package)[0]
        return f"{source} needs {name}: pip install {shlex.quote(package)}"
    return f"{source} cannot be loaded: {type(error).__name__}: {text}"


def quieten() -> None:
    """Silence progress bars and notices, which would garble pytest's output."""
    logging: Any = transformers.utils.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub_logging: Any = huggingface_hub.utils.logging
    hub_logging.set_verbosity_error()


@contextmanager
def without_future_warnings() -> Iterator[None]:
    """Hide libraries' warnings about their future versions: users cannot fix those."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _folder(source: Source) -> Path:
    """The folder with a checkpoint's files apart from its weights, downloaded if necessary."""
    if Path(source.place).is_dir():
        return Path(source.place)
    files = ["*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt"]
    files += ["*.py"] if source.trust_remote_code else []
    return Path(snapshot_download(source.place, revision=source.revision, allow_patterns=files))


def _processor_class(config: Any) -> Any:
    """The class of the family's processor; None if transformers does not have one."""
    return PROCESSOR_MAPPING.get(type(config), None)


def _has_video_part(kind: Any) -> bool:
    """Whether a processor has a video part, and other parts that can be built without it."""
    parts = set(kind.get_attributes()) if kind else set()
    return _VIDEO_PART in parts and parts <= {_VIDEO_PART, *_PARTS}


def _without_videos(source: Source, kind: Any) -> Any:
    """A processor with an empty stand-in for its video part.

    transformers builds every part when it loads a processor, and its video
    processors require torchvision. Nothing here shows a video, and for
    pictures transformers falls back to Pillow by itself.
    """
    from transformers import video_processing_utils

    video_class = getattr(video_processing_utils, "VideoProcessorMixin", None)
    if video_class is None:
        # Older releases of transformers do not have this class.
        return _PROCESSOR.from_pretrained(source.place, **source.options)

    class WithoutVideos(kind):  # type: ignore[misc]  # the family is known at run time only
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == _VIDEO_PART:
                # The check would look the class up in transformers, which hides it.
                return video_class
            return super().check_argument_for_proper_class(argument_name, argument)

    parts = [
        # SmolVLM's processor reads these two even without a video.
        video_class(num_frames=None, fps=None)
        if name == _VIDEO_PART
        else _PARTS[name].from_pretrained(source.place, **source.options)
        for name in kind.get_attributes()
    ]
    described, _ = kind.get_processor_dict(source.place, **source.options)
    try:
        return WithoutVideos.from_args_and_dict(parts, described)
    except AttributeError:
        # It needs its video part: let transformers say which package is missing.
        return _PROCESSOR.from_pretrained(source.place, **source.options)


def _device(name: str) -> str:
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(name: str, device: str, config: Any) -> Any:
    if name != "auto":
        return getattr(torch, name)
    if getattr(config, "quantization_config", None):
        # The quantiser decides the dtype of each tensor.
        return "auto"
    # Half precision is slow on most CPUs, and its rounding would differ from run to run.
    on_cpu = device == "cpu" or (device == SHARDED and not torch.accelerator.is_available())
    return torch.float32 if on_cpu else "auto"


def _missing_package(error: Exception) -> str | None:
    """The requirement to pass to pip, extracted from transformers' error message."""
    if not isinstance(error, ImportError):
        return None
    text = str(error)
    if command := re.search(r"pip install (?:-\S+ )*['\"]?([\w.-]+(?:[<>=]=[\w.]+)?)", text):
        return command[1].rstrip(".")
    needed = re.search(r"requires the (\w+) library", text)
    return needed[1].lower() if needed else None
