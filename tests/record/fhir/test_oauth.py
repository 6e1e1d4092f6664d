"""Tokens from the OAuth endpoint: client credentials for sources, authorization code with PKCE for apps."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser
from oauth2_provider.models import AccessToken, Application

from salus.kernel.models import Account
from salus.record.smart import tokens
from tests.record.fhir.conftest import DATABASES, Client, World, bearer, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)


@pytest.fixture
def backend(world: World, monkeypatch: pytest.MonkeyPatch) -> Application:
    """A confidential client that belongs to the first hospital's system, for patients only."""
    identity = tokens.SourceIdentity(1, "his-1", world.hospital.pk, frozenset({"system/Patient.cruds"}))
    monkeypatch.setattr(tokens, "_clients", [{"his-1-client": identity}.get])
    return Application.objects.create(
        client_id="his-1-client",
        client_secret="very secret",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )


def ask(scope: str) -> tuple[int, dict[str, str]]:
    basic = base64.b64encode(b"his-1-client:very secret").decode()
    answer = Browser().post(
        "/oauth/token/",
        {"grant_type": "client_credentials", "scope": scope},
        headers={"authorization": f"Basic {basic}"},
    )
    return answer.status_code, answer.json()


def test_client_credentials(http: Client, world: World, backend: Application) -> None:
    status, given = ask("system/Patient.cruds")
    assert status == 200, given
    headers = bearer(given["access_token"])
    made = http.post("Patient", patient(), headers)
    assert made.status_code == 201, made.text
    assert http.get("Observation/x", headers).status_code == 403
    assert not AccessToken.objects.filter(token=given["access_token"]).exists()  # only its checksum is kept


@pytest.mark.parametrize(
    "scope",
    [
        "system/Observation.rs",
        "user/Patient.rs",
        "patient/*.rs",
        "launch/patient",
        "nonsense",
        "system/Patient.x",
    ],
)
def test_a_source_may_not_ask_for_more(world: World, backend: Application, scope: str) -> None:
    status, given = ask(scope)
    assert (status, given["error"]) == (400, "invalid_scope")


def test_a_client_of_no_source_gets_nothing(
    world: World, backend: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_clients", [])
    assert ask("system/Patient.rs")[0] == 400


def test_authorization_code_with_pkce(http: Client, world: World, his: dict[str, str]) -> None:
    from salus.record.models import Resource

    http.put("Patient/a", patient(id="a"), his)
    http.put("Patient/b", patient(id="b", birthDate="1999-09-09"), his)
    person_id = Resource.objects.get(id="a").person_id
    account = Account.objects.create_user("resident", person_id=person_id)
    from salus.kernel.models import RoleGrant

    RoleGrant.objects.create(account=account, role="resident")
    Application.objects.create(
        client_id="phone-app",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris="https://app.example/done",
        skip_authorization=True,
    )
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    browser = Browser()
    browser.force_login(account)
    asked = {
        "response_type": "code",
        "client_id": "phone-app",
        "redirect_uri": "https://app.example/done",
        "scope": "launch/patient patient/*.rs",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": "s",
    }
    without = browser.get("/oauth/authorize/", {k: v for k, v in asked.items() if "challenge" not in k})
    assert "error=invalid_request" in without["location"]
    answer = browser.get("/oauth/authorize/", asked)
    assert answer.status_code == 302, answer.content
    code = parse_qs(urlsplit(answer["location"]).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": asked["redirect_uri"],
        "client_id": "phone-app",
    }
    assert Browser().post("/oauth/token/", form | {"code_verifier": "w" * 64}).status_code == 400
    answer = browser.get("/oauth/authorize/", asked)
    form["code"] = parse_qs(urlsplit(answer["location"]).query)["code"][0]
    given = Browser().post("/oauth/token/", form | {"code_verifier": verifier}).json()
    assert given["patient"] == "a", given
    headers = bearer(given["access_token"])
    assert http.get("Patient/a", headers).status_code == 200
    assert http.get("Patient/b", headers).status_code == 404
    assert http.post("Patient", patient(), headers).status_code == 403
    Browser().post("/oauth/revoke_token/", {"token": given["access_token"], "client_id": "phone-app"})
    tokens.forget()
    assert http.get("Patient/a", headers).status_code == 401
