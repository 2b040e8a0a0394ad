"""Training `pocket`: tensors, the loop, resuming after a kill, the command."""

import argparse
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor

from pytest_crossmath.cli import train_pocket as command
from pytest_crossmath.errors import CrossmathError
from pytest_crossmath.tasks.crossmath.prompt import INSTRUCTION
from pytest_crossmath.tasks.request import make_request
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Form, Modality
from pytest_crossmath.training.pocket import pipeline
from pytest_crossmath.training.pocket.architecture import Size, build_processor
from pytest_crossmath.training.pocket.batches import Batch, Batcher, Input
from pytest_crossmath.training.pocket.evaluation import Examiner, Figures, score_answers
from pytest_crossmath.training.pocket.files import LOG_FILE
from pytest_crossmath.training.pocket.loop import Training
from pytest_crossmath.training.pocket.pictures import Jitter, draw_picture
from pytest_crossmath.training.pocket.stages import PLAN, Stage, shortened
from pytest_crossmath.training.pocket.wordings import WordingMix

TINY = Size(width=32, text_layers=1, vision_layers=1, hidden=32, heads=2)
TINY_PLAN = (
    Stage("words", 3, {Input.TEXT: 2, Input.CELLS: 2}, warmup=2),
    Stage("eyes", 2, {}),
    Stage("both", 3, {Input.TEXT: 1, Input.IMAGE: 1, Input.IMAGE_TEXT: 1}, rates=(0.5, 0.0)),
)
OWN_WORDING = WordingMix(own=1.0, other=0.0)


class KilledError(Exception):
    """Simulates a kill."""


@pytest.fixture(scope="module")
def processor() -> Any:
    """The processor that training builds and ships."""
    return build_processor(Size())


def test_training_pixels_are_those_of_the_saved_processor(processor: Any, tmp_path: Path) -> None:
    """A picture gives the same tensor in training and through the checkpoint."""
    problem = load_suite("mini").tasks[0]
    trained = _batcher(processor).pixels([problem], random.Random(5))
    processor.save_pretrained(tmp_path)
    processor_class: Any = AutoProcessor
    saved = processor_class.from_pretrained(tmp_path)
    picture = draw_picture(problem.content, random.Random(5), Jitter())
    inputs = saved(text=["<image>"], images=[[picture]], return_tensors="pt")
    assert torch.equal(inputs["pixel_values"], trained)


@pytest.mark.parametrize("modality", list(Modality))
def test_training_prompts_are_those_of_the_chat_template(
    processor: Any, modality: Modality, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trained text has the same tokens as a user's prompt."""
    problem = load_suite("mini").tasks[3]
    monkeypatch.setattr("pytest_crossmath.training.pocket.batches.draw_problem", lambda *_: problem)
    batch = _batcher(processor).draw(random.Random(1), Input(modality.value), 1, OWN_WORDING)
    form = Form(modality, "original" if modality.shows_image else None)
    asked = make_request(problem, form)
    content = [{"type": "text", "text": asked.text}]
    if modality.shows_image:
        content.insert(0, {"type": "image"})
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    inputs = processor(
        text=[prompt],
        images=[[draw_picture(problem.content, random.Random(1), Jitter())]]
        if modality.shows_image
        else None,
        return_tensors="pt",
    )
    length = inputs["input_ids"].shape[1]
    assert torch.equal(batch.ids[:, :length], inputs["input_ids"])
    assert (batch.weights[0, length:] == 1).all()


def test_a_plain_string_is_accepted_by_the_chat_template(processor: Any) -> None:
    """A message may be a string instead of a list of parts, and there may be further turns."""
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "7"},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Why?"}]},
    ]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    assert text == "<|user|>Hi<|assistant|>7<|end|><|user|><image>Why?<|assistant|>"


def test_a_batch_depends_on_its_seed_alone(processor: Any) -> None:
    """The same seed gives the same tensors."""
    first, again = (_image_batch(processor) for _ in range(2))
    assert torch.equal(first.ids, again.ids)
    assert first.pixels is not None
    assert again.pixels is not None
    assert torch.equal(first.pixels, again.pixels)


def test_padding_and_prose_weigh_nothing(processor: Any) -> None:
    """Completion tokens have weight 1, cells of the table less, and everything else 0."""
    batch = _batcher(processor).draw(random.Random(2), Input.TEXT, 6, OWN_WORDING)
    tokenizer = processor.tokenizer
    assert (batch.weights[batch.ids == tokenizer.pad_token_id] == 0).all()
    prose = len(tokenizer(f"<|user|>{INSTRUCTION}\n\n")["input_ids"])
    assert (batch.weights[:, :prose] == 0).all()
    assert (batch.weights[:, prose : prose + 29] == 0.25).all()


@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights after a kill and a resume equal those of an uninterrupted run."""
    whole = _start(tmp_path / "whole")
    whole.run()
    killed = _start(tmp_path / "killed")
    step = Training._text_step  # the kill has to fall inside a stage
    monkeypatch.setattr(Training, "_text_step", _dying_after(4, step))
    with pytest.raises(KilledError):
        killed.run()
    monkeypatch.setattr(Training, "_text_step", step)
    resumed = _start(tmp_path / "killed")
    resumed.restore()
    assert resumed.stage_index == 2
    assert resumed.step == 1
    resumed.run()
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
    assert (tmp_path / "killed" / LOG_FILE).read_text(encoding="utf-8").count("\n") >= 3


def test_another_seed_cannot_go_on(tmp_path: Path) -> None:
    """A saved state is refused with a different seed, which would mix two runs."""
    _start(tmp_path).save()
    with pytest.raises(CrossmathError, match="was saved with --seed 1, not 2"):
        pipeline.start_training(tmp_path, 2, TINY_PLAN, TINY).restore()


@pytest.mark.usefixtures("one_thread")
def test_a_saved_checkpoint_can_be_asked(tmp_path: Path) -> None:
    """A barely trained model loads with the auto classes and produces some answer."""
    training = _start(tmp_path)
    training.run()
    pipeline.save_checkpoint(training, tmp_path)
    examiner = Examiner.load(tmp_path)
    problems = load_suite("mini").tasks[:2]
    figures = examiner.examine(problems, Modality.IMAGE)
    assert figures.problems == 2
    assert sum(asked for _, asked in figures.by_depth.values()) == 2
    assert str(figures).startswith("image: ")


@pytest.mark.parametrize(("solved", "met"), [(190, True), (189, False)])
def test_the_gate_is_on_text(capsys: pytest.CaptureFixture[str], solved: int, met: bool) -> None:
    """95 % of the problems solved as text are enough, regardless of pictures; less is reported."""
    figures = [
        Figures(name, 200, count, 1.0, {1: (count, 200)})
        for name, count in (("image", 3), ("text", solved))
    ]
    assert pipeline.judge(figures) is met
    assert ("MISSED" in capsys.readouterr().out) is not met


def test_answers_are_scored_by_problem_and_by_blank() -> None:
    """A missing, extra or wrong value leaves a problem unsolved; blanks count individually."""
    problems = load_suite("mini").tasks[:4]
    right = [list(problem.key) for problem in problems]
    answers = [right[0], right[1][:-1], [*right[2], "9"], ["0" for _ in right[3]]]
    figures = score_answers("text", problems, answers)
    assert figures.solved == 1
    blanks = [len(key) for key in right]
    assert figures.right_blanks == pytest.approx((sum(blanks[:3]) - 1) / sum(blanks))


def test_a_rate_rises_then_falls() -> None:
    """The learning rate warms up, then falls linearly to its final value."""
    stage = Stage("s", 100, {}, rates=(1.0, 0.0), warmup=10)
    rates = [stage.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9]
    assert rates[-1] == pytest.approx(0.01)


def test_a_shortened_plan_has_no_longer_stage() -> None:
    """A shortened plan keeps every stage but limits its length."""
    short = shortened(PLAN, 3)
    assert [stage.name for stage in short] == [stage.name for stage in PLAN]
    assert {stage.steps for stage in short} == {3}


def test_the_instruction_itself_is_asked_most_in_the_end() -> None:
    """In the last stage with prompts, the instruction is the most frequent wording."""
    assert [stage for stage in PLAN if stage.forms][-1].wording.own > 0.5


def test_joint_steps_add_a_stage(tmp_path: Path) -> None:
    """Pictures and text are trained together only on request."""
    options = pipeline.Options(
        out=tmp_path,
        seed=1,
        device="cpu",
        threads=1,
        resume=False,
        vision_steps=None,
        joint_steps=0,
        most_steps=None,
    )
    assert pipeline.plan_for(options) == PLAN
    longer = pipeline.plan_for(replace(options, joint_steps=7))
    assert longer[:-1] == PLAN
    assert longer[-1].steps == 7


def test_vision_steps_set_the_length_of_the_alignment_alone(tmp_path: Path) -> None:
    """The stages of the language model are unchanged."""
    options = pipeline.Options(
        out=tmp_path, seed=1, device="cpu", threads=1, resume=False, vision_steps=9,
        joint_steps=0, most_steps=None,
    )  # fmt: skip
    plan = pipeline.plan_for(options)
    assert plan[:-1] == PLAN[:-1]
    assert (plan[-1].name, plan[-1].steps) == ("eyes", 9)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--threads", "0"], "--threads must be at least 1"),
        (["--vision-steps", "0"], "--vision-steps must be at least 1"),
        (["--joint-steps", "-1"], "--joint-steps must be at least 0, not -1"),
        (["--most-steps", "0"], "--most-steps must be at least 1"),
        (["--resume"], "leave --resume out"),
    ],
)
def test_mistakes_get_one_line(tmp_path: Path, options: list[str], complaint: str) -> None:
    """A user's mistake is reported in one line, before any training."""
    with pytest.raises(CrossmathError, match=complaint) as caught:
        command.run(_arguments(tmp_path / "out", *options))
    assert "\n" not in str(caught.value)


def test_declaring_the_options_does_not_import_torch() -> None:
    """Other commands of `crossmath` do not wait for torch."""
    code = f"import sys, {command.__name__}; sys.exit('torch' in sys.modules)"
    command_line = [sys.executable, "-c", code]
    assert subprocess.run(command_line, check=False).returncode == 0  # noqa: S603  # own code


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    """A folder with files in it is refused."""
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(CrossmathError, match="not empty"):
        command.run(_arguments(tmp_path))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A file where the folder should be is refused."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CrossmathError, match="is a file"):
        command.run(_arguments(file))


def _arguments(folder: Path, *options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(["--out", str(folder), *options])


def _batcher(processor: Any) -> Batcher:
    return Batcher(processor, frozenset(), Jitter())


def _image_batch(processor: Any) -> Batch:
    return _batcher(processor).draw(random.Random("1/both/7"), Input.IMAGE_TEXT, 3, OWN_WORDING)


def _start(folder: Path) -> Training:
    return replace(pipeline.start_training(folder, 1, TINY_PLAN, TINY), save_every=1)


def _dying_after(steps: int, step: Any) -> Any:
    """A step that dies after the given number of calls."""
    calls = iter(range(steps))

    def dying(*arguments: Any) -> Any:
        if next(calls, None) is None:
            raise KilledError
        return step(*arguments)

    return dying
