"""The city's institutions, medical groups and staff, written as the kernel's register files."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.city.geography import Ground, inside
from salus.city.naming import Namer
from salus.city.streams import substream

CARE_TIERS = ("tertiary", "secondary", "community", "township", "village")


@dataclass(frozen=True, slots=True)
class Place:
    """One institution. `district` is an index into the ground's districts; `group` a group's code or ""."""

    index: int
    code: str
    name: str
    name_en: str
    kind: str
    tier: str
    group: str
    district: int
    latitude: float
    longitude: float
    scope: str


@dataclass(frozen=True, slots=True)
class Member:
    """One member of staff with one registration."""

    code: str
    name: str
    place: int
    profession: str
    specialty: str


@dataclass(frozen=True, slots=True)
class Registers:
    """Groups (code, name, English name), institutions and staff."""

    groups: tuple[tuple[str, str, str], ...]
    places: tuple[Place, ...]
    staff: tuple[Member, ...]

    def of_tier(self, tier: str) -> list[Place]:
        """Return the institutions of a tier, in order."""
        return [place for place in self.places if place.tier == tier]

    def of_kind(self, kind: str) -> Place:
        """Return the first institution of a kind."""
        return next(place for place in self.places if place.kind == kind)


def numbers_of(residents: int) -> dict[str, int]:
    """Return how many institutions of each tier a city has (about 24 at 5,000 residents, 300 at millions)."""
    growth = float(np.clip(np.log10(residents / 5_000) / np.log10(4_000_000 / 5_000), 0, 1))

    def between(small: int, big: int) -> int:
        return int(round(small * (big / small) ** growth))

    return {
        "tertiary": between(3, 22),
        "secondary": between(5, 48),
        "community": between(6, 86),
        "township": between(2, 30),
        "village": between(2, 106),
    }


KINDS = {
    "tertiary": ("general_hospital", "general_hospital", "general_hospital", "tcm_hospital"),
    "secondary": (
        "general_hospital",
        "tcm_hospital",
        "maternal_child",
        "specialty_hospital",
        "general_hospital",
    ),
    "community": ("community_centre",),
    "township": ("township_centre",),
    "village": ("village_clinic",),
}
WORDS = {
    "general_hospital": ("人民医院", "People's Hospital"),
    "tcm_hospital": ("中医院", "Hospital of Chinese Medicine"),
    "maternal_child": ("妇幼保健院", "Maternal and Child Health Hospital"),
    "specialty_hospital": ("精神卫生中心", "Mental Health Centre"),
    "community_centre": ("社区卫生服务中心", "Community Health Centre"),
    "township_centre": ("卫生院", "Township Health Centre"),
    "village_clinic": ("卫生室", "Village Clinic"),
}
AGENCIES = (
    ("cdc", "临澜市疾病预防控制中心", "Linlan Centre for Disease Control", "authority"),
    ("emergency_centre", "临澜市急救中心", "Linlan Emergency Medical Centre", "authority"),
    ("laboratory", "临澜市区域检验中心", "Linlan Regional Laboratory", "authority"),
    ("insurer", "临澜市医疗保障服务中心", "Linlan Medical Insurance Agency", "authority"),
    ("authority", "临澜市卫生健康委员会", "Linlan Health Commission", "authority"),
    ("other", "临澜市民政局", "Linlan Civil Affairs Bureau", "authority"),
)
ORDINALS = "一二三四五六七八九十"
STAFFING = {"tertiary": 18, "secondary": 11, "community": 6, "township": 4, "village": 1, "authority": 2}
SPECIALTIES = ("内科", "儿科", "普外科", "急诊科", "妇科", "产科", "骨科", "心内科", "呼吸科", "消化科",
               "神经内科", "内分泌科",
               "泌尿科", "皮肤科", "眼科", "口腔科", "精神科", "感染科")  # fmt: skip


def _ordinal(number: int) -> str:
    return ORDINALS[number - 1] if number <= 10 else str(number)


def registers(seed: int, ground: Ground, residents: int) -> Registers:
    """Draw the city's institutions: hospitals and primary care, in groups that cover every district."""
    rng = substream(seed, "institutions")
    counts = numbers_of(residents)
    group_count = max(3, min(len(ground.districts), counts["tertiary"]))
    groups = tuple(
        (f"LLG{g + 1:02d}", f"临澜第{_ordinal(g + 1)}医疗集团", f"Linlan Medical Group {g + 1}")
        for g in range(group_count)
    )
    weights = np.array([district.weight for district in ground.districts])
    places: list[Place] = []
    for tier in CARE_TIERS:
        load = np.zeros(len(weights))
        for n in range(counts[tier]):
            district = int(
                np.argmax(weights / (load + 0.5)) if n >= len(weights) or tier != "community" else n
            )
            load[district] += 1
            kind = KINDS[tier][n % len(KINDS[tier])]
            area = ground.districts[district]
            longitude, latitude = inside(area.polygon, 1, rng)[0]
            word, english = WORDS[kind]
            short, short_en = area.name[:-1], area.name_en.removesuffix(" District")
            name = (
                f"临澜市第{_ordinal(n + 1)}{word}"
                if tier == "tertiary"
                else f"{short}{'第' + _ordinal(int(load[district])) if load[district] > 1 else ''}{word}"
            )
            name_en = (
                f"Linlan {word_en(english, n + 1)}"
                if tier == "tertiary"
                else f"{short_en} {word_en(english, int(load[district]))}"
            )
            letter = {"tertiary": "T", "secondary": "S", "community": "C", "township": "X", "village": "V"}[
                tier
            ]
            places.append(
                Place(
                    len(places),
                    f"LL{letter}{n + 1:03d}",
                    name if tier != "secondary" else f"{name}",
                    name_en,
                    kind,
                    tier,
                    groups[district % group_count][0],
                    district,
                    float(latitude),
                    float(longitude),
                    "预防保健科;全科医疗科"
                    if tier in {"community", "township", "village"}
                    else ";".join(SPECIALTIES),
                )  # fmt: skip
            )
    for kind, name, english, tier in AGENCIES:
        longitude, latitude = inside(ground.districts[0].polygon, 1, rng)[0]
        places.append(
            Place(
                len(places),
                f"LLA{len(places):03d}",
                name,
                english,
                kind,
                tier,
                "",
                0,
                float(latitude),
                float(longitude),
                "",
            )
        )
    return Registers(groups, tuple(places), tuple(_staff(places, rng)))


def word_en(english: str, number: int) -> str:
    """Return an English name with its number when it is not the first."""
    return english if number == 1 else f"{english} No. {number}"


def _staff(places: Sequence[Place], rng: np.random.Generator) -> Iterable[Member]:
    heads = [STAFFING[place.tier] for place in places]
    namer = Namer(rng, sum(heads))
    number = 0
    for place, count in zip(places, heads, strict=True):
        for k in range(count):
            surname, given = (
                namer.surname(number)[0],
                namer.given(number, bool(namer.lots[number, 2] < 0.5))[0],
            )
            number += 1
            if place.tier in {"community", "township", "village"}:
                nurse, specialty = k % 3 == 2, "全科医疗科"
            else:
                nurse, specialty = (
                    k >= len(SPECIALTIES) * 3 // 4 and k % 3 == 2,
                    SPECIALTIES[k % len(SPECIALTIES)],
                )
            profession = "village_doctor" if place.tier == "village" else "nurse" if nurse else "physician"
            yield Member(f"{place.code}-{k + 1:03d}", surname + given, place.index, profession, specialty)


def write_registers(registers: Registers, ground: Ground, start: str, folder: Path) -> None:
    """Write medical_groups.csv, institutions.csv, staff.csv and staff_registrations.csv.

    Columns are the field names of the kernel's models; foreign keys are codes. `start` is the day (ISO)
    from which registrations are valid.
    """
    _write(folder / "medical_groups.csv", ("code", "name", "name_en"), registers.groups)
    _write(
        folder / "institutions.csv",
        ("code", "name", "name_en", "kind", "tier", "group", "district", "licence_no", "licence_scope",
        "latitude", "longitude", "active"),
        (
            (p.code, p.name, p.name_en, p.kind, p.tier, p.group, ground.districts[p.district].code,
            f"PDY{328000000 + p.index:09d}",
             p.scope, f"{p.latitude:.6f}", f"{p.longitude:.6f}", "true")
            for p in registers.places
        ),
    )  # fmt: skip
    codes = [place.code for place in registers.places]
    _write(
        folder / "staff.csv",
        ("code", "name", "institution"),
        ((m.code, m.name, codes[m.place]) for m in registers.staff),
    )
    _write(
        folder / "staff_registrations.csv",
        ("staff", "institution", "profession", "specialty", "registration_no", "valid_from", "valid_to"),
        (
            (m.code, codes[m.place], m.profession, m.specialty, f"3280{i:011d}", start, "")
            for i, m in enumerate(registers.staff)
        ),
    )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)
