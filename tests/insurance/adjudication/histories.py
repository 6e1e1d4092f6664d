"""Random histories of claims, sound and faulty, and their adjudication one by one.

Histories are made to meet every edit and every benefit often: few institutions and items, tight limits, many
faults. `one_by_one` runs the row-wise engine over them in order, handing on what each claim used up.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from salus.insurance.adjudication.one import Context, Decision, adjudicate_one
from salus.insurance.adjudication.rules import Rules
from salus.insurance.adjudication.tables import INPUTS

Row = dict[str, Any]
Tables = dict[str, list[Row]]
AS_OF = date(2025, 12, 31)
YEAR = date(2024, 6, 1)
KINDS = ("inpatient", "outpatient", "chronic", "pharmacy")
REFERRALS = ("referred", "emergency", "local", "bypassed")
DIAGNOSES = {
    "I10.x00": None, "E11.900": None, "N18.001": None, "C34.900": None, "C50.900": "female",
    "O80.000": "female", "O82.100": "female", "N40.x00": "male", "Z34.900": "female", "J18.900": None,
    "K35.800": None, "I63.900": None, "C91.000": None, "D66.x00": None,
}  # fmt: skip
ILLNESSES = (
    None,
    "hypertension",
    "diabetes",
    "dialysis",
    "lung_cancer",
    "breast_cancer",
    "stroke",
    "nothing",
)
STATUSES = (
    "extreme_poverty",
    "low_income",
    "low_income_edge",
    "illness_poverty",
    "severe_disability",
    "maternity",
)


def world() -> Tables:
    """Return a small catalogue, institutions and codes that have something of everything."""
    blank: Row = dict.fromkeys(INPUTS["catalogue"].schema.names)
    blank |= {
        "valid_from": date(2020, 1, 1),
        "class": "A",
        "kind": "service",
        "self_share": 0,
        "indications": [],
    }
    several: list[Row] = [
        {"item": "bed", "ceiling_1": 3000, "ceiling_2": 5000, "ceiling_3": 8000},
        {"item": "visit", "max_day": Decimal(1)},
        {"item": "surgery", "care": "inpatient", "licence": "surgery", "exclusive_group": "operation"},
        {"item": "endoscopy", "exclusive_group": "operation", "class": "B", "self_share": 1000},
        {"item": "dressing", "bundle": "surgery", "max_stay": Decimal(5)},
        {"item": "dialysis", "max_year": Decimal(6), "indications": ["N18"], "class": "B",
         "self_share": 500},
        {"item": "amlodipine", "kind": "medicine", "max_year": Decimal("90.5"),
         "indications": ["I1", "I6"]},
        {"item": "insulin", "kind": "medicine", "class": "B", "self_share": 1333, "min_age": 18,
         "ceiling_1": 700, "ceiling_2": 700, "ceiling_3": 700, "max_day": Decimal("2.5")},
        {"item": "trastuzumab", "kind": "medicine", "class": "B", "self_share": 3000, "sex": "female",
         "indications": ["C50"], "valid_from": date(2024, 3, 1), "waiting_days": 30},
        {"item": "stent", "kind": "material", "class": "B", "self_share": 2000, "ceiling_3": 90000,
         "ceiling_2": 80000},
        {"item": "vitamin", "kind": "medicine", "class": "C"},
        {"item": "delivery", "sex": "female", "min_age": 14, "max_age": 55, "care": "inpatient"},
        {"item": "old", "valid_to": date(2024, 4, 30)},
        {"item": "old", "valid_from": date(2024, 8, 1), "max_year": Decimal(9), "class": "B",
         "self_share": 777},
    ]  # fmt: skip
    catalogue = [{**blank, "name": row["item"], **row} for row in several]
    institutions = [
        {"institution": code, "tier": tier, "district": "440103", "licences": licences,
         "designated": designated, "valid_from": date(2021, 1, 1), "valid_to": until}
        for code, tier, licences, designated, until in (
            ("H3", 3, ["surgery"], ["lung_cancer", "breast_cancer", "stroke"], None),
            ("H2", 2, ["surgery"], ["stroke"], None),
            ("H1", 1, [], [], date(2024, 9, 30)),
            ("P0", 0, [], None, None),
        )
    ]  # fmt: skip
    return {
        "catalogue": catalogue,
        "institutions": institutions,
        "diagnoses": [{"code": code, "sex": sex} for code, sex in DIAGNOSES.items()],
    }


def draw(seed: int, persons: int, claims_each: int = 8) -> Tables:
    """Return tables with random persons, their cover and their claims."""
    r = random.Random(seed)
    tables = world() | {name: [] for name in (
        "claims", "claim_lines", "persons", "coverage", "statuses", "registrations")}  # fmt: skip
    for n in range(persons):
        person = f"p{seed}-{n}"
        sex = r.choice(("male", "female"))
        died = YEAR + timedelta(r.randrange(-100, 200)) if r.random() < 0.05 else None
        if r.random() > 0.02:
            tables["persons"].append({
                "person_id": person, "sex": sex if r.random() > 0.01 else None,
                "birth_date": date(r.randrange(1930, 2023), r.randrange(1, 13), r.randrange(1, 29)),
                "death_date": died})  # fmt: skip
        for scheme in r.sample(("resident", "employee"), r.choice((0, *[1] * 9, 2))):
            starts = YEAR + timedelta(r.choice((-400, -300, -200, -100)))
            tables["coverage"].append({
                "person_id": person, "scheme": scheme, "starts": starts,
                "ends": starts + timedelta(r.randrange(100, 700)) if r.random() < 0.2 else None,
                "waiting_until": starts + timedelta(60) if r.random() < 0.2 else None})  # fmt: skip
        for status in r.sample(STATUSES, r.choice((0, 0, 1, 1, 2))):
            starts = YEAR + timedelta(r.randrange(-400, 150))
            tables["statuses"].append({
                "person_id": person, "status": status, "starts": starts,
                "ends": starts + timedelta(r.randrange(300)) if r.random() < 0.4 else None})  # fmt: skip
        for illness in r.sample(ILLNESSES[1:], r.randrange(3, 7)):
            tables["registrations"].append({
                "person_id": person, "illness": illness, "starts": YEAR + timedelta(r.randrange(-400, 100)),
                "ends": None})  # fmt: skip
        same_place, same_illness = r.choice(("H3", "H2", "H1")), r.choice(ILLNESSES)
        for k in range(r.randrange(1, claims_each * 2)):
            claim, lines = _claim(r, f"c{seed}-{n}-{k}", person, sex, same_place, same_illness)
            tables["claims"].append(claim)
            tables["claim_lines"] += lines
            if r.random() < 0.06:
                other = {**claim, "claim_id": claim["claim_id"] + "x"}
                tables["claims"].append(other)
                tables["claim_lines"] += [{**line, "claim_id": other["claim_id"]} for line in lines]
    return tables


def _claim(
    r: random.Random, claim_id: str, person: str, sex: str | None, place: str, same_illness: str | None
) -> tuple[Row, list[Row]]:
    kind = r.choice(KINDS) if r.random() < 0.6 else "inpatient"
    admitted = date(2023, 11, 15) + timedelta(r.randrange(400))
    days = r.randrange(15) if kind == "inpatient" else 0
    if r.random() < 0.01:
        days = 100
    discharged = admitted + timedelta(days)
    illness = same_illness if r.random() < 0.7 else r.choice(ILLNESSES)
    fitting = [code for code, only in DIAGNOSES.items() if only in (None, sex) or r.random() < 0.01]
    codes = r.sample(fitting, r.randrange(1, 4))
    usual = {"hypertension": "I10.x00", "diabetes": "E11.900", "dialysis": "N18.001",
             "lung_cancer": "C34.900", "breast_cancer": "C50.900", "stroke": "I63.900"}  # fmt: skip
    if illness in ("nothing", "breast_cancer" if sex == "male" else "nothing") and r.random() < 0.9:
        illness = None
    if illness in usual and r.random() < 0.97:
        codes.insert(0, usual[illness])
    where = "P0" if kind == "pharmacy" else place if r.random() < 0.7 else r.choice(("H3", "H2", "H1", "P0"))
    claim: Row = {
        "claim_id": claim_id, "person_id": person, "institution": where, "kind": kind, "admitted": admitted,
        "discharged": discharged,
        "submitted": discharged + timedelta(200 if r.random() < 0.03 else r.randrange(60)),
        "diagnoses": codes, "procedures": ["74.1"] if r.random() < 0.2 else [],
        "referral": r.choice(REFERRALS), "illness": illness, "charge": 0,
    }  # fmt: skip
    scale = r.choice((1, 1, 10, 200, 2000))
    lines = []
    for number in range(1, r.randrange(2, 9)):
        item = r.choice(
            ("bed", "visit", "surgery", "endoscopy", "dressing", "dialysis", "amlodipine", "insulin",
             "trastuzumab", "stent", "vitamin", "delivery", "old", "unheard")
        )  # fmt: skip
        quantity = (
            Decimal(r.choice((1, 1, 2, 3, 7, 30)))
            if r.random() < 0.7
            else Decimal(r.randrange(1, 9999)).scaleb(-3)
        )
        price = r.randrange(0, 900) * scale
        lines.append({
            "claim_id": claim_id, "line_no": number,
            "service_date": admitted + timedelta(r.randrange(days + 1)),
            "item": item, "quantity": quantity, "unit_price": price,
            "charge": int(quantity * 1000 * price + 500) // 1000,
            "department": r.choice((None, "A", "B"))})  # fmt: skip
        if r.random() < 0.1:
            lines.append({**lines[-1], "line_no": number + 50})
    claim["charge"] = sum(line["charge"] for line in lines)
    if r.random() < 0.15:
        _spoil(r, claim, lines)
    return claim, lines


def _spoil(r: random.Random, claim: Row, lines: list[Row]) -> None:
    """Break one thing."""
    line = r.choice(lines)
    what = r.randrange(16)
    if what == 0:
        claim[
            r.choice(("person_id", "institution", "kind", "admitted", "discharged", "submitted", "referral"))
        ] = None
    elif what == 1:
        claim["diagnoses"] = r.choice(([], None, ["x"], ["I10.x00", None], ["I99.999"]))
    elif what == 2:
        claim["institution"] = "nowhere"
    elif what == 3:
        claim["kind"] = "dental"
    elif what == 4:
        claim["charge"] += r.choice((1, -1))
    elif what == 5:
        claim["charge"] = r.choice((None, -5, 10**12))
    elif what == 6:
        claim["discharged"] = (claim["admitted"] or YEAR) - timedelta(1)
    elif what == 7:
        claim["discharged"] = claim["submitted"] = date(2026, 3, 1)
    elif what == 8:
        line[r.choice(("quantity", "unit_price", "charge", "item", "service_date"))] = None
    elif what == 9:
        line["quantity"] = r.choice((Decimal(0), Decimal(-1), Decimal(2_000_000)))
    elif what == 10:
        line["charge"] = r.choice((-1, 10**15, 7))
    elif what == 11:
        line["unit_price"] = r.choice((-1, 10**12))
    elif what == 12:
        line["line_no"] = r.choice(lines)["line_no"]
    elif what == 13:
        line["service_date"] = date(2023, 1, 1)
    elif what == 14:
        claim["procedures"] = None
    else:
        claim["referral"] = "cousin"


def arrow(tables: Mapping[str, Sequence[Row]]) -> dict[str, pa.Table]:
    """Return tables of rows in Arrow, in the engine's schemas."""
    return {
        name: pa.Table.from_pylist(list(rows), schema=INPUTS[name].schema) for name, rows in tables.items()
    }


@dataclass
class Person:
    """What is handed on from claim to claim."""

    balances: dict[tuple[int, str, str], int]
    earlier: list[Row]


def one_by_one(
    tables: Tables, rules: Rules, decide: Callable[..., Decision] = adjudicate_one
) -> list[Decision]:
    """Adjudicate every claim by itself, in order, each after what the ones before it left."""
    people = {row["person_id"]: row for row in tables["persons"]}
    places = {row["institution"]: row for row in tables["institutions"]}
    lines: dict[str, list[Row]] = {}
    for line in tables["claim_lines"]:
        lines.setdefault(line["claim_id"], []).append(line)
    by_item: dict[str, list[Row]] = {}
    for row in tables["catalogue"]:
        by_item.setdefault(row["item"], []).append(row)
    of_person: dict[str, dict[str, list[Row]]] = {}
    for name in ("coverage", "statuses", "registrations"):
        for row in tables[name]:
            of_person.setdefault(row["person_id"], {}).setdefault(name, []).append(row)
    states: dict[str, Person] = {}
    decisions = []
    order = sorted(tables["claims"], key=lambda one: (one["discharged"] or date.max, one["claim_id"]))
    for claim in order:
        state = states.setdefault(claim["person_id"], Person({}, []))
        known = of_person.get(claim["person_id"], {})
        context = Context(
            person=people.get(claim["person_id"]), institution=places.get(claim["institution"]),
            coverage=known.get("coverage", ()), statuses=known.get("statuses", ()),
            registrations=known.get("registrations", ()), catalogue=by_item,
            diagnoses={row["code"]: row["sex"] for row in tables["diagnoses"]},
            earlier=state.earlier, balances=state.balances,
        )  # fmt: skip
        decision = decide(claim, lines.get(claim["claim_id"], []), context, rules, as_of=AS_OF)
        decisions.append(decision)
        for event in decision.events:
            key = (event["year"], event["account"], event["key"])
            state.balances[key] = state.balances.get(key, 0) + event["amount"]
        if decision.claim["standing"]:
            fields = ("claim_id", "person_id", "institution", "kind", "admitted", "discharged", "charge")
            state.earlier.append(
                {name: claim[name] for name in fields} | {"diagnosis": claim["diagnoses"][0]}
            )
    return decisions


def differences(decisions: Sequence[Decision], results: Any) -> list[str]:
    """Return how decisions one by one differ from a batch's results: nothing where they are equal."""
    found: list[str] = []
    for name in ("claims", "lines", "parts", "findings", "events"):
        batch: dict[str, list[Row]] = {}
        for row in getattr(results, name).to_pylist():
            batch.setdefault(row["claim_id"], []).append(row)
        for decision in decisions:
            mine = [decision.claim] if name == "claims" else getattr(decision, name)
            theirs = batch.pop(decision.claim["claim_id"], [])
            if sorted(mine, key=repr_) != sorted(theirs, key=repr_):
                extra = [row for row in mine if row not in theirs]
                other = [row for row in theirs if row not in mine]
                found.append(f"{name}: one gives {extra[:3]}, the batch {other[:3]}")
        found += [f"{name}: the batch alone has {key}" for key in batch]
    return found


def repr_(row: Row) -> str:
    """Return a row as text, to sort rows that hold nulls."""
    return repr(sorted(row.items()))
