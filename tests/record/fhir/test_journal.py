"""The journal's place around a source's writes: opened, closed, repeated, refused."""

from collections.abc import Sequence
from typing import Any

import pytest

from salus.record.fhir import journal
from salus.record.fhir.journal import Arrival, Closing, Opened, Reply
from salus.record.models import Resource
from tests.record.fhir.conftest import DATABASES, Client, World, bearer, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)


class Notebook:
    """A journal in memory that knows a repeat by its bytes."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[Arrival, Reply | None]] = {}
        self.refused: list[tuple[Arrival, str]] = []

    def open(self, cursor: Any, arrivals: Sequence[Arrival]) -> list[Opened]:
        return [self.one(arrival) for arrival in arrivals]

    def one(self, arrival: Arrival) -> Opened:
        for number, (first, reply) in self.kept.items():
            if arrival.repeatable and (first.target, first.body) == (arrival.target, arrival.body):
                return Opened(number, reply)
        self.kept[len(self.kept) + 1] = (arrival, None)
        return Opened(len(self.kept))

    def close(self, cursor: Any, closings: Sequence[Closing]) -> None:
        for closing in closings:
            number = closing.opened.message_id or 0
            self.kept[number] = (self.kept[number][0], closing.reply)

    def refuse(self, arrival: Arrival, reply: Reply, code: str, reason: str) -> None:
        self.refused.append((arrival, code))


def test_writes_of_sources_are_kept_and_repeats_answered_alike(
    http: Client, world: World, his: dict[str, str]
) -> None:
    notebook = Notebook()
    journal.register(notebook)
    first = http.post("Patient", patient(), his)
    again = http.post("Patient", patient(), his)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert Resource.objects.count() == 1
    assert Resource.objects.get().message_id == 1
    http.put("Patient/p", patient(id="p"), his)
    http.put("Patient/p", patient(id="p", active=True), his)
    assert http.put("Patient/p", patient(id="p"), his).headers["etag"] == 'W/"3"'  # A, B, A are three wishes
    assert http.put("Patient/q", patient(id="q", gender="blue"), his).status_code == 422
    assert [(one.target, code) for one, code in notebook.refused] == [("Patient/q", "fhir-structure")]
    clinician = world.account("clinician", institution=world.hospital)
    before = len(notebook.kept)
    http.put("Patient/p", patient(id="p", active=False), bearer(world.token(clinician)))
    assert len(notebook.kept) == before  # people's writes are no messages
