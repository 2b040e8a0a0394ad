"""Both ends of a chat completion: from a request to arguments, and from the body to a completion.

>>> body = '{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}'
>>> read_completion(body)
Completion(text='4', finish=<Finish.STOP: 'stop'>, new_tokens=0)

Source: https://platform.openai.com/docs/api-reference/chat, and for `reasoning` and
`chat_template_kwargs` https://docs.vllm.ai/en/stable/features/reasoning_outputs/. The body
is checked here rather than trusted: a server's mistake must become an error, never a text
that is then scored.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_crossmath.errors import BackendError, SuiteError
from pytest_crossmath.models.backend import Settings
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


def chat_arguments(
    model: str, request: Request, settings: Settings, *, hosted: bool = False
) -> dict[str, Any]:
    """The arguments of the client's `chat.completions.create` for a request.

    `hosted` means that the request goes to the vendor's own API, which has a different name
    for the limit on new tokens, and some of whose models do not accept a temperature.

    Raises `BackendError` if a picture cannot be read.
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


def read_completion(body: str) -> Completion:
    """The completion in the body of an HTTP response.

    Raises `BackendError` for anything that is not finished text from an assistant.
    """
    answer = _parse(body)
    choice = _first_choice(answer)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _odd("its choice has no message")
    content, refusal = (_optional_text(message, field) for field in ("content", "refusal"))
    finish = Finish.REFUSED if refusal else _finish(choice, message)
    if content is None and finish is Finish.STOP:
        raise _odd("its message has no content")
    reasoning = _optional_text(message, "reasoning_content") or _optional_text(message, "reasoning")
    thought = f"<think>{reasoning}</think>" if reasoning else ""
    return Completion(thought + (content or refusal or ""), finish, _new_tokens(answer))


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
        raise BackendError(str(error)) from None


def _parse(body: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise _odd(f"it is not JSON: {one_line(body, 60)}") from None
    if not isinstance(answer, dict):
        raise _odd("it is not a JSON object")
    return answer


def _first_choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = answer.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    # Some gateways report an upstream failure with status 200.
    reported = f": {one_line(json.dumps(answer['error']))}" if answer.get("error") else ""
    raise _odd(f"it has no choices{reported}")


def _finish(choice: Mapping[str, Any], message: Mapping[str, Any]) -> Finish:
    reason = choice.get("finish_reason")
    if message.get("tool_calls") or message.get("function_call"):
        raise _odd("it calls a tool")
    if not isinstance(reason, str) or reason not in _FINISH:
        raise _odd(f"its finish_reason is {one_line(json.dumps(reason), 60)}")
    return _FINISH[reason]


def _optional_text(message: Mapping[str, Any], field: str) -> str | None:
    value = message.get(field)
    if value is not None and not isinstance(value, str):
        raise _odd(f"the {field} of its message is not text")
    return value


def _new_tokens(answer: Mapping[str, Any]) -> int:
    usage = answer.get("usage")
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return count if type(count) is int and 0 < count < _MOST_TOKENS else 0


def _odd(what: str) -> BackendError:
    return BackendError(f"the server's response is not a chat completion: {what}")
