"""From the wire to the record: whose message it is, and what the sender is told."""

from datetime import UTC, datetime

import orjson
import pytest
from django.utils import timezone

from salus.connect.mllp.reception import _Sources, _store
from salus.connect.mllp.server import Frame, Peer
from salus.connect.models import Message, SourceCredential, SourceSystem
from salus.record.models import Resource
from tests.connect.hl7v2 import samples

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)


@pytest.fixture
def hospital() -> SourceSystem:
    return SourceSystem.objects.create(code="his", name="HIS", format="hl7v2")


def framed(raw: bytes, fingerprint: str = "") -> Frame:
    return Frame(raw, Peer("127.0.0.1", "client" if fingerprint else "", fingerprint), datetime.now(UTC))


def test_stored_repeated_refused_and_not_hl7(hospital: SourceSystem) -> None:
    wrong = samples.message(samples.header("ADT^A01", "W1"), "PID|1")
    frames = [framed(raw) for raw in (samples.ADT_A01, samples.ADT_A01, wrong, b"hello")]
    answers = _store(_Sources("his"), frames)
    assert [answer.result for answer in answers] == ["AA", "AA", "AE", "AR"]
    assert (answers[2].code, answers[2].where) == ("missing-patient", "PID-3")
    assert sorted(Message.objects.values_list("status", flat=True)) == ["dead", "dead", "repeated", "stored"]
    assert Resource.objects.exists()
    again = _store(_Sources("his"), [framed(wrong)])
    assert (again[0].result, again[0].code) == ("AE", "missing-patient"), "a repeat is told the reason again"


def test_the_header_names_the_source(hospital: SourceSystem) -> None:
    sources = _Sources(None)
    answers = _store(sources, [framed(samples.ADT_A01), framed(samples.ADT_A01.replace(b"|HIS|", b"|LAB|"))])
    assert [answer.code for answer in answers] == ["", "unknown-source"]
    lab = SourceSystem.objects.create(
        code="lab-7", name="LAB", format="hl7v2", mapping='[hl7v2]\nsender = "LAB|H01"\n'
    )
    answers = _store(_Sources(None), [framed(samples.ADT_A01.replace(b"|HIS|", b"|LAB|"))])
    assert answers[0].result == "AA"
    assert Message.objects.filter(source=lab).count() == 1


def test_a_source_with_a_certificate_is_known_by_it_alone(hospital: SourceSystem) -> None:
    credential = SourceCredential.objects.create(
        source=hospital, kind=SourceCredential.Kind.CERTIFICATE, fingerprint="ab" * 32
    )
    assert _store(_Sources(None), [framed(samples.ADT_A01)])[0].code == "certificate-required"
    assert _store(_Sources(None), [framed(samples.ADT_A01, "ab" * 32)])[0].result == "AA"
    credential.revoked_at = timezone.now()
    credential.save()
    assert _store(_Sources("other"), [framed(samples.ADT_A01, "ab" * 32)])[0].code == "unknown-source"


def test_an_admission_result_and_discharge_are_one_visit(hospital: SourceSystem) -> None:
    order = [samples.ADT_A01, samples.ORU_R01, samples.ADT_A03, samples.ADT_A08]
    answers = _store(_Sources("his"), [framed(raw) for raw in order])
    assert [answer.result for answer in answers] == ["AA"] * 4
    bodies = [orjson.loads(bytes(body)) for body in Resource.objects.values_list("body", flat=True)]
    (visit,) = [body for body in bodies if body["resourceType"] == "Encounter"]
    assert visit["status"] == "finished"
    assert visit["period"]["end"].startswith("2024-01-10T11:00:00")
    (patient,) = [body for body in bodies if body["resourceType"] == "Patient"]
    assert "telecom" in patient
