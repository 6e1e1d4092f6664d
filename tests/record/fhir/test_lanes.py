"""The lanes: batches, one asker's fault, too many askers; the real ones under concurrent requests."""

import asyncio
from collections.abc import Sequence

import httpx
import orjson
import pytest
from django.db import InterfaceError, OperationalError, connection

from salus.record.fhir import handlers, service
from salus.record.fhir.app import application
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.lanes import Lane, Overloaded
from salus.record.fhir.outcome import Response
from salus.record.fhir.request import Request
from salus.record.models import Resource
from tests.record.fhir.conftest import BASE, DATABASES, World, bearer, observation, patient


def test_waiting_tasks_are_taken_together() -> None:
    sizes: list[int] = []

    def work(tasks: Sequence[int]) -> list[int]:
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


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_no_write_is_answered_as_done_when_the_database_ended_their_common_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
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
    write = handlers.write

    def on_a_full_disk(exchange: Exchange) -> Response:
        answer = write(exchange)
        if exchange.route.id == "second":
            connection.connection.rollback()  # under Django's feet, as the database does it
            raise OperationalError("database or disk is full")
        return answer

    monkeypatch.setattr(handlers, "write", on_a_full_disk)
    answers = service._write_batch(tasks)
    assert [answer.status for answer in answers] == [503, 503, 503]
    assert all(answer.header("retry-after") for answer in answers)
    assert not Resource.objects.filter(id__in=("first", "second", "third")).exists()
    monkeypatch.setattr(handlers, "write", write)
    assert [answer.status for answer in service._write_batch(tasks)] == [201, 201, 201]


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
