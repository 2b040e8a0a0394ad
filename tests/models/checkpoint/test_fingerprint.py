"""Fingerprints: what changes one, what does not, and which files are read for it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models import digests as memos
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint import fingerprint as module
from pytest_crossmath.models.checkpoint.fingerprint import fingerprint
from pytest_crossmath.models.digests import MEMO_FILE, Digests
from pytest_crossmath.models.registry import parse_spec, weights_digest

SETTINGS = Settings()
TRUSTED = Settings(trust_remote_code=True)
LONG_AGO = 1_000_000_000


def write(folder: Path, **files: str) -> Path:
    """Write files into a folder; ``__`` in a name is the dot before its suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def of(folder: Path | str, settings: Settings = SETTINGS) -> str | None:
    """The fingerprint of a model."""
    return fingerprint(parse_spec(str(folder)), settings, Digests())


def of_or_why_not(folder: Path) -> str | None:
    """The fingerprint of a model, or the error."""
    try:
        return of(folder)
    except ModelError as error:
        return str(error)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder with every kind of file found in checkpoints."""
    folder = tmp_path / "step-2000"
    write(
        folder, config__json="{}", model__safetensors="weights", tokenizer__json="{}",
        vocab__txt="a b", tokenizer__model="pieces", preprocessor_config__json="{}",
        chat_template__jinja="{{ messages }}", modeling_own__py="pass",
    )  # fmt: skip
    write(folder / "additional_chat_templates", tools__jinja="{{ tools }}")
    return folder


@pytest.fixture
def adapter(checkpoint: Path, tmp_path: Path) -> Path:
    """A LoRA adapter on that checkpoint."""
    config = json.dumps({"base_model_name_or_path": str(checkpoint), "r": 8})
    return write(tmp_path / "lora", adapter_config__json=config, adapter_model__safetensors="lora")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a commit of ``org/name`` into a Hub cache, laid out like the Hub client's."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    root = tmp_path / "hub" / "models--org--name"

    def put(commit: str, revision: str, **files: str) -> Path:
        snapshot = root / "snapshots" / commit
        for part in (snapshot, root / "blobs", root / "refs"):
            part.mkdir(parents=True, exist_ok=True)
        (root / "refs" / revision).write_text(commit)
        for name, content in files.items():
            kind = hashlib.sha256 if name.endswith("safetensors") else hashlib.sha1
            blob = root / "blobs" / kind(content.encode()).hexdigest()
            blob.write_text(content)
            (snapshot / name.replace("__", ".")).symlink_to(blob)
        return snapshot

    return put


def test_a_copy_has_the_same(checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    """The location of a checkpoint, or of an adapter's base, does not matter."""
    before = of(checkpoint), of(adapter)
    moved = checkpoint.rename(tmp_path / "moved")
    content = json.loads((adapter / "adapter_config.json").read_text())
    content["base_model_name_or_path"] = str(moved)
    (adapter / "adapter_config.json").write_text(json.dumps(content))
    assert (of(moved), of(adapter)) == before


@pytest.mark.parametrize(
    "name",
    [
        "config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "tokenizer.model",
        "preprocessor_config.json", "chat_template.jinja", "generation_config.json",
        "additional_chat_templates/tools.jinja",
    ],
)  # fmt: skip
def test_a_change_of_what_a_model_reads_changes_it(
    checkpoint: Path, adapter: Path, name: str
) -> None:
    """Changing, adding or removing weights, settings, vocabulary or templates changes it."""
    before = of(checkpoint), of(adapter)
    (checkpoint / name).write_text('{"new": 1}')
    changed = of(checkpoint), of(adapter)
    (checkpoint / name).unlink()
    gone = of_or_why_not(checkpoint), of_or_why_not(adapter)
    assert changed[0] != before[0]
    assert changed[1] != before[1]
    if name != "generation_config.json":  # which did not exist before
        assert len({before, changed, gone}) == 3


@pytest.mark.parametrize(
    "name",
    [
        "README.md", "train.log", "log.txt", "requirements.txt", "trainer_state.json",
        "eval_results.json", "optimizer.pt", "training_args.bin", ".git/config.json",
    ],
)  # fmt: skip
def test_what_a_model_does_not_read_changes_nothing(checkpoint: Path, name: str) -> None:
    """Model cards, logs and a trainer's state do not affect it."""
    before = of(checkpoint)
    write((checkpoint / name).parent)
    (checkpoint / name).write_text("{}")
    assert of(checkpoint) == before


def test_checkpoints_inside_a_checkpoint_are_others(checkpoint: Path) -> None:
    """Checkpoints that a trainer left in the result's folder are ignored."""
    before = of(checkpoint)
    write(checkpoint / "checkpoint-500", config__json="{}", model__safetensors="other")
    assert of(checkpoint) == before


def test_an_adapter_is_not_its_base(checkpoint: Path, adapter: Path) -> None:
    """An adapter's own weights and settings are part of its fingerprint."""
    before = of(adapter)
    assert before != of(checkpoint)
    (adapter / "adapter_model.safetensors").write_text("other")
    weights = of(adapter)
    content = json.loads((adapter / "adapter_config.json").read_text()) | {"r": 16}
    (adapter / "adapter_config.json").write_text(json.dumps(content))
    assert len({before, weights, of(adapter)}) == 3


def test_code_counts_where_it_is_run(checkpoint: Path) -> None:
    """Python files of a checkpoint only matter if its code is trusted."""
    before = of(checkpoint), of(checkpoint, TRUSTED)
    (checkpoint / "modeling_own.py").write_text("raise SystemExit")
    assert of(checkpoint) == before[0]
    assert of(checkpoint, TRUSTED) != before[1]


def test_another_version_has_another(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Updating a library that makes tokens, pixels or logits changes it."""
    before = of(checkpoint)
    real = module._version
    for package in ("transformers", "tokenizers", "torch", "pillow", "pytest-crossmath"):
        monkeypatch.setattr(module, "_version", lambda p, new=package: "9" if p == new else real(p))
        assert of(checkpoint) != before


def test_the_hub_is_read_from_its_cache(hub: Callable[..., Path], tmp_path: Path) -> None:
    """A repository has the fingerprint of an equal folder, and none before it is downloaded."""
    files = {"config__json": "{}", "model__safetensors": "weights"}
    assert of("hf:org/name") is None
    hub("a" * 40, "main", **files)
    hub("b" * 40, "v2", **files | {"model__safetensors": "other"})
    assert of("hf:org/name") == of(write(tmp_path / "copy", **files))
    assert of("hf:org/name@v2") not in {None, of("hf:org/name")}
    assert of("hf:org/name@" + "b" * 40) == of("hf:org/name@v2")
    assert of("hf:org/name@v3") is None
    assert weights_digest(parse_spec("hf:org/name"), Digests()) is not None


def test_a_half_loaded_repository_has_none(hub: Callable[..., Path]) -> None:
    """A repository with missing weights does not have a fingerprint."""
    hub("a" * 40, "main", config__json="{}")
    assert of("hf:org/name") is None
    index = json.dumps({"weight_map": {"x": "part-1.safetensors", "y": "part-2.safetensors"}})
    snapshot = hub("b" * 40, "main", config__json="{}", **{
        "model.safetensors.index.json": index, "part-1.safetensors": "1",
    })  # fmt: skip
    assert of("hf:org/name") is None
    (snapshot / "part-2.safetensors").write_text("2")
    assert of("hf:org/name") is not None


def test_a_changed_blob_of_the_hub_cache_is_seen(hub: Callable[..., Path]) -> None:
    """The content counts, although the cache names a blob by the digest of its content."""
    snapshot = hub("a" * 40, "main", config__json="{}", model__safetensors="weights")
    before = of("hf:org/name")
    (snapshot / "model.safetensors").resolve().write_text("damaged")
    assert of("hf:org/name") not in {None, before}


def test_an_adapter_on_a_hub_model(hub: Callable[..., Path], adapter: Path) -> None:
    """The base is used at the revision that the adapter names."""
    config = {"base_model_name_or_path": "org/name", "revision": "v2"}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    assert of(adapter) is None
    hub("a" * 40, "main", config__json="{}", model__safetensors="weights")
    assert of(adapter) is None
    hub("b" * 40, "v2", config__json="{}", model__safetensors="weights")
    assert of(adapter) is not None


def test_an_adapter_on_the_hub(hub: Callable[..., Path], adapter: Path, checkpoint: Path) -> None:
    """An adapter in a repository has the same fingerprint as in a folder."""
    files = {file.name: file.read_text() for file in adapter.iterdir()}
    hub("a" * 40, "main", **files)
    assert of("hf:org/name") == of(adapter)


@pytest.mark.parametrize("spec", ["reference", "replay:responses.jsonl"])
def test_what_is_no_checkpoint_has_none(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calibrator and saved responses do not have a fingerprint."""
    monkeypatch.chdir(tmp_path)
    Path("responses.jsonl").touch()
    assert of(spec) is None


def big(file: Path, letter: str) -> Path:
    """A file big enough to be remembered, written long ago."""
    file.write_text(letter * memos._BIG)
    os.utime(file, (LONG_AGO, LONG_AGO))
    return file


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves the clock, so that this test's files were changed an hour ago."""
    real = time.time
    monkeypatch.setattr(f"{memos.__name__}.time.time", lambda: real() + 3600)


def digest(file: Path, memo: Path) -> str:
    """A file's digest, from the memo if it has one."""
    digests = Digests(memo)
    found = digests.of(file)
    digests.save()
    return found


@pytest.mark.usefixtures("an_hour_later")
def test_a_big_file_is_read_once(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memo provides the digest, both for fingerprints and for the weights' digest."""
    big(checkpoint / "model.safetensors", "a")
    spec, memo = parse_spec(str(checkpoint)), tmp_path / "memo"
    first = fingerprint(spec, SETTINGS, Digests(memo))
    weights = weights_digest(spec, Digests())
    entry = json.loads((memo / MEMO_FILE).read_text())
    assert list(entry) == [str(checkpoint / "model.safetensors")]
    real = hashlib.file_digest

    def small_only(stream: Any, name: str) -> Any:
        assert not stream.name.endswith("safetensors"), "it is read again"
        return real(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", small_only)
    assert fingerprint(spec, SETTINGS, Digests(memo)) == first
    assert weights_digest(spec, Digests(memo)) == weights


@pytest.mark.usefixtures("an_hour_later")
def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """With a different time stamp, size or inode, the memo's entry is ignored."""
    file, memo = tmp_path / "w.safetensors", tmp_path / "memo"
    first = digest(big(file, "a"), memo)
    os.utime(big(file, "b"), (LONG_AGO + 1, LONG_AGO + 1))
    second = digest(file, memo)
    other = big(tmp_path / "other", "c")
    os.utime(other, (LONG_AGO + 1, LONG_AGO + 1))
    third = digest(other.rename(file), memo)
    assert [first, second, third] == [
        hashlib.sha256(letter * memos._BIG).hexdigest() for letter in (b"a", b"b", b"c")
    ]


def test_a_file_that_just_changed_is_not_remembered(tmp_path: Path) -> None:
    """Within the resolution of a time stamp, a file can change and look the same."""
    digest(big(tmp_path / "w.safetensors", "a"), tmp_path / "memo")
    assert not (tmp_path / "memo").exists()


@pytest.mark.usefixtures("an_hour_later")
def test_a_file_rewritten_in_place_is_read_again(tmp_path: Path) -> None:
    """It is read again even if a copying tool restores its size and modification time."""
    file, memo = tmp_path / "w.safetensors", tmp_path / "memo"
    first = digest(big(file, "a"), memo)
    assert json.loads((memo / MEMO_FILE).read_text())
    with file.open("r+") as stream:
        stream.write("b")
    os.utime(file, (LONG_AGO, LONG_AGO))
    assert digest(file, memo) != first


def test_a_file_that_is_gone_is_told(checkpoint: Path) -> None:
    """A broken link is a `ModelError` in one line."""
    (checkpoint / "tokenizer.json").unlink(missing_ok=True)
    (checkpoint / "tokenizer.json").symlink_to("/nowhere")
    with pytest.raises(ModelError, match=r"tokenizer.json cannot be read: No such file"):
        fingerprint(parse_spec(str(checkpoint)), SETTINGS, Digests())


@pytest.mark.usefixtures("an_hour_later")
@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"FILE": 1}', '{"FILE": {"size": 1000000}}'])
def test_a_damaged_memo_is_ignored(tmp_path: Path, damage: str) -> None:
    """Whatever the memo contains, the digest is right, and the memo is valid afterwards."""
    file, memo = big(tmp_path / "w.safetensors", "a"), write(tmp_path / "memo")
    (memo / MEMO_FILE).write_text(damage.replace("FILE", str(file)))
    assert digest(file, memo) == hashlib.sha256(b"a" * memos._BIG).hexdigest()
    assert json.loads((memo / MEMO_FILE).read_text())[str(file)]["size"] == memos._BIG


@pytest.mark.usefixtures("an_hour_later")
def test_a_damaged_digest_is_ignored(tmp_path: Path) -> None:
    """An entry that matches the file but has an invalid digest is ignored."""
    file, memo = big(tmp_path / "w.safetensors", "a"), tmp_path / "memo"
    right = digest(file, memo)
    (memo / MEMO_FILE).write_text((memo / MEMO_FILE).read_text().replace(right, "null"))
    assert digest(file, memo) == right


def test_a_memo_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    """The digest is still right if the memo cannot be written."""
    file = big(tmp_path / "w.safetensors", "a")
    (tmp_path / "memo").touch()
    assert digest(file, tmp_path / "memo") == hashlib.sha256(b"a" * memos._BIG).hexdigest()


@pytest.mark.usefixtures("an_hour_later")
def test_processes_keep_each_others_entries(tmp_path: Path) -> None:
    """Each writer keeps what others wrote in the meantime, and leaves no temporary file behind."""
    files = [big(tmp_path / f"{i}.safetensors", str(i)) for i in range(4)]
    memo = tmp_path / "memo"
    together = [Digests(memo) for _ in files]
    for digests, file in zip(together, files, strict=True):
        digests.of(file)
    for digests in together:
        digests.save()
    assert set(json.loads((memo / MEMO_FILE).read_text())) == {str(file) for file in files}
    assert [path.name for path in memo.iterdir()] == [MEMO_FILE]


def test_making_one_imports_no_torch(checkpoint: Path) -> None:
    """A run whose responses are all cached never imports torch."""
    program = (
        "import sys\n"
        "from pytest_crossmath.models.backend import Settings\n"
        "from pytest_crossmath.models.checkpoint.fingerprint import fingerprint\n"
        "from pytest_crossmath.models.digests import Digests\n"
        "from pytest_crossmath.models.registry import parse_spec\n"
        f"fingerprint(parse_spec({str(checkpoint)!r}), Settings(), Digests())\n"
        "fingerprint(parse_spec('hf:org/name'), Settings(), Digests())\n"
        "print('LOADED', [m for m in ('torch', 'transformers') if m in sys.modules])\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "LOADED []" in done.stdout


def test_the_bundled_model(tmp_path: Path) -> None:
    """A copy of `pocket` has the fingerprint of `pocket`."""
    spec = parse_spec("pocket")
    copy = shutil.copytree(spec.target, tmp_path / "copy")
    assert of(copy) == of("pocket")
