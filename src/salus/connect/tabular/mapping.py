"""A source's mapping: TOML read, checked and compiled. The language is described in docs/connect.md."""

import codecs
import fnmatch
import re
import tomllib
from collections.abc import Mapping as Map
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, get_args
from zoneinfo import ZoneInfo

from salus.connect.tabular.templates import Group, columns_of, compile_elements
from salus.connect.tabular.values import Cells, CodeMap, Scope, Template, compile_text
from salus.connect.translation import Method, SourceProfile
from salus.kernel.errors import Invalid

_FILE_KEYS = {"encoding", "delimiter", "quote", "missing", "dates"}
_TABLE_KEYS = _FILE_KEYS | {
    *(
        "name",
        "file",
        "sheet",
        "header",
        "skip_after",
        "key",
        "time",
        "time_from_file",
        "required",
        "resource",
    ),
}
_RESOURCE_KEYS = {"type", "id", "method", "when", "set"}
_PULL_KEYS = {"name", "table", "url_env", "query", "watermark", "start", "every", "batch"}
_CONDITION_KEYS = {"column", "in", "not_in", "present"}
_TOP_KEYS = {"version", "file", "constants", "codes", "table", "pull"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a column: its value is (not) among some, or it is present or not."""

    column: str
    among: frozenset[str] | None = None
    outside: frozenset[str] | None = None
    present: bool | None = None

    def holds(self, cells: Cells) -> bool:
        """Return whether the row fulfils the condition."""
        value = cells.get(self.column)
        if self.present is not None and (value is not None) != self.present:
            return False
        if self.among is not None and value not in self.among:
            return False
        return self.outside is None or value not in self.outside


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """One resource that a row becomes."""

    type: str
    identifier: Template | str
    method: Method
    when: tuple[Condition, ...]
    elements: Group


@dataclass(frozen=True, slots=True)
class Table:
    """How one kind of file, sheet or query result is read."""

    name: str
    files: tuple[str, ...]
    sheet: str | int | None
    header: int
    skip_after: int
    key: tuple[str, ...]
    time: str | None
    time_from_file: re.Pattern[str] | None
    required: tuple[str, ...]
    encoding: str
    delimiter: str
    quote: str
    missing: frozenset[str]
    dates: tuple[str, ...]
    resources: tuple[ResourceRule, ...]
    columns: frozenset[str]
    zone: ZoneInfo

    def fits(self, file_name: str) -> bool:
        """Return whether a file of this name (without folders) is read by this table."""
        lowered = file_name.lower()
        return any(fnmatch.fnmatchcase(lowered, pattern) for pattern in self.files)


@dataclass(frozen=True, slots=True)
class Pull:
    """A database pull that the mapping declares."""

    name: str
    table: str
    url_env: str
    query: str
    watermark: str
    start: str | int | None
    every: int
    batch: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """All tables and pulls of a source."""

    tables: tuple[Table, ...]
    pulls: tuple[Pull, ...]

    def tables_for(self, file_name: str) -> list[Table]:
        """Return the tables that read a file: for workbooks one a sheet, otherwise the first that fits."""
        fitting: dict[str | int | None, Table] = {}
        for table in self.tables:
            if table.fits(file_name):
                fitting.setdefault(table.sheet, table)
        return list(fitting.values())

    def table(self, name: str) -> Table:
        """Return the table of that name; raises Invalid if there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise Invalid(
            "mapping", f"the mapping has no table {name!r}", fix="Look at the names of its [[table]]s."
        )


def _known(section: Map[str, Any], keys: set[str], where: str) -> None:
    for key in section:
        if key not in keys:
            raise Invalid(
                "mapping", f"{key!r} is not known here", where=where, fix=f"Known: {', '.join(sorted(keys))}."
            )


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise Invalid("mapping", "a text or a list of texts is expected", where=where)


def _code_map(name: str, section: Any, source: str) -> CodeMap:
    where = f"codes.{name}"
    if not isinstance(section, dict):
        raise Invalid("mapping", "a code map is a table", where=where)
    _known(section, {"system", "values", "otherwise", "file"}, where)
    if "file" in section:
        raise Invalid(
            "mapping",
            "the file of this code map has not been read in",
            where=where,
            fix="Use import-sources.",
        )
    system = str(section.get("system", ""))
    values: dict[str, tuple[str, str, str]] = {}
    for local, target in dict(section.get("values", {})).items():
        parts = [target] if isinstance(target, str) else target
        if (
            not isinstance(parts, list)
            or not 1 <= len(parts) <= 3
            or not all(isinstance(p, str) for p in parts)
        ):
            raise Invalid(
                "mapping", "a code is code, [code, display] or [code, display, system]", where=where
            )
        code, display, own = (*parts, "", "")[:3]
        values[str(local)] = (code, display, own or system)
    return CodeMap(name, values, str(section.get("otherwise", "error")), f"urn:salus:source:{source}:{name}")


def _condition(section: Any, where: str) -> Condition:
    if not isinstance(section, dict) or "column" not in section:
        raise Invalid("mapping", "a condition names a column", where=where)
    _known(section, _CONDITION_KEYS, where)
    if len(section) == 1:
        raise Invalid("mapping", "a condition needs in, not_in or present", where=where)
    among, outside = section.get("in"), section.get("not_in")
    return Condition(
        str(section["column"]),
        None if among is None else frozenset(_texts(among, where)),
        None if outside is None else frozenset(_texts(outside, where)),
        section.get("present"),
    )


def _resource(section: Any, scope: Scope, where: str) -> tuple[ResourceRule, frozenset[str]]:
    if not isinstance(section, dict):
        raise Invalid("mapping", "a resource is a table", where=where)
    kind = str(section.get("type", ""))
    where = f"{where} {kind}"
    _known(section, _RESOURCE_KEYS, where)
    if not kind or "id" not in section:
        raise Invalid("mapping", "a resource needs a type and an id", where=where)
    method = section.get("method", "put")
    if method not in get_args(Method):
        raise Invalid(
            "mapping", f"{method!r} is not a method", where=where, fix="put, overlay, ensure or delete."
        )
    when = tuple(_condition(item, f"{where} when") for item in section.get("when", ()))
    try:
        identifier = compile_text(str(section["id"]), scope)
        elements = compile_elements(section.get("set", {}), scope)
    except Invalid as fault:
        fault.where = f"{where} {fault.where}".strip()
        raise
    read, optional = columns_of(elements)
    if isinstance(identifier, Template):
        read |= identifier.columns
    read = (read - optional) | {condition.column for condition in when}
    return ResourceRule(kind, identifier, method, when, elements), read


def _table(section: Any, files: Map[str, Any], scope: Scope, charset: str) -> Table:
    if not isinstance(section, dict) or "name" not in section:
        raise Invalid("mapping", "a table needs a name")
    name = str(section["name"])
    where = f"table {name}"
    _known(section, _TABLE_KEYS, where)
    whole = {**files, **{key: value for key, value in section.items() if key in _FILE_KEYS}}
    dates = _texts(whole.get("dates", []), f"{where} dates")
    own = Scope(scope.codes, scope.constants, dates, scope.zone)
    rules, columns = (
        [],
        set(_texts(section.get("key", []), where)) | set(_texts(section.get("required", []), where)),
    )
    for rule_section in section.get("resource", ()):
        rule, read = _resource(rule_section, own, where)
        rules.append(rule)
        columns |= read
    if not rules:
        raise Invalid("mapping", "a table needs at least one [[table.resource]]", where=where)
    if section.get("time"):
        columns.add(str(section["time"]))
    pattern = section.get("time_from_file")
    try:
        compiled = re.compile(pattern) if pattern else None
    except re.error as fault:
        raise Invalid("mapping", f"time_from_file is no regular expression: {fault}", where=where) from None
    if compiled is not None and compiled.groups < 1:
        raise Invalid("mapping", "time_from_file needs a group that holds the date", where=where)
    delimiter, quote = str(whole.get("delimiter", ",")), str(whole.get("quote", '"'))
    if len(delimiter) != 1 or len(quote) > 1:
        raise Invalid("mapping", "delimiter is one character, quote one or none", where=where)
    encoding = str(whole.get("encoding", charset))
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise Invalid("mapping", f"{encoding!r} is not a known encoding", where=where) from None
    return Table(
        name=name,
        files=tuple(pattern.lower() for pattern in _texts(section.get("file", "*"), where)),
        sheet=section.get("sheet"),
        header=int(section.get("header", 1)),
        skip_after=int(section.get("skip_after", 0)),
        key=_texts(section.get("key", []), where),
        time=str(section["time"]) if section.get("time") else None,
        time_from_file=compiled,
        required=_texts(section.get("required", []), where),
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        missing=frozenset(_texts(whole.get("missing", [""]), where)) | {""},
        dates=dates,
        resources=tuple(rules),
        columns=frozenset(column for column in columns if not column.startswith("$")),
        zone=scope.zone,
    )


def _pull(section: Any, tables: tuple[Table, ...]) -> Pull:
    if not isinstance(section, dict) or not {"name", "table", "url_env", "query", "watermark"} <= set(
        section
    ):
        raise Invalid("mapping", "a pull needs name, table, url_env, query and watermark", where="pull")
    where = f"pull {section['name']}"
    _known(section, _PULL_KEYS, where)
    if section["table"] not in {table.name for table in tables}:
        raise Invalid("mapping", f"there is no table {section['table']!r}", where=where)
    start = section.get("start")
    return Pull(
        name=str(section["name"]),
        table=str(section["table"]),
        url_env=str(section["url_env"]),
        query=str(section["query"]),
        watermark=str(section["watermark"]),
        start=start if isinstance(start, int) else (None if start is None else str(start)),
        every=int(section.get("every", 300)),
        batch=int(section.get("batch", 500)),
    )


def compile_mapping(tree: Map[str, Any], *, source: str, charset: str, timezone: str) -> Mapping:
    """Return the compiled mapping of a TOML tree.

    Raises Invalid ("mapping") naming the table and element for anything the language does not know.
    """
    _known(tree, _TOP_KEYS, "mapping")
    codes = {name: _code_map(name, section, source) for name, section in tree.get("codes", {}).items()}
    constants = {str(name): str(value) for name, value in tree.get("constants", {}).items()}
    scope = Scope(codes, {"source": source, **constants}, (), ZoneInfo(timezone))
    files = tree.get("file", {})
    _known(files, _FILE_KEYS, "file")
    tables = tuple(_table(section, files, scope, charset) for section in tree.get("table", ()))
    names = [table.name for table in tables]
    if len(set(names)) != len(names):
        raise Invalid("mapping", "two tables have the same name")
    return Mapping(tables, tuple(_pull(section, tables) for section in tree.get("pull", ())))


def read_toml(text: str) -> dict[str, Any]:
    """Return the TOML tree; raises Invalid with the line where it is not TOML."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as fault:
        raise Invalid("mapping", f"the mapping is not TOML: {fault}", fix="See docs/connect.md.") from None


@lru_cache(maxsize=256)
def parse_mapping(text: str, source: str, charset: str, timezone: str) -> Mapping:
    """Return the compiled mapping of a TOML text (kept: a source's mapping is compiled once)."""
    return compile_mapping(read_toml(text), source=source, charset=charset, timezone=timezone)


_compiled: dict[int, tuple[dict[str, Any], Mapping]] = {}


def mapping_of(profile: SourceProfile) -> Mapping:
    """Return the compiled mapping of a source's profile (kept while the profile's tree lives here)."""
    found = _compiled.get(id(profile.mapping))
    if found is not None and found[0] is profile.mapping:
        return found[1]
    compiled = compile_mapping(
        profile.mapping, source=profile.code, charset=profile.charset, timezone=profile.timezone
    )
    if len(_compiled) > 256:
        _compiled.clear()
    _compiled[id(profile.mapping)] = (profile.mapping, compiled)
    return compiled
