"""Services, volumes and freed money as CSV files: read with every bad row named, and what is written."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np

from salus.insurance.repricing.basis import LARGEST, NONE, WHOLE, Basis, Integers
from salus.kernel.errors import Invalid, SalusError
from salus.kernel.money import split, to_fen, to_yuan

SERVICES: Mapping[str, str] = {
    "code": "the service; with tier, stands once",
    "price": "today's price, yuan",
    "cost": "what one costs, yuan",
    "labour_share": "share of the cost that is labour, 0 to 1",
    "name": "optional",
    "department": "optional: for the table of departments",
    "tier": "optional: the hospital tier whose price it is; empty for all",
    "difficulty": "optional: 0 to 100",
    "risk": "optional: 0 to 100",
    "family": "optional: services whose prices rise with their rank",
    "rank": "optional: the place in the family, whole",
    "lowest": "optional: the new price is not below it, yuan",
    "highest": "optional: the new price is not above it, yuan",
    "target": "optional: the price to aim at, yuan; else it follows from labour, difficulty and risk",
}
VOLUMES: Mapping[str, str] = {
    "service": "a code of the services",
    "hospital": "the hospital",
    "tier": "the hospital's tier, as in the rules' rates",
    "group": "the insured group, as in the rules' rates",
    "volume": "how often it was done in the year, whole",
}
FREED: Mapping[str, str] = {
    "hospital": "a hospital of the volumes",
    "group": "optional: an insured group; without it the amount is split as the hospital's services are",
    "amount": "what mark-ups or procurement took from it, yuan",
    "fund": "optional: what of it the fund used to pay, yuan",
}
PULLS = ("change", "target", "revenue", "fund", "hospital", "tier", "group", "family")
PRICES = (
    "code", "tier", "name", "department", "old", "new", "change_percent", "target", "lowest", "highest",
    "volume", "reason", *(f"pull_{name}" for name in PULLS),
)  # fmt: skip
IMPACTS = (
    "kind", "key", "services", "change", "fund", "own", "returned", "returned_fund", "returned_own", "net",
    "own_net",
)  # fmt: skip
CURVE = ("closeness", "change", "distance", "burden", "raised", "cut", "gap")
_REQUIRED = {
    "services": ("code", "price", "cost", "labour_share"),
    "volumes": tuple(VOLUMES),
    "freed": ("hospital", "amount"),
}
MOST_FAULTS = 1_000
"""Faults named of one file; what follows is counted only."""


class BadRows(Invalid):
    """Rows of a file that cannot be read; `faults` holds one typed error each."""

    def __init__(self, name: str, faults: Sequence[Invalid], more: int) -> None:
        count = len(faults) + more
        super().__init__(
            "reprice-rows",
            f"{count:,} rows cannot be read",
            where=name,
            fix="Mend them; nothing was worked out",
        )
        self.faults = tuple(faults)


@dataclass(slots=True)
class _Reading:
    """A file that is being read: its rows, and what is wrong with them."""

    name: str
    kind: str
    path: Path
    faults: list[Invalid] = field(default_factory=list)
    more: int = 0
    line: int = 0

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield the rows; raises Invalid when the file or its heading cannot be read."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                heading = [name.strip() for name in next(reader, [])]
                if missing := [one for one in _REQUIRED[self.kind] if one not in heading]:
                    raise Invalid("reprice-column", f"The column {missing[0]} is missing", where=self.name)
                if len(set(heading)) < len(heading):
                    raise Invalid("reprice-column", "A column stands twice", where=self.name)
                for values in reader:
                    self.line = reader.line_num
                    if len(values) != len(heading):
                        if values:
                            self.fault(
                                "reprice-width", f"The row has {len(values)} fields, not {len(heading)}"
                            )
                        continue
                    yield dict(zip(heading, map(str.strip, values), strict=True))
        except OSError:
            raise Invalid("reprice-file", "The file cannot be read", where=self.name) from None
        except UnicodeDecodeError:
            raise Invalid("reprice-file", "The file is not in UTF-8", where=self.name) from None
        except csv.Error as fault:
            raise Invalid(
                "reprice-file", f"The file is no CSV: {fault}", where=f"{self.name}:{self.line}"
            ) from None

    def fault(self, code: str, message: str, column: str = "") -> None:
        """Note what is wrong with the present row."""
        where = f"{self.name}:{self.line}" + (f" {column}" if column else "")
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Invalid(code, message, where=where))
        else:
            self.more += 1

    def done(self) -> None:
        """Raise BadRows when something was wrong."""
        if self.faults:
            raise BadRows(self.name, self.faults, self.more)

    def money(self, row: Mapping[str, str], column: str, *, least: int = 0) -> int | None:
        """Return an amount in fen, NONE when it is empty, None after noting a fault."""
        text = row.get(column, "")
        if not text:
            return NONE
        try:
            fen = to_fen(text)
        except SalusError as fault:
            self.fault(fault.code, fault.message, column)
            return None
        if not least <= fen <= LARGEST:
            self.fault("reprice-range", "The amount is negative, nothing or out of proportion", column)
            return None
        return fen

    def number(self, row: Mapping[str, str], column: str, low: int, high: int, scale: int = 1) -> int | None:
        """Return a number times `scale` as a whole, 0 when it is empty, None after noting a fault."""
        text = row.get(column, "") or "0"
        try:
            value = Decimal(text) * scale
        except InvalidOperation:
            self.fault("reprice-number", "This is no number", column)
            return None
        if not value.is_finite() or value != int(value) or not low * scale <= value <= high * scale:
            self.fault("reprice-number", f"The number must lie from {low} to {high}, not so fine", column)
            return None
        return int(value)


@dataclass(frozen=True, slots=True)
class Services:
    """The columns of a file of services, as a Basis takes them."""

    columns: Mapping[str, Any]
    places: Mapping[tuple[str, str], int]


def read_services(path: Path) -> Services:
    """Read services.

    Raises:
        Invalid: the file cannot be read, or (BadRows) rows of it cannot.
    """
    reading = _Reading(path.name, "services", path)
    texts: dict[str, list[str]] = {name: [] for name in ("code", "name", "department", "tier", "family")}
    numbers: dict[str, list[int]] = {
        name: []
        for name in (
            "price",
            "cost",
            "labour_share",
            "difficulty",
            "risk",
            "rank",
            "lowest",
            "highest",
            "target",
        )
    }
    places: dict[tuple[str, str], int] = {}
    for row in reading.rows():
        found = {
            "price": reading.money(row, "price", least=1),
            "cost": reading.money(row, "cost"),
            "labour_share": reading.number(row, "labour_share", 0, 1, WHOLE),
            "difficulty": reading.number(row, "difficulty", 0, 100),
            "risk": reading.number(row, "risk", 0, 100),
            "rank": reading.number(row, "rank", 0, 1_000_000),
            "lowest": reading.money(row, "lowest"),
            "highest": reading.money(row, "highest"),
            "target": reading.money(row, "target"),
        }
        key = row["code"], row.get("tier", "")
        if not row["code"]:
            reading.fault("reprice-code", "A service needs a code", "code")
        elif key in places:
            reading.fault("reprice-duplicate", "The service stands twice", "code")
        if NONE in (found["price"], found["cost"]):
            reading.fault("reprice-empty", "The row lacks its price or cost")
        low, high = found["lowest"], found["highest"]
        if low is not None and high is not None and NONE < high < low:
            reading.fault("reprice-bounds", "The lowest price is above the highest", "lowest")
        places[key] = len(places)
        for name, text in texts.items():
            text.append(row.get(name, ""))
        for name, values in numbers.items():
            value = found[name]
            values.append(0 if value is None else value)
    if not places and not reading.faults:
        raise Invalid("reprice-empty", "There is no service", where=path.name)
    reading.done()
    columns: dict[str, Any] = {
        {"labour_share": "labour"}.get(name, name): np.array(values, dtype=np.int64)
        for name, values in numbers.items()
    }
    names = {
        "code": "codes",
        "name": "names",
        "department": "departments",
        "tier": "tiers",
        "family": "family",
    }
    columns |= {names[name]: tuple(values) for name, values in texts.items()}
    return Services(columns, places)


def read_basis(
    services_path: Path, volumes_path: Path, freed_path: Path | None = None,
    progress: Callable[[int], None] = lambda lines: None,
) -> Basis:  # fmt: skip
    """Read a basis from its files; `progress` is told how many rows of the volumes are read.

    Raises:
        Invalid: a file cannot be read, or (BadRows) rows of it cannot.
    """
    services = read_services(services_path)
    reading = _Reading(volumes_path.name, "volumes", volumes_path)
    hospitals: dict[str, int] = {}
    tiers: list[str] = []
    groups: dict[str, int] = {}
    cells: dict[tuple[int, int, int], int] = {}
    for number, row in enumerate(reading.rows(), 1):
        if number % 50_000 == 0:
            progress(number)
        service = services.places.get(
            (row["service"], row["tier"]), services.places.get((row["service"], ""))
        )
        volume = reading.number(row, "volume", 0, 10**9)
        if service is None:
            reading.fault("reprice-service", "The service is not in the list of services", "service")
        if not row["hospital"] or not row["group"] or not row["volume"]:
            reading.fault("reprice-empty", "The row lacks its hospital, group or volume")
            continue
        hospital = hospitals.setdefault(row["hospital"], len(hospitals))
        if hospital == len(tiers):
            tiers.append(row["tier"])
        elif tiers[hospital] != row["tier"]:
            reading.fault("reprice-tier", "The hospital had another tier before", "tier")
        key = (-1 if service is None else service, hospital, groups.setdefault(row["group"], len(groups)))
        if key in cells and service is not None:
            reading.fault("reprice-duplicate", "This service, hospital and group stood before")
        cells[key] = volume or 0
    reading.done()
    if not cells:
        raise Invalid("reprice-empty", "There is no volume", where=volumes_path.name)
    volumes = np.zeros((len(services.places), len(hospitals), len(groups)), dtype=np.int64)
    places = np.array(list(cells), dtype=np.int64)
    volumes[places[:, 0], places[:, 1], places[:, 2]] = list(cells.values())
    freed, fund = read_freed(freed_path, volumes, services.columns["price"], hospitals, groups)
    return Basis(
        **services.columns, volumes=volumes, hospitals=tuple(hospitals), hospital_tiers=tuple(tiers),
        groups=tuple(groups), freed=freed, freed_fund=fund,
    )  # fmt: skip


def read_freed(
    path: Path | None,
    volumes: Integers,
    price: Integers,
    hospitals: Mapping[str, int],
    groups: Mapping[str, int],
) -> tuple[Integers, Integers | None]:
    """Read the freed money by hospital and group; nothing was freed where no file is given.

    Raises:
        Invalid: the file cannot be read, or (BadRows) rows of it cannot.
    """
    freed = np.zeros(volumes.shape[1:], dtype=np.int64)
    if path is None:
        return freed, None
    fund = np.zeros_like(freed)
    given: set[bool] = set()
    revenue = np.einsum("ihg,i->hg", volumes, price)
    reading = _Reading(path.name, "freed", path)
    for row in reading.rows():
        amount, part = reading.money(row, "amount"), reading.money(row, "fund")
        hospital, group = hospitals.get(row["hospital"]), groups.get(row.get("group", ""))
        if hospital is None:
            reading.fault("reprice-hospital", "The hospital is not in the volumes", "hospital")
        if row.get("group") and group is None:
            reading.fault("reprice-group", "The group is not in the volumes", "group")
        if amount == NONE:
            reading.fault("reprice-empty", "The row lacks its amount", "amount")
        if amount is not None and part is not None and part > amount:
            reading.fault("reprice-range", "The fund's part is more than the amount", "fund")
        given.add(part != NONE)
        if reading.faults or hospital is None or amount is None or part is None:
            continue
        if group is not None:
            freed[hospital, group] += amount
            fund[hospital, group] += max(0, part)
        else:
            weights = [int(one) for one in revenue[hospital]]
            weights = weights if any(weights) else [1] * len(weights)
            freed[hospital] += np.array(split(amount, weights), dtype=np.int64)
            fund[hospital] += np.array(split(max(0, part), weights), dtype=np.int64)
    if len(given) > 1:
        reading.fault("reprice-fund", "The fund's part stands in some rows and not in others", "fund")
    reading.done()
    return freed, fund if given == {True} else None


def yuan(fen: int | None) -> str:
    """Return fen as text in yuan, empty for none."""
    return "" if fen is None else str(to_yuan(fen))


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV file beside its place and put it there whole."""
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    beside.replace(path)
