"""Fixtures that every room's tests share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes is the machine's business here; speeds are measured by the benchmarks.
hypothesis.settings.register_profile("salus", deadline=None)
hypothesis.settings.load_profile("salus")

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Keep a file's tests on one worker, which makes its fixtures once; begin with the longest files."""
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(ROOT))))
    yield
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that nobody on this project wrote."""
    folder = Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"reference data is not at {folder}; set SALUS_SHARED_DATA")
    return folder


@pytest.fixture(autouse=True)
def language_is_left() -> Iterator[None]:
    """Leave the language that a request of the test spoke: it stays with the thread otherwise."""
    yield
    if translation := sys.modules.get("django.utils.translation"):
        translation.deactivate()


@pytest.fixture(autouse=True)
def audit_thread_ends() -> Iterator[None]:
    """End the audit thread with the test, so that its connection does not hold the test's database."""
    yield
    if audit := sys.modules.get("salus.kernel.audit"):
        audit.close()


@pytest.fixture(autouse=True)
def districts_are_read_again() -> None:
    """Forget the districts of the test before: they are kept for ten seconds."""
    if golden := sys.modules.get("salus.record.identity.golden"):
        golden.forget_districts()


@pytest.fixture(scope="session", autouse=True)
def committed_rows_are_deleted() -> Iterator[None]:
    """Empty the databases quickly after tests that commit."""
    from django.test import TransactionTestCase

    from tests.emptying import teardown

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield
