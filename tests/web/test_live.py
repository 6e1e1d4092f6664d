"""Live regions: streamed as they change, ended when the reader may no longer see them."""

from collections.abc import Callable, Iterator
from contextlib import aclosing

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.http import HttpRequest
from django.test import AsyncRequestFactory, Client
from django.utils import timezone

from salus.kernel.models import HandlerCursor, RoleGrant
from salus.web import live
from tests.web.conftest import make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"], transaction=True)


@pytest.fixture
def region() -> Iterator[live.Region]:
    """A region that shows the handlers and their state."""
    kept = dict(live._regions)
    made = live.Region(
        "test",
        "web/health_live.html",
        lambda request: {"handlers": [{"row": row} for row in HandlerCursor.objects.all()]},
        frozenset({"auditor"}),
        every=0.01,
    )
    live.register(made)
    yield made
    live._regions.clear()
    live._regions.update(kept)


def request_of(username: str) -> HttpRequest:
    account = make_account(username, "auditor")
    client = Client()
    client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    request = AsyncRequestFactory().get("/live/test", headers={"accept": "text/event-stream"})
    request.session = SessionStore(client.session.session_key)
    request.user = get_user(request)
    return request


async def test_a_change_is_sent_and_a_revocation_ends_the_stream(region: live.Region) -> None:
    request = await sync_to_async(request_of)("reader")
    answer = await sync_to_async(live.stream)(request, "test")
    assert answer["Content-Type"] == "text/event-stream" and answer["Cache-Control"] == "no-store"
    async with aclosing(aiter(answer)) as events:  # type: ignore[type-var]
        assert b"retry" in await anext(events)
        assert b"room.new" not in await anext(events)
        await HandlerCursor.objects.acreate(name="room.new")
        assert b"room.new" in await anext(events)
        grant = await RoleGrant.objects.aget()
        grant.valid_to = timezone.now()
        await grant.asave()
        assert await anext(events) == b"event: ended\ndata: \n\n"
        with pytest.raises(StopAsyncIteration):
            await anext(events)
    # This thread's connections would keep PostgreSQL from dropping the test's databases.
    await sync_to_async(connections.close_all)()


def test_without_a_stream_the_region_is_sent_once(
    region: live.Region, signed_in: Callable[..., Client]
) -> None:
    answer = signed_in("auditor").get("/live/test", headers={"accept": "text/html"})
    assert answer.status_code == 200 and b"<section" in answer.content or b"<div" in answer.content


def test_others_are_refused(region: live.Region, signed_in: Callable[..., Client]) -> None:
    assert signed_in("planner").get("/live/test").status_code == 403
    assert Client().get("/live/test").status_code == 403
    assert signed_in("auditor", username="b").get("/live/nothing").status_code == 404
