"""A small city for tenders: districts, hospitals, a purchasing organisation, suppliers, and who acts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from salus.insurance.models import Bidder, Supplier, Tender, TenderGroup
from salus.insurance.services import procurement
from salus.insurance.tender import sealing
from salus.insurance.tender.sealing import Sealed
from salus.kernel import audit, policy
from salus.kernel.models import District, Institution
from salus.kernel.policy import Grant, Principal
from tests.kernel.rounds import pass_deadline

MET = {
    "authorisation": "yes", "evaluated": "yes", "gmp": "yes", "quality": "yes", "credit": "yes",
    "capacity": "1000000000",
}  # fmt: skip


def now() -> datetime:
    """Return the moment, in the city's own time: its date is the one that the platform goes by."""
    return timezone.localtime()


def person(role: str, institution: Institution | None = None) -> Principal:
    number = institution.pk if institution else None
    return Principal(
        name=f"{role}-{number or 0}", roles=frozenset({role}),
        institution_ids=frozenset({number}) if number else frozenset(), grants=(Grant(role, number),),
    )  # fmt: skip


@dataclass
class Scene:
    """A tender on its way, with those who act on it."""

    officer: Principal
    hospitals: list[Institution]
    suppliers: list[Supplier]
    tender: Tender
    group: TenderGroup
    bidders: dict[str, Bidder] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    sealed: dict[str, Sealed] = field(default_factory=dict)

    def announce(self, seconds: float = 600, opening: float = 600, **more: Any) -> None:
        at = now()
        self.tender = procurement.announce(
            self.officer, self.tender, now=at, commit_until=at + timedelta(seconds=seconds),
            reveal_until=at + timedelta(seconds=seconds + opening), **more,
        )  # fmt: skip

    def admit(self, count: int, answers: Mapping[str, str] = MET) -> None:
        for supplier in self.suppliers[:count]:
            made = procurement.admit(
                self.officer, self.tender, supplier, [self.group], answers, now=now(),
                evaluated=date(2020, 1, 1),
            )  # fmt: skip
            self.bidders[supplier.code], self.tokens[supplier.code] = made.bidder, made.token

    def seal(self, supplier: str, fen: int, **more: Any) -> Sealed:
        assert self.tender.round is not None
        words = sealing.payload(
            self.tender.code, self.group.code, supplier,
            **{"strength": "5 mg", "pack": 28, "price_fen": fen, **more},
        )  # fmt: skip
        made = sealing.seal(
            self.tender.round.code, self.group.code, supplier, words, key=self.tender.public_key
        )
        self.sealed[supplier] = made
        return made

    def bid(self, supplier: str, fen: int, **more: Any) -> Sealed:
        made = self.seal(supplier, fen, **more)
        bidder = procurement.bearer(self.tender.code, self.tokens[supplier])
        procurement.submit_bid(bidder, self.group.code, made.digest, now=now(), envelope=made.envelope)
        return made

    def close(self) -> None:
        assert self.tender.round is not None
        pass_deadline(self.tender.round)

    def open(self, supplier: str) -> None:
        opening = self.sealed[supplier].opening
        procurement.open_bid(
            self.bidders[supplier], self.group.code, opening.nonce, opening.payload, now=now()
        )


@pytest.fixture
def data_dir(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Keys and heads in a folder of this test."""
    settings.DATA_DIR = tmp_path
    policy.forget()
    yield tmp_path
    audit.close()


@pytest.fixture
def scene(db: None, data_dir: Path) -> Scene:
    """A tender with one group and demand of three hospitals in two districts; five suppliers."""
    return make_scene()


def make_scene() -> Scene:
    districts = [
        District.objects.create(code=f"44030{n}", name=f"区{n}", name_en=f"District {n}") for n in (3, 4)
    ]
    hospitals = [
        Institution.objects.create(
            code=f"H{n}", name=f"医院{n}", name_en=f"Hospital {n}", kind="general_hospital",
            district=districts[n % 2],
        )
        for n in range(3)
    ]  # fmt: skip
    suppliers = [
        Supplier.objects.create(code=f"S{n}", name=f"药企{n}", name_en=f"Maker {n}") for n in range(5)
    ]
    officer = person("fund_officer")
    tender = procurement.create_tender(
        officer, code="T2026", name="带量采购", name_en="Round 1", ruleset="national-2021",
        demand_until=now().date() + timedelta(days=1), now=now(),
    )  # fmt: skip
    group = procurement.add_group(
        officer, tender, code="G1", molecule="氨氯地平", molecule_en="Amlodipine", form="片剂", atc="C08CA01",
        reference="5 mg", pack=28, ceiling=2800, old_price=2520,
    )  # fmt: skip
    for hospital, packs in zip(hospitals, (1000, 500, 7), strict=True):
        procurement.report_demand(
            person("manager", hospital), group, hospital, strength="5 mg", pack=28, packs=packs, now=now()
        )
    return Scene(officer, hospitals, suppliers, tender, group)
