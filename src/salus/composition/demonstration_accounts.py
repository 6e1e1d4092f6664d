"""Demonstration accounts, one a role, at places of the synthetic city where there is something to see."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WORDS = (
    "river",
    "maple",
    "lantern",
    "harbour",
    "orchid",
    "granite",
    "meadow",
    "cinnamon",
    "violet",
    "summit",
)
FILE = "demo-accounts.json"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account stands: its institution, district, register entry or person."""

    institution: Any = None
    district: Any = None
    staff: Any = None
    person_id: Any = None


def ensure(data_dir: Path) -> dict[str, str]:
    """Make an account for each role that has none yet; return every user name with its password.

    The passwords are drawn here, once an installation, and kept readable by its owner only.
    """
    from salus.kernel.models import Account, Role
    from salus.kernel.policy import system_principal
    from salus.kernel.services.accounts import create_account, grant_role

    file = data_dir / "keys" / FILE
    if file.exists():
        held: dict[str, str] = json.loads(file.read_text())
        return held
    principal, accounts = system_principal("demonstration"), {}
    places = _places()
    for role in Role:
        name, place = role.value.replace("_", "-"), places.get(role.value, Place())
        password = "-".join(secrets.choice(WORDS) for _ in range(3)) + f"-{secrets.randbelow(10_000):04d}"
        account = Account.objects.filter(username=name).first() or create_account(
            principal,
            name,
            password=password,
            display_name=str(role.label),
            institution=place.institution,
            district=place.district,
            staff=place.staff,
            person_id=place.person_id,
        )
        account.set_password(password)
        account.save(update_fields=["password"])
        grant_role(
            principal,
            account,
            role.value,
            institution=place.institution,
            district=place.district,
            whole_city=role == Role.EPIDEMIOLOGIST,
        )
        accounts[name] = password
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as kept:
        json.dump(accounts, kept, indent=1)
    return accounts


def _places() -> dict[str, Place]:
    """Return for each role the place with the most to see."""
    from salus.kernel.models import Institution, Role, Staff

    hospital = Institution.objects.filter(pk=_first(BUSIEST)).first()
    doctor = Staff.objects.filter(code=_first(MOST_CONTRACTED)).select_related("institution").first()
    return {
        Role.CLINICIAN: Place(institution=hospital, staff=Staff.objects.filter(institution=hospital).first()),
        Role.MANAGER: Place(institution=hospital),
        Role.VILLAGE_DOCTOR: Place(institution=doctor.institution if doctor else hospital, staff=doctor),
        Role.RESIDENT: Place(person_id=_first(FULLEST_INSURED) or _first(FULLEST)),
    }


BUSIEST = (
    "select c.institution_id from record_carerelation c join kernel_institution i on i.id = c.institution_id"
    " where i.kind = 'general_hospital' group by c.institution_id order by count(*) desc limit 1"
)
MOST_CONTRACTED = (
    "select c.code from record_contract c join kernel_staff s on s.code = c.code"
    " group by c.code order by count(*) desc, c.code limit 1"
)
FULLEST_INSURED = (
    "select r.person_id from record_resource r join insurance_claim c on c.person_id = r.person_id"
    " group by r.person_id having count(distinct c.id) >= 3"
    " order by count(distinct r.source_id) desc, count(distinct c.id) desc, r.person_id limit 1"
)
FULLEST = (
    "select person_id from record_resource where person_id is not null"
    " group by person_id order by count(distinct source_id) desc, count(*) desc limit 1"
)


def _first(query: str) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return row[0] if row else None


def show(console: Console, accounts: dict[str, str]) -> None:
    """Print the accounts for signing in."""
    table = Table("User", "Password", title="Demonstration accounts (this installation only)")
    for name, password in accounts.items():
        table.add_row(name, password)
    console.print(table)
