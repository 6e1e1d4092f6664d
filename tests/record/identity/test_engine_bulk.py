"""Linking whole tables: set-wise forms, pruned weights and joining give what the plain ways give."""

import random
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from salus.engine import spark_session
from salus.record.identity.engine import batch, blocks, bulk, cluster, files, quality
from salus.record.identity.engine.resident import SCHEMA
from salus.record.identity.engine.resident_id import check_character
from salus.record.identity.engine.schema import Field, LinkSchema
from salus.record.identity.engine.setwise import SetWise
from salus.record.identity.engine.weights import Model, Scorer, Shared
from salus.record.identity.weighing import _SHIPPED, HOUSEHOLD
from tests.engine.parity import SMALL, on_spark
from tests.record.identity.population import population

TODAY = date(2026, 6, 30)
ODD = LinkSchema(
    (
        Field("id", "id"), Field("src", "source"), Field("name", "full_name"), Field("born", "birth_date"),
        Field("sex", "sex"), Field("call", "phone"), Field("number", "resident_id"),
        Field("card", "identifier"),
        Field("home", "address"), Field("town", "place"), Field("zip", "postal_code"),
    )
)  # fmt: skip
PARTS = LinkSchema((Field("id", "id"), Field("given", "given_name"), Field("family", "family_name")))
BITS = st.sampled_from(
    (
        "王 张 欧阳 单 明 伟 · • ａ Ａ１ 0 1 3 8 9 86 0086 + - / 年 月 日 X x ü é ' , . 省 市 区"
        " 号楼 幢 栋 单元 室 門 中国 自治区"
        " 无 不详 unknown NA Wang ouyang xiao # 1980-02-03 19800203 3301061980 天 㐀 豈 𠀀 ß İ"
    ).split()
    + [" ", "\t", "", "\u3000"]
)  # fmt: skip
TEXTS = st.lists(BITS, max_size=7).map("".join)
REGIONS = st.sampled_from(["330106", "990106", "110101"])
NUMBERS = st.tuples(REGIONS, st.integers(18600101, 20301301), st.integers(0, 999)).map(
    lambda p: (body := f"{p[0]}{p[1]}{p[2]:03d}") + check_character(body)
)
ANY = st.one_of(
    TEXTS,
    NUMBERS,
    NUMBERS.map(lambda n: n[:6] + n[8:17]),
    st.text(max_size=12),
    st.from_regex(r"1[3-9]\d{9}|(0571-)?\d{7,8}", fullmatch=True),
    st.from_regex(
        r"(浙江省)?(杭州市)?西湖区文[一二]路\d{1,3}号\d{1,2}(栋|幢|号楼)\d单元\d{3}室?", fullmatch=True
    ),
)


def _setwise(schema: LinkSchema, rows: list[list[str]]) -> list[dict[str, str | None]]:
    con = duckdb.connect()
    names = [f.column for f in schema.fields]
    con.register(
        "raw", pa.table({n: pa.array([r[i] for r in rows], pa.string()) for i, n in enumerate(names)})
    )
    query = SetWise(con, schema, "(select row_number() over () as rid, * from raw)", today=TODAY).query(
        also=["rid"]
    )
    table = con.sql(f"select * from ({query}) order by rid").to_arrow_table().drop_columns(["rid"])
    con.close()
    found: list[dict[str, str | None]] = table.to_pylist()
    return found


@given(st.lists(st.lists(ANY, min_size=10, max_size=10), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_a_table_is_normalised_as_its_rows_would_be(values: list[list[str]]) -> None:
    rows = [[str(i), *row] for i, row in enumerate(values)]
    one = ODD.normaliser(TODAY)
    assert _setwise(ODD, rows) == [one(row) for row in rows]


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20))
@settings(max_examples=8, deadline=None)
def test_names_in_parts_too(values: list[tuple[str, str]]) -> None:
    rows = [[str(i), *row] for i, row in enumerate(values)]
    one = PARTS.normaliser(TODAY)
    assert _setwise(PARTS, rows) == [one(row) for row in rows]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(_SHIPPED)


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return batch.table(SCHEMA, population(500, 5), today=TODAY)


def _pairs(
    people: pa.Table, model: Model, shared: Shared | None, least: float
) -> tuple[dict[tuple[str, str], float], bulk.Bulk]:
    ids = people["unique_id"].to_pylist()
    low = Model(model.m, model.u, model.prior, least, model.terms, model.rare, model.splink)
    limits = bulk.Limits(block=10_000)
    with bulk.workspace(limits) as (con, folder):
        con.register("records", people.append_column("rid", pa.array(range(len(people)), pa.int32())))
        layout = bulk.Layout.of(SCHEMA)
        linking = bulk.Linking(con, folder, layout, low, limits=limits, shared=shared)
        done = linking.run(calibrate=False, rules=blocks.of_model(model.splink))
        rows = con.sql(f"select rid_l, rid_r, weight from '{folder}/pairs-*.parquet'").fetchall()
    return {(min(ids[a], ids[b]), max(ids[a], ids[b])): w for a, b, w in rows}, done


def test_pruned_weights_are_splinks(people: pa.Table, model: Model) -> None:
    """Every pair that Splink's prediction gives from the cut up, with its weight, and no other.

    But for pairs that are never weighed: with two valid numbers, unless their number is one.
    """
    number = dict(zip(people["unique_id"].to_pylist(), people["strong_id"].to_pylist(), strict=True))
    found, _ = _pairs(people, model, None, -3.0)
    table, weights = batch.candidates(model, people, at_least=-3.0)
    pairs = zip(table["unique_id_l"].to_pylist(), table["unique_id_r"].to_pylist(), strict=True)
    expected = {
        (min(a, b), max(a, b)): w
        for (a, b), w in zip(pairs, weights, strict=True)
        if not (number[a] and number[b])
    }
    mine = {pair: w for pair, w in found.items() if not (number[pair[0]] and number[pair[1]])}
    assert len(expected) > 500
    assert {p for p, w in expected.items() if abs(w + 3) > 1e-5} == {
        p for p, w in mine.items() if abs(w + 3) > 1e-5
    }
    assert all(mine[p] == pytest.approx(expected[p], abs=2e-6) for p in mine)


def test_what_a_household_shares_counts_once_as_for_arriving_records(people: pa.Table, model: Model) -> None:
    """The scorer of arriving records and the query agree, where the frequencies do."""
    rows = {r["unique_id"]: r for r in people.to_pylist()}
    alone = Model(model.m, model.u, model.prior, -3.0, {}, {}, model.splink)
    scorer = Scorer(alone, SCHEMA.comparisons(), HOUSEHOLD)
    for comparison in alone.splink["comparisons"]:
        assert {x.get("tf_adjustment_weight", 1.0) for x in comparison["comparison_levels"]} == {1.0}
    plain = {**model.splink, "comparisons": [
        {**c, "comparison_levels": [
            {k: v for k, v in x.items() if k != "tf_adjustment_column"} for x in c["comparison_levels"]
        ]} for c in model.splink["comparisons"]
    ]}  # fmt: skip
    found, _ = _pairs(people, Model(model.m, model.u, model.prior, -3.0, splink=plain), HOUSEHOLD, -3.0)
    assert len(found) > 300
    for (a, b), weight in found.items():
        assert scorer.weight(rows[a], rows[b]) == pytest.approx(weight, abs=1e-4)


@given(
    st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13), st.integers(-2, 9)), max_size=40),
    st.lists(st.sampled_from([0, 0, 7, 8, 9]), min_size=14, max_size=14),
    st.lists(st.integers(1, 2), min_size=14, max_size=14),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_joining_arrays_is_joining_pair_by_pair(
    drawn: list[tuple[int, int, int]], strong: list[int], like: list[int], sources: bool
) -> None:
    numbers, likeness = np.array(strong, dtype=np.int64), np.array(like, dtype=np.uint64)
    source = np.array([i % 5 for i in range(14)], dtype=np.int64) if sources else None
    first, _ = cluster.tiers(numbers, likeness)
    if sources:
        first = np.arange(14, dtype=np.int32)
    drawn = [(min(a, b), max(a, b), w) for a, b, w in drawn if a != b]
    pairs = sorted({(a, b): w for a, b, w in drawn}.items(), key=lambda p: (-p[1], p[0]))
    left, right = (np.array([p[0][i] for p in pairs], dtype=np.int32) for i in (0, 1))
    weight = np.array([p[1] for p in pairs], dtype=np.float64)
    joined = cluster.join_arrays(first, left, right, weight, strong=numbers, source=source)
    before = [(int(first[i]), i) for i in range(14) if first[i] != i]
    plain = cluster.join(
        14,
        [*before, *(p for p, _ in pairs)],
        strong=[str(s) if s else None for s in strong],
        one_each=[str(s) for s in source.tolist()] if source is not None else (),
    )
    assert joined.label.tolist() == plain.label
    for number in (7, 8, 9):
        for label in set(joined.label[numbers == number].tolist()):
            assert set(numbers[joined.label == label].tolist()) <= {0, number}


def test_one_number_with_one_name_is_one_before_anything_is_weighed() -> None:
    strong = np.array([5, 0, 5, 5, 6, 5, 6], dtype=np.int64)
    like = np.array([1, 1, 2, 1, 1, 3, 2], dtype=np.uint64)
    first, doubtful = cluster.tiers(strong, like)
    assert first.tolist() == [0, 1, 2, 0, 4, 5, 6]
    assert doubtful.tolist() == [2, 5, 6]  # the larger group, or the one that begins first, is not in doubt


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two Parquet files of people; the column `who` is the truth."""
    folder = tmp_path_factory.mktemp("people")
    rows = population(900, 11)
    names = [f.column for f in SCHEMA.fields]
    table = pa.table({n: [r[i] for r in rows] for i, n in enumerate(names)})
    table = table.rename_columns(
        ["record_id", "name", "birth_date", "sex", "phone", "resident_id", "address"]
    )
    table = table.append_column("who", pa.array([int(r[0].split("-")[0]) for r in rows]))
    pq.write_table(table.slice(0, 1000), folder / "a.parquet")
    pq.write_table(table.slice(1000), folder / "b.parquet")
    return folder


def _renamed(model: Model) -> Model:
    """Return the model of arriving records for tables whose columns have other names."""
    import json

    text = json.dumps(model.splink, ensure_ascii=False)
    for old, new in (("birth", "birth_date"), ("number", "resident_id")):
        text = text.replace(f'\\"{old}_l', f'\\"{new}_l').replace(f'\\"{old}_r', f'\\"{new}_r')
        text = text.replace(f'"output_column_name": "{old}"', f'"output_column_name": "{new}"')
        text = text.replace(f'"tf_adjustment_column": "{old}"', f'"tf_adjustment_column": "{new}"')
    return Model.from_splink(json.loads(text))


def test_files_are_linked_well_and_the_same_each_time(city: Path, model: Model, tmp_path: Path) -> None:
    how = {"today": TODAY, "truth": "who"}
    done = files.link(city, tmp_path / "one.parquet", _renamed(model), **how)
    again = files.link(city, tmp_path / "two.parquet", _renamed(model), **how)
    assert done.quality is not None and again.bulk.label.tolist() == done.bulk.label.tolist()
    assert done.quality.precision >= 0.995 and done.quality.recall >= 0.97
    out = pq.read_table(tmp_path / "one.parquet")
    records = pa.concat_tables(pq.read_table(f) for f in files.parquet_files(city))
    assert out["record_id"].to_pylist() == records["record_id"].to_pylist()
    counted = quality.pairwise(out["cluster_id"].to_pylist(), records["who"].to_pylist())
    assert counted == done.quality
    held: dict[str, str] = {}
    one = SCHEMA.normaliser(TODAY)
    rows = zip(*(records[c].to_pylist() for c in records.column_names[:7]), strict=True)
    for row, label in zip(rows, out["cluster_id"].to_pylist(), strict=True):
        if number := one(row)["strong_id"]:
            assert held.setdefault(label, number) == number


def test_a_value_that_too_many_share_is_left_out(city: Path, model: Model, tmp_path: Path) -> None:
    table = pa.concat_tables(pq.read_table(f) for f in files.parquet_files(city))
    r = random.Random(1)
    phones = ["0571-88886666" if r.random() < 0.6 else p for p in table["phone"].to_pylist()]
    table = table.set_column(table.column_names.index("phone"), "phone", pa.array(phones))
    pq.write_table(table, tmp_path / "in.parquet")
    limits = bulk.Limits(block=300)
    done = files.link(
        tmp_path / "in.parquet",
        tmp_path / "o.parquet",
        _renamed(model),
        today=TODAY,
        truth="who",
        limits=limits,
    )
    assert done.quality is not None and done.quality.precision >= 0.995
    assert all(name != "phone" for name, _ in done.bulk.rules) or done.bulk.left_out >= 1


def _some(city: Path, persons: int) -> pa.Table:
    """Return all records of the first persons."""
    table = pa.concat_tables(pq.read_table(f) for f in files.parquet_files(city))
    return table.filter(pc.less(table["who"], persons))


without_spark = pytest.mark.skipif(
    bool(spark_session.why_missing()), reason=f"Spark is not compared: {spark_session.why_missing()}"
)


@without_spark
@on_spark
def test_spark_gives_the_pairs_and_clusters_of_duckdb(city: Path, model: Model, tmp_path: Path) -> None:
    """The same model file on both engines; the addresses are Chinese, the names partly unusual."""
    from salus.record.identity.engine.spark import SparkWeigher

    _renamed(model).save(tmp_path / "m.json")
    same = Model.load(tmp_path / "m.json")
    pq.write_table(_some(city, 300), tmp_path / "in.parquet")
    rules = [
        blocks.Rule(("phone",), 0),
        blocks.Rule(("family", "birth_date:year"), 0),
        blocks.Rule(("address",), 0),
        blocks.Rule(("sex",), 0),
    ]

    def linked(weigher: bulk.Weigher | None) -> tuple[dict[tuple[int, int], float], bulk.Bulk]:
        limits = bulk.Limits(block=20)
        with bulk.workspace(limits) as (con, folder):
            table = files.open_parquet(con, tmp_path / "in.parquet")
            files.normalise(con, folder, table, today=TODAY)
            layout, house = bulk.Layout.of(table.schema), files.household(table.schema)
            link = bulk.Linking(con, folder, layout, same, shared=house, limits=limits, weigher=weigher)
            done = link.run(rules=rules)
            rows = con.sql(f"select rid_l, rid_r, weight from '{folder}/pairs-*.parquet'").fetchall()
        return {(a, b): w for a, b, w in rows}, done

    pairs, here = linked(None)
    with SparkWeigher(url="local[2]", memory="1GB", settings=SMALL) as weigher:
        others, there = linked(weigher)
    assert len(pairs) > 300 and 250 < here.persons < 350 and here.left_out == there.left_out >= 2
    assert all(n > 0 for _, n in here.rules[:3])
    assert others.keys() == pairs.keys()
    assert all(others[p] == pytest.approx(pairs[p], abs=1e-9) for p in pairs)
    assert here.label.tolist() == there.label.tolist()
    assert (here.prior, here.threshold, here.rules) == (there.prior, there.threshold, there.rules)


def test_spark_computes_the_distances_of_duckdb() -> None:
    """In the bytes of Chinese text as in ASCII, and nulls stay null."""
    from salus.record.identity.engine.spark import damerau_levenshtein, jaro_winkler_similarity

    texts = ["", "a", "ab", "ba", "abc", "ca", "王", "李", "王李", "李王", "文一路12号", "文二路12号",
             "文一路21号", "解放路1号", "解放街1号", "𠀀一", "é", None]  # fmt: skip
    pairs = [(a, b) for a in texts for b in texts]
    con = duckdb.connect()
    con.register("p", pa.table({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}))
    rows = con.sql("select a, b, jaro_winkler_similarity(a, b), damerau_levenshtein(a, b) from p").fetchall()
    con.close()
    for a, b, alike, distance in rows:
        assert jaro_winkler_similarity(a, b) == (None if alike is None else pytest.approx(alike, abs=1e-9))
        assert damerau_levenshtein(a, b) == (None if distance is None else min(distance, 3))


@without_spark
@on_spark
def test_the_command_links_a_csv_file_on_spark_as_on_duckdb(
    city: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from salus.record.identity import commands
    from salus.record.identity.engine import spark

    class Small(spark.SparkWeigher):
        """With the settings of the session that the other tests have open."""

        def __init__(self, **how: str) -> None:
            super().__init__(**how, settings=SMALL)

    monkeypatch.setattr(spark, "SparkWeigher", Small)
    app = typer.Typer()
    commands.add_to(app)
    _renamed(model).save(tmp_path / "m.json")
    table = _some(city, 60)
    pacsv.write_csv(table.drop_columns(["who"]), tmp_path / "in.csv")
    for engine in ("duckdb", "spark"):
        asked = ["link", str(tmp_path / "in.csv"), "-o", str(tmp_path / f"{engine}.csv")]
        asked += ["--model", str(tmp_path / "m.json"), "--engine", engine, "--master", "local[2]"]
        run = CliRunner().invoke(app, asked)
        assert run.exit_code == 0, run.exception
    found = [(tmp_path / f"{engine}.csv").read_text(encoding="utf-8") for engine in ("duckdb", "spark")]
    assert found[0] == found[1]
    clusters = [line.split(",")[1] for line in found[0].splitlines()[1:]]
    assert len(clusters) == len(table) and 50 < len(set(clusters)) < 70


def test_the_command_links_parquet_and_reports_its_quality(city: Path, model: Model, tmp_path: Path) -> None:
    from salus.record.identity.commands import add_to

    app = typer.Typer()
    add_to(app)
    app.command("other")(lambda: None)
    _renamed(model).save(tmp_path / "m.json")
    asked = [
        "link",
        str(city),
        "-o",
        str(tmp_path / "o.csv"),
        "--model",
        str(tmp_path / "m.json"),
        "--truth",
        "who",
    ]
    run = CliRunner().invoke(app, asked)
    assert run.exit_code == 0, run.exception
    assert "precision 1.0000" in run.output or "precision 0.99" in run.output
    lines = (tmp_path / "o.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 1500 and lines[0].replace('"', "") == "record_id,cluster_id"
    bad = CliRunner().invoke(app, [*asked, "--engine", "abacus"])
    assert getattr(bad.exception, "code", "") == "link-engine"
    bad = CliRunner().invoke(app, [*asked[:-1], "nowhere"])
    assert getattr(bad.exception, "code", "") == "link-truth"


def test_twice_the_same_id_is_refused(city: Path, model: Model, tmp_path: Path) -> None:
    from salus.kernel.errors import Invalid

    part = pq.read_table(city / "a.parquet").slice(0, 50)
    pq.write_table(pa.concat_tables([part, part]), tmp_path / "in.parquet")
    with pytest.raises(Invalid) as refused:
        files.link(tmp_path / "in.parquet", tmp_path / "o.parquet", _renamed(model), today=TODAY)
    assert refused.value.code == "link-ids"
