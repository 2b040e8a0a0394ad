"""Model specifications: what is accepted, and the errors for what is not."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.installing import pip_install
from pytest_crossmath.models import spec as specs
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.registry import check_spec, load_backend, parse_spec, weights_digest
from pytest_crossmath.models.servers.address import split_server
from pytest_crossmath.models.spec import ModelSpec


def safetensors(header: bytes, body: bytes = b"") -> bytes:
    """The bytes of a safetensors file."""
    return struct.pack("<Q", len(header)) + header + body


OFFSETS = b'{"w": {"dtype": "U8", "shape": [4], "data_offsets": ["0", "4"]}}'
INDEX = "model.safetensors.index.json"
WHOLE = safetensors(b'{"w": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}', b"1234")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A directory that looks like a checkpoint."""
    folder = tmp_path / "step-2000"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(WHOLE)
    return folder


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("pocket", "pocket", "local"),
        ("mine=pocket", "mine", "local"),
        ("llava", "llava", "hub"),
        ("hf:some-org/Some.Model-7b", "Some.Model-7b", "hub"),
        ("v2=hf:some-org/some-model", "v2", "hub"),
        ("hf:some-org/some-model@v2.0", "some-model-v2.0", "hub"),
        ("x=hf:some-org/some-model@refs/pr/3", "x", "hub"),
        (" llava ", "llava", "hub"),
        ("openai:some-org/model@http://host:8000/v1", "model", "openai"),
        ("openai:/data/step-2000@https://host/v1", "step-2000", "openai"),
        ("openai:org/model@main@http://[::1]:8000/v1", "model-main", "openai"),
        ("openai:gpt-x", "gpt-x", "openai"),
        ("big=openai:m@HTTP://host:8000/v1", "big", "openai"),
    ],
)
def test_accepted(text: str, name: str, kind: str) -> None:
    """The bundled model, aliases and repositories are accepted, with or without a user's name."""
    spec = parse_spec(text)
    assert (spec.name, spec.kind) == (name, kind)


@pytest.mark.parametrize("revision", ["v2.0", "refs/pr/3", "0123abc", "feature/x-1"])
def test_a_revision_is_carried(revision: str) -> None:
    """A branch, tag or commit after the @ is not part of the repository's name."""
    spec = parse_spec(f"hf:some-org/some-model@{revision}")
    assert (spec.target, spec.revision) == ("some-org/some-model", revision)


@pytest.mark.parametrize("alias", specs.ALIASES)
def test_an_alias_is_a_repository(alias: str) -> None:
    """Each alias is easy to type, names the model, and stands for a valid hf: repository."""
    spec = parse_spec(alias)
    assert spec == ModelSpec(alias, "hub", specs.ALIASES[alias])
    assert parse_spec(f"hf:{spec.target}").target == spec.target


def test_a_directory_is_named_by_its_last_part(checkpoint: Path) -> None:
    """A checkpoint's directory gives the model its name."""
    assert parse_spec(str(checkpoint)) == ModelSpec("step-2000", "local", str(checkpoint))


def test_an_equals_sign_in_a_path_names_nothing(tmp_path: Path) -> None:
    """Only a plain word before the sign is a name; folders of sweeps may contain the sign too."""
    folder = tmp_path / "lr=1e-4"
    folder.mkdir()
    assert parse_spec(str(folder)).name == "lr-1e-4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pockt", r"unknown model 'pockt': did you mean pocket\?"),
        ("LLaVa-Nxt", "did you mean .*llava-next"),
        ("zzz", "unknown model 'zzz': A model is"),
        ("", "unknown model ''"),
        ("some-org/some-model", "no directory some-org/some-model.*write hf:some-org/some-model"),
        ("./no/such", "there is no directory ./no/such"),
        ("hf:just-a-name", "hf:ORG/NAME"),
        ("hf:a/b/c", "hf:ORG/NAME"),
        ("hf:a/b@", "no revision after the @"),
        ("hf:a/b@v 1", "no revision after the @"),
        ("hf:a/b@--upload-pack", "no revision after the @"),
        ("replay:missing.jsonl", "replay:missing.jsonl: there is no such file"),
        ("openai:m@host:8000/v1", "a model on a server is written openai:NAME@http://HOST:PORT/v1"),
        ("openai:@http://host/v1", "a model on a server is written"),
        ("openai:m@", "a model on a server is written"),
        ("openai:m@http://", "URL of a server is invalid"),
        ("openai:m@http:///v1", "URL of a server is invalid"),
        ("openai:m@http://host:port/v1", "URL of a server is invalid"),
        ("openai:m@http://ho st/v1", "URL of a server is invalid"),
        ("openai:m@http://me:secret@host/v1", "API key belongs in the environment"),
        ("openai:m@https://host/v1?key=secret", "API key belongs in the environment"),
        ("openai:m@https://me:secret@host:x/v1", "URL of a server is invalid"),
        ("openai:m@me:secret@host/v1", "a model on a server is written"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """An unknown model is reported in one line, with the closest names."""
    with pytest.raises(ModelError, match=message) as caught:
        parse_spec(text)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_model_on_a_server_keeps_its_whole_name() -> None:
    """The server knows the model by the name before the URL, not by its last part."""
    target = "some-org/model@http://host:8000/v1"
    assert parse_spec(f"openai:{target}").target == target
    assert split_server(target) == ("some-org/model", "http://host:8000/v1")
    assert split_server("gpt-x") == ("gpt-x", None)


def test_a_file_is_no_checkpoint(checkpoint: Path) -> None:
    """Naming the weights file instead of its directory is reported."""
    with pytest.raises(ModelError, match="is a file; a model is a checkpoint directory"):
        parse_spec(str(checkpoint / "model.safetensors"))


def test_a_whole_checkpoint_passes(checkpoint: Path) -> None:
    """A complete directory passes without an error."""
    check_spec(parse_spec(str(checkpoint)))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "is not a checkpoint: it has neither config.json"),
        ("config.json", b"{", "config.json cannot be read"),
        ("config.json", b"[]", "config.json is not a JSON object"),
        ("model.safetensors", None, "has no weights: neither model.safetensors nor"),
        ("model.safetensors", b"", "is damaged"),
        ("model.safetensors", b"\x80\x02cpickle", "is damaged"),
        ("model.safetensors", WHOLE[:-1], "model.safetensors is damaged: "),
        ("model.safetensors", WHOLE + b"5", "model.safetensors is damaged: "),
        ("model.safetensors", WHOLE[:20], "model.safetensors is damaged: "),
        ("model.safetensors", safetensors(b"[1]"), "model.safetensors is damaged: "),
        ("model.safetensors", safetensors(OFFSETS), "model.safetensors is damaged: "),
        ("model.safetensors", safetensors(b"{"), "model.safetensors is damaged: "),
        ("model.safetensors", safetensors(b"[" * 9**6), "model.safetensors is damaged: "),
        ("config.json", b"[" * 9**6, "config.json cannot be read"),
        (INDEX, b"[1]", f"{INDEX} is not a JSON object"),
        (INDEX, b'{"weight_map": [1]}', f"{INDEX} is damaged"),
        (INDEX, b'{"weight_map": {"w": "b.safetensors"}}', "lacks b.safetensors, which .* lists"),
        (INDEX, b'{"weight_map": {"w": "b.bin"}}', "lacks b.bin"),
        (INDEX, b'{"weight_map": {"w": "tokenizer.json"}}', "is not a safetensors file"),
        (INDEX, b'{"weight_map": {"w": "../b.safetensors"}}', "lies outside of the folder"),
        (INDEX, b'{"weight_map": {"w": "/etc/b.safetensors"}}', "lies outside of the folder"),
        ("tokenizer.json", None, "has no tokenizer"),
        ("config.json", b'{"vision_config": {}}', "has no processor"),
        ("config.json", b'{"transformers_weights": "../w.safetensors"}', "lies outside"),
        ("config.json", b'{"configuration_files": ["../config.5.json"]}', "lies outside"),
    ],
)
def test_damage_is_found_without_loading(
    checkpoint: Path, file: str, content: bytes | None, message: str
) -> None:
    """An incomplete checkpoint is reported before torch is imported."""
    if file == INDEX:
        (checkpoint / "model.safetensors").unlink()
    if content is None:
        (checkpoint / file).unlink()
    else:
        (checkpoint / file).write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        check_spec(parse_spec(str(checkpoint)))
    assert str(checkpoint) in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_file_that_cannot_be_opened_is_told(checkpoint: Path, name: str, kind: str) -> None:
    """A broken link, as in a copied Hub cache without its blobs, and a folder are reported."""
    (checkpoint / name).unlink()
    if kind == "link":
        (checkpoint / name).symlink_to("/nowhere/blob")
    else:
        (checkpoint / name).mkdir()
    with pytest.raises(
        ModelError, match=f"{name} (cannot be read|is not a regular)|not a checkpoint"
    ):
        check_spec(parse_spec(str(checkpoint)))


def test_an_adapter_needs_its_base(checkpoint: Path) -> None:
    """An adapter whose base is missing, or that does not name one, is reported."""
    (checkpoint / "model.safetensors").rename(checkpoint / "adapter_model.safetensors")
    for content, message in (
        ({}, "has no base_model_name_or_path"),
        ({"base_model_name_or_path": "/no/such/base"}, "no directory /no/such/base, which"),
        ({"base_model_name_or_path": "./base"}, r"no directory ./base, .*: looked for in /"),
    ):
        (checkpoint / "adapter_config.json").write_text(json.dumps(content))
        with pytest.raises(ModelError, match=message):
            check_spec(parse_spec(str(checkpoint)))


def test_an_adapter_on_an_adapter_is_refused(checkpoint: Path) -> None:
    """A base that is an adapter is refused, even if it is the adapter itself."""
    (checkpoint / "model.safetensors").rename(checkpoint / "adapter_model.safetensors")
    (checkpoint / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(checkpoint)})
    )
    with pytest.raises(ModelError, match="is itself an adapter"):
        check_spec(parse_spec(str(checkpoint)))


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """If an extra is missing, the error gives the command that installs it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    command = re.escape(pip_install("transformers"))
    with pytest.raises(ModelError, match=f"needs the package torch: {command}"):
        check_spec(parse_spec("llava"))
    command = re.escape(pip_install("openai"))
    with pytest.raises(ModelError, match=f"needs the package openai: {command}"):
        check_spec(parse_spec("openai:m@http://host/v1"))


def test_a_server_is_not_asked_before_it_is_needed() -> None:
    """The checks at the start of a run do not need a connection."""
    check_spec(parse_spec("openai:m@http://127.0.0.1:9/v1"))


def test_a_hub_model_without_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the Hub cannot be reached, the error says how to get the model."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="hf download llava-hf/llava-1") as caught:
        load_backend(parse_spec("llava"), Settings(device="cpu"))
    assert "\n" not in str(caught.value)


def test_the_digest_follows_the_weights(checkpoint: Path, tmp_path: Path) -> None:
    """Equal weights have the same digest under any path; changed weights have a different one."""
    spec = parse_spec(str(checkpoint))
    before = weights_digest(spec, Digests())
    moved = checkpoint.rename(tmp_path / "moved")
    assert weights_digest(parse_spec(str(moved)), Digests()) == before
    (moved / "model.safetensors").write_bytes(WHOLE[:-1] + b"5")
    assert weights_digest(parse_spec(str(moved)), Digests()) != before


def test_our_own_names_win_over_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder called `reference` or `llava` is written ./reference."""
    monkeypatch.chdir(tmp_path)
    for name, kind in (("reference", "reference"), ("llava", "hub"), ("pocket", "local")):
        (tmp_path / name).mkdir()
        assert parse_spec(name).kind == kind
        assert parse_spec(name).target != name or kind == "reference"
        assert parse_spec(f"./{name}").target == f"./{name}"


def test_a_missing_folder_says_where_it_was_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the closest name there, if one is close: the job may run in another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output").mkdir()
    (tmp_path / "run.jsonl").touch()
    for text, hint in (
        (
            "./outptu",
            f"there is no directory ./outptu (looked in {tmp_path}; did you mean output?)",
        ),
        ("./x", f"there is no directory ./x (looked in {tmp_path})"),
        ("./no/out", f"there is no directory ./no/out (there is no folder {tmp_path / 'no'})"),
        ("replay:runs.jsonl", f"(looked in {tmp_path}; did you mean run.jsonl?)"),
    ):
        with pytest.raises(ModelError, match=re.escape(hint)):
            parse_spec(text)
