"""The modality gap during training: a callback for any trainer of transformers.

::

    callback = CrossmathCallback("mini", every=100, limit=50)
    trainer = SFTTrainer(model, …)
    callback.attach(trainer)
    trainer.train()

Before the first step and every 100 steps, the model is asked 50 problems in each form. The
shares that it solves go to the trainer's log, and from there to its trackers, as
``crossmath/text``, ``crossmath/image``, … and ``crossmath/gap/image``, fractions from 0 to 1.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pytest_crossmath.errors import BackendError, ModelError, OptionError
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.models.checkpoint.backend import HFBackend
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.tasks.suite import check_pictures, check_styles, load_provable
from pytest_crossmath.tasks.task import Modality

_BATCH_SIZE = 16
LOGGED = "crossmath"
"""Prefix of the names in the log."""


class CrossmathCallback(TrainerCallback):
    """Evaluates the model on a suite every few steps, and logs the share solved in each form.

    `suite` is a bundled name, a folder or a file; `limit` takes only its first problems.
    Decoding is greedy unless `settings` say otherwise. Raises `SuiteError` for a suite that
    cannot be read, and `OptionError` for one that lacks a picture that a form needs.
    """

    def __init__(
        self,
        suite: str = "mini",
        *,
        every: int = 100,
        limit: int | None = None,
        modalities: Sequence[Modality] = tuple(Modality),
        style: str | None = None,
        settings: Settings | None = None,
        instruction: str | None = None,
    ) -> None:
        for name, value in (("every", every), ("limit", limit)):
            if value is not None and value < 1:
                raise OptionError(f"CrossmathCallback: {name} must be at least 1, not {value}")
        loaded = load_provable(suite, "CrossmathCallback")
        if any(modality.shows_image for modality in modalities):
            if not loaded.styles:
                raise OptionError(f"suite {loaded.name} has no pictures: use it as text only")
            style = loaded.styles[0] if style is None else style
            check_styles(loaded, [style])
            check_pictures(loaded, [style])
        self._every = every
        self._settings = settings or Settings()
        self._trainer: Any = None
        styles = () if style is None else (style,)
        self._requests = [
            make_request(task, form, instruction=instruction)
            for form in loaded.chosen(modalities, styles)
            for task in loaded.tasks[:limit]
        ]

    def attach(self, trainer: Any) -> None:
        """Add the callback to a trainer, and write its figures to that trainer's log.

        If it is passed to a trainer in `callbacks` instead, the figures are only added to
        the trainer's history.
        """
        self._trainer = trainer
        trainer.add_callback(self)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - transformers passes it
        **kwargs: Any,
    ) -> None:
        """Evaluate the model before its first step. Raises `ModelError` if it is sharded."""
        zero3 = args.deepspeed_plugin and args.deepspeed_plugin.zero_stage == 3
        # Set by a launcher; the arguments do not show it.
        launched = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() in {"1", "true"}
        if args.fsdp or launched or zero3:
            raise ModelError(
                "CrossmathCallback cannot evaluate a model that FSDP or ZeRO-3 has sharded: remove"
                " it, and evaluate the checkpoints with pytest --crossmath-model=DIR"
            )
        if kwargs.get("processing_class") is None:
            raise ModelError(
                "CrossmathCallback cannot evaluate a model without its processor: give the trainer"
                " a processing_class"
            )
        if state.global_step == 0:
            self._ask(state, **kwargs)

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - transformers passes it
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Evaluate the model every few steps and after the last one."""
        last = state.global_step >= state.max_steps
        if state.global_step % self._every == 0 or last:
            # Logging here would clear `should_log`, and the loss of this step would be lost.
            should_log = control.should_log
            self._ask(state, **kwargs)
            control.should_log = should_log

    def _ask(self, state: TrainerState, model: Any, processing_class: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        try:
            figures = self.figures(model, processing_class)
        except BackendError as error:
            # A failed measurement must not end the training run.
            warnings.warn(f"crossmath: nothing was measured: {error}", stacklevel=2)
            return
        if self._trainer is not None:
            # Not the trainer's own method: TRL's would add everything collected since its last
            # line, and the line of this step would then lack it.
            Trainer.log(self._trainer, figures)
        else:
            state.log_history.append({**figures, "step": state.global_step})

    def figures(self, model: Any, processor: Any) -> dict[str, float]:
        """The share that a model solves in each form, and the gaps; restores the model's mode."""
        reads_images = hasattr(processor, "image_processor")
        asked = [request for request in self._requests if reads_images or not request.pictures]
        backend = HFBackend(model, processor, reads_images)
        was_training = model.training
        model.eval()
        try:
            size = self._settings.batch_size or _BATCH_SIZE
            responses = dict(backend.generate(asked, self._settings, batch_size=size))
        finally:
            model.train(was_training)
        solved: dict[Modality, list[bool]] = {}
        for index, request in enumerate(asked):
            response = responses[index]
            if isinstance(response, BackendError):
                raise response
            is_solved = _is_solved(request, response)
            solved.setdefault(request.form.modality, []).append(is_solved)
        return _named_rates({modality: fmean(found) for modality, found in solved.items()})


def _named_rates(solved: dict[Modality, float]) -> dict[str, float]:
    """Rates by modality and their gaps to text, under their names in the log."""
    named = {f"{LOGGED}/{modality.value}": rate for modality, rate in solved.items()}
    if Modality.TEXT in solved:
        named |= {
            f"{LOGGED}/gap/{modality.value}": solved[Modality.TEXT] - rate
            for modality, rate in solved.items()
            if modality is not Modality.TEXT
        }
    return named


def _is_solved(request: Request, response: Response) -> bool:
    score = score_response(request.task, response.text, response.finish)
    return score.outcome is Outcome.SOLVED
