"""Supervised fine-tuning with TRL: the model learns to write worked solutions."""

from __future__ import annotations

from typing import Any

from trl.data_utils import apply_chat_template, prepare_multimodal_messages
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from pytest_crossmath.errors import ModelError
from pytest_crossmath.models.backend import Settings
from pytest_crossmath.models.checkpoint.loading import Checkpoint
from pytest_crossmath.training.recipe import Recipe
from pytest_crossmath.training.run import on_one_gpu, training_arguments


def sft_trainer(trainee: Checkpoint, dataset: Any, recipe: Recipe, *, settings: Settings) -> Any:
    """TRL's trainer over prompts and completions; the loss covers only the completions."""
    arguments = SFTConfig(
        **training_arguments(recipe, settings),
        completion_only_loss=True,
        # A limit that cuts off a completion makes its loss 0; one that cuts off a picture fails.
        max_length=None,
        packing=False,
    )
    return SFTTrainer(
        trainee.model,
        on_one_gpu(arguments),
        train_dataset=dataset,
        processing_class=trainee.processor,
    )


def missing_end(trainee: Checkpoint) -> str:
    """The text to append to each completion so that the model learns to stop after it.

    Empty for most chat templates; the end token for a template that does not write one, like
    that of LLaVA 1.5. Raises `ModelError` for a template that omits the completion itself.
    """
    tokenizer = getattr(trainee.processor, "tokenizer", trainee.processor)
    asked: Any = [{"role": "user", "content": "1 + 1 = ?"}]
    said: Any = [{"role": "assistant", "content": "2"}]
    if trainee.reads_images:
        asked, said = prepare_multimodal_messages(asked), prepare_multimodal_messages(said)
    example = {"prompt": asked, "completion": said}
    written = apply_chat_template(example, trainee.processor)["completion"].strip()
    if "2" not in written:
        raise ModelError(
            f"the chat template of {trainee.source} omits what the model says, so nothing could be"
            " learnt: give the checkpoint one that writes assistant messages"
        )
    ids = trainee.model.generation_config.eos_token_id
    listed = ids if isinstance(ids, list) else [ids]
    ends = [*tokenizer.convert_ids_to_tokens([i for i in listed if i is not None])]
    ends += [tokenizer.eos_token] if tokenizer.eos_token else []
    return "" if written.endswith(tuple(ends)) else ends[-1] if ends else ""
