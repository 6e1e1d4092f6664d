"""HL7's FHIRPath tests for R4, those that lie in the subset of docs/views.md."""

import pytest

from tests.record.views import fhirpath_official as official

CASES = official.cases()
pytestmark = pytest.mark.skipif(not CASES, reason=f"the official tests are not under {official.FOLDER}")


@pytest.fixture(scope="module")
def outcomes() -> list[str]:
    return official.outcomes(CASES)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{c.group}-{c.name}" for c in CASES])
def test_official(number: int, outcomes: list[str]) -> None:
    reason = official.outside(CASES[number])
    if reason:
        pytest.skip(f"outside the subset: {reason}")
    assert not outcomes[number], CASES[number].expression


def test_most_of_the_tests_lie_in_the_subset() -> None:
    assert sum(not official.outside(case) for case in CASES) > 900
