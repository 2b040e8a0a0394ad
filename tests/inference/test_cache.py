"""The cache: what is a hit, what is a miss, and how a damaged file is handled."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pytest_crossmath.errors import ModelError
from pytest_crossmath.inference.cache import ModelCache, ResponseStore
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Finish
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality
from tests.tasks.crossmath.made_up import pictured
from tests.tasks.odd_pictures import CHANGED, PLAIN, UNKNOWN, encoded

PROBLEM = load_suite("mini").tasks[0]
IMAGE, BOTH = Form(Modality.IMAGE, "original"), Form(Modality.IMAGE_TEXT, "original")
REQUEST = make_request(PROBLEM, BOTH)
RESPONSE = Response("caf\u00e9 \ud800 \x00 <answer>1</answer>", Finish.LENGTH, 7, 0.5)


def cache(
    root: Path,
    identity: str | None = "m",
    settings: Settings | None = None,
    *,
    refresh: bool = False,
    sends_files: bool = False,
) -> ModelCache:
    """A cache on the store in a folder."""
    return ModelCache(
        ResponseStore(root),
        identify=lambda: identity,
        settings=settings or Settings(),
        refresh=refresh,
        sends_files=sends_files,
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
    changed = PROBLEM.images["original"].rgb()
    changed.putpixel((0, 0), (254, 254, 254))
    changed.save(folder / "changed.png")
    problem = pictured(PROBLEM, {"original": folder / "changed.png"})
    return make_request(problem, BOTH)


def test_a_changed_pixel_is_a_miss(tmp_path: Path) -> None:
    """A changed pixel is a miss, and the same pixels in another file are a hit."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    assert found(cache(tmp_path), repainted(tmp_path)) == []
    PROBLEM.images["original"].rgb().save(tmp_path / "copy.bmp")
    problem = pictured(PROBLEM, {"original": tmp_path / "copy.bmp"})
    copy = make_request(problem, BOTH)
    assert found(cache(tmp_path), copy) == [RESPONSE]


def test_a_changed_transparency_is_a_miss(tmp_path: Path) -> None:
    """Transparent parts are shown as white."""
    problem = pictured(PROBLEM, {"original": tmp_path / "clear.png"})
    request = make_request(problem, IMAGE)
    Image.new("RGBA", (2, 2), (9, 9, 9, 255)).save(tmp_path / "clear.png")
    cache(tmp_path).save(request, RESPONSE)
    Image.new("RGBA", (2, 2), (9, 9, 9, 0)).save(tmp_path / "other.png")
    other = pictured(PROBLEM, {"original": tmp_path / "other.png"})
    assert found(cache(tmp_path), make_request(other, IMAGE)) == []


def showing(folder: Path, name: str, data: bytes) -> Request:
    """A request for a problem with the picture in these bytes."""
    (folder / name).write_bytes(data)
    return make_request(pictured(PROBLEM, {"original": folder / name}), IMAGE)


@pytest.mark.parametrize("sends_files", [False, True])
def test_pictures_that_differ_never_share_a_response(tmp_path: Path, *, sends_files: bool) -> None:
    """Neither pictures with other pixels, nor for a server other files with the same pixels."""
    where = cache(tmp_path, sends_files=sends_files)
    known: dict[bytes, str] = {}
    for number, (name, data, *_) in enumerate([*PLAIN, *CHANGED]):
        request = showing(tmp_path, f"{number}.png", data)
        [picture] = request.pictures
        image = picture.rgb()
        shown = repr(image.size).encode() + image.tobytes()
        same = picture.sent.data if sends_files else shown
        assert [response.text for response in found(where, request)] == [
            known[one] for one in known if one == same
        ]
        where.save(request, dataclasses.replace(RESPONSE, text=name))
        known[same] = name


def test_a_server_may_read_the_same_pixels_in_two_files_differently(tmp_path: Path) -> None:
    """For a server the key covers what is sent; a local model gets only the pixels."""
    image = Image.new("RGB", (8, 8), (9, 99, 199))
    one = showing(tmp_path, "one.png", encoded(image, "PNG"))
    two = showing(tmp_path, "two.png", encoded(image, "WEBP", lossless=True))
    for sends_files in (False, True):
        where = cache(tmp_path / str(sends_files), sends_files=sends_files)
        where.save(one, RESPONSE)
        assert found(where, one) == [RESPONSE]
        assert bool(found(where, two)) is not sends_files


@pytest.mark.parametrize("sends_files", [False, True])
@pytest.mark.parametrize("data", [b"", b"junk", *(data for _, data, _ in UNKNOWN)], ids=len)
def test_a_picture_that_cannot_be_shown_has_no_key(
    tmp_path: Path, data: bytes, *, sends_files: bool
) -> None:
    """Otherwise one would be answered with the response to another."""
    where = cache(tmp_path, sends_files=sends_files)
    request = showing(tmp_path, "x.png", data)
    where.save(request, RESPONSE)
    assert found(where, request) == []
    assert found(where, showing(tmp_path, "y.png", b"other junk")) == []


def test_a_file_that_changes_is_another_picture(tmp_path: Path) -> None:
    """What is known of a picture holds for its bytes, not for its path."""
    where = cache(tmp_path)
    red, blue = (encoded(Image.new("RGB", (8, 8), c), "PNG") for c in ("red", "blue"))
    request = showing(tmp_path, "x.png", red)
    where.save(request, RESPONSE)
    assert found(where, showing(tmp_path, "x.png", blue)) == []
    # It changes back before the response is there: nobody knows what the model was shown.
    showing(tmp_path, "x.png", red)
    where.save(request, dataclasses.replace(RESPONSE, text="to the blue one"))
    assert found(where, request) == [RESPONSE]


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


def assert_replaced(root: Path) -> None:
    """The row of `REQUEST` is a miss, other rows are still used, and a response replaces it."""
    other = make_request(PROBLEM, IMAGE)
    store = ResponseStore(root)
    again = ModelCache(store, identify=lambda: "m", settings=Settings())
    again.save(other, RESPONSE)
    assert found(again) == []
    assert found(again, other) == [RESPONSE]
    again.save(REQUEST, RESPONSE)
    assert found(again) == [RESPONSE]
    assert store.trouble is None


@pytest.mark.parametrize(
    "damage",
    [
        "payload = CAST(x'7bff' AS TEXT)",
        "digest = CAST(x'ff' AS TEXT)",
        "payload = x'ff'",
        "payload = 7.5",
        "digest = ''",
    ],
)
def test_a_damaged_row_is_a_miss(tmp_path: Path, damage: str) -> None:
    """Bytes that are not UTF-8 and values of another type are damage to this row alone."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    with sqlite3.connect(ResponseStore(tmp_path).path) as connection:
        connection.execute(f"UPDATE responses SET {damage}")  # noqa: S608 - written above
    assert_replaced(tmp_path)


@pytest.mark.parametrize(
    "payload",
    [
        "{",
        "[" * 100_000,
        "null",
        "[1]",
        "{}",
        '{"text": "a", "finish": "stop", "new_tokens": 1}',
        '{"text": 1, "finish": "stop", "new_tokens": 1, "seconds": 0.5}',
        '{"text": "a", "finish": "?", "new_tokens": 1, "seconds": 0.5}',
        '{"text": "a", "finish": "stop", "new_tokens": -1, "seconds": 0.5}',
        '{"text": "a", "finish": "stop", "new_tokens": 1, "seconds": NaN}',
    ],
    ids=lambda payload: payload[:70],
)
def test_a_row_that_is_not_a_response_is_a_miss(tmp_path: Path, payload: str) -> None:
    """It is undamaged, but another version or another program wrote it."""
    cache(tmp_path).save(REQUEST, RESPONSE)
    with sqlite3.connect(ResponseStore(tmp_path).path) as connection:
        [(key,)] = connection.execute("SELECT key FROM responses")
        digest = hashlib.sha256(f"{key}\n{payload}".encode()).hexdigest()[:32]
        connection.execute("UPDATE responses SET payload = ?, digest = ?", (payload, digest))
    assert_replaced(tmp_path)


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE responses (key TEXT PRIMARY KEY, payload TEXT)",
        "CREATE TABLE responses (a, b, c)",
        "CREATE VIEW responses AS SELECT 1 AS key, 2 AS payload, 3 AS digest",
        "CREATE TABLE responses (key TEXT, payload TEXT, digest INT CHECK (digest < 0))",
    ],
)
def test_a_database_of_another_shape_is_set_aside(tmp_path: Path, made: str) -> None:
    """It is somebody else's, or of another version: it is kept, and the cache works."""
    store = ResponseStore(tmp_path)
    store.path.parent.mkdir()
    with sqlite3.connect(store.path) as connection:
        connection.execute(made)
    connection.close()
    strange = ModelCache(store, identify=lambda: "m", settings=Settings())
    assert found(strange) == []
    strange.save(REQUEST, RESPONSE)
    assert found(strange) == [RESPONSE]
    assert "is set aside" in (store.trouble or "")
    assert len(list(tmp_path.glob(".crossmath/*.damaged-*"))) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    """Reading from it would never end."""
    store = ResponseStore(tmp_path)
    store.path.parent.mkdir()
    os.mkfifo(store.path)
    piped = ModelCache(store, identify=lambda: "m", settings=Settings())
    assert found(piped) == []
    assert "is not used: it is not a regular file" in (store.trouble or "")


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


def test_a_model_that_changes_while_it_is_loaded_is_refused(tmp_path: Path) -> None:
    """A response is never stored for weights that it may not come from."""
    identities = ["before", "before", "after"]
    where = ModelCache(
        ResponseStore(tmp_path), identify=lambda: identities.pop(0), settings=Settings()
    )
    where.confirm()  # nothing was looked up, so nothing can differ
    assert where.knows_the_model
    where.confirm()
    with pytest.raises(ModelError, match="changed while it was being loaded"):
        where.confirm()


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


def test_at_a_temperature_each_problem_has_its_own_responses(tmp_path: Path) -> None:
    """Sampling is seeded by the problem, even if another one has the same words."""
    other = make_request(replace(PROBLEM, id="mini-9999"), BOTH)
    for temperature, answered in ((0.0, [RESPONSE]), (0.5, [])):
        where = cache(tmp_path / str(temperature), settings=Settings(temperature=temperature))
        where.save(REQUEST, RESPONSE)
        assert found(where) == [RESPONSE]
        assert found(where, other) == answered
