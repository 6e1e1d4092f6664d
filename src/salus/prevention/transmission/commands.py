"""`salus prevention nowcast`, `reproduction` and `forecast`: on a user's own files, without the platform."""

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    from salus.prevention.transmission.files import Fault, Field, Row

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file; the terminal without it.")
]
Errors = Annotated[Path | None, typer.Option(help="CSV for bad rows; the good ones are used then.")]
Schema = Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same answer.")]


def nowcast(
    cases: Annotated[Path | None, typer.Argument(help="Line list, or revisions: CSV or Parquet.")] = None,
    revisions: Annotated[
        bool, typer.Option("--revisions", help="The file has counts as they were published, not cases.")
    ] = False,
    today: Annotated[str, typer.Option(help="Last day of reports; the latest in the file by default.")] = "",
    longest: Annotated[int, typer.Option(min=1, help="Longest delay waited for, in periods.")] = 21,
    step: Annotated[int, typer.Option(min=1, help="Days in a period: 1, or 7 for weeks.")] = 1,
    window: Annotated[
        int | None, typer.Option(help="Learn delays from so many latest periods.", show_default="2 × longest")
    ] = None,
    weekday: Annotated[
        bool, typer.Option("--weekday", help="Reporting depends on the day of the week.")
    ] = False,
    draws: Annotated[int, typer.Option(min=100, help="More make the quantiles smoother.")] = 2000,
    seed: Seed = 1,
    output: Output = None,
    errors: Errors = None,
    schema: Schema = False,
) -> None:
    """Say how many cases recent days will have once all reports are in, with intervals."""
    from salus.prevention.transmission import files
    from salus.prevention.transmission.nowcast import nowcast as estimate

    told = _REVISED if revisions else _LISTED
    columns = (*_NOWCAST, *_quantiles())
    if schema:
        _print_schema({"line list": _LISTED, "with --revisions": _REVISED}, columns)
        return
    path = _given(cases, output, "nowcast")
    if weekday and step != 1:
        raise Invalid("nowcast-weekday", "Days of the week are for daily counts", where="--weekday")
    rows, faults = files.read(path, _fields(told))
    if revisions:
        rows, repeated = files.once(rows, ("series", "as_of", "date"))
        faults += repeated
    else:
        faults += [
            files.Fault(row["line"], "report", "the report comes before the onset")
            for row in rows
            if row["report"] < row["onset"]
        ]
        rows = [row for row in rows if row["report"] >= row["onset"]]
    files.settle(path, faults, errors, rows)
    ends = _day(today) or max(row["as_of" if revisions else "report"] for row in rows)
    begun = min(row["date" if revisions else "onset"] for row in rows)
    made: list[Row] = []
    silent: list[str] = []
    for series, own in files.by_series(rows).items():
        with _in_series(series):
            reports = (_revised if revisions else _listed)(own, begun, ends, longest, step)
            if not reports.reported.sum():
                silent.append(series)
                continue
            found = estimate(reports, window=window, cycle=7 if weekday else None, draws=draws, seed=seed)
        begins = ends + dt.timedelta(1 - len(found.mean) * step)
        for place in range(len(found.mean)):
            made.append(
                {
                    "series": series,
                    "date": begins + dt.timedelta(place * step),
                    "reported": found.reported[place],
                    "share": found.share[place],
                    "mean": found.mean[place],
                    **_named(found.levels, found.quantiles[place]),
                }
            )
    files.write(made, columns, output)
    quiet = f"; no report by then in {len(silent):,} series, left out" if silent else ""
    _say(f"Nowcast of {len(made):,} periods as known on {ends}{quiet}", faults, errors)


def reproduction(
    cases: Annotated[Path | None, typer.Argument(help="Cases by day of onset: CSV or Parquet.")] = None,
    mean: Annotated[float | None, typer.Option(help="Mean of the serial interval in days, above 1.")] = None,
    sd: Annotated[float | None, typer.Option(help="Its standard deviation in days.")] = None,
    interval: Annotated[
        Path | None, typer.Option(help="The serial interval as a file instead: lag, p.")
    ] = None,
    method: Annotated[str, typer.Option(help="cori or wallinga-teunis.")] = "cori",
    window: Annotated[int, typer.Option(min=1, help="Days in a window.")] = 7,
    prior_mean: Annotated[float, typer.Option(help="Mean of the prior (cori).")] = 5.0,
    prior_sd: Annotated[float, typer.Option(help="Its standard deviation (cori).")] = 5.0,
    draws: Annotated[int, typer.Option(min=0, help="Draws for intervals (wallinga-teunis).")] = 1000,
    seed: Seed = 1,
    output: Output = None,
    errors: Errors = None,
    schema: Schema = False,
) -> None:
    """Say how many others a case infects, by windows of days."""
    from salus.prevention.transmission import files
    from salus.prevention.transmission import reproduction as engine

    columns = (*_REPRODUCTION, *_quantiles(engine.LEVELS))
    if schema:
        _print_schema({"cases": _COUNTED, "--interval": _INTERVAL}, columns)
        return
    path = _given(cases, output, "reproduction")
    if method not in ("cori", "wallinga-teunis"):
        raise Invalid("reproduction-method", "The method is cori or wallinga-teunis", where="--method")
    if (interval is None) == (mean is None or sd is None):
        raise Invalid(
            "serial-interval", "Give --mean and --sd of the serial interval, or --interval",
            fix="See salus prevention reproduction --help",
        )  # fmt: skip
    rows, faults = files.read(path, _fields(_COUNTED))
    rows, repeated = files.once(rows, ("series", "date"))
    faults += repeated
    files.settle(path, faults, errors, rows)
    made: list[Row] = []
    empty = 0
    for series, own in files.by_series(rows).items():
        first, counts, gaps = _daily(own, "cases", 1)
        empty += gaps
        if interval is not None:
            weight = _interval_of(interval)
        else:
            weight = engine.discretised_gamma(mean or 0, sd or 0, len(counts)).tolist()
        with _in_series(series):
            if method == "cori":
                imported = _daily(own, "imported", 1)[1]
                found = engine.cori(
                    counts, weight, imported=imported, window=window, prior_mean=prior_mean, prior_sd=prior_sd
                )
            else:
                found = engine.wallinga_teunis(
                    counts, weight, window=window, draws=draws, seed=seed, levels=engine.LEVELS
                )
        for place in range(len(found.first)):
            made.append(
                {
                    "series": series,
                    "first": first + dt.timedelta(int(found.first[place])),
                    "last": first + dt.timedelta(int(found.last[place])),
                    "mean": found.mean[place],
                    "sd": found.sd[place],
                    "observed": found.observed[place],
                    **_named(found.levels, found.quantiles[place]),
                }
            )
    files.write(made, columns, output)
    _say(f"Reproduction numbers of {len(made):,} windows{_gaps(empty)}", faults, errors)


def forecast(
    counts: Annotated[Path | None, typer.Argument(help="Counts by week or day: CSV or Parquet.")] = None,
    horizons: Annotated[int, typer.Option(min=1, max=26, help="How many periods ahead.")] = 4,
    step: Annotated[int, typer.Option(min=1, help="Days in a period.")] = 7,
    period: Annotated[int, typer.Option(min=0, help="Periods in a year; 0 for no season.")] = 52,
    baseline: Annotated[bool, typer.Option("--baseline", help="A random walk, to compare with.")] = False,
    output: Output = None,
    errors: Errors = None,
    schema: Schema = False,
) -> None:
    """Forecast the next periods of all series, each from what all did before, as quantiles."""
    import numpy as np

    from salus.prevention.transmission import files
    from salus.prevention.transmission import forecast as engine

    columns = (*_FORECAST, *_quantiles())
    if schema:
        _print_schema({"counts": _COUNTED[:3]}, columns)
        return
    path = _given(counts, output, "forecast")
    rows, faults = files.read(path, _fields(_COUNTED[:3]))
    rows, repeated = files.once(rows, ("series", "date"))
    faults += repeated
    files.settle(path, faults, errors, rows)
    begins, ends = min(row["date"] for row in rows), max(row["date"] for row in rows)
    series = files.by_series(rows)
    made_of = [_daily(own, "cases", step, begins, ends) for own in series.values()]
    seen = np.array([one[1] for one in made_of])
    if baseline:
        found = engine.random_walk(seen, horizons=horizons)
    else:
        found = engine.forecast(seen, horizons=horizons, period=period or None)
    made = [
        {
            "series": name,
            "horizon": ahead + 1,
            "date": ends + dt.timedelta((ahead + 1) * step),
            **_named(found.levels, found.quantiles[place, ahead]),
        }
        for place, name in enumerate(series)
        for ahead in range(horizons)
    ]
    files.write(made, columns, output)
    words = f"Forecasts of {len(series):,} series after {ends}{_gaps(sum(one[2] for one in made_of))}"
    _say(words, faults, errors)


@contextmanager
def _in_series(series: str) -> Iterator[None]:
    """Name the series in an error about it."""
    try:
        yield
    except Invalid as error:
        where = ", ".join(part for part in (f"series {series}" if series else "", error.where) if part)
        raise Invalid(error.code, error.message, fix=error.fix, where=where) from None


def _listed(rows: "list[Row]", begun: dt.date, ends: dt.date, longest: int, step: int) -> Any:
    from salus.prevention.transmission.triangle import triangle

    onset = [row["onset"].toordinal() for row in rows]
    report = [row["report"].toordinal() for row in rows]
    return triangle(
        onset, report, start=begun.toordinal(), today=ends.toordinal(), longest=longest, step=step
    )


def _revised(rows: "list[Row]", begun: dt.date, ends: dt.date, longest: int, step: int) -> Any:
    import numpy as np

    from salus.prevention.transmission.triangle import from_revisions

    versions = sorted({row["as_of"] for row in rows if row["as_of"] <= ends})
    if not versions or versions[-1] != ends:
        raise Invalid("nowcast-today", "There is no revision of that day", where=str(ends))
    pairs = itertools.pairwise(versions)
    if any((late - early).days != step for early, late in pairs):
        raise Invalid(
            "nowcast-revisions",
            f"Revisions must lie {step} days apart",
            fix="Give --step, or the missing ones",
        )
    periods = (ends - begun).days // step + 1
    begins = ends - dt.timedelta((periods - 1) * step)
    totals = np.full((len(versions), periods), np.nan)
    place = {version: number for number, version in enumerate(versions)}
    for row in rows:
        period = (row["date"] - begins).days // step
        if row["as_of"] in place and 0 <= period < periods:
            known = totals[place[row["as_of"]], period]
            totals[place[row["as_of"]], period] = row["cases"] + (0 if np.isnan(known) else known)
    return from_revisions(totals[-periods:], longest=longest)


def _daily(
    rows: "list[Row]", column: str, step: int, begins: dt.date | None = None, ends: dt.date | None = None
) -> tuple[dt.date, list[float], int]:
    """Return the first date, the counts of every period from it on, and how many had no row."""
    first = begins or min(row["date"] for row in rows)
    last = ends or max(row["date"] for row in rows)
    counts = [0.0] * ((last - first).days // step + 1)
    told = set()
    for row in rows:
        days = (row["date"] - first).days
        if days % step:
            raise Invalid(
                "transmission-dates", f"Dates do not lie {step} days apart", where=f"line {row['line']}",
                fix="Give the day each period begins, and --step",
            )  # fmt: skip
        counts[days // step] = row[column] or 0.0
        told.add(days // step)
    return first, counts, len(counts) - len(told)


def _interval_of(path: Path) -> list[float]:
    from salus.prevention.transmission import files

    rows, faults = files.read(path, _fields(_INTERVAL))
    files.settle(path, faults, None, rows)
    lags = {int(row["lag"]): row["p"] for row in rows}
    return [lags.get(lag, 0.0) for lag in range(max(lags) + 1)]


def _given(path: Path | None, output: Path | None, name: str) -> Path:
    from salus.prevention.transmission import files

    if path is None:
        raise Invalid("transmission-arguments", "Give a file", fix=f"See salus prevention {name} --help")
    files.checked_output(output)
    return path


def _day(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Invalid("transmission-day", "No date of the form 2026-01-31", where="--today") from None


def _named(levels: Sequence[float], values: Any) -> dict[str, float]:
    return {f"q{level:g}": float(value) for level, value in zip(levels, values, strict=True)}


def _quantiles(levels: Sequence[float] | None = None) -> tuple[tuple[str, str], ...]:
    from salus.prevention.transmission.scoring import QUANTILES

    return tuple((f"q{level:g}", "double") for level in levels or QUANTILES)


def _gaps(empty: int) -> str:
    return f"; {empty:,} periods without a row were counted as 0" if empty else ""


def _say(words: str, faults: "list[Fault]", errors: Path | None) -> None:
    bad = len({fault.line for fault in faults})
    Console(stderr=True).print(words + (f"; {bad:,} bad rows in {errors}" if bad else ""), highlight=False)


def _fields(told: Sequence[tuple[str, str, str, bool]]) -> "list[Field]":
    from salus.prevention.transmission.files import Field

    return [Field(*one) for one in told]


def _print_schema(
    inputs: dict[str, Sequence[tuple[str, str, str, bool]]], columns: Sequence[tuple[str, str]]
) -> None:
    out = Console(soft_wrap=True)
    for name, fields in inputs.items():
        out.print(f"{name}:", highlight=False)
        for column, kind, about, needed in fields:
            out.print(f"  {column:10} {kind:7} {about}{'' if needed else ' (optional)'}", highlight=False)
    out.print("output:", highlight=False)
    for column, kind in columns:
        out.print(f"  {column:10} {kind:7} {_ABOUT.get(column, 'quantile')}", highlight=False)


_SERIES = ("series", "text", "which disease, place or group; each is estimated apart", False)
_LISTED = (
    _SERIES,
    ("onset", "date", "day the illness began", True),
    ("report", "date", "day it was reported", True),
)
_REVISED = (
    _SERIES,
    ("as_of", "date", "last day of the period in which this was published", True),
    ("date", "date", "any day of the period counted", True),
    ("cases", "count", "cases known then", True),
)
_COUNTED = (
    ("series", "text", "which disease, place or group", False),
    ("date", "date", "day, or first day of the week", True),
    ("cases", "count", "cases of that day or week", True),
    ("imported", "count", "those infected elsewhere", False),
)
_INTERVAL = (
    ("lag", "count", "days from one case's onset to the next one's; 0 has probability 0", True),
    ("p", "number", "probability", True),
)
_NOWCAST = (
    ("series", "text"), ("date", "date"), ("reported", "double"), ("share", "double"), ("mean", "double"),
)  # fmt: skip
_REPRODUCTION = (
    ("series", "text"), ("first", "date"), ("last", "date"), ("mean", "double"), ("sd", "double"),
    ("observed", "double"),
)  # fmt: skip
_FORECAST = (("series", "text"), ("horizon", "bigint"), ("date", "date"))
_ABOUT = {
    "series": "as in the input",
    "date": "first day of the period",
    "reported": "cases reported so far",
    "share": "expected share of them in all",
    "mean": "mean of the estimate",
    "first": "first day of the window",
    "last": "last day of the window",
    "sd": "standard deviation of the estimate",
    "observed": "share of their secondary cases that can have shown up",
    "horizon": "periods ahead",
}


def add_to(app: typer.Typer) -> None:
    """Hang the engine's commands into the room's command line."""
    app.command("nowcast")(nowcast)
    app.command("reproduction")(reproduction)
    app.command("forecast")(forecast)
