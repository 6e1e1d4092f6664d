"""What prevention finds in the city: cases, outbreaks, pregnancies, children, chronic patients, series."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from salus.city.blocks import plan_city
from salus.city.care import AMBULATORY, Care, care
from salus.city.facts import diagnoses, diagnosis_index, rows
from salus.city.people import NEVER, Population, Window, people
from salus.city.prevention.building import ALL_SCHEMAS, PLAIN, build_prevention
from salus.city.prevention.purposes import ANTENATAL, CHILD, HYPERTENSION, PLANTED
from salus.city.prevention.readings import growth
from salus.kernel.errors import Invalid
from tests.city.conftest import RESIDENTS, SEED

WINDOW = Window.of(date(2024, 1, 1), date(2026, 1, 1))
SIZE = 12_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city's prevention."""
    out = tmp_path_factory.mktemp("prevention") / "city"
    build_prevention(out, SIZE, 3, series=60, weeks=300)
    return out


@pytest.fixture(scope="module")
def first_block() -> tuple[Population, Care]:
    """The first block of that city."""
    city = plan_city(3, SIZE, WINDOW)
    block = people(3, city.ground, 0, city.quota(0), WINDOW)
    return block, care(3, city.ground, city.registers, block, WINDOW, city.outbreak)


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    rows_: list[dict[str, Any]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return rows_


def test_onset_comes_before_diagnosis_and_diagnosis_before_the_report(folder: Path) -> None:
    cases = table(folder, "cases")
    assert len(cases) > 3_000
    assert all(case["onset"] <= case["diagnosed"] <= case["reported"] for case in cases)
    waits = Counter((case["reported"] - case["diagnosed"]).days for case in cases)
    assert waits[0] > 0 and waits[1] > 0 and max(waits) >= 3  # late reports are among them
    codes = {row["code"]: row["disease"] for row in rows("notifiable_diseases")}
    assert all(codes[case["icd10"]] == case["disease"] for case in cases)


def test_the_outbreaks_of_the_truth_are_those_of_the_line_list(folder: Path) -> None:
    truth = {one["outbreak"]: one for one in json.loads((folder / "outbreaks.json").read_text("utf-8"))}
    assert set(truth) == {"salmonella-streets", *(row["outbreak"] for row in rows("planted_outbreaks"))}
    found = Counter(case["outbreak"] for case in table(folder, "cases") if case["outbreak"])
    assert {name: one["cases"] for name, one in truth.items() if one["cases"]} == dict(found)
    assert found["influenza-season"] > 200
    sizes = sorted(found.values())
    assert sizes[0] < 20 < sizes[-1]  # of many sizes
    for case in table(folder, "cases"):
        if case["outbreak"]:
            one = truth[case["outbreak"]]
            assert case["street"] in one["streets"] and case["disease"] == one["disease"]
            assert case["onset"] >= date.fromisoformat(one["first_day"]) or (
                one["outbreak"] == "salmonella-streets"
            )


def test_measles_takes_those_without_protection(first_block: tuple[Population, Care]) -> None:
    block, drawn = first_block
    visits = drawn.visits
    measles = (visits.purpose >= PLANTED) & (visits.diagnosis == diagnosis_index("B05.9"))
    assert (drawn.vaccinations.measles_safe[visits.resident[measles]] > visits.detail[measles] - 60).all()
    young = (WINDOW.end - block.birth) / 365.25 < 6
    safe = drawn.vaccinations.measles_safe < WINDOW.end
    assert 0.75 < safe[young].mean() < 0.99


def test_pregnancies_tie_mother_and_child_and_last_as_they_should(folder: Path) -> None:
    pregnancies = table(folder, "pregnancies")
    births = {one["person_id"]: one for one in table(folder, "births")}
    assert 100 < len(pregnancies) <= len(births)
    for one in pregnancies:
        child = births[one["child_id"]]
        assert child["mother_id"] == one["mother_id"]
        assert child["birth_date"] == one["delivered"]
        assert (one["delivered"] - one["last_menstrual_period"]).days == one["gestation_days"]
        assert 196 <= one["gestation_days"] <= 294
    weeks = np.array([one["gestation_days"] for one in pregnancies]) / 7
    assert 38.5 < weeks.mean() < 40
    assert 0.02 < (weeks < 37).mean() < 0.2


def test_antenatal_visits_fall_in_the_norms_weeks_and_some_women_default(folder: Path) -> None:
    visits = Counter(
        (one["mother_id"], one["gestation_days"] // 7) for one in table(folder, "antenatal_visits")
    )
    week = np.array([week for _, week in visits])
    assert week.min() >= 5 and week.max() <= 41
    assert (week < 13).sum() > 50 and ((week >= 28) & (week <= 36)).sum() > 100
    a_woman = Counter(mother for mother, _ in visits)
    whole = [one for one in table(folder, "pregnancies") if one["last_menstrual_period"] > date(2024, 1, 1)]
    kept = [a_woman[one["mother_id"]] for one in whole if not one["defaulter"]]
    left = [a_woman[one["mother_id"]] for one in whole if one["defaulter"]]
    assert np.mean(kept) > 5
    assert not left or np.mean(left) <= 2


def test_children_grow_as_the_standard_s_medians(folder: Path) -> None:
    checks = table(folder, "child_checks")
    assert len(checks) > 1_000
    days = np.array([one["age_days"] for one in checks])
    sex = np.array([0 if one["sex"] == "male" else 1 for one in checks])
    kg, cm = growth(days / 30.4375, sex)
    ratio = np.array([one["weight_kg"] for one in checks]) / kg
    assert abs(np.median(ratio) - 1) < 0.03 and 0.07 < ratio.std() < 0.16
    assert abs(np.median(np.array([one["height_cm"] for one in checks]) / cm) - 1) < 0.02
    assert growth(np.array([24.0]), np.array([0]))[0][0] == pytest.approx(12.2)


def test_doses_keep_to_the_schedule_and_some_children_default(folder: Path) -> None:
    late = 0
    delays: dict[tuple[str, int], list[float]] = {}
    for one in table(folder, "doses"):
        months = [
            row["due_month"]
            for row in rows("vaccines")
            if (row["vaccine"], int(row["dose"])) == (one["vaccine"], one["dose"])
            and (row["born_from"] or "0") <= one["birth_date"].isoformat() <= (row["born_to"] or "9")
        ]
        assert len(months) == 1
        if months[0]:
            delay = (one["given"] - one["birth_date"]).days - float(months[0]) * 30.44
            assert delay > -2.5
            late += delay > 30
            delays.setdefault((one["vaccine"], one["dose"]), []).append(delay)
    assert late > 10
    assert max(np.median(found) for found in delays.values()) < 30
    births = table(folder, "births")
    assert 0.01 < np.mean([one["defaulter"] for one in births]) < 0.3


def test_doses_keep_the_least_intervals(folder: Path) -> None:
    """28 days between doses of one vaccine (polio's two count as one), and between injected live vaccines."""
    by_child: dict[str, list[tuple[str, date]]] = {}
    for one in table(folder, "doses"):
        by_child.setdefault(one["person_id"], []).append((one["vaccine"], one["given"]))
    pairs = 0
    for doses in by_child.values():
        for group in ({"IPV", "BOPV"}, {"DTAP", "DT"}, {"HEPB"}, {"MMR"}, {"JEL"}, {"MENA"}, {"MENAC"}):
            days = sorted(day for vaccine, day in doses if vaccine in group)
            gaps = [gap.days for gap in np.diff(days)]
            pairs += len(gaps)
            assert all(gap >= 28 for gap in gaps), doses
        live = sorted({day for vaccine, day in doses if vaccine in {"BCG", "MMR", "JEL", "HEPA"}})
        assert all(gap.days >= 28 for gap in np.diff(live)), doses
    assert pairs > 500
    apart = {(row["vaccine"], int(row["dose"])): int(row["least_days"] or 0) for row in rows("vaccines")}
    for one in table(folder, "doses"):
        before = [day for vaccine, day in by_child[one["person_id"]] if vaccine == one["vaccine"]]
        gaps = [(one["given"] - day).days for day in before if day < one["given"]]
        assert not gaps or min(gaps) >= apart[one["vaccine"], one["dose"]], one


def test_chronic_patients_come_by_the_quarter_until_they_are_lost(folder: Path) -> None:
    register = {(one["person_id"], one["condition"]): one for one in table(folder, "chronic")}
    assert 0.08 < np.mean([one["lost"] is not None for one in register.values()]) < 0.22
    by_patient: dict[tuple[object, object], list[date]] = {}
    for one in table(folder, "chronic_readings"):
        patient = register[one["person_id"], one["condition"]]
        assert patient["registered"] <= one["visited"]
        assert patient["lost"] is None or one["visited"] < patient["lost"]
        assert 80 <= one["systolic"] <= 230 and 45 <= one["diastolic"] <= 130
        assert (one["glucose"] is not None) == (one["condition"] == "diabetes")
        by_patient.setdefault((one["person_id"], one["condition"]), []).append(one["visited"])
    gaps = [gap.days for seen in by_patient.values() for gap in np.diff(sorted(seen))]
    assert 85 < np.median(gaps) < 98


def test_readings_reach_the_messages(small_city: Path) -> None:
    """Weights, heights, glucose, weeks of pregnancy and pressures are in what FHIR systems send."""
    codes: Counter[str] = Counter()
    for path in (small_city / "inbox").rglob("*.ndjson"):
        text = path.read_text(encoding="utf-8")
        for code in ("29463-7", "8302-2", "14743-9", "18185-9", "85354-9"):
            codes[code] += text.count(f'"code":"{code}"')
    assert min(codes.values()) > 10, codes


def test_the_truth_stands_beside_the_messages(small_city: Path) -> None:
    cases = table(small_city / "truth", "cases")
    residents = {row["resident"] for row in table(small_city / "truth", "persons")}
    assert cases and {case["resident"] for case in cases} <= residents
    outbreaks = json.loads((small_city / "truth" / "outbreaks.json").read_text("utf-8"))
    planted = json.loads((small_city / "truth" / "planted.json").read_text("utf-8"))
    assert outbreaks[0]["first_day"] == planted["outbreak"]["first_day"]
    for path in (small_city / "inbox").rglob("*.ndjson"):
        assert "school-meal" not in path.read_text(encoding="utf-8")


def test_the_programme_does_not_crowd_out_other_visits(first_block: tuple[Population, Care]) -> None:
    _, drawn = first_block
    visits = drawn.visits
    for purpose, code in ((ANTENATAL, "Z34.9"), (CHILD, "Z00.1"), (HYPERTENSION, "I10")):
        mine = visits.purpose == purpose
        assert mine.sum() > 20
        assert {diagnoses()[d].code for d in visits.diagnosis[mine].tolist()} == {code}
        assert (visits.kind[mine] == AMBULATORY).all()
    assert (visits.detail[visits.purpose == 0] == NEVER).all()


def test_series_have_the_columns_of_detect_and_their_truth(folder: Path) -> None:
    series = pcsv.read_csv(folder / "series.csv")
    assert series.column_names == [
        "dataset", "series", "t", "epoch", "epochAsDate", "freq", "start_year", "start_period", "observed",
        "population", "state",
    ]  # fmt: skip
    assert series.num_rows == 60 * 300
    last = max(series["epoch"].to_pylist())
    assert last.isoweekday() == 1 and date(2025, 12, 20) < last < date(2026, 1, 1)
    state = np.array(series["state"]).reshape(60, 300)
    names = series["series"].to_pylist()[::300]
    marked = np.zeros_like(state)
    cases = 0
    for one in table(folder, "series_outbreaks"):
        marked[names.index(one["series"]), one["first_t"] - 1 : one["last_t"]] = 1
        cases += one["cases"]
    assert (marked == state).all()
    assert 0 < state.mean() < 0.15
    observed = np.array(series["observed"]).reshape(60, 300)
    assert observed.min() >= 0 and cases < observed.sum()


def test_the_same_seed_and_any_number_of_processes_give_the_same(folder: Path, tmp_path: Path) -> None:
    window: dict[str, Any] = {"start": date(2024, 1, 1), "end": date(2024, 8, 1), "series": 3, "weeks": 80}
    build_prevention(tmp_path / "one", 3_000, 5, workers=1, **window)
    build_prevention(tmp_path / "two", 3_000, 5, workers=2, **window)
    for name in ALL_SCHEMAS:
        path = f"{name}.csv" if name in PLAIN else f"{name}.parquet"
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), name


def test_the_schedule_s_command_reads_what_is_given(folder: Path) -> None:
    """Every row is sound, and those whom the truth calls defaulters owe more than the others."""
    from salus.prevention.schedule import files
    from salus.prevention.schedule.rules import load_rules

    today = date(2026, 1, 1)
    held = load_rules(today, ("CN",))
    births_file, anchors_file, given_file = (
        folder / f"schedule_{name}.csv" for name in ("births", "anchors", "given")
    )
    read = files.read(births_file, anchors_file, given_file, None, held)
    assert not read.faults
    births = table(folder, "births")
    assert {one["person_id"] for one in births} <= set(read.residents)
    basic = held.only(["MMR", "DTaP", "POLIO"])
    owed = Counter(
        one["person"] for one in files.told(basic, read.residents, today) if one["status"] == "overdue"
    )
    default = [owed[one["person_id"]] for one in births if one["defaulter"] and one["exit"] is None]
    other = [owed[one["person_id"]] for one in births if not one["defaulter"] and one["exit"] is None]
    assert np.mean(default) > 2 * np.mean(other)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"residents": 10, "seed": 1}, "city-size"),
        ({"residents": RESIDENTS, "seed": -1}, "city-seed"),
        ({"residents": RESIDENTS, "seed": SEED, "weeks": 10}, "city-series"),
        ({"residents": RESIDENTS, "seed": SEED, "end": date(2024, 2, 1)}, "city-window"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, options: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        build_prevention(tmp_path / "city", **options)
    assert refused.value.code == code


def test_a_prevention_is_not_written_over_another(folder: Path) -> None:
    with pytest.raises(Invalid, match="already"):
        build_prevention(folder, SIZE, 3)


def test_the_command_prints_its_columns() -> None:
    from salus.city.commands import app

    shown = CliRunner().invoke(app, ["prevention", "--schema"])
    assert shown.exit_code == 0
    assert "dataset, series, t, epoch, epochAsDate, freq" in shown.output
    for name in ALL_SCHEMAS:
        assert name in shown.output
