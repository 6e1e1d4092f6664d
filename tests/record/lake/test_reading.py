"""Reading rows is decided, audited, and leaves out those who refuse; memory does not grow with the record."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from salus.kernel import audit, policy
from salus.kernel.errors import Invalid, NotAllowed, NotFound
from salus.kernel.models import AuditRow
from salus.kernel.policy import Grant, Principal
from salus.record.lake import reading, segments
from salus.record.lake.refreshing import refresh
from salus.record.store import Write
from tests.record.lake.views import VIEWS
from tests.record.lake.world import World

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)
SYSTEM = policy.system_principal("console:tester")
REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def who(role: str, district: str | None = None) -> Principal:
    grants = (Grant(role, district_code=district),)
    codes = frozenset({district}) if district else frozenset()
    return Principal(account_id=1, name=role, roles=frozenset({role}), grants=grants, district_codes=codes)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Two persons, one of them with two records; the second record refuses research."""
    world = World()
    world.write(*[Write("Patient", name, {"gender": "male"}) for name in "abc"])
    world.step()
    world.merge(0, 1)
    world.write(
        Write(
            "Consent",
            "no",
            {
                "status": "active",
                "scope": {"coding": [{"code": "research"}]},
                "category": [{"coding": [{"code": "research"}]}],
                "patient": {"reference": "Patient/b"},
                "provision": {"type": "deny", "purpose": [{"system": REASONS, "code": "HRESCH"}]},
            },
        )
    )
    refresh(tmp_path, VIEWS)
    return tmp_path


def count(lake: Path, purpose: str, as_of: date | None = None, persons: reading.Persons = "as-of") -> int:
    with reading.open(principal=SYSTEM, purpose=purpose, as_of=as_of, persons=persons, folder=lake) as opened:
        return int(opened.run("select count(*) as n from patient").to_pylist()[0]["n"])


def test_who_may_read_rows(lake: Path) -> None:
    for principal, purpose, allowed in (
        (who("epidemiologist"), "PUBHLTH", True),
        (who("epidemiologist"), "HRESCH", False),
        (who("epidemiologist", "330101"), "PUBHLTH", False),
        (who("planner"), "PUBHLTH", False),
        (who("clinician"), "TREAT", False),
    ):
        if allowed:
            with reading.open(principal=principal, purpose=purpose, folder=lake) as opened:
                assert opened.tables == ["patient", "patient_name", "observation"]
            continue
        with pytest.raises(NotAllowed), reading.open(principal=principal, purpose=purpose, folder=lake):
            pass


def test_refusal_of_research_hides_the_person_at_every_date(lake: Path) -> None:
    assert count(lake, "PUBHLTH") == count(lake, "HPAYMT") == 3
    assert count(lake, "HRESCH") == 1
    before = date(2026, 1, 1)
    assert count(lake, "PUBHLTH", before) == 3 and count(lake, "HRESCH", before) == 1
    assert count(lake, "HRESCH", before, "current") == 1
    assert count(lake, "PUBHLTH", timezone.localdate()) == 3


def test_each_answer_is_an_audit_row(lake: Path) -> None:
    count(lake, "PUBHLTH", date(2026, 1, 1))
    audit.close()
    row = AuditRow.objects.using("audit").get(resource_type="Lake")
    said = json.loads(row.detail)
    assert (row.actor, row.action, row.purpose, row.resource_id) == (
        "console:tester",
        "export",
        "PUBHLTH",
        "patient",
    )
    assert said["rows"] == 1 and said["as_of"] == "2026-01-01" and said["tables"] == ["patient"]


def test_what_cannot_be_read_is_said(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as none:
        count(tmp_path / "nothing", "PUBHLTH")
    assert none.value.code == "lake-none"
    with pytest.raises(Invalid) as future:
        count(lake, "PUBHLTH", timezone.localdate() + timedelta(days=2))
    assert future.value.code == "lake-future"
    with (
        pytest.raises(NotFound) as table,
        reading.open(principal=SYSTEM, purpose="PUBHLTH", tables=["x"], folder=lake),
    ):
        pass
    assert table.value.code == "lake-table"


def test_memory_does_not_grow_with_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the record's size, so many bytes of bodies and rows are held at once, and no more."""
    monkeypatch.setattr(segments, "HELD_BODIES", 20_000)
    monkeypatch.setattr(segments, "HELD_ROWS", 60_000)
    most = {"bodies": 0, "rows": 0}
    real = segments.Flattener.add

    def add(self: segments.Flattener, resource_type: str, row: tuple[Any, ...]) -> None:
        real(self, resource_type, row)
        most["bodies"] = max(most["bodies"], self.bytes)
        most["rows"] = max(most["rows"], sum(rows.bytes for rows in self.rows.values()))

    monkeypatch.setattr(segments.Flattener, "add", add)
    world = World()
    for part in range(4):
        world.write(
            *[
                Write(
                    kind, f"{kind[0].lower()}{part}-{n}", {"status": "final", "name": [{"family": "x" * 50}]}
                )
                for n in range(500)
                for kind in ("Patient", "Observation")
            ]
        )
    manifest = refresh(tmp_path, VIEWS)
    assert {name: table.rows for name, table in manifest.tables.items()} == {
        "patient": 2000,
        "patient_name": 2000,
        "observation": 2000,
    }
    assert 10_000 < most["bodies"] < 20_000 and 10_000 < most["rows"] <= 60_000, most
