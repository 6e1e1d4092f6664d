"""Benefits against amounts reckoned by hand from the rules' published numbers, each in the order of law."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from salus.insurance.adjudication import Context, Decision, adjudicate_one, load_rules, of_person
from tests.insurance.adjudication.histories import world

DAY = date(2025, 6, 10)
RULES = load_rules(as_of=date(2025, 12, 31))
ITEMS: dict[str, list[dict[str, Any]]] = {}
for _row in world()["catalogue"]:
    ITEMS.setdefault(_row["item"], []).append(_row)
PLACES = {row["institution"]: row for row in world()["institutions"]}


def decide(*charges: tuple[str, int], **changed: Any) -> Decision:
    """Adjudicate a claim of an insured woman of 45: an inpatient stay at H3 unless changed."""
    claim = {
        "claim_id": "c1", "person_id": "p1", "institution": "H3", "kind": "inpatient", "admitted": DAY,
        "discharged": date(2025, 6, 20), "submitted": date(2025, 6, 21), "diagnoses": ["I63.900"],
        "procedures": [], "referral": "referred", "illness": None,
    }  # fmt: skip
    claim |= {name: value for name, value in changed.items() if name in claim}
    if claim["kind"] != "inpatient":
        claim["discharged"] = claim["admitted"]
    lines = [
        {"claim_id": "c1", "line_no": n, "service_date": claim["admitted"], "item": item,
         "quantity": Decimal(1), "unit_price": charge, "charge": charge, "department": None}
        for n, (item, charge) in enumerate(charges, 1)
    ]  # fmt: skip
    context = Context(
        person={"person_id": "p1", "sex": "female", "birth_date": date(1980, 1, 1), "death_date": None},
        institution=PLACES[claim["institution"]],
        coverage=[{"scheme": changed.get("scheme", "resident"), "starts": date(2024, 1, 1), "ends": None,
                   "waiting_until": None}],
        statuses=[{"status": one, "starts": date(2024, 1, 1), "ends": None}
                  for one in changed.get("statuses", ())],
        registrations=[{"illness": one, "starts": date(2024, 1, 1), "ends": None}
                       for one in ("dialysis", "hypertension")],
        catalogue=ITEMS, diagnoses={}, earlier=(), balances=changed.get("balances", {}),
    )  # fmt: skip
    return adjudicate_one(claim | {"charge": sum(charge for _, charge in charges)}, lines, context, RULES,
                          as_of=date(2025, 12, 31))  # fmt: skip


def paid(decision: Decision) -> dict[str, int]:
    """Return who pays how much of a claim, without those who pay nothing."""
    payers = ("basic", "serious", "aid", "free", "self_in", "self_out", "institution")
    return {name: decision.claim[name] for name in payers if decision.claim[name]}


def test_a_stay_pays_the_deductible_and_then_the_rate_of_its_tier() -> None:
    # 10,000 yuan of class A at a tertiary hospital: (10,000 - 900) x 65 % = 5,915.
    assert paid(decide(("delivery", 600_000), ("surgery", 400_000))) == {"basic": 591_500, "self_in": 408_500}


def test_who_bypasses_primary_care_is_paid_less() -> None:
    # (10,000 - 900) x 50 % = 4,550.
    assert paid(decide(("surgery", 1_000_000), referral="bypassed"))["basic"] == 455_000


def test_a_second_stay_has_half_the_deductible() -> None:
    # (10,000 - 450) x 65 % = 6,207.50.
    used = {(2025, "stays", "resident"): 1}
    decision = decide(("surgery", 1_000_000), balances=used)
    assert decision.claim["stay"] == 2
    assert paid(decision)["basic"] == 620_750


def test_class_b_has_a_first_share_and_class_c_is_not_paid() -> None:
    # B: 1,000 yuan, a tenth first: 900 eligible. C: 200. A: 2,000. (2,000 + 900 - 900) x 65 % = 1,300.
    decision = decide(("endoscopy", 100_000), ("vitamin", 20_000), ("bed", 8_000), ("delivery", 192_000))
    assert paid(decision) == {"basic": 130_000, "self_in": 170_000, "self_out": 20_000}
    reasons = {(row["payer"], row["reason"]): 0 for row in decision.parts}
    assert ("self_in", "class-b") in reasons and ("self_out", "class-c") in reasons


def test_serious_illness_pays_bands_above_half_the_income() -> None:
    # 200,000 yuan: basic (200,000 - 900) x 65 % = 129,415; own 70,585. Half of 41,314 is 20,657;
    # (70,585 - 20,657) = 49,928 within the first 50,000 at 60 % = 29,956.80.
    decision = decide(("surgery", 20_000_000))
    assert paid(decision) == {"basic": 12_941_500, "serious": 2_995_680, "self_in": 4_062_820}


def test_a_second_band_pays_more() -> None:
    # 300,000 yuan: basic (300,000 - 900) x 65 % = 194,415; own 105,585, above the deductible 84,928:
    # 50,000 x 60 % + 34,928 x 65 % = 52,703.20.
    assert paid(decide(("surgery", 30_000_000)))["serious"] == 5_270_320


def test_the_year_adds_up_for_serious_illness() -> None:
    # Own 70,585 after 30,000 before: F(100,585) - F(30,000), F(x) = 60 % to 70,657 and 65 % above:
    # (30,000 + 29,928 x 0.65) - 9,343 x 0.6 = 49,453.20 - 5,605.80 = 43,847.40.
    used = {(2025, "serious", "resident"): 3_000_000}
    assert paid(decide(("surgery", 20_000_000), balances=used))["serious"] == 4_384_740


def test_the_poor_have_half_the_deductible_five_points_more_and_medical_aid() -> None:
    # On the allowance: no deductible: 200,000 x 65 % = 130,000; own 70,000. A quarter of 41,314 is 10,328.50;
    # 50,000 x 65 % + 9,671.50 x 70 % = 39,270.05; left 30,729.95, aid 70 % = 21,510.965, up to 21,510.97.
    decision = decide(("surgery", 20_000_000), statuses=["low_income"])
    assert paid(decision) == {"basic": 13_000_000, "serious": 3_927_005, "aid": 2_151_097, "self_in": 921_898}


def test_free_treatment_takes_what_is_left_at_a_designated_hospital() -> None:
    sick = {"statuses": ["low_income"], "illness": "stroke"}
    assert paid(decide(("surgery", 20_000_000), **sick)) == {
        "basic": 13_000_000, "serious": 3_927_005, "aid": 2_151_097, "free": 921_898,
    }  # fmt: skip
    assert "free" not in paid(decide(("surgery", 20_000_000), illness="stroke"))  # not on the register
    elsewhere = decide(
        ("surgery", 2_000_000), statuses=["low_income"], illness="kidney_failure", diagnoses=["N18.001"]
    )
    assert "free" not in paid(elsewhere)  # not on the list of the hospital


def test_free_treatment_needs_the_diagnosis() -> None:
    decision = decide(
        ("surgery", 2_000_000), statuses=["low_income"], illness="stroke", diagnoses=["J18.900"]
    )
    assert decision.claim["outcome"] == "returned"
    assert [row["code"] for row in decision.findings] == ["illness-diagnosis"]


def test_the_ceiling_of_the_year_stops_the_basic_fund() -> None:
    # 249,000 of 250,000 yuan are used: 1,000 are left of 5,915.
    used = {(2025, "basic", "resident"): 24_900_000}
    decision = decide(("surgery", 1_000_000), balances=used)
    assert decision.claim["basic"] == 100_000
    assert (decision.claim["ceiling"], decision.claim["ceiling_rule"]) == ("year", "C-R-YEAR")
    assert decision.claim["over_ceiling"] == 491_500


def test_a_quota_of_a_chronic_illness_is_a_quarters() -> None:
    # Hypertension, 300 yuan a quarter; the yearly deductible is used up. 1,000 x 65 % = 650, 300 is paid.
    chronic: dict[str, Any] = {"kind": "chronic", "illness": "hypertension", "diagnoses": ["I10.x00"]}
    used = {(2025, "deductible", "resident:chronic"): 30_000}
    decision = decide(("visit", 100_000), balances=used, **chronic)
    assert decision.claim["basic"] == 30_000
    assert ("quota", "resident:chronic:hypertension:2025-04-01", 30_000) in [
        (row["account"], row["key"], row["amount"]) for row in decision.events
    ]
    again = decide(("visit", 100_000), balances=used | of_person(decision.events), **chronic)
    assert again.claim["basic"] == 0 and again.claim["ceiling"] == "quota"


def test_a_yearly_deductible_is_used_up_once() -> None:
    # Employee outpatient: 600 a year, then 50 % at a tertiary hospital.
    visit: dict[str, Any] = {"kind": "outpatient", "scheme": "employee"}
    first = decide(("visit", 50_000), **visit)
    assert (first.claim["deductible"], first.claim["basic"]) == (50_000, 0)
    second = decide(("visit", 50_000), balances=of_person(first.events), **visit)
    assert (second.claim["deductible"], second.claim["basic"]) == (10_000, 20_000)


def test_care_without_a_benefit_is_the_residents() -> None:
    decision = decide(("vitamin", 1_000), ("insulin", 600), kind="pharmacy", institution="P0")
    assert decision.claim["rate"] is None and decision.claim["basic"] == 0
    assert {row["reason"] for row in decision.parts} == {"class-c", "class-b", "no-benefit"}


@pytest.mark.parametrize("charges", [(1, 1, 1), (100_001, 33_333, 7), (1_000_003,)])
def test_shares_of_lines_add_up_to_the_fen(charges: tuple[int, ...]) -> None:
    decision = decide(*(("surgery", charge) for charge in charges), ("endoscopy", 1), statuses=["low_income"])
    for line in decision.lines:
        parts = [row["amount"] for row in decision.parts if row["line_no"] == line["line_no"]]
        assert sum(parts) == line["charge"] and min(parts, default=0) >= 0
