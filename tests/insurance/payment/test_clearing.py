"""Clearing: what a settlement by group adds to payment by item is booked once, paid, and taken back."""

import csv
import io
import json
import shutil
from collections import defaultdict
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.utils import timezone

from salus.insurance.models import Clearing, JournalEntry, PaymentBatch, SettlementRun
from salus.insurance.payment import output
from salus.insurance.queries import fund as funds
from salus.insurance.services import clearing, payments
from salus.insurance.services import settlement as services
from salus.kernel.errors import Conflict, NotAllowed, NotFound
from salus.kernel.models import AuditRow, Institution
from salus.kernel.policy import Principal
from tests.insurance.payment.test_settlement import NOW, OFFICER, places, year  # noqa: F401 - fixtures
from tests.web.conftest import make_account, signed_in  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)
COLLEAGUE = Principal(name="colleague", roles=frozenset({"fund_officer"}))
PLANNER = Principal(name="planner", roles=frozenset({"planner"}))
TODAY, MONTH = date(2026, 2, 1), date(2026, 2, 1)


def written(settled: Path) -> dict[tuple[str, str], int]:
    """Return what the settlement's own file says: by institution and insured group, paid less by item."""
    rows = pq.read_table(settled / "year" / "clearing.parquet").to_pylist()
    return {(row["institution"], row["insured"]): row["paid"] - row["by_item"] for row in rows}


def owed() -> dict[str, int]:
    """Return what each fund owes to institutions."""
    return {fund: -funds.balances(fund).get("payable", 0) for fund in ("employee", "resident")}


def refused(code: str, act: object, *given: object, **named: object) -> None:
    with pytest.raises(Conflict) as error:
        act(*given, **named)  # type: ignore[operator]
    assert error.value.code == code


def test_the_difference_is_booked_once_and_paid_with_the_next_batch(
    settled: Path,
    year: SettlementRun,  # noqa: F811
    places: dict[str, Institution],  # noqa: F811
) -> None:
    refused("clearing-state", clearing.book, OFFICER, year, now=NOW)
    services.publish(OFFICER, year, now=NOW)
    with pytest.raises(NotAllowed):
        clearing.book(PLANNER, year, now=NOW)
    clearing.book(OFFICER, year, now=NOW)
    refused("clearing-booked", clearing.book, OFFICER, year, now=NOW)
    wanted = written(settled)
    assert {(c.line.institution.code, c.fund): c.amount_fen for c in Clearing.objects.all()} == wanted
    sums: dict[str, int] = defaultdict(int)
    for (_, fund), amount in wanted.items():
        sums[fund] += amount
    assert owed() == sums and all(sums.values())

    for code, place in places.items():
        batch = payments.prepare(OFFICER, place, MONTH, now=NOW)
        mine = {fund: amount for (at, fund), amount in wanted.items() if at == code}
        assert batch.cleared_fen == sum(mine.values()) and batch.decisions == batch.approved_fen == 0
        rows = funds.reconciliation(batch)
        assert {one.number.rpartition("-")[2]: one.approved for one in rows} == mine
        assert {one.kind for one in rows} == {"clearing"}
        payments.approve(COLLEAGUE, batch.pk, now=NOW)
        payments.pay(COLLEAGUE, batch.pk, TODAY, now=NOW)
        with pytest.raises(NotFound):
            payments.prepare(OFFICER, place, MONTH, now=NOW)
    assert owed() == {"employee": 0, "resident": 0}
    assert {fund: -funds.balances(fund)["cash"] for fund in sums} == sums
    assert AuditRow.objects.filter(action="create", resource_type="Clearing").count() == 1
    refused("clearing-paid", clearing.take_back, OFFICER, year, now=NOW)


def test_a_booking_is_taken_back_whole_unless_a_payment_holds_it(
    year: SettlementRun,  # noqa: F811
    places: dict[str, Institution],  # noqa: F811
) -> None:
    services.publish(OFFICER, year, now=NOW)
    refused("clearing-none", clearing.take_back, OFFICER, year, now=NOW)
    clearing.book(OFFICER, year, now=NOW)
    booked = owed()
    batch = payments.prepare(OFFICER, places["H33"], MONTH, now=NOW)
    refused("clearing-paid", clearing.take_back, OFFICER, year, now=NOW)
    payments.discard(OFFICER, batch.pk)
    clearing.take_back(OFFICER, year, now=NOW)
    assert owed() == {"employee": 0, "resident": 0} and not Clearing.objects.exists()
    assert not PaymentBatch.objects.exists()
    clearing.book(OFFICER, year, now=NOW)
    assert owed() == booked
    assert (
        JournalEntry.objects.filter(kind="clearing", reverses=None).count()
        == 2 * Clearing.objects.exclude(amount_fen=0).count()
    )


def test_a_corrected_version_books_only_what_it_changes(
    settled: Path,
    year: SettlementRun,  # noqa: F811
    tmp_path: Path,
) -> None:
    services.publish(OFFICER, year, now=NOW)
    clearing.book(OFFICER, year, now=NOW)
    booked = owed()
    second = tmp_path / "second"
    shutil.copytree(settled / "year", second)
    table = pq.read_table(second / "clearing.parquet")
    by_item = table.column("by_item").to_pylist()
    by_item[0] += 12_345  # more was paid by item than was known: the institution pays that back
    place = table.schema.get_field_index("by_item")
    pq.write_table(
        table.set_column(place, table.schema.field(place), pa.array(by_item, table.schema.field(place).type)),
        second / "clearing.parquet",
    )
    facts = json.loads((second / "settlement.json").read_text())
    facts["files"]["clearing.parquet"] = output.digest(second / "clearing.parquet")
    (second / "settlement.json").write_text(json.dumps(facts))
    later = services.record_settlement(OFFICER, second, year=2025, now=NOW)
    services.publish(OFFICER, later, now=NOW)
    made = clearing.book(OFFICER, later, now=NOW)
    assert sorted(one.amount_fen for one in made) == [-12_345] + [0] * (len(by_item) - 1)
    fund = table.column("insured")[0].as_py()
    assert owed() == {**booked, fund: booked[fund] - 12_345}
    refused("clearing-later", clearing.take_back, OFFICER, year, now=NOW)
    clearing.take_back(OFFICER, later, now=NOW)
    assert owed() == booked


def test_a_settlement_that_is_booked_is_not_hidden(year: SettlementRun) -> None:  # noqa: F811
    change = services.publish(OFFICER, year, now=NOW)
    clearing.book(OFFICER, year, now=NOW)
    refused("settlement-booked", services.withdraw, OFFICER, year, reason="an error", now=NOW)
    refused("settlement-booked", services.undo, OFFICER, change, now=NOW)
    clearing.take_back(OFFICER, year, now=NOW)
    services.withdraw(OFFICER, year, reason="an error", now=NOW)


def test_an_officer_books_and_takes_back_on_the_page(
    year: SettlementRun,  # noqa: F811
    places: dict[str, Institution],  # noqa: F811
) -> None:
    services.publish(OFFICER, year, now=NOW)
    client, page = Client(), f"/insurance/settlements/{year.pk}/"
    client.force_login(make_account("other", "fund_officer"))
    assert "Book the difference" in client.get(page).content.decode()
    asks = client.post(f"{page}book").content.decode()
    assert "Please confirm" in asks and not Clearing.objects.exists()
    done = client.post(f"{page}book", {"confirmed": "1"}, follow=True).content.decode()
    assert "The settlement is booked." in done and "Book the difference" not in done
    assert "Booked against payment by item" in done
    batch = payments.prepare(OFFICER, places["H33"], timezone.localdate(), now=timezone.now())
    shown = client.get(f"/insurance/payments/{batch.pk}/").content.decode()
    assert "By settlements by group" in shown and "2025-drg-employee" in shown
    file = b"".join(client.get(f"/insurance/payments/{batch.pk}/file/").streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(file)))
    assert sum(int(row["approved_fen"]) for row in rows) == batch.cleared_fen
    assert "A payment holds what was booked" in client.post(f"{page}unbook", follow=True).content.decode()
    payments.discard(OFFICER, batch.pk)
    assert "The booking was taken back." in client.post(f"{page}unbook", follow=True).content.decode()
    client.force_login(make_account("third", "planner"))
    assert "Book the difference" not in client.get(page).content.decode()
    assert client.post(f"{page}book", {"confirmed": "1"}).status_code == 403
