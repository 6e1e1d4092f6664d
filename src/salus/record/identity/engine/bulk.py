"""Link a table of any size on one machine: memory bounded, and the same answer each time.

The steps: normalise all records in SQL (`setwise`); put records of one valid number, name and birth date
into one group; compare the records that have no valid number (and those whose number, but not name or
birth date, agrees) with all others under blocking rules chosen from the table (`blocks`); weigh the pairs
(`pairs`) with the model's weights and the table's own frequencies; find the prior and the cut that these
weights imply; join best first under the constraints (`cluster`).

Two different valid numbers are never compared: they could not be joined.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from salus.kernel.errors import Invalid
from salus.record.identity.engine import blocks, cluster
from salus.record.identity.engine.blocks import Rule
from salus.record.identity.engine.cluster import Floats, Ints
from salus.record.identity.engine.pairs import PairWeights, key_of, nested, sides
from salus.record.identity.engine.schema import LinkSchema
from salus.record.identity.engine.weights import Model, Shared

Progress = Callable[[str, int, int], None]
_FAINT = -4.0  # pairs under so many bits cannot matter for the prior
_ELSEWHERE = 2.0  # records that a record is expected to match: only where the search for the prior begins


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a link may use: memory of the database in bytes (or "8GB"), threads, and where it may spill.

    `block` is the most records that a block may have; larger ones are left out.
    """

    memory: str = "4GB"
    threads: int = 0
    spill: Path | None = None
    block: int = 2000


@dataclass(frozen=True, slots=True)
class Bulk:
    """The outcome: for each record, in the table's order, the number of the first record of its cluster.

    `threshold` and `prior` are those found for this table, `rules` the blocking rules with the pairs each
    weighed and kept, `left_out` the blocks that were too large.
    """

    label: NDArray[np.int32]
    refused: Ints
    threshold: float
    prior: float
    pairs: int
    drivers: int
    rules: list[tuple[str, int]] = field(default_factory=list)
    left_out: int = 0
    contested: int = 0

    @property
    def persons(self) -> int:
        """The number of clusters."""
        return int((self.label == np.arange(len(self.label), dtype=np.int32)).sum())


@dataclass(frozen=True, slots=True)
class Layout:
    """What a link must know of a normalised table: its columns, and what each may be used for.

    Records of one number that agree in the columns `alike` are one before anything is weighed; `blocking`
    are the columns that rules are made of, `dates` those of them that are dates.
    """

    columns: tuple[str, ...]
    alike: tuple[str, ...]
    blocking: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()

    @classmethod
    def of(cls, schema: LinkSchema) -> "Layout":
        """Return the layout of a schema's normalised table: name and birth date make records alike."""
        alike = (*(("family", "given") if schema.has_name else ()), *schema.of("birth_date"))
        columns = schema.normal_columns()
        blocking = tuple(c for c in schema.blocking_columns() if c in columns)
        return cls(tuple(columns), alike, blocking, tuple(schema.of("birth_date")))


class Weigher(Protocol):
    """Where pairs are found and weighed: DuckDB here, Spark in `spark`."""

    def weigh(self, steps: Sequence[str], into: Path) -> None:
        """Run steps (`PairWeights.steps`) on `drivers` and `records`; write the last's rows as Parquet."""
        ...


def _silent(stage: str, done: int, total: int) -> None:
    """Say nothing."""


@contextmanager
def workspace(limits: Limits) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Open a database bounded by `limits` and a folder for what does not fit; both go at the end."""
    with tempfile.TemporaryDirectory(prefix="salus-link-", dir=limits.spill) as folder:
        con = duckdb.connect()
        try:
            con.execute(f"set memory_limit = '{limits.memory}'")
            con.execute(f"set temp_directory = '{Path(folder) / 'spill'}'")
            con.execute("set preserve_insertion_order = false")
            if limits.threads:
                con.execute(f"set threads = {int(limits.threads)}")
            yield con, Path(folder)
        finally:
            con.close()


class Linking:
    """One link of a normalised table `records` (with `rid`, 0 to n-1) in a workspace."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        folder: Path,
        layout: Layout,
        model: Model,
        *,
        shared: Shared | None = None,
        limits: Limits | None = None,
        progress: Progress = _silent,
        weigher: "Weigher | None" = None,
        one_a_source: bool = False,
    ) -> None:
        self._con, self._folder, self._layout, self._model = con, folder, layout, model
        self._limits = limits or Limits()
        self._progress = progress
        self._weights = PairWeights(model, shared, faster=weigher is None)
        self._weigher = weigher or self
        self._one_a_source = one_a_source
        missing = [c for c in self._weights.columns if c not in layout.columns]
        if missing:
            raise Invalid(
                "link-model", "The model compares a column that the table lacks", where=", ".join(missing)
            )

    def weigh(self, steps: Sequence[str], into: Path) -> None:
        """Run steps here as one query; write its rows as Parquet."""
        self._con.execute(f"copy ({nested(steps)}) to '{into}' (format parquet, compression snappy)")

    def run(
        self,
        *,
        threshold: float | None = None,
        calibrate: bool = True,
        rules: Sequence[Rule] | None = None,
    ) -> Bulk:
        """Link, under blocking rules chosen from the table if none are given.

        With `calibrate` the prior and the cut are found for this table, else the model's are used.
        """
        con = self._con
        n = _number(con, "select count(*) from records")
        strong, first = self._groups(n)
        drivers = _number(con, "select count(*) from drivers")
        rules = self._rules() if rules is None else list(rules)
        guess = self._model
        if calibrate and drivers and n > 1:
            guess = self._model.with_prior(min(0.3, _ELSEWHERE / n))
        self._weights = self._weights.of(guess)
        least = _FAINT if calibrate else (guess.threshold if threshold is None else threshold) - 1e-9
        counts, left_out = self._pairs(rules, least)
        left, right, weight = self._read()
        self._progress("Join", 0, 1)
        prior = guess.prior
        cut = guess.threshold if threshold is None else threshold
        if calibrate:
            without = _number(con, "select count(*) from drivers where strong_id is null")
            possible = float(without) * (n - (without + 1) / 2)
            prior = cluster.calibrate_prior(weight, guess.prior_weight, max(1.0, possible))
            weight += guess.with_prior(prior).prior_weight - guess.prior_weight
            if threshold is None:
                cut = cluster.best_threshold(weight)
        certain = weight >= cut - 1e-9
        left, right, weight = left[certain], right[certain], weight[certain]
        source = self._sources() if self._one_a_source else None
        joined = cluster.join_arrays(first, left, right, weight, strong=strong, source=source)
        self._progress("Join", 1, 1)
        return Bulk(
            joined.label, joined.refused, cut, prior, len(left), drivers, counts, left_out, joined.contested
        )

    def _groups(self, n: int) -> tuple[Ints, NDArray[np.int32]]:
        """Make `drivers`, the records that have to be weighed; return each record's number and group."""
        con = self._con
        self._progress("Group", 0, 2)
        same = ", ".join(f'"{c}"' for c in self._layout.alike)
        likeness = f"hash({same})" if same else "0::ubigint"
        strong, like = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.uint64)
        reader = con.sql(
            f"select rid, cast(left(strong_id, 17) as bigint) as number, {likeness} as likeness"  # noqa: S608
            " from records where strong_id is not null"
        ).to_arrow_reader(1_000_000)
        for part in reader:
            at = part["rid"].to_numpy()
            strong[at], like[at] = part["number"].to_numpy(), part["likeness"].to_numpy()
        if self._one_a_source:
            first, doubtful = np.arange(n, dtype=np.int32), np.flatnonzero(strong > 0)
        else:
            first, doubtful = cluster.tiers(strong, like)
        del like
        self._progress("Group", 1, 2)
        self._drivers(doubtful)
        self._progress("Group", 2, 2)
        return strong, first

    def _drivers(self, doubtful: Ints) -> None:
        con = self._con
        columns = list(
            dict.fromkeys(["strong_id", *self._weights.columns, *self._weights.terms, *self._layout.blocking])
        )
        listed = ", ".join(f'"{c}"' for c in columns)
        con.register("linkage_doubtful", pa.table({"rid": pa.array(doubtful.astype(np.int32))}))
        con.execute(
            f"create or replace temp table linkage_plain as select rid, {listed} from records"  # noqa: S608
            " where strong_id is null or rid in (select rid from linkage_doubtful)"
        )
        con.unregister("linkage_doubtful")
        totals = ", ".join(f'count("{c}")' for c in self._weights.terms) or "1"
        total = con.execute(f"select {totals} from records").fetchall()[0]  # noqa: S608
        joins, logs = "", ""
        for c, whole in zip(self._weights.terms, total, strict=False):
            con.execute(
                f'create or replace temp table "linkage_term_{c}" as'  # noqa: S608
                f' select "{c}", log2(count(*) / {max(1, whole)}) as log'
                f' from records where "{c}" in (select "{c}" from linkage_plain) group by 1'
            )
            joins += f' left join "linkage_term_{c}" on "linkage_term_{c}"."{c}" = d."{c}"'
            logs += f', "linkage_term_{c}".log as "log_{c}"'
        kept = ", ".join(f'd."{c}"' for c in columns)
        target = self._folder / "drivers.parquet"
        con.execute(
            f"copy (select d.rid, {kept}{logs} from linkage_plain d{joins}) to '{target}'"  # noqa: S608
            " (format parquet, compression snappy)"
        )
        for c in self._weights.terms:
            con.execute(f'drop table "linkage_term_{c}"')
        con.execute("drop table linkage_plain")
        con.execute(f"create or replace temp view drivers as from '{target}'")

    def _rules(self) -> list[Rule]:
        self._progress("Choose blocking rules", 0, 1)
        layout = self._layout
        rules = blocks.choose(self._con, layout.blocking, layout.dates, limit=self._limits.block)
        self._progress("Choose blocking rules", 1, 1)
        return rules

    def _pairs(self, rules: Sequence[Rule], least: float) -> tuple[list[tuple[str, int]], int]:
        """Write the pairs of each rule, each pair once; return how many each gave, and blocks left out."""
        counts, left_out = [], 0
        doubtful = (
            "from drivers d join records x on d.strong_id = x.strong_id and d.rid <> x.rid"
            " where d.strong_id is not null and x.strong_id is not null"  # Spark would bring these together
        )
        before: list[str] = []
        self._progress("Weigh pairs", 0, len(rules) + 1)
        self._weigher.weigh(self._weights.steps(doubtful, -1e9), self._folder / "pairs-000.parquet")
        for i, rule in enumerate(rules, 1):
            heavy = blocks.leave_out(self._con, rule, self._limits.block, self._folder)
            left_out += heavy
            conditions = [
                "d.strong_id is null",
                *(f"{key_of(k, side)} is not null" for k in rule.keys for side in "dx"),
                "(x.strong_id is not null or d.rid < x.rid)",
                *(f"not coalesce({done}, false)" for done in before),
                *([blocks.not_heavy(rule)] if heavy else []),
            ]
            join = f"from drivers d join records x on {sides(rule.keys)} where {' and '.join(conditions)}"
            target = self._folder / f"pairs-{i:03}.parquet"
            self._weigher.weigh(self._weights.steps(join, least), target)
            counts.append((rule.name, _number(self._con, f"select count(*) from '{target}'")))  # noqa: S608
            before.append(sides(rule.keys))
            self._progress("Weigh pairs", i + 1, len(rules) + 1)
        return counts, left_out

    def _read(self) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
        """Read the pairs back, smaller number left, in an order that owes nothing to how they were found."""
        got = self._con.sql(
            "select least(rid_l, rid_r)::int as l, greatest(rid_l, rid_r)::int as r, max(weight) as w"  # noqa: S608
            f" from '{self._folder / 'pairs-000.parquet'}' group by 1, 2"
            + "".join(
                f" union all select least(rid_l, rid_r)::int, greatest(rid_l, rid_r)::int, weight from '{p}'"  # noqa: S608
                for p in sorted(self._folder.glob("pairs-*.parquet"))[1:]
            )
        ).to_arrow_table()
        left, right, weight = (got[c].to_numpy() for c in ("l", "r", "w"))
        order = np.lexsort((right, left))
        return left[order], right[order], np.asarray(weight[order], dtype=np.float64)

    def _sources(self) -> Ints:
        n = _number(self._con, "select count(*) from records")
        rows = self._con.sql("select rid, source_system from records").to_arrow_table()
        codes = rows["source_system"].combine_chunks().dictionary_encode().indices
        out = np.arange(n, dtype=np.int64) + 2**40  # a record without a source repeats nobody's
        known = codes.is_valid().to_numpy(zero_copy_only=False)
        out[rows["rid"].to_numpy()[known]] = codes.drop_null().to_numpy()
        return out


def _number(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchall()[0]
    return int(row[0])
