"""The mapping of each table-sending system, in the language of docs/connect.md."""

import json
import re

from salus.city.fhir import (
    ATC,
    ICD9CM3,
    ICD10,
    INSTITUTIONS,
    LOINC,
    NEWBORN_NUMBER,
    RESIDENT_NUMBER,
    STAFF,
    UCUM,
)
from salus.city.layouts import CLASSES, DATES, FLAGS, SEXES, TABLES, code_list, column
from salus.city.systems import System

Elements = dict[str, object]
_CATEGORY = "http://terminology.hl7.org/CodeSystem/"
INSURED_NUMBER = "urn:salus:id:medical-insurance"
BIRTH_CERTIFICATE = "urn:salus:id:birth-certificate"
STATUS = "urn:salus:code:social-status"

PATIENT: Elements = {
    "identifier[0].system": "{$numbers}", "identifier[0].value": "{pid}",
    "identifier[1].system": RESIDENT_NUMBER, "identifier[1].value": "{idno}",
    "name[0].use": "official", "name[0].text": "{name}", "gender": "{sex|code:sex}",
    "birthDate": "{birth|date}",
    "telecom[0].system": "phone", "telecom[0].value": "{phone}", "telecom[0].use": "mobile",
}  # fmt: skip
ADDRESS: Elements = {"address[0].use": "home", "address[0].text": "{address}"}
DOCTOR: Elements = {
    "generalPractitioner[0].type": "Practitioner", "generalPractitioner[0].identifier.system": STAFF,
    "generalPractitioner[0].identifier.value": "{gp}", "generalPractitioner[0].display": "{gpname}",
}  # fmt: skip
PLACE: Elements = {
    "serviceProvider.type": "Organization", "serviceProvider.identifier.system": INSTITUTIONS,
    "serviceProvider.identifier.value": "{org}", "serviceProvider.display": "{orgname}",
}  # fmt: skip


def _resource(
    kind: str, local: str, elements: Elements, method: str = "put", when: str = ""
) -> tuple[str, str, str, str, Elements]:
    return kind, local, method, when, elements


def _patient(*more: Elements) -> tuple[str, str, str, str, Elements]:
    merged = dict(PATIENT)
    for elements in more:
        merged |= elements
    return _resource("Patient", "{pid}", merged, "overlay")


def _status(kind: str, code: str, zh: str) -> tuple[str, str, str, str, Elements]:
    """Return a Flag: a social status with its period, as the office that grants it says."""
    return _resource("Flag", f"{{pid}}-{code}", {
        "status": "active", "category[0].text": zh, "code.coding[0].system": STATUS,
        "code.coding[0].code": code,
        "code.coding[0].display": zh, "code.text": kind, "subject.reference": "Patient/{pid}",
        "period.start": "{from|date}",
    })  # fmt: skip


RESOURCES: dict[str, list[tuple[str, str, str, str, Elements]]] = {
    "visits": [
        _patient(ADDRESS, DOCTOR),
        _resource("Encounter", "{visit}", {
            "status": "finished", "class": "{cls|coding:cls}", "subject.reference": "Patient/{pid}",
            "serviceType.text": "{dept}",
            "participant[0].individual.display": "{doctor}", "period.start": "{start|datetime}",
            "period.end": "{end|datetime}",
            "reasonCode[0].coding[0]": "{dx|coding:dx}", "reasonCode[0].text": "{dxname}", **PLACE,
        }, when="visit"),
        _resource("Condition", "{visit}-d", {
            "clinicalStatus.coding[0].system": _CATEGORY + "condition-clinical",
            "clinicalStatus.coding[0].code": "active",
            "category[0].coding[0].system": _CATEGORY + "condition-category",
            "category[0].coding[0].code": "encounter-diagnosis",
            "code.coding[0]": "{dx|coding:dx}", "code.text": "{dxname}", "subject.reference": "Patient/{pid}",
            "encounter.reference": "Encounter/{visit}", "recordedDate": "{start|datetime}",
        }, when="stay"),
    ],
    "medicines": [
        _patient(),
        _resource("MedicationRequest", "{rx}", {
            "status": "completed", "intent": "order",
            "medicationCodeableConcept.coding[0]": "{drug|coding:drug}",
            "medicationCodeableConcept.text": "{drugname}", "subject.reference": "Patient/{pid}",
            "authoredOn": "{when|datetime}",
            "requester.display": "{doctor}", "dispenseRequest.expectedSupplyDuration.value": "{days|number}",
            "dispenseRequest.expectedSupplyDuration.unit": "d",
            "dispenseRequest.expectedSupplyDuration.system": UCUM,
            "dispenseRequest.expectedSupplyDuration.code": "d",
        }),
    ],
    "procedures": [
        _patient(),
        _resource("Procedure", "{op}", {
            "status": "completed", "code.coding[0]": "{opcode|coding:op}", "code.text": "{opname}",
            "subject.reference": "Patient/{pid}",
            "performedDateTime": "{when|datetime}", "performer[0].actor.display": "{doctor}",
        }),
    ],
    "laboratory": [
        _patient(),
        _resource("Observation", "{report}-{item}", {
            "status": "final", "category[0].coding[0].system": _CATEGORY + "observation-category",
            "category[0].coding[0].code": "laboratory", "code.coding[0]": "{item|coding:item}",
            "code.text": "{itemname}",
            "subject.reference": "Patient/{pid}", "effectiveDateTime": "{sampled|datetime}",
            "valueQuantity.value": "{result|number}",
            "valueQuantity.unit": "{unit}", "valueQuantity.system": UCUM,
            "valueQuantity.code": "{unit|code:unit}",
            "referenceRange[0].low.value": "{low|number}", "referenceRange[0].high.value": "{high|number}",
            "interpretation[0].coding[0].system": _CATEGORY + "v3-ObservationInterpretation",
            "interpretation[0].coding[0].code": "{flag|code:flag}",
        }),
    ],
    "vaccinations": [
        _patient(ADDRESS),
        _resource("Immunization", "{dose_id}", {
            "status": "completed", "vaccineCode.coding[0]": "{vaccine|coding:vaccine}",
            "vaccineCode.text": "{vaccinename}",
            "patient.reference": "Patient/{pid}", "occurrenceDateTime": "{when|datetime}",
            "lotNumber": "{lot}",
            "protocolApplied[0].doseNumberPositiveInt": "{dose|integer}",
            "performer[0].actor.type": "Organization",
            "performer[0].actor.identifier.system": INSTITUTIONS,
            "performer[0].actor.identifier.value": "{org}",
            "performer[0].actor.display": "{orgname}",
        }),
    ],
    "insured": [
        _patient(ADDRESS, {"identifier[2].system": INSURED_NUMBER, "identifier[2].value": "{pid}"}),
        _resource("Coverage", "{pid}", {
            "status": "active", "type.text": "{kind}", "subscriberId": "{pid}",
            "beneficiary.reference": "Patient/{pid}",
            "period.start": "{from|date}", "period.end": "{to|date}",
            "payor[0].display": "临澜市医疗保障服务中心",
        }),
    ],
    "poverty": [_patient(ADDRESS), _status("{kind}", "poverty", "低收入人口")],
    "disability": [_patient(ADDRESS), _status("{kind}{grade}", "disability", "残疾")],
    "residence": [
        _patient(ADDRESS, {
            "address[0].city": "临澜市", "address[0].district": "{district}",
            "extension[0].url": "urn:salus:extension:household-registration",
            "extension[0].valueCode": "{hukou|code:hukou}",
            "extension[1].url": "urn:salus:extension:street", "extension[1].valueCode": "{street}",
        }),
        _resource("Flag", "{pid}-departed", {
            "status": "active", "code.coding[0].system": "urn:salus:code:residence",
            "code.coding[0].code": "departed",
            "code.coding[0].display": "迁出", "subject.reference": "Patient/{pid}",
            "period.start": "{when|date}",
        }, when="departed"),
    ],
    "births": [
        _patient(ADDRESS, {
            "identifier[2].system": NEWBORN_NUMBER, "identifier[2].value": "{temp}",
            "identifier[3].system": BIRTH_CERTIFICATE, "identifier[3].value": "{cert}",
        }),
        _resource("RelatedPerson", "{cert}-m", {
            "patient.reference": "Patient/{pid}", "identifier[0].system": RESIDENT_NUMBER,
            "identifier[0].value": "{motherid}",
            "relationship[0].coding[0].system": _CATEGORY + "v3-RoleCode",
            "relationship[0].coding[0].code": "MTH",
            "name[0].text": "{mother}",
        }),
        _resource("RelatedPerson", "{cert}-f", {
            "patient.reference": "Patient/{pid}", "identifier[0].system": RESIDENT_NUMBER,
            "identifier[0].value": "{fatherid}",
            "relationship[0].coding[0].system": _CATEGORY + "v3-RoleCode",
            "relationship[0].coding[0].code": "FTH",
            "name[0].text": "{father}",
        }, when="father"),
        _resource("Observation", "{cert}-w", {
            "status": "final", "code.coding[0].system": LOINC, "code.coding[0].code": "8339-4",
            "code.coding[0].display": "Birth weight",
            "subject.reference": "Patient/{pid}", "effectiveDateTime": "{when|datetime}",
            "valueQuantity.value": "{weight|number}",
            "valueQuantity.unit": "g", "valueQuantity.system": UCUM, "valueQuantity.code": "g",
        }),
    ],
    "deaths": [
        _patient(ADDRESS, {"deceasedDateTime": "{died|datetime}"}),
        _resource("Observation", "{cert}", {
            "status": "final", "code.coding[0].system": LOINC, "code.coding[0].code": "69453-9",
            "code.coding[0].display": "Cause of death", "subject.reference": "Patient/{pid}",
            "effectiveDateTime": "{died|datetime}",
            "valueCodeableConcept.coding[0]": "{cause|coding:cause}",
            "valueCodeableConcept.text": "{causename}",
        }),
    ],
    "emergency": [
        _patient(),
        _resource("Encounter", "{call}", {
            "status": "finished", "class.system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "class.code": "FLD",
            "class.display": "field", "subject.reference": "Patient/{pid}", "period.start": "{when|datetime}",
            "period.end": "{end|datetime}", "reasonCode[0].coding[0]": "{dx|coding:dx}",
            "reasonCode[0].text": "{dxname}",
            "hospitalization.destination.type": "Organization",
            "hospitalization.destination.identifier.system": INSTITUTIONS,
            "hospitalization.destination.identifier.value": "{hospital}",
            "hospitalization.destination.display": "{orgname}",
        }),
    ],
}  # fmt: skip
KEYS = {
    "visits": ("visit", "pid"), "medicines": ("rx",), "procedures": ("op",), "laboratory": ("report", "item"),
    "vaccinations": ("dose_id",),
    "births": ("cert",), "deaths": ("cert",), "emergency": ("call",),
}  # fmt: skip
SYSTEMS = {"dx": ICD10, "drug": ATC, "op": ICD9CM3, "item": LOINC, "vaccine": ATC, "cause": ICD10}
HUKOU = {"registered": "本市户籍", "unregistered": "外来人口"}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _values(pairs: dict[str, object]) -> str:
    return "{ " + ", ".join(f"{_text(key)} = {_text(value)}" for key, value in pairs.items()) + " }"


def mapping(system: System, tables: list[str]) -> str:
    """Return the mapping TOML of a system that sends these tables."""
    dialect = system.dialect
    dates = [DATES[dialect][1], DATES[dialect][0]]
    lines = [
        f"# {system.name}",
        "version = 1",
        "",
        "[file]",
        f"encoding = {_text(system.charset)}",
        f"dates = {_text(dates)}",
        "",
    ]
    lines += ["[constants]", f"numbers = {_text(f'urn:salus:source:{system.code}:mr')}", ""]
    body: list[str] = []
    for table in tables:
        body += _table(system, table)
    used = sorted(set(re.findall(r"\|(?:code|coding):(\w+)", "\n".join(body))))
    for name in used:
        lines += _codes(dialect, name)
    return "\n".join(lines + body) + "\n"


def _codes(dialect: str, name: str) -> list[str]:
    match name:
        case "sex":
            return ["[codes.sex]", f"values = {_values(dict(SEXES[dialect]))}", 'otherwise = "unknown"', ""]
        case "cls":
            standard = (("AMB", "ambulatory"), ("EMER", "emergency"), ("IMP", "inpatient encounter"))
            values: dict[str, object] = {
                local: list(pair) for local, pair in zip(CLASSES[dialect], standard, strict=True)
            }
            return [
                "[codes.cls]",
                'system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"',
                f"values = {_values(values)}",
                "",
            ]
        case "flag":
            return [
                "[codes.flag]",
                f"values = {_values(dict(zip(FLAGS[dialect], 'NHL', strict=True)))}",
                'otherwise = "drop"',
                "",
            ]
        case "hukou":
            return ["[codes.hukou]", f"values = {_values({zh: code for code, zh in HUKOU.items()})}", ""]
        case "unit":
            return [
                "[codes.unit]",
                f"values = {_values({local: code for local, code, _ in code_list(dialect, 'unit').entries})}",
                "",
            ]
    values = {local: [code, zh] for local, code, zh in code_list(dialect, name).entries}
    return [f"[codes.{name}]", f"system = {_text(SYSTEMS[name])}", f"values = {_values(values)}", ""]


def _table(system: System, table: str) -> list[str]:
    dialect = system.dialect
    words = TABLES[table]

    def local(word: str) -> str:
        return column(dialect, word)

    def named(value: object) -> object:
        if not isinstance(value, str):
            return value
        return re.sub(r"\{(\w+)((?:\|[^}]*)?)\}", lambda m: "{" + local(m[1]) + m[2] + "}", value)

    lines = ["[[table]]", f"name = {_text(table)}"]
    if system.format == "excel":
        lines += ['file = "*.xlsx"', f"sheet = {_text(table)}"]
    else:
        lines.append(f"file = {_text(f'*.{table}.csv')}")
    key = KEYS.get(table, ("pid", "updated"))
    required = [local(word) for word in ("pid", "name") if word in words]
    lines += [
        f"key = {_text([local(word) for word in key])}",
        f"time = {_text(local('updated'))}",
        f"required = {_text(required)}",
        "",
    ]
    for kind, identity, method, when, elements in RESOURCES[table]:
        lines += [
            "[[table.resource]]",
            f"type = {_text(kind)}",
            f"id = {_text(named(identity))}",
            f"method = {_text(method)}",
        ]
        match when:
            case "visit":
                lines.append(f"when = [{{ column = {_text(local('visit'))}, present = true }}]")
            case "stay":
                lines.append(
                    f"when = [{{ column = {_text(local('cls'))}, in = {_text(list(CLASSES[dialect][1:]))} }}]"
                )
            case "departed":
                lines.append(f'when = [{{ column = {_text(local("kind"))}, in = ["迁出"] }}]')
            case "father":
                lines.append(f"when = [{{ column = {_text(local('father'))}, present = true }}]")
        lines.append("[table.resource.set]")
        lines += [f"{_text(path)} = {_text(named(value))}" for path, value in elements.items()]
        lines.append("")
    return lines
