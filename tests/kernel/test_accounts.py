"""Accounts, grants, emergencies and notifications: who may, what it leaves, how fast a revocation holds."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from salus.kernel import notifications, policy, queries, services
from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.models import Account, AuditRow, BreakGlass, District, Institution, Notification, RoleGrant
from salus.kernel.policy import Target, decide
from salus.kernel.services.accounts import account_named

BOTH = ["default", "audit"]
PASSWORD = "correct horse battery"
SYSTEM = policy.system_principal("test")
pytestmark = pytest.mark.django_db(databases=BOTH)


@pytest.fixture
def hospital() -> Institution:
    return Institution.objects.create(code="H1", name="医院", kind="general_hospital")


def test_only_an_administrator_makes_accounts(account: Callable[..., Account]) -> None:
    with pytest.raises(NotAllowed):
        services.create_account(policy.principal_for(account("li", "manager")), "new", password=PASSWORD)
    made = services.create_account(
        policy.principal_for(account("wang", "administrator")), "new", password=PASSWORD
    )
    assert made.password.startswith("argon2$") and made.check_password(PASSWORD)
    assert AuditRow.objects.get().action == "create"
    assert not policy.principal_for(made).roles


def test_what_an_account_may_not_be() -> None:
    services.create_account(SYSTEM, "li", password=PASSWORD)
    with pytest.raises(Conflict):
        services.create_account(SYSTEM, "li", password=PASSWORD)
    for name, password in (("zhao", "short"), ("a b", PASSWORD), ("", PASSWORD)):
        with pytest.raises(Invalid):
            services.create_account(SYSTEM, name, password=password)
    with pytest.raises(Invalid):
        services.create_account(SYSTEM, "zhao", password=PASSWORD, language="xx")
    with pytest.raises(NotFound):
        account_named("zhao")
    assert not services.create_account(SYSTEM, "oidc").has_usable_password()


def test_a_role_needs_its_scope(hospital: Institution) -> None:
    li = services.create_account(SYSTEM, "li", password=PASSWORD)
    for role in ("clinician", "epidemiologist", "resident", "king"):
        with pytest.raises(Invalid):
            services.grant_role(SYSTEM, li, role)
    grant = services.grant_role(SYSTEM, li, "clinician", institution=hospital, sensitive=["hiv"])
    principal = policy.principal_for(li)
    assert principal.institution_ids == {hospital.pk} and principal.sensitive == {"hiv"}
    again = services.grant_role(SYSTEM, li, "clinician", institution=hospital)
    assert again.pk == grant.pk and policy.principal_for(li).sensitive == frozenset()
    with pytest.raises(Invalid):
        services.grant_role(SYSTEM, li, "planner", sensitive=["gossip"])
    with pytest.raises(Invalid):
        services.grant_role(SYSTEM, li, "planner", valid_to=timezone.now() - timedelta(days=1))


def test_a_districts_role_reaches_the_whole_city_only_when_that_is_said() -> None:
    district = District.objects.create(code="110101", name="东城区")
    chen = services.create_account(SYSTEM, "chen", password=PASSWORD)
    services.grant_role(SYSTEM, chen, "epidemiologist", whole_city=True)
    assert not policy.principal_for(chen).bounded_by_district()
    with pytest.raises(Invalid, match="for a district or for the whole city"):
        services.grant_role(SYSTEM, chen, "epidemiologist", district=district, whole_city=True)


def test_nobody_gives_himself_a_role_or_locks_himself_out(account: Callable[..., Account]) -> None:
    me = account("wang", "administrator")
    mine = policy.principal_for(me)
    with pytest.raises(NotAllowed):
        services.grant_role(mine, me, "auditor")
    with pytest.raises(NotAllowed):
        services.lock_account(mine, me, "tired")
    with pytest.raises(NotAllowed):
        services.close_account(mine, me)


def test_a_grant_takes_the_accounts_own_institution(
    hospital: Institution, account: Callable[..., Account]
) -> None:
    li = account("li", "clinician", institution=hospital)
    assert policy.principal_for(li).institution_ids == {hospital.pk}


def test_grants_hold_only_in_their_time(account: Callable[..., Account]) -> None:
    now = timezone.now()
    li = account(
        "li",
        grants=[
            {"role": "planner", "valid_to": now - timedelta(seconds=1)},
            {"role": "auditor", "valid_from": now + timedelta(days=1)},
            {"role": "manager", "valid_to": now + timedelta(days=1)},
        ],
    )
    assert policy.principal_for(li).roles == {"manager"}


def test_a_locked_account_is_out_and_its_sessions_end(client: Client) -> None:
    li = services.create_account(SYSTEM, "li", password=PASSWORD)
    client.force_login(li)
    assert Session.objects.count() == 1
    services.lock_account(SYSTEM, li, "left the hospital")
    assert Session.objects.count() == 0
    for ask in (lambda: policy.principal_for(li), lambda: policy.principal_for_account(li.pk)):
        with pytest.raises(NotAllowed):
            ask()
    services.unlock_account(SYSTEM, li)
    assert policy.principal_for_account(li.pk).name == "li"
    services.reset_password(SYSTEM, li, PASSWORD + " 2")
    services.close_account(SYSTEM, li)
    with pytest.raises(NotAllowed):
        policy.principal_for(Account.objects.get(pk=li.pk))
    with pytest.raises(Invalid):
        services.lock_account(SYSTEM, li, " ")
    with pytest.raises(NotAllowed):
        policy.principal_for_account(10**9)


def test_a_revocation_holds_at_once_in_this_process(account: Callable[..., Account]) -> None:
    li = account("li", "auditor")
    held = policy.principal_for_account(li.pk)
    assert held.roles == {"auditor"}
    assert policy.principal_for_account(li.pk) is held and policy.cached_principal(li.pk) is held
    services.revoke_role(SYSTEM, RoleGrant.objects.get())
    assert policy.cached_principal(li.pk) is None
    assert policy.principal_for_account(li.pk).roles == frozenset()


@pytest.mark.django_db(databases=BOTH, transaction=True)
def test_a_revocation_by_another_process_holds_within_a_second(account: Callable[..., Account]) -> None:
    li = account("li", "auditor")
    policy.principal_for_account(li.pk)
    # Another process changes the database only: nothing in this one is told.
    with connection.cursor() as cursor:
        cursor.execute("delete from kernel_rolegrant")
        cursor.execute("update kernel_accesspolicyepoch set value = value + 1")
    begun = time.monotonic()
    while policy.principal_for_account(li.pk).roles:
        assert time.monotonic() - begun < 1.0
        time.sleep(0.01)


def test_a_cached_principal_ends_with_its_grant(account: Callable[..., Account]) -> None:
    li = account("li", grants=[{"role": "auditor", "valid_to": timezone.now() + timedelta(seconds=0.3)}])
    assert policy.principal_for_account(li.pk).roles == {"auditor"}
    time.sleep(0.35)
    assert policy.principal_for_account(li.pk).roles == frozenset()


def test_the_cache_is_safe_for_many_threads(account: Callable[..., Account]) -> None:
    li = account("li", "auditor")
    policy.principal_for_account(li.pk)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.extend(policy.cached_principal(li.pk) for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 800


def test_scopes_and_context_are_part_of_the_cached_principal(account: Callable[..., Account]) -> None:
    li = account("li", "auditor")
    plain = policy.principal_for_account(li.pk)
    token = policy.principal_for_account(li.pk, ["user/*.rs"], patient_context=UUID(int=3))
    assert plain.scopes is None and token.scopes == {"user/*.rs"} and token.patient_context == UUID(int=3)


def test_a_source_is_bounded_by_its_credential() -> None:
    source = policy.principal_for_source(4, "his-1", 9, ["system/Patient.cu"])
    assert decide(source, "create", Target("resource", resource_type="Patient")).allowed
    assert not decide(source, "create", Target("resource", resource_type="Observation")).allowed


def test_break_glass_needs_a_reason_and_is_seen(
    account: Callable[..., Account], hospital: Institution
) -> None:
    person, now = uuid4(), timezone.now()
    li, auditor = account("li", "clinician", institution=hospital), account("shen", "auditor")
    account("her", "resident", person_id=person)
    principal = policy.principal_for(li)
    target = Target("resource", person_id=person, resource_type="Observation")
    assert not decide(principal, "read", target).allowed
    with pytest.raises(Invalid):
        policy.begin_break_glass(principal, person, "urgent", now=now)
    with pytest.raises(NotAllowed):
        policy.begin_break_glass(
            policy.principal_for(account("p", "planner")), person, "curious about her", now=now
        )
    row = policy.begin_break_glass(principal, person, "Unconscious after a road accident", now=now)
    assert decide(policy.principal_for(li), "read", target).flags == {"break_glass"}
    assert AuditRow.objects.get(action="break-glass").break_glass
    assert {n.account.username for n in Notification.objects.all()} == {"shen", "her"}
    shen = policy.principal_for(auditor)
    assert list(queries.emergencies(shen, unreviewed=True)) == [row]
    with pytest.raises(NotAllowed):
        policy.review_break_glass(principal, row, "fine", now=now)
    with pytest.raises(Invalid):
        policy.review_break_glass(shen, row, " ", now=now)
    policy.review_break_glass(shen, row, "Justified", now=now)
    with pytest.raises(Conflict):
        policy.review_break_glass(shen, row, "Again", now=now)
    policy.end_break_glass(principal, row, now=now)
    assert not decide(policy.principal_for(li), "read", target).allowed


def test_break_glass_ends_by_itself(account: Callable[..., Account]) -> None:
    li, person = account("li", "clinician"), uuid4()
    long_ago = timezone.now() - timedelta(hours=5)
    policy.begin_break_glass(policy.principal_for(li), person, "Unconscious on arrival", now=long_ago)
    assert BreakGlass.objects.count() == 1
    assert policy.principal_for(li).break_glass == frozenset()


def test_notifications_are_read_in_the_readers_language(account: Callable[..., Account]) -> None:
    li = account("li", "integrator")
    assert notifications.notify(li, "test", "Hello %(who)s", {"who": "you"}, key="once")
    assert not notifications.notify(li, "test", "Hello %(who)s", {"who": "you"}, key="once")
    notifications.notify(li.pk, "test", "Broken %(missing)s", {"other": 1})
    with translation.override("en"):
        texts = [notice.text for notice in notifications.inbox(li.pk)]
    assert texts == ["Broken %(missing)s", "Hello you"]
    assert notifications.unread_count(li.pk) == 2
    newest = notifications.inbox(li.pk, limit=1)[0]
    assert [notice.text for notice in notifications.inbox(li.pk, before_id=newest.id)] == ["Hello you"]
    assert notifications.mark_read(li.pk, [newest.id], now=timezone.now()) == 1
    assert notifications.mark_read(li.pk, now=timezone.now()) == 1
    assert notifications.unread_count(li.pk) == 0


def test_a_role_is_notified_where_it_works(hospital: Institution, account: Callable[..., Account]) -> None:
    district = District.objects.create(code="110101", name="东城区")
    account("a", "manager", institution=hospital)
    account("b", "manager")
    account("c", grants=[{"role": "manager", "district": district}])
    account("d", "manager", institution=hospital, locked=True)
    assert notifications.notify_role("manager", "t", "x") == 3
    assert notifications.notify_role("manager", "t", "x", institution_id=hospital.pk) == 1
    assert notifications.notify_role("manager", "t", "x", district_code="110101") == 1
    account("e", grants=[{"role": "epidemiologist", "district": district}])
    other = District.objects.create(code="110102", name="西城区")
    account("f", grants=[{"role": "epidemiologist", "district": other}])
    account("g", "epidemiologist")  # of the whole city
    assert notifications.notify_role("epidemiologist", "t", "x", district_code="110101") == 2


def test_accounts_are_listed_for_administrators_only(account: Callable[..., Account]) -> None:
    account("li", "planner", display_name="李")
    wang = policy.principal_for(account("wang", "administrator"))
    assert [row.username for row in queries.accounts(wang, role="planner")] == ["li"]
    assert [row.username for row in queries.accounts(wang, text="李")] == ["li"]
    with pytest.raises(NotAllowed):
        queries.accounts(policy.principal_for(Account.objects.get(username="li")))


def test_a_language_must_be_offered(account: Callable[..., Account]) -> None:
    li = account("li")
    services.set_language(li, "zh-hans")
    with pytest.raises(Invalid):
        services.set_language(li, "fr")
