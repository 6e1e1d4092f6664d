"""Edits: what can be wrong with a claim or line, as dated data, and what it means for the money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from salus.insurance.adjudication import predicates
from salus.insurance.adjudication.predicates import Level, Predicate
from salus.insurance.adjudication.resolving import FIRST, LAST, Row, resolve, rows_of
from salus.insurance.adjudication.tables import MOST
from salus.kernel.errors import Invalid

UNITS = 1_000_000
"""The most units of a line."""

INTEGRITY: Mapping[str, str] = {
    "claim-unknown": "not claim.known",
    "claim-id-repeated": "claim.copies > 1",
    "claim-without-lines": "claim.lines == 0",
    "person-unknown": "not person.known",
    "institution-unknown": "not institution.known",
    "kind-unknown": "claim.kind is None"
    " or claim.kind not in ('inpatient', 'outpatient', 'chronic', 'pharmacy')",
    "date-missing": "claim.admitted is None or claim.discharged is None",
    "charge-out-of-range": f"claim.charge is None or claim.charge < 0 or claim.charge > {MOST}",
    "line-number-repeated": "line.copies > 1",
    "line-charge-out-of-range": f"line.charge is None or line.charge < 0 or line.charge > {MOST}",
    "price-out-of-range": f"line.unit_price is None or line.unit_price < 0 or line.unit_price > {MOST}",
    "quantity-out-of-range": f"line.quantity is None or line.quantity <= 0 or line.quantity > {UNITS}",
}
"""What the arithmetic stands on: these always send a claim back; the files give their words and source."""

EFFECTS = ("return", "self_pay", "deny", "exclude", "cut", "flag")
_KINDS: Mapping[str, tuple[int, Level, tuple[str, ...]]] = {
    "builtin": (1, "claim", ("return",)),
    "predicate": (0, "claim", ("return", "self_pay", "deny", "exclude", "flag")),
    "duplicate_claim": (3, "claim", ("deny", "self_pay", "flag")),
    "overlap": (3, "claim", ("deny", "self_pay", "flag")),
    "stay_split": (3, "claim", ("deny", "self_pay", "flag")),
    "visit_in_stay": (3, "claim", ("deny", "self_pay", "flag")),
    "count": (4, "claim", ("deny", "self_pay", "flag")),
    "duplicate_line": (6, "line", ("deny", "exclude", "flag")),
    "exclusive": (7, "line", ("deny", "exclude", "flag")),
    "bundle": (8, "line", ("deny", "exclude", "flag")),
    "price_medicine": (9, "line", ("cut", "flag")),
    "price_service": (9, "line", ("cut", "flag")),
    "price_material": (9, "line", ("cut", "flag")),
    "limit_day": (10, "line", ("cut", "flag")),
    "limit_stay": (11, "line", ("cut", "flag")),
    "limit_year": (12, "line", ("cut", "flag")),
}
"""Kinds of edit: at which stage they are tried (predicates: by what they do), on what, with which effects."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One version of an edit for the days on which it holds.

    `rank` is its place in the file; of several edits of a stage that decide, the lowest rank counts.
    `bearer` says who bears what a cut keeps from being paid: institution or resident.
    """

    rule: str
    version: int
    code: str
    kind: str
    level: Level
    stage: int
    rank: int
    effect: str
    bearer: str
    limit: int | None
    predicate: Predicate | None
    valid_from: date
    valid_to: date

    @property
    def params(self) -> str:
        """Return what the words of its code need."""
        return "" if self.limit is None else f"limit={self.limit}"

    def holds_on(self, day: date) -> bool:
        """Say whether it is in force on a day."""
        return self.valid_from <= day <= self.valid_to


def load_edits(path: Path, jurisdiction: str, as_of: date) -> tuple[Edit, ...]:
    """Read the edits of a file; raises `Invalid` that names the row at fault, or what is missing."""
    rows = rows_of(path, jurisdiction, as_of)
    rules = list(dict.fromkeys(row.rule for row in rows))
    rank = {rule: number for number, rule in enumerate(rules)}
    edits: list[Edit] = []
    for (rule,), held in resolve(rows, {"rule": rules}).items():
        edits += [_edit(one.row, rank[rule], one.valid_from, one.valid_to) for one in held]
    _checked(edits, path.name)
    return tuple(sorted(edits, key=lambda edit: (edit.rank, edit.valid_from)))


def _edit(row: Row, rank: int, valid_from: date, valid_to: date) -> Edit:
    kind = row.read("kind", _one_of(tuple(_KINDS)))
    stage, level, effects = _KINDS[kind]
    effect = row.read("effect", _one_of(effects))
    code = row.read("code", str)
    limit = row.read("limit", lambda text: int(text) if text else None)
    words = INTEGRITY.get(code, "") if kind == "builtin" else row.read("when", str)
    predicate = None
    if kind in ("builtin", "predicate", "count"):
        if kind == "builtin" and not words:
            raise Invalid("edit-code", f"there is no built-in edit {code}", where=row.where)
        try:
            predicate = predicates.read(words, limit)
        except Invalid as error:
            raise Invalid(error.code, error.message, where=f"{row.where}: {words}", fix=error.fix) from None
        level = predicate.level
    if kind == "predicate":
        stage = 1 if effect == "return" else 2 if level == "claim" else 5
        if level == "claim" and effect == "exclude" or level == "line" and effect == "self_pay":
            raise Invalid("edit-effect", f"{effect} is no effect on a {level}", where=row.where)
    if kind == "count" and level != "claim":
        raise Invalid("edit-count", "a count is of claims, not of lines", where=row.where)
    if kind in ("count", "stay_split") and (limit is None or limit < 0):
        raise Invalid("edit-limit", "this kind of edit needs a limit", where=row.where)
    bearer = row.read("bearer", _one_of(("institution", "resident") if effect == "cut" else ("",)))
    return Edit(
        row.rule, row.version, code, kind, level, stage, rank, effect, bearer, limit, predicate,
        valid_from, valid_to,
    )  # fmt: skip


def _one_of(options: Sequence[str]) -> "_OneOf":
    return _OneOf(tuple(options))


@dataclass(frozen=True, slots=True)
class _OneOf:
    options: tuple[str, ...]

    def __call__(self, text: str) -> str:
        if text not in self.options:
            raise Invalid("edit-word", f"{text!r} is none of {', '.join(self.options)}")
        return text


def _checked(edits: Sequence[Edit], name: str) -> None:
    always = {
        edit.code for edit in edits
        if edit.kind == "builtin" and edit.valid_from == FIRST and edit.valid_to == LAST
    }  # fmt: skip
    if missing := [code for code in INTEGRITY if code not in always]:
        raise Invalid(
            "edit-missing",
            f"the built-in edit {missing[0]} must hold from 1900-01-01 without end",
            where=name,
        )
    seen: dict[str, str] = {}
    for edit in edits:
        if edit.kind in ("builtin", "predicate", "count"):
            continue
        if seen.setdefault(edit.kind, edit.rule) != edit.rule:
            raise Invalid("edit-kind", f"two rules are of the kind {edit.kind}", where=name)


def thousandths(quantity: Decimal | None) -> int | None:
    """Return a quantity in thousandths; raises `Invalid` where it has more digits after the point."""
    if quantity is None:
        return None
    exact = quantity * 1000
    if exact != exact.to_integral_value():
        raise Invalid("adjudication-quantity", "a quantity has more than three digits after the point")
    return int(exact)
