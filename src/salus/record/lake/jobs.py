"""Periodic work of the lake. What it needs is imported when it runs: DuckDB and Arrow are slow to load."""

from datetime import timedelta

from salus.kernel.jobs import periodic


@periodic(every=timedelta(minutes=5), name="record.lake-refresh")
def refresh_lake() -> None:
    """Bring the tables up to the record."""
    from salus.record.lake import services
    from salus.record.lake.folder import Busy

    try:
        services.follow()
    except Busy:
        return  # somebody runs it by hand


@periodic(every=timedelta(days=1), name="record.lake-quality")
def measure_quality() -> None:
    """Measure how complete and how timely each source's data are."""
    from salus.record.lake import quality, queries

    if queries.present() is not None:
        quality.measure()


@periodic(every=timedelta(minutes=1), name="record.research-copies")
def make_research_copies() -> None:
    """Make the copies for research that were asked for."""
    from salus.record.lake.research import services

    services.make_waiting()
