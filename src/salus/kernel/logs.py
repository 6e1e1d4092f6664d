"""Log lines that carry nothing about a resident: no address asked for, no value, no text of an error.

A line of a failed request names the page's route, its status and the chain of errors by type and place.
"""

from __future__ import annotations

import logging
import re
import traceback
from types import TracebackType
from typing import Any

_DIGITS = re.compile(r"\d{7,}[0-9Xx]?")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]+")


class SafeFormatter(logging.Formatter):
    """Write time, level, logger and message without digits or characters that could name somebody."""

    def __init__(self) -> None:
        """Fix the layout."""
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by logging
        """Return the line; what Django says of a request gives way to its route and status."""
        request = getattr(record, "request", None)
        record.message = scrubbed(_of_request(record, request) if request is not None else record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - named by logging
        """Return the chain of errors: each one's type and the places it passed, never its text."""
        return "\n".join(_error(ei[1])) if ei[1] is not None else ""


def scrubbed(text: str) -> str:
    """Return a text in which long numbers and Chinese characters are blotted out."""
    return _HAN.sub("…", _DIGITS.sub("#", text))


def _of_request(record: logging.LogRecord, request: Any) -> str:
    match = getattr(request, "resolver_match", None)
    route = match.route if match is not None else "no page"
    status = getattr(record, "status_code", "")
    return f"{getattr(request, 'method', '')} {route} {status}".strip()


def _error(error: BaseException) -> list[str]:
    lines: list[str] = []
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        lines.append(f"{type(one).__module__}.{type(one).__qualname__}")
        lines.extend(_places(one.__traceback__))
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        if one is not None:
            lines.append("because of")
    return lines


def _places(held: TracebackType | None) -> list[str]:
    return [
        f"  {frame.f_code.co_filename}:{number} {frame.f_code.co_name}"
        for frame, number in traceback.walk_tb(held)
    ]


CONFIGURATION: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"safe": {"()": "salus.kernel.logs.SafeFormatter"}},
    "handlers": {"safe": {"class": "logging.StreamHandler", "formatter": "safe"}},
    "root": {"handlers": ["safe"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.server": {"handlers": [], "level": "ERROR", "propagate": True},
        "django.request": {"handlers": [], "level": "ERROR", "propagate": True},
        "uvicorn": {"handlers": [], "level": "WARNING", "propagate": True},
        "uvicorn.error": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
"""Django's `LOGGING`: everything goes through `SafeFormatter` to standard error."""
