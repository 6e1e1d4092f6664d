"""What the insurance tells other rooms and its own background work."""

from dataclasses import dataclass
from typing import ClassVar

from salus.kernel.events import Event


@dataclass(frozen=True)
class ClaimDecided(Event):
    """A claim was decided on, decided again or taken back: its number in the platform and the version."""

    type: ClassVar[str] = "insurance.claim-decided"

    claim_id: int
    version: int


@dataclass(frozen=True)
class MembershipChanged(Event):
    """A membership began, ended or was paid for; `contribution` is the newest payment then, 0 without one."""

    type: ClassVar[str] = "insurance.membership-changed"

    enrolment_id: int
    contribution: int
