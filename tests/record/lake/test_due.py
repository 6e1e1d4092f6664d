"""When loose rows are folded in: by the weight of all tables of a type together."""

from salus.record.lake.compaction import _due
from salus.record.lake.manifest import DataFile, Table


def files(part: str, rows: int) -> tuple[DataFile, ...]:
    return (DataFile(f"{part}.parquet", rows, rows * 10, 0, 1, part),)


def table(name: str, *parts: tuple[DataFile, ...]) -> Table:
    return Table(name, "Observation", "f", (), sum(parts, ()))


def test_an_almost_empty_table_does_not_have_the_large_one_rewritten() -> None:
    """Both tables of a type share its closings; one per cent of a large table is no reason to fold."""
    large = table("observation", files("built", 5_000_000), files("segment", 50_000))
    small = table("observation_component", files("built", 10))
    assert not _due([large, small], files("closing", 50_000))


def test_more_than_a_fifth_is_folded() -> None:
    base = files("open", 1_000_000)
    closings = files("closing", 100_000)
    assert not _due([table("observation", base, files("segment", 100_000))], closings)
    assert _due([table("observation", base, files("segment", 100_001))], closings)


def test_few_rows_are_never_worth_it() -> None:
    assert not _due([table("observation", files("segment", 9_999))], ())
    assert _due([table("observation", files("segment", 10_001))], ())
