"""The regression behind both Farrington methods: fit, down-weight past outbreaks, fit again, keep the trend
or not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from salus.prevention.detection.counts import Floats
from salus.prevention.detection.fitting import TINY, Design, Fit, Response, fit_level, fit_slope, rows_of

CERTAIN = 1 - 10 * float(np.finfo(float).eps)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a fit is asked for: trend, its p-value, reweighting and the residual above which weights fall.

    `dispersion` is how the trend test and the standard error estimate it from a reweighted fit: "r" as the R
    package surveillance does (squared working residuals weighted by omega alone), "textbook" as
    quasi-likelihood has it (weighted by omega times the mean). `years` of history; a trend needs three.
    """

    trend: bool
    trend_p: float
    reweight: bool
    weights_threshold: float
    dispersion: str
    years: int


@dataclass(slots=True)
class Prediction:
    """What B fits say of the time point: all arrays are (B,).

    `eta` log expected count, `unit` its variance at dispersion 1, `phi` dispersion, at least 1, `dispersion`
    that of the standard error, `trend` whether a slope was kept, `slope` its value a time step, `fitted`.
    """

    eta: Floats
    unit: Floats
    phi: Floats
    dispersion: Floats
    trend: NDArray[np.bool_]
    slope: Floats
    fitted: NDArray[np.bool_]


def predict(
    design: Design, response: Response, now: Floats, offset_now: Floats | None, rules: Rules
) -> Prediction:
    """Fit each column and predict the last season at time `now` (B,); `offset_now` (B,) is log population
    then."""
    width = response.y.shape[1]
    out = Prediction(
        np.full(width, np.nan), np.full(width, np.nan), np.full(width, np.nan), np.full(width, np.nan),
        np.zeros(width, bool), np.full(width, np.nan), np.zeros(width, bool),
    )  # fmt: skip
    valid, present = _sizes(design, response)
    without = np.arange(width)
    with np.errstate(all="ignore"):
        if rules.trend:
            kept = _with_slope(design, response, now, offset_now, rules, valid, present, out)
            without = np.flatnonzero(~kept)
        if without.size:
            part = response if without.size == width else response.columns(without)
            offset = None if offset_now is None else offset_now[without]
            _without_slope(design, part, offset, rules, valid[without], present[without], out, without)
    enough = present > 0
    out.fitted &= enough & np.isfinite(out.eta)
    return out


def _sizes(design: Design, response: Response) -> tuple[Floats, NDArray[np.int64]]:
    """Return how many rows each column has, and how many levels (0 where the season predicted has none)."""
    n, width = response.y.shape
    if response.mask is None:
        return np.full(width, float(n)), np.full(width, design.seasons)
    rows = design.sums(response.mask)
    levels = np.count_nonzero(rows > 0, axis=0)
    return np.add.reduce(rows, axis=0), np.where(rows[-1] > 0, levels, 0)


def _with_slope(
    design: Design, response: Response, now: Floats, offset_now: Floats | None, rules: Rules, valid: Floats,
    present: NDArray[np.int64], out: Prediction,
) -> NDArray[np.bool_]:  # fmt: skip
    """Fill in the columns that keep their slope; return which these are."""
    freedom = valid - present - 1
    fit = fit_slope(design, response, response.mask)
    usable = fit.converged & (fit.inertia > 0) & (freedom > 0)
    phi, plain = _row_dispersion(response, fit, response.mask, freedom)
    dispersion = plain
    if rules.reweight:
        omega = _weights(
            _leverage(design, fit, response.mask), _sixth(design, response, fit), response, phi, rules, valid
        )
        fit = fit_slope(design, response, omega)
        phi, plain = _row_dispersion(response, fit, omega, freedom)
        dispersion = plain
        if rules.dispersion == "r":
            residual = response.y / fit.mean - 1
            residual *= residual
            residual *= omega
            dispersion = np.add.reduce(residual, axis=0) / freedom
    eta = fit.level[-1] + fit.slope * now
    if offset_now is not None:
        eta = eta + offset_now
    wanted, which = np.unique(freedom, return_inverse=True)
    limit = stdtrit(np.maximum(wanted, 1.0), 1 - rules.trend_p / 2)[which]
    significant = np.abs(fit.slope) / np.sqrt(dispersion / fit.inertia) > limit
    top = np.max(response.y, axis=0)
    kept = np.asarray(usable & significant & (np.maximum(np.exp(eta), TINY) <= top) & (rules.years >= 3))
    distance = now - fit.centre[-1]
    unit = 1 / fit.total[-1] + distance * distance / fit.inertia
    for name, value in (
        ("eta", eta),
        ("unit", unit),
        ("phi", phi),
        ("dispersion", dispersion),
        ("slope", fit.slope),
    ):
        getattr(out, name)[kept] = value[kept]
    out.trend[kept] = True
    out.fitted[kept] = True
    return kept


def _without_slope(
    design: Design, response: Response, offset_now: Floats | None, rules: Rules, valid: Floats,
    present: NDArray[np.int64], out: Prediction, where: NDArray[np.int64],
) -> None:  # fmt: skip
    freedom = valid - present
    fit = fit_level(design, response, response.mask)
    fitted = fit.converged & (freedom > 0)
    rows = _row_fit(design, response, fit)
    phi, plain = _row_dispersion(response, rows, response.mask, freedom)
    dispersion = plain
    if rules.reweight:
        omega = _weights(
            _leverage(design, rows, response.mask),
            _sixth(design, response, rows),
            response,
            phi,
            rules,
            valid,
        )
        fit = fit_level(design, response, omega)
        rows = _row_fit(design, response, fit)
        phi, plain = _row_dispersion(response, rows, omega, freedom)
        dispersion = plain
        if rules.dispersion == "r":
            residual = response.y / rows.mean - 1
            residual *= residual
            residual *= omega
            dispersion = np.add.reduce(residual, axis=0) / freedom
    out.eta[where] = fit.level[-1] if offset_now is None else fit.level[-1] + offset_now
    out.unit[where] = 1 / fit.total[-1]
    out.phi[where], out.dispersion[where], out.fitted[where] = phi, dispersion, fitted


def _row_fit(design: Design, response: Response, fit: Fit) -> Fit:
    """Return the fit with its means and weights spread over the rows."""
    mean = design.spread(fit.mean, np.empty_like(response.y))
    weight = design.spread(fit.weight, np.empty_like(response.y))
    if response.people is not None:
        mean *= response.people
        weight *= response.people
    return Fit(fit.level, fit.slope, mean, weight, fit.total, fit.centre, fit.inertia, fit.converged)


def _row_dispersion(
    response: Response, fit: Fit, prior: Floats | None, freedom: Floats
) -> tuple[Floats, Floats]:
    """Return the dispersion by the last step's weights, at least 1, and as it is."""
    residual = response.y / fit.mean
    residual -= 1
    residual *= residual
    residual *= fit.weight
    if prior is not None:
        residual *= prior
    dispersion = np.add.reduce(residual, axis=0) / freedom
    return np.maximum(dispersion, 1.0), dispersion


def _leverage(design: Design, fit: Fit, prior: Floats | None) -> Floats:
    """Return the (n, B) diagonal of the hat matrix, by the last step's weights."""
    sloped = bool(np.isfinite(fit.inertia).any())
    hat = np.empty_like(fit.mean)
    for season in range(design.seasons):
        rows = slice(design.bounds[season], design.bounds[season + 1])
        part = hat[rows]
        if sloped:
            np.subtract(design.time[rows, None], fit.centre[season], out=part)
            part *= part
            part /= fit.inertia
            part += 1 / fit.total[season]
        else:
            part[...] = 1 / fit.total[season]
    hat *= fit.weight
    if prior is not None:
        hat *= prior
    hat[hat > CERTAIN] = 1.0
    return hat


def _sixth(design: Design, response: Response, fit: Fit) -> Floats:
    """Return the (n, B) sixth root of the means."""
    people = None if response.people is None else np.cbrt(np.sqrt(response.people))
    if not np.isfinite(fit.inertia).any():
        root = design.spread(np.exp(fit.level / 6), np.empty_like(response.y))
        return root if people is None else root * people
    return rows_of(design, fit.level / 6, fit.slope / 6, people, np.empty_like(response.y))


def _weights(
    hat: Floats, sixth: Floats, response: Response, phi: Floats, rules: Rules, valid: Floats
) -> Floats:
    """Return (n, B) weights that add up to the rows: one level, falling with the square of a large
    residual."""
    np.subtract(1, hat, out=hat)
    hat *= phi
    np.sqrt(hat, out=hat)
    residual = response.y23 / sixth
    sixth *= sixth * sixth
    residual -= sixth
    residual *= 1.5
    residual /= hat
    large = residual > rules.weights_threshold
    omega = np.ones_like(residual)
    np.power(residual, -2.0, out=omega, where=large)
    if response.mask is not None:
        omega *= response.mask
    omega *= valid / np.add.reduce(omega, axis=0)
    return omega
