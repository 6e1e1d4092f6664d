"""Close what a request opened: under ASGI each request has a thread, and so database connections, of its own.

Kept open (`CONN_MAX_AGE`), no later request could use them; they would wait for the garbage collector, and
PostgreSQL would run out of connections under load.
"""

from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished
from django.db import connections


def _close(sender: Any, **signal: Any) -> None:
    connections.close_all()


def close_after_each_request() -> None:
    """Close the request's connections when an answer under ASGI is finished; WSGI and tests keep theirs."""
    request_finished.connect(_close, sender=ASGIHandler, dispatch_uid="salus.web.connections")
