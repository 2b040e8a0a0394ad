"""Every consumer of a picture is given the same pixels, and they are those a person sees."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from pytest_crossmath.errors import BackendError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.backend import _shown as shown_to_a_checkpoint
from pytest_crossmath.models.reference import ReferenceBackend
from pytest_crossmath.models.registry import parse_spec, sends_files
from pytest_crossmath.models.servers.chat_completion import chat_arguments
from pytest_crossmath.reporting.gallery import Gallery
from pytest_crossmath.tasks.crossmath import reader
from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.decoder import is_plain_png
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality, Task
from pytest_crossmath.tasks.verify import verify, verify_manifest
from pytest_crossmath.training.dataset import Completion, examples, make_dataset
from pytest_crossmath.training.export import write_openai, write_trl
from tests.tasks.crossmath.made_up import SOUND, pictured
from tests.tasks.odd_pictures import CHANGED, PLAIN, UNKNOWN, Pixel

Consumer = Callable[[Task, Path], Image.Image]
IMAGE = Form(Modality.IMAGE, "original")


def _file(data: bytes) -> Image.Image:
    """A file as somebody shows it who knows nothing of transparency, orientation or frames."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def _url(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    content = base64.b64decode(data)
    with Image.open(io.BytesIO(content)) as image:
        assert head == f"data:{Image.MIME[str(image.format)]};base64"
    return _file(content)


def _checkpoint(task: Task, _: Path) -> Image.Image:
    return shown_to_a_checkpoint(task.images["original"])


def _server(task: Task, _: Path) -> Image.Image:
    [message] = chat_arguments("m", make_request(task, IMAGE), Settings())["messages"]
    return _url(message["content"][0]["image_url"]["url"])


def _read_by(ask: Callable[[], Any]) -> Image.Image:
    seen: list[Image.Image] = []

    def read(image: Image.Image) -> reader.GridReading:
        seen.append(image)
        return reader.GridReading(None, (reader.Doubt(None, "not read"),))

    with patch.object(reader, "read_picture", read):
        ask()
    return seen[0]


def _calibrator(task: Task, _: Path) -> Image.Image:
    request = make_request(task, IMAGE)
    backend = ReferenceBackend()
    return _read_by(lambda: list(backend.generate([request], Settings(), batch_size=1)))


def _verify(task: Task, _: Path) -> Image.Image:
    return _read_by(lambda: verify([task]))


def _page(task: Task, _: Path) -> Image.Image:
    gallery = Gallery()
    name = gallery.add(task.images["original"])
    assert name is not None
    return _url(gallery.pictures[name])


def _examples(task: Task) -> Any:
    suite = load_suite("mini")
    return examples(
        replace(suite, tasks=(task,)), modalities=[Modality.IMAGE], styles=["original"],
        completion=Completion.ANSWER, seed=1,
    )  # fmt: skip


def _openai(task: Task, folder: Path) -> Image.Image:
    write_openai(_examples(task), folder)
    line = json.loads((folder / "train.jsonl").read_text(encoding="utf-8"))
    return _url(line["messages"][0]["content"][0]["image_url"]["url"])


def _trl(task: Task, folder: Path) -> Image.Image:
    write_trl(_examples(task), folder)
    [file] = (folder / "images").iterdir()
    return _file(file.read_bytes())


CONSUMERS: list[Consumer] = [
    _checkpoint, _server, _calibrator, _verify, _page, _openai, _trl,
]  # fmt: skip


def _task(folder: Path, data: bytes) -> Task:
    # The name says nothing: what counts are the bytes.
    (folder / "picture.png").write_bytes(data)
    return pictured(SOUND, {"original": folder / "picture.png"})


def _pixels(image: Image.Image) -> list[Pixel]:
    return [tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3).tolist()]


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda one: one.__name__.strip("_"))
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case[0], marks=[pytest.mark.nightly] * (number % 3 > 0))
        for number, case in enumerate((*PLAIN, *CHANGED))
    ],
)
def test_the_pixels_are_the_same_for_all(
    tmp_path: Path, case: tuple[str, bytes, list[Pixel], str | None], consumer: Consumer
) -> None:
    """Checkpoint, server, calibrator, verify, page and training sets show one picture."""
    _, data, expected, _ = case
    assert _pixels(consumer(_task(tmp_path, data), tmp_path)) == expected


# `datasets` leaves the files open that it decodes.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("embed", [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_a_training_set_shows_them_too(tmp_path: Path, embed: bool) -> None:
    """The rows that a trainer decodes on its own hold the same pixels."""
    pytest.importorskip("datasets")
    found, wanted = [], []
    for number, (_, data, expected, _) in enumerate([*PLAIN, *CHANGED]):
        (tmp_path / str(number)).mkdir()
        found += list(_examples(_task(tmp_path / str(number), data)))
        wanted.append(expected)
    made = make_dataset(found, tmp_path / "cache", embed=embed)
    assert [_pixels(row["images"][0].convert("RGB")) for row in made] == wanted


@pytest.mark.parametrize("case", PLAIN, ids=[case[0] for case in PLAIN])
def test_a_plain_picture_is_sent_as_it_is(
    tmp_path: Path, case: tuple[str, bytes, list[Pixel], str | None]
) -> None:
    """A server gets its very bytes, and nothing is said of it."""
    picture = _task(tmp_path, case[1]).images["original"]
    assert (picture.sent.data, picture.note) == (case[1], None)


@pytest.mark.parametrize("case", CHANGED, ids=[case[0] for case in CHANGED])
def test_another_picture_is_sent_as_the_decoder_made_it(
    tmp_path: Path, case: tuple[str, bytes, list[Pixel], str | None]
) -> None:
    """A server gets a PNG of it, and the record says what was done."""
    picture = _task(tmp_path, case[1]).images["original"]
    assert picture.sent.mime == "image/png"
    assert is_plain_png(picture.sent.data)
    assert picture.note == case[3]


@pytest.mark.parametrize(("name", "data", "reason"), UNKNOWN, ids=[case[0] for case in UNKNOWN])
def test_what_cannot_be_shown_is_shown_to_nobody(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    """Each consumer reports it, and none makes up a picture."""
    task = _task(tmp_path, data)
    for show in (_checkpoint, _server):
        with pytest.raises(BackendError, match=reason):
            show(task, tmp_path)
    [(_, answer)] = ReferenceBackend().generate(
        [make_request(task, IMAGE)], Settings(), batch_size=1
    )
    assert reason in str(answer)
    assert isinstance(answer, BackendError)
    assert any(reason in defect.detail for defect in verify([task]).defects)
    assert Gallery().add(task.images["original"]) is None


def test_the_reader_takes_any_kind_of_image() -> None:
    """Black ink on transparent paper is a grid, not a black square."""
    drawn = FAMILY.draw(SOUND.content, "original", "").convert("L")
    clear = Image.new("RGBA", drawn.size, (0, 0, 0, 0))
    clear.putalpha(drawn.point([255 - value for value in range(256)]))
    deep = Image.fromarray(np.asarray(drawn).astype(np.uint16) * 257)
    for image in (clear, deep, drawn):
        assert FAMILY.read(image).certain == SOUND.content


def test_the_hash_of_a_manifest_is_that_of_the_same_pixels(tmp_path: Path) -> None:
    """A suite whose pictures are saved anew with transparent paper still fits its manifest."""
    picture = load_suite("mini").tasks[0].images["original"]
    ink = np.asarray(picture.rgb())
    clear = np.dstack([ink, np.where((ink == 255).all(axis=2), 0, 255).astype(np.uint8)])
    clear[clear[..., 3] == 0] = 0
    Image.fromarray(clear).save(tmp_path / "clear.png")
    task = pictured(SOUND, {"original": tmp_path / "clear.png"})
    manifest = {
        "problems": {
            task.id: {
                "text": hashlib.sha256(task.text.encode()).hexdigest(),
                "pixels": {"original": hashlib.sha256(ink.tobytes()).hexdigest()},
            }
        }
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "problems.jsonl").touch()
    assert list(verify_manifest(tmp_path / "problems.jsonl", [task])) == []
    assert Picture(tmp_path / "clear.png").digest == picture.digest


@pytest.mark.parametrize(
    ("spec", "expected"),
    [("pocket", False), ("hf:org/name", False), ("openai:m@http://x/v1", True)],
)
def test_which_models_get_files(spec: str, *, expected: bool) -> None:
    """For a server the cache tells two files apart, for a checkpoint only their pixels."""
    assert sends_files(parse_spec(spec)) is expected
