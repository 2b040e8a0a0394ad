"""Users' own tests that take the fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.workers import WORKERS


@WORKERS
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


@pytest.mark.parametrize("name", ["crossmath_modality", "crossmath_problem", "crossmath_model"])
def test_values_of_a_users_own_cannot_be_asked(
    pytester: pytest.Pytester, replay: Callable[..., str], name: str
) -> None:
    """The test fails with an explanation, and the others run."""
    file = pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("{name}", ["text"])
        def test_mine({name}, crossmath_score):
            pass

        def test_other():
            pass
        """
    )
    result = pytester.runpytest(
        f"--crossmath-model={replay(text='1')}", "--crossmath-modality=text",
        "--crossmath-limit=1", str(file),
    )  # fmt: skip
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*{name} is parametrized by the plugin*"])
