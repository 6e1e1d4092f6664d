"""What changed between two versions of a scheme, row by row in the words of its tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from salus.insurance.scheme.model import CodeKind, Scheme
from salus.insurance.scheme.predicates import written


@dataclass(frozen=True, slots=True)
class Change:
    """One change: of what (`adrg IB1`, `set AA1.pr1`), and what was there before and is there now.

    Of sets of codes `before` lists what was taken out and `after` what was put in; `number` counts them.
    """

    table: str
    what: str
    before: str
    after: str
    number: int = 1


def diff(old: Scheme, new: Scheme) -> list[Change]:
    """Return what changed from one version to the next."""
    return [
        *_rows("scheme", _about(old), _about(new)),
        *_rows("mdc", {one.mdc: _told(one.name, written(one.gate)) for one in old.mdcs},
               {one.mdc: _told(one.name, written(one.gate)) for one in new.mdcs}),
        *_order("mdc", [one.mdc for one in old.mdcs], [one.mdc for one in new.mdcs]),
        *_rows("adrg", _adrgs(old), _adrgs(new)),
        *_order("adrg", [f"{a.mdc} {a.adrg}" for a in old.adrgs], [f"{a.mdc} {a.adrg}" for a in new.adrgs]),
        *_rows("drg", _drgs(old), _drgs(new)),
        *_sets(old, new),
        *_rows("cc", _counted(old), _counted(new)),
        *_rows("pdx_exclusion", _joined(old.exclusions), _joined(new.exclusions)),
        *_rows("suppressed", _joined(old.suppressed), _joined(new.suppressed)),
        *_maps("code_map", old.maps, new.maps),
        *_maps("valid_code", old.valid, new.valid),
        *_rows("parameter", old.parameters, new.parameters),
        *_rows("weight", {drg: str(one.weight) for drg, one in old.weights.items()},
               {drg: str(one.weight) for drg, one in new.weights.items()}),
    ]  # fmt: skip


def _about(scheme: Scheme) -> dict[str, str]:
    names = ("code", "version", "family", "title", "jurisdiction", "valid_from", "valid_to", "no_split")
    return {name: str(getattr(scheme, name) or "") for name in names}


def _told(name: str, rule: str) -> str:
    return f"{name}: {rule}" if name else rule


def _adrgs(scheme: Scheme) -> dict[str, str]:
    return {f"{one.mdc} {one.adrg}": _told(one.name, written(one.when)) for one in scheme.adrgs}


def _drgs(scheme: Scheme) -> dict[str, str]:
    return {
        split.drg: f"{adrg.adrg} {_told(split.name, written(split.when))}"
        for _, adrg, split in scheme.splits()
    }


def _counted(scheme: Scheme) -> dict[str, str]:
    return {
        dx: ", ".join(f"{one.level.upper()} {one.excl}{' if alive' if one.alive else ''}" for one in found)
        for dx, found in scheme.counted.items()
    }


def _joined(groups: Mapping[str, frozenset[str]]) -> dict[str, str]:
    return {name: ", ".join(sorted(found)) for name, found in groups.items()}


def _rows(table: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, ""), new.get(name, "")
        if before != after or (name in old) != (name in new):
            yield Change(table, name, before, after)


def _order(table: str, old: list[str], new: list[str]) -> Iterator[Change]:
    """Tell which of those that stayed are tried at another place."""
    stayed = set(old) & set(new)
    before = [one for one in old if one in stayed]
    after = [one for one in new if one in stayed]
    if before != after:
        moved = [one for one, other in zip(before, after, strict=True) if one != other]
        yield Change(f"{table} order", ", ".join(moved[:10]), "", "tried at another place", len(moved))


def _sets(old: Scheme, new: Scheme) -> Iterator[Change]:
    for name in sorted(old.sets.keys() | new.sets.keys()):
        before = old.sets[name].codes if name in old.sets else frozenset()
        after = new.sets[name].codes if name in new.sets else frozenset()
        if before != after:
            gone, come = sorted(before - after), sorted(after - before)
            yield Change("code_set", name, ", ".join(gone), ", ".join(come), len(gone) + len(come))


def _maps(
    table: str, old: Mapping[CodeKind, Mapping[str, str]], new: Mapping[CodeKind, Mapping[str, str]]
) -> Iterator[Change]:
    kinds: tuple[CodeKind, ...] = ("dx", "pr")
    for kind in kinds:
        for change in _rows(table, old.get(kind, {}), new.get(kind, {})):
            yield Change(table, f"{kind} {change.what}", change.before, change.after)
