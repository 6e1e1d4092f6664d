"""The insurance catalogue: 1,594 services, medicines by molecule, form and strength, and consumables."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import product

import numpy as np
import pyarrow as pa

from salus.city.facts import Ints, rows
from salus.city.people import Bools

SURGERY_LICENCE, HOSPITAL_LICENCE = "普外科", "内科"
"""Licence scopes of the register of institutions: no primary care holds them, every hospital does."""
TIER_PRICE = {1: 70, 2: 85, 3: 100}
"""Price ceilings of services by tier, in percent of a tertiary hospital's."""
BY_THE_DAY = {"bed", "nursing"}
BY_THE_HOUR = {"oxygen", "ecg_monitor", "ventilation", "icp_monitor", "haemofiltration"}
MEDICINE_MAKERS = 3
PANELS = {  # a panel and the analytes that it includes; billing the analytes one by one is unbundling
    "liver_function": (
        "丙氨酸转氨酶", "天冬氨酸转氨酶", "碱性磷酸酶", "谷氨酰转移酶", "总蛋白", "白蛋白", "胆红素",
    ),
    "renal_function": ("尿素", "肌酐", "尿酸", "胱抑素C"),
    "lipids": ("总胆固醇", "甘油三酯", "载脂蛋白"),
    "electrolytes": ("钾", "钠", "氯", "钙"),
    "cardiac_enzymes": ("肌酸激酶", "肌钙蛋白", "肌红蛋白", "乳酸脱氢酶"),
    "coagulation": ("纤维蛋白原", "D-二聚体", "凝血酶时间"),
}  # fmt: skip
EXCLUSIVE = {
    "nursing": ("nursing_intensive", "nursing_special", "nursing_1", "nursing_2"),
    "bed": ("bed", "icu_day"),
    "consultation": ("consult_general", "consult_expert", "consult_emergency"),
}
SUITED = {  # services that the fund pays only for some diagnoses
    "fetal_monitoring": ("O", "Z3"), "obstetric_ultrasound": ("O", "Z3"), "caesarean": ("O",),
    "delivery": ("O",), "phototherapy": ("P", "Z38"), "incubator": ("P", "Z38"),
    "hbv_dna": ("B1", "K7"), "haemodialysis": ("N1", "T"),
}  # fmt: skip
COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("item", pa.string()), ("name", pa.string()), ("kind", pa.string()), ("class", pa.string()),
    ("valid_from", pa.date32()), ("valid_to", pa.date32()),
    ("ceiling_1", pa.int64()), ("ceiling_2", pa.int64()), ("ceiling_3", pa.int64()),
    ("self_share", pa.int64()), ("sex", pa.string()), ("min_age", pa.int64()), ("max_age", pa.int64()),
    ("care", pa.string()), ("max_day", pa.decimal128(12, 3)), ("max_stay", pa.decimal128(12, 3)),
    ("max_year", pa.decimal128(12, 3)), ("exclusive_group", pa.string()), ("bundle", pa.string()),
    ("indications", pa.list_(pa.string())), ("licence", pa.string()), ("waiting_days", pa.int64()),
    ("name_en", pa.string()), ("category", pa.string()), ("unit", pa.string()), ("labour", pa.int64()),
    ("molecule", pa.string()), ("form", pa.string()), ("strength", pa.string()), ("maker", pa.string()),
)  # fmt: skip
"""Columns of the file: those that adjudication reads, then what is told besides (labour: bp of the price)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the catalogue; `price` is fen at a tertiary hospital, `key` the rules' name or ""."""

    code: str
    name: str
    name_en: str
    kind: str
    category: str
    grade: str
    price: int
    unit: str
    key: str = ""
    labour: int = 0
    hospital: bool = False
    sex: str = ""
    min_age: int | None = None
    max_age: int | None = None
    most_a_day: int | None = None
    daily: float = 1.0
    bundle: str = ""
    group: str = ""
    molecule: str = ""
    form: str = ""
    strength: str = ""
    maker: str = ""

    def ceiling(self, tier: int) -> int:
        """Return the highest payable price in fen at a tier (0 counts as 1); whole tenths of a yuan."""
        if self.kind != "service":
            return self.price
        return max(10, self.price * TIER_PRICE[max(tier, 1)] // 1000 * 10)


class Catalogue:
    """All items with the look-ups that drawing lines needs; arrays have one element an item."""

    def __init__(self, items: tuple[Item, ...]) -> None:
        self.items = items
        self.codes = np.array([item.code for item in items], dtype=object)
        self.price = np.array([[item.ceiling(tier) for item in items] for tier in range(4)], dtype=np.int64)
        self.hospital: Bools = np.array([item.hospital for item in items])
        self.medicine: Bools = np.array([item.kind == "medicine" for item in items])
        self.by_key = {item.key: n for n, item in enumerate(items) if item.key}
        self.by_molecule: dict[str, Ints] = _places([item.molecule for item in items])
        self.daily = np.array([item.daily for item in items])
        self.components = {
            self.by_key[panel]: _numbers(items, "bundle", items[self.by_key[panel]].code) for panel in PANELS
        }
        self.materials = _places([item.code[:4] if item.kind == "material" else "" for item in items])
        free = [
            n for n, i in enumerate(items)
            if i.kind == "service" and not (i.sex or i.bundle or i.min_age or i.max_age or i.key)
        ]  # fmt: skip
        self.tests = np.array(
            [n for n in free if items[n].category in {"laboratory", "imaging", "examination"}]
        )
        self.therapies = np.array(
            [n for n in free if items[n].category in {"rehabilitation", "tcm", "treatment"}]
        )

    def key(self, name: str) -> int:
        """Return the number of a service that the rules name."""
        return self.by_key[name]

    def table(self) -> pa.Table:
        """Return the file's table."""
        columns: dict[str, list[object]] = {name: [] for name, _ in COLUMNS}
        for item in self.items:
            for name, value in _row(item).items():
                columns[name].append(value)
        return pa.table({name: pa.array(columns[name], kind) for name, kind in COLUMNS})


def _places(names: list[str]) -> dict[str, Ints]:
    found: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if name:
            found.setdefault(name, []).append(number)
    return {name: np.array(numbers, dtype=np.int64) for name, numbers in found.items()}


def _numbers(items: tuple[Item, ...], field: str, value: str) -> Ints:
    return np.array([n for n, item in enumerate(items) if getattr(item, field) == value], dtype=np.int64)


def _row(item: Item) -> dict[str, object]:
    def units(count: float | None) -> Decimal | None:
        return None if count is None else Decimal(str(round(count, 3)))

    licence = SURGERY_LICENCE if item.category in {"surgery", "anaesthesia"} else HOSPITAL_LICENCE
    medicine = item.kind == "medicine"
    return {
        "item": item.code, "name": item.name, "kind": item.kind, "class": item.grade,
        "valid_from": date(2020, 1, 1), "valid_to": None,
        "ceiling_1": item.ceiling(1), "ceiling_2": item.ceiling(2), "ceiling_3": item.ceiling(3),
        "self_share": {"A": 0, "B": 1000 if medicine else 2000, "C": 10000}[item.grade],
        "sex": {"M": "male", "F": "female"}.get(item.sex), "min_age": item.min_age, "max_age": item.max_age,
        "care": "inpatient" if item.key in {"bed", "icu_day", "nursing_1", "nursing_2"} else None,
        "max_day": units(item.most_a_day),
        "max_stay": units(max(60.0, item.daily * 3 * 90) if medicine else None),
        "max_year": units(max(120.0, item.daily * 3 * 366) if medicine else None),
        "exclusive_group": item.group or None, "bundle": item.bundle or None,
        "indications": list(SUITED.get(item.key, ())),
        "licence": licence if item.hospital else None, "waiting_days": None,
        "name_en": item.name_en, "category": item.category, "unit": item.unit, "labour": item.labour * 100,
        "molecule": item.molecule or None, "form": item.form or None, "strength": item.strength or None,
        "maker": item.maker or None,
    }  # fmt: skip


def _fen(yuan: float) -> int:
    return max(10, round(yuan * 10) * 10)


def _limit(text: str) -> int | None:
    return int(text) if text else None


def _services() -> list[Item]:
    group = {key: name for name, keys in EXCLUSIVE.items() for key in keys}
    named = []
    for row in rows("insurance_services"):
        key = row["key"]
        by_time = row["category"] in BY_THE_DAY or key in BY_THE_HOUR or key == "consult_ward"
        named.append(
            Item(
                row["code"], row["zh"], row["en"], "service", row["category"], row["class"],
                _fen(float(row["price"])), row["unit"], key, int(row["labour"]),
                row["hospital_only"] == "yes",
                row["sex"], _limit(row["age_from"]), _limit(row["age_to"]),
                None if by_time else int(row["most_a_day"]), group=group.get(key, ""),
            )
        )  # fmt: skip
    codes = {item.key: item.code for item in named}
    bundle = {analyte: codes[panel] for panel, analytes in PANELS.items() for analyte in analytes}
    taken = {item.code for item in named}
    return named + [
        item for row in rows("insurance_service_families") for item in _family(row, bundle, taken)
    ]


def _family(row: dict[str, str], bundle: dict[str, str], taken: set[str]) -> list[Item]:
    """Return the services of a family: each first word with each second, the price rising along the way."""
    first = list(zip(row["first"].split(";"), row["first_en"].split(";"), strict=True))
    second = list(zip(row["second"].split(";"), row["second_en"].split(";"), strict=True))
    low, high = float(row["price_low"]), float(row["price_high"])
    found, number = [], 0
    for (a, (zh, en)), (b, (zh2, en2)) in product(enumerate(first), enumerate(second)):
        number += 1
        while f"{row['prefix']}{number:05d}" in taken:
            number += 1
        step = ((a * 7 + b * 3) % 17) / 16
        whole = bundle.get(zh, "") if b == 1 and row["prefix"] in {"2503", "2502"} else ""
        grade = "B" if step > 0.7 else "A"
        found.append(
            Item(
                f"{row['prefix']}{number:05d}", row["zh"].format(first=zh, second=zh2),
                row["en"].format(first=en, second=en2), "service", row["category"],
                "C" if (a * 5 + b) % 29 == 28 else grade, _fen(low * (high / low) ** step), row["unit"],
                "", int(row["labour"]), row["hospital_only"] == "yes", most_a_day=6, bundle=whole,
            )
        )  # fmt: skip
    return found


def _medicines() -> list[Item]:
    found: list[Item] = []
    for row in rows("insurance_medicines"):
        for n, strength in enumerate(row["strengths"].split(";")):
            for maker in range(MEDICINE_MAKERS):
                price = float(row["price"]) * 1.7**n * (1.0, 1.25, 2.2)[maker]
                found.append(
                    Item(
                        f"X{row['atc']}-{n + 1}{maker + 1}", f"{row['zh']}{row['form']} {strength}",
                        f"{row['en']} {strength}", "medicine", row["use"],
                        "B" if maker == 2 and row["class"] == "A" else row["class"],
                        max(1, round(price * 100)), "支" if row["use"] == "injection" else "片",
                        daily=float(row["daily"]), molecule=row["atc"], form=row["form"],
                        strength=strength, maker=f"M{(len(found) * 7 + maker) % 83 + 1:02d}",
                    )
                )  # fmt: skip
    return found


def _materials() -> list[Item]:
    return [
        Item(
            f"{row['code']}-{maker + 1:02d}", f"{row['zh']}({maker + 1}型)",
            f"{row['en']}, model {maker + 1}",
            "material", "material", row["class"], _fen(float(row["price"]) * (0.8 + 0.1 * maker)),
            row["unit"], hospital=False, most_a_day=None, maker=f"D{(maker * 11 + n) % 57 + 1:02d}",
        )
        for n, row in enumerate(rows("insurance_materials"))
        for maker in range(int(row["makers"]))
    ]  # fmt: skip


@cache
def catalogue() -> Catalogue:
    """Return the catalogue; it is the same in every city."""
    return Catalogue(tuple(_services() + _medicines() + _materials()))
