"""Who asked, kept beside work that is done after the answer, and asked anew when it is done.

What is kept says who it was and what the token allowed; what he may do is looked up at the time of the
work, so that a role taken away, a locked account or a refused source ends the work too.
"""

from collections.abc import Callable
from typing import Any

from salus.kernel import policy
from salus.kernel.errors import NotAllowed
from salus.kernel.policy import Principal

_still_trusted: list[Callable[[int], bool]] = []


def register_source_check(check: Callable[[int], bool]) -> None:
    """Ask `check(source_id)` whether a source system is still in service; the room above knows."""
    if check not in _still_trusted:
        _still_trusted.append(check)


def kept(principal: Principal) -> dict[str, Any]:
    """Return what is kept of an account or a source system that asks (plain JSON, no secret)."""
    return {
        "kind": principal.kind,
        "account": principal.account_id,
        "source": principal.source_id,
        "name": principal.name,
        "institution": next(iter(sorted(principal.institution_ids)), None),
        "scopes": None if principal.scopes is None else sorted(principal.scopes),
        "purpose": principal.purpose,
        "patient": None if principal.patient_context is None else str(principal.patient_context),
    }


def again(asker: dict[str, Any]) -> Principal:
    """Return the one who asked as of now.

    Raises:
        NotAllowed: the account is locked or gone, or the source is no longer in service.
    """
    from uuid import UUID

    scopes = asker["scopes"]
    if asker["kind"] == "source":
        if not all(check(asker["source"]) for check in _still_trusted):
            raise NotAllowed("source-inactive", "The source system is no longer in service")
        return policy.principal_for_source(
            asker["source"], asker["name"], asker["institution"], scopes, purpose=asker["purpose"]
        )
    if asker["kind"] != "account":
        raise NotAllowed("asker-unknown", "Nobody known asked for this")
    return policy.principal_for_account(
        asker["account"],
        scopes,
        purpose=asker["purpose"],
        patient_context=UUID(asker["patient"]) if asker["patient"] else None,
    )
