"""Markers: pictures inside a text, where ``<image 2>`` marks the place of the second.

>>> from pathlib import Path
>>> pictures = {1: Picture(Path("a.png"))}
>>> [type(part).__name__ for part in interleaved("Is <image 1> a square?", pictures)]
['TextPart', 'ImagePart', 'TextPart']
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.task import ImagePart, Part, TextPart

_MARKER = re.compile(r"<image (\d{1,3})>")


class MarkerError(ValueError):
    """A marker names a picture that does not exist."""


def interleaved(text: str, images: Mapping[int, Picture]) -> tuple[Part, ...]:
    """Text and pictures in order; pictures without a marker come before the text.

    A picture that is named more than once is shown at its first marker; later markers stay in
    the text. Raises `MarkerError`.
    """
    pieces = _MARKER.split(text)
    named = [int(number) for number in pieces[1::2]]
    for number in named:
        if number not in images:
            raise MarkerError(f"names <image {number}>, but there is no such picture")
    unnamed = (picture for number, picture in sorted(images.items()) if number not in named)
    return (*map(ImagePart, unnamed), *_joined(pieces, images))


def _joined(pieces: list[str], images: Mapping[int, Picture]) -> Iterator[Part]:
    shown: set[int] = set()
    waiting = pieces[0]
    for marker, following in zip(pieces[1::2], pieces[2::2], strict=True):
        number = int(marker)
        if number in shown:
            waiting += f"<image {number}>{following}"
            continue
        if waiting.strip():
            yield TextPart(waiting.strip())
        shown.add(number)
        yield ImagePart(images[number])
        waiting = following
    if waiting.strip():
        yield TextPart(waiting.strip())
