"""The forecast of a fund against histories whose future is known."""

from datetime import date

import numpy as np
import pytest

from salus.insurance.eligibility.dates import add_months
from salus.insurance.fund_forecast import forecast
from salus.kernel.errors import Invalid

SEASON = np.array([1.25, 0.7, 1.05, 1.0, 1.0, 0.95, 0.95, 1.0, 0.95, 0.95, 1.05, 1.15])


def months(count: int) -> list[date]:
    found = [date(2021, 1, 1)]
    while len(found) < count:
        found.append(add_months(found[-1], 1))
    return found


def history(seed: int, count: int, rho: float = 0.0) -> tuple[list[int], list[int]]:
    """Draw income paid in at the turn of the year and payouts that grow, with seasons and noise."""
    random = np.random.default_rng(seed)
    noise = np.zeros(count)
    for n in range(count):
        noise[n] = random.normal(0, 0.05) + (rho * noise[n - 1] if n else 0)
    at = np.arange(count)
    payout = 9e9 * (1 + 0.06 * at / 12) * SEASON[at % 12] + 9e9 * noise
    income = 1e10 * (1 + 0.04 * at / 12) * np.where(at % 12 >= 9, 1.8, 0.75)
    return [round(x) for x in income], [round(x) for x in payout]


def held(seed: int, rho: float, known: int = 48, ahead: int = 9) -> bool:
    income, payout = history(seed, known + ahead, rho)
    found = forecast(
        months(known), income[:known], payout[:known], 0, until=months(known + ahead)[-1], level=0.9
    )
    truth = sum(income[known:]) - sum(payout[known:])
    return found.end.low <= truth <= found.end.high


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_nine_of_ten_balances_fall_into_the_interval(rho: float) -> None:
    share = np.mean([held(seed, rho) for seed in range(300)])
    assert 0.84 <= share <= 0.96  # binomial: 0.9 ± 0.035 at two standard errors, and the fit's own error


def test_the_interval_is_no_wider_than_it_needs_to_be() -> None:
    """Its half width is near what somebody who knew the process would give: 1.645 x sigma x sqrt(9)."""
    widths = []
    for seed in range(50):
        income, payout = history(seed, 48)
        found = forecast(months(48), income, payout, 0, until=months(57)[-1])
        widths.append((found.end.high - found.end.low) / 2)
    ideal = 1.645 * 0.05 * 9e9 * 3
    assert ideal < float(np.median(widths)) < 2 * ideal


def test_a_straight_line_goes_on_exactly() -> None:
    found = forecast(months(8), [100 + n for n in range(8)], [50] * 8, 1000, until=months(10)[-1])
    assert [a.income for a in found.ahead] == [108, 109]
    assert [a.balance for a in found.ahead] == [1058, 1117]
    assert found.end.high - found.end.low <= 1
    assert not found.seasonal


def test_seasons_are_told_from_two_years_on() -> None:
    income, payout = history(1, 36)
    found = forecast(months(36), income, payout, 0, until=months(48)[-1])
    assert found.seasonal
    assert found.ahead[0].payout > 1.5 * found.ahead[1].payout  # January to February


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"months": months(5), "income": [1] * 5, "payout": [1] * 5}, "forecast-short"),
        ({"months": [*months(7)[:3], *months(9)[4:8]], "income": [1] * 7, "payout": [1] * 7}, "forecast-gap"),
        ({"months": months(7), "income": [1] * 6, "payout": [1] * 7}, "forecast-length"),
        ({"until": date(2021, 3, 1)}, "forecast-until"),
        ({"level": 1.0}, "forecast-level"),
    ],
)
def test_what_cannot_be_forecast_is_refused(given: dict[str, object], code: str) -> None:
    plain = {"months": months(7), "income": [1] * 7, "payout": [1] * 7, "until": date(2022, 1, 1)} | given
    with pytest.raises(Invalid) as caught:
        forecast(balance=0, **plain)  # type: ignore[arg-type]
    assert caught.value.code == code
