"""A form is taken in exactly once, whatever the network does: the server's half."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.kernel.models import Account, District
from salus.kernel.policy import Principal
from salus.web import offline
from salus.web.models import OfflineReceipt
from salus.web.offline import keys
from tests.web.conftest import make_account

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.offline.urls")]
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MADE = "2026-11-27T08:00:00Z"


class Numbers(forms.Form):
    day = forms.DateField()
    count = forms.IntegerField(min_value=0, max_value=9)
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")])
    more = forms.MultipleChoiceField(choices=[("x", "X"), ("y", "Y")], required=False)
    sure = forms.BooleanField(required=False)
    note = forms.CharField(required=False, max_length=20)


GOOD: dict[str, Any] = {
    "day": "2026-11-27",
    "count": "3",
    "kind": "a",
    "more": ["x"],
    "sure": True,
    "note": "",
}


def write(submission: offline.Submission) -> offline.Accepted:
    """Write a district a form: what is written twice shows."""
    note = submission.values["note"]
    code = f"D{District.objects.count():06}"
    District.objects.create(code=code, name=str(submission.id), population=submission.values["count"])
    if note == "refuse":
        raise Invalid("note", "The note says nothing", where="note", fix="Write more")
    if note == "break":
        raise RuntimeError("a fault of the service")
    if note == "fields":
        raise ValidationError({"count": "Too few"})
    return offline.Accepted("Recorded", key=code, version="1")


@pytest.fixture
def numbers() -> Iterator[offline.Form]:
    form = offline.Form(
        name="numbers",
        title="Numbers",
        form=Numbers,
        apply=write,
        roles=frozenset({"village_doctor"}),
        rules=[
            offline.Rule("required_if", "note", "Say which", other="kind", values=("b",)),
            offline.Rule("not_after", "day", "The day lies in the future"),
        ],
    )
    offline.register(form)
    yield form
    offline.unregister("numbers")


@pytest.fixture
def doctor(signed_in: Callable[..., Client]) -> Client:
    return signed_in("village_doctor", username="doctor")


def pk(username: str = "doctor") -> int:
    return int(Account.objects.get(username=username).pk)


def post(client: Client, *items: dict[str, Any], account: str | None = None) -> Any:
    content = {"account": account or keys.device_account(pk()), "items": list(items)}
    return client.post("/offline/submit", json.dumps(content), content_type="application/json")


def item(values: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "form": "numbers",
        "key": "",
        "base": "",
        "made": MADE,
        "values": {**GOOD, **(values or {})},
        **changes,
    }


def answers(told: Any) -> list[dict[str, Any]]:
    assert told.status_code == 200
    return list(told.json()["answers"])


def test_a_form_sent_three_times_is_written_once_and_answered_alike(
    numbers: offline.Form, doctor: Client
) -> None:
    one = item()
    told = [answers(post(doctor, one))[0] for _ in range(3)]
    assert told[0] == told[1] == told[2]
    assert told[0]["state"] == "accepted"
    assert (told[0]["words"], told[0]["version"]) == ("Recorded", "1")
    assert District.objects.filter(name=one["id"]).count() == 1


def test_the_receipt_holds_no_value_of_the_form(numbers: offline.Form, doctor: Client) -> None:
    post(doctor, item({"note": "Zhang San"}))
    held = OfflineReceipt.objects.values().get()
    assert "Zhang" not in str(held)


@pytest.mark.parametrize(
    ("note", "state", "errors"),
    [
        ("refuse", "rejected", {"note": ["The note says nothing"]}),
        ("fields", "rejected", {"count": ["Too few"]}),
        ("break", "failed", {}),
    ],
)
def test_what_is_not_accepted_leaves_nothing_behind_and_can_be_sent_again(
    numbers: offline.Form, doctor: Client, note: str, state: str, errors: dict[str, list[str]]
) -> None:
    one = item({"note": note})
    told = answers(post(doctor, one))[0]
    assert (told["state"], told["errors"]) == (state, errors)
    assert told["words"]
    assert not District.objects.filter(name=one["id"]).exists()
    assert not OfflineReceipt.objects.exists()
    corrected = {**one, "values": GOOD}
    assert answers(post(doctor, corrected))[0]["state"] == "accepted"


def test_one_form_that_fails_does_not_hold_up_the_others(numbers: offline.Form, doctor: Client) -> None:
    told = answers(post(doctor, item(), item({"note": "break"}), item({"count": "12"}), item()))
    assert [one["state"] for one in told] == ["accepted", "failed", "rejected", "accepted"]
    assert District.objects.filter(name__in=[told[0]["id"], told[3]["id"]]).count() == 2


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"count": "10"}, "count"),
        ({"kind": "c"}, "kind"),
        ({"more": ["z"]}, "more"),
        ({"kind": "b"}, "note"),
        ({"day": "2999-01-01"}, "day"),
        ({"day": "30 Feb"}, "day"),
    ],
)
def test_the_server_checks_again_what_the_device_checked(
    numbers: offline.Form, doctor: Client, values: dict[str, Any], field: str
) -> None:
    told = answers(post(doctor, item(values)))[0]
    assert told["state"] == "rejected"
    assert set(told["errors"]) == {field}


def test_a_form_changed_after_it_was_taken_in_unknown_to_the_device_is_a_conflict(
    numbers: offline.Form, doctor: Client
) -> None:
    one = item()
    post(doctor, one)  # the answer is lost; the person then changes the count
    told = answers(post(doctor, {**one, "values": {**GOOD, "count": "4"}}))[0]
    assert (told["state"], told["mine"]) == ("conflict", False)
    assert District.objects.filter(name=one["id"]).count() == 1


def versioned(current: dict[str, str]) -> offline.Form:
    def version(principal: Principal, key: str) -> offline.Version | None:
        return (
            offline.Version(current[key], {"count": 7, "day": date(2026, 11, 26)}) if key in current else None
        )

    return offline.Form(name="numbers", title="Numbers", form=Numbers, apply=write, version=version)


def test_both_versions_come_back_when_the_servers_has_changed(numbers: offline.Form, doctor: Client) -> None:
    offline.register(versioned({"k": "2"}))
    told = answers(post(doctor, item(key="k", base="1")))[0]
    assert (told["state"], told["version"], told["mine"]) == ("conflict", "2", True)
    assert told["server"] == {"count": 7, "day": "2026-11-26"}
    assert not OfflineReceipt.objects.exists()
    assert answers(post(doctor, item(key="k", base="2")))[0]["state"] == "accepted"
    assert answers(post(doctor, item(key="gone", base="2")))[0]["state"] == "rejected"


def test_nobody_signed_in_or_somebody_else_sends_nothing(numbers: offline.Form, doctor: Client) -> None:
    one = item()
    assert post(Client(), one).status_code == 401
    other = make_account("other", "village_doctor")
    told = post(doctor, one, account=keys.device_account(other.pk))
    assert (told.status_code, told.json()) == (409, {"state": "other-account"})
    assert not District.objects.filter(name=one["id"]).exists()


def test_the_same_id_of_two_accounts_is_two_forms(
    numbers: offline.Form, doctor: Client, signed_in: Callable[..., Client]
) -> None:
    one = item()
    other = signed_in("village_doctor", username="other")
    assert answers(post(doctor, one))[0]["state"] == "accepted"
    told = post(other, one, account=keys.device_account(pk("other")))
    assert answers(told)[0]["state"] == "accepted"
    assert District.objects.filter(name=one["id"]).count() == 2


def test_who_lost_the_role_is_told_in_words_and_keeps_the_form(
    numbers: offline.Form, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("planner", username="doctor")
    told = answers(post(client, item()))[0]
    assert told["state"] == "rejected"
    assert "Export" in told["words"]
    assert client.get("/offline/form/numbers").status_code == 403
    assert client.post("/offline/form/numbers/list", "{}", content_type="application/json").status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"items": 3}',
        '{"items": [{"id": "x"}]}',
        '{"items": [null]}',
        '{"items": [' + "{}," * 20 + "{}]}",
    ],
)
def test_what_is_no_form_is_refused(numbers: offline.Form, doctor: Client, body: str) -> None:
    assert doctor.post("/offline/submit", body, content_type="application/json").status_code == 400


def test_more_than_a_device_sends_at_once_is_refused(numbers: offline.Form, doctor: Client) -> None:
    assert post(doctor, *[item() for _ in range(21)]).status_code == 400
    assert post(doctor, *[item() for _ in range(20)]).status_code == 200


def test_what_a_form_amends_is_said_only_when_that_was_taken_in(doctor: Client) -> None:
    seen: list[UUID | None] = []

    def note(submission: offline.Submission) -> offline.Accepted:
        seen.append(submission.amends)
        return offline.Accepted()

    offline.register(offline.Form(name="numbers", title="Numbers", form=Numbers, apply=note, amends=True))
    try:
        first = item()
        post(doctor, first)
        post(doctor, item(amends=first["id"]), item(amends=str(uuid4())))
    finally:
        offline.unregister("numbers")
    assert seen == [None, UUID(first["id"]), None]


def test_a_request_from_another_site_is_refused(numbers: offline.Form) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_account("doctor", "village_doctor"), "django.contrib.auth.backends.ModelBackend")
    assert client.post("/offline/submit", "{}", content_type="application/json").status_code == 403


def test_the_key_is_the_accounts_own_and_only_for_who_is_signed_in(
    doctor: Client, signed_in: Callable[..., Client]
) -> None:
    assert Client().get("/offline/session").status_code == 401
    mine = doctor.get("/offline/session")
    theirs = signed_in(username="other").get("/offline/session").json()
    assert mine["Cache-Control"] == "no-store"
    assert mine.json()["key"] != theirs["key"]
    assert mine.json()["account"] != theirs["account"]
    assert doctor.get("/offline/session").json() == mine.json()


def test_the_page_has_no_data_and_no_inline_script(numbers: offline.Form, doctor: Client) -> None:
    def snapshot(principal: Principal, now: datetime) -> list[offline.Subject]:
        return [offline.Subject("key-17", "Zhang San", ["1 River Street"], values={"day": date(2026, 11, 1)})]

    offline.register(
        offline.Form(name="numbers", title="Numbers", form=Numbers, apply=write, snapshot=snapshot)
    )
    page = doctor.get("/offline/form/numbers")
    text = page.content.decode()
    assert "Zhang San" not in text
    assert "<script>" not in text
    assert page["Salus-Device"] == keys.device_account(pk())
    assert "'unsafe-inline'" not in page["Content-Security-Policy"]
    told = doctor.post("/offline/form/numbers/list", "{}", content_type="application/json").json()
    assert told["subjects"][0]["title"] == "Zhang San"
    assert told["subjects"][0]["values"] == {"day": "2026-11-01"}


def test_a_rule_that_cannot_be_checked_is_refused_at_once() -> None:
    for rule in (offline.Rule("sometimes", "day", "?"), offline.Rule("not_after", "nothing", "?")):
        with pytest.raises(ValueError, match="cannot be checked"):
            offline.register(offline.Form(name="bad", title="Bad", form=Numbers, apply=write, rules=[rule]))


@SLOW
@given(
    st.dates(date(2000, 1, 1), date(2050, 1, 1)),
    st.dates(date(2000, 1, 1), date(2050, 1, 1)),
)
def test_rules_on_days(a: date, b: date) -> None:
    assert offline.Rule("not_after", "a", "", other="b").holds({"a": a, "b": b}, date(2026, 1, 1)) == (a <= b)
    assert offline.Rule("not_before", "a", "").holds({"a": a}, b) == (a >= b)
    assert offline.Rule("not_above", "a", "", other="b").holds({"a": a.day, "b": b.day}, a) == (
        a.day <= b.day
    )
    assert offline.Rule("not_after", "a", "", other="b").holds({"a": a, "b": None}, a)


@SLOW
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12))
def test_any_order_of_repeated_sends_writes_each_form_once(sends: list[tuple[int, bool]]) -> None:
    """Five forms, sent in any order and any number of times, alone or twice in one request."""
    from django.db import transaction

    from salus.kernel import policy
    from salus.web.offline.receiving import Item, receive

    form = offline.Form(name="numbers", title="Numbers", form=Numbers, apply=write)
    with transaction.atomic():
        account = Account.objects.create(username=uuid4().hex)
        principal = policy.principal_for(account)
        now = datetime(2026, 11, 30, tzinfo=UTC)
        made = [Item(UUID(int=n + account.pk * 10), "numbers", "", "", GOOD, now) for n in range(5)]
        for which, twice in sends:
            for _ in range(2 if twice else 1):
                told = receive(form, made[which], account.pk, principal, now=now)
                assert told.state == "accepted"
        for number, one in enumerate(made):
            expected = int(any(which == number for which, _ in sends))
            assert District.objects.filter(name=str(one.id)).count() == expected
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_the_same_form_on_two_connections_at_once_is_written_once(numbers: offline.Form) -> None:
    import threading

    from django.db import connection

    from salus.kernel import policy
    from salus.web.offline.receiving import Item, receive

    account = make_account("doctor", "village_doctor")
    principal = policy.principal_for(account)
    now = datetime(2026, 11, 30, tzinfo=UTC)
    one = Item(uuid4(), "numbers", "", "", GOOD, now)
    start = threading.Barrier(4)
    states: list[str] = []

    def send() -> None:
        start.wait()
        try:
            states.append(receive(numbers, one, account.pk, principal, now=now).state)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == ["accepted"] * 4
    assert District.objects.filter(name=str(one.id)).count() == 1
