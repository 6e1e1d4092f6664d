"""Back-end clients that prove themselves with a signed assertion (SMART's private_key_jwt)."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT
from oauth2_provider.models import Application

from salus.kernel.errors import Invalid
from salus.record.smart import assertions, tokens
from tests.record.fhir.conftest import DATABASES, Client, World, bearer

pytestmark = pytest.mark.django_db(databases=DATABASES)
TOKEN = "http://testserver/oauth/token/"
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def keys() -> dict[str, JWK]:
    return {
        "RS384": JWK.generate(kty="RSA", size=2048, kid="r1"),
        "ES384": JWK.generate(kty="EC", crv="P-384", kid="e1"),
        "other": JWK.generate(kty="EC", crv="P-384", kid="e1"),
    }


@pytest.fixture
def ask(world: World, keys: dict[str, JWK], monkeypatch: pytest.MonkeyPatch) -> Ask:
    identity = tokens.SourceIdentity(1, "his-1", world.hospital.pk, frozenset({"system/*.rs"}))
    monkeypatch.setattr(tokens, "_clients", [{"bulk": identity}.get])
    Application.objects.create(
        client_id="bulk",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )
    public = [keys[name].export_public(as_dict=True) for name in ("RS384", "ES384")]
    assertions.register("bulk", {"keys": public})

    def made(
        alg: str = "RS384", key: str = "", scope: str = "system/*.rs", **changes: Any
    ) -> tuple[int, Any]:
        claims = {"iss": "bulk", "sub": "bulk", "aud": TOKEN, "exp": int(time.time()) + 240}
        claims |= {"jti": str(uuid.uuid4())} | changes
        signer = keys[key or alg]
        head = {"alg": alg, "kid": signer["kid"], "typ": "JWT"}
        token = JWT(header=head, claims={k: v for k, v in claims.items() if v is not None})
        token.make_signed_token(signer)
        return send(token.serialize(), scope)

    return made


def send(assertion: str, scope: str = "system/*.rs") -> tuple[int, Any]:
    answer = Browser().post(
        "/oauth/token/",
        {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": assertions.KIND,
            "client_assertion": assertion,
        },
        headers={"host": "testserver"},
    )
    return answer.status_code, answer.json()


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_a_token_for_a_signature(http: Client, ask: Ask, alg: str) -> None:
    status, given = ask(alg)
    assert status == 200, given
    assert given["token_type"].lower() == "bearer"
    assert http.get("Patient?_count=1", bearer(given["access_token"])).status_code == 200
    assert http.get("$export", bearer(given["access_token"], prefer="respond-async")).status_code == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": int(time.time()) + 3600},
        {"exp": None},
        {"jti": None},
        {"sub": "other"},
        {"iss": "other"},
        {"aud": "http://elsewhere/oauth/token/"},
        {"aud": "http://testserver/fhir"},
        {"aud": None},
        {"nbf": int(time.time()) + 3600},
        {"key": "other", "alg": "ES384"},
    ],
)
def test_what_does_not_hold(ask: Ask, changes: dict[str, Any]) -> None:
    status, given = ask(**changes)
    assert (status, given["error"]) == (401, "invalid_client")


def test_once_only(ask: Ask) -> None:
    assert ask(jti="one")[0] == 200
    assert ask(jti="one")[0] == 401


def test_no_signature_at_all(ask: Ask) -> None:
    import base64

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"iss": "bulk", "sub": "bulk", "aud": TOKEN, "exp": int(time.time()) + 60, "jti": "x"}
    for assertion in (
        f"{part({'alg': 'none', 'kid': 'r1'})}.{part(claims)}.",
        f"{part({'alg': 'HS256', 'kid': 'r1'})}.{part(claims)}.c2ln",
        "a.b.c",
        "nonsense",
        "",
    ):
        assert send(assertion)[0] == 401


def test_no_more_than_the_source_may(ask: Ask) -> None:
    status, given = ask(scope="user/*.rs")
    assert (status, given["error"]) == (400, "invalid_scope")


def test_private_keys_are_not_taken(keys: dict[str, JWK]) -> None:
    with pytest.raises(Invalid):
        assertions.register("bulk", {"keys": [keys["RS384"].export(as_dict=True)]})
    with pytest.raises(Invalid):
        assertions.register("bulk", {"keys": []})


def test_discovery(http: Client, world: World) -> None:
    said = http.get(".well-known/smart-configuration", {}).json()
    assert "private_key_jwt" in said["token_endpoint_auth_methods_supported"]
    assert "client-confidential-asymmetric" in said["capabilities"]
