"""Fixtures of the prevention room's tests."""

import pytest

from salus.kernel import feed


@pytest.fixture(autouse=True)
def the_feed_shows_the_tests_own_changes(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let readers of the change feed see what the test itself wrote.

    PostgreSQL shows the feed only what has committed, which a test that is rolled back never does. Tests
    that commit (`transaction=True`) read the feed as it is.
    """
    mark = request.node.get_closest_marker("django_db")
    if mark is not None and not mark.kwargs.get("transaction"):
        monkeypatch.setattr(feed, "HORIZON", "9223372036854775807")
