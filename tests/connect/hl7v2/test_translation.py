"""What each kind of message becomes, checked against values read off the message."""

import base64
from decimal import Decimal
from typing import Any

import pytest

from salus.connect.errors import NotHl7, Untranslatable
from salus.connect.hl7v2 import translate
from salus.connect.translation import Merge, SourceProfile, Translation
from salus.record.validate import validate
from tests.connect.hl7v2 import samples
from tests.connect.hl7v2.samples import SOURCE, adt, header, message, obx, segment


def applied(*messages: bytes, source: SourceProfile = SOURCE) -> dict[str, dict[str, Any]]:
    """Return the resources after all messages, as a store would hold them ("Type/id" -> resource)."""
    held: dict[str, dict[str, Any]] = {}
    for raw in messages:
        for entry in translate(raw, source).entries:
            key = f"{entry.resource['resourceType']}/{entry.resource['id']}"
            if entry.method == "put" or key not in held:
                held[key] = {name: value for name, value in entry.resource.items() if value is not None}
            elif entry.method == "overlay":
                merged = held[key] | entry.resource
                held[key] = {name: value for name, value in merged.items() if value is not None}
    return held


def only(held: dict[str, dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the one resource of a type."""
    found = [resource for key, resource in held.items() if key.startswith(f"{kind}/")]
    assert len(found) == 1, f"{len(found)} {kind}"
    return found[0]


def coded(resource: dict[str, Any], code: str) -> dict[str, Any]:
    """Return whether a resource's code holds a coding."""
    return next(coding for coding in resource["code"]["coding"] if coding["code"] == code)


def observations(translation: Translation) -> dict[str, dict[str, Any]]:
    """Return a message's observations by code."""
    return {
        entry.resource["code"]["coding"][0]["code"]: entry.resource
        for entry in translation.entries
        if entry.resource["resourceType"] == "Observation"
    }


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_every_sample_gives_valid_r4(name: str) -> None:
    for resource in applied(samples.ALL[name]).values():
        faults = [issue for issue in validate(resource) if issue.severity == "error"]
        assert not faults, f"{resource['resourceType']}: {faults[0].path}"


def test_admission_registers_the_patient_and_begins_the_visit() -> None:
    translation = translate(samples.ADT_A01, SOURCE)
    assert translation.kind == "ADT^A01"
    assert translation.control_id == "A01-1"
    assert translation.occurred is not None
    assert translation.occurred.isoformat() == "2024-01-05T08:15:00+08:00"
    held = applied(samples.ADT_A01)
    patient = held["Patient/HOSP.P100"]
    assert patient["birthDate"] == "1949-12-31"
    assert patient["gender"] == "male"
    assert patient["name"][0] | {"extension": None} == {
        "use": "official",
        "text": "张三",
        "family": "张",
        "given": ["三"],
        "extension": None,
    }
    assert {"system": "urn:oid:2.16.156.10011.1.3", "value": "11010519491231002X"}.items() <= (
        patient["identifier"][1].items()
    )
    assert [point["value"] for point in patient["telecom"]] == [
        "13800138000",
        "zhang@example.org",
        "010-5551234",
    ]
    assert [point.get("use") for point in patient["telecom"]] == ["mobile", None, "work"]
    assert patient["address"][0]["city"] == "北京市"
    visit = held["Encounter/HOSP.V5001"]
    assert visit["status"] == "in-progress"
    assert visit["class"]["code"] == "IMP"
    assert visit["period"] == {"start": "2024-01-05T08:15:00+08:00"}
    assert visit["location"][0]["location"]["display"] == "5A 501 02"
    assert [one["type"][0]["coding"][0]["code"] for one in visit["participant"]] == ["ATND", "ADM"]
    bed = held["Location/location.H01.5A.501.02"]
    assert bed["partOf"]["reference"] == "Location/location.H01.5A"
    assert only(held, "RelatedPerson")["relationship"][0]["coding"][0]["code"] == "CHILD"
    allergy = only(held, "AllergyIntolerance")
    assert allergy["criticality"] == "high"
    assert [one["manifestation"][0]["text"] for one in allergy["reaction"]] == ["皮疹", "呼吸困难"]
    condition = only(held, "Condition")
    assert coded(condition, "I21.9")["system"] == "http://hl7.org/fhir/sid/icd-10"
    assert visit["diagnosis"][0]["condition"]["reference"] == f"Condition/{condition['id']}"
    assert only(held, "Coverage")["subscriberId"] == "310100123456"


def test_a_stay_from_admission_to_discharge_and_back() -> None:
    moved = applied(samples.ADT_A01, samples.ADT_A02)["Encounter/HOSP.V5001"]
    assert [place["status"] for place in moved["location"]] == ["active", "completed"]
    ended = applied(samples.ADT_A01, samples.ADT_A02, samples.ADT_A03)
    visit = ended["Encounter/HOSP.V5001"]
    assert visit["status"] == "finished"
    assert visit["period"] == {"start": "2024-01-05T08:15:00+08:00", "end": "2024-01-10T11:00:00+08:00"}
    assert visit["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "home"
    procedure = only(ended, "Procedure")
    assert procedure["performedPeriod"]["end"] == "2024-01-06T10:00:00+08:00"
    assert procedure["status"] == "completed"
    again = applied(samples.ADT_A01, samples.ADT_A03, samples.ADT_A13)["Encounter/HOSP.V5001"]
    assert again["status"] == "in-progress"
    assert "end" not in again["period"]
    assert applied(samples.ADT_A01, samples.ADT_A11)["Encounter/HOSP.V5001"]["status"] == "cancelled"


def test_an_update_keeps_what_it_does_not_say_and_removes_what_it_nulls() -> None:
    held = applied(samples.ADT_A01, samples.ADT_A08)
    patient = held["Patient/HOSP.P100"]
    assert "address" not in patient
    assert patient["birthDate"] == "1949-12-31"
    assert patient["telecom"][0]["value"] == "13800138001"
    assert held["Encounter/HOSP.V5001"]["status"] == "in-progress"
    assert held["Encounter/HOSP.V5001"]["period"]["start"].startswith("2024-01-05")
    finished = applied(samples.ADT_A01, samples.ADT_A03, samples.ADT_A08)["Encounter/HOSP.V5001"]
    assert finished["status"] == "finished"
    assert applied(samples.ADT_A08)["Encounter/HOSP.V5001"]["status"] == "unknown"


def test_a_result_does_not_erase_what_registration_said() -> None:
    patient = applied(samples.ADT_A01, samples.ORU_R01)["Patient/HOSP.P100"]
    assert patient["address"][0]["city"] == "北京市"
    visit = applied(samples.ADT_A01, samples.ORU_R01)["Encounter/HOSP.V5001"]
    assert visit["status"] == "in-progress"


def test_placeholders_carry_no_time_so_that_they_never_outdate_the_real_thing() -> None:
    for raw in samples.ALL.values():
        for entry in translate(raw, SOURCE).entries:
            if entry.method == "ensure":
                assert entry.source_time is None


def test_no_part_is_shared_between_resources() -> None:
    for raw in samples.ALL.values():
        seen: set[int] = set()

        def walk(node: Any, seen: set[int] = seen) -> None:
            if isinstance(node, dict | list):
                assert id(node) not in seen, (
                    "the same object stands in two places: rewriting it twice corrupts it"
                )
                seen.add(id(node))
                for inner in node.values() if isinstance(node, dict) else node:
                    walk(inner)

        entries = translate(raw, SOURCE).entries
        for entry in entries:
            walk(entry.resource)


def test_merges() -> None:
    translation = translate(samples.ADT_A40, SOURCE)
    assert list(translation.merges) == [Merge("HOSP.P100", "HOSP.P200"), Merge("HOSP.P300", "HOSP.P400")]
    retired = next(entry for entry in translation.entries if entry.resource["id"] == "HOSP.P200")
    assert retired.method == "ensure"


def test_results_of_every_kind() -> None:
    translation = translate(samples.ORU_R01, SOURCE)
    found = observations(translation)
    assert found["2093-3"]["valueQuantity"] == {
        "value": Decimal("5.20"),
        "unit": "mmol/L",
        "system": "http://unitsofmeasure.org",
        "code": "mmol/L",
    }
    assert found["2093-3"]["referenceRange"][0]["low"]["value"] == Decimal("3.1")
    assert found["2093-3"]["note"] == [{"text": "复查\n已核对 & 签字"}]
    assert found["2093-3"]["effectiveDateTime"] == "2024-01-06T06:31:00+08:00"
    assert found["2571-8"]["valueQuantity"] == {"comparator": ">", "value": Decimal("11.4"), "unit": "mmol/L"}
    assert found["2571-8"]["interpretation"][0]["coding"][0]["code"] == "HH"
    assert found["600-7"]["valueRatio"]["denominator"]["value"] == 128
    assert found["601-5"]["valueRange"]["high"] == {"value": 20, "unit": "mg/L"}
    assert found["601-5"]["status"] == "preliminary"
    assert found["602-3"]["valueQuantity"]["comparator"] == "<"
    assert found["5778-6"]["valueCodeableConcept"]["coding"][0]["system"] == "urn:salus:source:his:L"
    assert found["5767-9"]["valueString"] == "清 亮"
    assert found["5767-9"]["status"] == "corrected"
    assert found["8251-1"]["valueString"] == "第一行\n第二行\n第三行"
    assert found["11502-2"]["valueString"] == "正常\n建议随访"
    assert found["8665-2"]["valueDateTime"] == "2023-12-01"
    assert found["11111-1"]["valueTime"] == "08:30:00"
    assert found["718-7"]["status"] == "cancelled"
    assert found["718-7"]["valueString"] == "溶血"
    assert all(
        one["category"][0]["coding"][0]["code"] == "laboratory"
        for code, one in found.items()
        if code != "6690-2"
    )
    reports = [
        entry.resource
        for entry in translation.entries
        if entry.resource["resourceType"] == "DiagnosticReport"
    ]
    assert [report["status"] for report in reports] == ["final", "preliminary"]
    assert len(reports[0]["result"]) == 12
    assert [form["contentType"] for form in reports[0]["presentedForm"]] == ["application/pdf", "image/jpeg"]
    assert base64.b64decode(reports[0]["presentedForm"][0]["data"]) == b"%PDF-1.4 report"
    assert reports[0]["presentedForm"][1]["url"] == "http://pacs.example/1?a=b%20c"
    assert reports[0]["effectivePeriod"]["end"] == "2024-01-06T06:40:00+08:00"
    assert reports[0]["specimen"] == [{"reference": "Specimen/specimen.SP1"}]
    specimens = [entry for entry in translation.entries if entry.resource["resourceType"] == "Specimen"]
    assert len(specimens) == 1


def test_a_corrected_result_meets_the_same_resources() -> None:
    corrected = samples.ORU_R01.replace(b"R01-1", b"R01-2").replace(b"|5.20|", b"|5.40|")
    before, after = translate(samples.ORU_R01, SOURCE), translate(corrected, SOURCE)
    assert [entry.resource["id"] for entry in before.entries] == [
        entry.resource["id"] for entry in after.entries
    ]


def test_an_order_and_its_result_are_one_request() -> None:
    ordered = applied(samples.ORM_O01)
    request = ordered["ServiceRequest/request.HIS.PL1.24331-1"]
    assert request["status"] == "active"
    assert request["priority"] == "routine"
    assert request["note"] == [{"text": "请空腹"}]
    assert ordered["ServiceRequest/request.HIS.PL3.58410-2"]["status"] == "revoked"
    answered = applied(samples.ORM_O01, samples.ORU_R01)["ServiceRequest/request.HIS.PL1.24331-1"]
    assert answered["status"] == "completed"
    assert answered["note"] == [{"text": "请空腹"}]


def test_a_prescription() -> None:
    prescribed = only(applied(samples.RDE_O11), "MedicationRequest")
    assert prescribed["medicationCodeableConcept"]["coding"][0]["system"] == "http://www.whocc.no/atc"
    dosage = prescribed["dosageInstruction"][0]
    assert dosage["text"] == "每日三次"
    assert dosage["route"]["coding"][0]["code"] == "PO"
    assert prescribed["dispenseRequest"] == {
        "quantity": {"value": 21, "unit": "粒"},
        "numberOfRepeatsAllowed": 0,
    }


def test_a_document_is_kept_whole() -> None:
    held = applied(samples.MDM_T02)
    document = only(held, "DocumentReference")
    written, attached = document["content"]
    text = base64.b64decode(written["attachment"]["data"]).decode()
    assert text == "主诉：胸痛\n\n诊断：急性心肌梗死"
    assert attached["attachment"]["contentType"] == "application/pdf"
    assert document["docStatus"] == "final"
    assert document["date"] == "2024-01-10T14:30:00+08:00"
    assert document["context"]["encounter"] == [{"reference": "Encounter/HOSP.V5001"}]
    kept = only(applied(samples.MDM_T02, samples.MDM_T01), "DocumentReference")
    assert len(kept["content"]) == 2, "a mere notification does not erase the content"


def test_vaccinations_given_known_and_refused() -> None:
    held = applied(samples.VXU_V04)
    given, known, refused = (one for key, one in held.items() if key.startswith("Immunization/"))
    assert given["status"] == "completed"
    assert given["protocolApplied"] == [{"doseNumberPositiveInt": 2}]
    assert given["lotNumber"] == "L2024A"
    assert given["site"]["coding"][0]["code"] == "LA"
    assert given["education"][0]["documentType"] == "麻腮风告知书"
    assert given["primarySource"] is True
    assert known["primarySource"] is False
    assert "doseQuantity" not in known
    assert refused["status"] == "not-done"
    assert refused["statusReason"]["text"] == "Parental decision"
    reaction = only(held, "Observation")
    assert reaction["partOf"][0]["reference"] == f"Immunization/{given['id']}"


def test_an_appointment_from_booking_to_cancellation() -> None:
    booked = only(applied(samples.SIU_S12), "Appointment")
    assert booked["status"] == "booked"
    assert (booked["start"], booked["end"]) == ("2024-04-08T09:00:00+08:00", "2024-04-08T09:20:00+08:00")
    assert booked["participant"][0]["actor"]["reference"] == "Patient/HOSP.P100"
    assert booked["serviceType"][0]["text"] == "心内科门诊"
    moved = only(applied(samples.SIU_S12, samples.SIU_S13), "Appointment")
    assert moved["start"] == "2024-04-09T09:00:00+08:00"
    assert len(moved["participant"]) == 3, "who was booked stays booked"
    touched = only(applied(samples.SIU_S12, samples.SIU_S14), "Appointment")
    assert touched["status"] == "booked"
    cancelled = only(applied(samples.SIU_S12, samples.SIU_S15), "Appointment")
    assert cancelled["status"] == "cancelled"
    assert cancelled["cancelationReason"]["text"] == "患者取消"


@pytest.mark.parametrize(
    ("raw", "code", "where"),
    [
        (b"", "not-hl7", "byte 0"),
        (b"hello", "not-hl7", "byte 0"),
        (b'{"resourceType": "Patient"}', "not-hl7", "byte 0"),
        (b"MSH", "not-hl7", "byte 0"),
        (b"MSHx^~\\&xA", "not-hl7", "MSH-1"),
        (b"MSH|^^^^|A", "not-hl7", "MSH-2"),
        (message(header("", "1")), "missing-message-type", "MSH-9"),
        (message(header("ADT", "1")), "missing-trigger", "MSH-9.2"),
        (message(header("ADT^A01", "1")), "missing-segment", "PID"),
        (message(header("ADT^A01", "1"), "PID|1"), "missing-patient", "PID-3"),
        (message(header("ADT^A40", "1"), samples.PID_SHORT), "missing-segment", "MRG"),
        (message(header("ADT^A40", "1"), samples.PID_SHORT, "MRG|"), "missing-merge-identifier", "MRG-1"),
        (message(header("ORU^R01", "1"), samples.PID_SHORT), "missing-segment", "OBR"),
        (message(header("ORM^O01", "1"), samples.PID_SHORT, "ORC|NW|1"), "missing-segment", "OBR"),
        (message(header("MDM^T02", "1"), samples.PID_SHORT), "missing-segment", "TXA"),
        (message(header("SIU^S12", "1"), samples.PID_SHORT), "missing-segment", "SCH"),
        (message(header("ADT^A99", "1"), samples.PID_SHORT), "unsupported-trigger", "MSH-9.2"),
        (message(header("ADT^A41", "1"), samples.PID_SHORT), "unsupported-trigger", "MSH-9"),
        (message(header("MFN^M02", "1"), "MFI|STF"), "unsupported-trigger", "MSH-9"),
        (message(header("ABC^X01", "1"), samples.PID_SHORT), "unsupported-message-type", "MSH-9"),
        (message(header("ADT^A01", "1", version="3.0"), samples.PID_SHORT), "unsupported-version", "MSH-12"),
        (
            message(header("ADT^A01", "1", f18="UNICODE UTF-8")) + b"PID|||1||\xff\xfe",
            "undecodable",
            "byte 88",
        ),
    ],
)
def test_refusals_name_the_reason_and_the_place(raw: bytes, code: str, where: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        translate(raw, SOURCE)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert isinstance(caught.value, NotHl7) == (code in ("not-hl7", "unsupported-version"))


def test_the_trigger_may_stand_in_evn() -> None:
    raw = message(
        header("ADT", "1"), "EVN|A01|20240105", samples.PID_SHORT, segment("PV1", {2: "O", 19: "V77777"})
    )
    assert translate(raw, SOURCE).kind == "ADT^A01"


def test_identity_survives_order_and_extra_identifiers() -> None:
    first = adt("A28", segment("PID", {3: "11010519491231002X^^^^NI~P100^^^HOSP^MR", 5: "张^三"}))
    second = adt("A31", segment("PID", {3: "P100^^^HOSP^MR", 5: "张^三"}))
    assert len([key for key in applied(first, second) if key.startswith("Patient/")]) == 1


def test_a_wrong_resident_number_gets_no_public_system() -> None:
    held = applied(adt("A28", segment("PID", {3: "110105194912310021^^^^NI", 5: "张^三"})))
    assert only(held, "Patient")["identifier"][0]["system"] == "urn:salus:source:his:id"


def test_a_passport_names_its_country() -> None:
    held = applied(adt("A28", segment("PID", {3: "P1^^^HOSP^MR~E12345678^^^CHN^PPN", 5: "张^三"})))
    assert only(held, "Patient")["identifier"][1]["system"] == "http://hl7.org/fhir/sid/passport-CHN"


def test_short_visit_numbers_belong_to_their_patient() -> None:
    visits = [
        only(
            applied(adt("A01", segment("PID", {3: who, 5: "a^b"}), segment("PV1", {2: "I", 19: "1"}))),
            "Encounter",
        )
        for who in ("P1", "P2")
    ]
    assert visits[0]["id"] != visits[1]["id"]


def test_what_has_no_number_is_known_by_its_message() -> None:
    raw = adt("A01", samples.PID_SHORT, segment("PV1", {2: "O"}), obx(1, "ST", "1^x^L", "y"))
    assert list(applied(raw)) == list(applied(raw))
    later = raw.replace(b"A01-1", b"A01-2")
    assert set(applied(raw)) & set(applied(later)) == {"Patient/HOSP.P100"}


def test_a_source_states_its_own_codes_and_systems() -> None:
    own = SourceProfile(
        "his",
        "hl7v2",
        mapping={
            "hl7v2": {
                "tables": {"0001": {"X": "female"}},
                "identifier_systems": {"HOSP": "urn:example:mrn"},
                "coding_systems": {"L": "urn:example:lab"},
                "observation_category": "laboratory",
            }
        },
    )
    held = applied(adt("A28", segment("PID", {3: "P1^^^HOSP^MR", 5: "a^b", 8: "X"})), source=own)
    patient = only(held, "Patient")
    assert patient["gender"] == "female"
    assert patient["identifier"][0]["system"] == "urn:example:mrn"
    result = message(header("ORU^R01", "1"), samples.PID_SHORT, "OBR|1||F1|A^a^L", obx(1, "NM", "K^k^L", "1"))
    observed = only(applied(result, source=own), "Observation")
    assert observed["code"]["coding"][0]["system"] == "urn:example:lab"
    assert observed["category"][0]["coding"][0]["code"] == "laboratory"


def test_warnings_hold_no_value_of_the_message() -> None:
    raw = adt("A28", segment("PID", {3: "P1", 5: "Secret^Name", 7: "19991399", 8: "Secret"}))
    warnings = " ".join(translate(raw, SOURCE).warnings)
    assert "PID-7" in warnings
    assert "PID-8" in warnings
    assert "Secret" not in warnings
    assert "1999" not in warnings
