"""The same seed gives the same bytes, whatever else happens; another room's draws change nothing."""

import os
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import pytest

from salus.city.assembly import build
from salus.city.blocks import build_block, plan_city
from salus.city.people import Window
from salus.city.streams import substream
from salus.kernel.errors import Invalid
from tests.city.conftest import RESIDENTS, SEED


def digest(folder: Path) -> str:
    state = blake2b()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            state.update(str(path.relative_to(folder)).encode())
            state.update(path.read_bytes())
    return state.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process(small_city: Path, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\nfrom salus.city import build\n"
        f"build(Path({str(tmp_path / 'again')!r}), {RESIDENTS}, {SEED})\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=120)
    assert digest(tmp_path / "again") == digest(small_city)


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    from datetime import date

    window = {"start": date(2024, 1, 1), "end": date(2024, 8, 1)}
    build(tmp_path / "one", 3_000, 5, workers=1, **window)
    build(tmp_path / "two", 3_000, 5, workers=2, **window)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_another_seed_gives_another_city(tmp_path: Path, small_city: Path) -> None:
    from datetime import date

    build(tmp_path / "other", RESIDENTS, SEED + 1, start=date(2024, 1, 1), end=date(2024, 8, 1))
    assert digest(tmp_path / "other" / "registers") != digest(small_city / "registers")


def test_a_block_does_not_depend_on_the_blocks_before_it(tmp_path: Path) -> None:
    from datetime import date

    window = Window.of(date(2024, 1, 1), date(2024, 8, 1))
    city = plan_city(5, 6_000, window)
    alone = build_block(city, 1, tmp_path / "alone")
    build_block(city, 0, tmp_path / "both")
    after = build_block(city, 1, tmp_path / "both")
    assert alone.persons == after.persons
    for path in (tmp_path / "alone").rglob("*.00001.*"):
        assert path.read_bytes() == (tmp_path / "both" / path.relative_to(tmp_path / "alone")).read_bytes()


def test_more_draws_in_one_room_leave_the_others_alone(
    tmp_path: Path, small_city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new room, or another number of draws in care, must not change who lives in the city."""
    from salus.city import care as care_room

    drawn = care_room.chronic_conditions

    def greedy(block, window, rng):  # type: ignore[no-untyped-def]
        rng.random(1_000)
        return drawn(block, window, rng)

    substream(SEED, "a-room-of-tomorrow", 0).random(10_000)
    monkeypatch.setattr(care_room, "chronic_conditions", greedy)
    build(tmp_path / "changed", RESIDENTS, SEED)
    for part in ("registers", "mappings"):
        assert digest(tmp_path / "changed" / part) == digest(small_city / part)
    for path in ("truth/persons.parquet", "sources.toml"):
        assert (tmp_path / "changed" / path).read_bytes() == (small_city / path).read_bytes()
    for source in ("residence", "insure-employee", "civil-poverty", "cdc-deaths", "cdc-campaigns"):
        before = {p.name: p.read_bytes() for p in (small_city / "inbox" / source).iterdir()}
        after = {p.name: p.read_bytes() for p in (tmp_path / "changed" / "inbox" / source).iterdir()}
        if source != "cdc-campaigns":
            assert before == after, source


def test_substreams_differ_by_seed_room_and_block() -> None:
    first = [
        substream(seed, room, block).integers(1 << 62)
        for seed, room, block in ((1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1), (1, "a", 0))
    ]
    assert len(set(first[:4])) == 4
    assert first[0] == first[4]


@pytest.mark.parametrize("residents", [0, 999, 16_000_001])
def test_sizes_out_of_range_are_refused(tmp_path: Path, residents: int) -> None:
    with pytest.raises(Invalid, match="residents"):
        build(tmp_path, residents, 1)


def test_a_folder_with_a_city_is_not_overwritten(small_city: Path) -> None:
    with pytest.raises(Invalid, match="city already"):
        build(small_city, RESIDENTS, SEED)


def test_memory_does_not_grow_with_the_city(tmp_path: Path) -> None:
    """Three times the residents take at most a fifth more memory; each size in a process of its own."""
    script = (
        "import resource, sys\nfrom datetime import date\nfrom pathlib import Path\n"
        "from salus.city import build\n"
        "build(Path(sys.argv[1]), int(sys.argv[2]), 1, start=date(2024, 1, 1), end=date(2024, 8, 1))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for residents in (2_500, 7_500):
        command = [sys.executable, "-c", script, str(tmp_path / str(residents)), str(residents)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout))
    assert peaks[1] < 1.2 * peaks[0]
