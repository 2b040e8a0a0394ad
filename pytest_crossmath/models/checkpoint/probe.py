"""A probe of the chat template at load: whether a model gets the prompt that is meant for it.

::

    conversation = probed(processor, reads_images=True, place="./DIR", bound=60.0)

A template that is not made for what it is given fails in silence: it prints a Python list, cuts
a question, escapes its signs, loses a picture, or never gives the turn to the model. So a probe
is rendered the way requests are. What the template itself tells how to repair is repaired, and
noted; anything else is a `ModelError`, before a single request is answered wrongly.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NoReturn

from PIL import Image, ImageDraw
from transformers import PaliGemmaProcessor

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.checkpoint.conversation import Conversation, Message
from pytest_crossmath.models.decoding.detokenizer import leading_marker, special_tokens
from pytest_crossmath.text import described, excerpt

_LINES = [f"{n} | {3 * n} - {n} = {2 * n} | ? < 7 & \"x\" > 'y'" for n in range(120)]
QUESTION = "\n".join(_LINES)
"""As long as a real question, with signs that a template may escape, quote or cut."""
_ASKED, _REPLY = "Q 1234?", "Zephyr 4711."
_ADVICE = "use the chat template of the model that it was trained from"


def probed(processor: Any, *, reads_images: bool, place: str, bound: float) -> Conversation:
    """How to prompt a checkpoint.

    `place` names the checkpoint in messages. Raises `ModelError` for a template that cannot be
    used, or that takes longer than `bound` seconds.
    """
    return _bounded(lambda: _Probe(processor, reads_images, place).conversation(), bound, place)


def probe_picture() -> Image.Image:
    """A picture like those of the suites: dark lines on white."""
    picture = Image.new("RGB", (224, 224), "white")
    ImageDraw.Draw(picture).rectangle((40, 40, 180, 180), outline="black", width=5)
    return picture


class _OverdueError(BaseException):
    """Ends a probe from outside; no handler of `Exception` on the way may keep it."""


class _Probe:
    """The checks, one after the other."""

    def __init__(self, processor: Any, reads_images: bool, place: str) -> None:
        self.processor, self.reads_images, self.place = processor, reads_images, place
        self.notes: list[str] = []
        self.is_direct = False
        """Whether a reply follows the prompt directly, as the template writes them."""

    def conversation(self) -> Conversation:
        """What the checks found."""
        found = self._style()
        if self.reads_images:
            found = self._with_pictures(found)
        found = self._turns(found)
        if not isinstance(self.processor, PaliGemmaProcessor):  # it writes them itself
            found = self._special(found)
            self._check_text(found, found.tokenizer)
        return replace(found, notes=tuple(self.notes))

    def refuse(self, fault: str, advice: str = _ADVICE) -> NoReturn:
        """Raise a `ModelError` about the template."""
        raise ModelError(f"the chat template of {self.place} {fault}: {advice}")

    def _style(self) -> Conversation:
        """Whether the template takes a message in parts or as one text."""
        tried = [Conversation(self.processor, self.reads_images, one) for one in self._styles()]
        faults = [self._fault(one) for one in tried]
        works = next((n for n, fault in enumerate(faults) if not fault), None)
        if works is None:
            self.refuse(faults[0])
        found = tried[works]
        if self.reads_images and found.placeholder is not None:
            self.notes.append(
                f"the chat template of {self.place} does not take a message in parts (it"
                f" {faults[0]}): it is given one text, with {found.placeholder} for a picture"
            )
        return found

    def _styles(self) -> list[str | None]:
        """Parts or one text; what the kind of model suggests comes first."""
        if not self.reads_images:
            return ["", None]
        return [None, *self._placeholders()]

    def _placeholders(self) -> Iterator[str]:
        """What may stand for a picture in a text, the most specific first."""
        known = set(special_tokens(self.processor.tokenizer).values())
        image = getattr(self.processor, "image_token", None)
        if {"<|vision_start|>", "<|vision_end|>"} <= known and image:
            yield f"<|vision_start|>{image}<|vision_end|>"
        for name in ("boi_token", "image_token"):
            if token := getattr(self.processor, name, None):
                yield str(token)

    def _fault(self, one: Conversation) -> str:
        """What is wrong with the prompt for a question; empty if nothing is."""
        try:
            prompt = one.prompt([QUESTION])
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - a template may raise anything
            return f"fails with {described(error)}"
        times = prompt.count(QUESTION)
        if times > 1:
            return f"writes the question {times} times"
        if times == 1:
            return ""
        if repr(QUESTION) in prompt or repr({"type": "text"})[:-1] in prompt:
            return "prints the Python list of a message's parts"
        if not any(line in prompt for line in _LINES):
            return "leaves the question out, or changes its signs"
        return "changes or cuts the question"

    def _with_pictures(self, found: Conversation) -> Conversation:
        """Check that the template writes a place for each picture."""
        picture = probe_picture()
        try:
            # With a text each, since a template may join what has nothing in between.
            sizes = [len(found.prompt([*[picture] * n, "A"])) for n in range(3)]
        except Exception as error:  # noqa: BLE001 - a template may raise anything
            self.refuse(f"fails for a picture with {described(error)}")
        if sizes[1] <= sizes[0]:
            self.refuse("writes nothing for a picture, so the model would not see it")
        return found if sizes[2] > sizes[1] else replace(found, most_pictures=1)

    def _turns(self, found: Conversation) -> Conversation:
        """Check that the prompt ends where the assistant's turn begins, and how a turn ends."""
        asked: Message = [_ASKED]
        spoken = [{"role": "user", "content": found.content(asked)}]
        said = [{"role": "assistant", "content": found.content([_REPLY])}]
        try:
            whole = found.rendered(spoken + said, opens=False)
            closed = found.rendered(spoken, opens=False)
        except Exception:  # noqa: BLE001 - many templates take a single message only
            return found
        opened = found.prompt(asked)
        before, reply, after = whole.partition(_REPLY)
        if not reply or not before.startswith(closed):
            return found
        self.is_direct = before.rstrip() == opened.rstrip()
        found = replace(found, turn_end=after)
        opening, own = before.removeprefix(closed), opened.removeprefix(closed).strip()
        header = closed.partition(_ASKED)[0].rstrip()
        if own and header.endswith(own) and own != opening.strip():
            self.refuse(f"opens a turn of the user ({excerpt(own)}) in place of the assistant's")
        if not own and opening.strip() and not header.endswith(opening.strip()):
            self.notes.append(
                f"the chat template of {self.place} does not open the assistant's turn:"
                f" {excerpt(opening)} is added to each prompt, as it writes before a reply"
            )
            return replace(found, opening=opening)
        return found

    def _special(self, found: Conversation) -> Conversation:
        """Check that special tokens are there once, and at the right end."""
        tokenizer = found.tokenizer
        prompt = found.prompt([_ASKED])
        own: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        full: list[int] = found.inputs([[_ASKED]])["input_ids"][0].tolist()
        place = next((n for n in range(len(full)) if full[n : n + len(own)] == own), None)
        tail = [] if place is None else full[place + len(own) :]
        bos, turn_end = tokenizer.bos_token, leading_marker(tokenizer, found.turn_end)
        if bos and prompt.lstrip().startswith(bos):
            # Otherwise the tokenizer would add a second one.
            found = replace(found, adds_special=False)
        elif tail:
            start = tokenizer.decode(full[:place])
            found = replace(found, adds_special=False, start=start)
        if tail:
            self.notes.append(
                f"the tokenizer of {self.place} ends each prompt with {tokenizer.decode(tail)!r},"
                " as in training: it is left out"
            )
        if bos and bos != tokenizer.eos_token and prompt.count(bos) > 1:
            self.refuse(f"writes {bos} {prompt.count(bos)} times in one prompt")
        ends = [tokenizer.eos_token]
        ends += [] if turn_end is None else [tokenizer.convert_ids_to_tokens(turn_end)]
        for end in ends:
            if end and prompt.rstrip().endswith(end) and not self.is_direct:
                self.refuse(f"ends the prompt with {end}: the model's turn is over before it says")
        return found

    def _check_text(self, found: Conversation, tokenizer: Any) -> None:
        """Refuse a tokenizer that cuts a prompt, unless it cannot write the text anyway."""

        def known(ids: Any) -> str:
            return "".join(tokenizer.decode(ids, skip_special_tokens=True).split())

        bare = "".join(QUESTION.split())
        alone = known(tokenizer(QUESTION, add_special_tokens=False, truncation=False)["input_ids"])
        inputs = found.inputs([[QUESTION]])
        if alone == bare and bare not in known(inputs["input_ids"][0]):
            raise ModelError(
                f"the tokenizer of {self.place} cuts a prompt: remove `truncation` and `max_length`"
                " from tokenizer_config.json and processor_config.json"
            )


def _bounded(work: Callable[[], Conversation], bound: float, place: str) -> Conversation:
    """Do some work in a thread that is stopped when it takes too long.

    A template is a program: two nested loops are enough for one that never ends.
    """
    results: list[Conversation] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(bound)
    if thread.is_alive():
        _end(thread)
        raise ModelError(
            f"the chat template of {place} takes longer than {bound:.0f} s for one question:"
            f" {_ADVICE}"
        )
    if errors:
        raise errors[0]
    return results[0]


def _end(thread: threading.Thread) -> None:
    """Raise an exception in a thread: it runs Python code, so that ends it."""
    api = getattr(ctypes, "pythonapi", None)  # CPython's alone; without it the thread runs on
    if api is not None:
        number = ctypes.c_ulong(thread.ident or 0)
        api.PyThreadState_SetAsyncExc(number, ctypes.py_object(_OverdueError))
