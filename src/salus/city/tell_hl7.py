"""What the HL7 v2 systems of hospitals and centres send."""

from dataclasses import dataclass

from salus.city import hl7
from salus.city.care import AMBULATORY, INPATIENT
from salus.city.desks import Chart, Sheet
from salus.city.facts import Diagnosis, Test, names_of
from salus.city.systems import System
from salus.city.telling import Telling

CLASS = "OEI"


@dataclass(frozen=True, slots=True)
class Happening:
    """One visit as the writers see it; times are minutes."""

    key: str
    resident: int
    start: int
    end: int
    kind: int
    known: Diagnosis
    place: int
    doctor: tuple[str, str]
    lots: list[float]
    died: int
    operated: bool
    child: int


def _patient(t: Telling, system: System, visit: Happening, minute: int) -> str:
    chart, sheet = t.charted(system, visit.resident, minute)
    return hl7.pid(system, chart.number, sheet)


def _pv1(t: Telling, system: System, visit: Happening, end: int = 0) -> str:
    place = t.place(visit.place)
    disposition = ("20" if visit.died else "01") if end and visit.kind == INPATIENT else ""
    ward = f"{visit.known.department}^^^{place.code}" if visit.kind == INPATIENT else ""
    return hl7.pv1(
        CLASS[visit.kind], ward, hl7.person(*visit.doctor),
        f"{visit.known.department}^{visit.known.department}^L",
        f"{visit.key}^^^{system.authority}^VN", (place.code, place.name), visit.start, end, disposition,
    )  # fmt: skip


def _seen_at(t: Telling, system: System, visit: Happening) -> str:
    """Return PV1 where a laboratory knows the visit (version 2.5.1 of a hospital), else nothing."""
    return _pv1(t, system, visit) if system.dialect == "2.5.1" and not system.careful else ""


def tell_visit(t: Telling, system: System, visit: Happening) -> None:
    """Send a visit: outpatients A03 at its end (some A04 before), inpatients A01 to A03, some cancelled."""
    chart, sheet = t.charted(system, visit.resident, visit.start)
    patient = hl7.pid(system, chart.number, sheet)
    place = t.place(visit.place).code
    known, lot = visit.known, visit.lots

    def send(trigger: str, minute: int, rest: list[str], who: str = patient) -> None:
        t.outbox.send(
            system,
            minute,
            hl7.adt(system, place, trigger, t.outbox.control(system), minute, minute, who, rest),
        )

    if lot[7] < 0.04:
        send("A28", visit.start - 6, [])
    reason = f"PV2|||{known.code}^{known.zh}^I10"
    opened = _pv1(t, system, visit)
    closed = _pv1(t, system, visit, visit.end)
    if visit.kind == AMBULATORY and not known.chronic:
        final = [closed, reason]
    else:
        final = [closed, hl7.dg1(1, known.code, known.zh, visit.start)]
    if visit.kind == INPATIENT:
        if lot[0] < 0.08:
            send("A05", visit.start - 2 * 1440, [opened, reason])
        send("A01", visit.start, [opened, reason])
        if lot[1] < 0.3:
            send("A02", visit.start + (visit.end - visit.start) // 3, [opened, reason])
        if visit.operated and "procedures" in system.records:
            final.append(hl7.pr1(1, known.procedure, _operation(known.procedure), visit.start + 1000))
        goodbye = hl7.pid(system, chart.number, chart.at(visit.end), visit.died) if visit.died else patient
        if lot[2] < 0.01:
            send("A03", visit.end - 90, final)
            send("A13", visit.end - 60, [opened])
        send("A03", visit.end, final, goodbye)
        return
    if lot[0] < (0.05 if visit.kind == AMBULATORY else 0.4):
        send("A04", visit.start, [opened, reason])
    if lot[3] < 0.002:
        send("A04", visit.start, [opened, reason])
        send("A11", visit.start + 5, [opened])
        return
    send("A03", visit.end, final)


def _operation(code: str) -> str:
    return names_of("procedures", "code")[code][0]


def tell_panel(
    t: Telling,
    system: System,
    visit: Happening,
    order: str,
    panel: tuple[str, str],
    values: list[tuple[Test, float]],
    ready: int,
) -> None:
    """Send ORU^R01."""
    patient = _patient(t, system, visit, ready)
    local = system.dialect == "2.3"
    results = [
        hl7.observation(n, test, value, visit.start + 10, local) for n, (test, value) in enumerate(values, 1)
    ]
    t.outbox.send(
        system, ready,
        hl7.oru(system, t.place(visit.place).code, t.outbox.control(system), ready, patient,
        _seen_at(t, system, visit), order, panel, results,
                visit.start + 10, hl7.person(*visit.doctor)),
    )  # fmt: skip


def tell_order(t: Telling, system: System, visit: Happening, order: str, panel: tuple[str, str]) -> None:
    """Send ORM^O01."""
    minute = visit.start + 5
    patient = _patient(t, system, visit, minute)
    t.outbox.send(
        system, minute,
        hl7.orm(system, t.place(visit.place).code, t.outbox.control(system), minute, patient,
        _seen_at(t, system, visit), order, panel,
                hl7.person(*visit.doctor)),
    )  # fmt: skip


def tell_booking(t: Telling, system: System, visit: Happening) -> None:
    """Send SIU: booked days before; one in seven moved, one in twelve changed, a tenth cancelled."""
    lot = visit.lots
    made = visit.start - int((1 + lot[4] * 10) * 1440)
    place = t.place(visit.place).code
    booking = f"{visit.key}B"

    def send(trigger: str, minute: int, key: str, start: int) -> None:
        patient = _patient(t, system, visit, minute)
        t.outbox.send(
            system, minute,
            hl7.siu(system, place, trigger, t.outbox.control(system), minute, patient, key, start,
            visit.known.department, hl7.person(*visit.doctor)),
        )  # fmt: skip

    moved = lot[5] < 0.14
    send("S12", made, booking, visit.start + 1440 if moved else visit.start)
    if moved:
        send("S13", made + 300, booking, visit.start)
    if 0.14 <= lot[5] < 0.22:
        send("S14", made + 200, booking, visit.start)
    if lot[5] > 0.9:
        send("S12", made - 30, f"{booking}X", visit.start + 2880)
        send("S15", made + 60, f"{booking}X", visit.start + 2880)


def tell_document(t: Telling, system: System, visit: Happening) -> None:
    """Send MDM^T02 with the discharge summary."""
    minute = visit.end + 240
    days = max(1, (visit.end - visit.start) // 1440)
    lines = [
        f"主诉：因{visit.known.zh}入院。", f"诊疗经过：住院{days}天，完善检查，对症治疗。",
        "出院情况：死亡。" if visit.died else "出院情况：好转。出院医嘱：门诊随访。",
    ]  # fmt: skip
    patient = _patient(t, system, visit, minute)
    t.outbox.send(
        system, minute,
        hl7.mdm(system, t.place(visit.place).code, t.outbox.control(system), minute, patient,
        _pv1(t, system, visit, visit.end), f"{visit.key}S",
                hl7.person(*visit.doctor), lines),
    )  # fmt: skip


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
    """Send VXU^V04 of a dose given at `minute`, when it is told."""
    chart, sheet = t.charted(system, resident, told)
    place = t.place(t.vaccination_place(resident))
    doctor = t.doctors[t.heads[place.index][0]]
    t.outbox.send(
        system, told + 4,
        hl7.vxu(system, (place.code, place.name), t.outbox.control(system), told + 4, minute,
        hl7.pid(system, chart.number, sheet), dose, vaccine,
                lot, key, hl7.person(*doctor)),
    )  # fmt: skip


def tell_contract(t: Telling, system: System, resident: int, minute: int) -> None:
    """Send A28 with the family doctor in PD1-4."""
    chart, sheet = t.charted(system, resident, minute)
    doctor = t.doctor_of(resident)
    rest = [f"PD1||||{hl7.person(*doctor)}"] if doctor else []
    t.outbox.send(
        system,
        minute,
        hl7.adt(
            system,
            system.institution,
            "A28",
            t.outbox.control(system),
            minute,
            minute,
            hl7.pid(system, chart.number, sheet),
            rest,
        ),
    )


def tell_change(t: Telling, system: System, chart: Chart, when: int, sheet: Sheet, arrives: int) -> None:
    """Send A31 about a change that held from `when`; `arrives` may be later than newer news."""
    control = t.outbox.control(system)
    t.outbox.send(
        system,
        arrives,
        hl7.adt(
            system,
            system.institution,
            "A31",
            control,
            when,
            when,
            hl7.pid(system, chart.number, sheet),
            ["PV1|1|N"],
        ),
    )
    if arrives != when:
        t.late.append({"source": system.code, "message": control})


def tell_merge(t: Telling, system: System, retired: Chart) -> None:
    """Send A40 (A34 before version 2.4): the second chart becomes the first."""
    if retired.kept is None:
        return
    kept = retired.kept
    t.used[system.index, kept.number] = kept
    patient = hl7.pid(system, kept.number, kept.at(retired.retired_at))
    t.outbox.send(
        system, retired.retired_at,
        hl7.merge(system, system.institution, t.outbox.control(system), retired.retired_at, patient,
        retired.number),
    )  # fmt: skip
