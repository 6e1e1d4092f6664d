"""The pages of sources, messages, dead letters and loads, for integrators only."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from salus.connect.models import Load, Message, SourceCredential, SourceSystem
from salus.connect.services import Incoming, receive
from salus.kernel.models import Account, AuditRow, RoleGrant
from tests.connect.conftest import BOTH, patient
from tests.connect.test_loads import MAPPING

pytestmark = pytest.mark.django_db(databases=BOTH)
Sources = Callable[..., SourceSystem]


def client(*roles: str) -> Client:
    account = Account.objects.create(username="-".join(roles) or "nobody")
    for role in roles:
        RoleGrant.objects.create(account=account, role=role)
    made = Client()
    made.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    return made


@pytest.fixture
def flow(source: Sources) -> dict[str, Any]:
    """A source with a stored message, a repeat and a dead letter."""
    his = source("his", mapping=MAPPING)
    receipts = receive(
        his, [Incoming(raw) for raw in (patient("a"), patient("a"), patient("b", gender="mail"))]
    )
    return {"source": his, "stored": receipts[0].message_id, "dead": receipts[2].message_id}


def addresses(flow: dict[str, Any]) -> list[str]:
    return [
        reverse("connect:sources"),
        reverse("connect:source", args=["his"]),
        reverse("connect:mapping", args=["his"]),
        reverse("connect:messages"),
        reverse("connect:message", args=[flow["stored"]]),
        reverse("connect:message", args=[flow["dead"]]),
        reverse("connect:dead-letters"),
        reverse("connect:loads"),
        reverse("connect:upload"),
    ]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_pages_show(flow: dict[str, Any], language: str) -> None:
    reader = client("integrator")
    reader.cookies["django_language"] = language
    for address in addresses(flow):
        answer = reader.get(address)
        assert answer.status_code == 200, address
        assert b"style=" not in answer.content
    for name in ("sources", "messages", "dead-letters", "loads"):
        assert reader.get(reverse(f"connect:{name}") + "?export=csv").status_code == 200


@pytest.mark.parametrize("role", ["resident", "clinician", "village_doctor", "planner", "auditor", ""])
def test_others_are_refused(flow: dict[str, Any], role: str) -> None:
    reader = client(*([role] if role else []))
    for address in addresses(flow):
        assert reader.get(address).status_code == 403, address
    for name in ("message-content", "message-edit", "message-replay", "message-discard"):
        assert reader.post(reverse(f"connect:{name}", args=[flow["dead"]])).status_code == 403
    assert reader.post(reverse("connect:issue-token", args=["his"])).status_code == 403
    assert Client().get(addresses(flow)[0]).status_code == 302


def test_a_message_is_shown_only_on_asking_and_the_look_is_audited(flow: dict[str, Any]) -> None:
    reader = client("integrator")
    assert b"mail" not in reader.get(reverse("connect:message", args=[flow["dead"]])).content
    shown = reader.post(reverse("connect:message-content", args=[flow["dead"]]))
    assert b"&quot;mail&quot;" in shown.content
    assert shown["Cache-Control"] == "no-store"
    assert AuditRow.objects.using("audit").filter(action="read", actor="integrator").count() == 1


def test_edit_and_replay(flow: dict[str, Any]) -> None:
    reader = client("integrator")
    corrected = patient("b", gender="male").decode()
    answer = reader.post(
        reverse("connect:message-edit", args=[flow["dead"]]),
        {"text": corrected, "note": "typing"},
        follow=True,
    )
    assert answer.status_code == 200
    message = Message.objects.get(pk=flow["dead"])
    assert (message.status, message.resolution) == ("stored", "replayed")
    assert message.edits.get().note == "typing"


def test_replay_of_a_reason_and_discard(flow: dict[str, Any]) -> None:
    reader = client("integrator")
    values = {"source": "his", "reason": "invalid-fhir"}
    asked = reader.post(reverse("connect:replay-many"), values)
    assert asked.status_code == 200  # asks first
    assert reader.post(reverse("connect:replay-many"), values | {"confirmed": "1"}).status_code == 302
    assert Message.objects.get(pk=flow["dead"]).attempts == 2
    reader.post(reverse("connect:message-discard", args=[flow["dead"]]), {"note": ""})
    assert Message.objects.get(pk=flow["dead"]).resolution == ""
    reader.post(reverse("connect:message-discard", args=[flow["dead"]]), {"note": "a test"})
    assert Message.objects.get(pk=flow["dead"]).resolution == "discarded"


def test_upload_preview_load_and_undo(flow: dict[str, Any]) -> None:
    reader = client("integrator")
    file = SimpleUploadedFile("people.csv", b"ID,NAME,SEX\n1,x,1\n2,y,9\n")
    SourceSystem.objects.filter(code="his").update(format="csv")
    seen = reader.post(reverse("connect:upload"), {"source": "his", "file": file}, follow=True)
    assert seen.status_code == 200
    assert seen.context["counts"] == {"stored": 1, "repeated": 0, "dead": 1}
    assert Load.objects.count() == 0
    token = seen.context["token"]
    loaded = reader.post(reverse("connect:carry-out", args=[token]), follow=True)
    assert loaded.status_code == 200
    load = Load.objects.get()
    assert (load.stored, load.dead, load.via) == (1, 1, "page")
    assert reader.get(reverse("connect:preview", args=[token])).status_code == 400
    assert reader.post(reverse("connect:undo", args=[load.pk])).status_code == 200
    undone = reader.post(reverse("connect:undo", args=[load.pk]), {"confirmed": "1"}, follow=True)
    assert undone.status_code == 200
    assert Load.objects.get().state == "undone"


def test_an_upload_belongs_to_who_made_it(flow: dict[str, Any]) -> None:
    file = SimpleUploadedFile("a.json", patient("z"))
    seen = client("integrator").post(reverse("connect:upload"), {"source": "his", "file": file}, follow=True)
    other = client("integrator", "administrator")
    assert other.get(reverse("connect:preview", args=[seen.context["token"]])).status_code == 400


def test_mapping_and_token(flow: dict[str, Any]) -> None:
    reader = client("integrator")
    address = reverse("connect:mapping", args=["his"])
    bad = reader.post(address, {"mapping": "[[table]]\nname = 1"})
    assert bad.status_code == 422
    fixed = MAPPING.replace('"2" = "female"', '"2" = "female", "9" = "unknown"')
    assert reader.post(address, {"mapping": fixed, "note": "9"}).status_code == 302
    assert SourceSystem.objects.get(code="his").mapping_revision == 1
    shown = reader.post(reverse("connect:issue-token", args=["his"]), {"label": "x"})
    assert b"slc_" in shown.content
    credential = SourceCredential.objects.get()
    assert credential.secret_hash.encode() not in shown.content
    revoke = reverse("connect:revoke", args=["his", credential.pk])
    assert reader.post(revoke, {"confirmed": "1"}).status_code == 302
    credential.refresh_from_db()
    assert credential.revoked_at is not None
