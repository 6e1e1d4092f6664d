"""Import of members with what they paid: what the kit's import needs to know about them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.insurance.eligibility import CATEGORIES
from salus.insurance.models import Claim, Contribution, Enrolment, Outcome
from salus.insurance.queries import members as reading
from salus.insurance.queries.cover import owners, parts
from salus.insurance.services import enrolment
from salus.kernel import policy
from salus.kernel.errors import Conflict, NotFound
from salus.kernel.models import District
from salus.kernel.policy import Principal, Target
from salus.record.identity import queries as identity
from salus.web.imports import ImportColumn, Importer, Verdict

Row = Mapping[str, str]
IDENTITY = ImportColumn(
    "identity", gettext_lazy("Identity number"), required=True, also=("身份证号", "证件号码")
)


def check(principal: Principal, rows: Sequence[Row]) -> list[Verdict]:
    """Judge each row: the resident is known and no member yet, the scheme, area, day and year are sound."""
    persons = reading.persons_by_number(principal, (row["identity"] for row in rows))
    members: set[UUID] = set()
    for part in parts(sorted(set(persons.values()))):
        members |= set(
            Enrolment.objects.filter(person_id__in=part, end_date=None).values_list("person_id", flat=True)
        )
    areas = set(
        District.objects.filter(code__in={row["area"] for row in rows}).values_list("code", flat=True)
    )
    seen: set[UUID] = set()
    return [_judged(principal, row, persons.get(number_of(row)), members, areas, seen) for row in rows]


def _judged(
    principal: Principal, row: Row, person: UUID | None, members: set[UUID], areas: set[str], seen: set[UUID]
) -> Verdict:
    words = ""
    if person is None:
        words = _("The record knows nobody, or several, by this number.")
    elif person in seen:
        words = _("The resident stands in the file twice.")
    elif not policy.decide(principal, "create", Target("enrolment", person_id=person)).allowed:
        words = _("The resident lives outside your area.")
    elif row["category"] not in CATEGORIES.get(row["scheme"], ()):
        words = _("There is no such scheme or kind of member.")
    elif row["area"] not in areas:
        words = _("The area is in no register.")
    elif _day(row["start"]) is None:
        words = _("The first day is no date; write 2026-01-31.")
    elif (year := row.get("paid_year", "")) and (row["scheme"] != "resident" or not _year(year)):
        words = _("A premium of a year is paid by members of the residents' insurance only; write 2026.")
    if words or person is None:
        return Verdict("wrong", words)
    seen.add(person)
    if person in members:
        return Verdict("same", _("The resident is a member already; she is left as she is."))
    return Verdict("ready")


def apply(principal: Principal, row: Row) -> dict[str, Any]:
    """Enrol the resident and enter the premium of the year, both or neither."""
    now = timezone.now()
    person = reading.persons_by_number(principal, [row["identity"]]).get(number_of(row))
    start = _day(row["start"])
    if person is None or start is None:
        raise NotFound("person-unknown", _("The resident is not known"), where="identity")
    with transaction.atomic():
        made = enrolment.enrol(
            principal, person, row["scheme"], row["category"], row["area"], start, now=now,
            household=row.get("household", ""), relation=row.get("relation", ""),
        )  # fmt: skip
        if year := row.get("paid_year", ""):
            enrolment.pay_year(principal, person, int(year), timezone.localdate(now), now=now)
    return {"enrolment": made.pk}


def undo(principal: Principal, way_back: dict[str, Any]) -> None:
    """Pay back what was entered and end the membership as a mistake, unless a claim was paid by it.

    Raises:
        Conflict: a claim was paid, or the membership has ended or moved on meanwhile.
    """
    held = Enrolment.objects.get(pk=way_back["enrolment"])
    if held.end_date is not None:
        raise Conflict("membership-over", _("The membership has ended already."))
    refuse_used(held.person_id, held.start_date, date.max)
    now = timezone.now()
    with transaction.atomic():
        for paid in Contribution.objects.filter(enrolment=held, cancelled_on=None):
            enrolment.pay_back(principal, paid.pk, timezone.localdate(now), now=now)
        enrolment.leave(principal, held.person_id, held.start_date, "error", now=now)


def refuse_used(person: UUID, first: date, last: date) -> None:
    """Raise `Conflict` if a claim of the person, or of one merged into her, was paid in a time."""
    persons = list(owners([identity.current(person)]))
    paid = Claim.objects.filter(person_id__in=persons, discharged__range=(first, last), outcome=Outcome.PAID)
    if paid.exists():
        raise Conflict("membership-used", _("A claim was paid by it; correct the membership by hand."))


def number_of(row: Row) -> str:
    """Return the identity number of a row as the record writes it."""
    return row["identity"].strip().upper()


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _year(text: str) -> bool:
    return text.isascii() and text.isdigit() and 2000 <= int(text) <= 2100


MEMBERS = Importer(
    name="members",
    title=gettext_lazy("Enrol members"),
    action="create",
    kind="enrolment",
    columns=(
        IDENTITY,
        ImportColumn(
            "scheme", gettext_lazy("Scheme"), required=True, also=("险种",),
            hint=gettext_lazy("employee or resident"),
        ),
        ImportColumn(
            "category", gettext_lazy("Kind of member"), required=True, also=("人员类别",),
            hint=gettext_lazy("worker, flexible, retired; adult, child, student, newborn"),
        ),
        ImportColumn("area", gettext_lazy("Area's code"), required=True, also=("统筹区",)),
        ImportColumn("start", gettext_lazy("First day"), required=True, also=("参保日期",)),
        ImportColumn("household", gettext_lazy("Household's number"), also=("户号",)),
        ImportColumn("relation", gettext_lazy("Relation to the head"), also=("与户主关系",)),
        ImportColumn(
            "paid_year", gettext_lazy("Year paid for"), also=("缴费年度",),
            hint=gettext_lazy("residents' insurance: the premium of this year was paid today"),
        ),
    ),
    check=check,
    apply=apply,
    undo=undo,
    back="insurance:members",
    text=gettext_lazy(
        "The record must know each resident by the identity number. Premiums follow the rules of the year,"
        " with aid for the poor."
    ),
)  # fmt: skip
