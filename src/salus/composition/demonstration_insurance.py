"""The demonstration's insurance: members and premiums, a year of claims, what hospitals are paid.

All of it goes through the room's own services, as the fund's office would do it, each thing on its day of the
city's year. Everything can be done twice: what stands already is passed over.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zlib import crc32

from rich.console import Console
from rich.progress import Progress

Row = dict[str, Any]
MOST_MEMBERS, SHARE = 260, 8
"""Members of the demonstration: whole households, enough for every page and soon entered; in a small city
one resident of so many."""
POOR = ("extreme_poverty", "low_income")
SERVICES = ("inpatient", "outpatient", "chronic", "emergency", "maternity")
OFFICE, SECOND = "fund-desk", "fund-review"
"""Who enters, and who approves: nobody approves a payment that she prepared."""
_OPENING = {"employee": 180_000, "resident": 45_000, "serious": 6_000, "aid": 3_000, "free": 2_000}
"""Fen a member that each fund brought into the year."""


def moment(day: date, hour: int = 9) -> datetime:
    """Return an hour of a day at the office (UTC+8)."""
    return datetime.combine(day, time(hour - 8), UTC)


def month_end(month: date) -> date:
    """Return the last day of a month."""
    return month.replace(day=monthrange(month.year, month.month)[1])


def read(folder: Path, name: str) -> list[Row]:
    """Return the rows of a table of the city's insurance."""
    import pyarrow.parquet as pq

    rows: list[Row] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return rows


def build(folder: Path, residents: int, seed: int) -> None:
    """Draw the city's insurance, unless it is there already."""
    import shutil

    from salus.city.insurance.building import build_insurance

    if not (folder / "manifest.json").exists():
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
        build_insurance(folder, residents, seed)


def insure(folder: Path, progress: Progress) -> int:
    """Fill the platform from the city's insurance: contracts, members, money, claims, payments.

    Returns the year of the claims.
    """
    from salus.composition.demonstration_funds import settle_year
    from salus.kernel.policy import system_principal

    office, second = system_principal(OFFICE), system_principal(SECOND)
    year = year_of(folder)
    area = _area()
    places = _institutions(office, read(folder, "institutions"), area)
    _catalogue(office, folder)
    task = progress.add_task("Members and premiums", total=None)
    free = _free(folder, year)
    members = _members(
        office,
        folder,
        free,
        year,
        area,
        lambda done, of: progress.update(task, completed=done, total=of),
        progress.console,
    )
    _reserves(office, len(members), year)
    claims = _claims(folder, members, places, free)
    _illnesses(office, folder, members, claims, places)
    settle_year(office, second, year, claims, list(places.values()), len(members), progress)
    _departures(office, folder, members)
    return year


def year_of(folder: Path) -> int:
    """Return the year of the city's claims."""
    return date.fromisoformat(_manifest(folder)["since"]).year


def _manifest(folder: Path) -> Row:
    import json

    found: Row = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def _area() -> str:
    from salus.kernel.models import District

    return str(District.objects.filter(level="city").values_list("code", flat=True).first() or "")


def _institutions(office: Any, rows: Sequence[Row], area: str) -> dict[str, Any]:
    """Contract the institutions that bill the fund and designate hospitals; return them by code."""
    from salus.insurance.services import enrolment
    from salus.kernel.models import Institution

    found = Institution.objects.in_bulk([row["institution"] for row in rows], field_name="code")
    for row in rows:
        place = found.get(row["institution"])
        if place is None:
            continue
        services = SERVICES if row["tier"] else ("outpatient", "chronic")
        terms = enrolment.Terms(area, row["tier"], services, row["valid_from"], row["valid_to"])
        enrolment.contract(office, place, terms)
        for illness in row["designated"]:
            enrolment.designate(office, place, illness, row["valid_from"])
    return found


def _catalogue(office: Any, folder: Path) -> None:
    import pyarrow.parquet as pq

    from salus.insurance.services.catalogue import enter_catalogue

    enter_catalogue(office, pq.read_table(folder / "catalogue.parquet"))


def _members(
    office: Any, folder: Path, free: Mapping[str, str], year: int, area: str, told: Any, console: Console
) -> dict[str, UUID]:
    """Enrol whole households and enter what was paid; return the persons by their number in the city.

    The office knows its members by their identity numbers, as they stand in its own register; whom the record
    does not know by exactly one person is left out.
    """
    from salus.insurance.models import Enrolment
    from salus.insurance.services import claims, enrolment
    from salus.kernel.errors import NotFound

    numbers = {row["person_id"]: row["identity"] for row in read(folder, "persons")}
    begun = {row["person_id"]: row["starts"] for row in read(folder, "coverage")}
    premiums = [row for row in read(folder, "premiums") if row["year"] == year and row["person_id"] in begun]
    treated = {row["person_id"] for row in read(folder, "claims") if row["claim_id"] in free}
    chosen = _households(premiums, treated, min(MOST_MEMBERS, _manifest(folder)["residents"] // SHARE))
    going = {row["person_id"] for row in read(folder, "persons") if row["exit"] is not None}
    known = set(Enrolment.objects.values_list("person_id", flat=True))
    left = known - set(Enrolment.objects.filter(end_date=None).values_list("person_id", flat=True))
    found: dict[str, UUID] = {}
    staff: dict[UUID, Row] = {}
    unknown = 0
    for place, row in enumerate(chosen):
        told(place, len(chosen))
        try:
            person = claims.find_person(office, "create", "resident-id", numbers[row["person_id"]])
        except NotFound:
            unknown += 1
            continue
        start = min(begun[row["person_id"]], date(year, 1, 1))
        if person in known and person not in found.values():
            found[row["person_id"]] = person
        elif person not in known:
            paid = row["paid_on"] or start
            enrolment.enrol(
                office, person, row["scheme"], row["category"], area, start, now=moment(paid),
                household=row["household"],
            )  # fmt: skip
            known.add(person)
            found[row["person_id"]] = person
        else:
            continue
        if person in left:
            continue  # all was entered before she left
        if row["scheme"] == "employee":
            staff[person] = row
        else:
            _paid(office, person, row | {"gone": row["person_id"] in going}, year)
    _payrolls(office, staff, year)
    told(len(chosen), len(chosen))
    if unknown:
        console.print(f"{unknown} of {len(chosen)} members are not known to the record and were left out")
    return found


def _households(premiums: Sequence[Row], treated: Collection[str], wanted: int) -> list[Row]:
    """Return the members of some households until there are enough; those treated free come first."""
    homes: dict[str, list[Row]] = defaultdict(list)
    for row in premiums:
        homes[row["household"]].append(row)
    # Households are numbered by their kind, families first: a checksum mixes them.
    order = sorted(
        homes,
        key=lambda home: (
            not any(r["person_id"] in treated for r in homes[home]),
            crc32(home.encode()),
            home,
        ),
    )
    chosen: list[Row] = []
    for home in order:
        if len(chosen) >= wanted:
            break
        chosen += homes[home]
    return chosen


def _free(folder: Path, year: int) -> dict[str, str]:
    """Return the poor's stays for an illness of free treatment at a hospital designated for it, by claim."""
    from salus.insurance.adjudication import load_rules

    listed = load_rules(as_of=date(year, 12, 31)).illnesses
    designated = {row["institution"]: row["designated"] for row in read(folder, "institutions")}
    poor = {row["person_id"] for row in read(folder, "statuses") if row["status"] in POOR}
    found = {}
    for row in read(folder, "claims"):
        if row["kind"] != "inpatient" or row["person_id"] not in poor or not row["diagnoses"]:
            continue
        for illness in designated.get(row["institution"], ()):
            if row["diagnoses"][0].startswith(tuple(listed[illness]["prefixes"].split(";"))):
                found[row["claim_id"]] = illness
    return found


def _paid(office: Any, person: UUID, row: Row, year: int) -> None:
    """Enter a resident's premium of the year, and of the next from who is still there."""
    from salus.insurance.services import enrolment

    if row["lapsed"]:
        return
    enrolment.pay_year(office, person, year, row["paid_on"], now=moment(row["paid_on"]))
    if not row["gone"]:
        again = date(year, 11, 3) + timedelta(days=person.int % 50)
        enrolment.pay_year(office, person, year + 1, again, now=moment(again))


def _payrolls(office: Any, staff: Mapping[UUID, Row], year: int) -> None:
    """Enter the employees' contributions month by month, as employers file them."""
    from salus.insurance.services import payroll

    wages = {person: _wage(row, year) for person, row in staff.items()}
    for number in range(1, 13):
        month = date(year, number, 1)
        due = {
            person: wages[person]
            for person, row in staff.items()
            if 0 <= number - _first_month(row, year) < row["months"]
        }
        day = month.replace(day=15)
        payroll.file_month(office, due, month, day, now=moment(day))


def _first_month(row: Row, year: int) -> int:
    return int(row["paid_on"].month) if row["paid_on"].year == year else 1


def _wage(row: Row, year: int) -> int:
    """Return the wage on which a contribution was reckoned, in fen."""
    from salus.insurance.eligibility import employee_contribution, load_rules

    unit = employee_contribution(load_rules(), row["category"], date(year, 1, 1), 1_000_000)
    rate = unit.own + unit.employer
    return (row["own"] + row["employer"]) // row["months"] * 1_000_000 // rate if rate else 1_000_000


def _reserves(office: Any, members: int, year: int) -> None:
    from salus.insurance.services import funds

    day = date(year, 1, 1)
    for fund, fen in _OPENING.items():
        funds.receive(office, fund, "reserve", fen * members, day, f"opening-{year}-{fund}", now=moment(day))


Claimed = tuple[Any, Any]


def _claims(
    folder: Path, members: Mapping[str, UUID], places: Mapping[str, Any], free: Mapping[str, str]
) -> list[Claimed]:
    """Return the members' claims as their institutions ask them, in the order of discharge."""
    from salus.insurance.services.claim_asked import AskedClaim, AskedLine

    mine = [
        row for row in read(folder, "claims")
        if row["person_id"] in members and row["institution"] in places
    ]  # fmt: skip
    wanted = {row["claim_id"] for row in mine}
    lines: dict[str, list[Any]] = defaultdict(list)
    for line in _lines(folder, wanted):
        lines[line["claim_id"]].append(
            AskedLine(
                line["line_no"], line["service_date"], line["item"], line["quantity"], line["unit_price"],
                line["charge"], line["department"] or "",
            )
        )  # fmt: skip
    return [
        (
            places[row["institution"]],
            AskedClaim(
                row["claim_id"], members[row["person_id"]], row["kind"], row["admitted"], row["discharged"],
                row["diagnoses"], row["charge"], lines[row["claim_id"]], row["procedures"], row["referral"],
                row["illness"] or free.get(row["claim_id"], ""),
                min(row["submitted"], month_end(row["discharged"])),
            ),
        )
        for row in sorted(mine, key=lambda row: (row["discharged"], row["claim_id"]))
    ]  # fmt: skip


def _lines(folder: Path, wanted: Iterable[str]) -> list[Row]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "claim_lines.parquet")
    rows: list[Row] = table.filter(pc.is_in(table["claim_id"], pa.array(sorted(wanted)))).to_pylist()
    return rows


def _illnesses(
    office: Any, folder: Path, members: Mapping[str, UUID], claims: Sequence[Claimed],
    places: Mapping[str, Any],
) -> None:  # fmt: skip
    """Register illnesses: of free treatment on admission, chronic ones where the member first came."""
    from salus.insurance.services import enrolment

    where = {}
    for place, asked in reversed(claims):
        if asked.illness:
            where[asked.person_id, asked.illness] = place
    for place, asked in claims:
        if asked.illness and asked.kind == "inpatient":
            enrolment.register_illness(
                office, asked.person_id, asked.illness, place, asked.admitted, now=moment(asked.admitted)
            )
    for row in read(folder, "registrations"):
        person = members.get(row["person_id"])
        place = where.get((person, row["illness"])) if person else None
        if person is not None and place is not None:
            enrolment.register_illness(
                office, person, row["illness"], place, row["starts"], now=moment(row["starts"])
            )


def _departures(office: Any, folder: Path, members: Mapping[str, UUID]) -> None:
    """End the memberships of who died or moved away within the year."""
    from salus.insurance.models import Enrolment
    from salus.insurance.services import enrolment

    going = {
        members[row["person_id"]]: (
            row["exit"] - timedelta(days=1),
            "death" if row["death_date"] else "moved",
        )
        for row in read(folder, "persons")
        if row["exit"] is not None and row["person_id"] in members
    }
    for held in Enrolment.objects.filter(person_id__in=list(going), end_date=None):
        last, reason = going[held.person_id]
        if last >= held.start_date:
            enrolment.leave(office, held.person_id, last, reason, now=moment(last))
