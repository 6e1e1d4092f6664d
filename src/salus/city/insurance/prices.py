"""The city's prices of services, how often each hospital does them for whom, and the money that was freed."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from salus.city.streams import substream
from salus.kernel.errors import Invalid
from salus.kernel.money import split, to_yuan

Integers = npt.NDArray[np.int64]

TIERS = ("tier3", "tier2", "tier1")
SERVICE_COLUMNS = (
    "code", "name", "name_en", "department", "family", "rank", "price", "cost", "labour_share", "difficulty",
    "risk",
)  # fmt: skip
VOLUME_COLUMNS = ("service", "hospital", "tier", "group", "volume")
FREED_COLUMNS = ("hospital", "group", "amount")
_FREED_SHARE = 0.055
"""Mark-ups and procurement free about this share of what services bring in."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the price list; `price` and `cost` in fen, `labour` in percent of the cost."""

    code: str
    name: str
    name_en: str
    department: str
    family: str
    rank: int
    price: int
    cost: int
    labour: int
    difficulty: int
    risk: int
    volume: float


@dataclass(frozen=True, slots=True)
class PriceCity:
    """Services, hospitals with their tiers, groups; volumes (n, h, g) and freed fen (h, g)."""

    services: tuple[Service, ...]
    hospitals: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    volumes: Integers
    freed: Integers


def price_city(seed: int = 1, *, services: int = 1594, hospitals: int = 60) -> PriceCity:
    """Make a city's year of services; the same seed gives the same city.

    Raises:
        Invalid: more services are asked for than can be named, or fewer than three hospitals.
    """
    random = substream(seed, "prices")
    listed = _services(random, services)
    places = _hospitals(hospitals)
    groups = tuple(row["group"] for row in _rules("service_groups"))
    volumes = _volumes(random, listed, places)
    return PriceCity(listed, places, groups, volumes, _freed(random, listed, volumes))


@cache
def _rules(name: str) -> tuple[dict[str, str], ...]:
    text = resources.files("salus.city").joinpath("rules", f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _stems() -> list[list[tuple[dict[str, str], dict[str, str], dict[str, str]]]]:
    """Return the stems of services, a family and a site each, with their variants; chapters take turns."""
    turns: list[list[list[tuple[dict[str, str], dict[str, str], dict[str, str]]]]] = []
    for family in _rules("service_families"):
        sites = [site for site in _rules("service_sites") if site["set"] == family["sites"]]
        variants = [one for one in _rules("service_variants") if one["set"] == family["variants"]]
        turns.append([[(family, site, variant) for variant in variants] for site in sites])
    longest = max(len(turn) for turn in turns)
    return [turn[place] for place in range(longest) for turn in turns if place < len(turn)]


def _services(random: np.random.Generator, wanted: int) -> tuple[Service, ...]:
    stems = _stems()
    most = sum(len(stem) for stem in stems)
    if not 1 <= wanted <= most:
        raise Invalid("city-services", f"The city can name 1 to {most:,} services", fix="Ask for fewer")
    found: list[Service] = []
    counted: dict[str, int] = {}
    for stem in stems:
        family, site, _ = stem[0]
        low, high = int(family["price_low"]), int(family["price_high"])
        base = float(low * (high / low) ** random.random())
        volume = float(family["volume"]) * float(np.exp(random.normal(0.0, 1.25)))
        worth = float(family["cost"]) / 100 * float(np.exp(random.normal(0.0, 0.12)))
        number = counted[family["chapter"]] = counted.get(family["chapter"], 0) + 1
        for variant in stem:
            if len(found) == wanted:
                break
            found.append(_service(random, variant, base, volume, worth, number))
    return tuple(sorted(found, key=lambda service: service.code))


def _service(
    random: np.random.Generator,
    variant: tuple[dict[str, str], dict[str, str], dict[str, str]],
    base: float,
    volume: float,
    worth: float,
    number: int,
) -> Service:
    family, site, form = variant
    rank = int(form["rank"])
    price = _stepped(base * int(form["percent"]) / 100 * 100)
    labour = int(np.clip(int(family["labour"]) + random.integers(-6, 7), 3, 96))
    code = f"{family['chapter']}{number:04d}"  # ten digits in all: no code of the insurance catalogue
    return Service(
        code=f"{code}{rank:02d}",
        name=f"{family['zh']}({site['zh']},{form['zh']})",
        name_en=f"{family['en']}, {site['en']}, {form['en']}",
        department=family["department_zh"],
        family=code,
        rank=rank,
        price=price,
        cost=max(50, round(price * worth * float(np.exp(random.normal(0.0, 0.06))))),
        labour=labour,
        difficulty=int(np.clip(int(family["difficulty"]) + 6 * (rank - 1) + random.integers(-5, 6), 1, 100)),
        risk=int(np.clip(int(family["risk"]) + 4 * (rank - 1) + random.integers(-4, 5), 1, 100)),
        volume=max(3.0, volume * 0.55 ** (rank - 1)),
    )


def _stepped(fen: float) -> int:
    """Round a price as price lists do: half a yuan below ten, a yuan below a thousand, ten above."""
    step = 50 if fen < 1_000 else 100 if fen < 100_000 else 1_000
    return max(step, round(fen / step) * step)


def _hospitals(wanted: int) -> tuple[tuple[str, str], ...]:
    if wanted < 3:
        raise Invalid("city-hospitals", "A city of prices has at least three hospitals")
    third = max(1, wanted // 5)
    second = max(1, (wanted * 3) // 10)
    tiers = [TIERS[0]] * third + [TIERS[1]] * second + [TIERS[2]] * (wanted - third - second)
    return tuple((f"P{number:03d}", tier) for number, tier in enumerate(tiers, 1))


def _volumes(
    random: np.random.Generator, services: tuple[Service, ...], places: tuple[tuple[str, str], ...]
) -> Integers:
    """Draw how often each service is done: big hospitals do more, and what is difficult is done in tier 3."""
    tier = np.array([TIERS.index(name) for _, name in places])
    size = np.exp(random.normal(0.0, 0.45, len(places))) * np.array([9.0, 3.2, 1.0])[tier]
    difficulty = np.array([service.difficulty for service in services], dtype=np.float64)
    reach = np.exp(-np.maximum(0.0, difficulty[:, None] - np.array([100.0, 62.0, 30.0])[tier]) / 9.0)
    taste = np.exp(random.normal(0.0, 0.35, (len(services), len(places))))
    where = size * reach * taste
    where /= where.sum(axis=1, keepdims=True)
    rows = _rules("service_groups")
    share = np.array([[float(row[name]) for row in rows] for name in TIERS])[tier]
    mix = share[None] * np.exp(random.normal(0.0, 0.25, (len(services), 1, len(rows))))
    mix /= mix.sum(axis=2, keepdims=True)
    volume = np.array([service.volume for service in services])
    drawn: Integers = random.poisson(volume[:, None, None] * where[:, :, None] * mix).astype(np.int64)
    return drawn


def _freed(random: np.random.Generator, services: tuple[Service, ...], volumes: Integers) -> Integers:
    """Return what mark-ups and procurement freed a hospital and group, in fen."""
    price = np.array([service.price for service in services], dtype=np.int64)
    revenue = np.einsum("i,ihg->hg", price, volumes)
    freed: Integers = np.zeros_like(revenue)
    shares = _FREED_SHARE * np.exp(random.normal(0.0, 0.12, len(revenue)))
    for place, share in enumerate(shares):
        whole = round(float(share) * int(revenue[place].sum()))
        weights = [int(one) for one in revenue[place]]
        freed[place] = split(whole, weights if any(weights) else [1] * len(weights))
    return freed


def write(city: PriceCity, folder: Path, progress: Callable[[int], None] = lambda done: None) -> list[Path]:
    """Write services.csv, volumes.csv (a row where something was done) and freed.csv; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: tuple[tuple[str, tuple[str, ...], Iterator[tuple[Any, ...]]], ...] = (
        ("services.csv", SERVICE_COLUMNS, _service_rows(city)),
        ("volumes.csv", VOLUME_COLUMNS, _volume_rows(city, progress)),
        ("freed.csv", FREED_COLUMNS, _freed_rows(city)),
    )
    paths = []
    for name, columns, rows in tables:
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        paths.append(folder / name)
    return paths


def _service_rows(city: PriceCity) -> Iterator[tuple[Any, ...]]:
    for one in city.services:
        yield (
            one.code, one.name, one.name_en, one.department, one.family, one.rank, to_yuan(one.price),
            to_yuan(one.cost), f"{one.labour / 100:.2f}", one.difficulty, one.risk,
        )  # fmt: skip


def _volume_rows(city: PriceCity, progress: Callable[[int], None]) -> Iterator[tuple[Any, ...]]:
    for place, service in enumerate(city.services):
        counts = city.volumes[place]
        for hospital, group in np.argwhere(counts):
            code, tier = city.hospitals[hospital]
            yield service.code, code, tier, city.groups[group], int(counts[hospital, group])
        progress(place + 1)


def _freed_rows(city: PriceCity) -> Iterator[tuple[Any, ...]]:
    for place, (code, _) in enumerate(city.hospitals):
        for number, group in enumerate(city.groups):
            yield code, group, to_yuan(int(city.freed[place, number]))
