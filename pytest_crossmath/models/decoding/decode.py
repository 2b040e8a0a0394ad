"""Decoding in slots: when a row finishes, it leaves the batch and a waiting row takes its slot.

::

    usage = Usage()
    options = {"max_new_tokens": 256, "do_sample": False}
    for row in decode(model, collate, 600, batch_size=16, options=options, usage=usage):
        print(row.index, tokenizer.decode(row.tokens))
    print(f"{usage.utilisation:.0%} of the slots were used", usage.static)

In a static batch, finished rows idle until the longest one ends. Here `generate` runs in
chunks: a chunk ends soon after rows have finished, those rows leave, waiting rows get their
own prefill, and the two caches are joined for the next chunk. Everything within a step, from
logits processors to sampling, is left to `generate`.

Models, caches and settings that are not known to work this way are decoded in static
batches by the same function, and `Usage.static` gives the reason.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

import torch
from transformers import (
    DynamicCache,
    GenerationMixin,
    LogitsProcessorList,
    StoppingCriteriaList,
)

from pytest_crossmath.models.decoding import cache as caches
from pytest_crossmath.models.decoding.health import Health
from pytest_crossmath.models.decoding.stopping import Stop

Collate = Callable[[Sequence[int]], Mapping[str, Any]]
"""Returns the model inputs of rows on the model's device, padded on the left: `input_ids` and
`attention_mask` of shape (rows, columns), and any other inputs that the model takes."""

_PATIENCE = 1
"""Idle time, in steps of the whole batch, after which a chunk ends. A refill stalls the running
rows for about as long. On a CPU, values from 0 to 8 were measured to be equally fast."""
_PLAIN: dict[str, tuple[Any, ...]] = {
    "use_cache": (None, True),
    "cache_implementation": (None, "hybrid"),  # an old default of checkpoints that is ignored
    "num_beams": (None, 1),
    "num_beam_groups": (None, 1),
    "num_return_sequences": (None, 1),
    "repetition_penalty": (None, 1.0),
    "encoder_repetition_penalty": (None, 1.0),
    "length_penalty": (None, 1.0),
    "typical_p": (None, 1.0),
    "no_repeat_ngram_size": (None, 0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "min_length": (None, 0),
    "min_new_tokens": (None, 0),
    "diversity_penalty": (None, 0.0),
    "epsilon_cutoff": (None, 0.0),
    "eta_cutoff": (None, 0.0),
}
"""Values at which a setting is switched off; for settings not listed, None and False."""
_STEPWISE = frozenset({
    "max_new_tokens", "max_length", "do_sample", "temperature", "top_k", "top_p", "min_p",
    "bos_token_id", "eos_token_id", "pad_token_id", "logits_processor", "transformers_version",
    "_from_model_config",
})  # fmt: skip
"""Settings that act on a single step. Others might count steps from the start of a chunk."""
_INPUTS = frozenset({
    "input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "pixel_values",
    "pixel_attention_mask", "image_grid_thw", "image_sizes",
})  # fmt: skip
"""Inputs that only the prefill needs. Others might be needed in every step."""
_STATES = frozenset({"rope_deltas"})
"""Tensors that models store and that are harmless, since positions are passed explicitly."""
_SHIFTING_ROPE = frozenset({"dynamic", "longrope"})
"""Rotary embeddings that change for all rows with the length of the longest one."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One finished row."""

    index: int
    """The row's number, from 0."""
    tokens: list[int]
    """The new tokens, including the end token if one was generated."""
    seconds: float
    """The row's share of the time: each step's time divided by the rows in it, summed."""
    fault: str = ""
    """What the row's logits were, if they were not numbers to choose by; else empty."""


@dataclass(slots=True)
class Usage:
    """How well the slots were used, updated while rows are decoded.

    A prefill gives a row its first token and counts as one step.
    """

    tokens: int = 0
    """Row-steps that produced a token."""
    row_steps: int = 0
    """Row-steps computed, including those of finished rows still in the batch."""
    slot_steps: int = 0
    """Steps times the batch size, including slots that are empty or waiting for a prefill."""
    joins: int = 0
    """How often waiting rows joined a running batch."""
    static: str = ""
    """Why rows were decoded in static batches; empty if none were."""

    @property
    def utilisation(self) -> float:
        """Share of the slot-steps that produced a token, from 0 to 1."""
        return self.tokens / max(self.slot_steps, 1)

    def count(self, lengths: Sequence[int], steps: int, batch_size: int) -> None:
        """Add the steps of a batch; `lengths` gives the tokens that each row took in them."""
        self.tokens += sum(lengths)
        self.row_steps += steps * len(lengths)
        self.slot_steps += steps * batch_size


def decode(
    model: Any,
    collate: Collate,
    rows: int,
    *,
    batch_size: int,
    options: Mapping[str, Any],
    kinds: Sequence[Hashable] | None = None,
    usage: Usage | None = None,
) -> Iterator[Decoded]:
    """Decode rows 0 to `rows` - 1, at most `batch_size` of them at a time, in any order.

    `collate` is called when rows are admitted, with neighbouring rows, all of the same kind
    if `kinds` names one for each row. `options` are keyword arguments of `model.generate`,
    including `max_new_tokens`; a logits processor among them must judge a row by that row's
    tokens, wherever they are. A `generation_config` among them takes the place of the model's
    own. With greedy decoding, each row gets the tokens that
    `model.generate` would give it alone, up to rounding; sampled tokens depend on the batch,
    and on torch's generator, which the caller seeds.

    A row is yielded at the end of its chunk, at most `batch_size` steps after it finished.
    The cache is as wide as the longest running row, and joining copies it layer by layer, so
    memory use is that of a static batch plus one layer of its cache.

    Raises what `collate` and the model raise, including when memory runs out. Rows that were
    not yielded by then must be requested again.
    """
    usage = Usage() if usage is None else usage
    kinds = [None] * rows if kinds is None else kinds
    work = _Work(model, collate, batch_size, dict(options), kinds, usage)
    left = dict.fromkeys(range(rows))
    usage.static = work.unfit()
    if not usage.static:
        try:
            for row in work.refilled(rows):
                del left[row.index]
                yield row
        except _UnfitError as reason:
            usage.static = str(reason)
    yield from work.static(deque(left))


class _UnfitError(Exception):
    """The running batch cannot be refilled."""


@dataclass(slots=True)
class _Slot:
    """A row in the running batch."""

    index: int
    new: int = 0
    """New tokens so far."""
    seconds: float = 0.0


@dataclass(slots=True)
class _Batch:
    """Rows that are being decoded; each ends in the newest column."""

    slots: list[_Slot]
    ids: torch.Tensor
    """Prompts and new tokens, shape (rows, columns + 1): the newest is not in the cache yet."""
    mask: torch.Tensor
    """0 to the left of a row's first token, 1 elsewhere; same shape."""
    positions: torch.Tensor
    """Rotary positions that the model was given for the last column of the cache: shape
    (rows, 1), or (axes, rows, 1) where pictures are placed in space and time."""
    cache: Any

    def check(self) -> None:
        """Raise `_UnfitError` unless the cache has the expected structure."""
        rows, length = self.ids.shape
        if reason := caches.unknown(self.cache, rows=rows, columns=length - 1):
            raise _UnfitError(reason)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows, and the columns that only they needed."""
        index = torch.tensor(rows, device=self.ids.device)
        mask = self.mask[index]
        padding = int(mask.any(dim=0).int().argmax())
        if len(rows) < len(self.slots) or padding:
            self.slots = [self.slots[row] for row in rows]
            self.ids, self.mask = self.ids[index, padding:], mask[:, padding:]
            self.positions = self.positions[..., index, :]
            caches.keep(self.cache, rows, self.ids.shape[1] - 1)

    def join(self, other: _Batch, filler: int) -> None:
        """Add the rows of another batch, which must not be used afterwards."""
        length = max(self.ids.shape[1], other.ids.shape[1])
        self.slots += other.slots
        self.ids = torch.cat([_widened(batch.ids, length, filler) for batch in (self, other)])
        self.mask = torch.cat([_widened(batch.mask, length, 0) for batch in (self, other)])
        self.positions = torch.cat([self.positions, other.positions], dim=-2)
        caches.join(self.cache, other.cache, length - 1)


class _Work:
    """The state of one call of `decode` that does not change while it runs."""

    def __init__(
        self,
        model: Any,
        collate: Collate,
        batch_size: int,
        options: Mapping[str, Any],
        kinds: Sequence[Hashable],
        usage: Usage,
    ) -> None:
        self.model, self.collate, self.batch_size = model, collate, batch_size
        self.kinds, self.usage = kinds, usage
        # The model itself, inside any adapter that wraps it.
        self.inner: Any = next((m for m in model.modules() if isinstance(m, GenerationMixin)), None)
        own = dict(options)
        self.processors = own.pop("logits_processor", ())
        self.settings: Any = copy.deepcopy(own.pop("generation_config", model.generation_config))
        self.strangers: dict[str, Any] = self.settings.update(**own)
        self.limit: int = self.settings.max_new_tokens
        ends = self.settings.eos_token_id
        self.ends = frozenset(ends if isinstance(ends, list) else [ends]) - {None}
        pad = self.settings.pad_token_id
        self.filler: int = pad if pad is not None else min(self.ends, default=0)

    def unfit(self) -> str:
        """Why this model with these options cannot be refilled; empty if it can."""
        if self.inner is None or type(self.inner).generate is not GenerationMixin.generate:
            return "a model with its own generate"
        if self.inner.config.is_encoder_decoder:
            return "an encoder-decoder"
        for adapter in getattr(self.model, "peft_config", {}).values():
            if adapter.is_prompt_learning or getattr(adapter, "alora_invocation_tokens", None):
                return "an adapter that acts on the prompt"
        for name, value in (self.settings.to_diff_dict() | self.strangers).items():
            if name not in _STEPWISE and value not in _PLAIN.get(name, (None, False)):
                return f"the generation setting {name}"
        config = self.inner.config.get_text_config(decoder=True)
        if _rope_types(config) & _SHIFTING_ROPE or getattr(config, "attention_chunk_size", None):
            return "positions or attention that depend on the longest row"
        return caches.unknown_layers(DynamicCache(config=config))

    def static(self, waiting: deque[int]) -> Iterator[Decoded]:
        """Decode rows in batches that end when their longest row ends."""
        while waiting:
            indices = self._admitted(waiting, self.batch_size)
            started = time.perf_counter()
            with torch.inference_mode():
                inputs = self.collate(indices)
                health = self._health(len(indices))
                sequences = self._run(inputs, health, [health.stop])
            new = sequences[:, inputs["input_ids"].shape[1] :].tolist()
            faults, steps = health.faults(), health.stop.lengths.tolist()
            seconds = (time.perf_counter() - started) / len(indices)
            lengths = [
                steps[n]
                if faults[n]
                else next((i + 1 for i, token in enumerate(row) if token in self.ends), len(row))
                for n, row in enumerate(new)
            ]
            self.usage.count(lengths, len(new[0]), self.batch_size)
            for index, row, length, fault in zip(indices, new, lengths, faults, strict=True):
                yield Decoded(index, row[:length], seconds, fault)

    def refilled(self, rows: int) -> Iterator[Decoded]:
        """Decode rows in slots. Raises `_UnfitError` if that turns out not to work."""
        waiting = deque(range(rows))
        running: _Batch | None = None
        while waiting or running:
            # Inference mode covers only this work, not the code that consumes the rows.
            free = self.batch_size - (len(running.slots) if running else 0)
            if waiting and free:
                with torch.inference_mode():
                    fresh, done = self._prefill(self._admitted(waiting, free))
                    running = self._joined(running, fresh)
            elif running:
                with torch.inference_mode():
                    running, done = self._advance(running)
            yield from done

    def _admitted(self, waiting: deque[int], most: int) -> list[int]:
        """Take up to `most` rows of one kind from the front of the queue."""
        kind = self.kinds[waiting[0]]
        alike = takewhile(lambda row: self.kinds[row] == kind, islice(waiting, most))
        return [waiting.popleft() for _ in list(alike)]

    def _prefill(self, indices: list[int]) -> tuple[_Batch | None, list[Decoded]]:
        """Run prompts with their pictures up to the first new token."""
        started = time.perf_counter()
        inputs = dict(self.collate(indices))
        if strangers := inputs.keys() - _INPUTS:
            raise _UnfitError(f"the model input {min(strangers)}")
        # Only one token: decoding further here would keep the running rows waiting.
        output, seen, stop = self._generate([self.limit] * len(indices), 1, inputs)
        if kept := _kept_tensors(self.inner) - _STATES:
            raise _UnfitError(f"a model that stores {min(kept)} of its latest prompt")
        batch = _Batch(
            slots=[_Slot(index) for index in indices],
            ids=output.sequences,
            mask=_grown(inputs["attention_mask"], 1),
            positions=seen.first[..., -1:],
            cache=output.past_key_values,
        )
        return self._settled(batch, 1, stop, started)

    def _advance(self, batch: _Batch) -> tuple[_Batch | None, list[Decoded]]:
        """Decode one chunk: until rows have finished and their slots have idled long enough."""
        started = time.perf_counter()
        expected = batch.positions + 1
        inputs = {
            "input_ids": batch.ids,
            "attention_mask": batch.mask,
            "past_key_values": batch.cache,
        }
        if expected.ndim > 2:
            # Such models would apply the position offsets of their latest prefill to all rows.
            inputs["position_ids"] = expected
        remaining = [self.limit - slot.new for slot in batch.slots]
        with _internals():
            output, seen, stop = self._generate(remaining, max(remaining), inputs)
        if not _equal(seen.first, expected):
            raise _UnfitError("a model whose positions do not continue from chunk to chunk")
        if not _equal(seen.latest, expected + seen.steps - 1):
            # Some releases give a model the positions that we passed in every step.
            raise _UnfitError("a model whose positions do not continue from step to step")
        steps = output.sequences.shape[1] - batch.ids.shape[1]
        batch.ids, batch.mask = output.sequences, _grown(batch.mask, steps)
        batch.positions, batch.cache = expected + steps - 1, output.past_key_values
        return self._settled(batch, steps, stop, started)

    def _generate(
        self, remaining: list[int], most: int, inputs: Mapping[str, Any]
    ) -> tuple[Any, _Positions, Stop]:
        """Call `generate` once; also returns the positions of its steps."""
        health = self._health(len(remaining))
        stop = Stop(remaining, self.ends, _PATIENCE * self.batch_size, health)
        own = {"max_new_tokens": most, "return_dict_in_generate": True}
        with _positions(self.inner) as seen:
            output = self._run(inputs, health, [stop], **own)
        if seen.first is None or seen.first.shape[-2] != len(remaining):
            # It derives them itself, perhaps from state that another prefill left behind.
            raise _UnfitError("a model that is not given the positions of its tokens")
        return output, seen, stop

    def _health(self, rows: int) -> Health:
        return Health(rows, self.model.device, samples=bool(self.settings.do_sample))

    def _run(
        self, inputs: Mapping[str, Any], health: Health, stops: list[Any], **changes: Any
    ) -> Any:
        """Call `generate` with the settings, all of them in one configuration."""
        config = copy.deepcopy(self.settings)
        config.update(**changes)
        return self.model.generate(
            **inputs,
            **self.strangers,
            generation_config=config,
            # First, so that it sees what the model computed.
            logits_processor=LogitsProcessorList([health, *self.processors]),
            stopping_criteria=StoppingCriteriaList(stops),
        )

    def _settled(
        self, batch: _Batch, steps: int, stop: Stop, started: float
    ) -> tuple[_Batch | None, list[Decoded]]:
        """Account for the steps just made and separate finished rows from unfinished ones."""
        lengths, finished = stop.result(steps)
        faults = stop.health.faults()
        self.usage.count(lengths, steps, self.batch_size)
        seconds = (time.perf_counter() - started) / len(lengths)
        for slot, length in zip(batch.slots, lengths, strict=True):
            slot.new += length
            slot.seconds += seconds
        done = []
        for row in (row for row, over in enumerate(finished) if over):
            slot = batch.slots[row]
            end = batch.ids.shape[1] - (steps - lengths[row])
            tokens = batch.ids[row, end - slot.new : end].tolist()
            done.append(Decoded(slot.index, tokens, slot.seconds, faults[row]))
        left = [row for row, over in enumerate(finished) if not over]
        if not left:
            return None, done
        batch.check()
        with _internals():
            batch.keep(left)
        return batch, done

    def _joined(self, running: _Batch | None, fresh: _Batch | None) -> _Batch | None:
        if running is None or fresh is None:
            return running or fresh
        if running.positions.shape[:-2] != fresh.positions.shape[:-2]:
            raise _UnfitError("a model whose positions change their number of axes")
        with _internals():
            running.join(fresh, self.filler)
        self.usage.joins += 1
        return running


@dataclass(slots=True)
class _Positions:
    """The position ids that a model was given in one call of `generate`."""

    first: Any = None
    """Those of its first step; None if it was given none."""
    latest: Any = None
    """Those of its latest step."""
    steps: int = 0
    """The number of steps."""


@contextmanager
def _positions(module: torch.nn.Module) -> Iterator[_Positions]:
    """Record the position ids that the model is given in its forward passes."""
    seen = _Positions()

    def note(_module: Any, _arguments: Any, named: dict[str, Any]) -> None:
        seen.latest = named.get("position_ids")
        if not seen.steps:
            seen.first = seen.latest
        seen.steps += 1

    handle = module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


@contextmanager
def _internals() -> Iterator[None]:
    """Turn errors from a different release of transformers into `_UnfitError`.

    A `RuntimeError` passes through, since it may mean that memory ran out.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _UnfitError(f"transformers: {type(error).__name__}: {error}") from error


def _kept_tensors(model: torch.nn.Module) -> set[str]:
    """Names of module attributes that are tensors but not parameters or buffers: batch state."""
    return {
        name
        for module in model.modules()
        for name, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    }


def _rope_types(config: Any) -> set[str]:
    """The kinds of rotary embeddings, which may be set separately for each kind of layer."""
    parameters = getattr(config, "rope_parameters", None) or {}
    nested = [value for value in parameters.values() if isinstance(value, dict)]
    return {each.get("rope_type", "default") for each in (parameters, *nested)}


def _equal(positions: torch.Tensor | None, expected: torch.Tensor) -> bool:
    """Whether positions are the expected ones, in shape too."""
    return positions is not None and torch.equal(positions, expected)


def _grown(mask: torch.Tensor, steps: int) -> torch.Tensor:
    return torch.nn.functional.pad(mask, (0, steps), value=1)


def _widened(ids: torch.Tensor, length: int, filler: int) -> torch.Tensor:
    return torch.nn.functional.pad(ids, (length - ids.shape[1], 0), value=filler)
