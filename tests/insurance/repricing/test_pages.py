"""The pages of prices without a browser: who sees what, and the way from files to a list in force."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from salus.insurance.models import PriceBasis, PriceList, PriceListState, PriceStudy, StudyState
from salus.insurance.queries.prices import list_in_force
from salus.insurance.services import prices

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
SignIn = Callable[..., Client]


@pytest.fixture
def signed_in() -> SignIn:
    from tests.web.conftest import make_account

    def sign_in(*roles: str) -> Client:
        client = Client()
        client.force_login(
            make_account("-".join(roles), *roles), backend="django.contrib.auth.backends.ModelBackend"
        )
        return client

    return sign_in


def upload(paths: list[Path], **changes: bytes) -> dict[str, object]:
    files: dict[str, object] = {
        path.stem: SimpleUploadedFile(path.name, changes.get(path.stem, path.read_bytes())) for path in paths
    }
    return files | {"title": "City 2025", "year": "2025"}


def test_from_files_to_a_list_and_back(signed_in: SignIn, city_files: list[Path]) -> None:
    client = signed_in("planner")
    assert client.post("/insurance/prices/bases/new", upload(city_files)).status_code == 302
    basis = PriceBasis.objects.get()
    client.post("/insurance/prices/lists/present", {"basis": basis.pk})
    today = timezone.localdate()
    day = {"effective_from": today.isoformat()}
    asked = client.post("/insurance/prices/lists/1/publish", day)
    assert b"Publish this list?" in asked.content and list_in_force(today) is None
    client.post("/insurance/prices/lists/1/publish", {**day, "confirmed": "1"})
    assert getattr(list_in_force(today), "number", None) == 1

    choices = {"returned": "100", "hospital": "6", "tier": "3", "group": "3", "closeness": "40"}
    answer = client.post("/insurance/prices/studies/new", {"title": "Reform", "basis": basis.pk, **choices})
    study = PriceStudy.objects.get()
    assert answer["Location"] == f"/insurance/prices/studies/{study.pk}"
    waiting = client.get(answer["Location"]).content
    assert b"Waiting for a worker" in waiting and b"every 2s" in waiting
    prices.run_study(study.pk)
    shown = client.get(answer["Location"])
    assert b"at most above the best there is" in shown.content
    for kind in ("tier", "group", "department", "hospital"):
        assert client.get(f"{answer['Location']}?by={kind}").status_code == 200
    exported = client.get(f"{answer['Location']}?export=csv")
    lines = b"".join(exported.streaming_content).decode("utf-8-sig").splitlines()
    assert len(lines) == 81
    only = client.get(f"{answer['Location']}?export=csv&turn=raised")
    raised = b"".join(only.streaming_content).decode("utf-8-sig").splitlines()
    assert len(raised) - 1 == study.moves.filter(change__gt=0).count() > 0

    client.post(f"{answer['Location']}/draft", {"title": "Reform"})
    later = {"effective_from": (today + timedelta(days=30)).isoformat(), "confirmed": "1"}
    client.post("/insurance/prices/lists/2/publish", later)
    client.post("/insurance/prices/lists/2/withdraw", {"reason": "an error", "confirmed": "1"})
    assert [one.state for one in PriceList.objects.order_by("number")] == ["published", "withdrawn"]
    client.post(f"{answer['Location']}/draft", {"title": "Reform, again"})
    client.post("/insurance/prices/lists/3/publish", later)
    back = {"effective_from": (today + timedelta(days=60)).isoformat(), "reason": "a court", "confirmed": "1"}
    made = client.post("/insurance/prices/lists/1/roll-back", back)
    assert made["Location"] == "/insurance/prices/lists/4"
    assert PriceList.objects.get(number=4).restores_id == PriceList.objects.get(number=1).pk
    assert client.get("/insurance/prices/lists/4?export=csv").status_code == 200
    assert client.get("/insurance/prices").status_code == 200


def test_bad_rows_are_named_and_nothing_is_recorded(signed_in: SignIn, city_files: list[Path]) -> None:
    client = signed_in("fund_officer")
    bad = city_files[0].read_bytes() + b"X,x,x,,f,1,dear,1,0.5,1,1\n"
    answer = client.post("/insurance/prices/bases/new", upload(city_files, services=bad))
    assert answer.status_code == 422
    assert b"services.csv:82" in answer.content and b"money-malformed" in answer.content
    assert not PriceBasis.objects.exists()


def test_limits_that_conflict_are_shown(signed_in: SignIn, fixed_files: list[Path]) -> None:
    client = signed_in("fund_officer")
    client.post("/insurance/prices/bases/new", upload(fixed_files))
    choices = {"returned": "100", "hospital": "6", "tier": "3", "group": "3", "closeness": "40"}
    basis = PriceBasis.objects.get()
    client.post("/insurance/prices/studies/new", {"title": "Hard", "basis": basis.pk, **choices})
    study = PriceStudy.objects.get()
    prices.run_study(study.pk)
    shown = client.get(f"/insurance/prices/studies/{study.pk}").content
    assert b"Must give, if it alone gives" in shown
    study.refresh_from_db()
    assert study.state == StudyState.FAILED


READERS = {"manager": 200, "auditor": 200, "clinician": 403, "resident": 403}


@pytest.mark.parametrize(("role", "sees"), READERS.items())
def test_who_only_reads_sees_published_lists(
    signed_in: SignIn, recorded: PriceBasis, role: str, sees: int
) -> None:
    planner = signed_in("planner", "fund_officer")
    planner.post("/insurance/prices/lists/present", {"basis": recorded.pk})
    client = signed_in(role)
    assert client.get("/insurance/prices").status_code == sees
    for hidden in ("lists/1", "studies/new", "bases/new"):
        assert client.get(f"/insurance/prices/{hidden}").status_code in {403, 404}, hidden
    assert client.post("/insurance/prices/lists/1/publish", {}).status_code == 403
    PriceList.objects.update(state=PriceListState.PUBLISHED, effective_from=timezone.localdate())
    assert client.get("/insurance/prices/lists/1").status_code == sees
