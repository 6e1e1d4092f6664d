"""A mother who is pregnant, an infant, and those who look after them."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

from salus.kernel.models import Institution
from salus.kernel.policy import Grant, Principal
from salus.prevention.models import Holding, ProgrammeEntry
from salus.prevention.services.programme import entering
from salus.prevention.services.vaccines import stock
from salus.prevention.services.vaccines.stock import Receipt
from salus.record.store import Write
from tests.insurance.claims.world import resident_number
from tests.prevention.programme import world
from tests.prevention.programme.world import EAST, NOW, TODAY, WEST, World, village_doctor, write

LMP = date(2025, 9, 1)  # expected on 8 June 2026
BORN = date(2025, 6, 10)


GIVEN = "梅兰竹菊松柏桃李杏梨枫桐榆柳槐桂荷莲蓉薇芸芳"


@dataclass
class Family:
    """A city's district, a pregnant resident, an infant with its registrations."""

    city: World
    mother: UUID
    infant: UUID
    pregnancy: ProgrammeEntry
    child: ProgrammeEntry
    immunisation: ProgrammeEntry

    @property
    def doctor(self) -> Principal:
        """The doctor of the eastern centre."""
        return village_doctor(self.city.east)

    @property
    def stranger(self) -> Principal:
        """The doctor of the western centre."""
        return village_doctor(self.city.west)


def epidemiologist(district: str | None = None) -> Principal:
    """Return disease control."""
    return Principal(
        name="epi",
        roles=frozenset({"epidemiologist"}),
        account_id=1,
        district_codes=frozenset({district}) if district else frozenset(),
        grants=(Grant("epidemiologist", None, district),),
    )


def planner() -> Principal:
    """Return the health commission's committee."""
    return Principal(
        name="plan", roles=frozenset({"planner"}), account_id=9, grants=(Grant("planner", None, None),)
    )


def resident(person: UUID) -> Principal:
    """Return a resident who is signed in."""
    return Principal(
        name="resident",
        roles=frozenset({"resident"}),
        account_id=7,
        person_id=person,
        grants=(Grant("resident", None, None),),
    )


def patient(number: int, *, birth: str, sex: str = "female") -> Write:
    """Return a resident as the hospital sends her; each has a name, a number and a telephone of her own."""
    name = GIVEN[number % len(GIVEN)] + GIVEN[(number * 7 + 3) % len(GIVEN)]
    body = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": resident_number(number)}],
        "name": [{"text": f"王{name}", "family": "王", "given": [name]}],
        "gender": sex,
        "birthDate": birth,
        "telecom": [{"system": "phone", "value": f"1390000{number:04d}"}],
        "address": [
            {
                "use": "home",
                "text": f"西山街{number}号",
                "district": EAST,
                "extension": [{"url": "urn:salus:extension:district", "valueCode": EAST}],
            }
        ],
    }
    return Write("Patient", f"n{number}", body, source_id=1)


def build() -> Family:
    """Build the district with the family."""
    city = world.build(2)
    mother = write(patient(40, birth="1996-02-03"))[0]
    infant = write(patient(41, birth=BORN.isoformat()))[0]
    doctor = village_doctor(city.east)

    def entered(person: UUID, programme: str, day: date) -> ProgrammeEntry:
        return entering.open_entry(doctor, entering.Entering(person, programme, day), now=NOW)

    return Family(
        city,
        mother,
        infant,
        entered(mother, "pregnancy", LMP),
        entered(infant, "child", BORN),
        entered(infant, "immunisation", BORN),
    )


def receipt(
    number: str = "B1",
    quantity: int = 10,
    expires: date = date(2026, 12, 31),
    *,
    product: str = "MMR",
    fridge: str = "A",
    maker: str = "Maker",
) -> Receipt:
    """Return doses that come."""
    return Receipt(uuid4(), product, number, maker, expires, fridge, quantity, TODAY)


def received(principal: Principal, place: Institution, *args: object, **more: object) -> Holding:
    """Receive doses."""
    return stock.receive(principal, place, receipt(*args, **more), now=NOW)  # type: ignore[arg-type]


__all__ = [
    "BORN",
    "EAST",
    "LMP",
    "NOW",
    "TODAY",
    "WEST",
    "Family",
    "build",
    "epidemiologist",
    "patient",
    "planner",
    "receipt",
    "received",
    "resident",
    "village_doctor",
    "write",
]
