"""The audit chain: each read and write of a resident's data, committed before the answer leaves.

`record` writes entries and returns when they are durable. A writing transaction calls `intend` with its own
cursor and `settle` after its commit, so a write and its audit stand or fall together. `verify` finds any row
that was altered, removed, inserted or reordered, a cut tail, and an older database put back.
"""

from salus.kernel.audit.entries import AuditEntry, entry
from salus.kernel.audit.intents import Intent, intend, recover, settle, settle_then, settled
from salus.kernel.audit.verifying import Finding, Report, verify
from salus.kernel.audit.writer import AuditUnavailable, Done, close, record, record_async, record_then

__all__ = [
    "AuditEntry",
    "AuditUnavailable",
    "Done",
    "Finding",
    "Intent",
    "Report",
    "close",
    "entry",
    "intend",
    "record",
    "record_async",
    "record_then",
    "recover",
    "settle",
    "settle_then",
    "settled",
    "verify",
]
