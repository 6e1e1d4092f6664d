"""Forecast of a fund's balance at the end of a period, with a prediction interval. Pure.

Income and payouts a month are fitted by least squares to a trend and, from two whole years on, to the months
of the year; errors that follow each other are reckoned with by their first-order correlation. The interval is
of the sum over the months to come, with what is uncertain in the fit itself. Source: the general linear
model's prediction of a linear combination (Searle, Linear Models, 1971), errors of first order as in
Prais and Winsten (1954), small samples' correlation after Kendall (1954).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from salus.insurance.eligibility.dates import add_months
from salus.kernel.errors import Invalid
from salus.kernel.money import Fen

LEAST = 6
"""Months of history without which nothing is forecast."""
SEASONAL = 24
"""Months of history from which the months of the year are told apart."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A month to come: expected income and payout, and the balance at its end with its interval, in fen."""

    month: date
    income: Fen
    payout: Fen
    balance: Fen
    low: Fen
    high: Fen


@dataclass(frozen=True, slots=True)
class Forecast:
    """The months to come, the share of futures that the interval shall hold, whether seasons were told."""

    ahead: tuple[Ahead, ...]
    level: float
    seasonal: bool

    @property
    def end(self) -> Ahead:
        """The last month."""
        return self.ahead[-1]


def forecast(
    months: Sequence[date],
    income: Sequence[Fen],
    payout: Sequence[Fen],
    balance: Fen,
    *,
    until: date,
    level: float = 0.9,
) -> Forecast:
    """Forecast a fund from its months.

    Args:
        months: the first days of whole months, without gaps, in order.
        income: fen a month.
        payout: fen a month.
        balance: fen at the end of the last month.
        until: the month to forecast to; it lies after the last one.
        level: the probability that the interval holds the balance.

    Raises:
        Invalid: the history is too short, has gaps, or the columns differ in length.
    """
    if not len(months) == len(income) == len(payout):
        raise Invalid("forecast-length", "Months, income and payouts differ in number")
    if len(months) < LEAST:
        raise Invalid("forecast-short", f"A forecast needs {LEAST} months at least", where="months")
    if any(add_months(a, 1) != b for a, b in zip(months, months[1:], strict=False)):
        raise Invalid("forecast-gap", "The months must follow each other", where="months")
    if not 0 < level < 1:
        raise Invalid("forecast-level", "The level must lie between 0 and 1", where="level")
    coming = _coming(months[-1], until)
    seasonal = len(months) >= SEASONAL
    history, future = _design(months, 0, seasonal), _design(coming, len(months), seasonal)
    received = np.asarray(income, dtype=np.float64)
    paid = np.asarray(payout, dtype=np.float64)
    expected_in = future @ np.linalg.lstsq(history, received, rcond=None)[0]
    expected_out = future @ np.linalg.lstsq(history, paid, rcond=None)[0]
    half = _half_widths(history, future, received - paid, level)
    ahead, left = [], float(balance)
    for n, month in enumerate(coming):
        left += expected_in[n] - expected_out[n]
        ahead.append(
            Ahead(
                month, round(expected_in[n]), round(expected_out[n]), round(left), round(left - half[n]),
                round(left + half[n]),
            )
        )  # fmt: skip
    return Forecast(tuple(ahead), level, seasonal)


def _coming(last: date, until: date) -> list[date]:
    found: list[date] = []
    month = add_months(last, 1)
    while month <= until:
        found.append(month)
        month = add_months(month, 1)
    if not found:
        raise Invalid("forecast-until", "The month to forecast to must lie after the last one", where="until")
    return found


def _design(months: Sequence[date], first: int, seasonal: bool) -> Floats:
    """Return the model's columns: level, trend, and eleven of the months of the year."""
    rows = np.zeros((len(months), 13 if seasonal else 2))
    rows[:, 0] = 1
    rows[:, 1] = np.arange(first, first + len(months)) / 12
    if seasonal:
        for n, month in enumerate(months):
            if month.month > 1:
                rows[n, month.month] = 1
    return rows


def _half_widths(history: Floats, future: Floats, net: Floats, level: float) -> Floats:
    """Return half the interval of the running sum of the months to come."""
    residual = net - history @ np.linalg.lstsq(history, net, rcond=None)[0]
    free = len(net) - history.shape[1]
    rho = _correlation(residual, free)
    reach = np.abs(np.subtract.outer(np.arange(len(net)), np.arange(len(net))))
    among = rho**reach
    inverse = np.linalg.pinv(history.T @ history)
    hat = history @ inverse @ history.T
    # Residuals of correlated errors are too small by more than the columns fitted; by how much is known.
    expected = float(np.trace(among) - np.trace(hat @ among))
    spread = float(residual @ residual) / max(expected, 1e-9)
    widths = np.empty(len(future))
    for n in range(1, len(future) + 1):
        weights = future[:n].sum(axis=0) @ inverse @ history.T
        steps = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        ahead = np.arange(len(net), len(net) + n)
        cross = (rho ** np.abs(np.subtract.outer(ahead, np.arange(len(net))))).sum(axis=0)
        variance = (rho**steps).sum() + weights @ among @ weights - 2 * weights @ cross
        widths[n - 1] = np.sqrt(max(variance, 0.0) * spread)
    quantile: float = float(stdtrit(free, 0.5 + level / 2))
    return widths * quantile


def _correlation(residual: Floats, free: int) -> float:
    """Return the first-order correlation of the errors, corrected for the few months it is known from."""
    below = float(residual @ residual)
    if below == 0 or free < 4:
        return 0.0
    raw = float(residual[1:] @ residual[:-1]) / below
    corrected = raw + (1 + 3 * raw) / len(residual)
    return min(max(corrected, 0.0), 0.9)
