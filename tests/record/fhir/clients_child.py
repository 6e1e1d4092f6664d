"""Makes the accounts, apps and records that other people's clients meet."""

import json
import sys

import django

PASSWORD = "correct horse battery"
REDIRECT = "http://127.0.0.1:9/done"


def main() -> None:
    """Make everything and print what a client is told, as JSON."""
    django.setup()
    from oauth2_provider.models import Application

    from salus.connect.models import SourceSystem
    from salus.connect.sources import bind_client, issue_token
    from salus.kernel.models import Account, RoleGrant
    from salus.record.fhir import outbound
    from salus.record.models import Resource
    from salus.record.smart import assertions

    source = SourceSystem.objects.create(code="his", name="HIS", format="fhir")
    token = issue_token(source, scopes="system/*.cruds")[1]
    apps = {"phone-app": Application.CLIENT_PUBLIC, "web-app": Application.CLIENT_CONFIDENTIAL}
    for client_id, kind in apps.items():
        Application.objects.create(
            client_id=client_id,
            client_secret="web secret",
            client_type=kind,
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
            redirect_uris=REDIRECT,
            skip_authorization=client_id == "web-app",
        )
    Application.objects.create(
        client_id="backend",
        client_secret="backend secret",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )
    bind_client(source, "backend", scopes="system/*.rs")
    keys, subscriber = json.loads(sys.argv[1]), sys.argv[2]
    assertions.register("backend", keys)
    outbound.allow(source.pk, "subscription", subscriber)
    _fill(token)
    person = Resource.objects.get(id="a").person_id
    account = Account.objects.create_user("resident", password=PASSWORD, person_id=person)
    RoleGrant.objects.create(account=account, role="resident")
    sys.stdout.write(json.dumps({"token": token, "password": PASSWORD, "redirect": REDIRECT}) + "\n")


def _fill(token: str) -> None:
    import asyncio

    import httpx

    from salus.record.fhir.app import application
    from tests.record.fhir.conftest import observation, patient

    async def send() -> None:
        transport = httpx.ASGITransport(app=application)
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, headers=headers) as client:
            for id, born in (("a", "1980-02-03"), ("b", "1999-09-09")):
                body = patient(id=id, birthDate=born)
                await client.put(f"http://localhost/fhir/Patient/{id}", json=body)
            for number in range(25):
                body = observation(f"Patient/{'ab'[number % 5 == 0]}", number + 0.5, id=f"o{number}")
                answer = await client.put(f"http://localhost/fhir/Observation/o{number}", json=body)
                if answer.status_code != 201:
                    raise AssertionError(answer.text)

    asyncio.run(send())


if __name__ == "__main__":
    main()
