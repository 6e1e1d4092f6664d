"""A city with six years of generated counts, and outbreaks planted where a test wants them."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from django.utils import timezone

from salus.kernel.models import District, Institution
from salus.kernel.policy import Grant, Principal, system_principal
from salus.prevention.models import Case
from salus.prevention.queries.signals.grid import last_full_week

SYSTEM = system_principal("test")
DISTRICTS = {
    "440103": "荔湾区",
    "440104": "越秀区",
    "440105": "海珠区",
    "440106": "天河区",
    "440111": "白云区",
}
NAMES = {
    "440103": "Liwan", "440104": "Yuexiu", "440105": "Haizhu", "440106": "Tianhe", "440111": "Baiyun",
}  # fmt: skip
CENTRES = {
    "440103": (113.22, 23.12), "440104": (113.28, 23.14), "440105": (113.32, 23.08),
    "440106": (113.38, 23.14), "440111": (113.28, 23.22),
}  # fmt: skip
DISEASES = ("mumps", "scarlet_fever", "hand_foot_mouth")
WEEKS = 290


@dataclass(frozen=True)
class Planted:
    """So many cases more a week at an institution of a district, the last full week last."""

    disease: str
    district: str
    place: int
    cases: tuple[int, ...]


@dataclass(frozen=True)
class City:
    """The city: its institutions by district, and when it is looked at."""

    places: dict[str, list[Institution]]
    now: datetime
    week: date


def square(code: str) -> str:
    x, y = CENTRES[code]
    corners = [(x - 0.03, y - 0.03), (x + 0.03, y - 0.03), (x + 0.03, y + 0.03), (x - 0.03, y + 0.03)]
    ring = ", ".join(f"[{a:.2f}, {b:.2f}]" for a, b in [*corners, corners[0]])
    return f'{{"type": "Polygon", "coordinates": [[{ring}]]}}'


def build(
    *planted: Planted,
    seed: int = 1,
    mean: float = 0.7,
    weeks: int = WEEKS,
    diseases: tuple[str, ...] = DISEASES,
) -> City:
    """Build the city: Poisson counts with a season, each case known a few days after its onset."""
    rng = np.random.default_rng(seed)
    now = timezone.now()
    today = timezone.localtime(now).date()
    week = last_full_week(today)
    places: dict[str, list[Institution]] = {}
    for code, name in DISTRICTS.items():
        District.objects.create(
            code=code,
            name=name,
            name_en=NAMES[code],
            level="district",
            polygon=square(code),
            population=900_000,
        )
        places[code] = [
            Institution.objects.create(
                code=f"H{code[-2:]}{n}", name=f"{name}第{n + 1}医院",
                name_en=f"{NAMES[code]} Hospital {n + 1}",
                kind="general_hospital", district_id=code,
            )
            for n in range(2)
        ]  # fmt: skip
    cases: list[Case] = []
    season = 1 + 0.5 * np.cos(2 * np.pi * np.arange(weeks - 1, -1, -1) / 52.18)
    for disease in diseases:
        for code, held in places.items():
            for place in held:
                for back, count in zip(range(weeks - 1, -1, -1), rng.poisson(mean * season), strict=True):
                    _add(cases, rng, disease, code, place, week - timedelta(weeks=back), int(count), now)
    for one in planted:
        for back, count in zip(range(len(one.cases) - 1, -1, -1), one.cases, strict=True):
            place = places[one.district][one.place]
            _add(cases, rng, one.disease, one.district, place, week - timedelta(weeks=back), count, now)
    Case.objects.bulk_create(cases, batch_size=2000)
    return City(places, now, week)


def _add(
    cases: list[Case], rng: np.random.Generator, disease: str, district: str, place: Institution,
    monday: date, count: int, now: datetime,
) -> None:  # fmt: skip
    for _n in range(count):
        day = monday + timedelta(days=int(rng.integers(7)))
        knew = day + timedelta(days=int(rng.geometric(0.5)) - 1)
        moment = timezone.make_aware(datetime.combine(knew, time(8)))
        if moment > now:
            continue
        cases.append(
            Case(
                disease=disease, status="confirmed", origin="report", district_code=district,
                institution=place, onset=day, first_day=day, diagnosed_at=moment, created=moment,
                updated=moment, reported_at=moment, age=float(rng.integers(1, 80)),
                sex=("male", "female")[int(rng.integers(2))],
            )
        )  # fmt: skip


def epidemiologist(district: str | None = None) -> Principal:
    """Return an epidemiologist of a district, or of the whole city."""
    return Principal(
        name="epi", roles=frozenset({"epidemiologist"}), purpose="PUBHLTH", account_id=1,
        district_codes=frozenset({district}) if district else frozenset(),
        grants=(Grant("epidemiologist", None, district),),
    )  # fmt: skip
