"""Files that nobody on this project wrote: every message taken, values as the messages read."""

import base64
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from salus.connect.hl7v2 import split_messages, translate
from salus.connect.translation import Merge, SourceProfile, Translation
from salus.record.validate import validate

SOURCE = SourceProfile("simhospital", "hl7v2", timezone="Europe/London")


@pytest.fixture(scope="module")
def simulated(shared: Path) -> dict[str, Translation]:
    """The translations of SimHospital's messages, by control id."""
    raw = (shared / "record" / "simhospital" / "messages.out").read_bytes()
    translations = [translate(piece, SOURCE) for piece in split_messages(raw)]
    assert len(translations) == 1013
    return {str(one.control_id): one for one in translations}


def resources(translation: Translation, kind: str) -> list[dict[str, Any]]:
    return [entry.resource for entry in translation.entries if entry.resource["resourceType"] == kind]


def test_every_message_is_taken_without_a_warning(simulated: dict[str, Translation]) -> None:
    assert Counter(one.kind for one in simulated.values()) == {
        "ORU^R01": 610,
        "ADT^A01": 400,
        "MDM^T02": 2,
        "ADT^A34": 1,
    }
    assert not [one.warnings for one in simulated.values() if one.warnings]


def test_every_segment_finds_its_place(shared: Path, simulated: dict[str, Translation]) -> None:
    raw = (shared / "record" / "simhospital" / "messages.out").read_bytes()
    sent = Counter(re.findall(rb"[\r\n](AL1|OBR|TXA|PV1)\|", raw))
    made = Counter(entry.resource["resourceType"] for one in simulated.values() for entry in one.entries)
    assert made["DiagnosticReport"] == sent[b"OBR"] == 610
    assert made["AllergyIntolerance"] == sent[b"AL1"] == 162
    assert made["DocumentReference"] == sent[b"TXA"] == 2
    # two PV1 (of the documents) name neither a visit nor a time: no visit can be made of them
    assert made["Encounter"] == sent[b"PV1"] - 2
    results = [
        len(report.get("result", ()))
        for one in simulated.values()
        for report in resources(one, "DiagnosticReport")
    ]
    assert sum(results) == made["Observation"]
    numeric = len(re.findall(rb"\rOBX\|\d+\|NM\|[^|]*\|\|<?[0-9.]+\|", raw))
    measured = [
        o for one in simulated.values() for o in resources(one, "Observation") if "valueQuantity" in o
    ]
    assert len(measured) == numeric == 2702


def test_every_resource_is_valid_r4(simulated: dict[str, Translation]) -> None:
    for one in simulated.values():
        for entry in one.entries:
            present = {name: value for name, value in entry.resource.items() if value is not None}
            faults = [issue for issue in validate(present) if issue.severity == "error"]
            assert not faults, (one.control_id, entry.resource["resourceType"], faults[0].path)


def test_the_first_result_says_what_was_read_off_it(simulated: dict[str, Translation]) -> None:
    one = simulated["1"]
    (observation,) = resources(one, "Observation")
    assert observation["code"]["coding"] == [
        {"system": "urn:salus:source:simhospital:WinPath", "code": "tt-0003-01", "display": "Creatinine"}
    ]
    assert observation["valueQuantity"] == {"value": 98, "unit": "UMOLL"}
    assert observation["interpretation"][0]["coding"][0]["code"] == "H"
    limits = observation["referenceRange"][0]
    assert (limits["low"]["value"], limits["high"]["value"]) == (49, 92)
    assert [note["text"] for note in observation["note"]] == [
        "Task cow administration",
        "Grapefruit garlic resale camera",
    ]
    assert observation["effectiveDateTime"] == "2020-05-01T14:06:43+01:00"
    (patient,) = resources(one, "Patient")
    assert [identifier["value"] for identifier in patient["identifier"]] == ["2590157853", "2478684691"]
    assert patient["name"][0]["family"] == "Esterkin"
    assert patient["name"][0]["prefix"] == ["Miss"]
    assert patient["birthDate"] == "1989-01-18"
    assert patient["gender"] == "female"
    assert patient["address"][0]["line"] == ["170 Juice Place"]
    assert patient["telecom"] == [{"system": "phone", "value": "020 5368 1665", "use": "home"}]


def test_an_admission_says_what_was_read_off_it(simulated: dict[str, Translation]) -> None:
    one = simulated["6"]
    (visit,) = resources(one, "Encounter")
    assert visit["status"] == "in-progress"
    assert visit["class"]["code"] == "IMP"
    assert visit["identifier"][0]["value"] == "4637913778641671097"
    assert visit["period"] == {"start": "2020-05-08T13:06:44+01:00"}
    assert visit["location"][0]["location"]["display"] == "OtherWard MainRoom Bed 1"
    food, other = resources(one, "AllergyIntolerance")
    assert food["category"] == ["food"]
    assert food["code"]["coding"][0] == {
        "system": "http://snomed.info/sct",
        "code": "235719002",
        "display": "Food intolerance (disorder)",
    }
    assert food["reaction"] == [{"manifestation": [{"text": "Diarrhoea"}], "severity": "mild"}]
    assert "category" not in other


def test_the_merge_and_the_documents(simulated: dict[str, Translation]) -> None:
    kept, retired = (resources(simulated["271"], "Patient")[index]["id"] for index in (0, 1))
    assert list(simulated["271"].merges) == [Merge(kept, retired)]
    assert resources(simulated["271"], "Patient")[1]["identifier"][0]["value"] == "618454581"
    for control, lines in (("144", 34), ("540", 56)):
        (document,) = resources(simulated[control], "DocumentReference")
        text = base64.b64decode(document["content"][0]["attachment"]["data"]).decode()
        assert len(text.split("\n")) == lines


def test_one_patient_has_one_id_in_all_messages(simulated: dict[str, Translation]) -> None:
    by_number: dict[str, set[str]] = {}
    for one in simulated.values():
        for patient in resources(one, "Patient"):
            by_number.setdefault(patient["identifier"][0]["value"], set()).add(patient["id"])
    assert all(len(ids) == 1 for ids in by_number.values())
    ids = [next(iter(found)) for found in by_number.values()]
    assert len(ids) == len(set(ids))


def test_deliberately_odd_messages_are_taken(shared: Path) -> None:
    text = (shared / "record" / "simhospital" / "invalid_messages.yml").read_text()
    groups: list[list[str]] = []
    for line in text.splitlines():
        found = re.match(r'\s*- "(.*)"$', line)
        if found:
            segment = (
                found.group(1).replace("\\\\", "\\").replace("%s", "20200501140643", 1).replace("%s", "77")
            )
            if segment.startswith("MSH"):
                groups.append([])
            groups[-1].append(segment.replace("PID_SEGMENT_PLACEHOLDER", "PID|1||55^^^H^MRN||Doe^John"))
    assert len(groups) == 2
    admission, result = (translate("\r".join(group).encode(), SOURCE) for group in groups)
    assert resources(admission, "Encounter")[0]["class"]["code"] == "IMP"
    (report,) = resources(result, "DiagnosticReport")
    assert report["status"] == "final", "the status is sent as a small letter"
    values = [
        observation.get("valueQuantity", {}).get("value") for observation in resources(result, "Observation")
    ]
    assert values == [126, 10, Decimal("3.75"), None, Decimal("7.97")]
    assert any("not a number" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("sample_unix.hl7", {"Patient": 1, "Encounter": 1, "Observation": 1, "AllergyIntolerance": 2}),
        ("sample_win.hl7", {"Patient": 1, "Encounter": 1, "Observation": 1, "AllergyIntolerance": 2}),
        ("ORU-multiline-short.hl7", {"Patient": 1, "Encounter": 1, "DiagnosticReport": 1, "Observation": 1}),
        (
            "ORU-multiline-short-mixed.hl7",
            {"Patient": 1, "Encounter": 1, "DiagnosticReport": 1, "Observation": 2},
        ),
    ],
)
def test_the_files_of_another_converter(shared: Path, name: str, kinds: dict[str, int]) -> None:
    pieces = list(split_messages((shared / "record" / "hl7v2-lfh" / name).read_bytes()))
    assert len(pieces) == 1
    translation = translate(pieces[0], SOURCE)
    made = Counter(entry.resource["resourceType"] for entry in translation.entries)
    assert {kind: made[kind] for kind in kinds} == kinds
    for entry in translation.entries:
        assert not [issue for issue in validate(entry.resource) if issue.severity == "error"]


def test_unix_and_windows_line_endings_say_the_same(shared: Path) -> None:
    folder = shared / "record" / "hl7v2-lfh"
    one, other = (
        translate((folder / name).read_bytes(), SOURCE) for name in ("sample_unix.hl7", "sample_win.hl7")
    )
    assert one.entries == other.entries
