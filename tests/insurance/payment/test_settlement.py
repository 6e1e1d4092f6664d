"""Settlements on the platform: recorded whole or not at all, published, withdrawn, undone; who sees what."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.test import Client

from salus.insurance.models import (
    PaymentComparison,
    SettlementChange,
    SettlementFigure,
    SettlementLine,
    SettlementMonth,
    SettlementRun,
)
from salus.insurance.queries import settlement as queries
from salus.insurance.queries.settlement import WITHHELD
from salus.insurance.services import settlement as services
from salus.kernel import policy
from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.models import Institution, RoleGrant
from salus.kernel.policy import Principal
from tests.insurance.payment.conftest import HOSPITALS
from tests.web.conftest import make_account, signed_in  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)
NOW = datetime(2026, 2, 1, tzinfo=UTC)
OFFICER = Principal(name="officer", roles=frozenset({"fund_officer"}))


@pytest.fixture
def places() -> dict[str, Institution]:
    return {
        code: Institution.objects.create(
            code=code, name=f"医院{code}", name_en=f"Hospital {code}", tier="tertiary"
        )
        for code in HOSPITALS
    }


@pytest.fixture
def year(settled: Path, places: dict[str, Institution]) -> SettlementRun:
    return services.record_settlement(OFFICER, settled / "year", year=2025, now=NOW)


def manager(place: Institution) -> Principal:
    account = make_account(f"manager-{place.code}")
    RoleGrant.objects.create(account=account, role="manager", institution=place)
    return policy.principal_for(account)


def test_a_settlement_is_kept_as_it_was_written(settled: Path, year: SettlementRun) -> None:
    lines = pq.read_table(settled / "year" / "clearing.parquet").to_pylist()
    kept = SettlementLine.objects.select_related("institution")
    assert {(one.institution.code, one.insured, one.entitled, one.final) for one in kept} == {
        (row["institution"], row["insured"], row["entitled"], row["final"]) for row in lines
    }
    assert SettlementMonth.objects.count() == pq.read_metadata(settled / "year" / "payments.parquet").num_rows
    assert SettlementFigure.objects.filter(department="").count() == len(HOSPITALS)
    assert (year.version, year.state, year.parameters["name"]) == (1, "draft", "rate")
    for pool in year.pools.all():
        assert pool.budget == pool.paid + pool.left == 300_000_000


def test_nothing_is_recorded_of_what_was_changed_or_is_unknown(
    settled: Path, places: dict[str, Institution], tmp_path: Path
) -> None:
    def tried(code: str, folder: Path) -> None:
        with pytest.raises((Invalid, Conflict)) as error:
            services.record_settlement(OFFICER, folder, year=2025, now=NOW)
        assert error.value.code == code

    changed = tmp_path / "changed"
    shutil.copytree(settled / "year", changed)
    lines = pq.read_table(changed / "clearing.parquet")
    pq.write_table(lines.slice(1), changed / "clearing.parquet")
    tried("settlement-changed", changed)
    facts = json.loads((changed / "settlement.json").read_text())
    from salus.insurance.payment import output

    facts["files"]["clearing.parquet"] = output.digest(changed / "clearing.parquet")
    (changed / "settlement.json").write_text(json.dumps(facts))
    tried("settlement-sum", changed)
    tried("settlement-folder", tmp_path)
    gone = places["H33"]
    code, gone.code = gone.code, "gone"
    gone.save()
    tried("settlement-institution", settled / "year")
    gone.code = code
    gone.save()
    assert not SettlementRun.objects.exists() and not SettlementLine.objects.exists()
    services.record_settlement(OFFICER, settled / "year", year=2025, now=NOW)
    tried("settlement-recorded", settled / "year")


def test_results_are_never_changed_or_deleted(year: SettlementRun) -> None:
    line = SettlementLine.objects.all()[0]
    line.entitled += 1
    for act in (line.save, line.delete):
        with pytest.raises(Conflict):
            act()


def test_publish_withdraw_and_undo(settled: Path, year: SettlementRun, tmp_path: Path) -> None:
    second = tmp_path / "second"
    shutil.copytree(settled / "year", second)
    facts = json.loads((second / "settlement.json").read_text())
    (second / "settlement.json").write_text(json.dumps({**facts, "refused": 3}))
    later = services.record_settlement(OFFICER, second, year=2025, now=NOW)
    assert later.version == 2

    def states() -> list[str]:
        return list(SettlementRun.objects.order_by("version").values_list("state", flat=True))

    services.publish(OFFICER, year, now=NOW)
    with pytest.raises(Conflict):
        services.publish(OFFICER, year, now=NOW)
    published = services.publish(OFFICER, later, now=NOW)
    assert states() == ["withdrawn", "published"]
    last = year.changes.order_by("-pk")[0]
    with pytest.raises(Conflict):  # the other version is published now
        services.undo(OFFICER, last, now=NOW)
    services.undo(OFFICER, published, now=NOW)
    assert states() == ["withdrawn", "draft"]
    taken_back = services.undo(OFFICER, last, now=NOW)
    assert states() == ["published", "draft"]
    for change in (last, taken_back, published):
        with pytest.raises(Conflict):
            services.undo(OFFICER, change, now=NOW)
    with pytest.raises(Invalid):
        services.withdraw(OFFICER, year, reason=" ", now=NOW)
    withdrawn = services.withdraw(OFFICER, year, reason="a wrong budget", now=NOW)
    with pytest.raises(Conflict):
        services.withdraw(OFFICER, year, reason="again", now=NOW)
    services.undo(OFFICER, withdrawn, now=NOW)
    assert states() == ["published", "draft"]
    assert SettlementChange.objects.count() == 7


def test_only_fund_officers_record_and_publish(settled: Path, year: SettlementRun, places: Any) -> None:
    planner = Principal(name="planner", roles=frozenset({"planner"}))
    for who in (planner, manager(places["H03"]), Principal(name="x", roles=frozenset({"clinician"}))):
        with pytest.raises(NotAllowed):
            services.record_settlement(who, settled / "year", year=2025, now=NOW)
        with pytest.raises(NotAllowed):
            services.publish(who, year, now=NOW)


def test_a_manager_sees_only_what_is_published_and_only_his_institution(
    year: SettlementRun, places: Any
) -> None:
    mine = manager(places["H03"])
    assert not queries.runs(mine).exists()
    services.publish(OFFICER, year, now=NOW)
    assert list(queries.runs(mine)) == [year]
    assert {row["institution"].code for row in queries.lines(mine, year)} == {"H03"}
    assert {row["institution"].code for row in queries.figures(mine, year)} == {"H03"}
    assert queries.months(mine, year, places["H03"])
    for act in (queries.months, queries.figures):
        with pytest.raises(NotFound):
            act(mine, year, places["H14"])
    with pytest.raises(NotAllowed):
        queries.comparisons(mine)
    stranger = manager(Institution.objects.create(code="X", name="X"))
    assert not queries.runs(stranger).exists()


def test_small_counts_are_withheld_from_the_agency_and_shown_to_the_institution(
    year: SettlementRun, places: Any
) -> None:
    services.publish(OFFICER, year, now=NOW)
    departments = queries.figures(OFFICER, year, places["H33"])
    own = queries.figures(manager(places["H33"]), year, places["H33"])
    small = [row["department"] for row in own if row["cases"] < 10]
    hidden = [row for row in departments if row["cases"] == WITHHELD]
    assert small and set(small) <= {row["department"] for row in hidden}
    assert len(hidden) >= 2  # a lone hidden count would follow from the whole
    assert all(row["cost_index"] == WITHHELD and row["readmitted"] == WITHHELD for row in hidden)
    deaths = [row["low_risk_deaths"] for row in queries.figures(OFFICER, year)]
    assert all(count == WITHHELD or count == 0 or count >= 10 for count in deaths)


def test_the_pages_show_lines_figures_and_exports(
    year: SettlementRun,
    settled: Path,
    signed_in: Callable[..., Client],  # noqa: F811
) -> None:
    made = services.record_comparison(
        OFFICER, settled / "compared.parquet", title="DRG or DIP", year=2025,
        options={"pilot": ["H03", "H14"]}, now=NOW,
    )  # fmt: skip
    officer = signed_in("fund_officer")
    page = officer.get(f"/insurance/settlements/{year.pk}/").content.decode()
    assert "Hospital H03" in page and "Base rates a tier" in page and "3,000,000.00" in page
    text = b"".join(officer.get(f"/insurance/settlements/{year.pk}/?export=csv")).decode()  # type: ignore[arg-type]
    assert text.count("Hospital") == 2 * len(HOSPITALS)
    figures = b"".join(officer.get(f"/insurance/settlements/{year.pk}/?f-export=csv")).decode()  # type: ignore[arg-type]
    assert figures.count("Hospital") == len(HOSPITALS)
    compared = officer.get(f"/insurance/comparisons/{made.pk}/?by=institution_insured").content.decode()
    assert "Hospital H14 · Residents" in compared and "2 pilots: Hospital H03, Hospital H14" in compared
    with pytest.raises(Conflict):
        services.record_comparison(
            OFFICER, settled / "compared.parquet", title="again", year=2025, options={}, now=NOW
        )
    assert PaymentComparison.objects.count() == 1


def test_pages_are_closed_to_who_may_not(
    year: SettlementRun,
    signed_in: Callable[..., Client],  # noqa: F811
) -> None:
    clinician = signed_in("clinician", username="clinician")
    planner = signed_in("planner", username="planner")
    assert clinician.get("/insurance/settlements/").status_code == 403
    assert planner.get(f"/insurance/settlements/{year.pk}/").status_code == 200
    assert planner.post(f"/insurance/settlements/{year.pk}/publish").status_code == 403
    place = Institution.objects.get(code="H03")
    manager(place)
    client = Client()
    from salus.kernel.models import Account

    client.force_login(
        Account.objects.get(username="manager-H03"), backend="django.contrib.auth.backends.ModelBackend"
    )
    assert client.get(f"/insurance/settlements/{year.pk}/").status_code == 404  # a draft
    services.publish(OFFICER, year, now=NOW)
    assert "Hospital H14" not in client.get(f"/insurance/settlements/{year.pk}/").content.decode()
    assert client.get(f"/insurance/settlements/{year.pk}/institutions/H03/").status_code == 200
    assert client.get(f"/insurance/settlements/{year.pk}/institutions/H14/").status_code == 404
    assert client.get("/insurance/comparisons/").status_code == 403
