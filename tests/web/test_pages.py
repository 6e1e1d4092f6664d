"""Pages: who may open which, what a stranger sees, and that no page breaks the content policy."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from salus.kernel import audit
from salus.kernel.models import (
    Account,
    AuditRow,
    BreakGlass,
    HandlerCursor,
    HandlerFailure,
    OutboxEvent,
    Role,
    RoleGrant,
)
from salus.kernel.notifications import notify
from salus.web import access, home, icons, navigation
from tests.web.conftest import make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
SignIn = Callable[..., Client]

OPEN_TO = {
    "web:home": set(Role.values),
    "web:account": set(Role.values),
    "web:notifications": set(Role.values),
    "web:about": set(Role.values),
    "web:audit": {"auditor"},
    "web:audit-chains": {"auditor"},
    "web:emergencies": {"auditor"},
    "web:accounts": {"administrator"},
    "web:account-create": {"administrator"},
    "web:health": {"administrator", "integrator", "auditor"},
}


@pytest.mark.parametrize("role", Role.values)
def test_each_role_opens_its_pages_and_no_other(signed_in: SignIn, role: str) -> None:
    client = signed_in(role)
    for name, roles in OPEN_TO.items():
        assert client.get(reverse(name)).status_code == (200 if role in roles else 403), name


def test_a_stranger_is_sent_to_sign_in() -> None:
    for name in OPEN_TO.keys() - {"web:about"}:
        answer = Client().get(reverse(name))
        assert answer.status_code == 302 and answer["Location"].startswith(reverse("account_login")), name


def test_a_revoked_role_closes_the_page_at_once(signed_in: SignIn) -> None:
    client = signed_in("auditor")
    assert client.get(reverse("web:audit")).status_code == 200
    grant = RoleGrant.objects.get()
    grant.valid_to = timezone.now()
    grant.save()
    assert client.get(reverse("web:audit")).status_code == 403


def test_the_navigation_shows_only_what_opens(signed_in: SignIn) -> None:
    html = signed_in("fund_officer").get("/").content.decode()
    assert reverse("web:notifications") in html and reverse("web:audit") not in html


def test_every_registered_page_and_card_has_an_icon_and_an_address() -> None:
    for page in navigation.pages():
        assert page.icon in icons.names()
        assert reverse(page.url_name, args=page.arguments)
        assert page.roles <= set(Role.values)
    for card in home.cards(frozenset(Role.values)):
        assert card.icon in icons.names() and reverse(card.url_name)


def test_errors_say_nothing_of_the_address_asked_for(signed_in: SignIn) -> None:
    answer = signed_in("clinician").get("/residents/110101199003071234/none")
    assert answer.status_code == 404 and b"110101199003071234" not in answer.content


def test_a_failure_shows_a_page_without_details(signed_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in("auditor")
    client.raise_request_exception = False

    def fail(request: HttpRequest) -> None:
        raise RuntimeError("Zhang San 110101199003071234")

    monkeypatch.setattr(access, "principal", fail)
    answer = client.get(reverse("web:audit"))
    assert answer.status_code == 500 and b"Zhang" not in answer.content and b"Traceback" not in answer.content


def test_the_policy_of_content_is_strict(signed_in: SignIn) -> None:
    told = signed_in("auditor").get("/")["Content-Security-Policy"]
    assert "default-src 'none'" in told and "unsafe" not in told and "http" not in told


def test_no_template_holds_inline_script_style_or_foreign_addresses() -> None:
    folder = Path(__file__).resolve().parents[2] / "src" / "salus"
    for path in folder.rglob("templates/**/*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"""\sstyle=|\son[a-z]+=["']|<style|<script(?![^>]*\bsrc=)|javascript:""", text
        ), path
        assert not re.search(r"""(src|href|action)=["'](https?:)?//""", text), path


def test_notifications_are_read_and_lead_on(signed_in: SignIn) -> None:
    client = signed_in("clinician")
    account = Account.objects.get()
    for number in range(60):
        notify(account, "test", "Message %(n)s", {"n": number}, link="/about")
    page = client.get(reverse("web:notifications"))
    assert page.content.decode().count("<tr>") == 51 and b"?before=" in page.content
    first = account.notifications.first()
    assert first is not None
    moved = client.post(reverse("web:notifications-read"), {"id": first.pk, "next": "/about"})
    assert moved["Location"] == "/about" and account.notifications.filter(read_at=None).count() == 59
    assert (
        client.post(reverse("web:notifications-read"), {"next": "//evil.example/"})["Location"]
        == "/notifications"
    )
    assert not account.notifications.filter(read_at=None).exists()


def test_searching_the_audit_is_itself_audited(signed_in: SignIn) -> None:
    person = uuid4()
    audit.record([audit.AuditEntry(actor="dr", action="read", person_id=person, resource_type="Observation")])
    client = signed_in("auditor")
    html = client.get(reverse("web:audit"), {"q": str(person)}).content.decode()
    assert "Observation" in html and "1–1 of 1" in html
    assert AuditRow.objects.using("audit").filter(action="search", resource_type="AuditEvent").count() == 1


def test_an_emergency_is_reviewed_once_and_never_by_its_own_account(signed_in: SignIn) -> None:
    client = signed_in("auditor", "clinician", username="both")
    own = BreakGlass.objects.create(
        account=Account.objects.get(), person_id=uuid4(), reason="x", expires=timezone.now()
    )
    address = reverse("web:emergency", args=[own.pk])
    assert client.post(address, {"finding": "fine"}).status_code == 200
    own.refresh_from_db()
    assert own.reviewed_at is None
    other = BreakGlass.objects.create(
        account=make_account("dr", "clinician"), person_id=uuid4(), reason="y", expires=timezone.now()
    )
    assert (
        client.post(reverse("web:emergency", args=[other.pk]), {"finding": "It was needed."}).status_code
        == 302
    )
    other.refresh_from_db()
    assert other.finding == "It was needed."


def test_health_shows_a_stuck_handler_and_lets_it_try_again(signed_in: SignIn) -> None:
    HandlerCursor.objects.create(
        name="room.stuck", attempts=3, last_error="ValueError", next_attempt=timezone.now()
    )
    event = OutboxEvent.objects.create(type="x", payload={})
    failure = HandlerFailure.objects.create(handler="room.stuck", event=event, error="ValueError", attempts=8)
    client = signed_in("integrator")
    html = client.get(reverse("web:health")).content.decode()
    assert "room.stuck" in html and "Stuck" in html
    client.post(reverse("web:handler-retry", args=["room.stuck"]))
    assert HandlerCursor.objects.get().next_attempt is None
    address = reverse("web:failure-settle", args=[failure.pk])
    asked = client.post(address, {"drop": "1"})
    assert asked.status_code == 200 and b'name="confirmed"' in asked.content
    assert client.post(address, {"drop": "1", "confirmed": "1"}).status_code == 302
    failure.refresh_from_db()
    assert failure.resolution == "dropped"


def test_an_auditor_sees_health_but_changes_nothing(signed_in: SignIn) -> None:
    client = signed_in("auditor")
    assert client.post(reverse("web:handler-retry", args=["any"])).status_code == 403
