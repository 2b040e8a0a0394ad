"""Both ends of a chat completion: from a request to arguments, and from the body to a completion.

>>> body = '{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}'
>>> read_completion(body)
Completion(text='4', finish=<Finish.STOP: 'stop'>, new_tokens=0, answered_by=None)

Source: https://platform.openai.com/docs/api-reference/chat, and for `reasoning` and
`chat_template_kwargs` https://docs.vllm.ai/en/stable/features/reasoning_outputs/. The body
is checked here rather than trusted: a server's mistake must become an error, never a text
that is then scored.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_crossmath.errors import BackendError, SuiteError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.circuit import UnfitRequestError
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.task import ImagePart, Part
from pytest_crossmath.text import one_line

_FINISH = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "content_filter": Finish.REFUSED,
}
_ROLES = {None, "assistant", "model"}
"""Who may be the author of a message: a server that repeats the question does not answer it."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half of a character: no file can hold it."""
_LONGEST_NAME = 120
_MOST_TOKENS = 10**9
"""Reported token counts from here on are ignored."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A server's completion of one request."""

    text: str
    """The text; reasoning sent separately is put before it in ``<think>…</think>``."""
    finish: Finish
    """Why it ended."""
    new_tokens: int
    """Number of generated tokens; 0 if the server does not report it."""
    answered_by: str | None = None
    """The model that answered, by its own word; None if the server does not say."""


def chat_arguments(
    model: str, request: Request, settings: Settings, *, hosted: bool = False
) -> dict[str, Any]:
    """The arguments of the client's `chat.completions.create` for a request.

    `hosted` means that the request goes to the vendor's own API, which has a different name
    for the limit on new tokens, and some of whose models do not accept a temperature.

    Raises `UnfitRequestError` if a picture cannot be read.
    """
    arguments: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": _content(request)}],
    }
    if settings.max_new_tokens is not None:
        # Neither accepts the other's name.
        limit = "max_completion_tokens" if hosted else "max_tokens"
        arguments[limit] = settings.max_new_tokens
    if not (hosted and settings.temperature == 1):
        # There the default is 1; elsewhere the checkpoint sets it.
        arguments["temperature"] = settings.temperature
    if settings.temperature > 0:
        arguments["seed"] = zlib.crc32(repr(request.id.plain).encode())
    if settings.thinking:
        arguments["extra_body"] = {"chat_template_kwargs": {"enable_thinking": True}}
    return arguments


def read_completion(body: str | bytes, mask: Callable[[str], str] = str) -> Completion:
    """The completion in the body of an HTTP response.

    `mask` is applied to every text that is kept: it removes secrets that a server repeats.
    Raises `BackendError` for anything that is not finished text from an assistant.
    """
    answer = _parse(_decoded(body), mask)
    choice = _only_choice(answer, mask)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _odd("its choice has no message")
    if message.get("role") not in _ROLES:
        raise _odd(f"its message is from {_shown(message['role'], mask)}")
    content, refusal = _content_of(message), _optional_text(message, "refusal")
    reasoning = _optional_text(message, "reasoning_content") or _optional_text(message, "reasoning")
    finish = _finish(choice, message, mask)
    finish = Finish.REFUSED if refusal else finish
    if finish is Finish.STOP:
        _require_content(content, reasoning or message.get("reasoning_details"))
    # The tags are ours, and nothing in them is a secret.
    thought = f"<think>{mask(reasoning)}</think>" if reasoning else ""
    text = thought + mask(content or refusal or "")
    return Completion(
        _SURROGATE.sub("\ufffd", text), finish, _new_tokens(answer), _answered_by(answer, mask)
    )


def _content(request: Request) -> str | list[dict[str, Any]]:
    """The user message; plain text without a picture, since text-only servers do not take parts."""
    if not request.pictures:
        return request.text
    return [_encode(part) for part in request.content]


def _encode(part: Part) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": _data_url(part.picture)}}
    return {"type": "text", "text": part.text}


def _data_url(picture: Picture) -> str:
    try:
        return picture.sent.url
    except SuiteError as error:
        raise UnfitRequestError(str(error)) from None


def _decoded(body: str | bytes) -> str:
    """The text: JSON is UTF-8, whatever the header says."""
    if isinstance(body, str):
        return body
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _odd("it is not UTF-8") from None


def _parse(body: str, mask: Callable[[str], str]) -> Mapping[str, Any]:
    try:
        answer = json.loads(body, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except _AmbiguousError as error:
        raise _odd(str(error)) from None
    except (ValueError, RecursionError):
        raise _odd(f"it is not JSON: {one_line(mask(body), 60)}") from None
    if not isinstance(answer, dict):
        raise _odd("it is not a JSON object")
    return answer


class _AmbiguousError(ValueError):
    """JSON that different readers take differently."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _AmbiguousError("one of its objects has a field twice")
    return found


def _refuse_constant(name: str) -> None:
    raise _AmbiguousError(f"it has the number {name}, which is not JSON")


def _only_choice(answer: Mapping[str, Any], mask: Callable[[str], str]) -> Mapping[str, Any]:
    listed = answer.get("choices")
    choices = listed if isinstance(listed, list) else []
    found = [one for one in choices if isinstance(one, dict)]
    # Some gateways report an upstream failure with status 200, next to what came before it.
    for part in (answer, *found):
        if part.get("error"):
            what = "reports an error" if found else "has no choices"
            raise _odd(f"it {what}: {_shown(part['error'], mask, 240)}")
    if not found:
        raise _odd("it has no choices")
    if len(choices) > 1:
        raise _odd(f"it has {len(choices)} choices, and one was asked for")
    return found[0]


def _finish(
    choice: Mapping[str, Any], message: Mapping[str, Any], mask: Callable[[str], str]
) -> Finish:
    reason = choice.get("finish_reason")
    if message.get("tool_calls") or message.get("function_call"):
        raise _odd("it calls a tool")
    if not isinstance(reason, str) or reason not in _FINISH:
        raise _odd(f"its finish_reason is {_shown(reason, mask)}")
    return _FINISH[reason]


def _content_of(message: Mapping[str, Any]) -> str | None:
    """The content; some servers send a list of parts."""
    parts = message.get("content")
    if not isinstance(parts, list):
        return _optional_text(message, "content")
    texts = [part.get("text") if _is_text(part) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise _odd("the content of its message has parts that are not text")
    return "".join(map(str, texts))


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") in {"text", "output_text"}


def _require_content(content: str | None, reasoning: object) -> None:
    """Raise `BackendError` if a message that is complete has nothing outside of its reasoning."""
    if reasoning and not (content or "").strip():
        raise _odd(
            "its message has no content, only reasoning: the server's reasoning parser took the"
            " answer for part of it, or the model did not answer after it"
        )
    if content is None:
        raise _odd("its message has no content")


def _optional_text(message: Mapping[str, Any], field: str) -> str | None:
    value = message.get(field)
    if value is not None and not isinstance(value, str):
        raise _odd(f"the {field} of its message is not text")
    return value


def _answered_by(answer: Mapping[str, Any], mask: Callable[[str], str]) -> str | None:
    """The model that answered, and the configuration that it ran in if the server gives one."""
    name, fingerprint = (answer.get(field) for field in ("model", "system_fingerprint"))
    if not isinstance(name, str) or not name.strip():
        return None
    shown = one_line(mask(name), _LONGEST_NAME)
    if not isinstance(fingerprint, str) or not fingerprint.strip():
        return shown
    return f"{shown} ({one_line(mask(fingerprint), _LONGEST_NAME)})"


def _shown(value: object, mask: Callable[[str], str], longest: int = 60) -> str:
    return one_line(mask(json.dumps(value)), longest)


def _new_tokens(answer: Mapping[str, Any]) -> int:
    usage = answer.get("usage")
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return count if type(count) is int and 0 < count < _MOST_TOKENS else 0


def _odd(what: str) -> BackendError:
    return BackendError(f"the server's response is not a chat completion: {what}")
