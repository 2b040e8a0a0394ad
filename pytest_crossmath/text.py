r"""Text for each kind of reader: terminals and logs, XML, HTML, Markdown, YAML, and messages.

What comes from a suite, a model, a server, a record or a file name is *data*: it may hold anything
at all. It goes through one of these functions on its way out, and then cannot be taken for a
command, for markup, or for anything else but text:

    ==================  ============================================================
    terminal, CI log    `log_line`, `log_lines`
    XML (JUnit), YAML   `printable`: the library quotes, but not every character is allowed
    HTML                `printable`, then the template's own escaping; `in_html` in a string
    Markdown            `in_markdown`
    GitHub annotation   `in_command`
    ==================  ============================================================

>>> printable("\x1b[31mred")
'\\x1b[31mred'
>>> log_line("::error::boo"), log_line("##[error]boo")
('\\x3a:error::boo', '#\\x23[error]boo')
>>> in_markdown("a|b <img> @you")
'a\\|b &lt;img&gt; @&#8203;you'
>>> one_line("out of\n   memory", 9)
'out of me …'
"""

from __future__ import annotations

import html
import re

_COMMAND = re.compile(r"^( *):(?=:)")
"""A workflow command of GitHub Actions: two colons, where a line begins."""
_OLD_COMMAND = re.compile(r"##(?=\w*\[)")
"""Of GitHub's runner in its first form, Azure Pipelines and TeamCity, anywhere in a line."""
_LINE_END = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")
_LINKED = re.compile(r"@|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=[Ww]{3})(?=\.)")
"""Where GitHub makes a mention, a reference or a link even of escaped text."""
_APART = "&#8203;"


def one_line(message: object, longest: int = 240) -> str:
    """Another library's or a server's message as one line of at most `longest` characters."""
    return cut(" ".join(without_controls(str(message)).split()) or "no message", longest)


def described(error: BaseException) -> str:
    """An exception of another library as one line: its class, and what it says."""
    return f"{type(error).__name__}: {one_line(error)}"


def cut(text: str, longest: int) -> str:
    """The text, or its first `longest` characters and an ellipsis."""
    return text if len(text) <= longest else f"{text[:longest]} …"


def printable(text: str) -> str:
    """The text with an escape in place of every character that is not shown as itself.

    These are control characters, line ends, marks that change the direction of writing, invisible
    ones, halves of surrogate pairs, and what is not a character. What is left is valid XML.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def log_line(text: str) -> str:
    """The text as one line of a terminal or of a CI job's log, in which it is never a command."""
    plain = _COMMAND.sub(r"\1\\x3a", printable(text))
    return _OLD_COMMAND.sub(r"#\\x23", plain)


def log_lines(text: str) -> list[str]:
    """A text of several lines, each of them as `log_line` returns it."""
    return [log_line(line) for line in _LINE_END.split(text)]


def in_markdown(text: str) -> str:
    """The text as one line of Markdown that shows it, without markup, links or mentions."""
    plain = _SPECIAL.sub(r"\\\1", html.escape(printable(text), quote=False))
    return _apart(plain)


def in_html(text: str) -> str:
    """The text as one line of HTML, also within Markdown, where backslashes are not escapes."""
    return _apart(html.escape(printable(text)))


def in_command(text: str, also: str = "") -> str:
    """The text as a part of a workflow command; `also` are characters that would end that part."""
    ends = f"%\r\n{also}"
    return "".join(f"%{ord(c):02X}" if c in ends else printable(c) for c in text)


def without_controls(text: str) -> str:
    """The text with a space in place of each control character."""
    return "".join(c if c.isprintable() else " " for c in text)


def excerpt(value: object, longest: int = 80) -> str:
    """The beginning of a value's `repr`, for a message that quotes it."""
    try:
        return repr(value)[:longest]
    except ValueError:  # a whole number of thousands of digits
        return f"a {type(value).__name__}"


def _apart(text: str) -> str:
    """The text with a space of no width where GitHub would link it."""
    return _LINKED.sub(lambda found: f"{found[0]}{_APART}", text)
