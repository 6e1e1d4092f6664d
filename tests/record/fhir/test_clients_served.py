"""Clients that nobody here wrote, against a real server: from PyPI, from npm, and SMART by hand."""

import asyncio
import base64
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT

from tests.record.fhir.serving import Elsewhere, elsewhere
from tests.resilience.installation import ROOT, Installation, temporary

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resilience"), pytest.mark.timeout(600)]
SCOPES = "launch/patient offline_access patient/*.rs"


@dataclass
class Served:
    """A running server and what its clients are told."""

    one: Installation
    key: JWK
    there: Elsewhere
    token: str
    password: str
    redirect: str

    @property
    def url(self) -> str:
        return self.one.url

    @property
    def root(self) -> str:
        return self.one.url.removesuffix("/fhir")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    key = JWK.generate(kty="EC", crv="P-384", kid="k1")
    with elsewhere() as there, temporary() as one:
        keys = json.dumps({"keys": [key.export_public(as_dict=True)]})
        done = subprocess.run(
            [sys.executable, "-m", "tests.record.fhir.clients_child", keys, there.address],
            env=one.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        told = json.loads(done.stdout.splitlines()[-1])
        one.start()
        yield Served(one, key, there, **told)


def sign_in(served: Served) -> httpx.Client:
    """Return a browser in which the resident has signed in, by the form that she sees."""
    browser = httpx.Client(base_url=served.root, timeout=30)
    form = {"csrfmiddlewaretoken": _hidden(browser.get("/accounts/login/").text)}
    form |= {"login": "resident", "password": served.password}
    answer = browser.post("/accounts/login/", data=form, headers={"referer": served.root})
    assert answer.status_code == 302, answer.text[:2000]
    return browser


def _hidden(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken"[^>]*value="([^"]*)"', page)
    assert found, page[:2000]
    return html.unescape(found[1])


def agree(served: Served, address: str) -> str:
    """Follow an app's authorisation address as a browser does, agree if asked; return where it leads back."""
    with closing(sign_in(served)) as browser:
        answer = browser.get(address)
        if answer.status_code == 200:
            hidden = re.findall(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?', answer.text)
            form = {name: html.unescape(value) for name, value in hidden} | {"allow": "Authorize"}
            answer = browser.post(address, data=form, headers={"referer": address})
        assert answer.status_code == 302, answer.text[:2000]
        return str(answer.headers["location"])


def test_smart_by_hand(served: Served) -> None:
    """Discovery, PKCE, consent, token, introspection, patient-scoped reads, refresh, revocation."""
    found = httpx.get(f"{served.url}/.well-known/smart-configuration").json()
    assert found["code_challenge_methods_supported"] == ["S256"]
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code",
        "client_id": "phone-app",
        "redirect_uri": served.redirect,
        "scope": SCOPES,
        "state": "s1",
        "aud": served.url,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    back = agree(served, str(httpx.URL(found["authorization_endpoint"], params=asked)))
    answer = parse_qs(urlsplit(back).query)
    assert answer["state"] == ["s1"]
    form = {"grant_type": "authorization_code", "code": answer["code"][0], "redirect_uri": served.redirect}
    form |= {"client_id": "phone-app", "code_verifier": verifier}
    given = httpx.post(found["token_endpoint"], data=form).json()
    assert given["patient"] == "a" and given["expires_in"] > 0, given
    assert httpx.post(found["token_endpoint"], data=form).status_code == 400  # a code works once
    headers = {"authorization": f"Bearer {given['access_token']}"}
    assert httpx.get(f"{served.url}/Patient/a", headers=headers).status_code == 200
    assert httpx.get(f"{served.url}/Patient/b", headers=headers).status_code == 404
    listed = httpx.get(f"{served.url}/Observation?_count=100", headers=headers).json()
    subjects = {entry["resource"]["subject"]["reference"] for entry in listed["entry"]}
    assert (len(listed["entry"]), subjects) == (20, {"Patient/a"})
    assert httpx.put(f"{served.url}/Patient/a", headers=headers, json={}).status_code in {400, 403}
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": "phone-app"}
    again = httpx.post(found["token_endpoint"], data=form).json()
    assert again["access_token"] != given["access_token"] and again["patient"] == "a", again
    headers = {"authorization": f"Bearer {again['access_token']}"}
    assert httpx.get(f"{served.url}/Patient/a", headers=headers).status_code == 200
    reused = httpx.post(found["token_endpoint"], data=form)
    assert reused.status_code == 400  # a refresh token works once, and its reuse ends the family
    basic = ("backend", "backend secret")
    told = httpx.post(found["introspection_endpoint"], auth=basic, data={"token": again["access_token"]})
    assert told.status_code in {200, 403}, told.text
    form = {"token": again["access_token"], "client_id": "phone-app"}
    assert httpx.post(found["revocation_endpoint"], data=form).status_code == 200
    time.sleep(1.1)
    assert httpx.get(f"{served.url}/Patient/a", headers=headers).status_code == 401


def test_fhirclient_as_an_app(served: Served) -> None:
    from fhirclient.client import FHIRClient
    from fhirclient.models.observation import Observation
    from fhirclient.models.patient import Patient

    app = FHIRClient(
        settings={
            "app_id": "web-app",
            "app_secret": "web secret",
            "api_base": served.url,
            "redirect_uri": served.redirect,
            "scope": SCOPES,
        }
    )
    assert not app.ready
    app.handle_callback(agree(served, app.authorize_url))
    assert app.ready and app.patient_id == "a"
    person = Patient.read("a", app.server)
    assert person.name[0].family == "王"
    found = Observation.where({"code": "15074-8"}).perform_resources_iter(app.server)
    assert {one.subject.reference for one in found} == {"Patient/a"}
    assert len(list(Observation.where({"_count": "7"}).perform_iter(app.server))) == 3
    kept = app.state
    later = FHIRClient(state=kept)
    assert later.reauthorize()
    assert Patient.read("a", later.server).id == "a"


def test_fhirpy_as_a_system(served: Served) -> None:
    from fhirpy import AsyncFHIRClient
    from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

    async def use() -> None:
        client = AsyncFHIRClient(served.url, authorization=f"Bearer {served.token}")
        everyone = await client.resources("Observation").limit(6).fetch_all()
        assert len(everyone) >= 25 and len({one["id"] for one in everyone}) == len(everyone)
        found = client.resources("Observation").search(subject="Patient/b", value_quantity__gt=3)
        assert {one["id"] for one in await found.fetch_all()} <= {f"o{n}" for n in range(25)}
        born = client.resources("Patient").search(birthdate__lt="1990")
        assert [one["id"] for one in await born.fetch()] == ["a"]
        both = client.resources("Observation").search(_id="o1").include("Observation", "patient")
        types = {entry["resource"]["resourceType"] for entry in (await both.fetch_raw())["entry"]}
        assert types == {"Observation", "Patient"}
        made = client.resource("Observation", **_observation("Patient/b"))
        await made.save()
        assert made.id and made["meta"]["versionId"] == "1"
        made["status"] = "amended"
        await made.save()
        again = await client.reference("Observation", made.id).to_resource()
        assert (again["status"], again["meta"]["versionId"]) == ("amended", "2")
        whole = await client.execute("Patient/b/$everything", method="GET")
        assert f"{made.id}" in {entry["resource"]["id"] for entry in whole["entry"]}
        assert await made.is_valid()
        await made.delete()
        with pytest.raises((ResourceNotFound, OperationOutcome)):
            await client.reference("Observation", made.id).to_resource()
        with pytest.raises(OperationOutcome):
            await client.resource("Observation", status="nonsense").save()
        with pytest.raises(ResourceNotFound):
            await client.resources("Patient").search(_id="nobody").get()

    asyncio.run(use())


def _observation(subject: str) -> dict[str, Any]:
    from tests.record.fhir.conftest import observation

    return {key: value for key, value in observation(subject).items() if key != "resourceType"}


def test_a_backend_service_exports(served: Served) -> None:
    """SMART Backend Services and Bulk Data Access, as a client of the guides does it."""
    found = httpx.get(f"{served.url}/.well-known/smart-configuration").json()
    claims = {"iss": "backend", "sub": "backend", "aud": found["token_endpoint"], "jti": str(uuid.uuid4())}
    head = {"alg": "ES384", "kid": "k1", "typ": "JWT"}
    assertion = JWT(header=head, claims={**claims, "exp": int(time.time()) + 240})
    assertion.make_signed_token(served.key)
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion.serialize(),
    }
    given = httpx.post(found["token_endpoint"], data=form).json()
    headers = {"authorization": f"Bearer {given['access_token']}"}
    begun = httpx.get(f"{served.url}/Patient/$export", headers=headers | {"prefer": "respond-async"})
    assert begun.status_code == 202, begun.text
    until = time.monotonic() + 60
    while (answer := httpx.get(begun.headers["content-location"], headers=headers)).status_code == 202:
        assert time.monotonic() < until, "the worker did not take the export"
        time.sleep(min(int(answer.headers["retry-after"]), 1))
    assert answer.status_code == 200, answer.text
    lines = [
        json.loads(line)
        for one in answer.json()["output"]
        for line in httpx.get(one["url"], headers=headers).text.splitlines()
    ]
    assert {one["id"] for one in lines if one["resourceType"] == "Patient"} == {"a", "b"}
    assert len([one for one in lines if one["resourceType"] == "Observation"]) >= 25
    assert httpx.get(answer.json()["output"][0]["url"]).status_code == 401


def test_a_subscription_by_the_worker(served: Served) -> None:
    headers = {"authorization": f"Bearer {served.token}"}
    body = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "test",
        "criteria": "Observation?status=amended",
        "channel": {
            "type": "rest-hook",
            "endpoint": f"{served.there.address}/hook",
            "payload": "application/fhir+json",
        },
    }
    made = httpx.post(f"{served.url}/Subscription", headers=headers, json=body)
    assert made.status_code == 201, made.text
    address = f"{served.url}/Subscription/{made.json()['id']}"
    until = time.monotonic() + 60
    while httpx.get(address, headers=headers).json()["status"] != "active":
        assert time.monotonic() < until, "the worker did not take the subscription"
        time.sleep(0.2)
    changed = {"resourceType": "Observation", "id": "o3", **_observation("Patient/a"), "status": "amended"}
    httpx.put(f"{served.url}/Observation/o3", headers=headers, json=changed)
    while not any(call.method == "PUT" for call in served.there.calls):
        assert time.monotonic() < until, "nothing was told"
        time.sleep(0.2)
    (call,) = [call for call in served.there.calls if call.method == "PUT"]
    assert (call.path, json.loads(call.body)["status"]) == ("/hook/Observation/o3", "amended")


NODE = """
import { createRequire } from 'node:module';
import { Client as Kit } from 'fhir-kit-client';
const Smart = createRequire(import.meta.url)('fhirclient/lib/FhirClient');
const [url, token] = process.argv.slice(2);
const found = {};
const kit = new Kit({ baseUrl: url, customHeaders: { Authorization: `Bearer ${token}` } });
found.version = (await kit.capabilityStatement()).fhirVersion;
found.smart = (await kit.smartAuthMetadata()).tokenUrl.href;
found.family = (await kit.read({ resourceType: 'Patient', id: 'a' })).name[0].family;
let page = await kit.search({ resourceType: 'Observation', searchParams: { _count: 10 } });
const ids = new Set();
while (page) {
  page.entry.forEach((entry) => ids.add(entry.resource.id));
  const more = page.link.some((one) => one.relation === 'next');
  page = more ? await kit.nextPage({ bundle: page }) : null;
}
found.observations = ids.size;
const body = { resourceType: 'Basic', code: { text: 'from npm' } };
const made = await kit.create({ resourceType: 'Basic', body });
made.code.text = 'changed';
const changed = await kit.update({ resourceType: 'Basic', id: made.id, body: made });
found.version2 = changed.meta.versionId;
const patch = [{ op: 'replace', path: '/code/text', value: 'patched' }];
const patched = await kit.patch({ resourceType: 'Basic', id: made.id, jsonPatch: patch });
found.patched = patched.code.text;
await kit.delete({ resourceType: 'Basic', id: made.id });
try {
  await kit.read({ resourceType: 'Basic', id: made.id });
} catch (error) {
  found.gone = error.response.status;
}
const smart = new Smart.default(url);
const headers = { Authorization: `Bearer ${token}` };
found.everything = (await smart.fhirRequest('Patient/b/$everything', { headers })).type;
console.log(JSON.stringify(found));
"""


def test_clients_from_npm(served: Served, tmp_path: Path) -> None:
    modules = os.environ.get("SALUS_NODE_MODULES", "")
    if not shutil.which("node") or not (Path(modules or "/nowhere") / "fhir-kit-client").is_dir():
        pytest.skip("SALUS_NODE_MODULES names no folder with fhir-kit-client and fhirclient from npm")
    script = tmp_path / "use.mjs"
    script.write_text(NODE)
    (tmp_path / "node_modules").symlink_to(modules)
    done = subprocess.run(
        ["node", str(script), served.url, served.token],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["version"] == "4.0.1" and found["family"] == "王"
    assert found["smart"] == f"{served.root}/oauth/token/"
    assert found["observations"] >= 25
    assert (found["version2"], found["patched"], found["gone"]) == ("2", "patched", 410)
    assert found["everything"] == "searchset"
