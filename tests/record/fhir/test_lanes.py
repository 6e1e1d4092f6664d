"""The lanes: batches, one asker's fault, too many askers; the real ones under concurrent requests."""

import asyncio
import threading
import time
from collections.abc import Sequence

import httpx
import orjson
import pytest
from django.db import InterfaceError, OperationalError, connection

from salus.record.fhir import service, together, writing
from salus.record.fhir.app import application
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.lanes import Deliver, Lane, Later, Overloaded
from salus.record.fhir.request import Request
from salus.record.models import Resource
from salus.record.store import Written
from tests.record.fhir.conftest import BASE, DATABASES, World, bearer, observation, patient


def test_waiting_tasks_are_taken_together() -> None:
    sizes: list[int] = []

    def work(tasks: Sequence[int]) -> list[int]:
        if not sizes:
            time.sleep(0.1)  # meanwhile the others come
        sizes.append(len(tasks))
        return [task * 2 for task in tasks]

    async def ask() -> list[int]:
        lane: Lane[int, int] = Lane("test", work, threads=1, batch=16)
        answers = await asyncio.gather(*(lane.do(number) for number in range(100)))
        await asyncio.get_running_loop().run_in_executor(None, lane.stop)
        return answers

    assert asyncio.run(ask()) == [number * 2 for number in range(100)]
    assert max(sizes) == 16


def test_a_fault_reaches_every_asker_of_the_batch() -> None:
    def work(tasks: Sequence[int]) -> list[int]:
        raise ValueError("broken")

    async def ask() -> list[BaseException | int]:
        lane: Lane[int, int] = Lane("test", work, threads=1, batch=4)
        answers = await asyncio.gather(*(lane.do(number) for number in range(3)), return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, lane.stop)
        return answers

    assert all(isinstance(answer, ValueError) for answer in asyncio.run(ask()))


def test_answers_may_be_handed_over_later_by_another_thread() -> None:
    """A batch whose audit rows are not yet durable does not hold its lane up."""
    written = threading.Event()
    taken: list[int] = []

    def work(tasks: Sequence[int]) -> Later[int]:
        taken.extend(tasks)

        def later(deliver: Deliver[int]) -> None:
            threading.Thread(target=lambda: written.wait(10) and deliver([-one for one in tasks])).start()

        return later

    async def ask() -> list[int]:
        lane: Lane[int, int] = Lane("test", work, threads=1, batch=1)
        waiting = [asyncio.ensure_future(lane.do(number)) for number in range(3)]
        while len(taken) < 3:
            await asyncio.sleep(0.001)
        assert not any(one.done() for one in waiting)
        written.set()
        answers = await asyncio.gather(*waiting)
        await asyncio.get_running_loop().run_in_executor(None, lane.stop)
        return answers

    assert asyncio.run(ask()) == [0, -1, -2]


def test_other_threads_help_only_while_one_is_held_up() -> None:
    """One slow search must not keep the quick ones behind it waiting; quick ones alone need one thread."""
    slow = threading.Event()
    by: dict[int, str] = {}

    def work(tasks: Sequence[int]) -> Sequence[int]:
        for task in tasks:
            by[task] = threading.current_thread().name
            if task == 50:
                slow.wait(10)
        return tasks

    async def ask() -> None:
        lane: Lane[int, int] = Lane("test", work, threads=3, batch=1, patience=0.5)
        await asyncio.gather(*(lane.do(number) for number in range(50)))
        assert set(by.values()) == {"fhir-test-0"}
        held = asyncio.ensure_future(lane.do(50))
        await asyncio.wait_for(asyncio.gather(*(lane.do(number) for number in range(51, 60))), 5)
        assert not held.done() and by[59] != by[50]
        slow.set()
        assert await held == 50
        await asyncio.get_running_loop().run_in_executor(None, lane.stop)

    asyncio.run(ask())


def test_too_many_askers_are_told_at_once() -> None:
    async def ask() -> None:
        lane: Lane[int, int] = Lane("test", lambda tasks: list(tasks), threads=0, batch=1, waiting=2)
        waiting = [asyncio.ensure_future(lane.do(number)) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await lane.do(3)
        for one in waiting:
            one.cancel()

    asyncio.run(ask())


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_concurrent_writers_and_readers_never_meet_a_lock(world: World) -> None:
    headers = bearer(world.sources["his-1"].token, **{"content-type": "application/fhir+json"})

    async def run() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), timeout=60) as client:

            async def put(path: str, body: object) -> int:
                answer = await client.put(f"{BASE}/{path}", content=orjson.dumps(body), headers=headers)
                return answer.status_code

            first = await put("Patient/a", patient(id="a"))
            writes = [put(f"Observation/o{n}", observation("Patient/a", n, id=f"o{n}")) for n in range(30)]
            same = [put("Patient/a", patient(id="a", birthDate=f"1980-02-{n:02}")) for n in range(1, 11)]
            reads = [client.get(f"{BASE}/Patient/a", headers=headers) for _ in range(30)]
            done = await asyncio.gather(*writes, *same, *reads)
            return [first, *(one if isinstance(one, int) else one.status_code for one in done)]

    assert set(asyncio.run(run())) <= {200, 201}
    assert Resource.objects.get(id="a").version == 11
    assert Resource.objects.filter(version__gt=0).count() == 31


@pytest.mark.parametrize("together_allowed", [True, False])
@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_no_write_is_answered_as_done_when_the_database_ended_their_common_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch, together_allowed: bool
) -> None:
    """A full disk makes SQLite roll everything back, not only the statement that failed."""
    source = world.sources["his-1"].token
    tasks = [
        service.admit(
            Request(
                method="PUT",
                segments=("Patient", name),
                query=[],
                headers=bearer(source, **{"content-type": "application/fhir+json"}),
                body=orjson.dumps(patient(id=name)),
                base=BASE,
                target=f"Patient/{name}",
            )
        )
        for name in ("first", "second", "third")
    ]
    apply_all = writing.apply_all

    def on_a_full_disk(asked: Sequence[tuple[Exchange, writing.Wish]]) -> list[Written]:
        written = apply_all(asked)
        if any(wish.id == "second" for _, wish in asked):
            connection.connection.rollback()  # under Django's feet, as the database does it
            raise OperationalError("database or disk is full")
        return written

    monkeypatch.setattr(writing, "apply_all", on_a_full_disk)
    if not together_allowed:
        monkeypatch.setattr(together, "fits", lambda request, route: False)
    answers = [answer for answer, _ in service._write_batch(tasks)]
    assert [answer.status for answer in answers] == [503, 503, 503]
    assert all(answer.header("retry-after") for answer in answers)
    assert not Resource.objects.filter(id__in=("first", "second", "third")).exists()
    monkeypatch.setattr(writing, "apply_all", apply_all)
    assert [answer.status for answer, _ in service._write_batch(tasks)] == [201, 201, 201]


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_a_database_that_went_away_is_answered_with_retry_after(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Away:
        vendor = connection.vendor

        def cursor(self) -> None:
            raise error

    headers = bearer(world.sources["his-1"].token, **{"content-type": "application/fhir+json"})
    monkeypatch.setattr(service, "connection", Away())

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application)) as client:
            return await client.put(f"{BASE}/Patient/a", content=b"{}", headers=headers)

    answer = asyncio.run(ask())
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.json()["resourceType"] == "OperationOutcome"


MIXED: list[tuple[str, str, object, dict[str, str]]] = [
    ("PUT", "Patient/a", patient(id="a"), {}),
    ("PUT", "Patient/b", patient(id="b"), {}),
    ("PUT", "Observation/o", observation("a", id="o"), {}),
    ("PUT", "Observation/o", observation("a", id="o", status="amended"), {}),  # the same resource again
    ("PUT", "Patient/c", patient(id="c", gender="telex"), {}),  # not valid
    ("PUT", "Patient/d", patient(id="e"), {}),  # another id in the body
    ("PUT", "Patient/b", patient(id="b"), {"if-match": 'W/"7"'}),  # a version that is not there
    ("POST", "Observation", observation("b"), {}),
    ("POST", "Observation", observation("b"), {}),  # the same bytes again
    ("POST", "Person", {"resourceType": "Person"}, {}),  # not theirs to write
    ("POST", "Basic", observation("b"), {}),  # another type in the body
    ("PUT", "Observation/foreign", observation("b", id="foreign"), {}),  # another source's
]


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_a_batch_of_writes_is_answered_as_each_would_be_alone(world: World) -> None:
    def task(method: str, path: str, body: object, headers: dict[str, str], token: str) -> service.Task:
        sent = bearer(token, **{"content-type": "application/fhir+json"}) | headers
        request = Request(method, tuple(path.split("/")), [], sent, orjson.dumps(body), BASE, path)
        return service.admit(request)

    def ids(prefix: str) -> list[service.Task]:
        """Return the mixture under other ids, so that both runs begin with nothing."""
        text = orjson.dumps(MIXED).decode()
        for name in ("a", "b", "c", "d", "e", "o", "foreign"):
            text = text.replace(f'/{name}"', f'/{prefix}{name}"').replace(
                f'"id":"{name}"', f'"id":"{prefix}{name}"'
            )
        mine = world.sources["his-1"].token
        return [task(*one, mine) for one in orjson.loads(text)]

    other = world.sources["his-2"].token
    for prefix in ("one", "all"):
        body = observation(f"{prefix}b", id=f"{prefix}foreign")
        service._write_batch([task("PUT", f"Observation/{prefix}foreign", body, {}, other)])
    alone = [service._write_batch([one])[0][0].status for one in ids("one")]
    together_ = [answer.status for answer, _ in service._write_batch(ids("all"))]
    assert together_ == alone == [201, 201, 201, 200, 422, 400, 412, 201, 201, 405, 400, 409]
    assert [
        list(Resource.objects.filter(id__startswith=prefix).order_by("id").values_list("version", "deleted"))
        for prefix in ("one", "all")
    ] == [[(1, False), (1, False), (1, False), (2, False)]] * 2
