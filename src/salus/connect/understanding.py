"""Understanding a message: translated, validated, references rewritten. Nothing here asks the database."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b

from salus.connect import ledger
from salus.connect.errors import Untranslatable
from salus.connect.preparing import Prepared, prepare
from salus.connect.profiles import translate
from salus.connect.receipts import Incoming
from salus.connect.translation import SourceProfile, Translation
from salus.kernel.errors import SalusError
from salus.record import store

CODER_FAULTS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RecursionError,
    OverflowError,
)
"""What a translator raises over a message that nobody thought of."""


@dataclass(slots=True)
class Arrival:
    """One message on its way through the pipeline."""

    item: Incoming
    digest: bytes
    received: datetime
    load_id: int | None = None
    translation: Translation | None = None
    prepared: Prepared | None = None
    fault: SalusError | None = None
    id: int = 0
    status: str = ""
    original: ledger.Known | None = None
    twin: "Arrival | None" = None
    written: list[store.Written] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """Return what was odd about a message that was stored all the same."""
        return [*(self.prepared.warnings if self.prepared else ()), *self.notes]


def digest_of(raw: bytes) -> bytes:
    """Return the 16 bytes by which the same message is known again."""
    return blake2b(raw, digest_size=16).digest()


def arrival_of(item: Incoming) -> Arrival:
    """Return a message at the beginning of its way."""
    received = item.received or datetime.now(UTC)
    return Arrival(item, item.digest or digest_of(item.raw), received, item.load_id)


def understand(arrival: Arrival, profile: SourceProfile) -> None:
    """Translate and prepare one message; what fails is kept as its fault."""
    given = arrival.item.translation
    try:
        if isinstance(given, Untranslatable):
            raise given
        arrival.translation = given if given is not None else translate(arrival.item.raw, profile)
        if not any(entry.condition for entry in arrival.translation.entries):
            arrival.prepared = prepare(profile.code, arrival.translation)
    except SalusError as fault:
        arrival.fault = fault
    except CODER_FAULTS as fault:
        arrival.fault = unexpected(fault)


def unexpected(fault: Exception) -> Untranslatable:
    """Return the fault of a message that a translator stumbled over."""
    return Untranslatable(
        "not-understood",
        f"the message could not be read ({type(fault).__name__})",
        fix="Report it with the message's number; it is kept and can be replayed.",
    )
