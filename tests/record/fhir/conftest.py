"""A FHIR API with source systems, accounts of every role, and httpx as the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from django.db import connections
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from salus.kernel import audit, policy
from salus.kernel.models import Account, District, Institution, Role, RoleGrant
from salus.record.fhir import journal, service
from salus.record.fhir.app import application
from salus.record.smart import tokens

DATABASES = ["default", "audit"]
FORM = "application/x-www-form-urlencoded"
BASE = "http://testserver/fhir"
OF_ROLE = [role.value for role in Role]


@dataclass
class Source:
    """A source system as the API sees it: its identity and a bearer token."""

    identity: tokens.SourceIdentity
    token: str


@dataclass
class World:
    """Institutions, sources and tokens that the tests share; `token(role)` makes an account of a role."""

    hospital: Institution
    other: Institution
    district: District
    sources: dict[str, Source]

    def account(self, role: str, **fields: Any) -> Account:
        account = Account.objects.create_user(f"{role}-{Account.objects.count()}", password=None, **fields)
        RoleGrant.objects.create(
            account=account,
            role=role,
            institution=fields.get("institution"),
            district=fields.get("district"),
        )
        return account

    def token(self, account: Account | None = None, scope: str = "user/*.cruds patient/*.rs") -> str:
        text = f"token-{AccessToken.objects.count()}-{account.pk if account else 0}"
        app, _ = Application.objects.get_or_create(
            client_id="app",
            defaults={
                "client_type": Application.CLIENT_PUBLIC,
                "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
                "redirect_uris": "http://localhost/done",
            },
        )
        AccessToken.objects.create(
            user=account,
            application=app,
            token=text,
            scope=scope,
            expires=timezone.now() + timedelta(hours=1),
        )
        return text


class Borrowing:
    """A lane whose one thread works through the test's own connections, so that all is rolled back."""

    def __init__(self) -> None:
        self._lent = {alias: connections[alias] for alias in DATABASES}
        for connection in self._lent.values():
            connection.inc_thread_sharing()
        self._pool = ThreadPoolExecutor(1, initializer=self._borrow)

    def _borrow(self) -> None:
        for alias, connection in self._lent.items():
            connections[alias] = connection

    async def do(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def stop(self) -> None:
        self._pool.shutdown()
        for connection in self._lent.values():
            connection.dec_thread_sharing()


class Lane:
    """Stands in for `lanes.Lane` on a borrowing thread."""

    def __init__(self, thread: Borrowing, work: Callable[[list[Any]], Any]) -> None:
        self._thread, self._work = thread, work

    async def do(self, task: Any) -> Any:
        return (await self._thread.do(self._answers, [task]))[0]

    def _answers(self, tasks: list[Any]) -> list[Any]:
        answers: list[Any] = []
        self._work(tasks)(answers.extend)  # the audit's transaction is open, so it is written at once
        return answers


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts without remembered tokens or a journal; it has threads only if it is transactional."""
    mark = request.node.get_closest_marker("django_db")
    tokens.forget()
    policy.forget()
    registered = journal.current()
    journal.register(None)  # the sources here are made up; connect's journal knows only its own
    if mark is not None and not mark.kwargs.get("transaction"):
        thread = Borrowing()
        monkeypatch.setattr(service, "_reads", lambda: Lane(thread, service._read))
        monkeypatch.setattr(service, "_searches", lambda: Lane(thread, service._read))
        monkeypatch.setattr(service, "_writes", lambda: Lane(thread, service._write))
        yield
        thread.stop()
    else:
        yield
        service.stop()
        audit.close()
    journal.register(registered)
    tokens.forget()
    policy.forget()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Two institutions, each with a source system that holds a token of its own."""
    district = District.objects.create(code="110101", name="东城")
    hospital = Institution.objects.create(
        code="H1", name="第一医院", kind="general_hospital", district=district
    )
    other = Institution.objects.create(code="H2", name="第二医院", kind="general_hospital", district=district)
    sources: dict[str, Source] = {}
    for number, (code, institution) in enumerate((("his-1", hospital), ("his-2", other)), 1):
        identity = tokens.SourceIdentity(number, code, institution.pk, frozenset({"system/*.cruds"}))
        sources[code] = Source(identity, f"secret-{code}")
    secrets = {source.token: source.identity for source in sources.values()}
    monkeypatch.setattr(tokens, "_secrets", [secrets.get])
    return World(hospital, other, district, sources)


class Client:
    """httpx against the application, one request after another, from a test without a loop."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._runner.run(self._request(method, path, **more))

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, timeout=30) as client:
            address = path if path.startswith("http") else f"{BASE}/{path}" if path else BASE
            if "json" in more:
                more["content"] = orjson.dumps(more.pop("json"))
                more["headers"] = {"content-type": "application/fhir+json", **more.get("headers", {})}
            return await client.request(method, address, **more)

    def get(self, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:
        return self.request("GET", path, headers=headers, **more)

    def post(self, path: str, json: Any, headers: dict[str, str], **more: Any) -> httpx.Response:
        return self.request("POST", path, json=json, headers=headers, **more)

    def put(self, path: str, json: Any, headers: dict[str, str], **more: Any) -> httpx.Response:
        return self.request("PUT", path, json=json, headers=headers, **more)

    def delete(self, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:
        return self.request("DELETE", path, headers=headers, **more)


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def http(runner: asyncio.Runner) -> Client:
    """An HTTP client wired to the application."""
    return Client(runner)


@pytest.fixture
def his(world: World) -> dict[str, str]:
    """Headers of the first hospital's system."""
    return bearer(world.sources["his-1"].token)


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


def patient(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:h1:mrn", "value": "1001"}],
        "name": [{"text": "王小明", "family": "王", "given": ["小明"]}],
        "gender": "male",
        "birthDate": "1980-02-03",
        **more,
    }


def observation(subject: str, value: float = 5.5, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "15074-8"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2026-03-01T08:00:00+08:00",
        "valueQuantity": {
            "value": value,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
        **more,
    }
