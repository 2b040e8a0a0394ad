"""Suites exported as training sets, in the layouts that trainers read.

``trl``       one line per example: `prompt` and `completion` as messages, `images` as paths;
              `datasets` loads it and TRL's SFTTrainer trains on it
``llava``     one JSON list of `image` and `conversations`, the LLaVA and ShareGPT layout
``openai``    one line per example: `messages` of the chat API, pictures as data URIs
``parquet``   the columns of ``trl`` in one file, pictures included, written by `datasets`
``lmms-eval`` a task folder, so that the suite can be run in that harness

``trl``, ``llava`` and ``lmms-eval`` put the pictures in a folder ``images`` next to their files.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pytest_crossmath.tasks.provable import provable
from pytest_crossmath.training.dataset import Example, make_dataset, row_of


def write_trl(found: Iterable[Example], folder: Path) -> int:
    """Write one line per example to ``train.jsonl``; returns the number of examples."""
    return _write_lines(found, folder, row_of)


def write_openai(found: Iterable[Example], folder: Path) -> int:
    """Write ``train.jsonl`` with the pictures inline; returns the number of examples."""
    return _write_lines(found, folder, _openai, pictures=False)


def write_llava(found: Iterable[Example], folder: Path) -> int:
    """Write a list of all examples to ``train.json``; returns the number of examples."""
    # Written piece by piece, since a training set is larger than its suite.
    count = 0
    with (folder / "train.json").open("w", encoding="utf-8", newline="\n") as stream:
        for example in found:
            _copy_picture(example, folder)
            stream.write("[\n" if count == 0 else ",\n")
            stream.write(json.dumps(_llava(example), ensure_ascii=False))
            count += 1
        stream.write("\n]\n" if count else "[]\n")
    return count


def write_parquet(found: Iterable[Example], folder: Path) -> int:
    """Write ``train.parquet``, with pictures as `datasets` stores them; returns the row count.

    Raises `ModelError` if `datasets` is not installed.
    """
    # Through a temporary folder: neither in memory nor in the user's cache.
    with tempfile.TemporaryDirectory() as cache:
        made = make_dataset(found, Path(cache), embed=True)
        made.to_parquet(folder / "train.parquet")
        return int(made.num_rows)


def write_lmms_eval(found: Iterable[Example], folder: Path, *, task: str) -> int:
    """Write an lmms-eval task: settings, functions, README and ``test.jsonl``.

    Its functions score with this package, so that both give the same figures. Returns the row
    count.
    """
    forms: dict[str, None] = {}

    def line(example: Example) -> dict[str, Any]:
        forms[str(example.request.form)] = None
        return _lmms(example)

    count = _write_lines(found, folder, line, name="test.jsonl")
    # The total last: the harness takes the number of items from the last metric.
    names = (*(f"solved_{form}" for form in forms), "blanks", "solved_score")
    metrics = "".join(_LMMS_METRIC.format(name=name) for name in names)
    texts = {
        f"{task}.yaml": _LMMS_TASK.format(task=task, metrics=metrics),
        "utils.py": _LMMS_FUNCTIONS,
        "README.md": _LMMS_README.format(task=task),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return count


_LMMS_METRIC = """\
  - metric: "{name}"
    aggregation: mean
    higher_is_better: true
"""

# The paired test of --baseline takes the metric whose name ends in _score.
_LMMS_TASK = """\
# How to run it is in README.md.
task: {task}
dataset_path: json
dataset_kwargs:
  data_files:
    test: test.jsonl
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: answer
generation_kwargs:
  max_new_tokens: 2048
  temperature: 0
  do_sample: false
process_results: !function utils.process_results
metric_list:
{metrics}metadata:
  version: 1.0
"""

_LMMS_README = """\
# {task}: a task for lmms-eval

Run it from this folder, in an environment with pytest-crossmath and lmms-eval:

```console
lmms-eval --include_path . --tasks {task} --batch_size 1 \\
          --model huggingface --model_args pretrained=CHECKPOINT
```

| metric | meaning |
|---|---|
| `solved_score` | share of all items with every value right; `--baseline` compares it |
| `solved_text`, `solved_image/STYLE`, … | the same for one form: compare these to see the gap |
| `blanks` | mean share of an item's values that are right |

What we saw with lmms-eval 0.7.3:

- Its models read videos with `decord`, and some cannot be imported without it.
- Without a GPU, add `device_map=cpu` to `--model_args`.
- **Items without a picture** are not for every model of the harness: `llava_hf` scores all of them
  0, and the exit status is 0. Look at `solved_text` first, or leave these items out with
  `crossmath export … --modality image,image+text`.
- `huggingface`, its generic model, needed two fixes for transformers 5. With them, all 600
  responses of `pocket` to the suite `mini` were identical to those under pytest-crossmath.
"""

_LMMS_FUNCTIONS = '''\
"""Functions of the task: its prompt and its scoring."""

from pathlib import Path
from statistics import fmean

from PIL import Image

from pytest_crossmath.tasks.family import family_named
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.scoring import score_response

HERE = Path(__file__).parent


def doc_to_visual(doc):
    """The picture, if there is one."""
    return [Image.open(HERE / name).convert("RGB") for name in doc["images"]]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    """The prompt, the same as in pytest-crossmath."""
    return doc["text"]


def process_results(doc, results):
    """Whether all values are right, in all and in this form, and the share of right values."""
    line = {**doc["line"], "images": {}}
    task = family_named(doc["family"]).parse(line, HERE / "test.jsonl", doc["id"])
    score = score_response(task, results[0])
    solved = float(score.outcome is Outcome.SOLVED)
    return {
        f"solved_{doc['form']}": solved,
        "blanks": fmean(map(float, score.right)),
        "solved_score": solved,
    }
'''


def _write_lines(
    found: Iterable[Example],
    folder: Path,
    line: Callable[[Example], dict[str, Any]],
    *,
    pictures: bool = True,
    name: str = "train.jsonl",
) -> int:
    count = 0
    with (folder / name).open("w", encoding="utf-8", newline="\n") as stream:
        for example in found:
            if pictures:
                _copy_picture(example, folder)
            stream.write(json.dumps(line(example), ensure_ascii=False) + "\n")
            count += 1
    return count


def _copy_picture(example: Example, folder: Path) -> None:
    if example.picture is not None and example.picture_name is not None:
        target = folder / example.picture_name
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            target.write_bytes(example.picture.sent.data)


def _llava(example: Example) -> dict[str, Any]:
    shown = "<image>\n" if example.picture_name else ""
    picture = {"image": example.picture_name} if example.picture_name else {}
    return {
        "id": example.id,
        **picture,
        "conversations": [
            {"from": "human", "value": f"{shown}{example.text}"},
            {"from": "gpt", "value": example.completion},
        ],
    }


def _openai(example: Example) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if example.picture is not None:
        content.append({"type": "image_url", "image_url": {"url": example.picture.sent.url}})
    content.append({"type": "text", "text": example.text})
    return {
        "messages": [
            {"role": "user", "content": content},
            {"role": "assistant", "content": example.completion},
        ]
    }


def _lmms(example: Example) -> dict[str, Any]:
    task = example.task
    line = provable(task.family, "a task of lmms-eval").to_json(task, {})
    return {
        "id": example.id,
        "problem": task.id,
        "family": task.family,
        "modality": example.request.form.modality.value,
        "form": str(example.request.form),
        "text": example.text,
        "images": [example.picture_name] if example.picture_name else [],
        "answer": ", ".join(task.target),
        # Without its pictures: some readers of JSON lines cannot take an empty object.
        "line": {field: value for field, value in line.items() if field != "images"},
        "difficulty": task.difficulty,
    }
