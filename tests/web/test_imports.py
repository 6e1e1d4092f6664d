"""Imports: nothing is written before the preview, a bad row stops no other, everything can be undone."""

import io
import zipfile
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from salus.kernel.errors import Invalid
from salus.kernel.models import Account, Institution, RoleGrant
from salus.web.imports import ImportColumn, counts, read_rows
from salus.web.models import ImportBatch, ImportRow
from tests.web.conftest import make_account

COLUMNS = (ImportColumn("code", "Code", required=True, also=("代码",)), ImportColumn("name", "Name"))
TEXT = "代码,name\nA1,东城\n\nB2,\n"
database = pytest.mark.django_db(databases=["default", "audit"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_in_the_usual_forms(encoding: str, delimiter: str) -> None:
    rows = read_rows(TEXT.replace(",", delimiter).encode(encoding), COLUMNS)
    assert rows == [(2, {"code": "A1", "name": "东城"}), (4, {"code": "B2", "name": ""})]


def test_excel_is_read() -> None:
    book, content = Workbook(), io.BytesIO()
    for row in (("code", "name"), ("A1", 12.0), (None, None), ("B2", None)):
        book.active.append(row)
    book.save(content)
    assert read_rows(content.getvalue(), COLUMNS) == [
        (2, {"code": "A1", "name": "12"}),
        (4, {"code": "B2", "name": ""}),
    ]


def bomb() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        for number in range(32):
            package.writestr(f"xl/worksheets/{number}.xml", b" " * 10_000_000)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "import-empty"),
        (b"code,name\n", "import-empty"),
        (b"name\nx\n", "import-column"),
        (b"\xff\xfe\x00\xd8\xff", "import-encoding"),
        (b"code\n\x00\x00", "import-format"),
        (b"PK\x03\x04 no workbook", "import-format"),
        (b"code\n" + b"x" * 5000, "import-cell"),
    ],
)
def test_what_cannot_be_read_is_said(content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as told:
        read_rows(content, COLUMNS)
    assert told.value.code == code


def test_a_workbook_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(Invalid) as told:
        read_rows(bomb(), COLUMNS)
    assert told.value.code == "import-size"


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"code,name\n" + tail))
@settings(max_examples=120, deadline=None)
def test_any_bytes_are_rows_or_a_typed_refusal(content: bytes) -> None:
    try:
        rows = read_rows(content, COLUMNS)
    except Invalid:
        return
    assert all(set(row) <= {"code", "name"} for _number, row in rows)


FILE = """username,display_name,institution,role
dr.li,Li,H1,clinician
dr.li,Li,H1,clinician
admin,Already,H1,clinician
dr.wu,Wu,nowhere,clinician
dr.xu,Xu,,clinician
dr.he,He,H1,surgeon
,Nameless,H1,clinician
"""


@pytest.fixture
def client(signed_in: Callable[..., Client]) -> Client:
    Institution.objects.create(code="H1", name="第一医院")
    return signed_in("administrator", username="admin")


def upload(client: Client, text: str = FILE) -> ImportBatch:
    file = SimpleUploadedFile("staff.csv", text.encode())
    answer = client.post(reverse("web:import", args=["accounts"]), {"file": file})
    batch = ImportBatch.objects.get()
    assert answer["Location"] == reverse("web:import-batch", args=["accounts", batch.pk])
    return batch


@database
def test_the_preview_judges_each_row_and_writes_nothing(client: Client) -> None:
    batch = upload(client)
    states = list(batch.rows.values_list("number", "state"))
    assert states == [
        (2, "ready"), (3, "wrong"), (4, "same"), (5, "wrong"), (6, "ready"), (7, "wrong"), (8, "wrong"),
    ]  # fmt: skip
    assert Account.objects.count() == 1
    page = client.get(reverse("web:import-batch", args=["accounts", batch.pk])).content.decode()
    assert "surgeon" in page and "dr.li" in page


@database
def test_a_row_that_fails_stops_no_other_and_all_is_undone(client: Client) -> None:
    batch = upload(client)
    client.post(reverse("web:import-carry-out", args=["accounts", batch.pk]))
    # The sixth line's role needs an institution: the service refuses it, the account is not left half made.
    assert counts(batch) == {"done": 1, "failed": 1, "same": 1, "wrong": 4}
    assert set(Account.objects.values_list("username", flat=True)) == {"admin", "dr.li"}
    assert RoleGrant.objects.filter(account__username="dr.li", role="clinician").exists()
    take_back = reverse("web:import-undo", args=["accounts", batch.pk])
    assert b"confirmed" in client.post(take_back).content
    client.post(take_back, {"confirmed": "1"})
    assert counts(batch)["undone"] == 1 and not Account.objects.get(username="dr.li").is_active


@database
def test_an_account_in_use_is_not_undone_silently(client: Client) -> None:
    batch = upload(client)
    client.post(reverse("web:import-carry-out", args=["accounts", batch.pk]))
    Account.objects.filter(username="dr.li").update(last_login=timezone.now())
    client.post(reverse("web:import-undo", args=["accounts", batch.pk]), {"confirmed": "1"})
    row = ImportRow.objects.get(batch=batch, number=2)
    assert row.state == "kept" and row.words and Account.objects.get(username="dr.li").is_active


@database
def test_others_find_no_import(signed_in: Callable[..., Client]) -> None:
    client = signed_in("clinician")
    assert client.get(reverse("web:import", args=["accounts"])).status_code == 404
    batch = ImportBatch.objects.create(
        importer="accounts", account=make_account("x"), filename="f", digest=""
    )
    for name in ("web:import-batch", "web:import-carry-out", "web:import-undo"):
        assert client.post(reverse(name, args=["accounts", batch.pk])).status_code == 404
