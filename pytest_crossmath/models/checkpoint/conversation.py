"""From a message to a model's inputs: chat template, pictures, special tokens.

::

    conversation = probed(processor, reads_images=True, place="./DIR")
    conversation.inputs([[picture, "Solve the puzzle."]])      # input_ids, pixel_values, …

How a checkpoint is to be prompted is learnt once, at load, by `probe`: a `Conversation` holds
what it found. Batches are padded on the left, since a decoder continues at the right end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from transformers import PaliGemmaProcessor

Message = Sequence[str | Image.Image]
"""What a user says in one turn: texts and pictures, in order."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """How a checkpoint is prompted."""

    processor: Any
    """Its processor, or its tokenizer if it takes text only."""
    reads_images: bool
    """Whether it takes pictures."""
    placeholder: str | None = None
    """What stands for a picture if the template takes a message as one text; None if the
    template takes a message in parts."""
    start: str = ""
    """What the template leaves out at the start of a prompt."""
    opening: str = ""
    """What the template leaves out at the end of a prompt: the start of the assistant's turn."""
    adds_special: bool = True
    """Whether the tokenizer adds its special tokens to a prompt."""
    most_pictures: int | None = None
    """How many pictures the template writes; None if it writes all."""
    turn_end: str = ""
    """What the template writes after a message of the assistant."""
    notes: tuple[str, ...] = ()
    """What had to be repaired, a sentence each."""

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, on its own or in the processor."""
        return getattr(self.processor, "tokenizer", self.processor)

    def prompt(self, message: Message, *, thinking: bool = False) -> str:
        """The text of a prompt, up to where the model's turn begins."""
        spoken = [{"role": "user", "content": self.content(message)}]
        written = self.rendered(spoken, opens=True, thinking=thinking)
        return f"{self.start}{written}{self.opening}"

    def rendered(self, spoken: list[dict[str, Any]], *, opens: bool, thinking: bool = False) -> str:
        """What the chat template writes for messages; with `opens`, the model's turn is begun."""
        # If the template does not use it, transformers passes it on to the processor and warns.
        known = "enable_thinking" in str(self.processor.chat_template)
        options = {"enable_thinking": thinking} if known else {}
        return str(
            self.processor.apply_chat_template(
                spoken, add_generation_prompt=opens, tokenize=False, **options
            )
        )

    def content(self, message: Message) -> Any:
        """A message as the template takes it."""
        if self.placeholder is not None:
            return "".join(part if isinstance(part, str) else self.placeholder for part in message)
        return [
            {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
            for part in message
        ]

    def inputs(self, messages: Sequence[Message], *, thinking: bool = False) -> Any:
        """The inputs for a batch, all with pictures or all without, on the CPU."""
        prompts = [self.prompt(message, thinking=thinking) for message in messages]
        arguments: dict[str, Any] = {
            "text": prompts,
            "padding": True,
            # Also set here, since a processor from a user's own training pads on the right.
            "padding_side": "left",
            "return_tensors": "pt",
        }
        if not self.adds_special:
            arguments["add_special_tokens"] = False
        pictures = [[part for part in message if not isinstance(part, str)] for message in messages]
        if pictures[0]:
            arguments["images"] = pictures
        elif isinstance(self.processor, PaliGemmaProcessor):
            return self._without_pictures(arguments)
        inputs = self.processor(**arguments)
        # PaliGemma's processor adds labels for training.
        inputs.pop("labels", None)
        return inputs

    def _without_pictures(self, arguments: Mapping[str, Any]) -> Any:
        """What PaliGemma's processor would return if it accepted prompts without pictures."""
        tokenizer = self.processor.tokenizer
        prompts = [f"{tokenizer.bos_token}{prompt}\n" for prompt in arguments["text"]]
        own = {"text": prompts, "add_special_tokens": False}
        # The token types mark the whole prompt as prefix, with attention in both directions.
        return tokenizer(**{**arguments, **own}, return_token_type_ids=True)
