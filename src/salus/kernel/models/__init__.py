"""The tables of the kernel, by subject."""

from salus.kernel.models.accounts import (
    AccessPolicyEpoch,
    Account,
    BreakGlass,
    Role,
    RoleGrant,
    SensitiveCategory,
)
from salus.kernel.models.audit import AuditChain, AuditIntent, AuditRow, AuditSettled
from salus.kernel.models.commit_reveal import Commitment, CommitRound
from salus.kernel.models.registers import (
    District,
    Institution,
    InstitutionKind,
    MedicalGroup,
    Staff,
    StaffRegistration,
)
from salus.kernel.models.runtime import (
    FeedPlace,
    HandlerCursor,
    HandlerFailure,
    Notification,
    OutboxEvent,
    PeriodicJob,
)

__all__ = [
    "AccessPolicyEpoch",
    "Account",
    "AuditChain",
    "AuditIntent",
    "AuditRow",
    "AuditSettled",
    "BreakGlass",
    "CommitRound",
    "Commitment",
    "District",
    "FeedPlace",
    "HandlerCursor",
    "HandlerFailure",
    "Institution",
    "InstitutionKind",
    "MedicalGroup",
    "Notification",
    "OutboxEvent",
    "PeriodicJob",
    "Role",
    "RoleGrant",
    "SensitiveCategory",
    "Staff",
    "StaffRegistration",
]
