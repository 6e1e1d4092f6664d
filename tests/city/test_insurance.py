"""The city's insurance: agrees with the city, adds up, and is adjudicated without complaint."""

from datetime import date
from hashlib import blake2b
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from salus.city.blocks import plan_city
from salus.city.insurance.building import build_insurance
from salus.city.insurance.tables import SCHEMAS
from salus.city.people import Window, people
from salus.insurance.adjudication import adjudicate_batch, load_rules
from salus.insurance.adjudication.tables import INPUTS
from salus.kernel.errors import Invalid

RESIDENTS, SEED = 5_000, 11


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("insurance") / "planted"
    build_insurance(folder, RESIDENTS, SEED)
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("insurance") / "clean"
    build_insurance(folder, 2_000, SEED, fraud=False)
    return folder


def rows(sql: str) -> list[tuple]:  # type: ignore[type-arg]
    return duckdb.sql(sql).fetchall()


def test_the_people_are_those_of_the_city(city: Path) -> None:
    shared = plan_city(SEED, RESIDENTS, Window.of(date(2024, 1, 1), date(2026, 1, 1)))
    block = people(SEED, shared.ground, 0, shared.quota(0), shared.window)
    told = rows(f"select sex, birth_date, resident from '{city}/persons.parquet' limit {len(block)}")
    epoch = date(1970, 1, 1).toordinal()
    assert [t[0] == "female" for t in told] == [bool(s) for s in block.sex.tolist()]
    assert [t[1].toordinal() - epoch for t in told] == block.birth.tolist()
    assert told[7][2] == block.code(7)


def test_money_adds_up(city: Path) -> None:
    wrong = rows(
        f"""select count(*) from (select claim_id, sum(charge) as billed from '{city}/claim_lines.parquet'
        group by claim_id) l right join '{city}/claims.parquet' c using (claim_id)
        where l.billed is distinct from c.charge"""
    )
    assert wrong == [(0,)]
    lines = f"'{city}/claim_lines.parquet'"
    off = rows(f"select count(*) from {lines} where abs(charge - quantity * unit_price) > 0.5 or charge <= 0")
    assert off == [(0,)]
    cases = rows(
        f"""select count(*), count(*) filter (where k.charge = c.charge and k.dx = c.diagnoses
        and k.pr = c.procedures)
        from '{city}/cases.parquet' k join '{city}/claims.parquet' c using (claim_id)"""
    )
    assert cases[0][0] == cases[0][1] > 0


def test_the_catalogue_has_what_was_asked(city: Path) -> None:
    counts = dict(rows(f"select kind, count(*) from '{city}/catalogue.parquet' group by kind"))
    assert counts["service"] == 1594
    assert 850 <= counts["medicine"] <= 950 and counts["material"] > 100
    names = rows(f"select count(distinct item), count(*) from '{city}/catalogue.parquet'")
    assert names[0][0] == names[0][1]
    dearer = rows(
        f"""select count(*) from '{city}/catalogue.parquet'
        where ceiling_1 > ceiling_2 or ceiling_2 > ceiling_3"""
    )
    assert dearer == [(0,)]


def test_rates_are_those_of_a_city(city: Path) -> None:
    (stays, visits, persons), = rows(
        f"""select count(*) filter (where kind = 'inpatient'), count(*) filter (where kind <> 'inpatient'),
        (select count(*) from '{city}/persons.parquet') from '{city}/claims.parquet'"""
    )  # fmt: skip
    assert 0.12 < stays / persons < 0.28, "discharges a resident: 0.21 in the bulletin of 2023"
    assert 2 < visits / persons < 4
    ((mean, middle),) = rows(f"select avg(charge) / 100, median(charge) / 100 from '{city}/cases.parquet'")
    assert 5_000 < mean < 14_000, "10,300 yuan a stay in the bulletin of 2023"
    assert middle < mean, "costs are skewed to the right"
    ((premium, year),) = rows(
        f"""select min(own + aid), min(year) from '{city}/premiums.parquet'
        where scheme = 'resident' and not lapsed"""
    )
    assert (premium, year) == (40_000, 2025), "400 yuan, the standard of 2025"


def test_clean_claims_pass_nearly_all_edits_and_the_tables_are_the_adjudicators(clean: Path) -> None:
    names = (
        "claims", "claim_lines", "catalogue", "institutions", "persons", "coverage", "statuses",
        "registrations",
    )  # fmt: skip
    tables = {name: INPUTS[name].conform(pq.read_table(clean / f"{name}.parquet")) for name in names}
    day = date(2026, 6, 1)
    done = adjudicate_batch(tables, load_rules(as_of=day), as_of=day)
    outcomes = done.claims.column("outcome").to_pylist()
    assert outcomes.count("paid") / len(outcomes) > 0.985
    assert outcomes.count("returned") == 0, "nothing that the till would send back"
    found = set(done.findings.column("code").to_pylist())
    unexpected = found & {"item-unknown", "licence-scope", "item-sex", "service-price", "duplicate-line"}
    assert not unexpected
    assert pq.read_metadata(clean / "truth" / "fraud.parquet").num_rows == 0


def test_what_was_planted_is_in_the_claims(city: Path) -> None:
    planted = dict(
        rows(f"select kind, count(distinct claim_id) from '{city}/truth/fraud.parquet' group by kind")
    )
    assert len(planted) >= 9
    stray = rows(
        f"""select count(*) from '{city}/truth/fraud.parquet'
        anti join '{city}/claims.parquet' using (claim_id)"""
    )
    assert stray == [(0,)]
    false = rows(
        f"""select count(*) from '{city}/truth/fraud.parquet' t join '{city}/truth/coding.parquet' k
        using (claim_id) join '{city}/claims.parquet' c using (claim_id)
        where t.kind = 'upcoding' and len(c.diagnoses) <= len(k.secondary) + 1
          and len(list_filter(c.diagnoses, lambda x: not list_contains(k.secondary, x))) < 2"""
    )
    assert false == [(0,)], "an upcoded claim names a diagnosis that was not there"
    dead = rows(
        f"""select count(*), count(*) filter (where c.admitted > p.death_date)
        from '{city}/truth/fraud.parquet' t join '{city}/claims.parquet' c using (claim_id)
        join '{city}/persons.parquet' p using (person_id) where t.kind = 'after_death'
        and p.death_date is not null"""
    )
    assert dead[0][0] == dead[0][1]


def digest(folder: Path) -> str:
    state = blake2b()
    for path in sorted(folder.rglob("*.parquet")):
        state.update(str(pq.read_table(path).to_pydict()).encode())
    return state.hexdigest()


def test_workers_and_runs_change_nothing_and_seeds_do(tmp_path: Path) -> None:
    window = {"start": date(2025, 1, 1), "end": date(2025, 8, 1), "since": date(2025, 5, 1)}
    build_insurance(tmp_path / "one", 3_000, 5, workers=1, **window)  # type: ignore[arg-type]
    build_insurance(tmp_path / "two", 3_000, 5, workers=2, **window)  # type: ignore[arg-type]
    build_insurance(tmp_path / "other", 3_000, 6, **window)  # type: ignore[arg-type]
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "other")
    first = rows(f"select min(discharged), max(discharged) from '{tmp_path}/one/claims.parquet'")[0]
    assert date(2025, 5, 1) <= first[0] and first[1] < date(2025, 8, 1)


def test_every_table_is_written(city: Path) -> None:
    for name in (*SCHEMAS, "catalogue", "institutions"):
        assert pq.read_metadata(city / f"{name}.parquet").num_rows > 0, name


def test_a_folder_with_an_insurance_and_bad_sizes_are_refused(city: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="already"):
        build_insurance(city, RESIDENTS, SEED)
    with pytest.raises(Invalid, match="residents"):
        build_insurance(tmp_path, 10, SEED)
    with pytest.raises(Invalid, match="inside"):
        build_insurance(tmp_path, 5_000, SEED, since=date(2027, 1, 1))
