"""The demonstration's payment by group, comparison of methods, service prices and procurement."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.progress import Progress

from salus.composition.demonstration_insurance import OFFICE, build, moment, read, year_of

TABLES = ("catalogue", "institutions", "persons", "coverage", "statuses", "registrations")
PRICED = 160
"""Services whose prices are studied: enough to search in, and soon solved."""
GROUPS = 9
"""Groups of a tender: one of each kind that the city draws."""
LEAST_SECONDS, MARGIN, TRIES = 4.0, 5, 4
"""Seconds for sealed bids at least; times what drawing up the tender took on this machine; how often, each
time five times longer, if it was too slow nevertheless."""
SUPPLIERS = (
    ("东澜制药", "Donglan Pharmaceutical"),
    ("海曙药业", "Haishu Pharma"),
    ("青岬生物", "Qingjia Biotech"),
    ("云栖制药", "Yunqi Pharmaceutical"),
    ("白鹭药业", "Bailu Pharma"),
    ("松涛制药", "Songtao Pharmaceutical"),
    ("望川药业", "Wangchuan Pharma"),
    ("南屿生物", "Nanyu Biotech"),
    ("金汐制药", "Jinxi Pharmaceutical"),
    ("澄湖药业", "Chenghu Pharma"),
    ("北辰岛制药", "Beichendao Pharmaceutical"),
    ("星港药业", "Xinggang Pharma"),
    ("石桥生物", "Shiqiao Biotech"),
)
"""Invented bidders, in the order of their codes."""


def work_out(folder: Path, residents: int, seed: int) -> None:
    """Draw the city's insurance and write its settlement beside it, as far as they are not there yet."""
    build(folder, residents, seed)
    _worked_out(folder, year_of(folder))


def settle_by_group(folder: Path, year: int) -> None:
    """Settle the year's stays by DRG and compare the methods, record both, and publish the settlement."""
    from salus.insurance.models import PaymentComparison, PublicationState
    from salus.insurance.services import settlement
    from salus.kernel.errors import Conflict
    from salus.kernel.policy import system_principal

    office, now = system_principal(OFFICE), moment(date(year + 1, 1, 20))
    pilots = _worked_out(folder, year)
    try:
        run = settlement.record_settlement(office, folder / "settled", year=year, now=now)
    except Conflict:
        run = None
    if run is not None and run.state != PublicationState.PUBLISHED:
        settlement.publish(office, run, now=now + timedelta(days=2))
    if not PaymentComparison.objects.exists():
        settlement.record_comparison(
            office, folder / "compared.parquet", title="按DRG付费试点 · DRG pilot", year=year,
            options={"pilot": list(pilots)}, now=now + timedelta(days=3),
        )  # fmt: skip


def _worked_out(folder: Path, year: int) -> tuple[str, ...]:
    """Write the settlement and the comparison beside the city's insurance; return the pilots' codes."""
    from salus.engine import duckdb_engine
    from salus.insurance.dip import parameters as dip_parameters
    from salus.insurance.payment import output, parameters, reading, running, simulation

    cases, day = folder / "grouped.parquet", date(year, 12, 31)
    rule = parameters.parameters("rate", on=day)
    with duckdb_engine(threads=1) as engine:
        if not cases.exists():
            _group(engine, folder, year)
        engine.register("grouped", cases)
        billed = engine.run("select insured, sum(fund) as fund from grouped group by insured").to_pylist()
        found = engine.run(
            "select institution from grouped where tier = 'tertiary' group by institution order by 1 limit 2"
        )
        if not (folder / "settled").exists():
            budget = {row["insured"]: int(row["fund"]) for row in billed}
            running.settle(engine, running.Asked(cases, folder / "settled", budget), rule, day)
    pilots = tuple(found.column(0).to_pylist())
    if not (folder / "compared.parquet").exists():
        with duckdb_engine(threads=1) as engine:
            reading.read_cases(engine, cases, needs=("drg", "dx", "tier"))
            made = simulation.simulate(
                engine, rule, dip_parameters.parameters(on=day), dip_parameters.catalogues(),
                pilot=simulation.Pilot(pilots),
            )  # fmt: skip
            output.write(folder / "compared.parquet", made.compared)
    return pilots


def _group(engine: Any, folder: Path, year: int) -> None:
    """Group the year's stays, with what the funds would pay for each by item."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from salus.insurance.adjudication import adjudicate_batch
    from salus.insurance.adjudication.rules import load_rules
    from salus.insurance.drg import group
    from salus.insurance.scheme import starter_scheme

    day = date(year + 1, 3, 1)
    claims = pq.read_table(folder / "claims.parquet")
    claims = claims.filter(pc.equal(claims["kind"], "inpatient"))
    lines = pq.read_table(folder / "claim_lines.parquet")
    lines = lines.filter(pc.is_in(lines["claim_id"], claims["claim_id"].combine_chunks()))
    tables = {name: folder / f"{name}.parquet" for name in TABLES} | {"claims": claims, "claim_lines": lines}
    decided = adjudicate_batch(tables, load_rules(as_of=day), as_of=day, engine=engine)
    engine.register("found", group(engine, folder / "cases.parquet", starter_scheme()))
    engine.register("cases", folder / "cases.parquet")
    engine.register("decided", decided.claims)
    engine.write(
        "select c.*, c.person_id as person, d.basic + d.serious as fund, f.mdc, f.adrg, f.drg"
        " from cases c join found f on c.id = f.id"
        " join decided d on d.claim_id = c.claim_id where d.outcome = 'paid'",
        folder / "grouped.parquet",
    )


def set_prices(folder: Path, seed: int, year: int) -> None:
    """Publish the city's list of prices, study new ones, and draft the list that follows from them."""
    from salus.city.insurance.prices import write
    from salus.insurance.models import PriceBasis, PriceList, PriceStudy
    from salus.insurance.services import prices
    from salus.kernel.policy import system_principal

    office, day = system_principal(OFFICE), date(year + 1, 1, 12)
    basis = PriceBasis.objects.first()
    if basis is None:
        services, volumes, freed = write(_priced(folder, seed), folder / "prices")
        basis = prices.record_basis(
            office,
            services,
            volumes,
            freed,
            title=f"{year}年医疗服务项目 · Services {year}",
            year=year,
            now=moment(day),
        )
    if not PriceList.objects.exists():
        first = date(year, 1, 1)
        made = prices.draft_from_basis(
            office, basis, title=f"{year}年医疗服务价格 · Service prices {year}", now=moment(first)
        )
        prices.publish(office, made, effective_from=first, today=first, now=moment(first))
    study = PriceStudy.objects.first() or prices.ask(
        office, basis, {}, title="药品零差率后的价格调整 · After the end of mark-ups", now=moment(day)
    )
    prices.run_study(study.pk)
    study.refresh_from_db()
    if not PriceList.objects.filter(study=study).exists():
        prices.draft_from_study(
            office, study, title=f"{year + 1}年医疗服务价格 · Service prices {year + 1}", now=moment(day, 15)
        )


def _priced(folder: Path, seed: int) -> Any:
    """Return a year of services at the city's own hospitals."""
    import numpy as np

    from salus.city.insurance.prices import price_city

    ours: dict[str, list[str]] = {"tier3": [], "tier2": [], "tier1": []}
    for row in read(folder, "institutions"):
        ours[f"tier{max(1, row['tier'])}"].append(row["institution"])
    drawn = price_city(seed, services=PRICED, hospitals=max(3, min(60, sum(map(len, ours.values())))))
    keep, hospitals = [], []
    for place, (_code, tier) in enumerate(drawn.hospitals):
        if ours[tier]:
            keep.append(place)
            hospitals.append((ours[tier].pop(0), tier))
    index = np.array(keep)
    return replace(
        drawn, hospitals=tuple(hospitals), volumes=drawn.volumes[:, index], freed=drawn.freed[index]
    )


class Procurement:
    """Three tenders: one to be decided when its short deadline is over, one sealed, one asking for demand."""

    def __init__(self, seed: int) -> None:
        from salus.kernel.policy import system_principal

        self.office, self.seed = system_principal(OFFICE), seed
        self.due: tuple[Any, list[dict[str, str]]] | None = None

    def begin(self) -> None:
        """Announce the tenders and take their bids; the first one's deadline is seconds away."""
        from salus.insurance.models import Tender

        year = datetime.now().astimezone().year
        if not Tender.objects.filter(state=Tender.State.DECIDED).exists():
            self._short(year)
        if not Tender.objects.filter(code=f"LL{year}-B").exists():
            tender, groups, bids = self._drafted(
                f"LL{year}-B", self.seed + 1, "慢性病用药集中带量采购", "Medicines for chronic illnesses"
            )
            self._announced(tender, timedelta(days=14))
            self._sealed(tender, groups, bids)
        if not Tender.objects.filter(code=f"LL{year}-C").exists():
            self._drafted(f"LL{year}-C", self.seed + 2, "抗感染用药集中带量采购", "Anti-infectives", 20)

    def _short(self, year: int) -> None:
        from salus.insurance.models import Tender
        from salus.insurance.services import procurement
        from salus.kernel.errors import Conflict

        for unfinished in Tender.objects.filter(
            code__startswith=f"LL{year}-A", state__in=("draft", "announced")
        ):
            procurement.cancel(self.office, unfinished, "中断后重新开展")  # its bids' secrets are lost
        for attempt in range(TRIES):
            number = Tender.objects.filter(code__startswith=f"LL{year}-A").count() + 1
            begun = time.monotonic()
            tender, groups, bids = self._drafted(
                f"LL{year}-A{number}", self.seed, "常用药品集中带量采购", "Common medicines"
            )
            seconds = max(LEAST_SECONDS, MARGIN * (time.monotonic() - begun)) * 5**attempt
            self._announced(tender, timedelta(seconds=seconds))
            try:
                self.due = tender, self._sealed(tender, groups, bids)
            except Conflict:
                procurement.cancel(self.office, tender, "投标时间不足")
            else:
                return

    def finish(self) -> None:
        """Open the first tender's bids after its deadline and decide it."""
        from salus.insurance.services import procurement

        if self.due is None:
            return
        tender, openings = self.due
        tender.refresh_from_db()
        while (left := (tender.round.commit_until - _now()).total_seconds()) > -0.1:
            time.sleep(max(0.1, left))
        procurement.open_many(self.office, tender, openings, now=_now())
        procurement.decide(self.office, tender, starts=_now().date() + timedelta(days=30), now=_now())

    def _drafted(
        self, code: str, seed: int, name: str, name_en: str, demand_days: int = 1
    ) -> tuple[Any, Mapping[Any, Any], Any]:
        """Make a tender with its groups and the demand of the city's hospitals."""
        from salus.city.insurance.tender import tender_round
        from salus.insurance.services import procurement
        from salus.kernel.models import Institution
        from salus.kernel.money import to_fen

        kinds = (
            "general_hospital",
            "tcm_hospital",
            "maternal_child",
            "specialty_hospital",
            "community_centre",
        )
        places = {one.code: one for one in Institution.objects.filter(kind__in=kinds).order_by("code")[:40]}
        drawn = tender_round(seed, GROUPS, [(one.code, one.district_id or "") for one in places.values()])
        tender = procurement.create_tender(
            self.office, code=code, name=name, name_en=name_en, ruleset="national-2021",
            demand_until=_now().date() + timedelta(days=demand_days), now=_now(),
        )  # fmt: skip
        lowest = {
            row["group"]: min(to_fen(str(bid["price"])) for bid in drawn.bids if bid["group"] == row["group"])
            for row in drawn.groups
        }
        groups = {}
        for number, row in enumerate(drawn.groups, 1):
            # The city's ceilings lie far off where they are not to bind; here savings are to be looked at.
            ceiling = to_fen(str(row["ceiling"]))
            if row["kind"] not in ("dear", "cut", "penny", "ceiling"):
                ceiling = min(ceiling, 3 * lowest[row["group"]])
            groups[row["group"]] = procurement.add_group(
                self.office, tender, code=f"G{number}", molecule=str(row["molecule_zh"]),
                molecule_en=str(row["molecule"]), form="口服常释剂型 (oral)", reference=str(row["reference"]),
                pack=int(str(row["pack"])), ceiling=ceiling, old_price=ceiling * 5 // 4,
            )  # fmt: skip
        for row in drawn.demand:
            packs = 1 + int(str(row["packs"])) // 40  # a city of thousands, not of millions
            procurement.report_demand(
                self.office, groups[row["group"]], places[str(row["institution"])],
                strength=str(row["strength"]), pack=int(str(row["pack"])), packs=packs, now=_now(),
            )  # fmt: skip
        return tender, groups, drawn.bids

    def _announced(self, tender: Any, time_for_bids: timedelta) -> None:
        from salus.insurance.services import procurement

        now = _now()
        procurement.announce(
            self.office, tender, now=now, commit_until=now + time_for_bids,
            reveal_until=now + time_for_bids + timedelta(days=2),
        )  # fmt: skip
        tender.refresh_from_db()

    def _sealed(
        self, tender: Any, groups: Mapping[Any, Any], bids: Sequence[Mapping[str, object]]
    ) -> list[dict[str, str]]:
        """Admit the bidders, hand in their sealed bids, and return what opens them, which they keep."""
        from salus.insurance.models import Bidder
        from salus.insurance.services import procurement
        from salus.insurance.tender import sealing
        from salus.kernel.money import to_fen

        openings = []
        for bid in bids:
            code, group = str(bid["supplier"]), groups[str(bid["group"])]
            name, name_en = SUPPLIERS[int(code[1:]) % len(SUPPLIERS)]
            supplier = procurement.enter_supplier(self.office, code, name, name_en)
            met = "yes" if bid["qualified"] == "yes" else "no"
            answers = dict.fromkeys(("authorisation", "gmp", "quality", "credit"), "yes")
            procurement.admit(
                self.office, tender, supplier, [group],
                answers | {"evaluated": met, "capacity": "1000000000"}, now=_now(),
                evaluated=date.fromisoformat(str(bid["evaluated"])), demand=int(str(bid["demand"])),
            )  # fmt: skip
            words = sealing.payload(
                tender.code, group.code, code, strength=str(bid["strength"]), pack=int(str(bid["pack"])),
                price_fen=to_fen(str(bid["price"])),
            )  # fmt: skip
            made = sealing.seal(tender.round.code, group.code, code, words)
            bidder = Bidder.objects.get(tender=tender, supplier=supplier)
            procurement.submit_bid(bidder, group.code, made.digest, now=_now())
            openings.append(
                {"party": made.party, "nonce": made.opening.nonce, "payload": made.opening.payload}
            )
        return openings


def _now() -> datetime:
    from django.utils import timezone

    return timezone.now()


def fill(folder: Path, seed: int, year: int, progress: Progress) -> None:
    """Settle by group, set prices and finish what was begun, as the office would at the year's end."""
    task = progress.add_task("Settlement and prices", total=3)
    settle_by_group(folder, year)
    progress.update(task, advance=1)
    set_prices(folder, seed, year)
    progress.update(task, advance=1)
    from salus.insurance.services import review
    from salus.kernel.policy import system_principal

    review.run(system_principal(OFFICE), since=date(year, 1, 1), until=date(year, 12, 31), now=_now())
    progress.update(task, advance=1)
