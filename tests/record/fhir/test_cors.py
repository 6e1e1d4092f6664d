"""Pages of other origins: what a browser is told about who may read an answer."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from oauth2_provider.models import Application

from salus.record.fhir import cors, service
from tests.record.fhir.conftest import DATABASES, World, bearer

pytestmark = pytest.mark.django_db(databases=DATABASES, transaction=True)
APP = "https://app.example"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    Application.objects.create(
        client_id="page",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=f"{APP}/done",
        allowed_origins=f"{APP} https://other.example:8443",
    )
    cors.stop()
    yield
    cors.stop()


def asked(*requests: tuple[str, str, dict[str, str]]) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(cors.with_cors)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return [await client.request(*one[:2], headers=one[2]) for one in requests]

    try:
        return asyncio.run(run())
    finally:
        service.stop()


def test_a_registered_origin_may_ask_first_and_read(world: World) -> None:
    token = bearer(world.token(world.account("resident")))
    before, read, refused = asked(
        (
            "OPTIONS",
            "/fhir/Patient",
            {"origin": APP, "access-control-request-method": "GET"},
        ),
        ("GET", "/fhir/Patient?_count=1", {"origin": APP, **token}),
        ("GET", "/fhir/Patient/none", {"origin": "https://other.example:8443"}),
    )
    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == APP
    assert "authorization" in before.headers["access-control-allow-headers"]
    assert "PUT" in before.headers["access-control-allow-methods"]
    assert read.status_code == 200, read.text
    assert read.headers["access-control-allow-origin"] == APP
    assert "Origin" in read.headers["vary"]
    assert refused.status_code == 401, "a page hears why it was refused"
    assert refused.headers["access-control-allow-origin"] == "https://other.example:8443"
    for answer in (before, read, refused):
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "*", "http://app.example", APP + ".evil"])
def test_any_other_origin_is_told_nothing(world: World, origin: str) -> None:
    before, read = asked(
        ("OPTIONS", "/fhir/Patient", {"origin": origin, "access-control-request-method": "GET"}),
        ("GET", "/fhir/metadata", {"origin": origin}),
    )
    assert read.status_code == 200
    for answer in (before, read):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_an_origin_that_is_taken_away_is_refused_soon(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cors, "KEPT", 0.0)
    (first,) = asked(("GET", "/fhir/metadata", {"origin": APP}))
    Application.objects.update(allowed_origins="")
    (second,) = asked(("GET", "/fhir/metadata", {"origin": APP}))
    assert "access-control-allow-origin" in first.headers
    assert "access-control-allow-origin" not in second.headers
