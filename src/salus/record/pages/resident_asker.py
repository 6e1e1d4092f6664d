"""Who asks on a resident's pages, for what purpose, and how an access to a person is decided and audited."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest

from salus.kernel import audit, policy
from salus.kernel.models import Role
from salus.kernel.policy import Principal, Target
from salus.web import access

READERS = frozenset({Role.VILLAGE_DOCTOR.value, Role.CLINICIAN.value, Role.EPIDEMIOLOGIST.value})
EMERGENCY = frozenset({Role.VILLAGE_DOCTOR.value, Role.CLINICIAN.value})
PURPOSES = (
    (Role.EPIDEMIOLOGIST.value, "PUBHLTH"),
    (Role.CLINICIAN.value, "TREAT"),
    (Role.VILLAGE_DOCTOR.value, "TREAT"),
    (Role.RESIDENT.value, "PATRQT"),
)


def asker(request: HttpRequest) -> Principal:
    """Return the principal of the request with the purpose that these pages serve for the role."""
    principal = access.principal(request)
    purpose = next((code for role, code in PURPOSES if role in principal.roles), "")
    return principal.with_purpose(purpose)


def open_person(request: HttpRequest, person_id: UUID, *, page: str, **detail: Any) -> Principal:
    """Return the asker if she may read the person, and leave the audit row of the page.

    Raises Http404 alike for a person who is not there and one whom the asker may not see.
    """
    principal = asker(request)
    target = Target("resource", person_id=person_id, resource_type="Person")
    decision = policy.decide(principal, "read", target)
    audit.record(
        [
            audit.entry(
                principal,
                "read",
                person_id=person_id,
                resource_type="Person",
                resource_id=str(person_id),
                outcome="ok" if decision.allowed else "refused",
                detail={"page": page, **detail},
                break_glass="break_glass" in decision.flags,
            )
        ]
    )
    if not decision.allowed:
        raise Http404
    return principal
