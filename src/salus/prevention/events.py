"""What prevention tells other rooms and its own background work."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from salus.kernel.events import Event


@dataclass(frozen=True)
class CaseReported(Event):
    """A case of a notifiable disease was reported by an institution; nobody is named."""

    type: ClassVar[str] = "prevention.case-reported"

    case_id: int
    disease: str
    district_code: str
    institution_id: int | None


@dataclass(frozen=True)
class CaseClassified(Event):
    """A case came up (`before` is empty) or its status changed: suspected, probable, confirmed, discarded."""

    type: ClassVar[str] = "prevention.case-classified"

    case_id: int
    disease: str
    district_code: str
    before: str
    after: str


@dataclass(frozen=True)
class ContactAlert(Event):
    """A contact's visit found a temperature of 38.0 °C or more, or a symptom of the disease."""

    type: ClassVar[str] = "prevention.contact-alert"

    contact_id: int
    case_id: int
    disease: str
    district_code: str


@dataclass(frozen=True)
class OutbreakOpened(Event):
    """Cases were joined into an outbreak; `signal_id` is the signal that led to it, if one did."""

    type: ClassVar[str] = "prevention.outbreak-opened"

    outbreak_id: int
    disease: str
    district_code: str
    signal_id: int | None


@dataclass(frozen=True)
class OutbreakClosed(Event):
    """An outbreak is over."""

    type: ClassVar[str] = "prevention.outbreak-closed"

    outbreak_id: int
    disease: str
    district_code: str


@dataclass(frozen=True)
class ProgrammeEntered(Event):
    """A resident was registered for a programme; nobody is named."""

    type: ClassVar[str] = "prevention.programme-entered"

    entry_id: int
    programme: str
    origin: str
    institution_id: int | None
    district_code: str


@dataclass(frozen=True)
class ReferralAdvised(Event):
    """A visit's readings ask that the resident be seen in a hospital, at once if `urgent`."""

    type: ClassVar[str] = "prevention.referral-advised"

    entry_id: int
    programme: str
    institution_id: int | None
    urgent: bool


@dataclass(frozen=True)
class PregnancyAtRisk(Event):
    """A pregnancy's risk became another colour than green, or an infectious disease was found in it."""

    type: ClassVar[str] = "prevention.pregnancy-at-risk"

    entry_id: int
    colour: str
    infectious: bool
    institution_id: int | None


@dataclass(frozen=True)
class AdverseEventFound(Event):
    """Something untoward after a vaccination became known; nobody is named."""

    type: ClassVar[str] = "prevention.adverse-event"

    event_id: int
    product: str
    serious: bool
    institution_id: int | None


@dataclass(frozen=True)
class BatchRecalled(Event):
    """A batch of a vaccine was recalled."""

    type: ClassVar[str] = "prevention.batch-recalled"

    recall_id: int
    product: str
    batch_id: int
    doses: int


@dataclass(frozen=True)
class EmergencyDeclared(Event):
    """A person confirmed an event's grade (1 to 4; 5: to be reported only) and the response began."""

    type: ClassVar[str] = "prevention.emergency-declared"

    emergency_id: int
    kind: str
    disease: str
    district_code: str
    grade: int


@dataclass(frozen=True)
class EmergencyRegraded(Event):
    """A person confirmed another grade of an emergency."""

    type: ClassVar[str] = "prevention.emergency-regraded"

    emergency_id: int
    kind: str
    disease: str
    district_code: str
    before: int
    grade: int


@dataclass(frozen=True)
class EmergencyEnded(Event):
    """The response to an emergency ended."""

    type: ClassVar[str] = "prevention.emergency-ended"

    emergency_id: int
    kind: str
    disease: str
    district_code: str
    grade: int


@dataclass(frozen=True)
class FoodPoisoningFound(Event):
    """A food poisoning is known or its counts changed: for supervision, which inspects where it began.

    The same emergency comes again with each change; the latest counts hold.
    """

    type: ClassVar[str] = "prevention.food-poisoning"

    emergency_id: int
    district_code: str
    place: str
    units: list[str]
    began_on: date
    cases: int
    deaths: int


@dataclass(frozen=True)
class CasualtiesKnown(Event):
    """How many persons an emergency has hurt so far: for rescue, which sends and receives them.

    The same emergency comes again with each change; the latest counts hold.
    """

    type: ClassVar[str] = "prevention.casualties"

    emergency_id: int
    kind: str
    district_code: str
    place: str
    grade: int | None
    cases: int
    severe: int
    in_hospital: int
    deaths: int
