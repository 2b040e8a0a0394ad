"""The cache: what is a hit, what is a miss, and how a damaged file is handled."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pytest_crossmath.inference.cache import ModelCache, ResponseStore
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality
from tests.tasks.crossmath.made_up import pictured

PROBLEM = load_suite("mini").tasks[0]
IMAGE, BOTH = Form(Modality.IMAGE, "original"), Form(Modality.IMAGE_TEXT, "original")
REQUEST = make_request(PROBLEM, BOTH)
RESPONSE = Response("caf\u00e9 \ud800 \x00 <answer>1</answer>", Finish.LENGTH, 7, 0.5)


def cache(
    root: Path, identity: str | None = "m", settings: Settings | None = None, refresh: bool = False
) -> ModelCache:
    """A cache on the store in a folder."""
    return ModelCache(
        ResponseStore(root),
        identify=lambda: identity,
        settings=settings or Settings(),
        refresh=refresh,
    )


def found(where: ModelCache, request: Request = REQUEST) -> list[Response]:
    """The cached response to a request."""
    return [response for _, response in where.find([request])]


def test_a_response_comes_back_as_it_was(tmp_path: Path) -> None:
    """Any text, the finish, tokens and seconds are restored, also in another process."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    assert found(cache(tmp_path)) == [RESPONSE]


def repainted(folder: Path) -> Request:
    """The request with one pixel of its picture changed."""
    with PROBLEM.images["original"].opened() as picture:
        changed = picture.convert("RGB")
    changed.putpixel((0, 0), (254, 254, 254))
    changed.save(folder / "changed.png")
    problem = pictured(PROBLEM, {"original": folder / "changed.png"})
    return make_request(problem, BOTH)


def test_a_changed_pixel_is_a_miss(tmp_path: Path) -> None:
    """A changed pixel is a miss, and the same pixels in another file are a hit."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    assert found(cache(tmp_path), repainted(tmp_path)) == []
    with PROBLEM.images["original"].opened() as picture:
        picture.convert("RGB").save(tmp_path / "copy.bmp")
    problem = pictured(PROBLEM, {"original": tmp_path / "copy.bmp"})
    copy = make_request(problem, BOTH)
    assert found(cache(tmp_path), copy) == [RESPONSE]


def test_a_changed_transparency_is_a_miss(tmp_path: Path) -> None:
    """Transparency counts: a server gets the file unchanged and may put any colour behind it."""
    problem = pictured(PROBLEM, {"original": tmp_path / "clear.png"})
    request = make_request(problem, IMAGE)
    Image.new("RGBA", (2, 2), (9, 9, 9, 255)).save(tmp_path / "clear.png")
    cache(tmp_path).save(request, RESPONSE)
    Image.new("RGBA", (2, 2), (9, 9, 9, 0)).save(tmp_path / "other.png")
    other = pictured(PROBLEM, {"original": tmp_path / "other.png"})
    assert found(cache(tmp_path), make_request(other, IMAGE)) == []


@pytest.mark.parametrize(
    "asked",
    [
        make_request(PROBLEM, IMAGE),
        make_request(PROBLEM, Form(Modality.TEXT)),
        make_request(PROBLEM, BOTH, sample=1),
        make_request(PROBLEM, BOTH, instruction="Solve it."),
    ],
    ids=["image", "text", "another sample", "another prompt"],
)
def test_another_prompt_is_a_miss(tmp_path: Path, asked: Request) -> None:
    """Every part of the prompt is part of the key."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    assert found(cache(tmp_path), asked) == []


@pytest.mark.parametrize(
    "change", [{"max_new_tokens": 9}, {"temperature": 0.5}, {"thinking": True}], ids=str
)
def test_other_settings_are_a_miss(tmp_path: Path, change: dict[str, object]) -> None:
    """Every setting that can change a response is part of the key; the batch size is not."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    assert found(cache(tmp_path, settings=Settings(**change))) == []  # type: ignore[arg-type]  # fields of Settings
    assert found(cache(tmp_path, settings=Settings(batch_size=3))) == [RESPONSE]


def test_another_model_is_a_miss(tmp_path: Path) -> None:
    """Models never share responses, and a model without an identity is not cached."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    assert found(cache(tmp_path, "other")) == []
    nobody = cache(tmp_path / "nobody", None)
    nobody.save(REQUEST, RESPONSE)
    assert found(nobody) == []
    assert not (tmp_path / "nobody").exists()


def test_an_identity_that_is_known_later_is_used_from_then_on(tmp_path: Path) -> None:
    """A model from the Hub can be hashed once it is downloaded."""
    known: list[str | None] = [None, None, "m"]
    late = ModelCache(ResponseStore(tmp_path), identify=lambda: known.pop(0), settings=Settings())
    assert found(late) == []
    late.save(REQUEST, RESPONSE)
    late.save(REQUEST, RESPONSE)
    assert found(cache(tmp_path)) == [RESPONSE]


def test_refresh_finds_nothing_and_replaces(tmp_path: Path) -> None:
    """New responses replace the stored ones."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    fresh = cache(tmp_path, refresh=True)
    assert found(fresh) == []
    fresh.save(REQUEST, dataclasses.replace(RESPONSE, text="new"))
    assert found(cache(tmp_path))[0].text == "new"


@pytest.mark.parametrize("damage", [b"no database at all, but long enough" * 9, b""])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    """The run continues with a new file, reports it once, and deletes nothing."""
    first = cache(tmp_path)
    first.save(REQUEST, RESPONSE)
    store = ResponseStore(tmp_path)
    for suffix in ("", "-wal", "-shm"):
        store.path.with_name(store.path.name + suffix).unlink(missing_ok=True)
    store.path.write_bytes(damage)
    again = ModelCache(store, identify=lambda: "m", settings=Settings())
    assert found(again) == []
    again.save(REQUEST, RESPONSE)
    assert found(again) == [RESPONSE]
    aside = list(tmp_path.glob(".crossmath/*.damaged-*"))
    assert [file.read_bytes() for file in aside] == [damage] * bool(damage)
    assert ("is set aside as cache.sqlite.damaged-" in (store.trouble or "")) is bool(damage)


def test_a_changed_row_is_not_trusted(tmp_path: Path) -> None:
    """A flipped bit inside a response is a miss, not a different answer."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    with sqlite3.connect(ResponseStore(tmp_path).path) as connection:
        connection.execute("UPDATE responses SET payload = replace(payload, '>1<', '>2<')")
    assert found(cache(tmp_path)) == []


def test_a_folder_that_cannot_be_written_switches_the_cache_off(tmp_path: Path) -> None:
    """If a file is where the folder should be, the run continues without a cache and says why."""
    (tmp_path / ".crossmath").write_text("mine")
    store = ResponseStore(tmp_path)
    nowhere = ModelCache(store, identify=lambda: "m", settings=Settings())
    nowhere.save(REQUEST, RESPONSE)
    assert found(nowhere) == []
    assert "is not used" in (store.trouble or "")


def test_processes_write_at_once(tmp_path: Path) -> None:
    """Concurrent writers, such as xdist workers, lose nothing and do not fail."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pytest_crossmath.inference.cache import ResponseStore\n"
        "store = ResponseStore(Path(sys.argv[1]))\n"
        "for i in range(50):\n"
        "    store.put(f'{sys.argv[2]}-{i}', {'i': i})\n"
        "print(store.trouble)\n"
    )
    running = [
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", program, str(tmp_path), name], stdout=subprocess.PIPE, text=True
        )
        for name in "abc"
    ]
    assert [process.communicate()[0].strip() for process in running] == ["None"] * 3
    store = ResponseStore(tmp_path)
    assert all(store.get(f"{name}-{i}") == {"i": i} for name in "abc" for i in range(50))


def test_a_row_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Rows that do not say which model answered are found, as answered by nobody known."""
    cache = ModelCache(ResponseStore(tmp_path), identify=lambda: "m", settings=Settings())
    cache.save(REQUEST, replace(RESPONSE, answered_by="m-2024"))
    key = cache._key(REQUEST)
    assert key is not None
    row = dict(cache._store.get(key) or {})
    assert row.pop("answered_by") == "m-2024"
    cache._store.put(key, row)
    assert found(cache) == [replace(RESPONSE, answered_by=None)]
