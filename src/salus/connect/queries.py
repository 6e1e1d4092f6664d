"""What can be asked about sources and the flow of messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from salus.connect.models import FlowCount, Message, SourceSystem, Status


@dataclass(frozen=True, slots=True)
class Flow:
    """What came in: messages received and what became of them."""

    received: int
    stored: int
    repeated: int
    dead: int
    resources: int = 0

    @property
    def balances(self) -> bool:
        """Return whether every message received is accounted for."""
        return self.received == self.stored + self.repeated + self.dead


def flow(source: SourceSystem | None = None, *, since: Any = None) -> Flow:
    """Return the counts kept with each batch, of one source or all, since a day or ever."""
    counts = FlowCount.objects.all()
    if source is not None:
        counts = counts.filter(source=source)
    if since is not None:
        counts = counts.filter(day__gte=since)
    names = ("received", "stored", "repeated", "dead", "resources")
    sums = counts.aggregate(**{name: Coalesce(Sum(name), 0) for name in names})
    return Flow(**{name: int(sums[name]) for name in names})


def recount(source: SourceSystem | None = None) -> Flow:
    """Return the same counts from the messages themselves: the second way of counting."""
    messages = Message.objects.all() if source is None else Message.objects.filter(source=source)
    by_status = dict(messages.order_by().values_list("status").annotate(count=Count("id")))
    resources = messages.aggregate(total=Coalesce(Sum("resources"), 0))["total"]
    return Flow(
        sum(by_status.values()),
        by_status.get(Status.STORED, 0),
        by_status.get(Status.REPEATED, 0),
        by_status.get(Status.DEAD, 0),
        resources,
    )


def counts_balance() -> bool:
    """Return whether both ways of counting agree and add up, for every source."""
    for source in SourceSystem.objects.all():
        kept, counted = flow(source), recount(source)
        if kept != counted or not kept.balances:
            return False
    return True


def error_rate(source: SourceSystem, *, window: timedelta = timedelta(hours=1)) -> float | None:
    """Return the share of dead letters among a source's messages of the window; None if there were none."""
    recent = Message.objects.filter(source=source, received_at__gte=datetime.now(UTC) - window)
    counts = recent.aggregate(all=Count("id"), dead=Count("id", filter=Q(status=Status.DEAD)))
    return counts["dead"] / counts["all"] if counts["all"] else None


def source_rows() -> Iterator[dict[str, Any]]:
    """Yield each source with its counts ever and the share of dead letters."""
    for source in SourceSystem.objects.select_related("institution"):
        came = flow(source)
        yield {
            "code": source.code,
            "name": source.name,
            "institution": source.institution.name if source.institution else "",
            "format": source.format,
            "last_heard": f"{source.last_heard:%Y-%m-%d %H:%M:%S}" if source.last_heard else "",
            "received": came.received,
            "stored": came.stored,
            "repeated": came.repeated,
            "dead": came.dead,
            "error_rate": f"{came.dead / came.received:.4f}" if came.received else "",
        }
