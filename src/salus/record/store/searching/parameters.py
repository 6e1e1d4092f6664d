"""The search parameters that the store answers, read from `rules/r4`."""

from dataclasses import dataclass
from functools import cache

from salus.record.rules.r4 import kinds, rows
from salus.record.store.extract.compile import DECEASED, fields_of, parse
from salus.record.validate.schema import Shape, shapes

SPECIAL = {"_id": "token", "_lastUpdated": "date"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of a resource type.

    `kind` is its search type (token, string, date, reference, quantity, number, uri or composite), `paths`
    the index paths that it reads (none for `_id` and `_lastUpdated`), `targets` the types a reference may
    lead to.
    `plain_code` says that its values are bare codes, whose system FHIR implies. A composite parameter
    (`kind` "composite") reads `pairs`: an index path of pairs, or two paths that stand once in a resource;
    `second` is the type of its second part.
    """

    type: str
    code: str
    kind: str
    paths: tuple[int, ...]
    targets: tuple[str, ...] = ()
    plain_code: bool = False
    pairs: tuple[tuple[int, ...], ...] = ()
    second: str = ""


@cache
def _expressions() -> dict[int, tuple[str, str]]:
    return {int(row["path"]): (row["type"], row["expression"]) for row in rows("index_paths")}


def _leaf_types(path: int) -> set[str]:
    owner, expression = _expressions()[path]
    if expression == DECEASED:
        return {"boolean"}
    level: list[Shape] = [shapes()["Patient" if owner == "Resource" else owner]]
    types: set[str] = set()
    for step in parse(expression)[1]:
        fields = [field for shape in level for field in fields_of(shape, step)]
        types = {field.type for field in fields}
        level = [shapes()[one] for one in types if one in shapes()]
    return types


@cache
def _all() -> dict[str, dict[str, Parameter]]:
    found: dict[str, dict[str, Parameter]] = {}
    for row in rows("search_parameters"):
        paths = tuple(int(p) for p in row["paths"].split())
        plain = row["search_type"] == "token" and all(
            _leaf_types(p) <= {"code", "string", "boolean", "id", "uri"} for p in paths
        )
        found.setdefault(row["type"], {})[row["code"]] = Parameter(
            row["type"], row["code"], row["search_type"], paths, tuple(row["targets"].split()), plain
        )
    for row in rows("composite_parameters"):
        pairs = tuple(tuple(int(p) for p in read.split("+")) for read in row["reads"].split())
        found.setdefault(row["type"], {})[row["code"]] = Parameter(
            row["type"], row["code"], "composite", (), pairs=pairs, second=row["second"]
        )
    return found


@cache
def search_parameters(resource_type: str) -> dict[str, Parameter]:
    """Return the parameters of a resource type by their code, those of every type included."""
    special = {code: Parameter(resource_type, code, kind, ()) for code, kind in SPECIAL.items()}
    common = _all().get("Resource", {})
    own = _all().get(resource_type, {}) if resource_type in kinds() else {}
    return {**special, **common, **own}
