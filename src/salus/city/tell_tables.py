"""What the systems that send tables write: visits, medicines, results, doses, the city's registers."""

from salus.city import layouts
from salus.city.care import INPATIENT
from salus.city.desks import Sheet
from salus.city.facts import Test, names_of
from salus.city.layouts import code_list, date_text, time_text
from salus.city.people import NEVER, cause_of
from salus.city.systems import System
from salus.city.tell_hl7 import Happening
from salus.city.telling import MINUTES, Telling

Cells = dict[str, str]
DISABILITIES = ("视力残疾", "听力残疾", "肢体残疾", "精神残疾")


def _who(t: Telling, system: System, resident: int, minute: int) -> tuple[Cells, Sheet]:
    chart, sheet = t.charted(system, resident, minute)
    dialect = system.dialect
    return {
        "pid": chart.number, "name": sheet.full_name, "sex": layouts.sex_code(dialect, sheet.sex),
        "birth": layouts.birth_text(dialect, sheet.birth), "idno": sheet.number, "phone": sheet.phone,
        "address": sheet.address,
        "updated": time_text(dialect, minute),
    }, sheet  # fmt: skip


def _dx(dialect: str, code: str) -> str:
    return code_list(dialect, "dx").local[code]


def tell_visit(t: Telling, system: System, visit: Happening) -> None:
    """Write a row of visits."""
    cells, _ = _who(t, system, visit.resident, visit.end)
    place, dialect = t.place(visit.place), system.dialect
    doctor = t.doctor_of(visit.resident) if place.tier == "community" else None
    cells |= {
        "visit": visit.key, "cls": layouts.CLASSES[dialect][visit.kind], "dept": visit.known.department,
        "doctor": visit.doctor[1],
        "start": time_text(dialect, visit.start), "end": time_text(dialect, visit.end),
        "dx": _dx(dialect, visit.known.code),
        "dxname": visit.known.zh, "org": place.code, "orgname": place.name, "gp": doctor[0] if doctor else "",
        "gpname": doctor[1] if doctor else "",
    }  # fmt: skip
    t.outbox.row(system, visit.end, "visits", cells)


def tell_contract(t: Telling, system: System, resident: int, minute: int) -> None:
    """Write a row of visits that holds no visit, only the family doctor."""
    cells, _ = _who(t, system, resident, minute)
    doctor = t.doctor_of(resident)
    if doctor:
        t.outbox.row(system, minute, "visits", cells | {"gp": doctor[0], "gpname": doctor[1]})


def tell_medicines(t: Telling, system: System, visit: Happening, drugs: tuple[str, ...]) -> None:
    """Write a row a drug."""
    names, codes = names_of("medicines", "atc"), code_list(system.dialect, "drug").local
    for k, drug in enumerate(drugs, 1):
        cells, _ = _who(t, system, visit.resident, visit.end + 1)
        cells |= {
            "rx": f"{visit.key}-{k}", "drug": codes[drug], "drugname": names[drug][0],
            "days": "28" if visit.known.chronic else "5",
            "doctor": visit.doctor[1], "when": time_text(system.dialect, visit.start + 12),
        }  # fmt: skip
        t.outbox.row(system, visit.end + 1, "medicines", cells)


def tell_procedure(t: Telling, system: System, visit: Happening) -> None:
    """Write a row of procedures."""
    cells, _ = _who(t, system, visit.resident, visit.end + 2)
    code = visit.known.procedure
    cells |= {
        "op": f"{visit.key}-P", "opcode": code_list(system.dialect, "op").local[code],
        "opname": names_of("procedures", "code")[code][0],
        "doctor": visit.doctor[1], "when": time_text(system.dialect, min(visit.start + 1000, visit.end)),
    }  # fmt: skip
    t.outbox.row(system, visit.end + 2, "procedures", cells)


def tell_panel(
    t: Telling, system: System, visit: Happening, order: str, values: list[tuple[Test, float]], ready: int
) -> None:
    """Write a row a result."""
    dialect = system.dialect
    items = code_list(dialect, "item").local
    normal, high, low = layouts.FLAGS[dialect]
    for test, value in values:
        cells, _ = _who(t, system, visit.resident, ready)
        cells |= {
            "report": order, "item": items[test.loinc], "itemname": test.zh,
            "result": f"{value:.{test.digits}f}",
            "unit": layouts.unit_text(test.ucum), "low": f"{test.low:.{test.digits}f}",
            "high": f"{test.high:.{test.digits}f}",
            "flag": high if value > test.high else low if value < test.low else normal,
            "sampled": time_text(dialect, visit.start + 10),
        }  # fmt: skip
        t.outbox.row(system, ready, "laboratory", cells)


def tell_dose(
    t: Telling,
    system: System,
    resident: int,
    minute: int,
    told: int,
    key: str,
    dose: int,
    vaccine: tuple[str, str],
    lot: str,
) -> None:
    """Write a row of vaccinations: a dose given at `minute`, when it is told."""
    cells, _ = _who(t, system, resident, told)
    place = t.place(t.vaccination_place(resident))
    cells |= {
        "dose_id": key, "vaccine": code_list(system.dialect, "vaccine").local[vaccine[0]],
        "vaccinename": vaccine[1], "dose": str(dose),
        "lot": lot, "when": time_text(system.dialect, minute), "org": place.code, "orgname": place.name,
    }  # fmt: skip
    t.outbox.row(system, told, "vaccinations", cells)


def tell_ambulance(t: Telling, system: System, visit: Happening) -> None:
    """Write a row of the emergency dispatch."""
    minute = visit.start - 55
    cells, _ = _who(t, system, visit.resident, minute)
    place = t.place(visit.place)
    cells |= {
        "call": f"{visit.key}-E", "when": time_text(system.dialect, visit.start - 60),
        "end": time_text(system.dialect, visit.start - 5),
        "dx": _dx(system.dialect, visit.known.code), "dxname": visit.known.zh, "hospital": place.code,
        "orgname": place.name,
    }  # fmt: skip
    t.outbox.row(system, visit.start - 5, "emergency", cells)


def tell_registers(t: Telling) -> None:
    """Write what insurers, CDC, civil affairs and the residence register know of everyone."""
    block, catalogue = t.block, t.catalogue
    for subject, name in (("employee", "职工基本医疗保险"), ("resident", "城乡居民基本医疗保险")):
        system = catalogue.by_subject(subject)
        for resident in t.subjects(subject):
            minute = t.registered(subject, resident)
            cells, _ = _who(t, system, resident, minute)
            cells |= {
                "kind": name,
                "from": date_text(
                    system.dialect, int(block.entry[resident]) - (0 if block.born_here[resident] else 700)
                ),
            }
            t.outbox.row(system, minute, "insured", cells)
    _statuses(t)
    _residence(t)
    _births(t)
    _deaths(t)


def _statuses(t: Telling) -> None:
    block = t.block
    poverty, disability = t.catalogue.by_subject("poverty"), t.catalogue.by_subject("disability")
    for resident in t.subjects("poverty"):
        minute = t.registered("poverty", resident)
        cells, _ = _who(t, poverty, resident, minute)
        granted = max(int(block.entry[resident]) - 300, int(block.birth[resident]))
        t.outbox.row(
            poverty,
            minute,
            "poverty",
            cells | {"kind": "最低生活保障", "from": date_text(poverty.dialect, granted)},
        )
    for resident in t.subjects("disability"):
        minute = t.registered("disability", resident)
        cells, _ = _who(t, disability, resident, minute)
        grade = int(block.disability[resident])
        granted = max(int(block.entry[resident]) - 900, int(block.birth[resident]))
        t.outbox.row(
            disability, minute, "disability",
            cells | {"kind": DISABILITIES[resident % 4], "grade": f"{'一二三四'[grade - 1]}级",
            "from": date_text(disability.dialect, granted)},
        )  # fmt: skip


def _residence(t: Telling) -> None:
    block, system, place = t.block, t.catalogue.by_subject("residence"), t.ground
    for resident in t.subjects("residence"):
        first = t.registered("residence", resident)
        moved = int(block.move_day[block.household[resident]])
        leaves = int(block.exit[resident])
        events = [(first, "登记", int(block.entry[resident]))]
        if moved != NEVER and first < moved * MINUTES < (leaves - 21) * MINUTES:
            events.append((moved * MINUTES + 20 * MINUTES, "变更", moved))
        if block.death[resident] == NEVER and leaves < t.window.end and leaves * MINUTES > first:
            events.append((leaves * MINUTES + 600, "迁出", leaves))
        for minute, kind, day in events:
            street = place.streets[block.street_of(resident, minute // MINUTES)]
            cells, _ = _who(t, system, resident, minute)
            cells |= {
                "hukou": "本市户籍" if block.local[resident] else "外来人口", "street": street.code,
                "district": next(d.name for d in place.districts if d.code == street.parent), "kind": kind,
                "when": date_text(system.dialect, day),
                "address": block.address_of(resident, minute // MINUTES),
            }  # fmt: skip
            t.outbox.row(system, minute, "residence", cells)


def _births(t: Telling) -> None:
    block, system = t.block, t.catalogue.by_subject("births")
    delivered = {
        child: (start, place)
        for child, start, place, kind, resident in zip(
            t.care.visits.child.tolist(), t.care.visits.start.tolist(), t.care.visits.place.tolist(),
            t.care.visits.kind.tolist(),
            t.care.visits.resident.tolist(), strict=True,
        )
        if child != NEVER and kind == INPATIENT and child == resident
    }  # fmt: skip
    for child in t.subjects("births"):
        minute = t.registered("births", child)
        cells, _ = _who(t, system, child, minute)
        mother, father = int(block.mother[child]), int(block.father[child])
        start, place = delivered.get(child, (int(block.birth[child]) * MINUTES + 600, 0))
        institution = t.place(place)
        cells |= {
            "cert": f"LL{block.base + child:09d}", "temp": t.desks.newborn_number(child),
            "weight": str(2450 + (child * 7919) % 1500),
            "mother": block.surname[mother] + block.given[mother], "motherid": block.identity[mother],
            "idno": block.identity[child],
            "father": block.surname[father] + block.given[father] if father != NEVER else "",
            "fatherid": block.identity[father] if father != NEVER else "",
            "when": time_text(system.dialect, start),
            "org": institution.code, "orgname": institution.name,
        }  # fmt: skip
        t.outbox.row(system, minute, "births", cells)


def _deaths(t: Telling) -> None:
    block, system = t.block, t.catalogue.by_subject("deaths")
    causes = code_list(system.dialect, "cause").local
    for resident in t.subjects("deaths"):
        minute = t.registered("deaths", resident)
        cells, _ = _who(t, system, resident, minute)
        code, zh, _ = cause_of(int(block.cause[resident]))
        died = int(block.death[resident]) * MINUTES + 1380
        t.outbox.row(
            system, minute, "deaths",
            cells | {"cert": f"SW{block.base + resident:09d}", "died": time_text(system.dialect, died),
            "cause": causes[code], "causename": zh},
        )  # fmt: skip
