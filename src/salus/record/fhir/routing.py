"""Which FHIR interaction a method and a path ask for."""

from dataclasses import dataclass
from enum import StrEnum

from salus.record.fhir.body import ID
from salus.record.fhir.outcome import FhirError


class Interaction(StrEnum):
    """The interactions served, by their names in http://hl7.org/fhir/R4/valueset-type-restful-interaction.html.

    `conditional-*` and `operation` are this server's names for what CapabilityStatement says elsewhere.
    """

    READ = "read"
    VREAD = "vread"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    HISTORY_INSTANCE = "history-instance"
    HISTORY_TYPE = "history-type"
    CREATE = "create"
    SEARCH_TYPE = "search-type"
    HISTORY_SYSTEM = "history-system"
    BATCH = "batch"
    CAPABILITIES = "capabilities"
    SMART = "smart-configuration"
    CONDITIONAL_UPDATE = "conditional-update"
    CONDITIONAL_PATCH = "conditional-patch"
    CONDITIONAL_DELETE = "conditional-delete"
    OPERATION = "operation"


WRITES = frozenset(
    {
        Interaction.UPDATE,
        Interaction.PATCH,
        Interaction.DELETE,
        Interaction.CREATE,
        Interaction.BATCH,
        Interaction.CONDITIONAL_UPDATE,
        Interaction.CONDITIONAL_PATCH,
        Interaction.CONDITIONAL_DELETE,
    }
)
OPEN = frozenset({Interaction.CAPABILITIES, Interaction.SMART})

_INSTANCE = {
    "GET": Interaction.READ,
    "PUT": Interaction.UPDATE,
    "PATCH": Interaction.PATCH,
    "DELETE": Interaction.DELETE,
}
_TYPE = {
    "GET": Interaction.SEARCH_TYPE,
    "POST": Interaction.CREATE,
    "PUT": Interaction.CONDITIONAL_UPDATE,
    "PATCH": Interaction.CONDITIONAL_PATCH,
    "DELETE": Interaction.CONDITIONAL_DELETE,
}


@dataclass(frozen=True, slots=True)
class Route:
    """An interaction with the type, id, version, operation and file of a bulk job that its path names."""

    interaction: Interaction
    type: str = ""
    id: str = ""
    version: int = 0
    operation: str = ""
    file: str = ""


def route(method: str, segments: tuple[str, ...], types: frozenset[str]) -> Route:
    """Return what a request asks for; HEAD is routed as GET.

    Raises `FhirError` 404 for an address that is not served, 405 (with Allow) for a method that is not,
    and 400 for an id or version that cannot be one. `types` are the resource types served.
    """
    if method == "HEAD":
        method = "GET"
    if not segments:
        return Route(_only(method, {"POST": Interaction.BATCH, "GET": Interaction.SEARCH_TYPE}))
    first, rest = segments[0], segments[1:]
    if segments == ("metadata",):
        return Route(_only(method, {"GET": Interaction.CAPABILITIES}))
    if segments == (".well-known", "smart-configuration"):
        return Route(_only(method, {"GET": Interaction.SMART}))
    if segments == ("_search",):
        return Route(_only(method, {"POST": Interaction.SEARCH_TYPE}))
    if segments == ("_history",):
        return Route(_only(method, {"GET": Interaction.HISTORY_SYSTEM}))
    if first == "bulk":
        return _bulk(method, rest)
    if first.startswith("$") and not rest:
        return _operation(method, first)
    if first not in types:
        raise FhirError(404, "not-supported", "There is no such resource type here", fix="See metadata")
    match rest:
        case ():
            return Route(_only(method, _TYPE), first)
        case ("_search",):
            return Route(_only(method, {"POST": Interaction.SEARCH_TYPE}), first)
        case ("_history",):
            return Route(_only(method, {"GET": Interaction.HISTORY_TYPE}), first)
        case (name,) if name.startswith("$"):
            return _operation(method, name, first)
        case (id,):
            return Route(_only(method, _INSTANCE), first, _id(id))
        case (id, "_history"):
            return Route(_only(method, {"GET": Interaction.HISTORY_INSTANCE}), first, _id(id))
        case (id, name) if name.startswith("$"):
            return _operation(method, name, first, _id(id))
        case (id, "_history", version):
            if not (version.isascii() and version.isdigit() and len(version) < 10):
                raise FhirError(404, "not-found", "There is no such version")
            return Route(_only(method, {"GET": Interaction.VREAD}), first, _id(id), int(version))
    raise FhirError(404, "not-supported", "There is no such address here", fix="See metadata")


def _bulk(method: str, rest: tuple[str, ...]) -> Route:
    """Return where a bulk job's status (GET, DELETE) or one of its files is asked for."""
    match rest:
        case ("export" | "import" as kind, id):
            _only(method, {"GET": Interaction.OPERATION, "DELETE": Interaction.OPERATION})
            return Route(Interaction.OPERATION, id=_id(id), operation=f"{kind}-job")
        case ("export" | "import" as kind, id, name):
            _only(method, {"GET": Interaction.OPERATION})
            return Route(Interaction.OPERATION, id=_id(id), operation=f"{kind}-file", file=name)
    raise FhirError(404, "not-supported", "There is no such address here", fix="See metadata")


def _operation(method: str, name: str, type: str = "", id: str = "") -> Route:
    _only(method, {"GET": Interaction.OPERATION, "POST": Interaction.OPERATION})
    return Route(Interaction.OPERATION, type, id, operation=name)


def _only(method: str, allowed: dict[str, Interaction]) -> Interaction:
    if method not in allowed:
        names = ", ".join(sorted({*allowed, *(["HEAD"] if "GET" in allowed else [])}))
        raise FhirError(
            405,
            "not-supported",
            "This method is not served here",
            fix=f"Use {names}",
            headers=(("allow", names),),
        )
    return allowed[method]


def _id(value: str) -> str:
    if not ID.fullmatch(value):
        raise FhirError(400, "value", "The id is not a FHIR id", fix="1 to 64 letters, digits, '-' or '.'")
    return value
