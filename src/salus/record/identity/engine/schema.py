"""Which columns a table of people has, what each is, and therefore how it is cleaned and compared."""

import csv
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from salus.kernel.errors import Invalid
from salus.record.identity.engine import compare, normalise
from salus.record.identity.engine.compare import Comparison
from salus.record.identity.engine.resident_id import parse

KINDS = {
    "id": "the record's own id; required, unique",
    "source": "the system the record comes from",
    "full_name": "a name in one column, in Chinese characters or letters",
    "family_name": "family name",
    "given_name": "given name",
    "birth_date": "date of birth",
    "sex": "sex",
    "phone": "telephone number",
    "resident_id": "resident identity number; two valid different ones are never joined",
    "identifier": "another number of the person, not checked (health card, insurance)",
    "postal_code": "postal code or house number",
    "address": "address or address line; two lines that are mixed up are compared crosswise",
    "place": "town, suburb, district",
    "category": "anything with few values",
    "ignore": "not used",
}
_GUESS = {
    "id": ("rec_id", "record_id", "id", "unique_id", "patient_id", "pid"),
    "source": ("source", "source_dataset", "source_system", "system"),
    "full_name": ("name", "full_name", "姓名", "patient_name"),
    "family_name": ("surname", "family_name", "last_name", "lname", "family", "姓"),
    "given_name": ("given_name", "first_name", "fname", "given", "forename", "名"),
    "birth_date": ("date_of_birth", "birth_date", "dob", "birthdate", "birthday", "出生日期"),
    "sex": ("sex", "gender", "性别"),
    "phone": ("phone", "phone_number", "telephone", "mobile", "tel", "电话", "联系电话", "手机"),
    "resident_id": ("resident_id", "id_card", "idcard", "身份证号", "身份证", "公民身份号码"),
    "identifier": ("soc_sec_id", "ssn", "insurance_no", "health_card", "card_no", "passport", "nhs_number"),
    "postal_code": ("postcode", "postal_code", "zip", "zipcode", "street_number", "house_number", "邮编"),
    "address": ("address", "address_1", "address_2", "street", "addr", "地址", "住址", "现住址"),
    "place": ("suburb", "city", "town", "district", "culdesac", "locality", "区县"),
    "category": ("state", "province", "marital", "ethnicity", "民族"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name in the file and what it is (a key of `KINDS`)."""

    column: str
    kind: str


@dataclass(frozen=True, slots=True)
class LinkSchema:
    """The columns of a table of people. Normal forms carry the column's name, names their part's."""

    fields: tuple[Field, ...]

    @property
    def id_column(self) -> str:
        """The column with the record's id."""
        return self._one("id") or ""

    def _one(self, kind: str) -> str | None:
        return next((f.column for f in self.fields if f.kind == kind), None)

    def of(self, *kinds: str) -> list[str]:
        """Return the columns of these kinds, in the file's order."""
        return [f.column for f in self.fields if f.kind in kinds]

    @property
    def has_name(self) -> bool:
        """Whether there is a name at all."""
        return bool(self.of("full_name", "family_name", "given_name"))

    def normal_columns(self) -> list[str]:
        """Return the columns of a normalised record, ids first."""
        columns = ["unique_id", "source_system", "strong_id"]
        if self.has_name:
            columns += ["family", "given", "family_hanzi", "given_hanzi"]
        keep = ("birth_date", "sex", "phone", "resident_id", "identifier", "postal_code", "address", "place")
        return columns + self.of(*keep, "category")

    def blocking_columns(self) -> list[str]:
        """Return the normal columns by which records may be brought together to be compared."""
        names = ["given", "family"] if self.has_name else []
        kinds = ("birth_date", "phone", "resident_id", "identifier", "postal_code", "address", "place", "sex")
        return names + self.of(*kinds, "category")

    def comparisons(self) -> list[Comparison]:
        """Return how the fields are compared."""
        found: list[Comparison] = []
        if self.has_name:
            found += [
                compare.name_part("given", "family", "given_hanzi"),
                compare.name_part("family", "given", "family_hanzi"),
            ]
        lines = self.of("address")
        for field in self.fields:
            c = field.column
            if field.kind == "birth_date":
                found.append(compare.date(c))
            elif field.kind in ("phone", "identifier", "resident_id"):
                found.append(compare.number(c))
            elif field.kind == "postal_code":
                found.append(compare.code(c))
            elif field.kind == "address":
                found.append(compare.words(c, next((x for x in lines if x != c), None)))
            elif field.kind == "place":
                found.append(compare.words(c))
            elif field.kind in ("sex", "category"):
                found.append(compare.category(c))
        return found

    def normaliser(self, today: date) -> Callable[[Sequence[str]], dict[str, str | None]]:
        """Return a function from one row's values (in the fields' order) to its normal form."""
        where = {f.column: i for i, f in enumerate(self.fields)}
        full, family, given = self._one("full_name"), self._one("family_name"), self._one("given_name")
        plan: list[tuple[str, int, Callable[[str | None], str | None]]] = []
        for f in self.fields:
            if f.kind in CLEAN:
                plan.append((f.column, where[f.column], CLEAN[f.kind]))
        strong = self._one("resident_id")
        id_at, source = where[self.id_column], self._one("source")

        def one(row: Sequence[str]) -> dict[str, str | None]:
            out: dict[str, str | None] = {
                "unique_id": row[id_at],
                "source_system": row[where[source]] if source else None,
                "strong_id": None,
            }
            if self.has_name:
                n = normalise.name(
                    row[where[full]] if full else None,
                    family=row[where[family]] if family else None,
                    given=row[where[given]] if given else None,
                )
                out |= {"family": n.family, "given": n.given}
                out |= {"family_hanzi": n.family_hanzi, "given_hanzi": n.given_hanzi}
            for column, at, clean in plan:
                out[column] = clean(row[at])
            if strong and (value := out[strong]) and (valid := parse(value, today=today)):
                out[strong] = out["strong_id"] = valid.number
            return out

        return one


CLEAN: dict[str, Callable[[str | None], str | None]] = {
    "birth_date": normalise.date_digits,
    "sex": normalise.sex,
    "phone": normalise.phone,
    "resident_id": normalise.identifier,
    "identifier": normalise.identifier,
    "postal_code": normalise.identifier,
    "address": normalise.address,
    "place": normalise.text,
    "category": normalise.text,
}


def guess(header: Sequence[str]) -> LinkSchema:
    """Guess each column's kind from its name; unknown columns are ignored.

    Raises `Invalid` if no column is the record's id or none can be compared.
    """
    known = {name: kind for kind, names in _GUESS.items() for name in names}
    return check(LinkSchema(tuple(Field(c, known.get(c.strip().casefold(), "ignore")) for c in header)))


def from_toml(path: Path, header: Sequence[str]) -> LinkSchema:
    """Read `[columns]` (column = kind) from a TOML file. Raises `Invalid` on unknown columns or kinds."""
    columns = tomllib.loads(path.read_text(encoding="utf-8")).get("columns", {})
    for column, kind in columns.items():
        if column not in header or kind not in KINDS:
            raise Invalid(
                "link-schema", "A column or its kind is unknown", where=f"{column} = {kind}",
                fix="Use the file's column names and the kinds that --schema prints",
            )  # fmt: skip
    return check(LinkSchema(tuple(Field(c, columns.get(c, "ignore")) for c in header)))


def check(schema: LinkSchema) -> LinkSchema:
    """Return the schema if a table can be linked by it; raises `Invalid` otherwise."""
    if not schema.id_column or not schema.comparisons():
        raise Invalid(
            "link-schema", "No column is the record's id, or none can be compared",
            fix="Say what the columns are with --columns FILE.toml; --schema prints the kinds",
        )  # fmt: skip
    return schema


def read_csv(path: Path, columns: Path | None = None) -> tuple[LinkSchema, Iterator[list[str]]]:
    """Open a CSV file of people: its schema and its rows. UTF-8 (with or without mark) or GB 18030."""
    raw = path.read_bytes()
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        decoded = raw.decode("gb18030", errors="replace")
    reader = csv.reader(decoded.splitlines(keepends=True), skipinitialspace=True)
    header = [c.strip() for c in next(reader, [])]
    if not header:
        raise Invalid("link-empty", "The file is empty", where=path.name)
    schema = from_toml(columns, header) if columns else guess(header)
    fill = partial(_padded, len(header))
    return schema, (fill(row) for row in reader if row)


def _padded(width: int, row: list[str]) -> list[str]:
    return row[:width] + [""] * (width - len(row))
