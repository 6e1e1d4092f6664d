"""Rule files: which row holds when, what is refused and where it says so; the language of predicates."""

import csv
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.engine import duckdb_engine
from salus.insurance.adjudication import load_rules
from salus.insurance.adjudication.predicates import read
from salus.insurance.adjudication.rules import FOLDER, Rules
from salus.kernel.errors import Invalid

AS_OF = date(2025, 12, 31)
FILES = ("benefit_*.csv", "edit_*.csv", "aid_*.csv", "catalogue_illnesses.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for pattern in FILES:
        for path in FOLDER.glob(pattern):
            shutil.copy(path, tmp_path)
    return tmp_path


def add(folder: Path, name: str, like: str, **changed: Any) -> None:
    """Add a row like that of a rule, with some cells changed."""
    path = folder / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    row = next(row for row in rows if row["rule"] == like)
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, list(row)).writerow({**row, **changed})


def rate(rules: Rules, day: date, tier: int = 3, referral: str = "referred") -> Any:
    row = rules.dated("rates", day, "resident", "inpatient", "general", tier, referral)
    return row and (row["rule"], row["version"], row["rate"])


def test_a_later_version_holds_from_its_day(folder: Path) -> None:
    add(folder, "benefit_rates", "P-R-IN-3", version="2", valid_from="2025-07-01", rate="62.5")
    rules = load_rules(folder, as_of=AS_OF)
    assert rate(rules, date(2025, 6, 30)) == ("P-R-IN-3", 1, 6500)
    assert rate(rules, date(2025, 7, 1)) == ("P-R-IN-3", 2, 6250)


def test_what_was_not_yet_published_does_not_hold(folder: Path) -> None:
    add(folder, "benefit_rates", "P-R-IN-3", version="2", published="2025-12-01", rate="62.5")
    assert rate(load_rules(folder, as_of=date(2025, 11, 30)), date(2025, 6, 1)) == ("P-R-IN-3", 1, 6500)
    assert rate(load_rules(folder, as_of=AS_OF), date(2025, 6, 1)) == ("P-R-IN-3", 2, 6250)


def test_a_city_stands_before_the_country_for_its_own(folder: Path) -> None:
    add(
        folder,
        "benefit_rates",
        "P-R-IN-3",
        rule="CITY",
        jurisdiction="440100",
        rate="70",
        valid_to="2025-06-30",
    )
    ours = load_rules(folder, as_of=AS_OF, jurisdiction="440103")
    assert rate(ours, date(2025, 6, 1)) == ("CITY", 1, 7000)
    assert rate(ours, date(2025, 7, 1)) == ("P-R-IN-3", 1, 6500)
    assert rate(load_rules(folder, as_of=AS_OF, jurisdiction="520100"), date(2025, 6, 1)) == (
        "P-R-IN-3",
        1,
        6500,
    )


def test_a_key_without_wildcard_stands_before_one_with() -> None:
    rules = load_rules(as_of=AS_OF)
    assert rate(rules, date(2025, 6, 1), referral="bypassed") == ("P-R-IN-3-BY", 1, 5000)
    assert rate(rules, date(2025, 6, 1), referral="emergency") == ("P-R-IN-3", 1, 6500)


def test_the_year_counts_by_the_income_published_for_the_year_before() -> None:
    rules = load_rules(as_of=AS_OF)
    for year, income in ((2024, 3_921_800), (2025, 4_131_400)):
        row = rules.yearly("serious", "resident", "inpatient", "general", year)
        assert row is not None
        assert rules.bands("serious", row)[0]["low"] == income // 2


@pytest.mark.parametrize(
    ("name", "like", "changed", "code", "where"),
    [
        ("benefit_rates", "P-R-IN-3", {"rule": "OTHER"}, "rules-conflict", "benefit_rates.csv:"),
        ("benefit_rates", "P-R-IN-3", {"version": "9", "rate": "101"}, "rules-cell", "rate"),
        ("benefit_rates", "P-R-IN-3", {"version": "9", "rate": "sixty"}, "rules-cell", "rate"),
        ("benefit_rates", "P-R-IN-3", {"version": "9", "tier": "4"}, "rules-key", "benefit_rates.csv:"),
        ("benefit_rates", "P-R-IN-3", {"valid_from": "2025-13-01"}, "rules-cell", "valid_from"),
        ("benefit_rates", "P-R-IN-3", {"version": ""}, "rules-cell", "version"),
        (
            "benefit_deductibles",
            "D-E-OUT",
            {"version": "2", "tier": "3"},
            "rules-yearly",
            "benefit_deductibles.csv:",
        ),
        ("benefit_deductibles", "D-E-OUT", {"version": "2", "amount": "1.005"}, "rules-cell", "amount"),
        ("benefit_ceilings", "C-R-YEAR", {"version": "2", "kind": "inpatient"}, "rules-yearly", "scope"),
        ("benefit_serious", "S-R", {"version": "2", "bands": "0:60;0:70"}, "rules-bands", "bands"),
        ("benefit_quotas", "Q-R-DIABETES", {"version": "2", "period": "week"}, "rules-cell", "period"),
        ("aid_free", "F-STROKE", {"version": "2", "classes": "rich"}, "rules-cell", "classes"),
        (
            "edit_rules",
            "E-LONG-STAY",
            {"version": "2", "when": "claim.mood == 'bad'"},
            "edit-predicate",
            "edit_rules",
        ),
        (
            "edit_rules",
            "E-LONG-STAY",
            {"version": "2", "effect": "exclude"},
            "edit-effect",
            "edit_rules.csv:",
        ),
        ("edit_rules", "E-LONG-STAY", {"version": "2", "effect": "burn"}, "rules-cell", "effect"),
        ("edit_rules", "E-OVERLAPPING-STAY", {"rule": "E-AGAIN"}, "edit-kind", "edit_rules.csv"),
        ("edit_rules", "E-SPLIT-STAY", {"version": "2", "limit": ""}, "edit-limit", "edit_rules.csv:"),
        ("edit_rules", "E-LONG-STAY", {"rule": "E-NEW", "code": "unsaid"}, "rules-words", "edit_reasons.csv"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(
    folder: Path, name: str, like: str, changed: dict[str, str], code: str, where: str
) -> None:
    add(folder, name, like, **changed)
    with pytest.raises(Invalid) as refused:
        load_rules(folder, as_of=AS_OF)
    assert refused.value.code == code
    assert where in refused.value.where


def test_the_built_in_edits_cannot_be_left_out(folder: Path) -> None:
    path = folder / "edit_rules.csv"
    kept = [line for line in path.read_text().splitlines() if ",quantity-out-of-range," not in line]
    path.write_text("\n".join(kept) + "\n")
    with pytest.raises(Invalid, match="quantity-out-of-range"):
        load_rules(folder, as_of=AS_OF)


@pytest.mark.parametrize(
    "words",
    [
        "", "claim", "claim.kind", "claim.kind == 3", "claim.kind == 'a' < 'b'", "__import__('os')",
        "claim.kind.upper() == 'A'", "[x for x in claim.diagnoses]", "claim.charge / 2 > 1",
        "claim.charge in ()",
        "starts(claim.diagnoses, 'A')", "any_starts(claim.kind, 'A')",
        "any_starts(institution.licences, 'A')",
        "days(claim.admitted) > 1", "claim.kind is 'a'", "lambda: True", "claim.charge == 1.0005",
        "f'{claim}'",
        "claim.admitted > day('2025-02-30')", "claim.kind in (claim.illness, 'a')", "not claim.charge",
    ],
)  # fmt: skip
def test_what_is_not_in_the_language_is_refused(words: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(words)
    assert refused.value.code == "edit-predicate"


FACTS = st.fixed_dictionaries(
    {
        "claim_kind": st.sampled_from(["inpatient", "outpatient", None]),
        "claim_illness": st.sampled_from(["a", "it's", None]),
        "claim_charge": st.one_of(st.none(), st.integers(-3, 3)),
        "person_age": st.one_of(st.none(), st.integers(-3, 3)),
        "claim_registered": st.sampled_from([True, False, None]),
        "claim_admitted": st.one_of(st.none(), st.dates(date(2024, 2, 27), date(2024, 3, 2))),
        "claim_discharged": st.one_of(st.none(), st.dates(date(2024, 2, 27), date(2024, 3, 2))),
        "claim_diagnoses": st.one_of(
            st.none(), st.lists(st.sampled_from(["A1", "B12", "B1", "XA1", ""]), max_size=3)
        ),
        "institution_licences": st.one_of(st.none(), st.lists(st.sampled_from(["a", "b", None]), max_size=2)),
        "line_quantity": st.one_of(st.none(), st.sampled_from([0, 500, 1000, 2500])),
    }
)
WHOLE = st.sampled_from(
    ["claim.charge", "person.age", "2", "-1", "size(claim.diagnoses)", "(claim.charge - person.age)",
     "days(claim.admitted, claim.discharged)", "size(institution.licences)"]
)  # fmt: skip
SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
ATOMS = st.one_of(
    st.sampled_from(
        ["claim.kind == 'inpatient'", "claim.kind != claim.illness", "claim.illness == \"it's\"",
         "claim.registered",
         "claim.kind in ('inpatient', 'chronic')", "claim.illness not in ('a', 'b')", "True", "False",
         "claim.illness in institution.licences", "claim.illness is None", "claim.registered is not None",
         "any_starts(claim.diagnoses, 'B1', 'Z')", "any_starts(claim.diagnoses, 'A')", "line.quantity > 0.5",
         "line.quantity == 1", "starts(claim.kind, 'in', 'x')", "claim.admitted >= day('2024-02-29')",
         "claim.charge in (1, -2)"]
    ),
    st.builds(lambda a, sign, b: f"{a} {sign} {b}", WHOLE, SIGNS, WHOLE),
)  # fmt: skip
WORDS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds(lambda a, op, b: f"({a}) {op} ({b})", inner, st.sampled_from(["and", "or"]), inner),
        st.builds(lambda a: f"not ({a})", inner),
    ),
    max_leaves=6,
)
ENGINE = duckdb_engine(threads=1)
SCHEMA = pa.schema(
    [
        ("claim_kind", pa.string()), ("claim_illness", pa.string()), ("claim_charge", pa.int64()),
        ("person_age", pa.int64()), ("claim_registered", pa.bool_()), ("claim_admitted", pa.date32()),
        ("claim_discharged", pa.date32()), ("claim_diagnoses", pa.list_(pa.string())),
        ("institution_licences", pa.list_(pa.string())), ("line_quantity", pa.int64()),
        ("claim_diagnoses_text", pa.string()),
    ]
)  # fmt: skip


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(words=WORDS, facts=st.lists(FACTS, min_size=1, max_size=6))
def test_a_predicate_is_the_same_in_sql_and_in_python(words: str, facts: list[dict[str, Any]]) -> None:
    predicate = read(words)
    rows = [
        {**row, "claim_diagnoses_text": ";" + ";".join(sorted(row["claim_diagnoses"] or []))} for row in facts
    ]
    ENGINE.register("facts", pa.Table.from_pylist(rows, schema=SCHEMA))
    answered = ENGINE.run(f"select {predicate.sql} as answer from facts").column(0).to_pylist()
    assert answered == [predicate.value(row) for row in facts]
