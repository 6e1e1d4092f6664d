"""`salus prevention scan` and `signals`: clusters in space, findings down a tree, on a user's own files."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    from salus.prevention.transmission.files import Field

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file; the terminal without it.")
]
Errors = Annotated[Path | None, typer.Option(help="CSV for bad rows; the good ones are used then.")]
Schema = Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")]

Told = tuple[tuple[str, str, str, bool], ...]


def scan(
    cases: Annotated[Path | None, typer.Argument(help="Cases by district and day or week.")] = None,
    places: Annotated[Path | None, typer.Option(help="Districts with coordinates and population.")] = None,
    step: Annotated[int, typer.Option(min=1, help="Days in a period.")] = 7,
    longest: Annotated[
        int | None, typer.Option(min=1, help="Longest duration in periods.", show_default="half")
    ] = None,
    share: Annotated[float, typer.Option(help="Largest share of the population in a circle.")] = 0.5,
    replications: Annotated[int, typer.Option(min=0, help="How many simulations.")] = 999,
    sphere: Annotated[bool, typer.Option("--sphere", help="x is longitude, y latitude.")] = False,
    most: Annotated[int, typer.Option(min=1, help="At most so many clusters.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 1,
    output: Output = None,
    errors: Errors = None,
    schema: Schema = False,
) -> None:
    """Find clusters of districts and latest periods with too many cases, the likeliest first."""
    import numpy as np

    from salus.engine.terminal import bars
    from salus.prevention.detection.space import scan as find
    from salus.prevention.transmission import files

    if schema:
        _print_schema({"cases": _CASES, "--places": _PLACES}, _CLUSTERS)
        return
    if cases is None or places is None:
        raise Invalid("scan-arguments", "Give the cases and --places", fix="See salus prevention scan --help")
    files.checked_output(output)
    known, wrong = files.read(places, _fields(_PLACES))
    known, repeated = files.once(known, ("district",))
    files.settle(places, wrong + repeated, None, known)
    order = {row["district"]: place for place, row in enumerate(known)}
    rows, faults = files.read(cases, _fields(_CASES))
    rows, repeated = files.once(rows, ("district", "date"))
    faults += repeated
    faults += [
        files.Fault(row["line"], "district", "not among the places")
        for row in rows
        if row["district"] not in order
    ]
    rows = [row for row in rows if row["district"] in order]
    files.settle(cases, faults, errors, rows)
    first, last = min(row["date"] for row in rows), max(row["date"] for row in rows)
    counts = np.zeros((len(known), (last - first).days // step + 1))
    for row in rows:
        days = (row["date"] - first).days
        if days % step:
            raise Invalid(
                "transmission-dates", f"Dates do not lie {step} days apart", where=f"line {row['line']}",
                fix="Give the day each period begins, and --step",
            )  # fmt: skip
        counts[order[row["district"]], days // step] = row["cases"]
    with bars("simulating") as show:
        found = find(
            counts,
            [row["population"] for row in known],
            [(row["x"], row["y"]) for row in known],
            longest=longest,
            share=share,
            replications=replications,
            seed=seed,
            sphere=sphere,
            most=most,
            progress=show,
        )
    names = list(order)
    made = [
        {
            "cluster": number,
            "districts": " ".join(names[one] for one in cluster.districts),
            "radius": cluster.radius,
            "first": first + dt.timedelta(cluster.first * step),
            "last": last + dt.timedelta(step - 1),
            "cases": cluster.cases,
            "expected": cluster.expected,
            "ratio": cluster.ratio,
            "score": cluster.score,
            "p": cluster.p,
            "tail": cluster.tail,
            "recurrence": cluster.recurrence,
        }
        for number, cluster in enumerate(found.clusters, 1)
    ]
    files.write(made, tuple((name, kind) for name, kind, _ in _CLUSTERS), output)
    sure = sum(cluster.p <= 0.05 for cluster in found.clusters)
    Console(stderr=True).print(f"{len(made)} clusters, {sure} with p up to 0.05", highlight=False)


def signals(
    nodes: Annotated[Path | None, typer.Argument(help="Tested counts as a tree: CSV or Parquet.")] = None,
    rate: Annotated[float, typer.Option(help="Expected share of false signals on each level.")] = 0.05,
    output: Output = None,
    errors: Errors = None,
    schema: Schema = False,
) -> None:
    """Reduce p-values of diseases, districts and institutions to few signals, each reported once."""
    import numpy as np

    from salus.prevention.detection.hierarchy import signals as find
    from salus.prevention.transmission import files

    if schema:
        _print_schema({"nodes": _NODES}, _SIGNALS)
        return
    if nodes is None:
        raise Invalid("signals-arguments", "Give a file", fix="See salus prevention signals --help")
    files.checked_output(output)
    rows, faults = files.read(nodes, _fields(_NODES))
    rows, repeated = files.once(rows, ("node",))
    faults += repeated
    order = {row["node"]: place for place, row in enumerate(rows)}
    for row in rows:
        if row["parent"] and row["parent"] not in order:
            faults.append(files.Fault(row["line"], "parent", "not among the nodes"))
        if (row["p"] or 0) > 1:
            faults.append(files.Fault(row["line"], "p", "a probability is at most 1"))
    # A tree with a node cut out is another tree, so that bad rows are never left out here.
    if faults and errors is not None:
        files.settle(nodes, faults, errors, rows)
    files.settle(nodes, faults, None, rows)
    counted = all(row["observed"] is not None and row["expected"] is not None for row in rows)
    found = find(
        np.array([order[row["parent"]] if row["parent"] else -1 for row in rows]),
        np.array([np.nan if row["p"] is None else row["p"] for row in rows]),
        observed=[row["observed"] for row in rows] if counted else None,
        expected=[row["expected"] for row in rows] if counted else None,
        dispersion=np.maximum([row["dispersion"] or 1.0 for row in rows], 1.0),
        q=rate,
    )
    names = list(order)
    made = [
        {
            "rank": number,
            "node": names[one.node],
            "p": one.p,
            "excess": one.excess if counted else None,
            "explains": " ".join(names[node] for node in one.explains),
        }
        for number, one in enumerate(found, 1)
    ]
    files.write(made, tuple((name, kind) for name, kind, _ in _SIGNALS), output)
    Console(stderr=True).print(f"{len(made)} signals from {len(rows):,} nodes", highlight=False)


def _fields(told: Told) -> "list[Field]":
    from salus.prevention.transmission.files import Field

    return [Field(*one) for one in told]


def _print_schema(inputs: dict[str, Told], columns: tuple[tuple[str, str, str], ...]) -> None:
    out = Console(soft_wrap=True)
    for name, fields in inputs.items():
        out.print(f"{name}:", highlight=False)
        for column, kind, about, needed in fields:
            out.print(f"  {column:11} {kind:7} {about}{'' if needed else ' (optional)'}", highlight=False)
    out.print("output:", highlight=False)
    for column, kind, about in columns:
        out.print(f"  {column:11} {kind:7} {about}", highlight=False)


_CASES: Told = (
    ("district", "text", "as in --places", True),
    ("date", "date", "day, or first day of the week", True),
    ("cases", "count", "cases of that day or week; 0 where there is no row", True),
)
_PLACES: Told = (
    ("district", "text", "its code, without blanks", True),
    ("x", "real", "coordinate of its centre, or longitude with --sphere", True),
    ("y", "real", "coordinate of its centre, or latitude with --sphere", True),
    ("population", "number", "residents", True),
)
_CLUSTERS = (
    ("cluster", "bigint", "1 for the likeliest"),
    ("districts", "text", "their codes, the centre first"),
    ("radius", "double", "of the circle, in the coordinates' unit, or km with --sphere"),
    ("first", "date", "first day"),
    ("last", "date", "last day"),
    ("cases", "double", "cases inside"),
    ("expected", "double", "cases expected inside by population"),
    ("ratio", "double", "relative risk, inside against outside"),
    ("score", "double", "log likelihood ratio"),
    ("p", "double", "p-value from the simulations"),
    ("tail", "double", "p-value by the Gumbel distribution, for small ones"),
    ("recurrence", "double", "chance alone makes such a cluster once in so many periods"),
)
_NODES: Told = (
    ("node", "text", "disease, district of a disease, institution of a district of a disease", True),
    ("parent", "text", "the node above; empty for a disease", False),
    ("p", "number", "p-value of its count; empty where none was tested", False),
    ("observed", "number", "its count", False),
    ("expected", "number", "the count its detector expected", False),
    ("dispersion", "number", "variance over mean; 1 without it", False),
)
_SIGNALS = (
    ("rank", "bigint", "1 for the surest"),
    ("node", "text", "where the finding stands"),
    ("p", "double", "its p-value joined with those below"),
    ("excess", "double", "observed minus expected; empty without counts"),
    ("explains", "text", "selected nodes below that it stands for"),
)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the room's command line."""
    app.command("scan")(scan)
    app.command("signals")(signals)
