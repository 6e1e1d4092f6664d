"""What a block's prevention is in truth, as Arrow tables: cases, pregnancies, births, doses, registers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from salus.city.care import Care
from salus.city.facts import Ints, diagnosis_index, rows
from salus.city.identity import EPOCH
from salus.city.insurance.tables import DAY, FLAG, TEXT, WHOLE, days, named, person_id
from salus.city.kinds import MINUTES
from salus.city.people import NEVER, Population
from salus.city.planning import Planner
from salus.city.prevention.purposes import (
    ANTENATAL,
    CHILD,
    DIABETES,
    HYPERTENSION,
    NEWBORN,
    PLANTED,
    SPORADIC,
)
from salus.city.prevention.readings import GLUCOSE, HEIGHT, KINDS, WEIGHT
from salus.city.prevention.vaccination import of_cohort
from salus.city.streams import substream

if TYPE_CHECKING:
    from salus.city.blocks import City

REAL = pa.float64()
SCHEMAS: dict[str, pa.Schema] = {
    name: pa.schema(columns)
    for name, columns in {
        "cases": [
            ("case_id", TEXT), ("person_id", TEXT), ("resident", TEXT), ("disease", TEXT), ("icd10", TEXT),
            ("sex", TEXT), ("birth_date", DAY), ("district", TEXT), ("street", TEXT), ("onset", DAY),
            ("diagnosed", DAY), ("reported", DAY), ("institution", TEXT), ("outbreak", TEXT),
        ],
        "births": [
            ("person_id", TEXT), ("resident", TEXT), ("birth_date", DAY), ("sex", TEXT), ("district", TEXT),
            ("mother_id", TEXT), ("birth_weight_g", WHOLE), ("exit", DAY), ("defaulter", FLAG),
        ],
        "doses": [
            ("person_id", TEXT), ("birth_date", DAY), ("vaccine", TEXT), ("atc", TEXT), ("dose", WHOLE),
            ("given", DAY),
        ],
        "pregnancies": [
            ("mother_id", TEXT), ("child_id", TEXT), ("last_menstrual_period", DAY), ("delivered", DAY),
            ("gestation_days", WHOLE), ("institution", TEXT), ("defaulter", FLAG),
        ],
        "antenatal_visits": [
            ("mother_id", TEXT), ("visited", DAY), ("gestation_days", WHOLE), ("systolic", WHOLE),
            ("diastolic", WHOLE),
        ],
        "child_checks": [
            ("person_id", TEXT), ("sex", TEXT), ("visited", DAY), ("age_days", WHOLE), ("weight_kg", REAL),
            ("height_cm", REAL),
        ],
        "chronic": [
            ("person_id", TEXT), ("condition", TEXT), ("icd10", TEXT), ("district", TEXT),
            ("birth_date", DAY), ("sex", TEXT), ("registered", DAY), ("lost", DAY), ("exit", DAY),
            ("controlled", FLAG),
        ],
        "chronic_readings": [
            ("person_id", TEXT), ("condition", TEXT), ("visited", DAY), ("systolic", WHOLE),
            ("diastolic", WHOLE), ("glucose", REAL),
        ],
    }.items()
}  # fmt: skip
"""Every table that is written block by block."""
SALMONELLA = "salmonella-streets"
CONDITIONS = {HYPERTENSION: ("hypertension", "I10"), DIABETES: ("diabetes", "E11.9")}


def planned(city: "City", cases: Mapping[str, int]) -> list[dict[str, object]]:
    """Return the truth about each planted outbreak; `cases` counts those that reached a doctor."""
    streets = city.ground.streets

    def entry(name: str, disease: str, code: str, where: tuple[int, ...], first: int) -> dict[str, object]:
        return {
            "outbreak": name, "disease": disease, "icd10": code, "streets": [streets[s].code for s in where],
            "first_day": (EPOCH + timedelta(days=first)).isoformat(), "cases": cases.get(name, 0),
        }  # fmt: skip

    known = city.outbreak
    return [
        entry(SALMONELLA, "salmonellosis", "A02.0", known.streets, known.first_day),
        *(entry(one.name, one.disease, one.code, one.streets, one.first_day) for one in known.others),
    ]


def block_tables(city: "City", block: Population, care: Care, planner: Planner) -> dict[str, pa.Table]:
    """Return a block's tables by name."""
    return {
        "cases": line_list(city, block, care), **_children(city, block, care, planner),
        **_mothers(city, block, care, planner), **_chronic(city, block, care, planner),
    }  # fmt: skip


def _people(block: Population, who: Ints) -> pa.Array:
    return pa.array([person_id(block.base + one) for one in who.tolist()], TEXT)


def _sexes(block: Population, who: Ints) -> pa.Array:
    return named(("male", "female"), block.sex[who])


def _where(city: "City", block: Population, who: Ints) -> tuple[pa.Array, pa.Array]:
    """Return the districts and streets of residents' homes."""
    street = block.home_street[block.household[who]]
    areas = city.ground.streets
    return named([a.parent for a in areas], street), named([a.code for a in areas], street)


def _table(name: str, *columns: object) -> pa.Table:
    return pa.table(list(columns), schema=SCHEMAS[name])


def line_list(city: "City", block: Population, care: Care) -> pa.Table:
    """Return the line list: each resident's first visit for a disease within its episode."""
    visits, facts = care.visits, rows("notifiable_diseases")
    index = [diagnosis_index(row["code"]) for row in facts]
    number = np.full(max([*index, int(visits.diagnosis.max(initial=0))]) + 1, NEVER)
    number[index] = np.arange(len(facts))
    found = np.flatnonzero(number[visits.diagnosis] != NEVER)
    disease, day = number[visits.diagnosis[found]], visits.start[found] // MINUTES
    order = np.lexsort((visits.start[found], disease, visits.resident[found]))
    found, disease, day = found[order], disease[order], day[order]
    episode = np.array([int(row["episode_days"]) for row in facts])
    first = np.ones(len(found), dtype=bool)
    same = (visits.resident[found][1:] == visits.resident[found][:-1]) & (disease[1:] == disease[:-1])
    first[1:] = ~(same & (np.diff(day) < episode[disease[1:]]))
    found, disease, day = found[first], disease[first], day[first]
    rng = substream(city.seed, "reporting", block.number)
    seek = np.array([float(row["seek_days"]) for row in facts])[disease]
    drawn = day - rng.gamma(1.5, seek / 1.5).astype(np.int64)
    purpose = visits.purpose[found]
    onset = np.where(purpose >= SPORADIC, visits.detail[found], drawn)
    wait = np.array([float(row["report_days"]) for row in facts])[disease]
    reported = day + np.floor(rng.exponential(wait) + 0.25).astype(np.int64)
    names = [SALMONELLA, *(one.name for one in city.outbreak.others)]
    outbreak = np.where(purpose >= PLANTED, purpose - PLANTED + 1, NEVER)
    outbreak = np.where(visits.planted[found], 0, outbreak)
    who = visits.resident[found]
    district, street = _where(city, block, who)
    return _table(
        "cases",
        pa.array([f"N{block.number:05d}{n:06d}" for n in range(len(found))], TEXT), _people(block, who),
        pa.array([block.code(one) for one in who.tolist()], TEXT),
        named([row["disease"] for row in facts], disease), named([row["code"] for row in facts], disease),
        _sexes(block, who), days(block.birth[who], -(1 << 30)), district, street, days(onset), days(day),
        days(reported), named([p.code for p in city.registers.places], visits.place[found]),
        named(names, outbreak),
    )  # fmt: skip


def _children(city: "City", block: Population, care: Care, planner: Planner) -> dict[str, pa.Table]:
    born = np.flatnonzero(block.born_here)
    doses, facts = care.vaccinations, rows("vaccines")
    last = np.array([float(row["due_month"] or 0) for row in facts])
    basic = np.isin(doses.resident, born)
    owed = (last[None, :] * 30.44 + 60 < (city.window.end - block.birth[born])[:, None]) & (last > 0)
    owed &= of_cohort(block.birth[born])
    had = np.bincount(doses.resident[basic], minlength=len(block))[born]
    never = -(1 << 30)
    gone = np.where(block.exit < city.window.end, block.exit, never)
    births = _table(
        "births", _people(block, born), pa.array([block.code(one) for one in born.tolist()], TEXT),
        days(block.birth[born], never), _sexes(block, born), _where(city, block, born)[0],
        _people(block, block.mother[born]), pa.array(2450 + (born * 7919) % 1500, WHOLE),
        days(gone[born], never), pa.array(had + 2 < owed.sum(axis=1), FLAG),
    )  # fmt: skip
    who, row = doses.resident, doses.row
    given = _table(
        "doses", _people(block, who), days(block.birth[who], never),
        named([f["vaccine"] for f in facts], row), named([f["atc"] for f in facts], row),
        pa.array(np.array([int(f["dose"]) for f in facts])[row], WHOLE), days(doses.minute // MINUTES),
    )  # fmt: skip
    visits, told = care.visits, planner.readings
    chosen = np.flatnonzero(np.isin(visits.purpose, (CHILD, NEWBORN)))
    value = {kind.suffix: np.full(len(visits), np.nan) for kind in KINDS}
    for number, kind in enumerate(KINDS):
        mine = told.kind == number
        value[kind.suffix][told.visit[mine]] = told.value[mine]
    one = visits.resident[chosen]
    checks = _table(
        "child_checks", _people(block, one), _sexes(block, one), days(visits.start[chosen] // MINUTES),
        pa.array(visits.detail[chosen], WHOLE), pa.array(value[WEIGHT.suffix][chosen], REAL),
        pa.array(value[HEIGHT.suffix][chosen], REAL),
    )  # fmt: skip
    return {"births": births, "doses": given, "child_checks": checks}


def _mothers(city: "City", block: Population, care: Care, planner: Planner) -> dict[str, pa.Table]:
    expected, visits, told = care.pregnancies, care.visits, planner.readings
    pregnancies = _table(
        "pregnancies", _people(block, expected.mother), _people(block, expected.child), days(expected.last),
        days(expected.born), pa.array(expected.born - expected.last, WHOLE),
        named([p.code for p in city.registers.places], expected.place), pa.array(expected.defaults, FLAG),
    )  # fmt: skip
    chosen = np.flatnonzero(visits.purpose == ANTENATAL)
    antenatal = _table(
        "antenatal_visits", _people(block, visits.resident[chosen]), days(visits.start[chosen] // MINUTES),
        pa.array(visits.detail[chosen], WHOLE), pa.array(told.systolic[chosen], WHOLE),
        pa.array(told.diastolic[chosen], WHOLE),
    )  # fmt: skip
    return {"pregnancies": pregnancies, "antenatal_visits": antenatal}


def _chronic(city: "City", block: Population, care: Care, planner: Planner) -> dict[str, pa.Table]:
    enrolled, visits, told = care.enrolled, care.visits, planner.readings
    who, never = enrolled.resident, -(1 << 30)
    which = (enrolled.purpose == DIABETES).astype(np.int64)
    names, codes = ([CONDITIONS[p][k] for p in (HYPERTENSION, DIABETES)] for k in (0, 1))
    gone = np.where(block.exit < city.window.end, block.exit, never)
    register = _table(
        "chronic", _people(block, who), named(names, which), named(codes, which),
        _where(city, block, who)[0], days(block.birth[who], never), _sexes(block, who), days(enrolled.since),
        days(enrolled.lost), days(gone[who], never), pa.array(enrolled.controlled, FLAG),
    )  # fmt: skip
    chosen = np.flatnonzero(np.isin(visits.purpose, (HYPERTENSION, DIABETES)))
    sugar = np.full(len(visits), np.nan)
    mine = told.kind == KINDS.index(GLUCOSE)
    sugar[told.visit[mine]] = told.value[mine]
    readings = _table(
        "chronic_readings", _people(block, visits.resident[chosen]),
        named(names, (visits.purpose[chosen] == DIABETES).astype(np.int64)),
        days(visits.start[chosen] // MINUTES), pa.array(told.systolic[chosen], WHOLE),
        pa.array(told.diastolic[chosen], WHOLE),
        pa.array(sugar[chosen], REAL, mask=np.isnan(sugar[chosen])),
    )  # fmt: skip
    return {"chronic": register, "chronic_readings": readings}
