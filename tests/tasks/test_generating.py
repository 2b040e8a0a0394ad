"""New tasks: a seed gives the same ones everywhere, and no two are alike."""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from pytest_crossmath.tasks.crossmath.family import FAMILY
from pytest_crossmath.tasks.generating import numbered
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Task


def made(
    preset: str, count: int, *, seed: int, prefix: str, exclude: Collection[str] = ()
) -> Iterator[Task]:
    """The first problems of a preset."""
    endless = numbered(FAMILY, preset, seed=seed, prefix=prefix, exclude=exclude)
    return (task for _, task in islice(endless, count))


def first(count: int, exclude: Collection[str] = ()) -> list[Task]:
    """The first problems of the mini preset with seed 11."""
    return list(made("mini", count, seed=11, prefix="p", exclude=exclude))


def test_two_processes_make_the_same_problems() -> None:
    """The problems of a seed depend neither on the process nor on its hash seed."""
    program = (
        "from itertools import islice\n"
        "from pytest_crossmath.tasks.crossmath.family import FAMILY\n"
        "from pytest_crossmath.tasks.generating import numbered\n"
        "problems = (task for _, task in numbered(FAMILY, 'mini', seed=11, prefix='p'))\n"
        "print([(p.id, p.text, p.key, p.steps, p.difficulty) for p in islice(problems, 20)])\n"
    )
    one, two = (
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-X", "utf8", "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    )
    here = [(p.id, p.text, p.key, p.steps, p.difficulty) for p in first(20)]
    assert one == two == f"{here}\n"


def test_two_processes_write_the_same_files(tmp_path: Path) -> None:
    """Problems of all strata, pictures and manifest are the same byte for byte."""
    found = []
    for hash_seed in ("1", "2"):
        out = tmp_path / hash_seed / "suite"
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "pytest_crossmath.cli.main", "generate", "--count", "6",
             "--seed", "3", "--style", "original", "altstyle", "--out", str(out)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True, capture_output=True,
        )  # fmt: skip
        files = sorted(path for path in out.rglob("*") if path.is_file())
        found.append({str(path.relative_to(out)): path.read_bytes() for path in files})
    assert len(found[0]) == 14
    assert found[0] == found[1]


def test_the_standard_suite_is_what_its_seed_makes() -> None:
    """The generator reproduces the first problems of the bundled suite."""
    bundled = load_suite("standard").tasks[:12]
    again = made("mixed", 12, seed=2604, prefix="standard")
    assert [(p.id, p.text, p.key, p.steps, p.difficulty) for p in again] == [
        (p.id, p.text, p.key, p.steps, p.difficulty) for p in bundled
    ]


def test_another_seed_makes_other_problems() -> None:
    """Two seeds share no problem among the first few."""
    other = made("mini", 20, seed=12, prefix="p")
    assert not {p.text for p in first(20)} & {p.text for p in other}


def test_problems_are_named_and_numbered() -> None:
    """Ids are the prefix and a four-digit number that counts from one."""
    assert [problem.id for problem in first(3)] == ["p-0001", "p-0002", "p-0003"]


def test_no_two_problems_are_alike_up_to_transposition() -> None:
    """Neither a solved grid nor its mirror image is made twice."""
    grids = [problem.content.filled(problem.key) for problem in first(400)]
    seen = {grid.rows for grid in grids} | {grid.transposed().rows for grid in grids}
    symmetric = sum(grid == grid.transposed() for grid in grids)
    assert len(seen) == 2 * len(grids) - symmetric


def test_what_is_excluded_is_skipped_and_the_rest_stays() -> None:
    """Excluding some solved grids removes exactly these from the sequence."""
    problems = first(30)
    banned = {FAMILY.fingerprint(problem) for problem in problems[::3]}
    rest = [p.text for p in problems if FAMILY.fingerprint(p) not in banned]
    assert [p.text for p in first(len(rest), banned)] == rest


def test_the_difficulties_of_a_mixed_suite_go_on(tmp_path: Path) -> None:
    """The shares hold from the start, wherever the job was interrupted."""
    whole = numbered(FAMILY, "mixed", seed=5, prefix="s")
    first = list(islice(whole, 7))
    rest = numbered(FAMILY, "mixed", seed=5, prefix="s", made=3, index=first[2][0])
    assert list(islice(rest, 4)) == first[3:]
