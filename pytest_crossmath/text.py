r"""Text for display: shortened to one line, and without terminal control characters.

>>> one_line("out of\n   memory", 9)
'out of me …'
>>> printable("\x1b[31mred")
'\\x1b[31mred'
"""

from __future__ import annotations


def one_line(message: object, longest: int = 240) -> str:
    """Another library's or a server's message as one line of at most `longest` characters."""
    return cut(" ".join(without_controls(str(message)).split()) or "no message", longest)


def cut(text: str, longest: int) -> str:
    """The text, or its first `longest` characters and an ellipsis."""
    return text if len(text) <= longest else f"{text[:longest]} …"


def printable(text: str) -> str:
    """The text with control characters escaped, so that it cannot control a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def without_controls(text: str) -> str:
    """The text with a space in place of each control character."""
    return "".join(c if c.isprintable() else " " for c in text)


def excerpt(value: object, longest: int = 80) -> str:
    """The beginning of a value's `repr`, for a message that quotes it."""
    return repr(value)[:longest]
