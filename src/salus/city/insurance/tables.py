"""A block's insurance as Arrow tables: the columns of the files, and how the drawn columns become them."""

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from salus.city.facts import Ints, diagnoses
from salus.city.insurance.catalogue import catalogue
from salus.city.insurance.enrolment import CATEGORIES, SCHEMES, STATUSES, Enrolment
from salus.city.insurance.frame import KINDS, REFERRALS, STAY, Frame, charges, codes, length
from salus.city.insurance.plan import FRAUDS, Plan
from salus.city.people import NEVER, Population

DAY, TEXT, WHOLE, FLAG = pa.date32(), pa.string(), pa.int64(), pa.bool_()
LIST, QUANTITY = pa.list_(pa.string()), pa.decimal128(12, 3)
SCHEMAS: dict[str, pa.Schema] = {
    name: pa.schema(columns)
    for name, columns in {
        "persons": [
            ("person_id", TEXT), ("sex", TEXT), ("birth_date", DAY), ("death_date", DAY), ("resident", TEXT),
            ("household", TEXT), ("district", TEXT), ("entry", DAY), ("exit", DAY), ("identity", TEXT),
        ],
        "coverage": [
            ("person_id", TEXT), ("scheme", TEXT), ("starts", DAY), ("ends", DAY), ("waiting_until", DAY),
            ("category", TEXT),
        ],
        "premiums": [
            ("person_id", TEXT), ("household", TEXT), ("scheme", TEXT), ("category", TEXT), ("year", WHOLE),
            ("months", WHOLE), ("paid_on", DAY), ("own", WHOLE), ("aid", WHOLE), ("finance", WHOLE),
            ("employer", WHOLE), ("lapsed", FLAG),
        ],
        "statuses": [("person_id", TEXT), ("status", TEXT), ("starts", DAY), ("ends", DAY)],
        "registrations": [("person_id", TEXT), ("illness", TEXT), ("starts", DAY), ("ends", DAY)],
        "claims": [
            ("claim_id", TEXT), ("person_id", TEXT), ("institution", TEXT), ("kind", TEXT),
            ("admitted", DAY), ("discharged", DAY), ("submitted", DAY), ("diagnoses", LIST),
            ("procedures", LIST), ("referral", TEXT), ("illness", TEXT), ("charge", WHOLE),
        ],
        "claim_lines": [
            ("claim_id", TEXT), ("line_no", WHOLE), ("service_date", DAY), ("item", TEXT),
            ("quantity", QUANTITY), ("unit_price", WHOLE), ("charge", WHOLE), ("department", TEXT),
        ],
        "cases": [
            ("id", WHOLE), ("gender", WHOLE), ("age", WHOLE), ("age_day", WHOLE), ("weight", WHOLE),
            ("dx", LIST), ("pr", LIST), ("claim_id", TEXT), ("person_id", TEXT), ("institution", TEXT),
            ("tier", TEXT), ("insured", TEXT), ("admitted", DAY), ("discharged", DAY), ("los", WHOLE),
            ("charge", WHOLE), ("department", TEXT), ("died", FLAG),
        ],
        "truth/fraud": [
            ("claim_id", TEXT), ("line_no", WHOLE), ("institution", TEXT), ("department", TEXT),
            ("kind", TEXT), ("strength", WHOLE), ("effect", pa.decimal128(9, 3)), ("other_claim_id", TEXT),
        ],
        "truth/coding": [
            ("claim_id", TEXT), ("principal", TEXT), ("secondary", LIST),
        ],
    }.items()
}  # fmt: skip
"""Every table that is written block by block, in folders of the same names."""
NOT_A_DAY = -(1 << 30)
"""For columns in which 1969-12-31, day -1, is a day like others."""


def person_id(number: int) -> str:
    """Return a resident's id in the form of the platform's ids, from the number in the whole city."""
    return f"00000000-0000-7000-8000-{number:012x}"


def days(values: Ints, never: int = NEVER) -> pa.Array:
    """Return days since 1970-01-01 as dates; `never` is null."""
    return pa.array(values.astype(np.int32), pa.int32(), mask=values == never).cast(DAY)


def named(names: Any, index: Ints) -> pa.Array:
    """Return names by their numbers; NEVER is null."""
    lexicon = pa.array(list(names), TEXT)
    return lexicon.take(pa.array(index, mask=index == NEVER))


def listed(names: Any, table: Ints) -> pa.Array:
    """Return a list column of names by a padded table of numbers, NEVER left out."""
    there = table != NEVER
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), named(names, table[there]))


def quantities(thousandths: Ints) -> pa.Array:
    """Return decimals with three places of whole thousandths."""
    whole = np.zeros((len(thousandths), 2), dtype=np.int64)
    whole[:, 0] = thousandths
    whole[:, 1] = np.where(thousandths < 0, -1, 0)
    return pa.Array.from_buffers(QUANTITY, len(thousandths), [None, pa.py_buffer(whole.tobytes())])


def _table(name: str, columns: dict[str, Any]) -> pa.Table:
    schema = SCHEMAS[name]
    return pa.table([columns[field.name] for field in schema], schema=schema)


@cache
def _department_names() -> tuple[str, ...]:
    return codes().departments


class Numbering:
    """The ids of one block's people and claims, and the names of its institutions."""

    def __init__(self, plan: Plan, block: Population, claims: Frame) -> None:
        self.plan, self.block = plan, block
        self.persons = pa.array([person_id(block.base + i) for i in range(len(block))], TEXT)
        self.claims = pa.array([f"C{block.number:04d}{i:06d}" for i in range(length(claims))], TEXT)
        self.households = [f"H{block.number:05d}{home:05d}" for home in range(len(block.home_street))]
        self.institutions = pa.array([place.code for place in plan.city.registers.places], TEXT)

    def person(self, index: Ints) -> pa.Array:
        """Return person ids."""
        return self.persons.take(pa.array(index))

    def claim(self, index: Ints) -> pa.Array:
        """Return claim ids; NEVER is null."""
        return self.claims.take(pa.array(index, mask=index == NEVER))

    def institution(self, index: Ints) -> pa.Array:
        """Return institution codes."""
        return self.institutions.take(pa.array(index))


def persons(names: Numbering, enrolled: Enrolment) -> pa.Table:
    """Return everyone in the block, by the fund's own register; a few deaths are not known to it yet."""
    block, city = names.block, names.plan.city
    streets = block.home_street[block.household]
    districts = [area.code for area in city.ground.districts]
    return _table("persons", {
        "person_id": names.persons, "sex": named(("male", "female"), block.sex),
        "birth_date": days(block.birth, NOT_A_DAY),
        "death_date": days(np.where(enrolled.unregistered_death, NEVER, block.death)),
        "resident": pa.array([block.code(i) for i in range(len(block))], TEXT),
        "household": pa.array(names.households, TEXT).take(pa.array(block.household)),
        "district": named(districts, city.ground.street_district[streets]),
        "entry": days(block.entry),
        "exit": days(np.where(block.exit >= city.window.end, NEVER, block.exit)),
        "identity": pa.array(block.identity, TEXT),
    })  # fmt: skip


def coverage(names: Numbering, enrolled: Enrolment) -> pa.Table:
    """Return who is insured when."""
    i = np.flatnonzero((enrolled.scheme != NEVER) & (enrolled.starts <= enrolled.ends))
    return _table("coverage", {
        "person_id": names.person(i), "scheme": named(SCHEMES, enrolled.scheme[i]),
        "starts": days(enrolled.starts[i]), "ends": days(enrolled.ends[i]),
        "waiting_until": days(enrolled.waits[i]), "category": named(CATEGORIES, enrolled.category[i]),
    })  # fmt: skip


def statuses(names: Numbering, enrolled: Enrolment) -> pa.Table:
    """Return who has which social status when."""
    person, status, first, last = enrolled.status
    return _table("statuses", {
        "person_id": names.person(person), "status": named(STATUSES, status),
        "starts": days(first), "ends": days(last),
    })  # fmt: skip


def registrations(names: Numbering, enrolled: Enrolment) -> pa.Table:
    """Return who is registered for which chronic illness."""
    person, diagnosis, first = enrolled.registration
    return _table("registrations", {
        "person_id": names.person(person),
        "illness": pa.array([codes().illness[d] for d in diagnosis.tolist()], TEXT),
        "starts": days(first), "ends": pa.nulls(len(person), DAY).fill_null(date(2099, 12, 31)),
    })  # fmt: skip


def diagnoses_of(claims: Frame) -> Ints:
    """Return each claim's claimed diagnoses, principal first, padded with NEVER."""
    return np.concatenate([claims["claimed_principal"][:, None], claims["claimed_secondary"]], axis=1)


def claim_tables(
    names: Numbering, claims: Frame, lines: Frame, enrolled: Enrolment, rng: np.random.Generator
) -> dict[str, pa.Table]:
    """Return claims, their lines, and the discharges for grouping."""
    count, billed = length(claims), charges(lines)
    total = np.bincount(lines["claim"], billed.astype(float), count).astype(np.int64)
    icd, procedures = codes().codes, [d.procedure for d in diagnoses()]
    dx, pr = listed(icd, diagnoses_of(claims)), listed(procedures, claims["operation"][:, None])
    late = np.minimum(1 + rng.integers(0, 12, count), 30)
    illness = np.where(claims["kind"] == 2, claims["claimed_principal"], NEVER)
    everyone, departments = np.arange(count), _department_names()
    started = np.concatenate([[0], np.cumsum(np.bincount(lines["claim"], minlength=count))])
    number = np.arange(len(billed)) - started[lines["claim"]] + 1
    ids = names.claim(everyone)
    made = {
        "claims": {
            "claim_id": ids, "person_id": names.person(claims["person"]),
            "institution": names.institution(claims["place"]), "kind": named(KINDS, claims["kind"]),
            "admitted": days(claims["admitted"]), "discharged": days(claims["discharged"]),
            "submitted": days(claims["discharged"] + late), "diagnoses": dx, "procedures": pr,
            "referral": named(REFERRALS, claims["referral"]),
            "illness": named([one or None for one in codes().illness], illness), "charge": pa.array(total),
        },
        "claim_lines": {
            "claim_id": names.claim(lines["claim"]), "line_no": pa.array(number),
            "service_date": days(lines["day"]), "item": named(catalogue().codes, lines["item"]),
            "quantity": quantities(lines["quantity"]), "unit_price": pa.array(lines["price"]),
            "charge": pa.array(billed), "department": named(departments, lines["department"]),
        },
    }  # fmt: skip
    tables = {name: _table(name, columns) for name, columns in made.items()}
    tables["cases"] = _cases(names, claims, total, dx, pr, enrolled, rng)
    return tables


def _cases(
    names: Numbering, claims: Frame, total: Ints, dx: pa.Array, pr: pa.Array, enrolled: Enrolment,
    rng: np.random.Generator,
) -> pa.Table:  # fmt: skip
    block = names.block
    i = np.flatnonzero(claims["kind"] == STAY)
    person, admitted, discharged = claims["person"][i], claims["admitted"][i], claims["discharged"][i]
    age_days = np.maximum(admitted - block.birth[person], 0)
    weight = np.clip(rng.normal(3300, 430, len(i)), 900, 5200).astype(np.int64)
    early = (claims["secondary"][i] == codes().number["P07.3"]).any(axis=1)
    weight = np.where(early, weight * 2 // 3, weight)
    levels = [place.tier for place in names.plan.city.registers.places]
    index = pa.array(i)
    return _table("cases", {
        "id": pa.array(block.number * 1_000_000 + i), "gender": pa.array(block.sex[person] + 1),
        "age": pa.array((age_days / 365.25).astype(np.int64)), "age_day": pa.array(age_days),
        "weight": pa.array(np.where(age_days < 29, weight, 0)), "dx": dx.take(index), "pr": pr.take(index),
        "claim_id": names.claim(i), "person_id": names.person(person),
        "institution": names.institution(claims["place"][i]), "tier": named(levels, claims["place"][i]),
        "insured": named(SCHEMES, enrolled.scheme[person]), "admitted": days(admitted),
        "discharged": days(discharged), "los": pa.array(np.maximum(discharged - admitted, 1)),
        "charge": pa.array(total[i]), "department": named(_department_names(), claims["department"][i]),
        "died": pa.array(claims["died"][i] == 1),
    })  # fmt: skip


def truth_tables(names: Numbering, claims: Frame, truth: Frame) -> dict[str, pa.Table]:
    """Return what was planted, and the true diagnoses of claims that were coded otherwise."""
    claim = truth["claim"]
    effect = pa.array([Decimal(e).scaleb(-3) for e in truth["effect"].tolist()], pa.decimal128(9, 3))
    other = (claims["principal"] != claims["claimed_principal"]) | (
        claims["secondary"] != claims["claimed_secondary"]
    ).any(axis=1)
    i = np.flatnonzero(other)
    return {
        "truth/fraud": _table("truth/fraud", {
            "claim_id": names.claim(claim),
            "line_no": pa.array(truth["line"], WHOLE, mask=truth["line"] == NEVER),
            "institution": names.institution(claims["place"][claim]),
            "department": named(_department_names(), claims["department"][claim]),
            "kind": named(FRAUDS, truth["kind"]), "strength": pa.array(truth["strength"]),
            "effect": effect, "other_claim_id": names.claim(truth["other"]),
        }),
        "truth/coding": _table("truth/coding", {
            "claim_id": names.claim(i), "principal": named(codes().codes, claims["principal"][i]),
            "secondary": listed(codes().codes, claims["secondary"][i]),
        }),
    }  # fmt: skip
