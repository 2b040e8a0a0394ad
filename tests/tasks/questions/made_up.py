"""Small files in the layouts of questions, written for the tests."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

VERSIONS = {
    "Text Dominant": "images_version_1-4",
    "Text Lite": "images_version_1-4",
    "Vision Intensive": "images_version_1-4",
    "Vision Dominant": "images_version_5",
    "Vision Only": "images_version_6",
}


def picture(shade: int, kind: str = "PNG") -> bytes:
    """A small picture of one shade."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (shade % 256, 90, 40)).save(stream, kind)
    return stream.getvalue()


def mathverse_rows(problems: int = 2, answers: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Rows of the file with pictures: five versions of each problem, of alternating types."""
    rows = []
    for number in range(1, problems + 1):
        is_choice = number % 2 == 1
        for place, (version, folder) in enumerate(VERSIONS.items()):
            words = "" if version == "Vision Only" else f"A made-up figure {number}. How long is x?"
            listed = f"{words}\nChoices:\nA:{number}cm\nB:{number + 1}cm\nC:{number + 2}cm"
            answer = "B" if is_choice else f"{number + 1}"
            rows.append(
                {
                    "sample_index": str(5 * (number - 1) + place + 1),
                    "problem_index": str(number),
                    "problem_version": version,
                    "question": listed if is_choice and words else words,
                    "image": f"{folder}/image_{number}.png",
                    "answer": answers[number - 1] if answers else answer,
                    "question_type": "multi-choice" if is_choice else "free-form",
                    "metadata": {"split": "testmini", "source": "made up",
                                 "subject": "Plane Geometry", "subfield": "Length"},
                    "query_wo": "", "query_cot": "",
                }
            )  # fmt: skip
    return rows


def text_only(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the separate file without pictures, for the same problems."""
    return [
        row | {"problem_version": "Text Only", "image": "", "sample_index": row["problem_index"]}
        for row in rows
        if row["problem_version"] == "Text Dominant"
    ]


def write_mathverse(folder: Path, rows: Sequence[dict[str, Any]] | None = None) -> Path:
    """Write an unpacked folder: two JSON files, and the pictures under ``images``."""
    rows = mathverse_rows() if rows is None else rows
    folder.mkdir(parents=True, exist_ok=True)
    for shade, row in enumerate(rows):
        file = folder / "images" / row["image"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(shade))
    (folder / "testmini.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "testmini_text_only.json").write_text(json.dumps(text_only(rows)), encoding="utf-8")
    return folder


def mmmu_rows(subject: str = "Art", count: int = 3) -> list[dict[str, Any]]:
    """Rows of one subject: choices, choices with pictures in them, and an open question."""
    rows: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        row: dict[str, Any] = {
            "id": f"validation_{subject}_{number}",
            "question": f"What is number {number} in <image 1>?",
            "options": "['red', \"the artist's green\", 'blue']",
            "explanation": "",
            **{f"image_{place}": None for place in range(1, 8)},
            "image_1": {"bytes": picture(number), "path": f"{number}.png"},
            "img_type": "['Paintings']",
            "answer": "C",
            "topic_difficulty": "Easy",
            "question_type": "multiple-choice",
            "subfield": "Made up",
        }
        if number % 3 == 2:
            row |= {
                "options": "['<image 2>', '<image 3>']", "answer": "A",
                "image_2": {"bytes": picture(50 + number), "path": None},
                "image_3": {"bytes": picture(80 + number, "JPEG"), "path": None},
            }  # fmt: skip
        if number % 3 == 0:
            row |= {"options": "[]", "question_type": "open", "answer": "['1.06', '1.1']"}
        rows.append(row)
    return rows


def vision_rows(count: int = 2) -> list[dict[str, Any]]:
    """Rows of MMMU-Pro's set whose questions are in the picture."""
    return [
        {
            "id": f"test_Art_{number}",
            "image": {"bytes": picture(number), "path": None},
            "options": str([f"choice {place}" for place in range(10)]),
            "answer": "J",
            "subject": "Art",
        }
        for number in range(1, count + 1)
    ]


def write_parquet(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as a parquet file, with pictures as `datasets` stores them."""
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        kind = image if name.startswith("image") and not isinstance(values[0], str) else None
        columns[name] = pa.array(values, type=kind)
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), file)
    return file


def own_lines(count: int = 4) -> list[dict[str, Any]]:
    """Lines in our own layout: the same questions as text, as picture, and as both."""
    return [
        {
            "id": f"q{number}",
            "kind": "choice",
            "choices": ["three", "four"],
            "answer": "B",
            "group": "geometry",
            "forms": {
                "text": f"A square, number {number}. How many sides has it?",
                "image": {"images": [f"q{number}.png"]},
                "image+text": {"text": "How many sides has <image 1>?", "images": ["shape.png"]},
            },
        }
        for number in range(1, count + 1)
    ]


def write_own(folder: Path, lines: Sequence[dict[str, Any]] | None = None) -> Path:
    """Write a JSONL file in our own layout, with its pictures."""
    lines = own_lines() if lines is None else lines
    folder.mkdir(parents=True, exist_ok=True)
    for shade, line in enumerate(lines):
        (folder / f"{line['id']}.png").write_bytes(picture(shade))
    (folder / "shape.png").write_bytes(picture(200))
    file = folder / "own.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return file
