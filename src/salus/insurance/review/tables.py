"""What a review reads and gives."""

import pyarrow as pa

TEXT, WHOLE, DAY, QUANTITY = pa.string(), pa.int64(), pa.date32(), pa.decimal128(12, 3)
MEASURES = ("x1", "x2", "x3", "x4", "x5", "x6")
INPUTS: dict[str, tuple[bool, tuple[tuple[str, pa.DataType, str], ...]]] = {
    "claims": (True, (
        ("claim_id", TEXT, "unique"), ("person_id", TEXT, "the resident"),
        ("institution", TEXT, "who bills"), ("kind", TEXT, "inpatient, outpatient, chronic or pharmacy"),
        ("admitted", DAY, "admission, or day of the visit"), ("discharged", DAY, "discharge, or that day"),
        ("diagnoses", pa.list_(TEXT), "ICD-10, principal first"),
        ("procedures", pa.list_(TEXT), "ICD-9-CM-3"),
        ("charge", WHOLE, "fen"),
    )),
    "claim_lines": (True, (
        ("claim_id", TEXT, "of claims"), ("service_date", DAY, "when"), ("item", TEXT, "of the catalogue"),
        ("quantity", QUANTITY, "units"), ("charge", WHOLE, "fen"), ("department", TEXT, "may be empty"),
    )),
    "persons": (False, (
        ("person_id", TEXT, "the resident"), ("sex", TEXT, "male or female"), ("birth_date", DAY, ""),
        ("death_date", DAY, "may be empty"),
    )),
    "institutions": (False, (
        ("institution", TEXT, "code"), ("tier", WHOLE, "0 clinic, 1 primary, 2 secondary, 3 tertiary"),
        ("district", TEXT, "GB/T 2260"),
    )),
    "catalogue": (False, (
        ("item", TEXT, "code"), ("kind", TEXT, "medicine, service or material"),
        ("bundle", TEXT, "the panel that includes it"), ("ceiling_3", WHOLE, "price, fen"),
    )),
    "severity": (False, (
        ("code", TEXT, "a complication or comorbidity"), ("level", WHOLE, "1 CC, 2 MCC"),
    )),
    "deaths": (False, (
        ("person_id", TEXT, "the resident"), ("died", DAY, "by any register, or discharge as dead"),
    )),
}  # fmt: skip
"""Tables by name: whether it must be given, and its columns (name, type, meaning)."""
CANDIDATES = pa.schema(
    [
        ("kind", TEXT),
        ("claim_id", TEXT),
        ("other", TEXT),
        ("what", TEXT),
        *((x, pa.float64()) for x in MEASURES),
    ]
)
OUTPUT: tuple[tuple[str, str], ...] = (
    ("place", "in the list, the most suspicious first"),
    ("kind", "of suspicion, of rules/review_kinds.csv"),
    ("claim_id", "the claim"),
    ("other_claim_id", "the claim that it is held against, or empty"),
    ("institution", "who billed"),
    ("department", "where"),
    ("probability", "that a review would confirm it"),
    ("false_share", "of false alarms to expect in the list down to here"),
    ("charge", "fen of the claim"),
    ("what", "the code or item that it turns on"),
    ("evidence", "in words"),
)
"""The columns of the ranked list."""


def schema_of(name: str) -> pa.Schema:
    """Return the Arrow schema of an input."""
    return pa.schema([(column, kind) for column, kind, _ in INPUTS[name][1]])
