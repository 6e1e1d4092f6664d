"""Between the listener and the platform: whose message is it, store it, say what became of it."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections
from django.db.models import Q, QuerySet
from django.utils import timezone

from salus.connect.hl7v2.rules import triggers
from salus.connect.mllp.acknowledgement import Answer, refusal
from salus.connect.mllp.server import Frame, Receive
from salus.connect.models import SourceCredential, SourceSystem
from salus.connect.profiles import profile_of
from salus.connect.receipts import Incoming, Receipt
from salus.connect.services import receive

KEPT_FOR = 1.0  # seconds that a look-up of a source is believed: a revoked certificate is refused within it
STORED = Answer("AA")
UNKNOWN_SOURCE = Answer(
    "AE",
    "unknown-source",
    "no source system is registered for this sender",
    "MSH-3",
    "Register it, or its certificate, under Sources.",
)
NOT_ALLOWED = Answer(
    "AE", "certificate-required", "this source may only connect with its certificate", fix="Connect with it."
)


def receiver(source: str | None = None) -> Receive:
    """Return what an `MllpServer` calls to store a batch.

    With `source` (a code) every message is of that source system. Otherwise the client certificate names it;
    without a certificate, MSH-3 and MSH-4 do: a source whose code is MSH-3, MSH-4 or "MSH-4.MSH-3" (any
    case), or whose mapping says `[hl7v2] sender = "MSH-3|MSH-4"`. A source that has certificates is never
    believed by its name alone.
    """
    sources = _Sources(source)
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mllp-store")

    async def store(frames: list[Frame]) -> Sequence[Answer]:
        return await asyncio.get_running_loop().run_in_executor(worker, _store, sources, frames)

    triggers()  # read the tables before the first message waits for them
    return store


def _store(sources: "_Sources", frames: list[Frame]) -> list[Answer]:
    close_old_connections()
    answers: list[Answer] = [UNKNOWN_SOURCE] * len(frames)
    grouped: dict[int, tuple[SourceSystem, list[int]]] = {}
    for index, frame in enumerate(frames):
        found = sources.of(frame)
        if isinstance(found, Answer):
            answers[index] = found
        else:
            grouped.setdefault(found.pk, (found, []))[1].append(index)
    for source, indexes in grouped.values():
        items = [
            Incoming(frames[index].raw, via="mllp", received=frames[index].received) for index in indexes
        ]
        for index, receipt in zip(indexes, receive(source, items), strict=True):
            answers[index] = answer_of(receipt)
    return answers


def answer_of(receipt: Receipt) -> Answer:
    """Return what the sender is told of a receipt: AA only for what is in the record."""
    if receipt.accepted:
        return STORED
    return refusal(receipt.code or "not-taken", receipt.reason or "the message was not taken", receipt.where)


class _Sources:
    """Which source system a frame comes from, looked up at most once a second a sender."""

    def __init__(self, only: str | None) -> None:
        self.only = only
        self.known: dict[tuple[str, bytes], tuple[float, SourceSystem | Answer]] = {}

    def of(self, frame: Frame) -> SourceSystem | Answer:
        """Return the source of a frame, or the answer to a sender that has none."""
        key = (frame.peer.fingerprint, b"" if frame.peer.fingerprint or self.only else _sender(frame.raw))
        now = time.monotonic()
        held = self.known.get(key)
        if held is not None and now - held[0] < KEPT_FOR:
            return held[1]
        if len(self.known) > 10_000:
            self.known.clear()
        found = self._look_up(frame, key[1])
        self.known[key] = (now, found)
        return found

    def _look_up(self, frame: Frame, sender: bytes) -> SourceSystem | Answer:
        active = SourceSystem.objects.filter(active=True)
        if frame.peer.fingerprint:
            proven = _valid_certificates().filter(
                fingerprint__iexact=frame.peer.fingerprint, source__active=True
            )
            credential = proven.select_related("source").first()
            if credential is not None:
                if self.only and credential.source.code != self.only:
                    return UNKNOWN_SOURCE
                return credential.source
        source = active.filter(code=self.only).first() if self.only else _named(list(active), sender)
        if source is None:
            return UNKNOWN_SOURCE
        if _valid_certificates().filter(source=source).exists():
            return NOT_ALLOWED
        return source


def _valid_certificates() -> QuerySet[SourceCredential]:
    now = timezone.now()
    return SourceCredential.objects.filter(
        Q(valid_to=None) | Q(valid_to__gt=now),
        kind=SourceCredential.Kind.CERTIFICATE,
        revoked_at=None,
        valid_from__lte=now,
    )


def _sender(raw: bytes) -> bytes:
    line = raw[:2048].lstrip(b"\xef\xbb\xbf\r\n ").split(b"\r", 1)[0].split(b"\n", 1)[0]
    if not line.startswith(b"MSH") or len(line) < 8:
        return b""
    fields = line[4:].split(line[3:4])
    return b"|".join((fields + [b"", b"", b""])[1:3])


def _named(sources: list[SourceSystem], sender: bytes) -> SourceSystem | None:
    application, _, facility = sender.decode("utf-8", "replace").casefold().partition("|")
    application, facility = application.split("^")[0].strip(), facility.split("^")[0].strip()
    names = {name for name in (application, facility, f"{facility}.{application}") if name.strip(".")}
    declared = f"{application}|{facility}"
    for source in sources:
        options = profile_of(source).mapping.get("hl7v2")
        stated = options.get("sender") if isinstance(options, dict) else None
        if isinstance(stated, str) and stated.casefold() == declared:
            return source
    matching = [source for source in sources if source.code.casefold() in names]
    return matching[0] if len(matching) == 1 else None
