"""Errors as FHIR OperationOutcome: an HTTP status, an issue code and words that carry no resident's data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, SalusError

Headers = Sequence[tuple[str, str]]


class FhirError(SalusError):
    """A request that cannot be answered as asked.

    `status` is the HTTP status, `issue` a code of FHIR's IssueType value set
    (http://hl7.org/fhir/R4/valueset-issue-type.html), `expression` the FHIRPath of the element.
    `issues` replaces the single issue when there are several; `subject` is the one wish of many that failed.
    """

    def __init__(
        self,
        status: int,
        issue: str,
        message: str,
        *,
        fix: str = "",
        expression: str = "",
        headers: Headers = (),
        issues: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(f"fhir-{issue}", message, fix=fix, where=expression)
        self.status = status
        self.issue = issue
        self.headers = tuple(headers)
        self.issues = tuple(issues)
        self.subject: object = None

    def outcome(self) -> dict[str, Any]:
        """Return the OperationOutcome."""
        if self.issues:
            return {"resourceType": "OperationOutcome", "issue": list(self.issues)}
        text = f"{self.message}. {self.fix}".strip() if self.fix else self.message
        return outcome(self.issue, text, expression=self.where)


def issue(code: str, diagnostics: str, *, severity: str = "error", expression: str = "") -> dict[str, Any]:
    """Return one OperationOutcome.issue."""
    made: dict[str, Any] = {"severity": severity, "code": code, "diagnostics": diagnostics}
    if expression:
        made["expression"] = [expression]
    return made


def outcome(code: str, diagnostics: str, *, severity: str = "error", expression: str = "") -> dict[str, Any]:
    """Return an OperationOutcome of one issue."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [issue(code, diagnostics, severity=severity, expression=expression)],
    }


def from_error(error: SalusError) -> FhirError:
    """Return the FHIR form of any typed error of the house."""
    if isinstance(error, FhirError):
        return error
    status, code = 400, "invalid"
    if isinstance(error, NotAllowed):
        status, code = 403, "forbidden"
    elif isinstance(error, NotFound):
        status, code = 404, "not-found"
    elif isinstance(error, Conflict):
        status, code = 409, "conflict"
    elif isinstance(error, Invalid):
        status, code = 422, "invalid"
    return FhirError(status, code, error.message, fix=error.fix, expression=error.where)


def not_found() -> FhirError:
    """Return the one answer for what is not there and for what the asker may not know of."""
    return FhirError(404, "not-found", "There is no such resource that you may read")


def gone() -> FhirError:
    """Return the answer for a deleted resource that the asker may read."""
    return FhirError(
        410, "deleted", "The resource was deleted", fix="Its earlier versions are in its _history"
    )


def forbidden(message: str = "Your token does not allow this") -> FhirError:
    """Return a refusal by scope or role that depends on the request alone, not on any resident."""
    return FhirError(403, "forbidden", message)


def unauthorized(message: str, *, error: str = "") -> FhirError:
    """Return a request for a bearer token (RFC 6750, section 3)."""
    challenge = 'Bearer realm="salus"' + (f', error="{error}"' if error else "")
    return FhirError(401, "login", message, headers=(("www-authenticate", challenge),))


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of a file that are the body of an answer, read as they are sent."""

    path: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer: status, extra headers, body bytes (or a part of a file) and their media type."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    media: str = "application/fhir+json; charset=utf-8"
    file: FilePart | None = None

    def header(self, name: str) -> str | None:
        """Return a header by its lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


def respond(error: FhirError) -> Response:
    """Return the answer for an error."""
    return Response(error.status, orjson.dumps(error.outcome()), error.headers)
