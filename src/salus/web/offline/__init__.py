"""Forms that are filled in without a connection and sent later, each exactly once.

A room registers a form; the kit brings its page, which works without a connection, an outbox on the device,
and the receipt that makes a form sent twice count once. See `docs/web.md`.
"""

from salus.web.offline.registry import (
    Accepted,
    Form,
    Rule,
    Subject,
    Submission,
    Version,
    forms,
    get,
    register,
    unregister,
    visible,
)

__all__ = [
    "Accepted",
    "Form",
    "Rule",
    "Subject",
    "Submission",
    "Version",
    "forms",
    "get",
    "register",
    "unregister",
    "visible",
]
