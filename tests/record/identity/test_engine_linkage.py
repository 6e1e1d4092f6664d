"""The engine links people it has no labels for, and keeps its constraints."""

import csv
import random
import string
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from salus.record.identity.engine import batch, quality
from salus.record.identity.engine.cluster import join
from salus.record.identity.engine.resident_id import check_character
from salus.record.identity.engine.schema import Field, LinkSchema, read_csv
from salus.record.identity.engine.strings import damerau_within, jaro_winkler
from salus.record.identity.engine.weights import Model, Scorer

TODAY = date(2026, 6, 30)
WORDS = st.text(alphabet="abcdeéwz12张伟𠀀", max_size=9) | st.text(alphabet="ab文一二", max_size=5)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_python_and_duckdb_agree_on_distances(pairs: list[tuple[str, str]]) -> None:
    con = duckdb.connect()
    con.register("p", pa.table({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}))
    rows = con.sql("select a, b, jaro_winkler_similarity(a, b), damerau_levenshtein(a, b) from p").fetchall()
    con.close()
    for a, b, alike, distance in rows:
        assert jaro_winkler(a, b) == pytest.approx(alike, abs=1e-9)
        assert [damerau_within(a, b, n) for n in (1, 2)] == [distance <= 1, distance <= 2]


SCHEMA = LinkSchema(
    (
        Field("id", "id"),
        Field("name", "full_name"),
        Field("born", "birth_date"),
        Field("sex", "sex"),
        Field("phone", "phone"),
        Field("number", "resident_id"),
        Field("home", "address"),
    )
)
FAMILIES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高"
GIVENS = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂香鹏飞建国华玉梅红志文博宇欣怡子涵"


def people(n: int, seed: int) -> list[list[str]]:
    """Return n persons, each with one to three records with slips; the id begins with the person's number."""
    r = random.Random(seed)
    rows = []
    for person in range(n):
        name = r.choice(FAMILIES) + r.choice(GIVENS) + r.choice(GIVENS + " " * 20).strip()
        born = date(1930, 1, 1).toordinal() + r.randrange(34000)
        day = date.fromordinal(born)
        first17 = f"330106{day:%Y%m%d}{r.randrange(1, 999):03d}"
        number = first17 + check_character(first17)
        sex = "男" if int(first17[16]) % 2 else "女"
        phone = "13" + "".join(r.choices(string.digits, k=9))
        street = f"文{r.choice('一二三四五六')}路{r.randrange(1, 200)}号"
        home = f"{street}{r.randrange(1, 9)}单元{r.randrange(101, 2000)}室"
        for copy in range(r.choice((1, 2, 2, 3))):
            shown, when, call = name, f"{day:%Y%m%d}", phone
            if copy and r.random() < 0.3:
                slip = r.randrange(3)
                if slip == 0:
                    shown = name[0] + r.choice(GIVENS)
                elif slip == 1:
                    at = r.randrange(8)
                    when = when[:at] + r.choice(string.digits) + when[at + 1 :]
                else:
                    call = "13" + "".join(r.choices(string.digits, k=9))
            shown_number = number if r.random() < 0.5 else ""
            rows.append([f"{person}-{copy}", shown, when, sex, call, shown_number, home])
    r.shuffle(rows)
    return rows


@pytest.fixture(scope="module")
def linked() -> tuple[pa.Table, Model, batch.Linked]:
    table = batch.table(SCHEMA, people(700, 1), today=TODAY)
    model = batch.train(SCHEMA, table)
    return table, model, batch.link_batch(table, model)


def test_chinese_names_link_without_labels(linked: tuple[pa.Table, Model, batch.Linked]) -> None:
    found = linked[2]
    score = quality.pairwise(found.clusters, [i.split("-")[0] for i in found.ids])
    assert score.precision >= 0.995 and score.recall >= 0.98


def test_one_arriving_record_gets_the_weight_of_the_batch(
    linked: tuple[pa.Table, Model, batch.Linked], tmp_path: Path
) -> None:
    """The scorer for arriving records and Splink's SQL give a pair the same weight."""
    table, model, _ = linked
    model.save(tmp_path / "m.json")
    again = Model.load(tmp_path / "m.json")
    scorer = Scorer(again, SCHEMA.comparisons())
    rows = {r["unique_id"]: r for r in table.to_pylist()}
    pairs, weights = batch.candidates(again, table)
    checked = 0
    ends = (pairs[c].to_pylist()[:400] for c in ("unique_id_l", "unique_id_r"))
    for a, b, weight in zip(*ends, weights[:400], strict=True):
        left, right = rows[a], rows[b]
        common = all(
            left[c] is None or left[c] != right[c] or left[c] in again.terms.get(c, {}) for c in again.terms
        )
        if common:
            assert scorer.weight(left, right) == pytest.approx(weight, abs=0.01)
            assert sum(x.weight for x in scorer.explain(left, right)) + again.prior_weight == pytest.approx(
                scorer.weight(left, right)
            )
            checked += 1
    assert checked > 50


def test_conflicting_valid_numbers_never_meet(linked: tuple[pa.Table, Model, batch.Linked]) -> None:
    table, _, found = linked
    number = dict(zip(table["unique_id"].to_pylist(), table["strong_id"].to_pylist(), strict=True))
    held: dict[str, str] = {}
    for record, cluster in zip(found.ids, found.clusters, strict=True):
        if number[record]:
            assert held.setdefault(cluster, number[record]) == number[record]


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40),
    st.lists(st.sampled_from([None, None, "A", "B"]), min_size=12, max_size=12),
    st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_joining_keeps_every_constraint(
    pairs: list[tuple[int, int]], strong: list[str | None], kept_apart: set[tuple[int, int]]
) -> None:
    apart: dict[int, set[int]] = {}
    for a, b in kept_apart:
        if a != b:
            apart.setdefault(a, set()).add(b)
            apart.setdefault(b, set()).add(a)
    label = join(12, pairs, strong=strong, apart={k: frozenset(v) for k, v in apart.items()}).label
    for a, others in apart.items():
        assert all(label[a] != label[b] for b in others)
    for cluster in set(label):
        assert len({strong[i] for i in range(12) if label[i] == cluster and strong[i]}) <= 1


def test_febrl_without_labels(shared: Path) -> None:
    """FEBRL 1 (P. Christen, ANU): 500 originals and 500 duplicates; labels only score."""
    schema, rows = read_csv(shared / "record/febrl/dataset1.csv")
    table = batch.table(schema, rows, today=TODAY)
    found = batch.link_batch(table, batch.train(schema, table))
    score = quality.pairwise(found.clusters, [i.split("-")[1] for i in found.ids])
    assert score.f1 >= 0.99


def test_the_command_links_a_file_and_explains_bad_input(tmp_path: Path) -> None:
    import typer

    from salus.record.identity.commands import add_to

    app = typer.Typer()
    add_to(app)
    app.command("other")(lambda: None)
    source, out, model = tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "m.json"
    with source.open("w", newline="", encoding="gb18030") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "姓名", "出生日期", "性别", "电话", "身份证号", "地址"])
        writer.writerows(people(150, 3))
    run = CliRunner().invoke(app, ["link", str(source), "-o", str(out), "--train", "--model", str(model)])
    assert run.exit_code == 0, run.exception
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 150 and {r["cluster_id"] for r in rows} <= {r["record_id"] for r in rows}
    again = CliRunner().invoke(app, ["link", str(source), "-o", str(out), "--model", str(model)])
    assert again.exit_code == 0
    bad = CliRunner().invoke(app, ["link", str(tmp_path / "none.csv"), "-o", str(out)])
    assert bad.exit_code != 0 and getattr(bad.exception, "code", "") == "link-file"
    assert "resident_id" in CliRunner().invoke(app, ["link", "--schema"]).output
