"""Decimals through the pipeline: what a source writes is stored with the same digits."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from salus.connect.loading import load_file
from salus.connect.models import SourceSystem
from salus.connect.services import Incoming, receive
from tests.connect.conftest import BOTH

pytestmark = pytest.mark.django_db(databases=BOTH)
Sources = Callable[..., SourceSystem]

MAPPING = """
[[table]]
name = "results"
file = "results*.csv"
key = ["ID"]
[[table.resource]]
type = "Observation"
id = "{ID}"
[table.resource.set]
"status" = "final"
"code.text" = "glucose"
"valueQuantity.value" = "{VALUE|number}"
"referenceRange[0].low.value" = 3.90
"""


def stored_values() -> list[str]:
    """Return the digits of each stored Observation's value, in the order they came."""
    with connection.cursor() as cursor:
        cursor.execute("select body from record_resource where version > 0 order by rid")
        bodies = [bytes(row[0]) for row in cursor.fetchall()]
    return [
        found[1].decode()
        for body in bodies
        if b'"Observation"' in body and (found := re.search(rb'"valueQuantity":\{.*?"value":([^,}]+)', body))
    ]


def test_a_table_keeps_digits(source: Sources, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text('ID,VALUE\n1,1.10\n2,0.010\n3,"1,234.50"\n4,7\n5,1E-7\n')
    load = load_file(source("lis", "csv", mapping=MAPPING), path)
    assert (load.stored, load.dead) == (5, 0)
    assert stored_values() == ["1.10", "0.010", "1234.50", "7", "1E-7"]
    with connection.cursor() as cursor:
        cursor.execute("select body from record_resource where version > 0")
        assert all(b'"low":{"value":3.90}' in bytes(body) for (body,) in cursor.fetchall())


def test_fhir_lines_keep_digits(source: Sources) -> None:
    lines = [
        b'{"resourceType":"Observation","id":"o%d","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":%s}}' % (position, number)
        for position, number in enumerate((b"1.10", b"1E+400", b"123456789.123456789"))
    ]
    receipts = receive(source(), [Incoming(line) for line in [*lines, lines[0].replace(b"1.10", b"1e9999")]])
    assert [one.status for one in receipts] == ["stored", "stored", "stored", "dead"]
    assert receipts[3].code == "bad-number"
    assert stored_values() == ["1.10", "1E+400", "123456789.123456789"]


def test_hl7_results_keep_digits(source: Sources) -> None:
    message = "\r".join(
        (
            r"MSH|^~\&|LIS|H|X|Y|20260501080000||ORU^R01|1|P|2.4",
            "PID|1||55^^^H^MR||Li^Ming",
            "OBR|1||F1|GLU^Glucose^L|||20260501080000|||||||||||||||||LAB|F",
            "OBX|1|NM|GLU^Glucose^L||5.20|mmol/L|||||F|||20260501080000",
            "OBX|2|SN|CRP^CRP^L||<^0.010|mg/L|||||F|||20260501080000",
        )
    )
    (receipt,) = receive(source("lis", "hl7v2"), [Incoming(message.encode())])
    assert receipt.status == "stored", receipt
    assert sorted(stored_values()) == ["0.010", "5.20"]
