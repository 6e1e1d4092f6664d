"""The lanes: batches, one asker's fault, too many askers; the real ones under concurrent requests."""

import asyncio
from collections.abc import Sequence

import httpx
import orjson
import pytest

from salus.record.fhir.app import application
from salus.record.fhir.lanes import Lane, Overloaded
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
