"""Subscriptions by REST hook, told to a real HTTP server that answers badly now and then."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.utils import timezone

from salus.kernel.models import AuditRow
from salus.record.fhir import asker, outbound
from salus.record.fhir.subscriptions import delivering, matching
from salus.record.models import AllowedOrigin, Delivery, DeliveryState, Hook, HookState, Resource
from tests.record.fhir.conftest import DATABASES, Client, World, bearer, observation, patient
from tests.record.fhir.serving import Call, Elsewhere, elsewhere, now_and_then

# PostgreSQL's feed shows a change only when its transaction has ended
ENDED = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
pytestmark = pytest.mark.django_db(databases=DATABASES, transaction=ENDED)
SECRET = "Bearer very-secret-value"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The register of sources does not know the ones of these tests; nobody needs protection from floods."""
    monkeypatch.setattr(asker, "_still_trusted", [])
    monkeypatch.setattr(delivering, "PACE", 0.0)


@pytest.fixture
def there(world: World) -> Iterator[Elsewhere]:
    with elsewhere() as found:
        outbound.allow(1, AllowedOrigin.Use.SUBSCRIPTION, found.address)
        yield found


def subscription(
    there: Elsewhere, criteria: str = "Observation?code=15074-8", **channel: Any
) -> dict[str, Any]:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "test",
        "criteria": criteria,
        "channel": {
            "type": "rest-hook",
            "endpoint": f"{there.address}/hook",
            "payload": "application/fhir+json",
            "header": [f"Authorization: {SECRET}"],
            **channel,
        },
    }


def work(passes: int = 1) -> None:
    """Do what the worker does, without waiting for anybody's patience to end."""
    for _ in range(passes):
        Hook.objects.update(next_attempt=None)
        while matching.match_changes():
            pass
        for key in delivering.due():
            delivering.deliver(key)


def active(http: Client, his: dict[str, str], body: dict[str, Any]) -> Hook:
    made = http.post("Subscription", body, his)
    assert made.status_code == 201, made.text
    work()
    hook = Hook.objects.get(resource_id=made.json()["id"])
    assert hook.state == HookState.ACTIVE, hook.last_error
    return hook


def told(there: Elsewhere, answered: int | None = 200) -> list[Call]:
    return [c for c in there.calls if c.method == "PUT" and answered in {None, c.answered}]


def test_the_whole_course(http: Client, world: World, his: dict[str, str], there: Elsewhere) -> None:
    made = http.post("Subscription", subscription(there), his)
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["status"] == "requested"
    assert body["channel"]["header"] == ["Authorization: (kept secret)"]
    work()
    (shake,) = there.calls
    assert (shake.method, shake.path, shake.body) == ("POST", "/hook", b"")
    assert shake.headers["authorization"] == SECRET
    now = http.get(f"Subscription/{body['id']}", his).json()
    assert now["status"] == "active"
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/o", observation("Patient/a", id="o"), his)
    other = {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}
    http.put("Observation/other", observation("Patient/a", id="other", code=other), his)
    work()
    (call,) = told(there)
    assert call.path == "/hook/Observation/o"
    assert call.headers["content-type"] == "application/fhir+json"
    assert call.headers["authorization"] == SECRET
    assert call.body == bytes(Resource.objects.get(id="o").body)
    delivery = Delivery.objects.get()
    assert call.headers["x-delivery-id"] == str(delivery.key)
    assert delivery.state == DeliveryState.DELIVERED
    audited = AuditRow.objects.filter(action="read", resource_id="o", actor="his-1")
    assert [row.outcome for row in audited] == ["ok"]
    assert audited[0].person_id is not None
    status = http.get(f"Subscription/{body['id']}/$status", his).json()["entry"][0]["resource"]
    said = {
        one["name"]: next(v for k, v in one.items() if k.startswith("value")) for one in status["parameter"]
    }
    assert (said["status"], said["delivered"], said["waiting"]) == ("active", "1", "0")


def test_in_order_at_least_once(http: Client, his: dict[str, str], there: Elsewhere) -> None:
    """A receiver that fails half of the time gets every version in order, under one id."""
    hook = active(http, his, subscription(there))
    coin = now_and_then(5, 0.5)
    kinds = iter([500, 0, 429, 302, 404] * 100)
    there.answer = lambda call: next(kinds) if coin() else 200
    http.put("Patient/a", patient(id="a"), his)
    for value in range(12):
        http.put(f"Observation/o{value % 3}", observation("Patient/a", value + 0.5, id=f"o{value % 3}"), his)
        if value % 4 == 0:
            work()
    for _ in range(200):
        work()
        Hook.objects.filter(pk=hook.pk).update(failures=0)
        if not Delivery.objects.filter(state=DeliveryState.WAITING).exists():
            break
    heard = [orjson.loads(call.body)["valueQuantity"]["value"] for call in told(there)]
    assert heard == [value + 0.5 for value in range(12)]
    tries = Counter(call.headers["x-delivery-id"] for call in told(there, None))
    assert len(tries) == 12 and max(tries.values()) > 1
    numbers = [int(call.headers["x-delivery-number"]) for call in told(there, None)]
    assert numbers == sorted(numbers)


def test_patience_ends(http: Client, his: dict[str, str], there: Elsewhere) -> None:
    hook = active(http, his, subscription(there))
    there.answer = lambda call: 500
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/o", observation("Patient/a", id="o"), his)
    pauses = []
    for _ in range(delivering.MAX_FAILURES):
        work()
        hook.refresh_from_db()
        pauses.append((hook.next_attempt - timezone.now()).total_seconds() if hook.next_attempt else 0)
    assert pauses[0] < 2.1 < pauses[2] < 8.1 and pauses[-1] > 290
    assert hook.state == HookState.OFF
    body = http.get(f"Subscription/{hook.resource_id}", his).json()
    assert (body["status"], body["error"]) == ("off", "the address answered 500")
    assert Delivery.objects.get().state == DeliveryState.GIVEN_UP
    there.answer = lambda call: 200
    delivering.send_again(hook, Delivery.objects.get())
    work(2)
    hook.refresh_from_db()
    assert hook.state == HookState.ACTIVE
    assert len(told(there)) == 1


def test_no_content_is_told_once_for_many(http: Client, his: dict[str, str], there: Elsewhere) -> None:
    body = subscription(there)
    del body["channel"]["payload"]
    active(http, his, body)
    http.put("Patient/a", patient(id="a"), his)
    for value in range(9):
        http.put("Observation/o", observation("Patient/a", value + 0.5, id="o"), his)
    work()
    assert [(c.method, c.body) for c in there.calls] == [("POST", b"")] * 2  # the handshake and one notice
    http.put("Observation/o", observation("Patient/a", 77, id="o"), his)
    work()
    assert len(there.calls) == 3


def test_only_what_he_may_see(http: Client, world: World, his: dict[str, str], there: Elsewhere) -> None:
    active(http, his, subscription(there))
    other = bearer(world.sources["his-2"].token)
    http.put("Patient/z", patient(id="z"), other)
    http.put("Observation/z", observation("Patient/z", id="z"), other)
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/gone", observation("Patient/a", id="gone"), his)
    while matching.match_changes():
        pass
    http.delete("Observation/gone", his)  # between the match and the delivery
    work()
    assert told(there) == []
    assert [d.state for d in Delivery.objects.all()] == [DeliveryState.WITHHELD]


def test_a_source_out_of_service_is_told_nothing(
    http: Client, his: dict[str, str], there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    active(http, his, subscription(there))
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/o", observation("Patient/a", id="o"), his)
    while matching.match_changes():
        pass
    monkeypatch.setattr(asker, "_still_trusted", [lambda source: False])
    work()
    assert told(there) == []


def test_stopped_and_ended(http: Client, his: dict[str, str], there: Elsewhere) -> None:
    hook = active(http, his, subscription(there))
    delivering.stop(hook)
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/o", observation("Patient/a", id="o"), his)
    work()
    assert told(there) == []
    assert http.get(f"Subscription/{hook.resource_id}", his).json()["status"] == "off"
    ended = active(
        http, his, subscription(there) | {"end": (timezone.now() + timedelta(hours=1)).isoformat()}
    )
    Hook.objects.filter(pk=ended.pk).update(until=timezone.now() - timedelta(seconds=1))
    work()
    ended.refresh_from_db()
    assert ended.state == HookState.OFF
    http.delete(f"Subscription/{hook.resource_id}", his)
    assert not Hook.objects.filter(pk=hook.pk).exists()


def test_an_address_that_is_gone(http: Client, his: dict[str, str], there: Elsewhere) -> None:
    hook = active(http, his, subscription(there))
    there.answer = lambda call: 410
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/o", observation("Patient/a", id="o"), his)
    work()
    hook.refresh_from_db()
    assert hook.state == HookState.OFF


def test_an_address_that_does_not_answer_is_not_activated(
    http: Client, his: dict[str, str], there: Elsewhere
) -> None:
    there.answer = lambda call: 503
    made = http.post("Subscription", subscription(there), his)
    work()
    assert http.get(f"Subscription/{made.json()['id']}", his).json()["status"] == "requested"
    there.answer = lambda call: 204
    work()
    assert http.get(f"Subscription/{made.json()['id']}", his).json()["status"] == "active"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"criteria": "nonsense"}, 422),
        ({"criteria": "Observation?nonsense=1"}, 422),
        ({"criteria": "Observation?_count=1"}, 422),
        ({"criteria": "Subscription?status=active"}, 422),
        ({"channel": {"type": "email", "endpoint": "mailto:x@y"}}, 422),
        ({"channel": {"type": "rest-hook", "endpoint": "http://169.254.169.254/x"}}, 403),
        ({"channel": {"type": "rest-hook", "endpoint": "file:///etc/passwd"}}, 422),
        ({"channel": {"type": "rest-hook"}}, 422),
        ({"payload": "application/fhir+xml"}, 422),
        ({"header": ["Host: evil"]}, 422),
        ({"header": ["X: a\r\nY: b"]}, 422),
        ({"header": ["nonsense"]}, 422),
    ],
)
def test_what_is_not_taken(
    http: Client, his: dict[str, str], there: Elsewhere, change: dict[str, Any], status: int
) -> None:
    body = subscription(there)
    for name, value in change.items():
        (body["channel"] if name in {"payload", "header"} else body)[name] = value
    made = http.post("Subscription", body, his)
    assert made.status_code in {status, 400}, made.text
    assert "secret" not in made.text
    assert not Hook.objects.exists() and not there.calls


def test_the_secret_is_nowhere(
    http: Client, his: dict[str, str], there: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    hook = active(http, his, subscription(there))
    there.answer = lambda call: 500
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/o", observation("Patient/a", id="o"), his)
    work()
    for stored in (bytes(hook.headers), *(bytes(r.body) for r in Resource.objects.all())):
        assert b"very-secret" not in stored
    assert "very-secret" not in caplog.text
    history = http.get(f"Subscription/{hook.resource_id}/_history", his)
    assert "very-secret" not in history.text
    changed = http.get(f"Subscription/{hook.resource_id}", his).json() | {"reason": "another"}
    assert http.put(f"Subscription/{hook.resource_id}", changed, his).status_code == 200
    there.answer = lambda call: 200
    there.calls.clear()
    work(2)
    assert {call.headers["authorization"] for call in there.calls} == {SECRET}  # kept over the update


def test_not_in_a_bundle(http: Client, his: dict[str, str], there: Elsewhere) -> None:
    entry = {"resource": subscription(there), "request": {"method": "POST", "url": "Subscription"}}
    for kind in ("transaction", "batch"):
        made = http.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]}, his)
        assert not Hook.objects.exists(), made.text


def test_it_begins_with_its_activation(http: Client, his: dict[str, str], there: Elsewhere) -> None:
    http.put("Patient/a", patient(id="a"), his)
    http.put("Observation/old", observation("Patient/a", id="old"), his)
    active(http, his, subscription(there))
    http.put("Observation/new", observation("Patient/a", id="new"), his)
    work()
    assert [call.path for call in told(there)] == ["/hook/Observation/new"]


@pytest.mark.django_db(databases=DATABASES, transaction=True)
def test_the_workers_loop(http: Client, his: dict[str, str], there: Elsewhere) -> None:
    made = http.post("Subscription", subscription(there), his)
    assert made.status_code == 201, made.text
    stop = threading.Event()
    thread = threading.Thread(target=delivering.run, args=(stop,), kwargs={"interval": 0.05})
    thread.start()
    try:
        _until(lambda: http.get(f"Subscription/{made.json()['id']}", his).json()["status"] == "active")
        http.put("Patient/a", patient(id="a"), his)
        for number in range(5):
            http.put(f"Observation/o{number}", observation("Patient/a", id=f"o{number}"), his)
        _until(lambda: len(told(there)) == 5)
    finally:
        stop.set()
        thread.join()
    assert [call.path.rsplit("/", 1)[1] for call in told(there)] == [f"o{n}" for n in range(5)]


def _until(true: Any, seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)
