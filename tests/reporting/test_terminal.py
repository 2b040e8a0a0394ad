"""Results as lines for a terminal."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.gating.stats import gap_interval, wilson
from pytest_crossmath.reporting.summary import Gap, Row, Summary
from pytest_crossmath.reporting.terminal import (
    Look,
    bar,
    modality_gap_table,
    outcome_lines,
    picture_lines,
    report_lines,
    step_table,
    throughput,
)
from pytest_crossmath.tasks.crossmath.drawing import draw_answer
from pytest_crossmath.tasks.scoring import score_response
from pytest_crossmath.text import printable
from tests.gating.made_up import results
from tests.reporting.made_up import report
from tests.tasks.crossmath.made_up import grid

EMPTY = Summary((), {}, 0, 0, 0, 0, 0.0)
TABLE = "| ? | + | ? | = | 9 |\n| - |   |   |   |   |\n| 3 |   |   |   |   |"
PROBLEM = grid(TABLE, ("4", "5"))


def row(modality: str, solved: int, problems: int, gap: Gap | None = None, model: str = "m") -> Row:
    """A row of the table."""
    return Row(
        model, modality, None if modality == "text" else "original", problems,
        solved / problems, wilson(solved, problems), solved / problems, gap, {"1": 1.0},
    )  # fmt: skip


def gap_of(worse: int, better: int, problems: int) -> Gap:
    """The gap over some problems."""
    same = problems - worse - better
    differences = [1.0] * worse + [-1.0] * better + [0.0] * same
    return Gap(sum(differences) / problems, gap_interval(differences), problems)


def lines_of(*rows: Row, several_styles: bool = False) -> list[str]:
    """The lines of a table."""
    return list(modality_gap_table(replace(EMPTY, rows=rows), several_styles=several_styles))


def test_the_table_of_questions_has_no_blanks() -> None:
    """A question has one answer, so the share of blanks would repeat the share solved."""
    lines = lines_of(
        replace(row("text", 90, 100), steps={}), replace(row("image", 80, 100), steps={})
    )
    assert lines[0].split() == ["form", "solved", "gap", "to", "text"]
    assert "blanks" not in "".join(lines)
    assert "solved: the answer is right; (): 95 % interval" in lines


def test_a_form_without_a_style_beside_styles_is_no_total() -> None:
    """It is listed among the styles, and labelled as having none."""
    rows = [replace(row("image", 1, 2), style=style) for style in (None, "clean")]
    assert replace(EMPTY, rows=tuple(rows)).several_styles
    assert [line.split("  ")[:3] for line in lines_of(*rows, several_styles=True)[3:6]] == [
        ["", "image"], ["", "", "no style"], ["", "", "clean"]
    ]  # fmt: skip


def drawn(values: str) -> list[str]:
    """An answer to `PROBLEM`, drawn in its grid."""
    return list(draw_answer(PROBLEM.content, score_response(PROBLEM, f"<answer>{values}</answer>")))


def test_the_table_has_a_line_for_each_form_under_its_model() -> None:
    """Each model has its own line; figures carry intervals, and gaps are also put into words."""
    lines = lines_of(
        row("text", 150, 200),
        row("image", 90, 200, gap_of(70, 10, 200)),
        row("text", 0, 200, model="other"),
    )
    assert set(lines.pop(1)) == {"-", " "}
    assert [line.split() for line in lines[:6]] == [
        ["form", "solved", "blanks", "gap", "to", "text"],
        ["m"],
        ["text", "75.0%", "(69-80)", "75.0%"],
        ["image", "45.0%", "(38-52)", "45.0%", "+30.0", "(+22", "to", "+37)", "worse"],
        ["other"],
        ["text", "0.0%", "(0-2)", "0.0%"],
    ]


@pytest.mark.parametrize("problems", [6, 8, 20, 50, 200, 250])
def test_the_table_fits_eighty_columns(problems: int) -> None:
    """For six problems or more, no line is wider than 80 columns, whatever the figures."""
    tenths = sorted({round(problems * i / 10) for i in range(11)})
    for worse, better in product(tenths, tenths):
        for both in {0, problems - worse - better}:
            if both >= 0:
                lines = lines_of(
                    row("text", both + worse, problems),
                    row("image+text", both + better, problems, gap_of(worse, better, problems)),
                )
                assert max(map(len, lines)) <= 80, max(lines, key=len)


def test_styles_are_shown_where_there_are_several() -> None:
    """A style is named only where it distinguishes rows."""
    image = row("image", 1, 2)
    beige = replace(image, style="beige")
    assert [line.split()[0] for line in lines_of(image, beige, several_styles=True)[2:6]] == [
        "m", "image", "original", "beige"
    ]  # fmt: skip
    assert "original" not in "\n".join(lines_of(image))


def test_a_form_without_text_beside_it_says_so() -> None:
    """An empty cell would look like no gap, so it gives the reason."""
    assert lines_of(row("image", 1, 2))[3].endswith("text was not asked")


def test_the_legend_speaks_of_gaps_only_where_forms_are_compared() -> None:
    """A table of a single form does not explain gaps."""
    one = "\n".join(lines_of(row("text", 1, 2)))
    two = "\n".join(lines_of(row("text", 1, 2), row("image", 1, 2, gap_of(0, 0, 2))))
    assert "solved as text minus" not in one
    assert "solved as text minus" in two


def test_outcomes_are_listed_by_model() -> None:
    """Each outcome that occurred is counted under its own name, and errors are explained."""
    summary = replace(EMPTY, outcomes={"m": {"solved": 3, "error": 2}, "n": {"missed": 1}})
    assert list(outcome_lines(summary)) == [
        "outcomes of m: 3 solved, 2 error",
        "  errors are not measurements, so the table leaves them out",
        "outcomes of n: 1 missed",
    ]


def test_nothing_measured_is_an_empty_table() -> None:
    """A run without results prints no table."""
    assert list(modality_gap_table(EMPTY, several_styles=False)) == []


@pytest.mark.parametrize(
    ("summary", "seconds", "line"),
    [
        (EMPTY, 1.25, "no response in 1.2 s"),
        (replace(EMPTY, responses=1), 2.0, "1 response in 2.0 s"),
        (replace(EMPTY, responses=1200), 2.0, "1,200 responses in 2.0 s"),
        (
            replace(EMPTY, responses=1_200, cached=1_000, new_tokens=400),
            2.0,
            "1,200 responses, 1,000 of them from the cache, in 2.0 s, 200 tokens/s",
        ),
        (
            replace(EMPTY, responses=2, new_tokens=24_690),
            2.0,
            "2 responses in 2.0 s, 12,345 tokens/s",
        ),
    ],
)
def test_throughput_is_one_line(summary: Summary, seconds: float, line: str) -> None:
    """It gives responses, seconds, and tokens per second if a backend counts them."""
    assert throughput(summary, seconds) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain × text ü 漢", "plain × text ü 漢"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("\ud800", "\\ud800"),
        ("\u202eevil", "\\u202eevil"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    """Characters that could move the cursor, colour, reorder or hide text are escaped."""
    assert printable(text) == shown


@given(st.text() | st.text(st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp"))))
def test_what_is_printable_can_be_printed(text: str) -> None:
    """Any text becomes printable and encodable, and doing it twice changes nothing."""
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ("4, 5", ["[4][+][5][=][9]", "[-]", "[3]"]),
        ("04, 5.0", ["[4][+][5][=][9]", "[-]", "[3]"]),
        ("4, 7", ["[4][+][!7/5][=][9]", "[-]", "[3]"]),
        ("6, 5", ["[!6/4][+][5][=][9]", "[ -  ]", "[ 3  ]"]),
        ("4", ["[4][+][!_/5][=][9]", "[-]", "[3]"]),
        (", 5", ["[!_/4][+][5][=][9]", "[ -  ]", "[ 3  ]"]),
        ("4, 5, 6", ["[4][+][5][=][9]", "[-]", "[3]"]),
        ("4, 123456789", ["[4][+][!123456/5][=][9]", "[-]", "[3]"]),
    ],
)
def test_an_answer_is_drawn_into_its_grid(values: str, lines: list[str]) -> None:
    """Right values appear as in the key, wrong ones next to it, missing ones as a gap."""
    assert drawn(values) == lines


def test_a_drawn_answer_cannot_steer_the_terminal() -> None:
    """An escape sequence in an answer is escaped before it is drawn."""
    assert all(line.isprintable() for line in drawn("4, \x1b[2J"))


def test_no_answer_is_drawn_as_gaps() -> None:
    """If no answer could be read, every blank is shown as missing."""
    lines = list(draw_answer(PROBLEM.content, score_response(PROBLEM, "no idea")))
    assert lines[0] == "[!_/4][+][!_/5][=][9]"


def steps(look: Look, *rows: Row, several_styles: bool = False) -> list[str]:
    """The lines of the table of steps."""
    return list(step_table(replace(EMPTY, rows=rows), look, several_styles=several_styles))


def test_steps_are_bars_under_their_model() -> None:
    """If a form has no blank of a step, its cell is empty."""
    text = replace(row("text", 9, 10), steps={"1": 1.0, "2": 0.5, "4+": 0.05})
    image = replace(row("image", 9, 10), steps={"1": 0.8})
    assert steps(Look(), text, image) == [
        "blanks right by step      step 1      step 2     step 4+",
        "m",
        "  text                █████ 100%  ██▌    50%  ▎       5%",
        "  image               ████   80%",
        "",
    ]
    ascii_only = steps(Look(ascii_only=True), text)[2]
    assert ascii_only == "  text                ##### 100%  ##...  50%  .....   5%"
    assert ascii_only.isascii()


def test_one_step_needs_no_block() -> None:
    """The figures would be those of the column `blanks`."""
    assert steps(Look(), replace(row("text", 9, 10), steps={"1": 0.9})) == []


def test_long_names_of_models_do_not_widen_the_steps() -> None:
    """They are on lines of their own."""
    rows = [
        replace(
            row(modality, 9, 10, model=f"Some-Model-With-A-Long-Name-7B-Instruct-{modality}"),
            steps=dict.fromkeys(("1", "2", "3", "4+"), 1.0), style="altstyle",
        )
        for modality in ("text", "image+text")
    ]  # fmt: skip
    assert max(map(len, steps(Look(), *rows, several_styles=True))) <= 80


@given(st.floats(0, 1), st.booleans())
def test_a_bar_has_five_characters(fraction: float, ascii_only: bool) -> None:
    """All bars are equally wide, so columns stay aligned."""
    assert len(bar(fraction, Look(ascii_only=ascii_only))) == 5


def test_verbosity_says_how_much_is_listed() -> None:
    """As pytest's users expect: -q gives the verdict, -v whole lists, -vv everything."""
    lost = tuple(f"p{n:03}" for n in range(30))
    whole = report(lost=lost)
    missed = [replace(result, problem="p777") for result in whole.run.results[-1:]]
    whole = replace(whole, run=replace(whole.run, results=tuple(missed)))

    def shown(verbosity: int) -> str:
        return "\n".join(report_lines(whole, Look(verbosity)))

    assert "30 regressed" in shown(-1)
    assert "p000" not in shown(-1)
    assert "p011, and 18 more" in shown(0).replace("\n    ", " ")
    assert "p029" in shown(1)
    assert "p777" not in shown(1)
    assert "not solved by m, image/original: p777" in shown(2)
    assert "fail-under" in shown(-1)


def test_pictures_that_were_not_plain_are_counted() -> None:
    """Each picture once, however often it was shown; what was done to it in a fixed width."""
    found = results("m", image="1" * 30, both="1" * 30)
    kinds = ["transparency over white", "first of 3 frames", "a", "b", "c", "\x1b[31m"]
    noted = [
        replace(result, picture=kinds[place % 6] if place % 30 < 12 else None)
        for place, result in enumerate(found)
    ]
    said = list(picture_lines(noted))
    assert said[0].startswith("12 pictures were not plain: ")
    assert "2 more kinds" in " ".join(said)
    assert all(len(line) <= 80 and line.isprintable() for line in said)
    assert list(picture_lines(found)) == []
    [alone] = picture_lines([replace(found[0], picture="TIFF as PNG")])
    assert alone == "1 picture was not plain: TIFF as PNG (1)"
