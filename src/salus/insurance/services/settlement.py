"""Settlements by group: recorded from what the engine wrote, published, withdrawn, and each step undone."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import connection, models, transaction
from django.db.models import Max
from django.utils.translation import gettext_noop as _

from salus.insurance.models import (
    ComparisonLine,
    GroupMethod,
    PaymentComparison,
    PublicationState,
    SettlementChange,
    SettlementFigure,
    SettlementLine,
    SettlementMonth,
    SettlementPool,
    SettlementRun,
)
from salus.insurance.payment import output
from salus.insurance.services import clearing, locking
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target

BATCH = 1_000
"""Rows written at a time."""
_TABLES = ("clearing.parquet", "pools.parquet", "payments.parquet")


def record_settlement(principal: Principal, folder: Path, *, year: int, now: datetime) -> SettlementRun:
    """Record what `salus insurance settle` or `salus insurance dip settle` wrote, as the year's next version.

    The files must be those that the description names by their digests, every institution must be on the
    register, and budgets and lines must add up; else nothing is recorded.

    Raises:
        NotAllowed: the principal may not.
        Invalid: the folder is no settlement, was changed, names an unknown institution or does not add up.
        Conflict: it is recorded already.
    """
    policy.require(principal, "create", Target("settlement"))
    facts = _description(folder)
    known = set(facts["files"])
    if missing := [name for name in _TABLES if name not in known]:
        raise Invalid("settlement-folder", _("The folder lacks a table"), where=missing[0])
    lines, pools, months = (pq.read_table(folder / name).to_pylist() for name in _TABLES)
    figures = _figures(folder) if "report.parquet" in known else []
    _adds_up(lines, pools, months)
    digest = output.digest(folder / output.DESCRIPTION)
    institutions = _institutions({row["institution"] for row in (*lines, *figures)})
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "settlements")
        if SettlementRun.objects.filter(result_digest=digest).exists():
            raise Conflict("settlement-recorded", _("This settlement is recorded already"))
        others = SettlementRun.objects.filter(method=facts["method"], year=year)
        run = SettlementRun.objects.create(
            method=facts["method"], year=year,
            version=(others.aggregate(last=Max("version"))["last"] or 0) + 1,
            parameters=facts["parameters"], parameters_on=date.fromisoformat(facts["on"]),
            input_digest=facts.get("input", ""), result_digest=digest, cases=facts["cases"],
            refused=facts["refused"], recorded_at=now, recorded_by=principal.name,
        )  # fmt: skip
        _write(SettlementPool, ({"run": run, **row} for row in pools))
        tables = ((SettlementLine, lines), (SettlementMonth, months), (SettlementFigure, figures))
        for model, rows in tables:
            _write(
                model, ({"run": run, **row, "institution": institutions[row["institution"]]} for row in rows)
            )
        intent = audit.intend(cursor, [_entry(principal, "create", run)])
    audit.settle(intent)
    return run


def publish(principal: Principal, run: SettlementRun, *, now: datetime) -> SettlementChange:
    """Let institutions see a settlement; the published version of the year, if there is one, is withdrawn.

    Raises:
        NotAllowed: the principal may not.
        Conflict: it is published already.
    """
    policy.require(principal, "update", Target("settlement"))
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "settlements")
        run = _locked(run.pk)
        if run.state == PublicationState.PUBLISHED:
            raise Conflict("settlement-state", _("The settlement is published already"))
        entries = [_entry(principal, "update", run, state="published")]
        earlier = SettlementRun.objects.select_for_update().filter(
            method=run.method, year=run.year, state=PublicationState.PUBLISHED
        )
        for other in earlier:
            _change(principal, other, PublicationState.WITHDRAWN, now, f"{run.version}")
            entries.append(_entry(principal, "update", other, state="withdrawn"))
        made = _change(principal, run, PublicationState.PUBLISHED, now, "")
        intent = audit.intend(cursor, entries)
    audit.settle(intent)
    return made


def withdraw(principal: Principal, run: SettlementRun, *, reason: str, now: datetime) -> SettlementChange:
    """Hide a published settlement from institutions again, for a reason that they are shown.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no reason.
        Conflict: it is not published.
    """
    policy.require(principal, "update", Target("settlement"))
    if not (reason := reason.strip()):
        raise Invalid("settlement-reason", _("Say why it is withdrawn"), where="reason")
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "settlements")
        run = _locked(run.pk)
        if run.state != PublicationState.PUBLISHED:
            raise Conflict("settlement-state", _("The settlement is not published"))
        _not_booked(run)
        made = _change(principal, run, PublicationState.WITHDRAWN, now, reason[:500])
        intent = audit.intend(cursor, [_entry(principal, "update", run, state="withdrawn")])
    audit.settle(intent)
    return made


def undo(principal: Principal, change: SettlementChange, *, now: datetime) -> SettlementChange:
    """Take back a settlement's last change: it goes to the state it was in before.

    Raises:
        NotAllowed: the principal may not.
        Conflict: something changed since, it was taken back already, or another version is published now.
    """
    policy.require(principal, "update", Target("settlement"))
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "settlements")
        run = _locked(change.run_id)
        last = run.changes.order_by("-pk").first()
        if last is None or last.pk != change.pk or change.undoes_id is not None:
            raise Conflict("settlement-undo", _("Only the last change can be taken back, once"))
        others = SettlementRun.objects.filter(
            method=run.method, year=run.year, state=PublicationState.PUBLISHED
        ).exclude(pk=run.pk)
        if change.before == PublicationState.PUBLISHED and others.exists():
            raise Conflict("settlement-undo", _("Another version of the year is published now"))
        _not_booked(run)
        made = _change(principal, run, PublicationState(change.before), now, "", undoes=change)
        intent = audit.intend(cursor, [_entry(principal, "update", run, state=str(change.before))])
    audit.settle(intent)
    return made


def record_comparison(
    principal: Principal, path: Path, *, title: str, year: int, options: Mapping[str, Any], now: datetime
) -> PaymentComparison:
    """Record what `salus insurance simulate` wrote.

    Raises:
        NotAllowed: the principal may not.
        Invalid: the file is no comparison, or names an unknown institution.
        Conflict: it is recorded already.
    """
    policy.require(principal, "create", Target("settlement"))
    names = [f.name for f in ComparisonLine._meta.fields if f.name not in ("id", "comparison")]
    try:
        rows = pq.read_table(path).select(names).to_pylist()
    except (OSError, KeyError, pa.ArrowInvalid):
        raise Invalid(
            "comparison-file", _("This is no comparison of payment methods"), where=path.name
        ) from None
    if not title.strip():
        raise Invalid("comparison-title", _("Give the comparison a title"), where="title")
    institutions = _institutions({row["institution"] for row in rows if row["institution"]})
    digest = output.digest(path)
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "settlements")
        if PaymentComparison.objects.filter(result_digest=digest).exists():
            raise Conflict("comparison-recorded", _("This comparison is recorded already"))
        comparison = PaymentComparison.objects.create(
            title=title.strip()[:120], year=year, options=dict(options), result_digest=digest,
            recorded_at=now,
            recorded_by=principal.name,
        )  # fmt: skip
        _write(
            ComparisonLine,
            (
                {"comparison": comparison, **row, "institution": institutions.get(row["institution"])}
                for row in rows
            ),
        )
        entry = audit.entry(
            principal, "create", resource_type="PaymentComparison", resource_id=str(comparison.pk)
        )
        intent = audit.intend(cursor, [entry])
    audit.settle(intent)
    return comparison


def _description(folder: Path) -> dict[str, Any]:
    """Return a settlement's description after holding its files against their digests."""
    try:
        facts: dict[str, Any] = json.loads((folder / output.DESCRIPTION).read_text(encoding="utf-8"))
        files = facts["files"]
        if facts["form"] != 1 or facts["method"] not in GroupMethod.values:
            raise KeyError("method")
        for name, digest in files.items():
            if output.digest(folder / Path(name).name) != digest:
                raise Invalid("settlement-changed", _("A table was changed after the settlement"), where=name)
    except (OSError, ValueError, KeyError, AttributeError):
        raise Invalid(
            "settlement-folder",
            _("This is no settlement"),
            where=folder.name,
            fix=_("Give the folder it wrote"),
        ) from None
    return facts


def _figures(folder: Path) -> list[dict[str, Any]]:
    rows = pq.read_table(folder / "report.parquet").to_pylist()
    return [
        {name: value for name, value in row.items() if name != "level"}
        for row in rows
        if row["level"] != "city"
    ]


def _adds_up(
    lines: Sequence[Mapping[str, Any]],
    pools: Sequence[Mapping[str, Any]],
    months: Sequence[Mapping[str, Any]],
) -> None:
    """Refuse tables whose money does not add up: pools to lines, lines to months."""
    for pool in pools:
        mine = [row for row in lines if row["insured"] == pool["insured"]]
        if pool["budget"] != pool["paid"] + pool["left"] or pool["paid"] != sum(row["paid"] for row in mine):
            raise Invalid("settlement-sum", _("A budget does not add up"), where=pool["insured"])
    paid: dict[tuple[str, str], int] = {}
    for month in months:
        key = (month["institution"], month["insured"])
        paid[key] = paid.get(key, 0) + month["paid"]
    for row in lines:
        monthly = paid.get((row["institution"], row["insured"]), 0)
        if row["monthly"] != monthly or row["paid"] != row["advance"] + monthly + row["final"]:
            raise Invalid(
                "settlement-sum", _("An institution's payments do not add up"), where=row["institution"]
            )


def _institutions(codes: set[str]) -> dict[str, Institution]:
    found = Institution.objects.in_bulk(codes, field_name="code")
    if unknown := sorted(codes - set(found)):
        raise Invalid(
            "settlement-institution", _("The institution is not on the register"), where=unknown[0],
            fix=_("Import the register first"),
        )  # fmt: skip
    return found


def _write(model: type[models.Model], rows: Iterable[Mapping[str, Any]]) -> None:
    model._default_manager.bulk_create([model(**row) for row in rows], batch_size=BATCH)


def _locked(pk: int) -> SettlementRun:
    try:
        return SettlementRun.objects.select_for_update().get(pk=pk)
    except SettlementRun.DoesNotExist:
        raise NotFound("settlement-none", _("There is no such settlement")) from None


def _not_booked(run: SettlementRun) -> None:
    """Refuse to hide a settlement by which institutions are paid."""
    if run.state == PublicationState.PUBLISHED and clearing.booked(run):
        raise Conflict(
            "settlement-booked", _("What the settlement adds is booked"), fix=_("Take the booking back first")
        )


def _change(
    principal: Principal,
    run: SettlementRun,
    after: PublicationState,
    now: datetime,
    reason: str,
    undoes: SettlementChange | None = None,
) -> SettlementChange:
    before = run.state
    run.state = after
    run.save(update_fields=["state"])
    return SettlementChange.objects.create(
        run=run, before=before, after=after, reason=reason, undoes=undoes, made_at=now, made_by=principal.name
    )


def _entry(principal: Principal, action: str, run: SettlementRun, **detail: Any) -> audit.AuditEntry:
    return audit.entry(
        principal,
        action,
        resource_type="SettlementRun",
        resource_id=str(run.pk),
        detail={"year": run.year, "method": run.method, "version": run.version, **detail},
    )
