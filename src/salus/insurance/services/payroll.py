"""An employer's filing: what a month's wages bring the employees' fund, for many members at once."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.insurance.eligibility import employee_contribution, load_rules
from salus.insurance.events import MembershipChanged
from salus.insurance.models import Contribution, Enrolment
from salus.insurance.queries.cover import parts
from salus.insurance.services import ledger, locking
from salus.insurance.services.ledger import Move
from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.events import emit_many
from salus.kernel.money import Fen
from salus.kernel.policy import Principal, Target


def file_month(
    principal: Principal, wages: Mapping[UUID, Fen], month: date, paid_on: date, *, now: datetime
) -> int:
    """Enter a month's contributions on the wages of members; whose month is paid for already is passed over.

    Returns how many were entered. It is all or nothing, and comes to what `enrolment.pay_month` enters for
    each.

    Raises:
        NotAllowed: the principal may not for one of them.
        NotFound: somebody is no member of the employees' scheme, or no rate is known for the month.
        Invalid: a wage is negative.
        Conflict: the month of the payment is closed.
    """
    for person in wages:
        policy.require(principal, "create", Target("enrolment", person_id=person))
    first = month.replace(day=1)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    rules = load_rules()
    with transaction.atomic(), connection.cursor() as cursor:
        for person in sorted(wages):
            locking.alone(cursor, f"member:{person.hex}")
        held = _members(wages)
        known: set[int] = set()
        for part in parts([one.pk for one in held]):
            rows = Contribution.objects.filter(enrolment__in=part, start_date=first, cancelled_on=None)
            known |= set(rows.values_list("enrolment_id", flat=True))
        due = [one for one in held if one.pk not in known]
        premiums = [employee_contribution(rules, one.category, first, wages[one.person_id]) for one in due]
        made = Contribution.objects.bulk_create(
            [
                Contribution(
                    enrolment=one, person_id=one.person_id, start_date=first, end_date=last, paid_on=paid_on,
                    own_fen=premium.own, aid_fen=premium.aid, finance_fen=premium.finance,
                    employer_fen=premium.employer, aid_status=premium.status, recorded_at=now,
                )
                for one, premium in zip(due, premiums, strict=True)
            ],
            batch_size=200,
        )  # fmt: skip
        ledger.post_many(
            "employee", paid_on, "premium",
            {
                f"contribution:{one.pk}": [
                    Move("cash", "premium", one.own_fen), Move("cash", "aid_premium", one.aid_fen),
                    Move("cash", "subsidy", one.finance_fen), Move("cash", "employer", one.employer_fen),
                ]
                for one in made
            },
            by=principal.name, now=now,
        )  # fmt: skip
        emit_many(MembershipChanged(one.enrolment_id, one.pk) for one in made)
        entries = [
            audit.entry(
                principal, "create", person_id=one.person_id, resource_type="Enrolment",
                resource_id=str(one.enrolment_id), detail={"scheme": "employee", "start": first.isoformat()},
            )
            for one in made
        ]  # fmt: skip
        intent = audit.intend(cursor, entries)
    audit.settle(intent)
    return len(made)


def _members(wages: Mapping[UUID, Fen]) -> list[Enrolment]:
    held: list[Enrolment] = []
    for part in parts(sorted(wages)):
        held += Enrolment.objects.filter(person_id__in=part, scheme="employee", end_date=None)
    if len(held) < len(wages):
        raise NotFound("not-a-member", _("The resident is not a member of this scheme"), where="employee")
    return held
