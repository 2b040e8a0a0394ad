"""Users' own tests that take the fixtures."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from tests.integration.workers import WORKERS_NIGHTLY


@WORKERS_NIGHTLY
def test_fixtures_share_the_parametrization(
    pytester: pytest.Pytester, replay: Callable[..., str], workers: tuple[str, ...]
) -> None:
    """A test runs once for each model, problem and form, and gets all their values."""
    file = pytester.makepyfile(
        """
        def test_all(crossmath_model, crossmath_problem, crossmath_modality,
                     crossmath_response, crossmath_score):
            assert crossmath_model.name == "fake"
            assert crossmath_problem.key == crossmath_score.key
            assert crossmath_modality in ("text", "image", "image+text")
            assert crossmath_response.text.startswith("so")
            assert crossmath_score.outcome == "solved"
        """
    )
    spec = replay(text="11", image="11", both="11")
    result = pytester.runpytest(
        f"--crossmath-model={spec}", "--crossmath-limit=2", str(file), *workers,
    )  # fmt: skip
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["outcomes of fake: 6 solved"])


def test_a_response_is_inferred_once(
    pytester: pytest.Pytester,
    replay: Callable[..., str],
    record_lines: Callable[[], list[dict[str, object]]],
) -> None:
    """Two tests that read the same response share it, and it is recorded once."""
    pytester.makepyfile("def test_mine(crossmath_response): assert crossmath_response.text")
    spec = replay(text="11", image="11", both="11")
    pytester.runpytest(f"--crossmath-model={spec}", "--crossmath-limit=2").assert_outcomes(
        passed=12
    )
    assert sum(line["type"] == "result" for line in record_lines()) == 6


def test_a_test_may_ask_for_problems_only(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """A test that takes no response is parametrized by what it takes, and asks no model."""
    file = pytester.makepyfile("def test_key(crossmath_problem): assert crossmath_problem.key")
    result = pytester.runpytest(
        f"--crossmath-model={replay(text='1')}", "--crossmath-limit=5", str(file)
    )
    result.assert_outcomes(passed=5)
    assert "modality gap" not in result.stdout.str()


def test_without_a_model_they_are_skipped(pytester: pytest.Pytester) -> None:
    """Without a model the same tests are skipped with a reason."""
    pytester.makepyfile("def test_mine(crossmath_score): pass")
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * no model to run: add --crossmath-model=pocket*"])


def test_a_users_own_parametrization_goes_first(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """A test that parametrizes one of the fixtures itself is left alone."""
    file = pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("crossmath_problem", [1, 2])
        def test_mine(crossmath_problem):
            assert crossmath_problem in (1, 2)

        def test_strict(crossmath_strict):
            assert crossmath_strict is False

        def test_dynamic(request):
            request.getfixturevalue("crossmath_problem")
        """
    )
    result = pytester.runpytest(f"--crossmath-model={replay(text='1')}", str(file))
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*crossmath_problem must be an argument of the test*"])


def test_a_problem_that_a_test_made_itself_is_asked(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """The model gets the instruction of the run, although the problem is in no suite."""
    file = pytester.makepyfile(
        """
        from dataclasses import replace

        import pytest

        from pytest_crossmath.tasks.suite import load_suite

        mine = replace(load_suite("mini").tasks[0], target=("1", "2", "3"))

        @pytest.mark.parametrize("crossmath_problem", [mine], indirect=True)
        def test_mine(crossmath_problem, crossmath_score):
            assert crossmath_score.target == ("1", "2", "3")
            assert crossmath_score.outcome == "missed"
        """
    )
    result = pytester.runpytest(
        f"--crossmath-model={replay(text='1')}", "--crossmath-modality=text", str(file)
    )
    result.assert_outcomes(passed=1)


OWN = {
    "a modality": (
        """
        @pytest.mark.parametrize("crossmath_modality", ["text", "image+text", Modality.IMAGE])
        def test_it(crossmath_modality, crossmath_score):
            assert crossmath_score.outcome == SOLVED[crossmath_modality]
        """,
        {"passed": 3},
    ),
    "a modality that nobody asks with": (
        """
        @pytest.mark.parametrize("crossmath_modality", ["text"])
        def test_it(crossmath_modality):
            assert crossmath_modality == "text"
        """,
        {"passed": 1},
    ),
    "an indirect modality": (
        """
        @pytest.mark.parametrize("crossmath_modality", ["image", Modality.TEXT], indirect=True)
        def test_it(crossmath_modality, crossmath_style, crossmath_score):
            assert isinstance(crossmath_modality, Modality)
            assert crossmath_style == (None if crossmath_modality == "text" else "original")
            assert crossmath_score.outcome == SOLVED[crossmath_modality]
        """,
        {"passed": 2},
    ),
    "a form": (
        """
        @pytest.mark.parametrize("crossmath_modality", ["image/original", "image/strange"])
        def test_it(crossmath_modality, crossmath_score):
            pass
        """,
        {"passed": 1, "errors": 1},
    ),
    "a style": (
        """
        @pytest.mark.parametrize("crossmath_style", ["original", "strange"])
        def test_it(crossmath_modality, crossmath_style, crossmath_score):
            pass
        """,
        {"passed": 4, "errors": 2},
    ),
    "a problem and a modality": (
        """
        @pytest.mark.parametrize(
            ("crossmath_problem", "crossmath_modality"),
            [("mini-0001", "text"), ("mini-0001", "image"), ("mini-0002", "text")],
        )
        def test_it(crossmath_problem, crossmath_modality, crossmath_score):
            assert crossmath_score.outcome == SOLVED[crossmath_modality]
        """,
        {"passed": 2, "errors": 1},
    ),
    "an indirect problem": (
        """
        @pytest.mark.parametrize("crossmath_problem", ["mini-0001", "x"], indirect=True)
        def test_it(crossmath_problem):
            assert crossmath_problem.key
        """,
        {"passed": 1, "errors": 1},
    ),
    "a model": (
        """
        @pytest.mark.parametrize("crossmath_model", ["fake", "strange", 3])
        def test_it(crossmath_model, crossmath_score):
            pass
        """,
        {"passed": 3, "errors": 6},
    ),
    "an indirect model": (
        """
        @pytest.mark.parametrize("crossmath_model", ["fake", "strange", 3], indirect=True)
        def test_it(crossmath_model):
            assert crossmath_model.name == "fake"
        """,
        {"passed": 1, "errors": 2},
    ),
    "what is not a value of any": (
        """
        @pytest.mark.parametrize("crossmath_problem", [None, [], {}])
        @pytest.mark.parametrize("crossmath_modality", [None, [], "x", 7])
        @pytest.mark.parametrize("crossmath_model", [None, [], object()])
        def test_it(crossmath_problem, crossmath_modality, crossmath_model, crossmath_score):
            pass
        """,
        {"errors": 36},
    ),
    "a class": (
        """
        @pytest.mark.parametrize("crossmath_modality", ["text"])
        class TestIt:
            def test_one(self, crossmath_modality, crossmath_score):
                assert crossmath_score.outcome == "solved"

            def test_two(self, crossmath_score):
                assert crossmath_score.outcome == "solved"
        """,
        {"passed": 2},
    ),
    "a fixture": (
        """
        @pytest.fixture
        def crossmath_modality():
            return "image"

        def test_it(crossmath_score, crossmath_style):
            assert crossmath_score.outcome == "missed"
            assert crossmath_style == "original"
        """,
        {"passed": 1},
    ),
    "a fixture of a class": (
        """
        class TestProblem:
            @pytest.fixture
            def crossmath_problem(self):
                return "mini-0001"

            def test_it(self, crossmath_problem, crossmath_modality, crossmath_score):
                assert crossmath_score.outcome == SOLVED[crossmath_modality]

        class TestModel:
            @pytest.fixture
            def crossmath_model(self):
                return "strange"

            def test_it(self, crossmath_score):
                pass
        """,
        {"passed": 3, "errors": 3},
    ),
    "a fixture on top": (
        """
        @pytest.fixture
        def crossmath_modality(crossmath_modality):
            return crossmath_modality

        def test_it(crossmath_modality, crossmath_score):
            assert crossmath_score.outcome == SOLVED[crossmath_modality]
        """,
        {"passed": 3},
    ),
    "results": (
        """
        @pytest.mark.parametrize("crossmath_score", [1])
        @pytest.mark.parametrize("crossmath_response", ["r"])
        @pytest.mark.parametrize("crossmath_regressed", [True])
        @pytest.mark.parametrize("crossmath_strict", [True])
        def test_it(crossmath_score, crossmath_response, crossmath_regressed, crossmath_strict):
            assert crossmath_score == 1
        """,
        {"passed": 1},
    ),
    "a hook": (
        """
        def pytest_generate_tests(metafunc):
            if "crossmath_modality" in metafunc.fixturenames:
                metafunc.parametrize("crossmath_modality", ["image"])
            if "crossmath_model" in metafunc.fixturenames:
                metafunc.parametrize("crossmath_model", ["fake"], indirect=True)

        def test_it(crossmath_modality, crossmath_score):
            assert crossmath_score.outcome == "missed"
        """,
        {"passed": 1},
    ),
    "a wide fixture": (
        """
        @pytest.fixture(scope="module")
        def wide(crossmath_model):
            return crossmath_model.name

        @pytest.fixture(scope="session")
        def wider(crossmath_score):
            pass

        def test_model(wide):
            assert wide == "fake"

        def test_score(wider):
            pass
        """,
        {"passed": 1, "errors": 3},
    ),
    "a class of unittest": (
        """
        import unittest

        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, crossmath_score):
                pass

            def test_it(self):
                pass
        """,
        {"errors": 1},
    ),
    "marks and names that come late": (
        """
        @pytest.mark.usefixtures("crossmath_score")
        def test_used():
            pass

        @pytest.mark.parametrize("name", ["model", "problem", "modality", "style", "score"])
        def test_late(request, name):
            request.getfixturevalue(f"crossmath_{name}")
        """,
        {"passed": 3, "failed": 5},
    ),
    "no value at all": (
        """
        @pytest.mark.parametrize("crossmath_modality", [])
        def test_it(crossmath_modality, crossmath_score):
            pass
        """,
        {"skipped": 1},
    ),
}


@pytest.mark.parametrize(("body", "outcomes"), OWN.values(), ids=OWN)
@pytest.mark.parametrize("options", [(), ("stop-early=sequential", "fail-under=text:1%")])
def test_values_of_a_users_own_are_taken_for_what_they_say(
    pytester: pytest.Pytester, replay: Callable[..., str],
    body: str, outcomes: dict[str, int], options: tuple[str, ...],
) -> None:  # fmt: skip
    """What says nothing is an error of that test alone, and the others run."""
    head = (
        "import pytest\n"
        "from pytest_crossmath.tasks.task import Modality\n"
        "SOLVED = {'text': 'solved', 'image': 'missed', 'image+text': 'solved'}\n"
    )
    pytester.makepyfile(head + textwrap.dedent(body) + "\ndef test_other(): pass\n")
    result = pytester.runpytest(
        f"--crossmath-model={replay(text='1', image='0', both='1')}", "--crossmath-limit=1",
        *(f"--crossmath-{option}" for option in options), *pytester.path.glob("test_*.py"),
    )  # fmt: skip
    found = result.parseoutcomes()
    # Once the gates are decided, the rest is skipped.
    done = found.pop("passed") + found.pop("skipped", 0)
    assert done == outcomes.get("passed", 0) + outcomes.get("skipped", 0) + 1
    assert found == {what: outcomes[what] for what in outcomes if what in {"failed", "errors"}}
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_values_that_say_nothing_are_explained(
    pytester: pytest.Pytester, replay: Callable[..., str]
) -> None:
    """With what could have been said."""
    file = pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("crossmath_modality", ["words"])
        def test_modality(crossmath_modality, crossmath_score): pass

        @pytest.mark.parametrize("crossmath_problem", ["mini-0002"])
        def test_problem(crossmath_problem, crossmath_score): pass

        @pytest.mark.parametrize("crossmath_model", ["mine"])
        def test_model(crossmath_model, crossmath_score): pass
        """
    )
    result = pytester.runpytest(
        f"--crossmath-model={replay(text='1')}", "--crossmath-modality=text",
        "--crossmath-limit=1", str(file),
    )  # fmt: skip
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines_random(
        [
            "crossmath_modality: 'words' is not a form; use text, image, image+text",
            "crossmath_problem: the run has no problem 'mini-0002'",
            "crossmath_model: there is no model 'mine'; use fake",
        ]
    )
