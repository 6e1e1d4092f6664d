"""Pages: a table of 100,000 rows, its export, a chart, and the texts that are not translated.

Each run is a process of its own with a database of its own.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
ROWS, QUICK_ROWS = 100_000, 20_000
REQUESTS = 60
RUNS = 3


@figure("table-page", room="web", unit="ms", target=300, better="lower")
def table_page(quick: bool) -> Measured:
    """A page of a searched, sorted table of 100,000 rows: p95 of the whole answer."""
    return _measured("page", quick)


@figure("table-export-csv", room="web", unit="rows/s", target=20_000)
def table_export_csv(quick: bool) -> Measured:
    """Rows a second of a whole table exported as CSV."""
    return _measured("csv", quick)


@figure("table-export-xlsx", room="web", unit="rows/s", target=10_000, peer="openpyxl, write-only workbook")
def table_export_xlsx(quick: bool) -> Measured:
    """Rows a second of a whole table exported as an Excel workbook; the peer writes the same cells."""
    rows = QUICK_ROWS if quick else ROWS
    measured = _measured("xlsx", quick)
    return Measured(measured.values, [_openpyxl(rows)])


@figure("chart-draw", room="web", unit="ms", target=60, better="lower")
def chart_draw(quick: bool) -> Measured:
    """A line chart of 100 values drawn and cleaned, none of it kept from before."""
    return _measured("chart", quick)


@figure("untranslated-strings", room="web", unit="texts", target=0, better="lower")
def untranslated_strings(quick: bool) -> Measured:
    """Texts of all rooms that are missing, fuzzy or unmarked in either language."""
    return Measured([_child("texts", quick)])


def _measured(what: str, quick: bool) -> Measured:
    return Measured([_child(what, quick) for _ in range(1 if quick else RUNS)])


def _child(what: str, quick: bool) -> float:
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        environment = {**os.environ, "SALUS_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "salus.settings"}
        environment.pop("DATABASE_URL", None)
        done = subprocess.run(
            [sys.executable, "-m", "bench.web_pages", what, str(QUICK_ROWS if quick else ROWS)],
            env=environment,
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
    return float(json.loads(done.stdout.splitlines()[-1]))


def _openpyxl(rows: int) -> float:
    from openpyxl import Workbook

    started = time.perf_counter()
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for number in range(rows):
        sheet.append([f"{number:06}", f"District {number % 997}", number, "district"])
    book.save(io.BytesIO())
    return rows / (time.perf_counter() - started)


def _run(what: str, rows: int) -> float:
    import django

    django.setup()
    if what == "texts":
        from salus.web import translation

        unmarked = sum(
            len(translation.unmarked(path))
            for room in translation.rooms()
            for path in room.rglob("templates/**/*.html")
        )
        return float(unmarked + sum(len(translation.faults(language)) for language in translation.LANGUAGES))
    if what == "chart":
        return _chart()
    return _table(what, rows)


def _chart() -> float:
    from salus.web import charts

    taken = []
    for turn in range(12):
        values = [{"x": float(n), "y": float((n * 7 + turn) % 31)} for n in range(100)]
        started = time.perf_counter()
        charts.line(values, charts.Field("x", "x"), charts.Field("y", "y"), title=f"Turn {turn}")
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken[2:])


def _table(what: str, rows: int) -> float:
    from django.contrib.auth.models import AnonymousUser
    from django.core.management import call_command
    from django.test import RequestFactory

    from salus.kernel.models import District
    from salus.web.tables import Column, Table

    class Districts(Table):
        name = "districts"
        caption = "Districts"
        columns = (
            Column("code", "Code", sort="code"),
            Column("name", "Name", sort="name"),
            Column("population", "Population", kind="number", sort="population"),
            Column("level", "Level"),
        )
        search = ("name",)
        default_sort = "code"

    call_command("migrate", "kernel", verbosity=0)
    District.objects.bulk_create(
        (District(code=f"{n:06}", name=f"District {n % 997}", population=n) for n in range(rows)),
        batch_size=5000,
    )

    def table(query: str) -> Any:
        request = RequestFactory().get(f"/rows?{query}")
        request.user = AnonymousUser()
        return Districts(request, District.objects.all())

    if what == "page":
        taken = []
        for turn in range(REQUESTS):
            started = time.perf_counter()
            bound = table(f"q=District+{turn % 9}&sort=-population&page={turn % 20 + 1}")
            bound.html(bound.request)
            taken.append((time.perf_counter() - started) * 1000)
        return sorted(taken)[int(len(taken) * 0.95) - 1]
    started = time.perf_counter()
    size = sum(len(chunk) for chunk in table("").exported(what))
    assert size > rows  # noqa: S101 - a figure of an empty file would mean nothing
    return rows / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_run(sys.argv[1], int(sys.argv[2]))) + "\n")
