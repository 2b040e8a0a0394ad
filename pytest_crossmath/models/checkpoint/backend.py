"""Hugging Face checkpoints: any vision-language model that transformers can load.

::

    settings = Settings(max_new_tokens=256)
    backend = HFBackend.load("./checkpoints/step-2000", settings)
    for index, response in backend.generate(requests, settings, batch_size=8):
        print(requests[index].id, response.text)

Weights are read from safetensors only, and code that comes with a checkpoint is not
run unless the settings trust it. Batches are padded on the left, since a decoder
continues at the right end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from transformers import PaliGemmaProcessor

from pytest_crossmath.errors import BackendError, SuiteError
from pytest_crossmath.models.backend import OutOfMemoryError, Response, Settings
from pytest_crossmath.models.checkpoint.loading import load_checkpoint
from pytest_crossmath.models.checkpoint.memory import (
    free_memory,
    largest_batch,
    measured_need,
    ran_out_of_memory,
)
from pytest_crossmath.models.decoding.decode import Decoded, decode
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.task import ImagePart
from pytest_crossmath.text import one_line

_DEFAULT_NEW_TOKENS = 2048
_CPU_BATCH_SIZE, _LARGEST_BATCH = 16, 256
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

    @classmethod
    def load(cls, target: str, settings: Settings, revision: str | None = None) -> HFBackend:
        """Load a directory or a Hub repository: a checkpoint, or a LoRA adapter.

        `revision` is the repository's branch, tag or commit. Raises `ModelError`
        with a one-line message for anything that transformers raises.
        """
        loaded = load_checkpoint(target, settings, revision)
        return cls(loaded.model.eval(), loaded.processor, loaded.reads_images)

    def suggest_batch_size(self, requests: Sequence[Request], settings: Settings) -> int:
        """As many as fit on the GPU, measured on the first requests; a fixed number on a CPU."""
        if self.model.device.type != "cuda":
            return _CPU_BATCH_SIZE
        options = self._generation(settings)
        # Requests of one kind only; the engine puts the longest first.
        kind = bool(requests[0].pictures)
        alike = [request for request in requests if bool(request.pictures) is kind]
        return largest_batch(
            lambda rows: measured_need(self.model, self._inputs(alike[:rows], settings), options),
            budget=free_memory(),
            most=min(_LARGEST_BATCH, len(alike)),
        )

    def generate(
        self, requests: Sequence[Request], settings: Settings, *, batch_size: int
    ) -> Iterator[tuple[int, Response]]:
        """Yield each request's index with its response, in the order in which they finish.

        Requests with and without pictures are processed separately: processors match
        pictures to rows by counting, and some fail or mismatch them if a row has none.
        """
        options = self._generation(settings)
        rows = decode(
            self.model,
            lambda indices: self._inputs([requests[i] for i in indices], settings),
            len(requests),
            batch_size=batch_size,
            options=options,
            kinds=[bool(request.pictures) for request in requests],
        )
        seed = zlib.crc32(repr([request.id.plain for request in requests]).encode())
        steps = _seeded(rows, seed) if options["do_sample"] else rows
        while (row := self._next(steps)) is not None:
            yield row.index, self._response(row, options["max_new_tokens"])

    def _next(self, rows: Iterator[Decoded]) -> Decoded | None:
        try:
            with _threads_for(self.model):
                return next(rows, None)
        except BackendError:
            raise
        except Exception as error:  # a model's own code may raise anything
            if ran_out_of_memory(error):
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                raise OutOfMemoryError(one_line(error)) from error
            raise BackendError(f"{type(error).__name__}: {one_line(error)}") from error

    def _inputs(self, batch: Sequence[Request], settings: Settings) -> Any:
        # If the template does not use it, transformers passes it on to the processor and warns.
        known = "enable_thinking" in str(self.processor.chat_template)
        thinking = {"enable_thinking": settings.thinking} if known else {}
        prompts = [
            self.processor.apply_chat_template(
                [{"role": "user", "content": self._content(request)}],
                add_generation_prompt=True,
                tokenize=False,
                **thinking,
            )
            for request in batch
        ]
        arguments: dict[str, Any] = {
            "text": prompts,
            "padding": True,
            # Also set here, since a processor from a user's own training pads on the right.
            "padding_side": "left",
            "return_tensors": "pt",
        }
        if self._template_writes_bos(prompts[0]):
            # Otherwise the tokenizer would add a second one.
            arguments["add_special_tokens"] = False
        if batch[0].pictures:
            arguments["images"] = [[_shown(one) for one in request.pictures] for request in batch]
        elif isinstance(self.processor, PaliGemmaProcessor):
            return self._without_pictures(arguments)
        inputs = self.processor(**arguments)
        # PaliGemma's processor adds labels for training.
        inputs.pop("labels", None)
        if self.reads_images:
            dtype = self.model.dtype
            if dtype.itemsize == 1:
                # The first weights are quantised, and nothing computes in their dtype.
                dtype = self.model.config.dtype
            # Casts the pixels to the model's precision; token ids stay integers.
            return inputs.to(self.model.device, dtype=dtype)
        return inputs.to(self.model.device)

    def _without_pictures(self, arguments: dict[str, Any]) -> Any:
        """What PaliGemma's processor would return if it accepted prompts without pictures."""
        tokenizer = self.processor.tokenizer
        prompts = [f"{tokenizer.bos_token}{prompt}\n" for prompt in arguments["text"]]
        arguments |= {"text": prompts, "add_special_tokens": False}
        # The token types mark the whole prompt as prefix, with attention in both directions.
        return tokenizer(**arguments, return_token_type_ids=True).to(self.model.device)

    def _template_writes_bos(self, prompt: str) -> bool:
        tokenizer = getattr(self.processor, "tokenizer", self.processor)
        return bool(tokenizer.bos_token) and prompt.startswith(tokenizer.bos_token)

    def _content(self, request: Request) -> Any:
        if not self.reads_images:
            if request.pictures:
                raise BackendError("the model takes text only")
            return request.text
        return [
            {"type": "image"}
            if isinstance(part, ImagePart)
            else {"type": "text", "text": part.text}
            for part in request.content
        ]

    def _generation(self, settings: Settings) -> dict[str, Any]:
        """Options for plain greedy decoding or plain sampling.

        A checkpoint's own penalties, beams and cut-offs are switched off, so that
        decoding reported as greedy really is greedy.
        """
        limit = self.model.generation_config.max_new_tokens
        options: dict[str, Any] = {
            "max_new_tokens": settings.max_new_tokens or limit or _DEFAULT_NEW_TOKENS,
            "do_sample": settings.temperature > 0,
            "num_beams": 1,
            "repetition_penalty": 1.0,
            "no_repeat_ngram_size": 0,
        }
        if settings.temperature > 0:
            return options | {"temperature": settings.temperature, "top_p": 1.0, "top_k": 0}
        return options | {"temperature": None, "top_p": None, "top_k": None}

    def _response(self, row: Decoded, limit: int) -> Response:
        ends = self.model.generation_config.eos_token_id
        ended = set(row.tokens[-1:]) & set(ends if isinstance(ends, list) else [ends])
        finish = Finish.LENGTH if not ended and len(row.tokens) >= limit else Finish.STOP
        tokenizer = getattr(self.processor, "tokenizer", self.processor)
        text = tokenizer.decode(row.tokens, skip_special_tokens=True)
        return Response(text, finish, len(row.tokens), row.seconds)


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
        raise BackendError(str(error)) from None
