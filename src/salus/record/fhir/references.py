"""Finding and rewriting the references inside a resource."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

Rewrite = Callable[[str], str | None]


def references(resource: Any) -> Iterator[str]:
    """Yield every Reference.reference in a resource, in document order."""
    waiting = [resource]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            found = node.get("reference")
            if isinstance(found, str):
                yield found
            waiting.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            waiting.extend(reversed(node))


def rewrite(resource: Any, change: Rewrite, placeholders: Mapping[str, str]) -> Any:
    """Return the resource with each Reference.reference replaced by `change(reference)` unless that is None.

    Any other string that equals a key of `placeholders` (urn:uuid and urn:oid addresses of the Bundle's
    entries) is replaced too, as FHIR asks for uri, url and canonical elements
    (http://hl7.org/fhir/R4/http.html#trules).
    """
    if isinstance(resource, dict):
        made = {}
        for key, value in resource.items():
            if key == "reference" and isinstance(value, str):
                made[key] = change(value) or value
            elif isinstance(value, str):
                made[key] = placeholders.get(value, value)
            else:
                made[key] = rewrite(value, change, placeholders)
        return made
    if isinstance(resource, list):
        return [
            placeholders.get(item, item) if isinstance(item, str) else rewrite(item, change, placeholders)
            for item in resource
        ]
    return resource


def local(reference: str, base: str) -> tuple[str, str] | None:
    """Return (type, id) of a reference to a resource on this server, relative or under `base`; else None."""
    if reference.startswith(base + "/"):
        reference = reference[len(base) + 1 :]
    elif ":" in reference or reference.startswith("#"):
        return None
    parts = urlsplit(reference).path.split("/")
    if len(parts) >= 4 and parts[-2] == "_history":
        parts = parts[:-2]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None
