"""Views made by hand, as SQL, and the same views as plain Python: what the lake's tables must agree with."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from salus.record.lake.definitions import Column, Definition

Resource = dict[str, Any]


def _flat(columns: str, where: str = "") -> Callable[[str, Sequence[str]], str]:
    def sql(source: str, keep: Sequence[str]) -> str:
        return f"select {', '.join(keep)}, {columns} from {source}{where}"

    return sql


def _names(source: str, keep: Sequence[str]) -> str:
    return (
        f"select {', '.join(keep)}, json_extract_string(value, '$.family') as family from (select"
        f" {', '.join(keep)}, unnest(cast(json_extract(body, '$.name') as json[])) as value from {source})"
    )


PATIENT = Definition(
    "patient",
    "Patient",
    (Column("gender"), Column("birth_date")),
    _flat(
        "json_extract_string(body, '$.gender') as gender,"
        " json_extract_string(body, '$.birthDate') as birth_date"
    ),
)
PATIENT_NAME = Definition("patient_name", "Patient", (Column("family"),), _names)
FINAL = Definition(
    "observation",
    "Observation",
    (Column("status"), Column("code")),
    _flat(
        "json_extract_string(body, '$.status') as status, json_extract_string(body, '$.code.text') as code",
        " where json_extract_string(body, '$.status') <> 'entered-in-error'",
    ),
)
VIEWS = [PATIENT, PATIENT_NAME, FINAL]
WIDER = Definition(
    "observation",
    "Observation",
    (Column("status"), Column("code"), Column("issued")),
    _flat(
        "json_extract_string(body, '$.status') as status, json_extract_string(body, '$.code.text') as code,"
        " json_extract_string(body, '$.issued') as issued"
    ),
)


def rows(name: str, body: Resource) -> Iterator[tuple[Any, ...]]:
    """Yield a view's rows of a resource."""
    if name == "patient":
        yield body.get("gender"), body.get("birthDate")
    elif name == "patient_name":
        for one in body.get("name", ()):
            yield (one.get("family"),)
    elif name == "observation" and body["status"] != "entered-in-error":
        yield body["status"], body.get("code", {}).get("text")
