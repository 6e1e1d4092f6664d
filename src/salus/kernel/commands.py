"""`salus kernel …` (accounts, registers, events, jobs) and `salus audit …` (verify, export)."""

from __future__ import annotations

import getpass
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)
audit_app = typer.Typer(add_completion=False)


def _start() -> Any:
    """Start Django and return the principal of somebody at the server's own console."""
    import django

    django.setup()
    from salus.kernel.policy import system_principal

    return system_principal(f"console:{getpass.getuser()}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


@app.command("create-account")
def create_account(
    username: Annotated[str, typer.Argument(help="The name to sign in with.")],
    name: Annotated[str, typer.Option(help="The name shown.")] = "",
    role: Annotated[list[str] | None, typer.Option(help="A role to grant; may be repeated.")] = None,
    institution: Annotated[str, typer.Option(help="Code of the institution.")] = "",
    district: Annotated[str, typer.Option(help="Code of the district.")] = "",
    person: Annotated[str, typer.Option(help="The person's id, for a resident.")] = "",
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    oidc_only: Annotated[bool, typer.Option(help="No password: sign in by OpenID Connect.")] = False,
) -> None:
    """Make an account, with roles if given."""
    principal = _start()
    from uuid import UUID

    from salus.kernel import services

    password = None
    if not oidc_only:
        password = (
            sys.stdin.readline().rstrip("\n")
            if password_stdin
            else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        )
    account = services.create_account(
        principal,
        username,
        password=password,
        display_name=name,
        institution=_institution(institution),
        district=_district(district),
        person_id=UUID(person) if person else None,
    )
    for one in role or []:
        services.grant_role(principal, account, one)
    _print(f"{account.username} {' '.join(role or [])}".rstrip())


def _institution(code: str) -> Any:
    from salus.kernel.errors import NotFound
    from salus.kernel.models import Institution

    if not code:
        return None
    found = Institution.objects.filter(code=code).first()
    if found is None:
        raise NotFound("institution-unknown", "There is no institution of this code", where=code)
    return found


def _district(code: str) -> Any:
    from salus.kernel.errors import NotFound
    from salus.kernel.models import District

    if not code:
        return None
    found = District.objects.filter(code=code).first()
    if found is None:
        raise NotFound("district-unknown", "There is no district of this code", where=code)
    return found


@app.command()
def grant(
    username: Annotated[str, typer.Argument(help="The account.")],
    role: Annotated[str, typer.Argument(help="The role.")],
    institution: Annotated[str, typer.Option(help="Code of the institution.")] = "",
    district: Annotated[str, typer.Option(help="Code of the district.")] = "",
    whole_city: Annotated[bool, typer.Option(help="A role of a district, for all of them.")] = False,
    sensitive: Annotated[
        list[str] | None, typer.Option(help="hiv, mental or reproductive; may be repeated.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="The instant at which it ends.")] = None,
) -> None:
    """Give an account a role."""
    principal = _start()
    from django.utils import timezone

    from salus.kernel.services import accounts

    ends = timezone.make_aware(until) if until is not None and timezone.is_naive(until) else until
    accounts.grant_role(
        principal,
        accounts.account_named(username),
        role,
        institution=_institution(institution),
        district=_district(district),
        whole_city=whole_city,
        sensitive=sensitive or [],
        valid_to=ends,
    )
    _print(f"{username} {role}")


@app.command()
def revoke(
    username: Annotated[str, typer.Argument(help="The account.")],
    role: Annotated[str, typer.Argument(help="The role; every running grant of it ends.")],
) -> None:
    """Take a role from an account; it holds within a second."""
    principal = _start()
    from django.utils import timezone

    from salus.kernel import queries
    from salus.kernel.services import accounts

    account = accounts.account_named(username)
    found = list(queries.running_grants(timezone.now()).filter(account=account, role=role))
    for one in found:
        accounts.revoke_role(principal, one)
    _print(f"{len(found)} grants ended")


@app.command()
def lock(
    username: Annotated[str, typer.Argument(help="The account.")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Shut an account out at once."""
    principal = _start()
    from salus.kernel.services import accounts

    accounts.lock_account(principal, accounts.account_named(username), reason)
    _print(f"{username} is locked")


@app.command("list")
def list_accounts(
    text: Annotated[str, typer.Option(help="Part of a name.")] = "",
    role: Annotated[str, typer.Option(help="Only accounts with this role.")] = "",
) -> None:
    """List accounts with their roles."""
    principal = _start()
    from salus.kernel import queries

    for account in queries.accounts(principal, text=text, role=role).iterator(chunk_size=500):
        roles = sorted({row.role for row in account.grants.all()})
        state = "locked" if account.locked else ("" if account.is_active else "closed")
        _print("\t".join([account.username, account.display_name, ",".join(roles), state]).rstrip())


@app.command("import-registers")
def import_registers(
    folder: Annotated[Path, typer.Argument(help="Holds districts.geojson, institutions.csv, staff.csv, …")],
) -> None:
    """Fill the registers from files; importing the same files again changes nothing."""
    principal = _start()
    from salus.kernel import services

    for done in services.import_registers(principal, folder):
        _print(f"{done.file}: {done.rows} rows, {done.created} new, {done.updated} changed")


@app.command()
def events(
    retry: Annotated[int | None, typer.Option(help="Handle the failure of this number again.")] = None,
    retry_handler: Annotated[str, typer.Option(help="Let a waiting handler try again at once.")] = "",
) -> None:
    """Show how event handlers stand; retry a failure or a handler."""
    principal = _start()
    from salus.kernel import events as outbox
    from salus.kernel import queries

    if retry is not None:
        outbox.retry_failure(retry)
    if retry_handler:
        outbox.retry_handler(retry_handler)
    for row in queries.handler_health(principal):
        _print(
            f"{row.name}\t{row.state}\tbehind {row.behind}\tfailed {row.failures}\t{row.last_error}".rstrip()
        )
    for failure in queries.handler_failures(principal):
        _print(f"failure {failure.pk}\t{failure.handler}\t{failure.event.type}\t{failure.error}")


@app.command("jobs")
def jobs_(run: Annotated[str, typer.Option(help="Run the job of this name now.")] = "") -> None:
    """Show how periodic jobs stand, or run one now."""
    principal = _start()
    from salus.kernel import jobs, queries

    if run:
        jobs.run_now(run)
    for row in queries.job_health(principal):
        _print(f"{row.name}\t{row.state}\tevery {row.every} s\truns {row.runs}\tfailed {row.failures}")


@audit_app.command()
def verify(
    heads: Annotated[Path | None, typer.Option(help="A copy of the signed heads kept elsewhere.")] = None,
    keys: Annotated[Path | None, typer.Option(help="The folder of the public keys.")] = None,
) -> None:
    """Check every audit row against its chain and the signed heads; ends with 1 when something is wrong."""
    _start()
    from rich.progress import Progress

    from salus.kernel import audit

    with Progress(transient=True, disable=not sys.stderr.isatty()) as shown:
        bar = shown.add_task("audit rows", total=None)
        report = audit.verify(
            heads_file=heads,
            keys=keys,
            progress=lambda done, total: shown.update(bar, completed=done, total=total),
        )
    _print(
        f"{report.rows} rows in {report.chains} chains, {report.heads} signed heads, {report.seconds:.1f} s"
    )
    for finding in report.findings:
        _print(f"{finding.kind}\tchain {finding.chain}\trow {finding.seq}\t{finding.words}")
    if report.more:
        _print(f"and {report.more} more")
    if not report.ok:
        raise typer.Exit(1)
    _print("Every row is as it was written.")


@audit_app.command()
def export(
    target: Annotated[Path, typer.Argument(help="The NDJSON file to write; - for standard output.")],
    since: Annotated[datetime | None, typer.Option(help="From this instant on.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this instant.")] = None,
) -> None:
    """Write the audit rows as FHIR AuditEvents, one a line."""
    principal = _start()
    from django.utils import timezone

    from salus.kernel import audit
    from salus.kernel.audit import fhir, queries

    def aware(moment: datetime | None) -> datetime | None:
        return timezone.make_aware(moment) if moment is not None and timezone.is_naive(moment) else moment

    wanted = queries.AuditFilter(since=aware(since), until=aware(until))
    audit.record([audit.entry(principal, "export", resource_type="AuditEvent")])
    count = 0
    file = sys.stdout.buffer if str(target) == "-" else target.open("wb")
    try:
        for line in fhir.ndjson(queries.rows(wanted)):
            file.write(line)
            count += 1
    finally:
        if file is not sys.stdout.buffer:
            file.close()
    sys.stderr.write(f"{count} audit events\n")
