"""What the demonstration did, counted from the databases, and its linkage against the known truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Figures:
    """The summary: counts of messages and persons, and linkage precision and recall."""

    sources: int
    received: int
    stored: int
    repeated: int
    dead: int
    resources: int
    persons: int
    residents: int
    reviews: int
    precision: float
    recall: float
    members: int
    claims: int
    by_group: Sequence[tuple[str, ...]] = ()

    @property
    def balanced(self) -> bool:
        """Say whether each message is stored, repeated or dead."""
        return self.received == self.stored + self.repeated + self.dead

    def rows(self) -> list[tuple[str, str]]:
        """Return the summary's lines."""
        return [
            ("Source systems", f"{self.sources:,}"),
            ("Messages in", f"{self.received:,}"),
            ("  stored", f"{self.stored:,}"),
            ("  repeated", f"{self.repeated:,}"),
            ("  dead letters", f"{self.dead:,}"),
            ("Resources", f"{self.resources:,}"),
            ("Persons found", f"{self.persons:,}"),
            ("  in the truth", f"{self.residents:,}"),
            ("Pairs for review", f"{self.reviews:,}"),
            ("Insured members", f"{self.members:,}"),
            ("Claims settled", f"{self.claims:,}"),
            ("Linkage precision", f"{self.precision:.5f}"),
            ("Linkage recall", f"{self.recall:.5f}"),
        ]


def measure(folder: Path) -> Figures:
    """Count what the databases hold and score the links against the city's truth."""
    from salus.city.score import linkage
    from salus.connect.models import Message, SourceSystem
    from salus.insurance.models import Claim, Enrolment
    from salus.record.models import Person, PersonStatus, Resource, ReviewPair, ReviewStatus

    statuses = {
        status: Message.objects.filter(status=status).count() for status in ("stored", "repeated", "dead")
    }
    scored = linkage(folder / "truth", links())
    return Figures(
        sources=SourceSystem.objects.count(),
        received=Message.objects.count(),
        **statuses,
        resources=Resource.objects.filter(deleted=False, version__gt=0).count(),
        persons=Person.objects.filter(status=PersonStatus.ACTIVE).count(),
        residents=scored.residents,
        reviews=ReviewPair.objects.filter(status=ReviewStatus.OPEN).count(),
        precision=scored.precision,
        recall=scored.recall,
        members=Enrolment.objects.filter(end_date=None).count(),
        claims=Claim.objects.count(),
        by_group=scored.by_group,
    )


def links() -> Iterator[tuple[str, str]]:
    """Yield (id of the stored Patient, person) of every linked patient record."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "select r.id, l.person_id from record_patientlink l"
            " join record_resource r on r.rid = l.patient_rid"
        )
        while rows := cursor.fetchmany(10_000):
            yield from ((id_, str(person)) for id_, person in rows)
