"""Train weights and link a whole table: Splink 5 on DuckDB, no labels.

Splink estimates u from random pairs and m by expectation maximisation; which columns to block on,
the prior and the threshold are chosen from the table itself.
"""

import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.comparison_level_library import ElseLevel
from splink.comparison_library import CustomComparison
from splink.internals.comparison_creator import ComparisonCreator

from salus.kernel.errors import Invalid
from salus.record.identity.engine.cluster import Floats, best_threshold, calibrate_prior
from salus.record.identity.engine.compare import Comparison
from salus.record.identity.engine.schema import LinkSchema
from salus.record.identity.engine.weights import Model

_SINGLE_PAIRS = 60  # a blocking column may give so many candidate pairs a record
_DOUBLES = 8
_SESSIONS = 6
_TERMS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Linked:
    """The outcome for each record, in the table's order: its id, its cluster (an id); the pairs refused."""

    ids: list[str]
    clusters: list[str]
    threshold: float
    pairs: int
    refused: list[tuple[str, str]]


def table(schema: LinkSchema, rows: Iterable[Sequence[str]], *, today: date) -> pa.Table:
    """Normalise rows into an Arrow table with the schema's normal columns, all text.

    Raises `Invalid` if a record's id is missing or comes twice.
    """
    one = schema.normaliser(today)
    columns = schema.normal_columns()
    out: dict[str, list[str | None]] = {c: [] for c in columns}
    for row in rows:
        record = one(row)
        for column in columns:
            out[column].append(record[column])
    ids = out["unique_id"]
    if len(set(ids)) != len(ids) or "" in ids:
        raise Invalid("link-ids", "A record's id is missing or comes twice", where=schema.id_column)
    return pa.table({c: pa.array(v, pa.string()) for c, v in out.items()})


def blocking_columns(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], n: int, single: int = _SINGLE_PAIRS
) -> list[tuple[tuple[str, ...], int]]:
    """Choose blocking rules for the table `people`: columns, or pairs of columns, that meet few by
    chance, with the number of pairs of each.

    A column alone is a rule when equal values give at most `single` pairs a record; two columns of
    which neither is a rule alone are one when together they do.
    """
    limit = max(single * n, 100_000)
    rules: list[tuple[tuple[str, ...], int]] = []

    def equal_pairs(parts: Sequence[str]) -> int:
        keys = ", ".join(f'"{c}"' for c in parts)
        present = " and ".join(f'"{c}" is not null' for c in parts)
        query = (
            f"select coalesce(sum(k * (k - 1) / 2), 0) from (select count(*)::hugeint as k from people"  # noqa: S608
            f" where {present} group by {keys})"
        )
        row = con.execute(query).fetchall()[0]
        return int(row[0])

    for column in columns:
        if 0 < (pairs := equal_pairs((column,))) <= limit:
            rules.append(((column,), pairs))
    alone = {r[0] for r, _ in rules}
    doubles = [(two, equal_pairs(two)) for two in combinations([c for c in columns if c not in alone], 2)]
    doubles = sorted((d for d in doubles if 0 < d[1] <= limit // 4), key=lambda d: d[1])
    return rules + doubles[:_DOUBLES]


def _settings(comparisons: Sequence[Comparison], rules: Sequence[tuple[str, ...]]) -> SettingsCreator:
    built: list[ComparisonCreator | dict[str, Any]] = []
    for c in comparisons:
        levels: list[Any] = [
            {"sql_condition": c.null_sql, "label_for_charts": "missing", "is_null_level": True}
        ]
        for level in c.levels:
            entry: dict[str, Any] = {"sql_condition": level.sql, "label_for_charts": level.label}
            if level.term:
                entry |= {"tf_adjustment_column": level.term, "tf_adjustment_weight": 1.0}
                entry |= {"disable_tf_exact_match_detection": True}
            levels.append(entry)
        levels.append(ElseLevel())
        built.append(CustomComparison(levels, output_column_name=c.name))
    return SettingsCreator(
        link_type="dedupe_only",
        comparisons=built,
        blocking_rules_to_generate_predictions=[block_on(*r) for r in rules],
        retain_matching_columns=False,
        max_iterations=40,
    )


def train(schema: LinkSchema, people: pa.Table, *, seed: int = 1, max_pairs: float = 2e6) -> Model:
    """Estimate a model from the table alone: weights by Splink, then prior and threshold.

    The same table and seed give the same model. Raises `Invalid` if fewer than two records, or nothing
    to block on, is there.
    """
    comparisons = schema.comparisons()
    con = duckdb.connect()
    con.register("people", people)
    columns = schema.blocking_columns()
    rules = blocking_columns(con, columns, people.num_rows) if people.num_rows > 1 else []
    if not rules:
        con.close()
        raise Invalid("link-small", "The table is too small, or too empty, to learn weights from")
    linker = Linker(
        DuckDBAPI(con).register(people), _settings(comparisons, [r for r, _ in rules]), log_level=None
    )
    training = linker.training
    with _quiet():
        training.estimate_u_using_random_sampling(
            max_pairs=max_pairs, seed=seed, min_count_per_level=None, num_chunks=1
        )
        for rule in _training_rules(rules, comparisons):
            training.estimate_parameters_using_expectation_maximisation(
                block_on(*rule), estimate_without_term_frequencies=True, max_pairs=max_pairs
            )
    settings: dict[str, Any] = linker._settings_obj.as_dict()  # type: ignore[no-untyped-call]  # the public way out is a file
    model = Model.from_splink(_filled(settings))
    _count_terms(con, model, comparisons)
    con.close()
    _, weights = candidates(model, people)
    all_pairs = people.num_rows * (people.num_rows - 1) / 2
    prior = calibrate_prior(weights, model.prior_weight, all_pairs)
    shifted = weights - model.prior_weight
    model.prior = model.splink["probability_two_random_records_match"] = prior
    model.threshold = best_threshold(shifted + model.prior_weight)
    return model


def _training_rules(
    rules: Sequence[tuple[tuple[str, ...], int]], comparisons: Sequence[Comparison], times: int = 2
) -> list[tuple[str, ...]]:
    """Pick blocking rules, fewest chance pairs first, until each field is trained `times` unblocked."""
    trained = dict.fromkeys((c.name for c in comparisons), 0)
    chosen = []
    for rule, _ in sorted(rules, key=lambda r: r[1]):
        free = [c.name for c in comparisons if not set(c.columns) & set(rule)]
        if any(trained[name] < times for name in free):
            chosen.append(rule)
            for name in free:
                trained[name] += 1
        if len(chosen) == _SESSIONS:
            break
    return chosen


def _filled(settings: dict[str, Any]) -> dict[str, Any]:
    """Give levels that no pair reached a floor, so that each level has an m and a u."""
    for comparison in settings["comparisons"]:
        levels = [x for x in comparison["comparison_levels"] if not x.get("is_null_level")]
        for level in levels:
            for key, floor in (("m_probability", 1e-4), ("u_probability", 1e-7)):
                value = level.get(key)
                level[key] = max(float(value), floor) if isinstance(value, int | float) else floor
    return settings


def _count_terms(con: duckdb.DuckDBPyConnection, model: Model, comparisons: Sequence[Comparison]) -> None:
    """Keep the frequencies of the commonest values, for records that arrive later."""
    for column in sorted({x.term for c in comparisons for x in c.levels if x.term}):
        counted = con.execute(
            f'select "{column}", count(*) / sum(count(*)) over () from people'  # noqa: S608
            f' where "{column}" is not null group by 1 order by 2 desc, 1 limit {_TERMS_KEPT}'
        ).fetchall()
        if counted:
            total = con.execute(f'select count("{column}") from people').fetchall()  # noqa: S608
            model.rare[column] = 1 / max(1, total[0][0])
            once = 1.5 * model.rare[column]
            model.terms[column] = {v: float(f) for v, f in counted if f > once}


def candidates(model: Model, people: pa.Table, at_least: float | None = None) -> tuple[pa.Table, Floats]:
    """Return the blocked pairs (`unique_id_l`, `unique_id_r`) and their weights, prior included."""
    con = duckdb.connect()
    settings = json.loads(json.dumps(model.splink))
    linker = Linker(DuckDBAPI(con).register(people), settings, log_level=None)
    with _quiet():
        predicted = linker.inference.predict(threshold_match_weight=at_least, warning_mode="never")
    pairs = con.sql(
        "select unique_id_l, unique_id_r, match_weight"  # noqa: S608
        f" from {predicted.physical_name} order by match_weight desc, 1, 2"
    ).to_arrow_table()
    con.close()
    return pairs, np.asarray(pairs["match_weight"].to_numpy(), dtype=np.float64)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Splink's warnings of levels that no pair reached: `_filled` answers them."""
    log = logging.getLogger("splink")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def link_batch(
    people: pa.Table, model: Model, *, threshold: float | None = None, one_a_source: bool = False
) -> Linked:
    """Link a normalised table by a model and its own blocking rules: every record gets a cluster.

    Records of one valid number, name and birth date are one; other pairs are joined best first from
    `threshold` bits (the model's own if not given). Two valid different identity numbers never meet in a
    cluster; with `one_a_source` neither do two records of one source.
    """
    from salus.record.identity.engine import blocks, bulk, pairs

    compared = pairs.PairWeights(model).columns
    layout = bulk.Layout(tuple(people.column_names), tuple(compared), tuple(compared))
    limits = bulk.Limits(block=people.num_rows)
    with bulk.workspace(limits) as (con, folder):
        numbered = people.append_column("rid", pa.array(range(people.num_rows), pa.int32()))
        con.register("records", numbered)
        linking = bulk.Linking(con, folder, layout, model, limits=limits, one_a_source=one_a_source)
        found = linking.run(threshold=threshold, calibrate=False, rules=blocks.of_model(model.splink))
    ids: list[str] = people["unique_id"].to_pylist()
    clusters = [ids[i] for i in found.label.tolist()]
    refused = [(ids[a], ids[b]) for a, b in found.refused.tolist()]
    return Linked(ids, clusters, found.threshold, found.pairs, refused)
