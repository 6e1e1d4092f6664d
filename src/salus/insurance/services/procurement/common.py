"""What the commands share: one transaction with its audit, locks, and the checks of codes and permission."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.insurance.models import Supplier, Tender
from salus.kernel import audit
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.policy import Principal, Target, require

_CODE = re.compile(r"[0-9A-Za-z_.一-鿿-]{1,40}")


class Notes:
    """The audit entries of one command, written with its transaction."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.entries: list[audit.AuditEntry] = []

    def add_supplier(self, supplier: Supplier) -> None:
        """Note that a supplier was entered."""
        self.entries.append(
            audit.entry(
                self.principal,
                "create",
                resource_type="Supplier",
                resource_id=str(supplier.pk),
                detail={"supplier": supplier.code},
            )  # fmt: skip
        )

    def add(self, action: str, tender: Tender, **detail: Any) -> None:
        """Note what was done to a tender."""
        self.entries.append(
            audit.entry(
                self.principal,
                action,
                resource_type="Tender",
                resource_id=str(tender.pk),
                detail={"tender": tender.code, **detail},
            )  # fmt: skip
        )


@contextmanager
def written(principal: Principal) -> Iterator[Notes]:
    """Run a command in one transaction; its notes are in the audit chain when this ends."""
    notes = Notes(principal)
    with transaction.atomic():
        yield notes
        with connection.cursor() as cursor:
            intent = audit.intend(cursor, notes.entries)
    audit.settle(intent)


def locked(tender: Tender) -> Tender:
    """Return the tender as it is now, locked until the transaction ends."""
    return Tender.objects.select_for_update(of=("self",)).select_related("round").get(pk=tender.pk)


def in_state(tender: Tender, *states: Tender.State) -> None:
    """Refuse when the tender is in another state; raises Conflict."""
    if tender.state not in states:
        raise Conflict(
            "tender-state", _("The tender is not in the state for this"), where=tender.code,
            fix=_("Look at its timeline"),
        )  # fmt: skip


def code_of(text: str, where: str) -> str:
    """Return a code without surrounding blanks; raises Invalid when it is none."""
    text = text.strip()
    if not _CODE.fullmatch(text):
        raise Invalid(
            "code-malformed", _("A code has 1 to 40 letters, digits, dots, hyphens or low lines"), where=where
        )
    return text


def may_run(principal: Principal, action: str = "update") -> None:
    """Let only those on who run tenders; raises NotAllowed."""
    require(principal, action, Target("tender"))
