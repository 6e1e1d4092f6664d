"""Whatever happens in the record in whatever order, each past instant reads as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.record.lake import compaction
from salus.record.lake.folder import Folder
from salus.record.lake.manifest import Manifest
from salus.record.lake.refreshing import refresh
from salus.record.store import Write
from tests.record.lake.views import VIEWS, WIDER
from tests.record.lake.world import World, told, wipe

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Merge and fold at once, in several buckets."""
    monkeypatch.setattr(compaction, "LEAST_ROWS", 3)
    monkeypatch.setattr(compaction, "SMALL_FILES", 2)
    monkeypatch.setattr(compaction, "BUCKET_ROWS", 4)
    yield


few = st.integers(0, 3)
patients = st.builds(
    lambda n, method, gender, names: Write(
        "Patient", f"p{n}", {"gender": gender, "name": [{"family": f} for f in names]}, method
    ),
    few,
    st.sampled_from(["put", "put", "overlay"]),
    st.sampled_from(["male", "female"]),
    st.lists(st.sampled_from(["张", "Li", "O'Neil"]), max_size=2),
)
observations = st.builds(
    lambda n, of, status, text: Write(
        "Observation",
        f"o{n}",
        {"status": status, "code": {"text": text}}
        | ({"subject": {"reference": f"Patient/p{of}"}} if of < 4 else {}),
    ),
    few,
    st.integers(0, 4),
    st.sampled_from(["final", "amended", "entered-in-error"]),
    st.sampled_from(["a", "b"]),
)
deletes = st.builds(
    lambda kind, n: Write(kind, f"{kind[0].lower()}{n}", None, "delete"),
    st.sampled_from(["Patient", "Observation"]),
    few,
)
steps = st.one_of(
    st.tuples(st.just("write"), st.lists(st.one_of(patients, observations), min_size=1, max_size=4)),
    st.tuples(st.just("write"), st.lists(st.one_of(patients, observations), min_size=1, max_size=4)),
    st.tuples(st.just("write"), st.lists(deletes, min_size=1, max_size=2)),
    st.tuples(st.just("merge"), st.tuples(few, few)),
    st.tuples(st.just("split"), few),
    st.tuples(st.just("undo"), st.integers(0, 9)),
    st.tuples(st.just("refresh"), st.booleans()),
    st.tuples(st.just("die"), st.integers(0, 5)),
    st.tuples(st.just("compact"), st.booleans()),
)


class Died(Exception):
    """As a kill would end it."""


def die_at(monkeypatch: pytest.MonkeyPatch, root: Path, at: int, views: list[Any]) -> None:
    """Refresh, and fall over at the given step towards publication."""
    places = ["sync_tables", "publish"]
    name = places[at % 2]
    calls = iter(range(100))
    real = getattr(Folder, name)

    def fails(self: Folder, *arguments: Any) -> None:
        if next(calls) == at // 2:
            raise Died
        real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, name, fails)
        try:
            refresh(root, views, grace=0)
        except Died:
            pass


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=st.lists(steps, min_size=3, max_size=14))
def test_each_instant_reads_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, plan: list[tuple[str, Any]]
) -> None:
    wipe()
    root = tmp_path_factory.mktemp("lake")
    world = World()
    for what, of in plan:
        world.step()
        if what == "write":
            world.write(*of)
        elif what == "merge":
            world.merge(*of)
        elif what == "split":
            world.split(of)
        elif what == "undo":
            world.undo(of)
        elif what == "refresh":
            check(root, refresh(root, VIEWS, compact=of, grace=0), world)
        elif what == "die":
            die_at(monkeypatch, root, of, VIEWS)
        elif (present := Folder(root).current()) is not None:
            with Folder(root).writing():
                compaction.compact(Folder(root), present, everything=of)
        world.remember()
    check(root, refresh(root, VIEWS, grace=0), world)
    with Folder(root).writing():
        check(
            root,
            compaction.compact(Folder(root), Folder(root).current() or pytest.fail(), everything=True),
            world,
        )
    rebuilt = refresh(root, VIEWS, anew=True, grace=0)
    check(root, rebuilt, world)


def check(root: Path, manifest: Manifest, world: World) -> None:
    """The lake says of each remembered instant what stood then, and now what stands now."""
    for at, state in world.states.items():
        assert told(root, manifest, at) == state
    assert told(root, manifest, None) == world.standing()


def test_a_clock_that_ran_behind(tmp_path: Path) -> None:
    """As of an instant: the latest version whose time is not after it."""
    world = World()
    for seconds, gender in ((10, "male"), (20, "female"), (-5, "other"), (30, "unknown")):
        world.step(seconds)
        world.write(Write("Patient", "p", {"gender": gender}))
        if gender == "female":
            refresh(tmp_path, VIEWS, grace=0)
            with Folder(tmp_path).writing():
                compaction.compact(
                    Folder(tmp_path), Folder(tmp_path).current() or pytest.fail(), everything=True
                )
    for anew in (False, True):
        manifest = refresh(tmp_path, VIEWS, anew=anew, grace=0)
        seen = []
        for second in (5, 10, 20, 25, 29, 30, 31, 55):
            rows = told(tmp_path, manifest, int((1767225600 + second) * 1e6))["patient"]
            seen.append(rows[0][5] if rows else None)
        assert seen == [None, "male", "male", "other", "other", "other", "other", "unknown"]


def test_a_view_that_gains_a_column_is_built_anew(tmp_path: Path) -> None:
    world = World(names=("observation",))
    world.write(Write("Observation", "o", {"status": "final", "issued": "2026-01-01T00:00:00Z"}))
    before = refresh(tmp_path, VIEWS, grace=0)
    world.step()
    world.write(Write("Observation", "o", {"status": "amended", "issued": "2026-01-02T00:00:00Z"}))
    after = refresh(tmp_path, [*VIEWS[:2], WIDER], grace=0)
    assert after.runs[-1].rebuilt == ("observation",)
    assert after.tables["patient"].files == before.tables["patient"].files
    now, then = (
        told(tmp_path, after, None)["observation"],
        told(tmp_path, after, 1767225600_000000)["observation"],
    )
    assert [row[-1] for row in now + then] == ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]
    without = refresh(tmp_path, VIEWS[:2], grace=0)
    assert set(without.tables) == {"patient", "patient_name"}


def test_a_reader_keeps_its_files_and_one_writer_at_a_time(tmp_path: Path) -> None:
    from salus.record.lake.folder import Busy

    world = World()
    world.write(Write("Patient", "p", {"gender": "male"}))
    first = refresh(tmp_path, VIEWS, grace=0)
    with Folder(tmp_path).reading() as held:
        assert held == first
        refresh(tmp_path, VIEWS, anew=True, grace=0)
        assert all((tmp_path / f.path).exists() for f in first.files())
    refresh(tmp_path, VIEWS, grace=0)
    assert not any((tmp_path / f.path).exists() for f in first.files())
    with Folder(tmp_path).writing(), pytest.raises(Busy):
        refresh(tmp_path, VIEWS)


def test_another_store_is_read_from_the_start(tmp_path: Path) -> None:
    world = World()
    world.write(Write("Patient", "p", {"gender": "male"}), Write("Patient", "q", {"gender": "male"}))
    refresh(tmp_path, VIEWS)
    wipe()
    world.write(Write("Patient", "z", {"gender": "female"}))
    manifest = refresh(tmp_path, VIEWS)
    assert manifest.runs[-1].kind == "build"
    assert told(tmp_path, manifest, None) == world.standing()


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    World().write(Write("Patient", "p", {"gender": "male"}))
    manifest = refresh(tmp_path, VIEWS)
    assert Folder(tmp_path).current() == manifest == msgspec.structs.replace(manifest)
