"""Identity: linkage of tables without labels, and one arriving record against a million persons."""

import random
import sqlite3
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from bench import Measured, figure

TODAY = date(2026, 6, 30)
FEBRL = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "record" / "febrl"


def _febrl() -> list[Path]:
    import os

    root = os.environ.get("SALUS_SHARED_DATA")
    folder = Path(root) / "record" / "febrl" if root else FEBRL
    return [folder / f"dataset{i}.csv" for i in (1, 2, 3)]


@figure(
    "febrl-f1",
    room="record",
    unit="F1, worst of FEBRL 1–3",
    target=0.99,
    peer="Splink 5, its own tutorial's kind of model",
)
def febrl(quick: bool) -> Measured:
    """Pairwise F1 on FEBRL 1–3, no labels used."""
    from salus.record.identity.engine import batch, quality, schema

    mine, peers, notes = [], [], []
    for path in _febrl()[: 1 if quick else 3]:
        layout, rows = schema.read_csv(path)
        people = batch.table(layout, rows, today=TODAY)
        started = time.perf_counter()
        found = batch.link_batch(people, batch.train(layout, people))
        took = time.perf_counter() - started
        truth = [i.split("-")[1] for i in found.ids]
        score = quality.pairwise(found.clusters, truth)
        mine.append(score.f1)
        notes.append(f"{path.stem}: P {score.precision:.4f} R {score.recall:.4f} {took:.0f} s")
        peers.append(_splink_f1(people, truth))
    return Measured([min(mine)], [min(peers)], note="; ".join(notes))


def _splink_f1(people: Any, truth: list[str]) -> float:
    """Link with Splink's library comparisons, its usual training steps and a threshold of 0.95."""
    import logging
    import warnings

    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    from salus.record.identity.engine import quality

    logging.getLogger("splink").setLevel(logging.ERROR)
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            cl.NameComparison("given"),
            cl.NameComparison("family"),
            cl.LevenshteinAtThresholds("date_of_birth", [1, 2]),
            cl.LevenshteinAtThresholds("soc_sec_id", [2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("soc_sec_id"),
            block_on("given", "family"),
            block_on("date_of_birth"),
            block_on("postcode", "street_number"),
        ],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api = DuckDBAPI()
        linker = Linker(api.register(people), settings, log_level=None)
        training = linker.training
        training.estimate_probability_two_random_records_match([block_on("soc_sec_id")], recall=0.9)
        training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
        for rule in (block_on("date_of_birth"), block_on("postcode")):
            training.estimate_parameters_using_expectation_maximisation(rule)
        predicted = linker.inference.predict(threshold_match_probability=0.01, warning_mode="never")
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            predicted, threshold_match_probability=0.95
        )
        rows = api._con.sql(f"select unique_id, cluster_id from {clusters.physical_name}").fetchall()  # noqa: S608
    label = {str(a): str(b) for a, b in rows}
    ids = people["unique_id"].to_pylist()
    return quality.pairwise([label[i] for i in ids], truth).f1


FAMILIES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任"
)
GIVENS = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂香鹏飞建国华"
    "玉梅红志文博宇欣怡子涵浩然梓轩雨晨思远嘉琪若萱俊凯"
)


def _row(r: random.Random) -> tuple[str, str, str, str, str]:
    family = r.choices(FAMILIES, [1 / (i + 2.5) for i in range(len(FAMILIES))])[0]
    given = r.choice(GIVENS) + (r.choice(GIVENS) if r.random() < 0.85 else "")
    born = date.fromordinal(712_000 + r.randrange(33_000))
    street = f"西湖区{r.choice('文武东西南北中')}{r.choice('一二三四五六昌华兴')}路{r.randrange(1, 800)}号"
    return (
        family,
        given,
        f"{born:%Y%m%d}",
        f"13{r.randrange(10**9):09d}",
        f"{street}{r.randrange(1, 9)}-{r.randrange(101, 2500)}",
    )


def _fill(path: Path, persons: int) -> list[int]:
    """Write that many persons with features and blocking keys straight into the tables; return a sample."""
    from salus.kernel.ids import uuid7
    from salus.record.identity.engine.normalise import family_pinyin, given_pinyin
    from salus.record.identity.engine.resident import blocking_keys, pack

    r = random.Random(7)
    connection = sqlite3.connect(path)
    connection.execute("pragma synchronous=off")
    connection.execute("pragma cache_size=-400000")
    keys: list[tuple[int, int]] = []
    for start in range(0, persons, 50_000):
        features, links = [], []
        for rid in range(start + 1, min(start + 50_000, persons) + 1):
            family, given, born, phone, address = _row(r)
            one = {
                "family": family_pinyin(family), "given": given_pinyin(given), "family_hanzi": family,
                "given_hanzi": given, "birth": born, "sex": r.choice(("male", "female")), "phone": phone,
                "number": None, "address": address,
            }  # fmt: skip
            features.append((rid, pack(one), 0, 0))
            links.append((rid, uuid7().hex, "new"))
            keys += [(key, rid) for key in blocking_keys(one)]
        connection.executemany("insert into record_linkfeatures values (?, ?, ?, ?)", features)
        connection.executemany(
            "insert into record_patientlink (patient_rid, person_id, method) values (?, ?, ?)", links
        )
    keys.sort()
    connection.executemany("insert into record_blockingkey (key, patient_rid) values (?, ?)", keys)
    connection.commit()
    connection.close()
    return r.sample(range(1, persons + 1), 1000)


@figure("link-arriving", room="record", unit="ms, p50", target=5.0, better="lower", peer="")
def arriving(quick: bool) -> Measured:
    """One arriving record scored against 1 M persons through the blocking tables (SQLite)."""
    import os

    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        os.environ["SALUS_DATA_DIR"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
        import django
        from django.conf import settings

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from salus.record.identity import scoring
        from salus.record.identity.engine.resident import unpack

        if connection.vendor != "sqlite":
            return Measured([], peer_missing="this figure is measured on SQLite; unset DATABASE_URL")
        call_command("migrate", verbosity=0)
        path = Path(settings.DATABASES["default"]["NAME"])
        connection.close()
        started = time.perf_counter()
        sample = _fill(path, 50_000 if quick else 1_000_000)
        built = time.perf_counter() - started
        times, hits = [], 0
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from record_patientlink")
            r = random.Random(3)
            for rid in sample:
                cursor.execute("select features from record_linkfeatures where patient_rid = %s", [rid])
                one = unpack(bytes(cursor.fetchone()[0]))
                if r.random() < 0.5:  # a slipped digit, another phone
                    one = {**one, "birth": (one["birth"] or "")[:7] + str(r.randrange(10))}
                else:
                    one = {**one, "phone": f"15{r.randrange(10**9):09d}"}
                started = time.perf_counter()
                found = scoring.score_one(cursor, one)
                times.append((time.perf_counter() - started) * 1000)
                hits += bool(found and found[0].patient_rid == rid)
        connection.close()
    times.sort()
    return Measured(
        [statistics.median(times)],
        peer_missing="Splink has no incremental linkage (its issues 820 and 1112)",
        note=f"p95 {times[int(len(times) * 0.95)]:.1f} ms; right one first {hits / len(sample):.3f};"
        f" built in {built:.0f} s",
    )
