"""Tables: every row is reached once; exports leave nothing out and hold no formula."""

import csv
import io
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from salus.kernel.models import District
from salus.web.tables import ChoiceFilter, Column, DateFilter, ListRows, Table, export, xlsx

DATABASES = pytest.mark.django_db(databases=["default", "audit"])


class Districts(Table):
    name = "districts"
    caption = "Districts"
    columns = (
        Column("code", "Code", kind="code", sort="code"),
        Column("name", "Name", sort="name"),
        Column("population", "Population", kind="number", sort="population"),
        Column("level", "Level", optional=True),
    )
    filters = (ChoiceFilter("level", "Level", (("district", "District"), ("county", "County"))),)
    search = ("name",)
    default_sort = "code"
    page_size = 20


class ByKey(Districts):
    keyset = "code"


class Private(Districts):
    private = True


def asked(query: str = "", method: str = "get", **values: Any) -> HttpRequest:
    request = getattr(RequestFactory(), method)(f"/rows{query}", values)
    request.user = AnonymousUser()
    request.session = SessionStore()
    return request


@pytest.fixture
def districts() -> None:
    District.objects.bulk_create(
        District(
            code=f"{number:06}",
            name=f"District {number % 7}",
            population=number * 10,
            level="county" if number % 3 == 0 else "district",
        )
        for number in range(105)
    )


def rows_of(table: Table) -> list[str]:
    return [line.key for line in table.lines]


@DATABASES
@pytest.mark.parametrize("sort", ["code", "-code", "name", "-name", "population"])
def test_pages_hold_every_row_once(districts: None, sort: str) -> None:
    seen: list[str] = []
    for page in range(1, 7):
        seen += rows_of(Districts(asked(f"?page={page}&sort={sort}"), District.objects.all()))
    assert sorted(seen) == [f"{number:06}" for number in range(105)]


@DATABASES
@pytest.mark.parametrize("sort", ["code", "-code"])
def test_keyset_walks_forth_and_back(districts: None, sort: str) -> None:
    query, seen, pages = f"?sort={sort}", [], []
    while True:
        table = ByKey(asked(query), District.objects.all())
        pages.append(rows_of(table))
        seen += pages[-1]
        if not table.next_url:
            break
        query = table.next_url.removeprefix("/rows")
    assert seen == sorted(seen, reverse=sort == "-code") and len(seen) == 105
    back = []
    while table.previous_url:
        table = ByKey(asked(table.previous_url.removeprefix("/rows")), District.objects.all())
        back.append(rows_of(table))
    assert back == pages[-2::-1]


@DATABASES
def test_search_filter_and_count(districts: None) -> None:
    table = Districts(asked("?q=District+3&level=county"), District.objects.all())
    assert table.total == sum(1 for n in range(105) if n % 7 == 3 and n % 3 == 0)
    assert table.narrowed
    assert Districts(asked("?q=nowhere"), District.objects.all()).total == 0


@DATABASES
@pytest.mark.parametrize(
    "query", ["?page=x", "?page=999999999999", "?page=-1", "?sort=pk;drop", "?level=none", "?q=%00"]
)
def test_nonsense_in_the_address_is_left_out(districts: None, query: str) -> None:
    table = Districts(asked(query), District.objects.all())
    assert table.lines


@DATABASES
def test_columns_can_be_chosen(districts: None) -> None:
    chosen = Districts(asked("?columns=chosen&col=level&col=code"), District.objects.all()).shown_columns
    assert [column.name for column in chosen] == ["code", "level"]
    usual = Districts(asked(), District.objects.all()).shown_columns
    assert [column.name for column in usual] == ["code", "name", "population"]


@DATABASES
def test_aria_sort_tells_the_order(districts: None) -> None:
    html = Districts(asked("?sort=-name"), District.objects.all()).html(asked("?sort=-name"))
    assert html.count("aria-sort=") == 1 and 'aria-sort="descending"' in html


@DATABASES
def test_htmx_gets_the_table_alone(districts: None) -> None:
    request = asked()
    request.htmx = type("Htmx", (), {"target": "table-districts"})()  # type: ignore[attr-defined]
    answer = Districts(request, District.objects.all()).respond("web/table_page.html")
    assert answer.content.lstrip().startswith(b'<section id="table-districts"')
    assert "HX-Target" in answer["Vary"]


@DATABASES
def test_private_words_stay_out_of_addresses(districts: None) -> None:
    request = asked("", "post", table="districts", q="District 5")
    moved = Private(request, District.objects.all()).respond("web/table_page.html")
    assert moved.status_code == 302 and "District" not in moved["Location"]
    later = asked(moved["Location"].removeprefix("/rows"))
    later.session = request.session
    table = Private(later, District.objects.all())
    assert table.asked.search == "District 5" and table.total == 15
    assert "District" not in table.csv_url


def exported(table: Table, kind: str) -> bytes:
    return b"".join(table.exported(kind))  # type: ignore[arg-type]


@DATABASES
def test_csv_holds_every_matching_row(districts: None) -> None:
    table = Districts(asked("?level=county&page=2"), District.objects.all())
    rows = list(csv.reader(io.StringIO(exported(table, "csv").decode("utf-8-sig"))))
    assert rows[0] == ["Code", "Name", "Population"]
    assert [row[0] for row in rows[1:]] == [f"{n:06}" for n in range(0, 105, 3)]


@DATABASES
def test_xlsx_holds_every_matching_row_and_says_how_many(districts: None) -> None:
    book = load_workbook(io.BytesIO(exported(Districts(asked(), District.objects.all()), "xlsx")))
    rows, about = book.worksheets
    assert rows.max_row == 106 and rows["A2"].value == "000000" and rows["C106"].value == 1040
    assert [about.cell(about.max_row, column).value for column in (1, 2)] == ["Rows", 105]


def test_xlsx_goes_on_to_a_second_sheet_instead_of_cutting() -> None:
    parts = xlsx.stream(
        ["n"],
        ([n] for n in range(25)),
        sheet="Rows",
        about=[],
        about_title="About",
        rows_title="Rows",
        rows_a_sheet=11,
    )
    book = load_workbook(io.BytesIO(b"".join(parts)))
    assert book.sheetnames == ["Rows", "Rows 2", "Rows 3", "About"]
    values = [cell.value for sheet in book.worksheets[:3] for (cell,) in sheet.iter_rows(min_row=2)]
    assert values == list(range(25))


@given(st.lists(st.text(max_size=30), max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_exported_text_is_a_formula(texts: list[str]) -> None:
    content = b"".join(export.csv_chunks(["text"], ([text] for text in texts))).decode(
        "utf-8-sig", "surrogatepass"
    )
    for row in list(csv.reader(io.StringIO(content, newline="")))[1:]:
        if row and row[0]:
            assert row[0][0] not in "=@\t\r" and (row[0][0] not in "+-" or row[0][1:2].isdigit())


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_neutralised(text: str) -> None:
    assert export.neutral(text) == "'" + text


@pytest.mark.parametrize("text", ["-12.5", "+86", "", "12", "a=b", "-3,000"])
def test_plain_numbers_and_texts_stay(text: str) -> None:
    assert export.neutral(text) == text


def test_xlsx_texts_are_never_formulas() -> None:
    parts = xlsx.stream(["t"], [["=1+1"], ["\x01bad"]], sheet="a", about=[], about_title="b", rows_title="c")
    sheet = load_workbook(io.BytesIO(b"".join(parts))).worksheets[0]
    assert sheet["A2"].data_type == "s" and sheet["A2"].value == "=1+1"
    assert sheet["A3"].value == "\N{REPLACEMENT CHARACTER}bad"


def test_a_list_is_sorted_with_the_absent_last() -> None:
    rows = ListRows([{"id": 1, "n": 5}, {"id": 2, "n": None}, {"id": 3, "n": 9}])

    class Numbers(Table):
        columns = (Column("n", "n", sort="n"),)

    assert rows_of(Numbers(asked("?sort=-n"), rows)) == ["3", "1", "2"]


@DATABASES
def test_days_are_bounded_in_the_citys_zone(districts: None) -> None:
    chosen = DateFilter("at", "Days", unit="microseconds").read({"at_from": "2024-03-01", "at_to": "bad"}, "")
    assert chosen == {"at_from": "2024-03-01"}
    assert DateFilter("at", "Days", unit="microseconds").bound(date(2024, 3, 1)) == 1709222400000000
