"""The city's tables are what its messages become: two accounts of the same facts, held against each other."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from salus.city.facts import rate, table
from salus.city.tables.build import build_tables
from salus.city.tables.makers import MAKERS
from salus.kernel import audit
from salus.kernel.errors import Invalid
from salus.record.views import compile_view, library
from tests.city.conftest import RESIDENTS, SEED
from tests.city.test_determinism import digest


@pytest.fixture(scope="session")
def small_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of the small city."""
    folder = tmp_path_factory.mktemp("city") / "tables"
    build_tables(folder, RESIDENTS, SEED)
    return folder


@pytest.fixture
def stored(db: None, small_city: Path, tmp_path: Path, settings: Any) -> Iterator[list[str]]:
    """The record's resources after the small city's messages have come in through their connectors."""
    from django.db import connection

    from salus.connect.files import find_files
    from salus.connect.loading import load_file
    from salus.connect.models import SourceSystem
    from salus.connect.sources import import_sources

    if connection.vendor != "sqlite":
        pytest.skip("minutes long; that both databases store the same is held by the store's own tests")
    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()
    import_sources(small_city / "sources.toml")
    for source in SourceSystem.objects.all():
        for path in find_files([small_city / "inbox" / source.code])[0]:
            load_file(source, path)
    with connection.cursor() as cursor:
        cursor.execute("select body from record_resource where version > 0")
        bodies = [bytes(body).decode() for (body,) in cursor.fetchall() if body]
    yield bodies
    audit.close()


@pytest.mark.django_db(databases=["default", "audit"])
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_messages_and_tables_say_the_same(stored: list[str], small_tables: Path) -> None:
    """Every table, every column, every row: no exception is made.

    Repeated, malformed and late messages, merges and a second chart of the same resident are among them.
    """
    engine = duckdb.connect()
    engine.register("resources", pa.table({"body": stored}))
    for name in library.names():
        sent = compile_view(library.view(name), strict=True).sql("resources")
        if name not in MAKERS:
            assert engine.execute(f"select count(*) from ({sent})").fetchone() == (0,), name
            continue
        engine.execute(f"create table {name} as {sent}")
        made = f"read_parquet('{small_tables}/tables/{name}/*.parquet')"
        assert engine.execute(f"select count(*) from {name}").fetchone() == (
            engine.execute(f"select count(*) from {made}").fetchone()
        ), name
        for one, other in ((name, made), (made, name)):
            columns = ", ".join(column["name"] for column in library.columns(library.view(name)))
            rest = engine.execute(
                f"select {columns} from {one} except all select {columns} from {other} limit 3"
            ).fetchall()
            assert not rest, f"{name}: only in {one}: {rest}"


def test_the_truth_is_the_messages_truth(small_city: Path, small_tables: Path) -> None:
    sent = pq.read_table(small_city / "truth" / "patients.parquet").to_pylist()
    made = pq.read_table(small_tables / "truth" / "patient").to_pylist()
    keys = ("source", "patient", "resident", "desk", "errors", "merged_into")
    assert Counter(tuple(row[k] for k in keys) for row in sent) == Counter(
        tuple(row[k] for k in keys) for row in made
    )
    persons = pq.read_table(small_city / "truth" / "persons.parquet")
    assert pq.read_table(small_tables / "truth" / "persons").equals(persons)


def test_the_truth_stands_in_the_order_of_the_rows(small_tables: Path) -> None:
    for path in sorted((small_tables / "tables" / "patient").iterdir()):
        rows = pq.read_table(path, columns=["patient_id"])
        truth = pq.read_table(small_tables / "truth" / "patient" / path.name, columns=["patient_id"])
        assert rows.equals(truth)


def test_neither_processes_nor_parts_change_the_tables(tmp_path: Path) -> None:
    """Two processes write the same bytes as one; a file of three blocks holds the rows of three files."""
    from datetime import date

    window = {"start": date(2024, 1, 1), "end": date(2024, 8, 1)}
    build_tables(tmp_path / "one", 6_000, 5, workers=1, part=1, **window)
    build_tables(tmp_path / "two", 6_000, 5, workers=2, part=1, **window)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert len(list((tmp_path / "one" / "tables" / "patient").iterdir())) == 3
    build_tables(tmp_path / "whole", 6_000, 5, **window)
    for name in MAKERS:
        one, whole = (pq.read_table(tmp_path / city / "tables" / name) for city in ("one", "whole"))
        assert one.equals(whole), name


def test_tables_have_the_library_s_columns_and_types(small_tables: Path) -> None:
    engine = duckdb.connect()
    engine.register("resources", pa.table({"body": pa.array([], type=pa.string())}))
    for name in MAKERS:
        columns = [column["name"] for column in library.columns(library.view(name))]
        assert pq.read_schema(small_tables / "tables" / name / "part-00000.parquet").names == columns
        sent = compile_view(library.view(name)).sql("resources")
        made = f"select * from read_parquet('{small_tables}/tables/{name}/*.parquet')"
        types = [
            [(row[0], row[1]) for row in engine.execute(f"describe {query}").fetchall()]
            for query in (sent, made)
        ]
        assert types[0] == types[1], name


def test_a_share_of_the_records_keeps_the_errors_rates(tmp_path: Path) -> None:
    """Three records a resident, drawn from all systems, err as often as the rules say."""
    written = build_tables(tmp_path / "city", 10_000, 2, only=["patient"], records=30_000)
    assert written.records == pytest.approx(30_000, rel=0.03)
    assert written.tables == {"patient": written.records}
    truth = pq.read_table(tmp_path / "city" / "truth" / "patient").to_pylist()
    usual = [row for row in truth if row["desk"][0] in "tscxv" and "newborn" not in row["errors"]]
    assert len(usual) > 15_000
    for error in ("name_homophone", "name_pinyin", "phone_changed", "phone_relative", "address_missing"):
        found = sum(error in row["errors"].split() for row in usual) / len(usual)
        assert found == pytest.approx(rate("identity_errors", error), rel=0.15), error
    residents = Counter(row["resident"] for row in truth)
    assert 2.5 < sum(residents.values()) / len(residents) < 3.6
    patients = tmp_path / "city" / "tables" / "patient"
    names = Counter(
        row["family_name"] for row in pq.read_table(patients, columns=["family_name"]).to_pylist()
    )
    del names[None]
    first = table("surnames", "percent")[:, 0]
    assert names["王"] / names.total() == pytest.approx(first[0] / first.sum(), rel=0.2)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"only": ["claims"]}, "city-table"),
        ({"only": ["encounter"], "records": 10}, "city-records"),
        ({"records": 10}, "city-records"),
        ({"records": -1, "only": ["patient"]}, "city-records"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, options: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        build_tables(tmp_path / "city", 1_000, 1, **options)
    assert refused.value.code == code
    assert not (tmp_path / "city").exists()


def test_tables_are_not_written_over_a_city(small_city: Path, small_tables: Path) -> None:
    for folder in (small_city, small_tables):
        with pytest.raises(Invalid, match="city already"):
            build_tables(folder, RESIDENTS, SEED)
