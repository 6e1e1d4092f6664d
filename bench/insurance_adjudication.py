"""Adjudication: claim lines a second with all edits, the till, conservation, and Spark's equality."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench import Measured, figure

NO_PEER = "no open adjudicator runs without its own platform and database"
Tables = dict[str, Any]


def _month(people: int, copies: int) -> Tables:
    """Return claims that are mostly sound, as a month's are: all that are paid, and a tenth of the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from salus.insurance.adjudication import adjudicate_batch, load_rules
    from tests.insurance.adjudication.histories import AS_OF, arrow, draw

    tables = arrow(draw(5, people))
    decided = adjudicate_batch(tables, load_rules(as_of=AS_OF), as_of=AS_OF).claims
    paid = pc.equal(decided.column("outcome"), "paid")
    tenth = pc.equal(pc.utf8_slice_codeunits(decided.column("claim_id"), -1), "7")
    kept = decided.filter(pc.or_(paid, tenth)).column("claim_id")
    for name in ("claims", "claim_lines"):
        tables[name] = tables[name].filter(pc.is_in(tables[name].column("claim_id"), value_set=kept))
    for name, table in tables.items():
        keys = [key for key in ("claim_id", "person_id") if key in table.column_names]
        if keys:
            tables[name] = pa.concat_tables([_renamed(table, keys, n) for n in range(copies)])
    return tables


def _renamed(table: Any, keys: Sequence[str], copy: int) -> Any:
    import pyarrow.compute as pc

    for key in keys:
        place = table.schema.get_field_index(key)
        names = pc.binary_join_element_wise(table.column(key), str(copy), "-")
        table = table.set_column(place, table.schema.field(place), names)
    return table


@figure("adjudication-lines", room="insurance", unit="lines/s", target=50_000)
def lines(quick: bool) -> Measured:
    """Claim lines a second through every edit and benefit, tables in memory, two threads of DuckDB."""
    from salus.engine import duckdb_engine
    from salus.insurance.adjudication import adjudicate_batch, load_rules
    from salus.insurance.adjudication.batch import job_for
    from tests.insurance.adjudication.histories import AS_OF

    tables = _month(600 if quick else 3000, 10 if quick else 18)
    rules = load_rules(as_of=AS_OF)
    job_for(rules.edits)  # checking the job takes two seconds once a process
    rows = tables["claim_lines"].num_rows
    values, processor = [], []
    for _ in range(2 if quick else 3):
        with duckdb_engine(threads=2) as engine:
            begun, used = time.perf_counter(), time.process_time()
            results = adjudicate_batch(tables, rules, as_of=AS_OF, engine=engine)
            values.append(rows / (time.perf_counter() - begun))
            processor.append(rows / (time.process_time() - used))
    paid = results.claims.column("outcome").to_pylist().count("paid")
    note = (
        f"{rows:,} lines of {results.claims.num_rows:,} claims ({paid:,} paid),"
        f" {results.parts.num_rows:,} parts, {results.findings.num_rows:,} findings;"
        f" {max(processor):,.0f} lines a processor-second"
    )
    return Measured(values, peer_missing=NO_PEER, note=note)


@figure("adjudication-till", room="insurance", unit="ms", target=5, better="lower")
def till(quick: bool) -> Measured:
    """The slowest but one in a hundred of claims decided one by one (the engine alone, processor time)."""
    from salus.insurance.adjudication import adjudicate_one, load_rules
    from tests.insurance.adjudication.histories import AS_OF, draw, one_by_one

    spent: list[float] = []

    def timed(*words: Any, **named: Any) -> Any:
        begun = time.process_time()
        decision = adjudicate_one(*words, **named)
        spent.append(1000 * (time.process_time() - begun))
        return decision

    tables = draw(11, 100 if quick else 1000)
    one_by_one(tables, load_rules(as_of=AS_OF), timed)
    each = len(tables["claim_lines"]) / len(tables["claims"])
    spent.sort()
    note = f"{len(spent):,} claims of {each:.1f} lines on average; median {spent[len(spent) // 2]:.2f} ms"
    return Measured([spent[len(spent) * 99 // 100]], peer_missing=NO_PEER, note=note)


@figure("adjudication-conservation", room="insurance", unit="%", target=100)
def conservation(quick: bool) -> Measured:
    """Random histories that add up, whose reversals restore the state, and whose batch is the till's."""
    from salus.insurance.adjudication import adjudicate_batch, load_rules, reversal
    from salus.insurance.adjudication.accumulators import state
    from tests.insurance.adjudication.histories import AS_OF, arrow, differences, draw, one_by_one

    rules = load_rules(as_of=AS_OF)
    good = people = claims = unlike = 0
    for seed in range(1 if quick else 10):
        tables = draw(1000 + seed, 300 if quick else 1000)
        decisions = one_by_one(tables, rules)
        unlike += len(differences(decisions, adjudicate_batch(arrow(tables), rules, as_of=AS_OF)))
        claims += len(decisions)
        histories: dict[str, list[Any]] = {}
        for decision in decisions:
            histories.setdefault(decision.claim["person_id"], []).append(decision)
        for history in histories.values():
            people += 1
            events = [event for decision in history for event in decision.events]
            restored = all(
                state([*events, *reversal(events, name)])
                == state(event for event in events if event["claim_id"] != name)
                for name in {event["claim_id"] for event in events}
            )
            good += restored and all(_adds_up(decision) for decision in history)
    note = f"{people:,} histories, {claims:,} claims; {unlike} claims on which batch and till differ"
    return Measured([100 * good / people if not unlike else 0.0], peer_missing=NO_PEER, note=note)


def _adds_up(decision: Any) -> bool:
    from salus.insurance.adjudication.tables import PAYERS

    parts: dict[int, int] = {}
    for part in decision.parts:
        parts[part["line_no"]] = parts.get(part["line_no"], 0) + part["amount"]
    charges: dict[int, int] = {}
    for line in decision.lines:
        charges[line["line_no"]] = charges.get(line["line_no"], 0) + line["charge"]
    return (
        sum(decision.claim[payer] for payer in PAYERS) == decision.claim["charge"]
        and all(sum(line[payer] for payer in PAYERS) == line["charge"] for line in decision.lines)
        and all(parts.get(number, 0) == charge for number, charge in charges.items())
    )


@figure("adjudication-spark-parity", room="insurance", unit="%", target=100)
def spark_parity(quick: bool) -> Measured:
    """Rows of every result that Spark gives as DuckDB does, to the fen."""
    from salus.engine import spark_engine
    from salus.engine.spark_session import why_missing
    from salus.insurance.adjudication import adjudicate_batch, load_rules
    from tests.engine.parity import SMALL
    from tests.insurance.adjudication.histories import AS_OF, arrow, draw

    if reason := why_missing():
        return Measured([], peer_missing=reason)
    tables, rules = arrow(draw(31, 10 if quick else 1000)), load_rules(as_of=AS_OF)
    ours = adjudicate_batch(tables, rules, as_of=AS_OF)
    settings: Mapping[str, str] = SMALL if quick else {}
    with spark_engine("local[2]", memory="2g", settings=settings) as engine:
        begun = time.perf_counter()
        theirs = adjudicate_batch(tables, rules, as_of=AS_OF, engine=engine)
        spent = time.perf_counter() - begun
    equal = rows = 0
    for name in ("claims", "lines", "parts", "findings", "events"):
        a, b = getattr(ours, name).to_pylist(), getattr(theirs, name).to_pylist()
        rows += max(len(a), len(b))
        equal += sum(one == other for one, other in zip(a, b, strict=False))
    note = f"{equal:,} of {rows:,} rows of five results; Spark took {spent:.0f} s"
    return Measured([100 * equal / rows], peer_missing="the figure compares two engines", note=note)
