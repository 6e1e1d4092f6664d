"""Import of an employer's month: who earned how much, and so what the employees' fund is paid for them."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.insurance.models import Contribution, Enrolment
from salus.insurance.pages.member_import import IDENTITY, Row, number_of, refuse_used
from salus.insurance.queries import members as reading
from salus.insurance.queries.cover import parts
from salus.insurance.services import enrolment
from salus.kernel import policy
from salus.kernel.errors import NotFound
from salus.kernel.money import Fen, to_fen
from salus.kernel.policy import Principal, Target
from salus.web.imports import ImportColumn, Importer, Verdict

MOST = Decimal(10_000_000)
"""A month's wage in yuan above this is a slip of the pen."""
_MONTH = re.compile(r"([0-9]{4})[-/.年]?([0-9]{1,2})月?(?:[-/.]0?1)?")
"""A month as people write it, or its first day, which is what a spreadsheet makes of it."""
_WAGE = re.compile(r"(?:[0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]{1,2})?")


def check(principal: Principal, rows: Sequence[Row]) -> list[Verdict]:
    """Judge each row: the resident is an employee, the month and the wage are sound, and not paid for yet."""
    persons = reading.persons_by_number(principal, (row["identity"] for row in rows))
    members: dict[UUID, set[date]] = {}
    for part in parts(sorted(set(persons.values()))):
        held = Enrolment.objects.filter(person_id__in=part, scheme="employee", end_date=None)
        members |= {person: set() for person in held.values_list("person_id", flat=True)}
        paid = Contribution.objects.filter(enrolment__in=held, cancelled_on=None)
        for person, start in paid.values_list("person_id", "start_date"):
            members[person].add(start)
    seen: set[tuple[UUID, date]] = set()
    return [_judged(principal, row, persons.get(number_of(row)), members, seen) for row in rows]


def _judged(
    principal: Principal,
    row: Row,
    person: UUID | None,
    members: Mapping[UUID, set[date]],
    seen: set[tuple[UUID, date]],
) -> Verdict:
    month, words = _month(row["month"]), ""
    if person is None:
        words = _("The record knows nobody, or several, by this number.")
    elif not policy.decide(principal, "create", Target("enrolment", person_id=person)).allowed:
        words = _("The resident lives outside your area.")
    elif person not in members:
        words = _("The resident is not a member of the employees' insurance.")
    elif month is None or month > timezone.localdate():
        words = _("The month is none, or still to come; write 2026-03.")
    elif _wage(row["wage"]) is None:
        words = _("The wage is no amount in yuan; write 8500.00.")
    elif (person, month) in seen:
        words = _("The resident stands in the file twice.")
    if words or person is None or month is None:
        return Verdict("wrong", words)
    seen.add((person, month))
    if month in members[person]:
        return Verdict("same", _("This month is paid for already; it is left as it is."))
    return Verdict("ready")


def apply(principal: Principal, row: Row) -> dict[str, Any] | None:
    """Enter the contribution of the month on the wage, as paid today; nothing if it was paid meanwhile."""
    now = timezone.now()
    person = reading.persons_by_number(principal, [row["identity"]]).get(number_of(row))
    month, wage = _month(row["month"]), _wage(row["wage"])
    if person is None or month is None or wage is None:
        raise NotFound("person-unknown", _("The resident is not known"), where="identity")
    paid = enrolment.pay_month(principal, person, month, wage, timezone.localdate(now), now=now)
    return {"contribution": paid.pk} if paid.recorded_at == now else None


def undo(principal: Principal, way_back: dict[str, Any]) -> None:
    """Pay the contribution back, unless a claim was paid in its month.

    Raises:
        Conflict: a claim was paid in that month, or the contribution was paid back meanwhile.
    """
    paid = Contribution.objects.get(pk=way_back["contribution"])
    refuse_used(paid.person_id, paid.start_date, paid.end_date)
    now = timezone.now()
    enrolment.pay_back(principal, paid.pk, timezone.localdate(now), now=now)


def _month(text: str) -> date | None:
    found = _MONTH.fullmatch(text.strip())
    if found is None:
        return None
    year, month = int(found[1]), int(found[2])
    return date(year, month, 1) if 2000 <= year <= 2100 and 1 <= month <= 12 else None


def _wage(text: str) -> Fen | None:
    if not _WAGE.fullmatch(text.strip()):
        return None
    yuan = Decimal(text.strip().replace(",", ""))
    return to_fen(yuan) if yuan <= MOST else None


PAYROLL = Importer(
    name="payroll",
    title=gettext_lazy("File a month's wages"),
    action="create",
    kind="enrolment",
    columns=(
        IDENTITY,
        ImportColumn(
            "month", gettext_lazy("Month"), required=True, also=("缴费月份", "所属期"),
            hint="2026-03",
        ),
        ImportColumn(
            "wage", gettext_lazy("Wage in yuan"), required=True, also=("缴费工资", "工资"),
            hint=gettext_lazy("the month's, before the rules' least and most are applied"),
        ),
    ),
    check=check,
    apply=apply,
    undo=undo,
    back="insurance:members",
    text=gettext_lazy(
        "An employer's staff with their wages. What the fund is paid follows from the month's rates; a month"
        " that is paid for already is left as it is."
    ),
)  # fmt: skip
