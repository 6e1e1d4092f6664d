"""Command line: which addresses may be called for a source, and its SMART back-end clients."""

import json
from pathlib import Path
from typing import Annotated

import typer

from salus.connect.terminal import notes, print_schema, show
from salus.kernel.errors import Invalid, NotFound

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Schema = Annotated[
    bool, typer.Option("--schema", help="Print what is read and the columns given, then stop.")
]
_USES = ("import", "subscription")


def attach(app: typer.Typer) -> None:
    """Add the commands to the room's."""
    app.command("addresses")(addresses)
    app.command("register-client")(register_client)


def addresses(
    source: Annotated[str, typer.Argument(help="Code of a source; all if left out.")] = "",
    allow: Annotated[str, typer.Option(help="Let the platform call this address for the source.")] = "",
    forbid: Annotated[str, typer.Option(help="Take that permission away.")] = "",
    use: Annotated[str, typer.Option("--for", help="import or subscription.")] = "import",
    as_json: AsJson = False,
    schema: Schema = False,
) -> None:
    """List, allow or forbid the addresses that may be called for sources (scheme, host and port count)."""
    columns = ("source", "use", "address")
    if schema:
        print_schema([], columns)
        return
    from salus.connect.models import SourceSystem
    from salus.record.fhir import outbound
    from salus.record.models import AllowedOrigin

    if use not in _USES:
        raise Invalid("bad-use", "an address is for import or subscription", where="--for")
    codes = dict(SourceSystem.objects.values_list("pk", "code"))
    number = next((pk for pk, code in codes.items() if code == source), None)
    if (allow or forbid or source) and number is None:
        raise NotFound("no-source", "there is no such source", where=source)
    if allow:
        outbound.allow(number or 0, use, allow)
    if forbid and not outbound.forbid(number or 0, use, forbid):
        raise NotFound("no-address", "the address was not allowed", where=forbid)
    rows = [
        {"source": codes.get(one.source_id, ""), "use": one.use, "address": one.origin}
        for one in AllowedOrigin.objects.order_by("source_id", "use", "origin")
        if number is None or one.source_id == number
    ]
    show(columns, rows, as_json=as_json, title="Allowed addresses")


def register_client(
    source: Annotated[str, typer.Argument(help="Code of the source that the client speaks for.")],
    client_id: Annotated[str, typer.Argument(help="Its OAuth client id.")],
    keys: Annotated[Path, typer.Argument(help="File with its public keys, a JWK Set.")],
    scopes: Annotated[str, typer.Option(help="What its tokens may hold at most.")] = "system/*.rs",
) -> None:
    """Register a SMART back-end client that proves itself with a signed assertion (private_key_jwt)."""
    from django.db import transaction
    from oauth2_provider.models import Application

    from salus.connect.sources import bind_client, source_named
    from salus.record.smart import assertions

    found = source_named(source)
    try:
        jwks = json.loads(keys.read_text("utf-8"))
    except (OSError, ValueError):
        raise Invalid("bad-keys", "the keys cannot be read", where=str(keys)) from None
    with transaction.atomic():
        _, made = Application.objects.get_or_create(
            client_id=client_id,
            defaults={
                "name": client_id,
                "client_type": Application.CLIENT_CONFIDENTIAL,
                "authorization_grant_type": Application.GRANT_CLIENT_CREDENTIALS,
            },
        )
        assertions.register(client_id, jwks)
        if made:
            bind_client(found, client_id, scopes=scopes)
    notes.print(f"{client_id} speaks for {source} with at most {scopes}", markup=False)
