"""Each edit, alone: a sound claim with one thing wrong fails that edit, and the money goes where it says."""

from collections.abc import Callable
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from salus.insurance.adjudication import Context, Decision, adjudicate_one, load_rules
from tests.insurance.adjudication.histories import DIAGNOSES, world

DAY = date(2025, 6, 10)
AS_OF = date(2025, 12, 31)
RULES = load_rules(as_of=AS_OF)


def sound() -> dict[str, Any]:
    """Return a claim without fault, and what it is held against."""
    items: dict[str, list[dict[str, Any]]] = {}
    for row in world()["catalogue"]:
        items.setdefault(row["item"], []).append(row)
    line = {"claim_id": "c", "service_date": DAY, "quantity": Decimal(1), "department": None}
    return {
        "claim": {
            "claim_id": "c", "person_id": "p", "institution": "H3", "kind": "inpatient", "admitted": DAY,
            "discharged": DAY + timedelta(5), "submitted": DAY + timedelta(9), "diagnoses": ["I63.900"],
            "procedures": [], "referral": "referred", "illness": None, "charge": 100_000,
        },
        "lines": [
            {**line, "line_no": 1, "item": "bed", "unit_price": 8_000, "charge": 8_000},
            {**line, "line_no": 2, "item": "surgery", "unit_price": 92_000, "charge": 92_000},
        ],
        "person": {"person_id": "p", "sex": "male", "birth_date": date(1980, 1, 1), "death_date": None},
        "institution": next(row for row in world()["institutions"] if row["institution"] == "H3"),
        "coverage": [{"scheme": "resident", "starts": date(2024, 1, 1), "ends": None, "waiting_until": None}],
        "catalogue": items, "diagnoses": dict(DIAGNOSES), "earlier": [], "balances": {},
    }  # fmt: skip


def decide(case: dict[str, Any]) -> Decision:
    rest = {name: value for name, value in case.items() if name not in ("claim", "lines")}
    return adjudicate_one(case["claim"], case["lines"], Context(**rest), RULES, as_of=AS_OF)


def line(case: dict[str, Any], item: str, price: int, quantity: str = "1", **changed: Any) -> None:
    """Add a line to a claim and its charge to the claim's."""
    charge = int(Decimal(quantity) * price)
    number = max(one["line_no"] for one in case["lines"]) + 1
    case["lines"].append({**case["lines"][0], "line_no": number, "item": item, "unit_price": price,
                          "quantity": Decimal(quantity), "charge": charge, **changed})  # fmt: skip
    case["claim"]["charge"] += charge


def stay(**changed: Any) -> dict[str, Any]:
    """Return an earlier stay at the same hospital for the same illness, twenty days before."""
    return {
        "claim_id": "b", "person_id": "p", "institution": "H3", "kind": "inpatient",
        "admitted": DAY - timedelta(25), "discharged": DAY - timedelta(20), "diagnosis": "I63.901",
        "charge": 5_000, **changed,
    }  # fmt: skip


def claim(**changed: Any) -> Callable[[dict[str, Any]], None]:
    return lambda case: case["claim"].update(changed)


def first(**changed: Any) -> Callable[[dict[str, Any]], None]:
    return lambda case: case["lines"][0].update(changed)


def whole(**changed: Any) -> Callable[[dict[str, Any]], None]:
    return lambda case: case.update(changed)


def added(
    item: str, price: int = 100, quantity: str = "1", **changed: Any
) -> Callable[[dict[str, Any]], None]:
    return lambda case: line(case, item, price, quantity, **changed)


def all_of(*steps: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def apply(case: dict[str, Any]) -> None:
        for step in steps:
            step(case)

    return apply


VISIT = all_of(
    claim(kind="outpatient", discharged=DAY, submitted=DAY),
    first(item="visit", unit_price=100_000, charge=100_000),
    lambda case: case["lines"].pop(),
)

RETURNED: dict[str, Callable[[dict[str, Any]], None]] = {
    "claim-without-lines": all_of(claim(charge=0), lambda case: case["lines"].clear()),
    "person-unknown": whole(person=None),
    "institution-unknown": whole(institution=None),
    "kind-unknown": claim(kind="dental"),
    "date-missing": claim(discharged=None),
    "charge-out-of-range": claim(charge=-1),
    "line-number-repeated": lambda case: case["lines"][1].update(line_no=1),
    "line-charge-out-of-range": first(charge=-8_000),
    "price-out-of-range": first(unit_price=None),
    "quantity-out-of-range": first(quantity=Decimal(0)),
    "field-missing": claim(submitted=None),
    "diagnosis-missing": claim(diagnoses=[]),
    "referral-unknown": claim(referral="cousin"),
    "date-order": claim(submitted=DAY),
    "date-in-future": claim(submitted=date(2026, 1, 2)),
    "before-birth": lambda case: case["person"].update(birth_date=DAY + timedelta(1)),
    "after-death": lambda case: case["person"].update(death_date=DAY + timedelta(2)),
    "line-sum": claim(charge=100_001),
    "diagnosis-unknown": claim(diagnoses=["I63.900", "A00.000"]),
    "diagnosis-sex": claim(diagnoses=["O80.000"]),
    "kind-tier": claim(kind="pharmacy"),
    "illness-missing": all_of(VISIT, claim(kind="chronic")),
    "illness-diagnosis": claim(illness="dialysis"),
    "item-missing": first(item=None),
    "line-charge": all_of(first(charge=8_005), claim(charge=100_005)),
    "service-date-outside": first(service_date=DAY - timedelta(1)),
}  # fmt: skip
SELF_PAID = {
    "institution-not-contracted": lambda case: case["institution"].update(valid_to=DAY - timedelta(1)),
    "not-covered": whole(coverage=[]),
    "waiting-period": lambda case: case["coverage"][0].update(waiting_until=DAY + timedelta(1)),
    "illness-unregistered": all_of(VISIT, claim(kind="chronic", illness="stroke")),
}
DENIED = {
    "late-submission": claim(submitted=DAY + timedelta(5 + 181)),
    "duplicate-claim": all_of(
        VISIT, whole(earlier=[stay(kind="outpatient", admitted=DAY, discharged=DAY, charge=100_000)])
    ),
    "overlapping-stay": whole(earlier=[stay(institution="H2", discharged=DAY + timedelta(1))]),
    "too-many-deliveries": all_of(
        claim(diagnoses=["O80.000"]), lambda case: case["person"].update(sex="female"),
        whole(balances={(2025, "count", "E-TOO-MANY-DELIVERIES"): 2}),
    ),
    "too-many-antenatal-visits": all_of(
        VISIT, claim(diagnoses=["Z34.900"]), lambda case: case["person"].update(sex="female"),
        whole(balances={(2025, "count", "E-TOO-MANY-ANTENATAL-VISITS"): 20}),
    ),
}  # fmt: skip
FLAGGED = {
    "long-stay": claim(discharged=DAY + timedelta(91), submitted=DAY + timedelta(92)),
    "high-charge": lambda case: line(case, "surgery", 60_000_000, service_date=DAY + timedelta(1)),
    "split-stay": whole(earlier=[stay(admitted=DAY - timedelta(12), discharged=DAY - timedelta(10))]),
    "visit-during-stay": whole(
        earlier=[stay(kind="outpatient", admitted=DAY + timedelta(1), discharged=DAY + timedelta(1))]
    ),
    "too-many-admissions": whole(balances={(2025, "count", "E-TOO-MANY-ADMISSIONS"): 12}),
    "too-many-visits": all_of(VISIT, whole(balances={(2025, "count", "E-TOO-MANY-VISITS"): 150})),
    "too-many-surgeries": all_of(
        claim(procedures=["01.2"]), whole(balances={(2025, "count", "E-TOO-MANY-SURGERIES"): 8})
    ),
    "high-line-charge": lambda case: line(case, "surgery", 5_000_001, service_date=DAY + timedelta(1)),
}  # fmt: skip
LINES: dict[str, tuple[Callable[[dict[str, Any]], None], str, int]] = {
    # what is added, who bears it, how many fen
    "item-unknown": (added("unheard"), "self_out", 100),
    "item-not-in-force": (added("old", 100), "self_out", 100),
    "item-sex": (added("delivery"), "institution", 100),
    "item-age": (added("insulin"), "institution", 100),
    "item-care": (added("surgery"), "self_out", 100),
    "licence-scope": (added("surgery", service_date=DAY + timedelta(1)), "institution", 100),
    "medicine-indication": (added("amlodipine"), "self_out", 100),
    "service-diagnosis": (added("dialysis"), "institution", 100),
    "item-waiting": (added("trastuzumab"), "self_out", 100),
    "duplicate-line": (added("bed", 8_000), "institution", 8_000),
    "exclusive-services": (added("endoscopy"), "institution", 100),
    "unbundled": (added("dressing"), "institution", 100),
    "medicine-price": (added("insulin", 1_000), "institution", 300),
    "service-price": (added("bed", 8_001), "institution", 1),
    "material-price": (added("stent", 100_000), "self_out", 10_000),
    "too-many-a-day": (added("insulin", 100, "3"), "institution", 50),
    "too-many-a-stay": (added("dressing", 100, "6", service_date=DAY + timedelta(1)), "institution", 100),
    "too-many-a-year": (added("dialysis", 100, "2"), "self_out", 100),
}  # fmt: skip
NEEDED: dict[str, Callable[[dict[str, Any]], None]] = {
    "medicine-indication": claim(diagnoses=["J18.900"]),
    "item-not-in-force": lambda case: case["catalogue"]["old"].pop(),
    "item-age": lambda case: case["person"].update(birth_date=date(2010, 1, 1)),
    "item-care": all_of(VISIT, claim(kind="outpatient")),
    "licence-scope": lambda case: (
        case["institution"].update(licences=[]), case["lines"].pop(), case["claim"].update(charge=8_000))[0],
    "item-waiting": lambda case: (
        case["person"].update(sex="female"), case["claim"].update(diagnoses=["C50.900"]),
        case["coverage"][0].update(starts=DAY - timedelta(29)))[0],
    "too-many-a-year": lambda case: (
        case["claim"].update(diagnoses=["N18.001"]),
        case["balances"].update({(2025, "units", "dialysis"): 5_000}))[0],
}  # fmt: skip
ELSEWHERE = {"claim-unknown", "claim-id-repeated"}  # of a batch alone: test_batch


def test_every_edit_has_a_witness() -> None:
    shown = {*RETURNED, *SELF_PAID, *DENIED, *FLAGGED, *LINES, *ELSEWHERE}
    assert shown == {edit.code for edit in RULES.edits}


def test_a_sound_claim_fails_nothing() -> None:
    decision = decide(sound())
    assert decision.findings == []
    assert decision.claim["outcome"] == "paid"


@pytest.mark.parametrize("code", RETURNED)
def test_a_claim_that_is_sent_back_is_paid_by_nobody(code: str) -> None:
    case = sound()
    RETURNED[code](case)
    decision = decide(case)
    assert code in [row["code"] for row in decision.findings if row["effect"] == "return"]
    assert decision.claim["outcome"] == "returned" and not decision.claim["standing"]
    assert decision.claim["institution"] == decision.claim["charge"]
    assert {row["payer"] for row in decision.parts} <= {"institution"}
    assert not decision.events


@pytest.mark.parametrize("code", SELF_PAID)
def test_a_claim_without_cover_is_the_residents(code: str) -> None:
    case = sound()
    SELF_PAID[code](case)
    decision = decide(case)
    assert [row["code"] for row in decision.findings] == [code]
    assert decision.claim["outcome"] == "self_pay"
    assert decision.claim["self_out"] == decision.claim["charge"] == decision.findings[0]["amount"]


@pytest.mark.parametrize("code", DENIED)
def test_a_claim_that_is_denied_is_the_institutions(code: str) -> None:
    case = sound()
    DENIED[code](case)
    decision = decide(case)
    assert [row["code"] for row in decision.findings] == [code]
    assert decision.claim["outcome"] == "denied"
    assert decision.claim["institution"] == decision.claim["charge"]
    assert {row["reason"] for row in decision.parts} == {code}


@pytest.mark.parametrize("code", FLAGGED)
def test_a_flag_leaves_the_money_alone(code: str) -> None:
    case = sound()
    FLAGGED[code](case)
    decision = decide(case)
    assert code in [row["code"] for row in decision.findings if row["effect"] == "flag"]
    assert {row["effect"] for row in decision.findings} == {"flag"}
    assert decision.claim["outcome"] == "paid" and decision.claim["institution"] == 0


@pytest.mark.parametrize("code", LINES)
def test_an_edit_of_a_line_takes_what_it_says_from_it(code: str) -> None:
    case = sound()
    NEEDED.get(code, lambda _: None)(case)
    add, payer, amount = LINES[code]
    before = decide(deepcopy(case))
    assert before.findings == []
    add(case)
    decision = decide(case)
    found = [row for row in decision.findings if row["code"] == code]
    assert [(row["line_no"], row["amount"]) for row in found] == [(case["lines"][-1]["line_no"], amount)]
    assert len(decision.findings) == 1
    borne = [row for row in decision.parts if row["reason"] == code]
    assert [(row["payer"], row["amount"]) for row in borne] == [(payer, amount)]


def test_of_two_edits_that_decide_the_earlier_stage_counts() -> None:
    case = sound()
    claim(submitted=DAY + timedelta(300), charge=1)(case)
    decision = decide(case)
    assert {row["code"] for row in decision.findings} >= {"late-submission", "line-sum"}
    assert decision.claim["outcome"] == "returned"
