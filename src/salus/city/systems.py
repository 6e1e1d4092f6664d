"""The 52 source systems of the city: what each speaks, whom it serves and what it records."""

from collections.abc import Iterable
from dataclasses import dataclass

from salus.city.facts import rows
from salus.city.institutions import Registers

VISITS, MEDICINES, LABORATORY, ORDERS, PROCEDURES, VACCINATIONS, BOOKINGS, DOCUMENTS, PRESSURE = (
    "visits", "medicines", "laboratory", "orders", "procedures", "vaccinations", "bookings", "documents",
    "pressure",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class System:
    """One source system.

    `dialect` is the HL7 version, the FHIR packaging ("ndjson" or "bundle") or the table layout. `local_codes`
    says whether it writes its own codes, which its mapping translates. `careful` systems check identity
    documents, so their identity errors are a tenth of the usual.
    """

    index: int
    code: str
    name: str
    name_en: str
    vendor: str
    format: str
    charset: str
    dialect: str
    institution: str
    records: frozenset[str]
    careful: bool = False
    line_end: str = "\r"
    subject: str = ""

    @property
    def authority(self) -> str:
        """Return the assigning authority in identifiers: the code in capitals without dashes."""
        return self.code.replace("-", "").upper()


_LINE_ENDS = {"CR": "\r", "LF": "\n", "CRLF": "\r\n"}
SETS = {"tertiary": 3, "secondary": 5, "community": 6, "township": 2, "village": 2}
LETTER = {"tertiary": "t", "secondary": "s", "community": "c", "township": "x", "village": "v"}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All systems; `serving[record][place]` is the system that records it at an institution, or -1."""

    systems: tuple[System, ...]
    serving: dict[str, tuple[int, ...]]

    def by_subject(self, subject: str) -> System:
        """Return the city-wide system of a subject."""
        return next(system for system in self.systems if system.subject == subject)


def catalogue(registers: Registers) -> Catalogue:
    """Build the 52 systems for a city's institutions.

    In a large city the systems of a set serve every third (fifth, sixth …) institution of the tier, as
    hosted systems of a vendor do.
    """
    systems: list[System] = []
    members: list[frozenset[int]] = []
    primary = frozenset(
        place.index for tier in ("community", "township", "village") for place in registers.of_tier(tier)
    )
    for row in rows("source_systems"):
        if row["tier"] == "city":
            code, name, name_en = row["suffix"], f"临澜市{row['zh']}", f"Linlan {row['en'].lower()}"
            lead, served = registers.of_kind(row["kind"]), primary
        else:
            tier, number = row["tier"], int(row["set"])
            group = [place for n, place in enumerate(registers.of_tier(tier)) if n % SETS[tier] == number]
            lead, served = group[0], frozenset(place.index for place in group)
            code = f"{LETTER[tier]}{number + 1}-{row['suffix']}"
            name, name_en = f"{lead.name}{row['zh']}", f"{lead.name_en} {row['en']}"
        systems.append(
            System(
                index=len(systems),
                code=code,
                name=name,
                name_en=name_en,
                vendor=row["vendor"],
                format=row["format"],
                charset=row["charset"],
                dialect=row["dialect"],
                institution=lead.code,
                records=frozenset(row["records"].split(";")) - {""},
                careful=row["tier"] == "city",
                line_end=_LINE_ENDS[row["line_end"]],
                subject=row["subject"],
            )
        )
        members.append(served)
    serving = {
        record: tuple(_first(systems, members, record, place.index) for place in registers.places)
        for record in (
            VISITS,
            MEDICINES,
            LABORATORY,
            ORDERS,
            PROCEDURES,
            VACCINATIONS,
            BOOKINGS,
            DOCUMENTS,
            PRESSURE,
        )
    }
    return Catalogue(tuple(systems), serving)


def _first(systems: Iterable[System], members: list[frozenset[int]], record: str, place: int) -> int:
    return next((s.index for s in systems if record in s.records and place in members[s.index]), -1)
