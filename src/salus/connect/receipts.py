"""What goes into `services.receive` and what comes out of it."""

from dataclasses import dataclass
from datetime import datetime

from salus.connect.errors import Untranslatable
from salus.connect.translation import Translation


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as it came in.

    `raw` is the sender's bytes. `via` is a `models.Via`. `position` is the line or row in its file, from 1.
    `translation` is given by readers that have understood the message already (a table's row); otherwise
    the source's translator is called. `digest` (16 bytes) replaces the digest of `raw` where the bytes
    alone do not say whether two messages are the same one.
    """

    raw: bytes
    via: str = "file"
    received: datetime | None = None
    position: int | None = None
    load_id: int | None = None
    credential_id: int | None = None
    translation: Translation | Untranslatable | None = None
    digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one message, after the commit.

    `status` is "stored", "repeated" or "dead". Of a repeat, `original_status` says what became of the
    first copy (a sender that repeats a dead letter is told its reason again). `code`, `reason` and
    `where` are set on dead letters and on repeats of them.
    """

    message_id: int
    status: str
    kind: str = ""
    control_id: str = ""
    code: str = ""
    reason: str = ""
    where: str = ""
    warnings: tuple[str, ...] = ()
    resources: int = 0
    original_id: int | None = None
    original_status: str = ""

    @property
    def accepted(self) -> bool:
        """Return whether the message's content is in the record (so a sender may forget it)."""
        return self.status == "stored" or (self.status == "repeated" and self.original_status == "stored")
