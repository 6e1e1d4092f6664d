"""The main job from one command: a city built, sent, linked, counted; a second run reuses it."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.composition.test_commands import refused, salus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def printed(text: str, name: str) -> float:
    found = re.search(rf"{name}\s*│\s*([\d.,]+)", text)
    assert found, f"{name!r} is not in:\n{text}"
    return float(found.group(1).replace(",", ""))


LIVING = {
    "a claim adds up over its payers": "select count(*) from insurance_adjudication"
    " where charge_fen <> basic_fen + serious_fen + aid_fen + free_fen + self_in_fen + self_out_fen"
    " + institution_fen",
    "a claim of a month is booked": "select count(*) from insurance_adjudication a where basic_fen > 0"
    " and not exists (select 1 from insurance_journalentry j where j.kind = 'benefit' and j.fund = a.scheme"
    " and j.day = a.decided_on)",
    "the year is paid but for its last month": "select count(*) from insurance_paymentbatch"
    " where (state = 'paid') <> (month < (select max(month) from insurance_paymentbatch))",
    "one tender is decided, one sealed, one asking": "select count(*) <> 3 or count(distinct state) <> 3"
    " from insurance_tender where state <> 'cancelled'",
    "a settlement is published": "select count(*) <> 1 from insurance_settlementrun"
    " where state = 'published'",
    "a list of prices holds, another is drafted": "select count(*) <> 2 or count(distinct state) <> 2"
    " from insurance_pricelist",
    "the resident's account has claims": "select count(*) from kernel_account a where username = 'resident'"
    " and not exists (select 1 from insurance_claim c where c.person_id = a.person_id)",
}
"""What must hold in the demonstration's insurance: a query a sentence that counts exceptions."""


def insurance_faults(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(database)) as connection:
        counted = {name: connection.execute(sql).fetchone()[0] for name, sql in LIVING.items()}
    return {name: count for name, count in counted.items() if count}


def test_a_city_is_demonstrated_once_and_reused(tmp_path: Path) -> None:
    first = salus(tmp_path, "demo", "--residents", "1000", "--no-serve")
    assert first.returncode == 0, first.stderr[-3000:]
    count = {
        name: printed(first.stdout, name) for name in ("Messages in", "stored", "repeated", "dead letters")
    }
    assert count["Messages in"] == count["stored"] + count["repeated"] + count["dead letters"] > 10_000
    assert printed(first.stdout, "Source systems") == 52
    assert printed(first.stdout, "Linkage precision") >= 0.999
    assert printed(first.stdout, "Linkage recall") >= 0.98
    assert 100 <= printed(first.stdout, "Insured members") <= 135
    assert printed(first.stdout, "Claims settled") > 150
    assert insurance_faults(tmp_path / "salus.sqlite3") == {}
    accounts = tmp_path / "keys" / "demo-accounts.json"
    assert accounts.stat().st_mode & 0o077 == 0, "others may read the passwords"
    passwords = accounts.read_text()

    second = salus(tmp_path, "demo", "--residents", "1000", "--no-serve")
    assert second.returncode == 0, second.stderr[-3000:]
    assert second.stdout == first.stdout, "the second run did something"
    assert accounts.read_text() == passwords

    refused(salus(tmp_path, "demo", "--residents", "2000", "--no-serve"), "1,000 residents", "--data-dir")
    assert salus(tmp_path, "audit", "verify").returncode == 0
