"""HL7 v2 messages as the city's systems send them: ADT, ORU, ORM, MDM, SIU and VXU, versions 2.3 to 2.8."""

from functools import lru_cache

from salus.city.desks import Sheet
from salus.city.facts import Test
from salus.city.identity import day_text
from salus.city.systems import System

_CHARSET = {"utf-8": "UNICODE UTF-8", "gb18030": "GB 18030-2000"}


@lru_cache(maxsize=4096)
def _day(day: int) -> str:
    return day_text(day)


def stamp(minute: int) -> str:
    """Return a minute (since 1970-01-01, the city's time) as an HL7 time to the second."""
    day, rest = divmod(minute, 1440)
    return f"{_day(day)}{rest // 60:02d}{rest % 60:02d}00"


def segment(name: str, fields: dict[int, str]) -> str:
    """Return a segment of numbered fields; the ones between are empty."""
    last = max(fields)
    return "|".join([name, *(fields.get(i, "") for i in range(1, last + 1))])


def header(system: System, place: str, kind: str, control: str, minute: int) -> str:
    """Return MSH. In version 2.3 the message type has two components, from 2.4 on three."""
    structure = STRUCTURES.get(kind, "") if system.dialect >= "2.4" else ""
    return (
        f"MSH|^~\\&|{system.authority}|{place}|SALUS|LINLAN|{stamp(minute)}||{kind}{structure}|{control}|P|{system.dialect}"
        f"||||||{_CHARSET[system.charset]}"
    )


STRUCTURES = {
    "ADT^A01": "^ADT_A01", "ADT^A02": "^ADT_A02", "ADT^A03": "^ADT_A03", "ADT^A04": "^ADT_A01",
    "ADT^A05": "^ADT_A05",
    "ADT^A08": "^ADT_A01", "ADT^A11": "^ADT_A09", "ADT^A13": "^ADT_A01", "ADT^A28": "^ADT_A05",
    "ADT^A31": "^ADT_A05",
    "ADT^A40": "^ADT_A39", "ORU^R01": "^ORU_R01", "ORM^O01": "^ORM_O01", "MDM^T02": "^MDM_T02",
    "VXU^V04": "^VXU_V04",
    "SIU^S12": "^SIU_S12", "SIU^S13": "^SIU_S12", "SIU^S14": "^SIU_S12", "SIU^S15": "^SIU_S12",
}  # fmt: skip


def identifiers(system: System, number: str, sheet: Sheet) -> str:
    """Return PID-3: the chart number, the identity number and a newborn's temporary number."""
    found = f"{number}^^^{system.authority}^MR"
    if sheet.number:
        found += f"~{sheet.number}^^^^NNCHN"
    if sheet.newborn:
        found += f"~{sheet.newborn}^^^^NEWBORN"
    return found


def pid(system: System, number: str, sheet: Sheet, died: int = 0) -> str:
    """Return PID; `died` is the minute of death (0: not known to have died)."""
    phone = ""
    if sheet.phone:
        phone = f"^PRN^CP^^^^^^^^^{sheet.phone}" if system.dialect >= "2.7" else f"{sheet.phone}^PRN^CP"
    fields = {
        1: "1", 3: identifiers(system, number, sheet), 5: f"{sheet.surname}^{sheet.given}^^^^^L",
        7: sheet.birth, 8: sheet.sex,
        11: f"{sheet.address}^^临澜市^^^CHN^H" if sheet.address else "", 13: phone,
    }  # fmt: skip
    if died:
        fields |= {29: stamp(died), 30: "Y"}
    return segment("PID", fields)


def person(code: str, name: str) -> str:
    """Return a member of staff as XCN."""
    return f"{code}^{name[:1]}^{name[1:]}^^^^^^STAFF"


def adt(
    system: System,
    place: str,
    trigger: str,
    control: str,
    sent: int,
    occurred: int,
    patient: str,
    rest: list[str],
) -> str:
    """Return an ADT message; `rest` are the segments after PID."""
    return "\r".join(
        [
            header(system, place, f"ADT^{trigger}", control, sent),
            f"EVN|{trigger}|{stamp(sent)}||||{stamp(occurred)}",
            patient,
            *rest,
        ]
    )


def pv1(
    kind: str,
    ward: str,
    doctor: str,
    department: str,
    visit: str,
    place: tuple[str, str],
    start: int,
    end: int = 0,
    disposition: str = "",
) -> str:
    """Return PV1; `end` 0 leaves the visit open."""
    return (
        f"PV1|1|{kind}|{ward}||||{doctor}|||{department}|||||||||{visit}|||||||||||||||||{disposition}|||"
        f"{place[0]}^{place[1]}^INSTITUTION|||||{stamp(start)}|{stamp(end) if end else ''}"
    )


def dg1(number: int, code: str, text: str, minute: int) -> str:
    """Return DG1 with an ICD-10 code and its Chinese name; the first is the final diagnosis."""
    return f"DG1|{number}||{code}^{text}^I10||{stamp(minute)}|{'F' if number == 1 else 'W'}"


def pr1(number: int, code: str, text: str, minute: int) -> str:
    """Return PR1 with an ICD-9-CM-3 code."""
    return f"PR1|{number}||{code}^{text}^ICD-9-CM-3||{stamp(minute)}"


def observation(number: int, test: Test, value: float, minute: int, local: bool) -> str:
    """Return OBX; `local` writes the laboratory's own code first, LOINC as the alternative."""
    code = f"{test.local}^{test.zh}^L^{test.loinc}^{test.en}^LN" if local else f"{test.loinc}^{test.zh}^LN"
    flag = "H" if value > test.high else "L" if value < test.low else "N"
    low, high = (f"{limit:.{test.digits}f}" for limit in (test.low, test.high))
    result = f"{value:.{test.digits}f}|{test.ucum}^{test.ucum}^UCUM"
    return f"OBX|{number}|NM|{code}||{result}|{low}-{high}|{flag}|||F|||{stamp(minute)}"


def oru(
    system: System, place: str, control: str, sent: int, patient: str, visit: str, order: str,
    panel: tuple[str, str], results: list[str],
    taken: int, doctor: str,
) -> str:  # fmt: skip
    """Return ORU^R01 for one panel."""
    obr = segment(
        "OBR",
        {1: "1", 2: order, 3: f"R{order}", 4: f"{panel[0]}^{panel[1]}^LN", 7: stamp(taken),
        14: stamp(taken + 20), 16: doctor, 22: stamp(sent),
         24: "LAB", 25: "F"},
    )  # fmt: skip
    known = [visit] if visit else []
    return "\r".join([header(system, place, "ORU^R01", control, sent), patient, *known, obr, *results])


def orm(
    system: System,
    place: str,
    control: str,
    sent: int,
    patient: str,
    visit: str,
    order: str,
    panel: tuple[str, str],
    doctor: str,
) -> str:
    """Return ORM^O01 that asks for one panel."""
    return "\r".join(
        [
            header(system, place, "ORM^O01", control, sent), patient, *([visit] if visit else []),
            segment("ORC", {1: "NW", 2: order, 5: "SC", 9: stamp(sent), 12: doctor}),
            segment("OBR", {1: "1", 2: order, 4: f"{panel[0]}^{panel[1]}^LN", 6: stamp(sent), 16: doctor}),
        ]
    )  # fmt: skip


def siu(
    system: System,
    place: str,
    trigger: str,
    control: str,
    sent: int,
    patient: str,
    booking: str,
    start: int,
    department: str,
    doctor: str,
) -> str:
    """Return SIU for a booked (S12), moved (S13), changed (S14) or cancelled (S15) appointment."""
    status = "Cancelled" if trigger == "S15" else "Booked"
    return "\r".join(
        [
            header(system, place, f"SIU^{trigger}", control, sent),
            segment("SCH", {1: booking, 2: booking, 7: f"ROUTINE^{department}门诊^L", 9: "30", 10: "min",
            11: f"^^^{stamp(start)}^{stamp(start + 30)}",
                            25: status}),
            patient, "RGS|1|A",
            segment("AIS", {1: "1", 2: "A", 3: f"{department}^{department}^L", 4: stamp(start), 7: "30",
            8: "min", 10: status}),
            segment("AIP", {1: "1", 2: "A", 3: doctor, 4: f"D^{department}^L"}),
        ]
    )  # fmt: skip


def mdm(
    system: System,
    place: str,
    control: str,
    sent: int,
    patient: str,
    visit: str,
    document: str,
    doctor: str,
    lines: list[str],
) -> str:
    """Return MDM^T02: a discharge summary with its text."""
    txa = segment(
        "TXA",
        {
            1: "1",
            2: "DS^出院小结^HL70270",
            3: "TX",
            4: stamp(sent),
            6: stamp(sent),
            9: doctor,
            12: document,
            17: "AU",
            19: "AV",
        },
    )
    texts = [f"OBX|{i}|TX|18842-5^出院小结^LN||{line}||||||F" for i, line in enumerate(lines, 1)]
    return "\r".join(
        [
            header(system, place, "MDM^T02", control, sent),
            f"EVN|T02|{stamp(sent)}",
            patient,
            visit,
            txa,
            *texts,
        ]
    )


def vxu(
    system: System, place: tuple[str, str], control: str, sent: int, given: int, patient: str, dose: int,
    vaccine: tuple[str, str], lot: str, order: str,
    nurse: str,
) -> str:  # fmt: skip
    """Return VXU^V04 for one dose; `vaccine` is its ATC code and Chinese name."""
    return "\r".join(
        [
            header(system, place[0], "VXU^V04", control, sent), patient, f"ORC|RE||{order}",
            segment("RXA", {1: "0", 2: str(dose), 3: stamp(given), 4: stamp(given),
            5: f"{vaccine[0]}^{vaccine[1]}^ATC", 6: "0.5", 7: "mL^mL^UCUM",
                            10: nurse, 15: lot, 20: "CP", 21: "A"}),
            "RXR|IM^肌内注射^HL70162|LA^左上臂^HL70163",
        ]
    )  # fmt: skip


def merge(system: System, place: str, control: str, sent: int, kept: str, retired: str) -> str:
    """Return the merge of a retired chart number into a kept patient: A40, before version 2.3.1 A34."""
    trigger = "A34" if system.dialect <= "2.3.1" else "A40"
    return adt(system, place, trigger, control, sent, sent, kept, [f"MRG|{retired}^^^{system.authority}^MR"])
