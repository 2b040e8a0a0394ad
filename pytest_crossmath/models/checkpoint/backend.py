"""Hugging Face checkpoints: any vision-language model that transformers can load.

::

    settings = Settings(max_new_tokens=256)
    backend = HFBackend.load("./checkpoints/step-2000", settings)
    for index, response in backend.generate(requests, settings, batch_size=8):
        print(requests[index].id, response.text)

Weights are read from safetensors only, and code that comes with a checkpoint is not
run unless the settings trust it. A checkpoint's own generation settings never apply. Where
its logits are not finite, a request fails: the text that follows from them is not a response.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import GenerationConfig

from pytest_crossmath.errors import BackendError, ModelError, SuiteError, setting
from pytest_crossmath.models.backend import OutOfMemoryError, Response, Settings
from pytest_crossmath.models.checkpoint.adapters import is_idle
from pytest_crossmath.models.checkpoint.conversation import Conversation, Message
from pytest_crossmath.models.checkpoint.generation import applied, end_tokens, plain_generation
from pytest_crossmath.models.checkpoint.loading import load_checkpoint
from pytest_crossmath.models.checkpoint.memory import (
    free_memory,
    largest_batch,
    measured_need,
    ran_out_of_memory,
)
from pytest_crossmath.models.checkpoint.probe import probe_picture, probed
from pytest_crossmath.models.circuit import UnfitRequestError
from pytest_crossmath.models.decoding.decode import Decoded, decode
from pytest_crossmath.models.decoding.detokenizer import Detokenizer
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.task import ImagePart
from pytest_crossmath.text import described, one_line

_PATIENCE = 60.0
"""Seconds that a chat template may take for one question, unless the timeout is shorter."""
_CPU_BATCH_SIZE, _LARGEST_BATCH = 16, 256
_IDLE = (
    "the adapter {} changes nothing: with it and without it, the model computes the same, so these"
    " are the results of its base. Its weights or its scale (lora_alpha) are 0, or training saved"
    " none of them"
)
_TINY = 10_000_000
"""Number of parameters below which a model is too small to benefit from several threads."""


@dataclass(frozen=True)
class HFBackend:
    """A checkpoint with its processor, on one device or spread over several."""

    model: Any
    """The model, in evaluation mode."""
    processor: Any
    """Its processor, or its tokenizer if it takes text only."""
    reads_images: bool
    """Whether it takes pictures."""
    place: str = "this model"
    """Its directory or repository, for messages."""
    patience: float = _PATIENCE
    """Seconds that rendering a first prompt may take."""
    ill: dict[str, BackendError] = field(default_factory=dict, compare=False)
    """By modality, the error of the first request for which its logits were not finite."""
    findings: list[str] = field(default_factory=list, compare=False)
    """What was found out about it and has to be known, a sentence each."""

    @classmethod
    def load(cls, target: str, settings: Settings, revision: str | None = None) -> HFBackend:
        """Load a directory or a Hub repository: a checkpoint, or a LoRA adapter.

        `revision` is the repository's branch, tag or commit. Raises `ModelError`
        with a one-line message for anything that transformers raises.
        """
        loaded = load_checkpoint(target, settings, revision)
        place = str(loaded.adapter or loaded.source)
        patience = min(settings.timeout, _PATIENCE)
        backend = cls(loaded.model.eval(), loaded.processor, loaded.reads_images, place, patience)
        inputs = backend.try_picture(settings)
        if loaded.adapter and inputs is not None and not loaded.replaces_embeddings:
            backend.check_adapter(loaded.adapter, inputs)
        return backend

    @cached_property
    def conversation(self) -> Conversation:
        """How it is prompted. Raises `ModelError` for a chat template that cannot be used."""
        return probed(
            self.processor, reads_images=self.reads_images, place=self.place, bound=self.patience
        )

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens that end its turn."""
        return end_tokens(self.model, self.conversation.tokenizer, self.conversation.turn_end)

    @cached_property
    def detokenizer(self) -> Detokenizer:
        """Turns its tokens into text."""
        return Detokenizer.of(self.conversation.tokenizer, self.ends)

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be repaired to prompt it, and what has to be known about its responses."""
        return (*self.conversation.notes, *self.findings)

    def try_picture(self, settings: Settings) -> Any:
        """Show the model one picture: it needs as many tokens as the processor writes for it.

        Returns the inputs, without a picture for a model that takes text only. Raises
        `ModelError` if it does not take what its processor makes. None if memory ran out.
        """
        if not self.reads_images:
            return self._placed(self.conversation.inputs([["1 + 1 = ?"]]))
        config = self._generation(replace(settings, max_new_tokens=1, temperature=0.0))
        try:
            inputs = self._placed(self.conversation.inputs([[probe_picture(), "1 + 1 = ?"]]))
            with applied(self.model, config), _threads_for(self.model), torch.inference_mode():
                self.model.generate(**inputs, generation_config=config)
        except Exception as error:
            if ran_out_of_memory(error):
                return None  # the engine deals with it when there are requests
            raise ModelError(
                f"{self.place} cannot be shown a picture:"
                f" {described(error)}: its processor's settings and chat template have to be those"
                " of its config.json"
            ) from error
        return inputs

    def check_adapter(self, adapter: Path, inputs: Any) -> None:
        """Note an adapter that changes nothing, as `is_idle` does; not if memory runs out."""
        try:
            with _threads_for(self.model):
                idle = is_idle(self.model, inputs)
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            return  # the engine deals with it when there are requests
        if idle:
            self.findings.append(_IDLE.format(adapter))

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:
        """As many as fit on the GPU, measured on the first requests; a fixed number on a CPU."""
        if self.model.device.type != "cuda":
            return _CPU_BATCH_SIZE
        config = self._generation(replace(settings, temperature=0.0))
        # Requests of one kind only; the engine puts the longest first.
        kind = bool(requests[0].pictures)
        alike = [request for request in requests if bool(request.pictures) is kind]
        with applied(self.model, config):
            return largest_batch(
                lambda rows: measured_need(
                    self.model, self._inputs(alike[:rows], settings), config
                ),
                budget=free_memory(),
                most=min(_LARGEST_BATCH, len(alike)),
            )

    def generate(
        self, requests: Sequence[Request], settings: Settings, *, batch_size: int
    ) -> Iterator[tuple[int, Response | BackendError]]:
        """Yield each request's index with its response, in the order in which they finish.

        Requests with and without pictures are processed separately: processors match
        pictures to rows by counting, and some fail or mismatch them if a row has none.
        """
        config = self._generation(settings)
        rows = decode(
            self.model,
            lambda indices: self._inputs([requests[i] for i in indices], settings),
            len(requests),
            batch_size=batch_size,
            options={"generation_config": config},
            kinds=[bool(request.pictures) for request in requests],
        )
        seed = zlib.crc32(repr([request.id.plain for request in requests]).encode())
        steps = _seeded(rows, seed) if config.do_sample else rows
        while (row := self._next(steps, config)) is not None:
            yield row.index, self._response(requests[row.index], row, config.max_new_tokens)

    def _next(self, rows: Iterator[Decoded], config: GenerationConfig) -> Decoded | None:
        try:
            with _threads_for(self.model), applied(self.model, config):
                return next(rows, None)
        except BackendError:
            raise
        except Exception as error:  # a model's own code may raise anything
            if ran_out_of_memory(error):
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                raise OutOfMemoryError(one_line(error)) from error
            raise BackendError(described(error)) from error

    def _inputs(self, batch: Sequence[Request], settings: Settings) -> Any:
        messages = [self._message(request) for request in batch]
        return self._placed(self.conversation.inputs(messages, thinking=settings.thinking))

    def _placed(self, inputs: Any) -> Any:
        """The inputs on the model's device, and pixels in its precision."""
        # PaliGemma has no pixels, and no place for a dtype, without a picture.
        if "pixel_values" in inputs:
            dtype = self.model.dtype
            if dtype.itemsize == 1:
                # The first weights are quantised, and nothing computes in their dtype.
                dtype = self.model.config.dtype
            # Casts the pixels to the model's precision; token ids stay integers.
            return inputs.to(self.model.device, dtype=dtype)
        return inputs.to(self.model.device)

    def _message(self, request: Request) -> Message:
        most = self.conversation.most_pictures
        if request.pictures and not self.reads_images:
            raise BackendError("the model takes text only")
        if most is not None and len(request.pictures) > most:
            raise UnfitRequestError(
                f"the chat template of {self.place} writes {most} picture, and there are"
                f" {len(request.pictures)}: the model would not see the others"
            )
        return [
            _shown(part.picture) if isinstance(part, ImagePart) else part.text
            for part in request.content
        ]

    def _generation(self, settings: Settings) -> GenerationConfig:
        return plain_generation(self.ends, self.conversation.tokenizer, settings)

    def _response(self, request: Request, row: Decoded, limit: int) -> Response | BackendError:
        if row.fault:
            return self._illness(request, row)
        ended = row.tokens[-1:] and row.tokens[-1] in self.ends
        finish = Finish.LENGTH if not ended and len(row.tokens) >= limit else Finish.STOP
        text = self.detokenizer.text(row.tokens)
        return Response(text, finish, len(row.tokens), row.seconds)

    def _illness(self, request: Request, row: Decoded) -> BackendError:
        """The error for a response that was not computed; the same for all with one form."""
        modality = request.form.modality.value
        if modality not in self.ill:
            cause = (
                f"float16 overflows: run it with {setting('dtype')}=bfloat16 or"
                f" {setting('dtype')}=float32"
                if self.model.dtype is torch.float16
                else "its weights may be damaged"
            )
            self.ill[modality] = BackendError(
                f"the model computed {row.fault} in place of logits given {modality}, first for"
                f" {request.id} at token {len(row.tokens)}; {cause}"
            )
            self.findings.append(f"{self.ill[modality]}. Such responses are errors")
        return self.ill[modality]


def _seeded(rows: Iterator[Decoded], seed: int) -> Iterator[Decoded]:
    """The rows, sampled with a separate random state; the user's is left unchanged."""
    states: tuple[Any, Any] | None = None
    while True:
        with torch.random.fork_rng():
            if states is None:
                torch.manual_seed(seed)
            else:
                torch.set_rng_state(states[0])
                torch.cuda.set_rng_state_all(states[1])
            row = next(rows, None)
            on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
            states = torch.get_rng_state(), on_gpus
        if row is None:
            return
        yield row


@contextmanager
def _threads_for(model: Any) -> Iterator[None]:
    """Use one thread for a tiny model on a CPU.

    Its steps are too short to split: more threads gain nothing, and if another process
    occupies a core they wait for each other, which was measured to be 50 times slower.
    """
    before = torch.get_num_threads()
    if model.device.type == "cpu" and model.num_parameters() < _TINY:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _shown(picture: Picture) -> Image.Image:
    try:
        return picture.rgb()
    except SuiteError as error:
        raise UnfitRequestError(str(error)) from None
