"""Which exports held a person's record, as the person reads it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from salus.kernel import policy
from salus.kernel.audit.words import PURPOSES, titled
from salus.kernel.policy import Principal, Target
from salus.record.identity import queries
from salus.record.models import ExportJob, ExportPerson

MOST = 200


@dataclass(frozen=True, slots=True)
class Held:
    """One export that held a person's record: when, who took it, its name, for what."""

    at: datetime
    who: str
    name: str
    why: str


def exports_with(principal: Principal, person_id: UUID) -> list[Held]:
    """Return the exports that held a person's record, newest first, the last 200.

    Raises NotAllowed unless it is the asker's own record.
    """
    policy.require(principal, "read", Target("access_log", person_id=person_id))
    persons = [person_id, *queries.joined_into(person_id)]
    numbers = ExportPerson.objects.filter(person_id__in=persons).values_list("job_id", flat=True)
    jobs = ExportJob.objects.filter(pk__in=sorted(set(numbers), reverse=True)[:MOST]).order_by("-pk")
    return [_held(job, principal) for job in jobs]


def _held(job: ExportJob, principal: Principal) -> Held:
    if job.account_id is not None and job.account_id == principal.account_id:
        who = _("You")
    elif job.source_id is not None:
        who = _("An institution's system")
    else:
        who = _("A member of staff")
    purpose = job.asker.get("purpose", "")
    why = titled(PURPOSES, purpose) if purpose in PURPOSES else ""
    return Held(job.created, who, job.asker_name if job.source_id is not None else "", why)
