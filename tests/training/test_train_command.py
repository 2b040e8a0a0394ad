"""`crossmath train sft` and `grpo`: real training runs of a few steps."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from pytest_crossmath.cli.main import main
from pytest_crossmath.installing import pip_install
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.models.checkpoint.loading import load_checkpoint
from pytest_crossmath.models.registry import parse_spec
from pytest_crossmath.models.spec import ALIASES, is_pocket, pocket_directory
from pytest_crossmath.tasks.crossmath.layouts import to_json
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality
from pytest_crossmath.training.sft import missing_end
from tests.models.checkpoint.families import write_checkpoint
from tests.training.conftest import Train

QUICK = ("--batch-size", "4", "--accumulate", "1")
BOLD = (*QUICK, "--learning-rate", "2e-3", "--completion", "answer")
"""Teaches `pocket`, which writes steps, to write only the answer."""

pytestmark = pytest.mark.filterwarnings("default")  # TRL, PEFT and datasets warn about each other


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2-VL with random weights: an architecture quite unlike `pocket`."""
    folder = tmp_path_factory.mktemp("qwen")
    write_checkpoint("qwen2_vl", folder)
    return folder


@pytest.fixture(scope="module")
def tuned(lessons: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on `pocket` after one step, to be looked at; who changes it takes a copy."""
    out = tmp_path_factory.mktemp("once") / "tuned"
    where = ["--model", "pocket", "--out", str(out), "--log-every", "1"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert main(["train", "sft", str(lessons), *where, *QUICK, "--max-steps", "1"]) == 0
    return out


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the Hub offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def log(out: Path) -> list[dict[str, float]]:
    """The lines of a run's log."""
    text = (out / "training-log.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def losses(out: Path) -> list[float]:
    """The losses of a run, in order."""
    return [line["loss"] for line in log(out) if "loss" in line]


def weights(out: Path) -> dict[str, torch.Tensor]:
    """The weights of an adapter."""
    return load_file(out / "adapter_model.safetensors")


def changed(out: Path) -> set[str]:
    """Names of the layers that an adapter has changed; its second factor starts at zero."""
    return {name for name, factor in weights(out).items() if ".lora_B." in name and factor.any()}


@contextmanager
def interrupted(monkeypatch: pytest.MonkeyPatch, *, step: int) -> Iterator[None]:
    """Presses Ctrl-C when a step has been logged."""
    from pytest_crossmath.training.log import LogLines

    on_log = LogLines.on_log

    def interrupt(self: LogLines, *args: Any, **kwargs: Any) -> None:
        on_log(self, *args, **kwargs)
        if args[1].global_step == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LogLines, "on_log", interrupt)
        yield


def answer(model: Path, lessons: Path) -> str:
    """A model's response to the first lesson as text."""
    backend = HFBackend.load(str(model), Settings(device="cpu"))
    asked = make_request(load_suite(str(lessons)).tasks[0], Form(Modality.TEXT))
    [(_, response)] = backend.generate([asked], Settings(max_new_tokens=40), batch_size=1)
    assert isinstance(response, Response)
    return response.text


def test_a_model_learns_what_it_is_shown(
    train: Train, lessons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss falls, and the adapter, used like any model, writes what it was taught."""
    out = tmp_path / "tuned"
    assert train("sft", "pocket", out, *BOLD, "--max-steps", "36", "--lora-alpha", "64") == 0
    first, last = losses(out)[0], losses(out)[-1]
    assert 0.0 < last < first / 3
    assert answer(pocket_directory(), lessons).startswith(("row", "column"))
    assert answer(out, lessons).startswith("<answer>")
    said = capsys.readouterr().out
    assert "18 examples, problems: 6" in said
    assert "step 36/36" in said
    assert f"pytest --crossmath-model={out}" in said


def test_an_adapter_names_the_bundled_model_and_not_its_folder(tuned: Path) -> None:
    """The adapter names the bundled model, so it works wherever the package is installed."""
    config = json.loads((tuned / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "pocket"
    assert config["r"] == 16


@pytest.mark.parametrize(
    ("modality", "sees"), [("text", False), ("image", True), ("text,image,image+text", True)]
)
def test_pictures_train_the_eyes(train: Train, tmp_path: Path, modality: str, sees: bool) -> None:
    """Vision tower and projector change only if there are pictures among the examples."""
    out = tmp_path / "tuned"
    options = (*BOLD, "--max-steps", "3", "--modality", modality)
    assert train("sft", "pocket", out, *options) == 0
    parts = {"language_model", *(("vision_tower", "multi_modal_projector") if sees else ())}
    assert {part for part in ("language_model", "vision_tower", "multi_modal_projector")
            if any(part in name for name in changed(out))} == parts  # fmt: skip


def test_the_language_model_alone(train: Train, tmp_path: Path) -> None:
    """`--lora-targets=language` adds nothing to the vision tower."""
    out = tmp_path / "tuned"
    assert train("sft", "pocket", out, *QUICK, "--max-steps", "1", "--lora-targets=language") == 0
    assert weights(out)
    assert all("language_model" in name for name in weights(out))


def test_a_whole_model_can_be_trained(train: Train, lessons: Path, tmp_path: Path) -> None:
    """Rank 0 trains all weights, and saves a checkpoint instead of an adapter."""
    out = tmp_path / "tuned"
    assert train("sft", "pocket", out, *BOLD, "--max-steps", "12", "--lora-rank", "0") == 0
    assert not (out / "adapter_config.json").exists()
    assert answer(out, lessons).startswith("<answer>")


def test_a_run_goes_on_where_it_was_broken_off(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed run ends with the weights of an uninterrupted one, bit for bit."""
    options = (*BOLD, "--max-steps", "6", "--save-every", "2", "--seed", "5")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train("sft", "pocket", whole, *options) == 0

    with interrupted(monkeypatch, step=5):
        assert train("sft", "pocket", broken, *options) == 130
    assert not (broken / "adapter_model.safetensors").exists()
    assert train("sft", "pocket", broken, *options, "--resume") == 0
    steps = [line["step"] for line in log(broken) if "loss" in line]
    assert steps == [1, 2, 3, 4, 5, 5, 6]
    ours, theirs = weights(broken), weights(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_that_ended_before_its_first_checkpoint_starts_anew(
    train: Train, tuned: Path, tmp_path: Path
) -> None:
    """A run that was interrupted before its first checkpoint starts again without an error."""
    out = Path(shutil.copytree(tuned, tmp_path / "tuned"))
    options = (*QUICK, "--max-steps", "1")
    for file in sorted(out.rglob("*"), reverse=True):
        if file.name != "training.json":
            file.rmdir() if file.is_dir() else file.unlink()
    assert train("sft", "pocket", out, *options, "--resume") == 0
    assert (out / "adapter_model.safetensors").is_file()


def test_the_gap_is_measured_on_the_way(train: Train, tmp_path: Path) -> None:
    """The gap is logged before the first step, every few steps and at the end."""
    out = tmp_path / "tuned"
    options = ("--eval-every", "2", "--eval-limit", "3", "--eval-max-new-tokens", "60")
    assert train("sft", "pocket", out, *QUICK, "--max-steps", "3", *options) == 0
    measured = [line for line in log(out) if "crossmath/text" in line]
    assert [line["step"] for line in measured] == [0, 2, 3]
    assert all(line["crossmath/text"] == 1.0 for line in measured)
    assert all("crossmath/gap/image" in line for line in measured)
    lines = [line for line in log(out) if "loss" in line]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all("mean_token_accuracy" in line for line in lines)


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_another_architecture(
    train: Train, qwen: Path, lessons: Path, tmp_path: Path, kind: str
) -> None:
    """Qwen2-VL is trained by the same command, and its adapter is used like any other."""
    out = tmp_path / "tuned"
    extra = ("--max-new-tokens", "8") if kind == "grpo" else ()
    options = (*QUICK, "--max-steps", "2", *extra)
    assert train(kind, qwen, out, *options) == 0
    config = json.loads((out / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == str(qwen)
    assert answer(out, lessons)


def test_supervised_then_reinforced(train: Train, tuned: Path, tmp_path: Path) -> None:
    """GRPO continues training the adapter of a fine-tuned model and gives a single adapter."""
    out = tmp_path / "rewarded"
    options = ("--max-steps", "2", "--max-new-tokens", "48", "--learning-rate", "1e-3")
    # A high temperature, so that completions differ.
    assert train("grpo", tuned, out, *QUICK, *options, "--temperature", "1.5") == 0
    before, after = weights(tuned), weights(out)
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_each_completion_is_held_against_its_own_problem(train: Train, tmp_path: Path) -> None:
    """`pocket`, which solves these problems, is rewarded for nearly every completion."""
    out = tmp_path / "rewarded"
    options = ("--max-steps", "2", "--max-new-tokens", "60", "--modality", "text")
    assert train("grpo", "pocket", out, "--batch-size", "24", "--accumulate", "1", *options) == 0
    rewards = [line["reward"] for line in log(out) if "reward" in line]
    assert len(rewards) == 2
    assert min(rewards) > 0.8


def test_completions_are_held_against_the_model_as_it_came(train: Train, tmp_path: Path) -> None:
    """`--beta` weighs the divergence; the adapter that holds the original model is not saved."""
    out = tmp_path / "rewarded"
    options = ("--max-steps", "2", "--max-new-tokens", "24", "--beta", "0.1")
    assert train("grpo", "pocket", out, *QUICK, *options) == 0
    assert "kl" in next(line for line in log(out) if "reward" in line)
    assert not (out / "ref").exists()


def test_activations_may_be_computed_twice(train: Train, tmp_path: Path) -> None:
    """`--checkpointing` changes the cost of training, not what is learnt."""
    plain, twice = tmp_path / "plain", tmp_path / "twice"
    options = (*BOLD, "--max-steps", "2")
    assert train("sft", "pocket", plain, *options) == 0
    assert train("sft", "pocket", twice, *options, "--checkpointing") == 0
    assert losses(plain) == pytest.approx(losses(twice), rel=1e-4)
    assert changed(plain) == changed(twice)


@pytest.mark.parametrize("kind", ["sft", pytest.param("grpo", marks=pytest.mark.nightly)])
def test_a_run_is_taken_up_in_a_later_epoch(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In a later epoch too, a resumed run has the example order of an uninterrupted one."""
    per_step = ("--batch-size", "8", "--accumulate", "1", "--lora-dropout", "0.1")
    extra = ("--max-new-tokens", "12", "--temperature", "2") if kind == "grpo" else ()
    options = (*per_step, *extra, "--max-steps", "6", "--save-every", "1", "--learning-rate=1e-3")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(kind, "pocket", whole, *options) == 0
    with interrupted(monkeypatch, step=5):
        assert train(kind, "pocket", broken, *options) == 130
    assert train(kind, "pocket", broken, *options, "--resume") == 0
    assert log(broken)[-1]["epoch"] > 1
    ours, theirs = weights(broken), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_checkpoint_that_was_broken_off_is_left_out(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An incomplete checkpoint, one without its state file, is skipped for the one before it."""
    out = tmp_path / "tuned"
    options = (*QUICK, "--max-steps", "4", "--save-every", "1")
    with interrupted(monkeypatch, step=4):
        assert train("sft", "pocket", out, *options) == 130
    (out / "checkpoints" / "checkpoint-3" / "trainer_state.json").write_text('{"global_st')
    assert train("sft", "pocket", out, *options, "--resume") == 0
    assert [line["step"] for line in log(out) if "loss" in line] == [1, 2, 3, 4, 3, 4]


def test_a_finished_run_takes_no_step_more(train: Train, tmp_path: Path) -> None:
    """Resuming a finished run only writes the result, also if it had been lost."""
    out = tmp_path / "tuned"
    options = (*BOLD, "--max-steps", "2", "--schedule", "constant_with_warmup")
    assert train("sft", "pocket", out, *options) == 0
    before = weights(out)
    (out / "adapter_model.safetensors").unlink()
    for _ in range(2):
        assert train("sft", "pocket", out, *options, "--resume") == 0
        after = weights(out)
        assert all(torch.equal(before[name], after[name]) for name in before)
    assert [line["step"] for line in log(out) if "loss" in line] == [1, 2]


def test_the_weights_can_be_read_by_whom_the_rest_can(tuned: Path) -> None:
    """The weights get the same permissions as the other files, for colleagues on a cluster."""
    files = ("adapter_model.safetensors", "adapter_config.json")
    assert len({(tuned / name).stat().st_mode for name in files}) == 1


def test_an_adapter_on_pocket_is_asked_what_pocket_knows(tuned: Path) -> None:
    """Its default suite is `mini`, like that of its base."""
    assert is_pocket(parse_spec(str(tuned)))


def test_an_end_by_a_scheduler_is_told(lessons: Path, tmp_path: Path) -> None:
    """SIGTERM ends a run like Ctrl-C, with a hint on how to resume."""
    out = tmp_path / "tuned"
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-u", "-m", "pytest_crossmath.cli.main", "train", "sft", str(lessons),
         "--model", "pocket", "--max-steps", "400", "--log-every", "1", "--save-every", "2",
         "--out", str(out), *QUICK],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as running:  # fmt: skip
        assert running.stdout is not None
        assert running.stderr is not None
        for line in running.stdout:
            if line.startswith("step 4/"):
                running.send_signal(signal.SIGTERM)
                break
        running.stdout.read()
        told = running.stderr.read()
    assert running.returncode == 130
    assert "crossmath: --resume continues from the last checkpoint" in told
    assert "Traceback" not in told


def test_smaller_batches_of_the_same_step_may_be_resumed(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run can be resumed with smaller batches, as the out-of-memory error suggests."""
    out = tmp_path / "tuned"
    rest = ("--max-steps", "3", "--save-every", "1")
    with interrupted(monkeypatch, step=2):
        assert train("sft", "pocket", out, *QUICK, *rest) == 130
    smaller = ("--batch-size", "2", "--accumulate", "2", "--checkpointing")
    assert train("sft", "pocket", out, *smaller, *rest, "--resume") == 0


def test_checkpoints_can_be_asked(train: Train, lessons: Path, tmp_path: Path) -> None:
    """Each checkpoint is an adapter like the final one."""
    out = tmp_path / "tuned"
    assert train("sft", "pocket", out, *BOLD, "--max-steps", "2", "--save-every", "1") == 0
    assert answer(out / "checkpoints" / "checkpoint-1", lessons)


@pytest.mark.parametrize("family", ["llava", "gemma3"])
def test_a_model_learns_to_stop(train: Train, tmp_path: Path, family: str) -> None:
    """If a chat template does not end the completion, the end token is appended."""
    model = tmp_path / family
    write_checkpoint(family, model)
    loaded = load_checkpoint(str(model), Settings(device="cpu"))
    assert missing_end(loaded) == "<end>"
    template = model / "chat_template.jinja"
    closed = (
        "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}<end>{% endfor %}"
    )
    template.write_text(closed, encoding="utf-8")
    assert missing_end(load_checkpoint(str(model), Settings(device="cpu"))) == ""


def test_two_processes_train_one_adapter(lessons: Path, tmp_path: Path) -> None:
    """A launcher's processes share the examples; only one of them writes files and output."""
    out = tmp_path / "tuned"
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0",
         "--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0",
         "-m", "pytest_crossmath.cli.main", "train", "sft", str(lessons), "--model", "pocket",
         "--device", "cpu", "--max-steps", "2", "--log-every", "1", "--out", str(out),
         "--eval-every", "2", "--eval-limit", "1", *QUICK],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("18 examples, problems: 6") == 1
    assert done.stdout.count("trained: ") == 1
    assert [line["step"] for line in log(out) if "loss" in line] == [1, 2]
    # Two times four examples per step, so three steps per epoch; one process would take five.
    assert log(out)[-1]["epoch"] == pytest.approx(2 / 3)
    assert weights(out)


class TestMistakes:
    """A mistake is reported in one line, before anything is loaded or written."""

    @pytest.mark.parametrize(
        ("kind", "options", "complaint"),
        [
            ("sft", ["--batch-size", "0"], "--batch-size must be at least 1, not 0"),
            ("sft", ["--learning-rate", "0"], "--learning-rate must be above 0, not 0"),
            ("sft", ["--learning-rate", "nan"], "--learning-rate must be a number, not nan"),
            ("sft", ["--epochs", "inf"], "--epochs must be a number, not inf"),
            ("sft", ["--warmup", "2"], "--warmup must be below 1, not 2"),
            ("sft", ["--epochs", "0"], "--epochs must be above 0"),
            ("sft", ["--lora-alpha", "0"], "--lora-alpha must be above 0"),
            ("sft", ["--lora-dropout", "1"], "--lora-dropout must be below 1"),
            ("sft", ["--report-to", "nowhere"], "--report-to: 'nowhere' is not installed"),
            ("sft", ["--max-steps", "0"], "--max-steps must be at least 1"),
            ("sft", ["--modality", "sound"], "--modality cannot be 'sound'; it takes: text, image"),
            ("sft", ["--modality", ","], "--modality does not name a form"),
            ("sft", ["--style", "neon"], "no style 'neon'; it has: original"),
            ("sft", ["--prompt", "nowhere.txt"], "crossmath: --prompt: cannot read nowhere.txt"),
            ("sft", ["--resume"], "there is no run in"),
            ("sft", ["--eval-limit", "3"], "--eval-limit needs --eval-every"),
            ("sft", ["--eval-every", "3", "--eval-suite", "nowhere"], "no suite 'nowhere'"),
            ("grpo", ["--modality", "text,image"], "all prompts in a GRPO batch have a picture"),
            ("grpo", ["--generations", "3"], "--batch-size 8 is not a multiple of --generations 3"),
            ("grpo", ["--generations", "1"], "--generations must be at least 2"),
            ("grpo", ["--temperature", "0"], "--temperature must be above 0"),
            ("grpo", ["--beta", "1", "--lora-rank", "0"], "--beta needs an adapter"),
            ("grpo", ["--format-weight", "1.5"], "--format-weight must be at most 1"),
        ],
    )
    def test_options(
        self,
        train: Train,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        kind: str,
        options: list[str],
        complaint: str,
    ) -> None:
        """Invalid options are refused."""
        out = tmp_path / "out"
        assert train(kind, "pocket", out, *options) == 2
        assert complaint in self._one_line(capsys)
        assert not out.exists()

    @pytest.mark.parametrize(
        ("model", "complaint"),
        [
            ("poket", "did you mean pocket"),
            ("./nowhere", "there is no directory ./nowhere"),
            ("reference", "has no local weights that could be trained"),
            ("openai:gpt@http://127.0.0.1:1/v1", "has no local weights that could be trained"),
        ],
    )
    def test_models(
        self,
        train: Train,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        model: str,
        complaint: str,
    ) -> None:
        """Models that do not exist or cannot be trained are refused."""
        assert train("sft", model, tmp_path / "out") == 2
        assert complaint in self._one_line(capsys)

    @pytest.mark.parametrize("suite", ["mini", "standard"])
    @pytest.mark.parametrize(
        "command", [["train", "sft", "--model=pocket"], ["export", "--format=trl"]]
    )
    def test_problems_for_testing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], suite: str, command: list[str]
    ) -> None:
        """Problems of the bundled suites are refused, even a single one: they are for testing."""
        last = load_suite(suite).tasks[-1]
        part = tmp_path / "part.jsonl"
        line = json.dumps(to_json(last, {name: str(path) for name, path in last.images.items()}))
        part.write_text(line, encoding="utf-8")
        for given in (suite, str(part)):
            out = str(tmp_path / "out")
            assert main([*command, given, "--out", out]) == 2
            assert "is a problem of a bundled suite" in self._one_line(capsys)

    def test_a_problem_without_a_worked_solution(
        self, lessons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It is named in the error, which suggests training on answers only."""
        line = json.loads((lessons / "problems.jsonl").read_text(encoding="utf-8").split("\n")[0])
        line |= {
            "table": "| ? | + | ? | = | 5 |", "key": ["2", "3"], "steps": [1, 1], "images": {},
        }  # fmt: skip
        open_one = tmp_path / "open.jsonl"
        open_one.write_text(json.dumps(line), encoding="utf-8")
        text = [str(open_one), "--modality", "text", "--out", str(tmp_path / "out")]
        assert main(["train", "sft", *text, "--model", "pocket"]) == 2
        assert "is not solved by forward propagation: add --completion=answer" in self._one_line(
            capsys
        )
        assert main(["export", *text, "--format", "parquet"]) == 2
        assert "is not solved by forward propagation" in self._one_line(capsys)

    def test_a_suite_with_defects(
        self, lessons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A wrong key, a wrong picture or a missing line is refused."""
        wrong = self._copy(lessons, tmp_path / "wrong")
        text = (wrong / "problems.jsonl").read_text(encoding="utf-8")
        first = json.loads(text.split("\n")[0])
        changed = [str(int(first["key"][0]) + 1), *first["key"][1:]]
        cut = text.split("\n", 1)[1]
        (wrong / "problems.jsonl").write_text(
            json.dumps({**first, "key": changed}) + "\n" + cut, encoding="utf-8"
        )
        swapped = self._copy(lessons, tmp_path / "swapped")
        pictures = sorted((swapped / "original").iterdir())
        pictures[0].write_bytes(pictures[1].read_bytes())
        short = self._copy(lessons, tmp_path / "short")
        (short / "problems.jsonl").write_text(cut, encoding="utf-8")
        for suite, complaint in (
            (wrong, "is wrong (with the key filled in)"),
            (swapped, "does not match the hash of its pixels"),
            (short, "is listed, but is not in problems.jsonl"),
        ):
            for command in (["train", "sft", "--model=pocket"], ["export", "--format=trl"]):
                assert main([*command, str(suite), "--out", str(tmp_path / "out")]) == 2
                line = self._one_line(capsys)
                assert complaint in line
                assert f"crossmath verify {suite} lists them all" in line

    def test_a_suite_that_is_unfinished(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The error names the command that finishes it."""
        suite = tmp_path / "half"
        suite.mkdir()
        (suite / "unfinished.jsonl").write_text("{}\n", encoding="utf-8")
        arguments = [str(suite), "--model", "pocket", "--out", str(tmp_path / "out")]
        assert main(["train", "sft", *arguments]) == 2
        assert "is unfinished: run its `crossmath generate` command again" in self._one_line(capsys)

    @staticmethod
    def _copy(suite: Path, place: Path) -> Path:
        shutil.copytree(suite, place)
        return place

    def test_another_model_under_the_same_name(
        self, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A run is identified by the weights that it started with, wherever they are."""
        one, two = (self._copy(pocket_directory(), tmp_path / name) for name in ("one", "two"))
        out = tmp_path / "tuned"
        options = (*QUICK, "--max-steps", "1")
        assert train("sft", one, out, *options) == 0
        assert train("sft", two, out, *options, "--resume") == 0
        tensors = load_file(two / "model.safetensors")
        name = next(iter(tensors))
        save_file({**tensors, name: tensors[name] + 1}, two / "model.safetensors", {"format": "pt"})
        capsys.readouterr()
        assert train("sft", two, out, *options, "--resume") == 2
        assert "has a different model: name another folder" in self._one_line(capsys)

    def test_another_run_in_the_same_folder(
        self, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The second run is refused, and the first is left alone."""
        out = tmp_path / "tuned"
        out.mkdir()
        with FileLock(out / ".lock"):
            assert train("sft", "pocket", out, *QUICK, "--max-steps", "1") == 2
        assert "is being written by another process" in self._one_line(capsys)

    def test_settings_that_are_damaged(
        self, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A damaged settings file is reported."""
        out = tmp_path / "tuned"
        out.mkdir()
        (out / "training.json").write_text("{", encoding="utf-8")
        assert train("sft", "pocket", out, "--resume") == 2
        assert "training.json is damaged" in self._one_line(capsys)

    def test_a_sign_for_pictures_in_the_instruction(
        self, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It is refused before training, and the folder stays free."""
        prompt = tmp_path / "prompt.txt"
        prompt.write_text("Look at the <image> and solve it.", encoding="utf-8")
        out = tmp_path / "out"
        assert train("sft", "pocket", out, "--prompt", str(prompt)) == 2
        assert "contains <image>, which stands for a picture" in self._one_line(capsys)
        assert not any(out.iterdir())

    def test_a_full_disk(
        self,
        train: Train,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The error names the folder, not the model."""

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("transformers.Trainer._save_checkpoint", full)
        out = tmp_path / "out"
        assert train("sft", "pocket", out, *QUICK, "--max-steps", "1") == 3
        line = self._one_line(capsys)
        assert f"--out {out} can no longer be written: there is no space left" in line

    def test_fewer_prompts_than_a_step_wants(
        self, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A run that took no step is an error."""
        out = tmp_path / "out"
        options = ("--batch-size", "64", "--accumulate", "1", "--max-steps", "3")
        assert train("grpo", "pocket", out, *options) == 2
        assert "0 of 3 steps were taken: there are fewer examples" in self._one_line(capsys)
        assert not (out / "adapter_model.safetensors").exists()

    def test_options_of_an_adapter_that_is_there(
        self, train: Train, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Options that would not apply to an existing adapter are refused, not ignored."""
        capsys.readouterr()
        assert train("sft", tuned, tmp_path / "out", *QUICK, "--lora-rank", "64") == 2
        assert f"--lora-rank: {tuned} is an adapter" in self._one_line(capsys)

    def test_a_folder_that_is_in_use(
        self, train: Train, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing is overwritten, and a run is not resumed with different settings."""
        out = self._copy(tuned, tmp_path / "tuned")
        capsys.readouterr()
        assert train("sft", "pocket", out, *QUICK, "--max-steps", "1") == 2
        assert "is not empty: add --resume or name another folder" in self._one_line(capsys)
        assert train("sft", "pocket", out, *QUICK, "--max-steps", "2", "--resume") == 2
        assert "has max_steps 1, not 2" in self._one_line(capsys)

    def test_a_missing_package(
        self,
        train: Train,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The error names the extra to install."""
        import importlib.util

        find = importlib.util.find_spec

        def without_trl(name: str, package: str | None = None) -> Any:
            return None if name == "trl" else find(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", without_trl)
        assert train("sft", "pocket", tmp_path / "out") == 2
        line = self._one_line(capsys)
        assert f"training needs trl: {pip_install('train')}" in line

    def test_a_big_model_without_a_gpu(
        self,
        train: Train,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Its size is checked before its weights are loaded, and the error says what it needs."""
        config = json.loads((pocket_directory() / "config.json").read_text(encoding="utf-8"))
        config["text_config"] |= {
            "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128,
        }  # fmt: skip
        big = tmp_path / "big"
        big.mkdir()
        for file in pocket_directory().iterdir():
            (big / file.name).write_bytes(file.read_bytes())
        (big / "config.json").write_text(json.dumps(config), encoding="utf-8")
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
        assert train("sft", big, tmp_path / "out") == 2
        line = self._one_line(capsys)
        assert "has 6.5 billion parameters, and there is no GPU here to train it on" in line

    def test_a_text_model(
        self, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A text model can learn from text, but not from pictures."""
        from transformers import LlamaConfig, LlamaForCausalLM

        from tests.models.checkpoint.families import TEXT

        model = tmp_path / "llama"
        LlamaForCausalLM(LlamaConfig(**TEXT)).save_pretrained(model)
        qwen = tmp_path / "qwen"
        write_checkpoint("qwen2_vl", qwen)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (model / name).write_bytes((qwen / name).read_bytes())
        (model / "chat_template.jinja").write_text(
            "{% for m in messages %}Q: {{ m.content if m.content is string else "
            "m.content[0].text }}\nA:{% endfor %}"
        )
        assert train("sft", model, tmp_path / "out", *QUICK) == 2
        assert "takes text only: add --modality=text" in self._one_line(capsys)
        # In the same folder, since a run that failed to start leaves it free.
        options = (*QUICK, "--max-steps", "1", "--modality", "text")
        assert train("sft", model, tmp_path / "out", *options) == 0

    def test_an_architecture_that_trl_does_not_take(
        self, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """TRL's error is reported in one line, with the name of the model."""
        model = tmp_path / "mllama"
        write_checkpoint("mllama", model)
        assert train("sft", model, tmp_path / "out", *QUICK, "--max-steps", "1") == 3
        assert f"{model} cannot be trained: RuntimeError: " in self._one_line(capsys)

    def test_a_loss_that_is_no_number(
        self, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The run ends with advice, and without useless weights."""
        options = (*QUICK, "--max-steps", "9", "--learning-rate", "1e30", "--warmup", "0")
        out = tmp_path / "out"
        assert train("sft", "pocket", out, *options) == 3
        assert "the loss or its gradient is no longer finite at step" in self._one_line(capsys)
        assert not (out / "adapter_model.safetensors").exists()

    @staticmethod
    def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
        told = [line for line in capsys.readouterr().err.splitlines() if "crossmath: " in line]
        assert len(told) == 1
        return told[0]


def test_a_model_that_cannot_be_had(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Hub model that is not in the cache is reported in one line, with our own options."""
    assert train("sft", next(iter(ALIASES)), tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert "hf download" in told
    assert "--model=NAME=./DIR" in told
    assert "--crossmath" not in told
