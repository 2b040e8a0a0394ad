"""The list of files that a model is loaded from: what is hashed is what is read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.files import list_files
from pytest_crossmath.models.checkpoint.fingerprint import digest_of_weights, fingerprint
from pytest_crossmath.models.checkpoint.loading import load_checkpoint
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.models.registry import check_spec, identify, parse_spec

CPU = Settings(device="cpu")
WEIGHTS, ADAPTER = "model.safetensors", "adapter_model.safetensors"
INDEX = f"{WEIGHTS}.index.json"

pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),  # peft
    pytest.mark.filterwarnings("ignore:unclosed file.*jinja:ResourceWarning"),  # transformers
]


def edit_json(file: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    before = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(before | fields))


def key(folder: Path) -> str | None:
    """What identifies a model in the cache."""
    return identify(parse_spec(str(folder)), CPU, Digests(), loaded=True)


def into_shards(folder: Path, place: str) -> None:
    """Move the weights into two shards below the folder."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    (folder / place).mkdir(parents=True, exist_ok=True)
    names = {name: f"{place}/x-{number % 2}.safetensors" for number, name in enumerate(weights)}
    for shard in set(names.values()):
        some = {name: weights[name] for name, own in names.items() if own == shard}
        save_file(some, folder / shard, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": names}
    (folder / INDEX).write_text(json.dumps(index))


# -- whatever a loader reads changes the key -------------------------------------------


@dataclass
class Loaded:
    """All of a loaded model on which a response depends."""

    weights: dict[str, Any]
    processor: dict[str, Any]
    tokenizer: str
    template: Any

    @classmethod
    def of(cls, folder: Path) -> Loaded:
        """Load a folder."""
        loaded = load_checkpoint(str(folder), CPU)
        tokenizer = loaded.processor.tokenizer
        pictures = loaded.processor.image_processor.to_dict()
        return cls(
            loaded.model.state_dict(), pictures, tokenizer.backend_tokenizer.to_str(),
            (loaded.processor.chat_template, tokenizer.special_tokens_map),
        )  # fmt: skip

    def equals(self, other: Loaded) -> bool:
        """Whether the other was loaded from the same content."""
        import torch

        same = self.weights.keys() == other.weights.keys() and all(
            torch.equal(weight, other.weights[name]) for name, weight in self.weights.items()
        )
        mine, theirs = (
            (one.processor, one.tokenizer, one.template) for one in (self, other)
        )  # fmt: skip
        return same and mine == theirs


@pytest.fixture(params=["plain", "sharded", "linked", "named", "adapter"])
def model(request: pytest.FixtureRequest, copied: Path, tmp_path: Path) -> Path:
    """A model with everything that may lie in its folder."""
    folder = copied
    for name in ("README.md", "training_args.bin", "trainer_state.json", "other.safetensors"):
        (folder / name).write_text("{}")
    (folder / "checkpoint-5").mkdir()
    for name in ("config.json", "tokenizer.json", "chat_template.jinja", WEIGHTS):
        shutil.copy(folder / name, folder / "checkpoint-5" / name)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("{{ messages }}")
    edit_json(folder / "added_tokens.json")
    (folder / "special_tokens_map.json").write_text('{"pad_token": "<pad>"}')
    if request.param in {"sharded", "linked"}:
        into_shards(folder, "shards/deep")
    if request.param == "linked":
        shutil.move(folder / "shards", tmp_path / "elsewhere")
        (folder / "shards").symlink_to(tmp_path / "elsewhere")
    if request.param == "named":
        (folder / WEIGHTS).rename(folder / "weights.safetensors")
        edit_json(folder / "config.json", transformers_weights="weights.safetensors")
    if request.param != "adapter":
        return folder
    folder = Path(request.getfixturevalue("adapter"))
    edit_json(folder / "adapter_config.json", base_model_name_or_path=str(copied))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(copied / name, folder / name)
    return folder


def everything(*folders: Path) -> Iterator[Path]:
    """Every file that can be reached from these folders."""
    for folder in folders:
        for place, _, names in os.walk(folder, followlinks=True):
            yield from (Path(place) / name for name in sorted(names))


@pytest.mark.parametrize("damage", ["flipped", "replaced", "removed"])
def test_a_change_of_any_byte_changes_the_key_or_nothing(
    model: Path, copied: Path, damage: str
) -> None:
    """For every file: either the key changes, or the loaded model is shown to be the same."""
    before, loaded = key(model), Loaded.of(model)
    assert before is not None
    ignored = []
    for file in everything(*{model, copied}):
        content = file.read_bytes()
        if damage == "flipped":
            middle = len(content) // 2
            file.write_bytes(
                content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            )
        elif damage == "replaced":
            file.write_bytes(b"not what it was")
        else:
            file.unlink()
        try:
            changed = key(model) != before
        except ModelError:  # the run ends before anything is loaded
            changed = True
        if changed:
            file.write_bytes(content)
        else:
            ignored.append((file, content))
    # All of them together, since loading takes longest.
    assert Loaded.of(model).equals(loaded)
    names = {file.name for file, _ in ignored}
    assert {"README.md", "training_args.bin", "trainer_state.json"} <= names


def test_two_shards_of_the_same_name_are_two_files(copied: Path) -> None:
    """Exchanging two files of weights changes the key, although their contents are the same."""
    into_shards(copied, "shards")
    before = key(copied), digest_of_weights(parse_spec(str(copied)), Digests())
    first, second = (copied / f"shards/x-{number}.safetensors" for number in (0, 1))
    first.rename(copied / "kept")
    second.rename(first)
    (copied / "kept").rename(second)
    assert key(copied) != before[0]
    assert digest_of_weights(parse_spec(str(copied)), Digests()) != before[1]


def test_a_file_that_only_some_versions_read_counts(copied: Path, tmp_path: Path) -> None:
    """A tokenizer's config may name a file anywhere; if it exists, it is part of the key."""
    named = tmp_path / "elsewhere.json"
    edit_json(copied / "tokenizer_config.json", tokenizer_file=str(named))
    without = key(copied)
    named.write_text("1")
    first = key(copied)
    named.write_text("2")
    assert len({without, first, key(copied)}) == 3


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("config.json", {"auto_map": {"AutoConfig": "org/repo--code.Config"}}),
        ("processor_config.json", {"auto_map": {"AutoProcessor": "org/repo--code.Processor"}}),
        ("config.json", {"vision_config": {"use_pretrained_backbone": True}}),
        ("config.json", {"text_config": {"_attn_implementation": "org/kernel"}}),
        ("config.json", {"attn_implementation": {"text_config": "org/kernel@v1"}}),
    ],
)
def test_what_is_taken_from_elsewhere_is_not_cached(
    copied: Path, file: str, fields: dict[str, object]
) -> None:
    """Nothing here can tell whether the same would be fetched again."""
    assert key(copied) is not None
    edit_json(copied / file, **fields)
    assert key(copied) is None


def test_a_kernel_from_the_hub_is_not_cached(copied: Path) -> None:
    """The setting for attention can name one, too."""
    spec = parse_spec(str(copied))
    assert identify(spec, Settings(attention="org/kernel"), Digests(), loaded=True) is None


def test_files_that_its_code_may_read_count_if_it_is_trusted(copied: Path) -> None:
    """Code can open any file of the folder."""
    (copied / "table.bin").write_text("1")
    spec, trusted = parse_spec(str(copied)), Settings(trust_remote_code=True)
    before = [fingerprint(spec, settings, Digests()) for settings in (CPU, trusted)]
    (copied / "table.bin").write_text("2")
    after = [fingerprint(spec, settings, Digests()) for settings in (CPU, trusted)]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_a_folder_that_links_to_itself_is_listed_once(copied: Path) -> None:
    """A link to a folder above does not go on for ever."""
    names = [file.name for file in list_files(copied).others]
    (copied / "again").symlink_to(copied)
    assert [file.name for file in list_files(copied).others] == names


# -- one model in one folder -----------------------------------------------------------


@pytest.mark.parametrize("full", [WEIGHTS, INDEX])
@pytest.mark.parametrize("has_weights", [True, False])
def test_two_models_in_one_folder_are_a_mistake(copied: Path, full: str, has_weights: bool) -> None:
    """A left-over adapter beside full weights: the message names both."""
    if full == INDEX:
        into_shards(copied, "shards")
    edit_json(copied / "adapter_config.json", base_model_name_or_path="/gone")
    if has_weights:
        shutil.copy(next(copied.rglob("*.safetensors")), copied / ADAPTER)
    with pytest.raises(ModelError) as caught:
        check_spec(parse_spec(str(copied)))
    assert f"holds two models, a checkpoint ({full}) and an adapter (adapter_config.json)" in str(
        caught.value
    )


def test_whole_weights_beside_shards_are_a_mistake(copied: Path) -> None:
    """The loader reads only one of them, perhaps an older one."""
    shutil.copy(copied / WEIGHTS, copied / "kept")
    into_shards(copied, "shards")
    (copied / "kept").rename(copied / WEIGHTS)
    with pytest.raises(ModelError, match=f"two models, {WEIGHTS} and the one of {INDEX}"):
        check_spec(parse_spec(str(copied)))


def test_an_adapter_without_safetensors_is_refused(adapter: Path) -> None:
    """PEFT would read another format, which can run code, or ask the Hub."""
    (adapter / ADAPTER).rename(adapter / "adapter_model.bin")
    (adapter / "unrelated.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=f"has no {ADAPTER}, .* can run code"):
        check_spec(parse_spec(str(adapter)))
    with pytest.raises(ModelError, match=f"has no {ADAPTER}, .* can run code"):
        load_checkpoint(str(adapter), CPU)


def test_a_folder_of_checkpoints_names_one(copied: Path) -> None:
    """The folder above the checkpoints is a common mistake."""
    with pytest.raises(ModelError, match=f"is not a checkpoint.*did you mean .*{copied.name}"):
        check_spec(parse_spec(str(copied.parent)))


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "tokenizer.json", "new.json", INDEX])
def test_a_pipe_in_the_folder_is_told(copied: Path, name: str) -> None:
    """Reading it would never end."""
    (copied / name).unlink(missing_ok=True)
    if name == INDEX:
        (copied / WEIGHTS).unlink()
    os.mkfifo(copied / name)
    with pytest.raises(ModelError, match=r"is not a regular file|not a checkpoint|has no weights"):
        check_spec(parse_spec(str(copied)))


# -- the processor of an adapter -------------------------------------------------------

TEMPLATE = "{% for m in messages %}mine{% endfor %}"


@pytest.mark.parametrize("how", ["jinja", "json", "inside"])
def test_an_adapter_has_its_own_template(adapter: Path, tiny_llava: Path, how: str) -> None:
    """Wherever it is saved, it is used instead of the base's."""
    if how == "jinja":
        (adapter / "chat_template.jinja").write_text(TEMPLATE)
    elif how == "json":
        edit_json(adapter / "chat_template.json", chat_template=TEMPLATE)
    else:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(tiny_llava / name, adapter / name)
        edit_json(adapter / "tokenizer_config.json", chat_template=TEMPLATE)
    processor = load_checkpoint(str(adapter), CPU).processor
    assert processor.chat_template == TEMPLATE
    base = load_checkpoint(str(tiny_llava), CPU).processor
    assert processor.image_processor.to_dict() == base.image_processor.to_dict()


def test_an_adapter_has_its_own_tokenizer(adapter: Path, tiny_llava: Path) -> None:
    """A tokenizer alone, as a training of text saves it; all else is the base's."""
    base = load_checkpoint(str(tiny_llava), CPU).processor
    base.tokenizer.add_tokens(["mine"])
    base.tokenizer.chat_template = None
    base.tokenizer.save_pretrained(adapter)
    processor = load_checkpoint(str(adapter), CPU).processor
    assert "mine" in processor.tokenizer.get_vocab()
    original = load_checkpoint(str(tiny_llava), CPU).processor
    assert "mine" not in original.tokenizer.get_vocab()
    assert processor.chat_template == original.chat_template
    assert processor.image_processor.to_dict() == original.image_processor.to_dict()


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize("base_file", ["preprocessor_config.json", "processor_config.json"])
def test_an_adapter_has_its_own_pictures(
    adapter: Path, copied: Path, file: str, base_file: str
) -> None:
    """How pictures are prepared counts in either layout, whichever the base has."""
    processor = load_checkpoint(str(copied), CPU).processor
    pictures = processor.image_processor.to_dict()

    def write(folder: Path, name: str, mean: list[float]) -> None:
        about = pictures | {"image_mean": mean}
        (folder / "preprocessor_config.json").unlink(missing_ok=True)
        if name == "preprocessor_config.json":
            (folder / name).write_text(json.dumps(about))
            return
        content = processor.to_dict() | {"image_processor": about}
        content.pop("tokenizer", None)
        (folder / name).write_text(json.dumps(content))

    write(copied, base_file, [0.5, 0.5, 0.5])
    write(adapter, file, [0.25, 0.25, 0.25])
    edit_json(adapter / "adapter_config.json", base_model_name_or_path=str(copied))
    loaded = load_checkpoint(str(adapter), CPU).processor
    assert list(loaded.image_processor.image_mean) == [0.25, 0.25, 0.25]
    assert loaded.tokenizer.get_vocab() == processor.tokenizer.get_vocab()


def test_errors_of_an_adapter_name_the_adapter(adapter: Path) -> None:
    """And not its base, in which nothing is wrong."""
    edit_json(adapter / "adapter_config.json", peft_type="NOTHING")
    with pytest.raises(ModelError, match=rf"^{adapter} cannot be loaded"):
        load_checkpoint(str(adapter), CPU)
