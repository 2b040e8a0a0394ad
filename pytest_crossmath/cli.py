"""The `crossmath` command: the jobs that are not tests.

Exit status: 0 when all is well, 1 when a check failed, 2 for a mistake of the user's.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from pytest_crossmath.errors import CrossmathError, OptionError
from pytest_crossmath.files import require_free_folder, require_new_file

Run = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a letter, or a name that is none, is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    run: Run = parsed.run
    try:
        return run(parsed)
    except CrossmathError as error:
        print(f"crossmath: {error.with_flags(partial(_flag, parsed))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("crossmath: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # As `| head` does. What Python still has to write on its way out goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _flag(arguments: argparse.Namespace, setting: str) -> str:
    """What a command calls a setting; one that it does not have is one of the run."""
    name = {"compare-fail": "fail"}.get(setting, setting)
    known = hasattr(arguments, name.replace("-", "_"))
    return f"--{name}" if known else f"--crossmath-{setting}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crossmath", description="Tools of pytest-crossmath.")
    parser.add_argument("--version", action="version", version=version("pytest-crossmath"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_models(
        commands.add_parser(
            "models",
            help="list the models that have a name",
            epilog="example: crossmath models",
        )
    )
    _add_generate(
        commands.add_parser(
            "generate",
            help="make a suite of new problems",
            epilog="example: crossmath generate --count 5 --seed 1 --out my-suite",
        )
    )
    _add_verify(
        commands.add_parser(
            "verify",
            help="prove a suite, or list its defects",
            epilog="example: crossmath verify mini --json report.json",
        )
    )
    _add_score(
        commands.add_parser(
            "score",
            help="score saved responses with the published metrics",
            epilog='example: echo \'{"id": "mini-0001", "modality": "text", "text":'
            ' "<answer>20, 1, 17</answer>"}\' > r.jsonl;'
            " crossmath score --suite mini --responses r.jsonl --json scores.json",
        )
    )
    _add_compare(
        commands.add_parser(
            "compare",
            help="judge one run record against another",
            epilog="example: pytest crossmath --crossmath-model=reference --crossmath-limit=20"
            " --crossmath-record=base.jsonl; cp base.jsonl new.jsonl;"
            " crossmath compare base.jsonl new.jsonl --fail image:5%",
        )
    )
    _add_calibrate(
        commands.add_parser(
            "calibrate",
            help="measure how much repeated runs of one model differ",
            epilog="example: pytest crossmath --crossmath-model=reference --crossmath-limit=20"
            " --crossmath-record=one.jsonl; cp one.jsonl two.jsonl;"
            " crossmath calibrate one.jsonl two.jsonl",
        )
    )
    _add_report(
        commands.add_parser(
            "report",
            help="show run records as a page",
            epilog="example: pytest crossmath --crossmath-model=reference --crossmath-limit=20"
            " --crossmath-record=seen.jsonl; crossmath report seen.jsonl -o report.html",
        )
    )
    _add_export(
        commands.add_parser(
            "export",
            help="write a suite as a training set",
            epilog="example: crossmath generate --count 5 --seed 3 --out learn;"
            " crossmath export learn --format trl --out learn-trl",
        )
    )
    train = commands.add_parser("train", help="train a model").add_subparsers(
        required=True, metavar="KIND"
    )
    _add_train_sft(
        train.add_parser(
            "sft",
            help="fine-tune a model on worked solutions",
            epilog="example: crossmath generate --count 8 --seed 3 --difficulty mini --out lessons;"
            " crossmath train sft lessons --model pocket --target brief --max-steps 2 --out tuned",
        )
    )
    _add_train_grpo(
        train.add_parser(
            "grpo",
            help="reward a model for right blanks",
            epilog="example: crossmath generate --count 8 --seed 4 --difficulty mini --out tasks;"
            " crossmath train grpo tasks --model pocket --max-steps 1 --max-new-tokens 64"
            " --out rewarded",
        )
    )
    _add_train_pocket(
        train.add_parser(
            "pocket",
            help="train the bundled model anew",
            epilog="example: crossmath train pocket --out my-pocket --seed 1",
        )
    )
    return parser


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run_models)


def _run_models(_: argparse.Namespace) -> int:
    from tabulate import tabulate

    from pytest_crossmath.models.registry import ALIASES, POCKET, REFERENCE

    rows = [
        (POCKET, "bundled with pytest-crossmath: tiny and real"),
        (REFERENCE, "the exact solver, with a reader for pictures: always right"),
        *sorted(ALIASES.items()),
    ]
    print(tabulate(rows, headers=("name", "model"), tablefmt="simple"))
    print(
        "\nor ./DIRECTORY, hf:ORG/NAME[@REVISION], openai:NAME@URL, replay:FILE.jsonl;"
        " NAME=SPEC gives your own name"
    )
    return 0


def _add_generate(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.puzzle.generator import PRESETS

    parser.add_argument("--count", type=int, required=True, help="how many problems")
    parser.add_argument("--seed", type=int, required=True, help="same seed, same problems")
    parser.add_argument("--difficulty", choices=[*sorted(PRESETS), "mixed"], default="mixed")
    parser.add_argument(
        "--style", nargs="+", default=["original"],
        help="image styles: names, or NAME.toml with fields of a Style",
    )  # fmt: skip
    parser.add_argument(
        "--palette", type=int, metavar="N",
        help="colours in a picture, 8 to 256; those on a varied background keep all",
    )  # fmt: skip
    parser.add_argument("--name", default=None, help="name of the suite (default: the folder's)")
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="SUITE",
        help="suites besides the bundled ones whose problems are left out",
    )  # fmt: skip
    parser.add_argument(
        "--rebuild", action="store_true",
        help="make a bundled suite again: its own problems are not left out",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.set_defaults(run=_run_generate)


def _run_generate(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from pytest_crossmath.puzzle.generator import numbered
    from pytest_crossmath.puzzle.layouts import check_id
    from pytest_crossmath.puzzle.saving import SuiteWriter
    from pytest_crossmath.puzzle.suite import UNFINISHED_FILE, load_grids, taken_solutions

    out: Path = arguments.out
    styles = [_style(style) for style in arguments.style]
    if not 1 <= arguments.count <= sys.maxsize:
        raise OptionError(f"--count must be from 1 to {sys.maxsize}")
    if arguments.palette is not None and not 8 <= arguments.palette <= 256:
        raise OptionError("--palette must be from 8 to 256")
    begun = (out / UNFINISHED_FILE).is_file()
    if not begun:
        require_free_folder(out)
    name = arguments.name or out.resolve().name
    check_id("--name (default: the folder)", name)
    against = [load_grids(suite, "--against") for suite in arguments.against]
    exclude = taken_solutions(*against, apart_from=name if arguments.rebuild else None)
    about = {
        "name": name,
        "version": 1,
        "generator": _command(arguments),
        "seed": arguments.seed,
        "licence": "MIT",
    }
    made_by = f"{_command(arguments)} --seed {arguments.seed} --name {name}"
    try:
        writer = SuiteWriter(
            out, styles=styles, palette=arguments.palette, made_by=made_by, seed=arguments.seed
        )
        with closing(writer):
            if writer.made:
                print(f"{writer.made} problems are there already: going on")
            endless = numbered(
                arguments.difficulty, seed=arguments.seed, prefix=name,
                exclude=exclude | writer.solutions, made=writer.made, index=writer.index,
            )  # fmt: skip
            total = max(arguments.count, writer.made)
            left = islice(endless, total - writer.made)
            # On a terminal only: a log needs no bar.
            bar = tqdm(left, initial=writer.made, total=total, unit="problem", disable=None)
            for index, problem in bar:
                writer.add(problem, index)
            writer.finish(about)
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error}") from None
    print(f"{total} problems in {out}")
    return 0


def _style(text: str) -> str:
    """The name of a style; a file's becomes known under the file's name."""
    from pytest_crossmath.puzzle.render import STYLES, load_style, register_style

    if text.endswith(".toml"):
        name = Path(text).stem
        register_style(name, load_style(Path(text)))
        return name
    if text not in STYLES:
        raise OptionError(
            f"--style: there is no {text!r}; it takes {', '.join(STYLES)}, or NAME.toml"
        )
    return text


def _command(arguments: argparse.Namespace) -> str:
    """What makes the same suite again, but for the seed, which the manifest has."""
    palette = f" --palette {arguments.palette}" if arguments.palette else ""
    return f"crossmath generate --difficulty {arguments.difficulty}{palette}"


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", help="bundled name, folder with problems.jsonl, or JSONL file")
    parser.add_argument("--against", nargs="+", default=[], metavar="SUITE",
                        help="suites whose problems must not be here")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the report here")
    parser.set_defaults(run=_run_verify)


def _run_verify(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from pytest_crossmath.puzzle.suite import find_suite, load_grids
    from pytest_crossmath.puzzle.verify import verify, verify_manifest

    suite, *others = (
        load_grids(name, "crossmath verify") for name in (arguments.suite, *arguments.against)
    )
    against = [problem for other in others for problem in other.problems]
    if arguments.json:
        require_new_file(arguments.json, "--json")
    report = verify(
        suite.problems,
        against=against,
        progress=lambda problems: tqdm(problems, desc="verify", unit=" problems", disable=None),
    )
    found = [*report.defects, *verify_manifest(find_suite(arguments.suite), suite.problems)]
    for defect in found:
        print(defect)
    for unread in report.unread:
        print(f"not proved: {unread.id} ({unread.style}): {unread.detail}")
    if arguments.json:
        defects = [asdict(defect) for defect in found]
        pictures = [asdict(picture) for picture in report.unread]
        _write_json(
            arguments.json, {"problems": report.problems, "defects": defects, "unread": pictures}
        )
    shown = sum(len(problem.images) for problem in suite.problems)
    print(
        f"problems: {report.problems}, pictures: {shown}, defects: {len(found)},"
        f" pictures not read with certainty: {len(report.unread)}"
    )
    return 1 if found else 0


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", required=True, help="the suite that was asked")
    parser.add_argument("--responses", type=Path, required=True, help="JSONL of responses")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    parser.set_defaults(run=_run_score)


def _run_score(arguments: argparse.Namespace) -> int:
    from tabulate import tabulate

    from pytest_crossmath.models.replay import read_responses
    from pytest_crossmath.puzzle.suite import load_suite
    from pytest_crossmath.reporting.scores import score_saved

    suite = load_suite(arguments.suite)
    responses = list(read_responses(arguments.responses))
    forms = score_saved(suite, responses)
    if not forms:
        raise OptionError(f"{arguments.responses} has no response to a problem of {suite.name}")
    models: dict[str, dict[str, object]] = {}
    for form in forms:
        models.setdefault(form.model, {})[form.form] = form.to_json()
        if form.missing:
            print(
                f"crossmath: {form.model}, {form.form}: {len(form.missing)} of"
                f" {form.offered} problems have no response and count nowhere"
                f" (first: {form.missing[0]})",
                file=sys.stderr,
            )
    for form in forms:
        if form.repeated:
            print(
                f"crossmath: {form.model}, {form.form}: {form.repeated} responses are followed by"
                " another to the same sample, which counts instead; number samples with 'sample'",
                file=sys.stderr,
            )
    known = {task.id for task in suite.tasks}
    if strangers := [r.problem for r in responses if r.problem not in known]:
        print(
            f"crossmath: {len(strangers)} responses are to no problem of {suite.name} and count"
            f" nowhere (first: {strangers[0]})",
            file=sys.stderr,
        )
    rows = [(f.model, f.form, f.to_json()) for f in forms]
    names = ("micro_acc", "macro_acc", "step1_acc", "step2_acc", "step3_acc", "step4plus_acc")
    headers = ("model", "form", "n", *(name.removesuffix("_acc") for name in names))
    cells = [(m, f, j["n_problems"], *(j[name] for name in names)) for m, f, j in rows]
    print(tabulate(cells, headers=headers, floatfmt=".1%", missingval="-"))
    if arguments.json:
        _write_json(arguments.json, {"models": models})
    return 0


def _add_compare(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.commands import compare

    compare.add_arguments(parser)
    parser.set_defaults(run=_run_compare)


def _run_compare(arguments: argparse.Namespace) -> int:
    from pytest_crossmath.commands.compare import compare

    status, lines, figures = compare(arguments)
    print("\n".join(lines))
    if arguments.json:
        _write_json(arguments.json, figures)
    return status


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.commands import calibrate

    calibrate.add_arguments(parser)
    parser.set_defaults(run=_run_calibrate)


def _run_calibrate(arguments: argparse.Namespace) -> int:
    from pytest_crossmath.commands.calibrate import measure

    lines, figures = measure(arguments)
    print("\n".join(lines))
    if arguments.json:
        _write_json(arguments.json, figures)
    return 0


def _add_report(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.commands import report

    report.add_arguments(parser)
    parser.set_defaults(run=_run_report)


def _run_report(arguments: argparse.Namespace) -> int:
    from pytest_crossmath.commands.report import report

    lines, figures = report(arguments)
    if lines:
        print("\n".join(lines))
    if arguments.json:
        _write_json(arguments.json, {"runs": figures})
    return 0


def _add_export(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.commands import export

    export.add_arguments(parser)
    parser.set_defaults(run=_run_export)


def _run_export(arguments: argparse.Namespace) -> int:
    from pytest_crossmath.commands.export import export

    print("\n".join(export(arguments)))
    return 0


def _write_json(path: Path, content: object) -> None:
    try:
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OptionError(f"--json {path} cannot be written: {error}") from None


def _add_train_sft(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.commands import training_options

    training_options.add_sft_arguments(parser)
    parser.set_defaults(run=_run_train_sft)


def _run_train_sft(arguments: argparse.Namespace) -> int:
    from pytest_crossmath.commands.train import train_sft

    train_sft(arguments)
    return 0


def _add_train_grpo(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.commands import training_options

    training_options.add_grpo_arguments(parser)
    parser.set_defaults(run=_run_train_grpo)


def _run_train_grpo(arguments: argparse.Namespace) -> int:
    from pytest_crossmath.commands.train import train_grpo

    train_grpo(arguments)
    return 0


def _add_train_pocket(parser: argparse.ArgumentParser) -> None:
    from pytest_crossmath.training.pocket import command

    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


if __name__ == "__main__":
    sys.exit(main())
