"""Members: joining a scheme, paying for it, moving to another, leaving; contracts and designations."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Max
from django.utils.translation import gettext_noop as _

from salus.insurance.eligibility import CATEGORIES, employee_contribution, load_rules, resident_premium
from salus.insurance.events import MembershipChanged
from salus.insurance.models import (
    Contribution,
    Designation,
    Enrolment,
    Household,
    HouseholdMember,
    IllnessRegistration,
    InstitutionContract,
    JournalEntry,
    Service,
    TreatmentFiling,
)
from salus.insurance.queries import cover
from salus.insurance.services import ledger, locking
from salus.insurance.services.ledger import Move
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.events import emit
from salus.kernel.models import Institution
from salus.kernel.money import Fen
from salus.kernel.policy import Principal, Target

_DAY = timedelta(days=1)
LEAVING = ("left", "moved", "death", "error")
"""Why a membership ends, apart from a transfer."""


def _require(principal: Principal, action: str, person_id: UUID | None) -> None:
    policy.require(principal, action, Target("enrolment", person_id=person_id))


def enrol(
    principal: Principal,
    person_id: UUID,
    scheme: str,
    category: str,
    area: str,
    start: date,
    *,
    now: datetime,
    household: str = "",
    relation: str = "",
) -> Enrolment:
    """Make a person a member of a scheme from a day on, in a household if one is named.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no such scheme or category.
        Conflict: the person is a member already; `transfer` moves her.
    """
    _require(principal, "create", person_id)
    _known(scheme, category)
    if Enrolment.objects.filter(person_id=person_id, end_date=None).exists():
        raise Conflict(
            "enrolled-already", _("The resident is a member already"), fix=_("Transfer her instead")
        )
    with transaction.atomic(), connection.cursor() as cursor:
        _alone(cursor, person_id)
        home = _joined(person_id, household, relation, start) if household else None
        try:
            with transaction.atomic():
                made = Enrolment.objects.create(
                    person_id=person_id, scheme=scheme, category=category, area=area, start_date=start,
                    household=home, recorded_at=now,
                )  # fmt: skip
        except IntegrityError:
            raise Conflict("enrolled-already", _("The resident is a member already")) from None
        _tell(made)
        intent = audit.intend(cursor, [_entry(principal, "create", made)])
    audit.settle(intent)
    return made


def transfer(
    principal: Principal,
    person_id: UUID,
    scheme: str,
    category: str,
    area: str,
    start: date,
    *,
    now: datetime,
) -> Enrolment:
    """Move a member to another scheme, category or area; the old membership ends the day before `start`.

    Raises:
        NotAllowed: the principal may not.
        NotFound: the person is not a member.
        Invalid: there is no such scheme or category, or the day is not after the old membership's first.
    """
    _require(principal, "update", person_id)
    _known(scheme, category)
    with transaction.atomic(), connection.cursor() as cursor:
        _alone(cursor, person_id)
        old = _open(person_id)
        if start <= old.start_date:
            raise Invalid(
                "transfer-early", _("The transfer must come after the membership began"), where="start"
            )
        old.end_date, old.end_reason = start - _DAY, "transfer"
        old.save(update_fields=["end_date", "end_reason"])
        made = Enrolment.objects.create(
            person_id=person_id, scheme=scheme, category=category, area=area, start_date=start,
            household_id=old.household_id, previous=old, recorded_at=now,
        )  # fmt: skip
        _tell(old)
        _tell(made)
        intent = audit.intend(cursor, [_entry(principal, "update", old), _entry(principal, "create", made)])
    audit.settle(intent)
    return made


def leave(principal: Principal, person_id: UUID, last: date, reason: str, *, now: datetime) -> Enrolment:
    """End a membership after a day: `death`, `moved`, `left` or, entered by mistake, `error`.

    What was paid for later stays as it is.

    Raises:
        NotAllowed: the principal may not.
        NotFound: the person is not a member.
        Invalid: the reason is none of these, or the day lies before the membership.
    """
    _require(principal, "update", person_id)
    if reason not in LEAVING:
        raise Invalid("leave-reason", _("There is no such reason"), where="reason")
    with transaction.atomic(), connection.cursor() as cursor:
        _alone(cursor, person_id)
        held = _open(person_id)
        if last < held.start_date:
            raise Invalid("leave-early", _("The day lies before the membership"), where="last")
        held.end_date, held.end_reason = last, reason
        held.save(update_fields=["end_date", "end_reason"])
        _tell(held)
        intent = audit.intend(cursor, [_entry(principal, "update", held)])
    audit.settle(intent)
    return held


def pay_year(
    principal: Principal, person_id: UUID, year: int, paid_on: date, *, now: datetime
) -> Contribution:
    """Enter a resident's premium of a year, with aid for the poor, into the membership and the fund.

    The status by which aid pays is what the record says on the day of payment. A membership that begins
    within the year (a newborn's) is paid from its first day. The same year twice changes nothing.

    Raises:
        NotAllowed: the principal may not.
        NotFound: the person is no member of the residents' scheme, or no premium is known for the year.
    """
    held = _member(principal, person_id, "resident")
    found = cover.facts(person_id).statuses
    poor = [s.status for s in found if s.start <= paid_on and (s.end is None or s.end >= paid_on)]
    premium = resident_premium(load_rules(), held.category, year, poor, day=paid_on)
    start, end = max(date(year, 1, 1), held.start_date), date(year, 12, 31)
    if end < start:
        raise Invalid("year-before", _("The year lies before the membership"), where=str(year))
    return _contribute(principal, held, start, end, paid_on, premium, now)


def pay_month(
    principal: Principal, person_id: UUID, month: date, wage: Fen, paid_on: date, *, now: datetime
) -> Contribution:
    """Enter an employee's contribution of a month on a wage. The same month twice changes nothing.

    Raises:
        NotAllowed: the principal may not.
        NotFound: the person is no member of the employees' scheme, or no rate is known for the month.
    """
    held = _member(principal, person_id, "employee")
    first = month.replace(day=1)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    premium = employee_contribution(load_rules(), held.category, first, wage)
    return _contribute(principal, held, first, last, paid_on, premium, now)


def _contribute(
    principal: Principal, held: Enrolment, start: date, end: date, paid_on: date, premium: Any, now: datetime
) -> Contribution:
    with transaction.atomic(), connection.cursor() as cursor:
        _alone(cursor, held.person_id)
        known = Contribution.objects.filter(enrolment=held, start_date=start, cancelled_on=None).first()
        if known is not None:
            return known
        made = Contribution.objects.create(
            enrolment=held, person_id=held.person_id, start_date=start, end_date=end, paid_on=paid_on,
            own_fen=premium.own, aid_fen=premium.aid, finance_fen=premium.finance,
            employer_fen=premium.employer, aid_status=premium.status, recorded_at=now,
        )  # fmt: skip
        moves = [
            Move("cash", "premium", premium.own), Move("cash", "aid_premium", premium.aid),
            Move("cash", "subsidy", premium.finance), Move("cash", "employer", premium.employer),
        ]  # fmt: skip
        key = f"contribution:{made.pk}"
        ledger.post(held.scheme, paid_on, "premium", key, moves, by=principal.name, now=now)
        _tell(held)
        intent = audit.intend(cursor, [_entry(principal, "create", held, start=start.isoformat())])
    audit.settle(intent)
    return made


def pay_back(principal: Principal, number: int, day: date, *, now: datetime) -> Contribution:
    """Pay a contribution back: its days are no longer covered and the fund's entry is reversed.

    Raises:
        NotAllowed: the principal may not.
        NotFound: there is no such contribution.
        Conflict: it was paid back already, or the month is closed.
    """
    found = Contribution.objects.select_related("enrolment").filter(pk=number).first()
    _require(principal, "correct", found.person_id if found else None)
    if found is None:
        raise NotFound("contribution-unknown", _("There is no such contribution"), where=str(number))
    with transaction.atomic(), connection.cursor() as cursor:
        if not Contribution.objects.filter(pk=number, cancelled_on=None).update(cancelled_on=day):
            raise Conflict("contribution-paid-back", _("It was paid back already"), where=str(number))
        found.cancelled_on = day
        entry = JournalEntry.objects.filter(
            fund=found.enrolment.scheme, key=f"contribution:{found.pk}"
        ).first()
        if entry is not None:
            ledger.reverse(entry, day, by=principal.name, now=now)
        _tell(found.enrolment)
        intent = audit.intend(cursor, [_entry(principal, "correct", found.enrolment)])
    audit.settle(intent)
    return found


def file_elsewhere(
    principal: Principal,
    person_id: UUID,
    area: str,
    start: date,
    end: date | None,
    reason: str,
    *,
    now: datetime,
) -> TreatmentFiling:
    """Keep a person's notice that she will be treated in another area.

    Raises:
        NotAllowed: the principal may not.
        Invalid: the end lies before the start.
    """
    _require(principal, "create", person_id)
    _order(start, end)
    with transaction.atomic(), connection.cursor() as cursor:
        made = TreatmentFiling.objects.create(
            person_id=person_id, area=area, start_date=start, end_date=end, reason=reason, recorded_at=now
        )
        item = audit.entry(principal, "create", person_id=person_id, resource_type="TreatmentFiling")
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return made


def register_illness(
    principal: Principal,
    person_id: UUID,
    illness: str,
    institution: Institution,
    start: date,
    *,
    now: datetime,
) -> IllnessRegistration:
    """Register a person for a chronic or special illness at an institution; once while it lasts.

    Raises:
        NotAllowed: the principal may not.
    """
    _require(principal, "create", person_id)
    with transaction.atomic(), connection.cursor() as cursor:
        made, _new = IllnessRegistration.objects.get_or_create(
            person_id=person_id, illness=illness, end_date=None,
            defaults={"institution": institution, "start_date": start, "recorded_at": now},
        )  # fmt: skip
        item = audit.entry(principal, "create", person_id=person_id, resource_type="IllnessRegistration")
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return made


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract lets an institution bill, for the members of which area, at which tier (0 to 3)."""

    area: str
    tier: int
    services: tuple[str, ...]
    start: date
    end: date | None = None


def contract(principal: Principal, institution: Institution, terms: Terms) -> list[InstitutionContract]:
    """Let an institution bill services to the fund of an area; terms that stand already are kept.

    Raises:
        NotAllowed: the principal may not.
        Invalid: a service or tier is none, or the end lies before the start.
    """
    _require(principal, "create", None)
    _order(terms.start, terms.end)
    if not 0 <= terms.tier <= 3 or set(terms.services) - set(Service.values):
        raise Invalid("contract-terms", _("There is no such service or tier"), where=institution.code)
    made = []
    with transaction.atomic(), connection.cursor() as cursor:
        for service in terms.services:
            held, _new = InstitutionContract.objects.get_or_create(
                institution=institution, area=terms.area, service=service, start_date=terms.start,
                defaults={"tier": terms.tier, "end_date": terms.end},
            )  # fmt: skip
            made.append(held)
        detail = {"area": terms.area, "services": list(terms.services)}
        item = audit.entry(
            principal,
            "create",
            resource_type="InstitutionContract",
            resource_id=institution.code,
            detail=detail,
        )
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return made


def designate(
    principal: Principal, institution: Institution, illness: str, start: date, end: date | None = None
) -> Designation:
    """Designate a hospital for the free treatment of an illness; a standing designation is kept.

    Raises:
        NotAllowed: the principal may not.
        Invalid: the end lies before the start.
    """
    _require(principal, "create", None)
    _order(start, end)
    with transaction.atomic(), connection.cursor() as cursor:
        made, _new = Designation.objects.get_or_create(
            institution=institution, illness=illness, start_date=start, defaults={"end_date": end}
        )
        item = audit.entry(
            principal, "create", resource_type="Designation", resource_id=institution.code,
            detail={"illness": illness},
        )  # fmt: skip
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return made


def _alone(cursor: CursorWrapper, person_id: UUID) -> None:
    """Let nobody else change this person's membership until the transaction ends."""
    locking.alone(cursor, f"member:{person_id.hex}")


def _tell(held: Enrolment) -> None:
    """Tell whoever listens that a membership changed, in the caller's transaction."""
    newest = held.contributions.aggregate(newest=Max("pk"))["newest"]
    emit(MembershipChanged(held.pk, newest or 0))


def _known(scheme: str, category: str) -> None:
    if category not in CATEGORIES.get(scheme, ()):
        raise Invalid(
            "scheme-unknown", _("There is no such scheme or kind of member"), where=f"{scheme} {category}"
        )


def _order(start: date, end: date | None) -> None:
    if end is not None and end < start:
        raise Invalid("dates-reversed", _("The end lies before the start"), where="end")


def _open(person_id: UUID) -> Enrolment:
    query = Enrolment.objects.filter(person_id=person_id, end_date=None)
    held = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
    if held is None:
        raise NotFound("not-a-member", _("The resident is not a member"))
    return held


def _member(principal: Principal, person_id: UUID, scheme: str) -> Enrolment:
    _require(principal, "create", person_id)
    held = Enrolment.objects.filter(person_id=person_id, scheme=scheme, end_date=None).first()
    if held is None:
        raise NotFound("not-a-member", _("The resident is not a member of this scheme"), where=scheme)
    return held


def _joined(person_id: UUID, number: str, relation: str, day: date) -> Household:
    home, _new = Household.objects.get_or_create(number=number, defaults={"formed_on": day})
    before = HouseholdMember.objects.filter(person_id=person_id, valid_to=None).first()
    if before is not None and before.household_id != home.pk:
        before.valid_to = day - _DAY
        before.save(update_fields=["valid_to"])
        before = None
    if before is None:
        HouseholdMember.objects.create(household=home, person_id=person_id, relation=relation, valid_from=day)
    return home


def _entry(principal: Principal, action: str, held: Enrolment, **detail: Any) -> audit.AuditEntry:
    return audit.entry(
        principal, action, person_id=held.person_id, resource_type="Enrolment", resource_id=str(held.pk),
        detail={"scheme": held.scheme, **detail},
    )  # fmt: skip
