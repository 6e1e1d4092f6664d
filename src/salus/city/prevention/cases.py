"""Notifiable cases of one block: sporadic ones by season, planted outbreaks, and the visits they lead to."""

import numpy as np

from salus.city.facts import BAND_EDGES, Ints, rows
from salus.city.geography import Ground
from salus.city.kinds import AMBULATORY, EMERGENCY, season
from salus.city.people import Population, Window
from salus.city.prevention.outbreaks import Planted
from salus.city.prevention.purposes import PLANTED, SPORADIC, Extra, extra, join
from salus.city.streams import substream


def case_visits(
    seed: int,
    block: Population,
    ground: Ground,
    window: Window,
    near: dict[str, Ints],
    primary: Ints,
    planted: tuple[Planted, ...],
    protected: Ints,
) -> Extra:
    """Return the first visit of every case drawn here; other diagnoses come with ordinary visits."""
    rng = substream(seed, "notifiable", block.number)
    facts = {row["disease"]: row for row in rows("notifiable_diseases")}
    parts = []
    for row in facts.values():
        if float(row["per_100000"]) > 0:
            who, onset = _sporadic(row, block, window, rng)
            parts.append(_seek(row, block, who, onset, SPORADIC, near, primary, rng))
    for outbreak in planted:
        own = substream(seed, f"outbreak:{outbreak.name}", block.number)
        who, onset = outbreak.ill(block, ground, protected, own)
        parts.append(
            _seek(facts[outbreak.disease], block, who, onset, PLANTED + outbreak.number, near, primary, own)
        )
    return join(parts)


def _sporadic(
    row: dict[str, str], block: Population, window: Window, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return who falls ill of a disease outside outbreaks, and the days of onset."""
    weights = np.array([float(row[f"age_{band}"]) for band in ("0_4", "5_14", "15_44", "45_64", "65")])
    age = np.clip((window.start + window.days // 2 - block.birth) / 365.25, 0, 120)
    weight = weights[np.searchsorted(BAND_EDGES, age, side="right") - 1]
    years = (block.exit - block.entry).clip(0) / 365.25
    rate = float(row["per_100000"]) / 1e5 * weight * years / max(float(weight.mean()), 1e-9)
    who = np.flatnonzero(rng.random(len(block)) < rate)
    span = (block.exit - block.entry)[who]
    day = block.entry[who] + (rng.random(len(who)) * span).astype(np.int64)
    for _ in range(3):
        odd = rng.random(len(who)) > season(day, int(row["peak_month"]), float(row["amplitude"])) / (
            1 + float(row["amplitude"])
        )
        day = np.where(odd, block.entry[who] + (rng.random(len(who)) * span).astype(np.int64), day)
    return who, day


def _seek(
    row: dict[str, str],
    block: Population,
    who: Ints,
    onset: Ints,
    purpose: int,
    near: dict[str, Ints],
    primary: Ints,
    rng: np.random.Generator,
) -> Extra:
    """Return the visits at which cases are diagnosed: days after onset, mostly in hospital."""
    lots = rng.random((len(who), 3))
    day = onset + rng.gamma(1.5, float(row["seek_days"]) / 1.5, len(who)).astype(np.int64)
    hospital = lots[:, 0] < 0.7
    place = np.where(hospital, np.where(lots[:, 0] < 0.45, near["tertiary"][who], near["secondary"][who]),
                     primary[who])  # fmt: skip
    kind = np.where(hospital & (lots[:, 1] < 0.3), EMERGENCY, AMBULATORY)
    return extra(who, day, lots[:, 2], row["code"], place, purpose, onset, kind=kind, length=60)
