"""`salus prevention detect`: outbreak detection on a user's own series, without the platform."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    import pyarrow as pa

    from salus.prevention.detection.counts import Counts

GIVES = {
    "dataset": "as in the input",
    "series": "as in the input",
    "t": "time point",
    "date": "its date, where the input has dates",
    "method": "name of the method",
    "observed": "cases judged; a sum where the method sums",
    "expected": "cases expected",
    "bound": "cases above which (CUSUM, GLR: from which) it is an alarm",
    "pvalue": "probability of so many cases or more without an outbreak",
    "score": "(observed - expected) / (bound - expected); CUSUM, GLR: statistic over threshold",
    "alarm": "true or false, never empty",
    "phi, trend, ...": "what the method tells besides",
    "reason": "code of why this answer",
    "words": "the same in words",
}
SHOWN = 20

_Number = float | None
_Whole = int | None
_Word = str | None
_Flag = bool | None


def detect(
    series: Annotated[Path | None, typer.Argument(help="CSV of series; --schema prints its columns.")] = None,
    method: Annotated[str, typer.Option(help="Name of a method; --methods lists them.")] = "farrington",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where it goes (.parquet, .csv).")
    ] = None,
    points: Annotated[
        str, typer.Option("--range", help="Time points: 261:312, last:52, 300, or several with commas.")
    ] = "",
    settings: Annotated[_Word, typer.Option(help="farrington: default, original or noufaily.")] = None,
    years: Annotated[_Whole, typer.Option(help="Years of history.")] = None,
    half_window: Annotated[_Whole, typer.Option(help="Points on either side of the season's point.")] = None,
    seasons: Annotated[
        _Whole, typer.Option(help="farrington: levels of a year; 1 for the windows only.")
    ] = None,
    skip: Annotated[_Whole, typer.Option(help="farrington: last points that are no history.")] = None,
    alpha: Annotated[_Number, typer.Option(help="Level of the bound.")] = None,
    bound: Annotated[_Word, typer.Option(help="farrington: delta, nb-plugin or muan.")] = None,
    power: Annotated[_Word, typer.Option(help="farrington: 2/3, 1/2 or none.")] = None,
    trend: Annotated[_Flag, typer.Option("--trend/--no-trend", help="Fit a trend.")] = None,
    trend_p: Annotated[_Number, typer.Option(help="farrington: keep a trend below this p-value.")] = None,
    reweight: Annotated[
        _Flag, typer.Option("--reweight/--no-reweight", help="farrington: weigh past outbreaks less.")
    ] = None,
    weights_threshold: Annotated[
        _Number, typer.Option(help="farrington: residual from which weights fall.")
    ] = None,
    limit_cases: Annotated[_Number, typer.Option(help="farrington: cases needed to judge ...")] = None,
    limit_points: Annotated[_Whole, typer.Option(help="... in so many last points.")] = None,
    population_offset: Annotated[
        _Flag, typer.Option("--population-offset/--no-population-offset", help="farrington: model rates.")
    ] = None,
    dispersion: Annotated[
        _Word, typer.Option(help="farrington: of the trend test: r (as surveillance) or textbook.")
    ] = None,
    baseline: Annotated[_Whole, typer.Option(help="ears: points of the baseline.")] = None,
    least_deviation: Annotated[_Number, typer.Option(help="ears: least standard deviation.")] = None,
    this_year: Annotated[
        _Flag, typer.Option("--this-year/--no-this-year", help="rki, bayes: the last points count too.")
    ] = None,
    months: Annotated[_Whole, typer.Option(help="cdc: months of four weeks on either side.")] = None,
    least_years: Annotated[_Whole, typer.Option(help="moving-percentile: years needed.")] = None,
    around: Annotated[_Whole, typer.Option(help="moving-percentile: periods on either side.")] = None,
    length: Annotated[_Whole, typer.Option(help="moving-percentile: points of a period.")] = None,
    percentile: Annotated[_Number, typer.Option(help="moving-percentile: 0 to 1.")] = None,
    k: Annotated[_Number, typer.Option("--k", help="cusum: reference value.")] = None,
    h: Annotated[_Number, typer.Option("--h", help="cusum: threshold.")] = None,
    transform: Annotated[
        _Word, typer.Option(help="cusum: standard, rossi, anscombe, anscombe-2, pearson-nb or none.")
    ] = None,
    reset: Annotated[
        _Flag, typer.Option("--reset/--no-reset", help="cusum: start again after an alarm.")
    ] = None,
    expected: Annotated[_Word, typer.Option(help="charts: season, mean or a number of cases.")] = None,
    overdispersion: Annotated[
        _Word, typer.Option(help="nb-cusum, glr: a number (0 Poisson) or estimated.")
    ] = None,
    threshold: Annotated[_Number, typer.Option(help="nb-cusum, glr: threshold.")] = None,
    kappa: Annotated[_Number, typer.Option(help="nb-cusum: log of the rate ratio to find.")] = None,
    direction: Annotated[_Word, typer.Option(help="nb-cusum, glr: increase or decrease.")] = None,
    least: Annotated[_Whole, typer.Option(help="glr: least points of a change.")] = None,
    most: Annotated[_Whole, typer.Option(help="glr: points back to the start of a change.")] = None,
    harmonics: Annotated[_Whole, typer.Option(help="nb-cusum, glr: waves of a season.")] = None,
    false_alarms: Annotated[
        _Number, typer.Option(help="combined: rate of false alarms a week: 0.005, 0.01, 0.025 or 0.05.")
    ] = None,
    year_weeks: Annotated[_Number, typer.Option(help="combined: weeks of a year, 52 or 52.18.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of farrington.")] = 2,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
    methods: Annotated[
        bool, typer.Option("--methods", help="List methods and their settings; stop.")
    ] = False,
) -> None:
    """Judge each count of each series: expected, bound, p-value, score, alarm and the reason.

    Alarms are printed if there is no --output. Settings left out are the method's own.
    """
    given = {
        name: value
        for name, value in locals().items()
        if value is not None and name not in (*_OWN, "output", "series")
    }
    out = Console()
    if schema:
        _schema(out)
        return
    if methods:
        _methods(out)
        return
    if series is None:
        raise Invalid("detection-arguments", "Give the file of series", fix="See --help.")
    if output is not None and output.suffix not in (".parquet", ".csv"):
        raise Invalid("detection-arguments", "The output is .parquet or .csv", where=output.name)
    if expected is not None and expected not in ("season", "mean"):
        given["expected"] = _number(expected)
    if overdispersion is not None:
        del given["overdispersion"]
        given["alpha"] = None if overdispersion == "estimated" else _number(overdispersion)
    from salus.prevention.detection.series_file import read_series

    table = _judged(read_series(series), method, points, settings, threads, given)
    if output is None:
        _print(out, table)
    else:
        _write(table, output)
    import pyarrow.compute as pc

    alarms = pc.sum(table["alarm"]).as_py() or 0
    Console(stderr=True).print(f"{table.num_rows:,} counts judged by {method}, {alarms:,} alarms")


_OWN = ("method", "points", "settings", "threads", "schema", "methods")


def add_to(app: typer.Typer) -> None:
    """Hang the engine's commands into the room's command line."""
    app.command("detect")(detect)


def _judged(
    datasets: "list[tuple[str, Counts]]", method: str, points: str, paper: str | None, threads: int,
    given: dict[str, Any],
) -> "pa.Table":  # fmt: skip
    import pyarrow as pa

    from salus.engine.terminal import bars
    from salus.prevention.detection.methods import detect as judge

    tables = []
    with bars("detect") as progress:
        for name, counts in datasets:
            chosen = chosen_points(counts, points)

            def tell(done: int, total: int, name: str = name) -> None:
                progress(name or "detect", done, total)

            found = judge(
                counts, method, chosen, paper=paper, threads=threads, progress=tell, **given
            ).table()
            tables.append(found.add_column(0, "dataset", pa.array([name] * found.num_rows, pa.string())))
    return pa.concat_tables(tables, promote_options="default")


def chosen_points(counts: "Counts", text: str) -> list[int] | None:
    """Return the 0-based points of a text such as `261:312,315` or `last:52`; None for an empty one.

    Raises `Invalid` (detection-range) where the text is none or a point is not there.
    """
    if not text.strip():
        return None
    place = {int(label): number for number, label in enumerate(counts.marks) if label > 0}
    chosen: set[int] = set()
    for part in text.split(","):
        low, _, high = (one.strip() for one in part.partition(":"))
        if low == "last" and high.isdigit() and int(high) > 0:
            chosen.update(range(max(counts.points - int(high), 0), counts.points))
            continue
        if not low.isdigit() or (":" in part and not high.isdigit()):
            raise Invalid("detection-range", "This is no range", where=part, fix="Write 261:312 or last:52.")
        first, last = int(low), int(high or low)
        if first > last or first not in place or last not in place:
            raise Invalid("detection-range", "The points are not in the series", where=part)
        chosen.update(range(place[first], place[last] + 1))
    return sorted(chosen)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Invalid(
            "detection-control",
            "This is neither a number nor a word known here",
            where=text,
            fix="See --help.",
        ) from None


def _schema(out: Console) -> None:
    from salus.prevention.detection.series_file import COLUMNS

    for title, columns in (("input: CSV, one row a series and time point", COLUMNS),
                           ("output: one row a series and time point judged", GIVES)):  # fmt: skip
        out.print(title, markup=False)
        for name, meaning in columns.items():
            out.print(f"  {name:18} {meaning}", markup=False)


def _methods(out: Console) -> None:
    from salus.prevention.detection.methods import METHODS

    table = Table("method", "what it compares", "settings")
    for name, one in METHODS.items():
        table.add_row(
            name, one.about, ", ".join("--" + setting.replace("_", "-") for setting in one.settings)
        )
    out.print(table)


def _print(out: Console, table: "pa.Table") -> None:
    import pyarrow.compute as pc

    alarms = table.filter(table["alarm"]).sort_by([("score", "descending")])
    shown = Table("series", "t", "observed", "expected", "bound", "p", "score")
    for row in alarms.slice(0, SHOWN).to_pylist():
        numbers = (row[name] for name in ("observed", "expected", "bound", "pvalue", "score"))
        shown.add_row(row["series"], str(row["t"]), *("" if one is None else f"{one:.4g}" for one in numbers))
    out.print(shown)
    if alarms.num_rows > SHOWN:
        out.print(f"and {alarms.num_rows - SHOWN:,} more; --output writes all of them")
    for one in pc.value_counts(table["words"]).to_pylist():
        out.print(f"{one['counts']:,} {one['values']}", markup=False)


def _write(table: "pa.Table", path: Path) -> None:
    """Write beside the file and let it take its name at the end."""
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    made = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".csv":
            pacsv.write_csv(table, made)
        else:
            pq.write_table(table, made)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
