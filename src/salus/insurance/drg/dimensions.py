"""The scheme's codes as tables that cases are joined with: each code once, with numbers for all it is asked.

Codes that answer every question alike share a class; a question is answered once a class, not once a code.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pyarrow as pa

from salus.insurance.drg.asked import Asked, Bits
from salus.insurance.drg.scopes import laid_out, needed
from salus.insurance.scheme import Scheme
from salus.insurance.scheme.model import CodeKind, Counted


def dimensions(scheme: Scheme, asked: Asked, *, clinical: bool) -> tuple[dict[str, pa.Table], Asked, int]:
    """Return the tables that cases are joined with; with `clinical` codes are mapped first.

    `drg_dx` and `drg_pr` hold the codes, `drg_first_dx` and `drg_first_pr` the sets of first codes as words,
    `drg_bit` and `drg_count` those of further codes, `drg_excluded` and `drg_suppressed` what does not count.
    What is asked comes back with the bits of further sets laid out, and the scope of an unknown principal.
    """
    classes: dict[frozenset[str], int] = {frozenset(): 0}  # of further codes, both kinds
    dx, principals, severities = _diagnoses(scheme, asked, classes, clinical=clinical)
    pr, mains = _procedures(scheme, asked, classes, clinical=clinical)
    wanted = {members: needed(scheme, members) for members in principals}
    scopes = {names: number for number, names in enumerate(dict.fromkeys(wanted.values()))}
    asked = replace(asked, further=laid_out(asked.further.names, scopes))
    scope_of = pa.array([scopes[wanted[members]] for members in principals], pa.int64())
    dx = dx.append_column("r", scope_of.take(dx.column("p").combine_chunks()))
    bits = [
        (scope, number, *asked.further.place(name))
        for names, scope in scopes.items()
        for members, number in classes.items()
        for name in sorted(members & names)
    ]
    counts = [
        (number, *(int(_bare(name) in members) for name in asked.counts))
        for members, number in classes.items()
    ]
    tables = {
        "drg_dx": dx,
        "drg_pr": pr,
        "drg_first_dx": _words("p", asked.first_dx, principals),
        "drg_first_pr": _words("q", asked.first_pr, mains),
        "drg_bit": _table(("r", "class", "word", "bit"), bits),
        "drg_count": _table(("class", *(f"k{n}" for n in range(len(asked.counts)))), counts),
        "drg_excluded": _excluded(scheme, severities),
        "drg_suppressed": _suppressed(scheme, dx),
    }
    return tables, asked, scopes[wanted[frozenset()]]


def _diagnoses(
    scheme: Scheme, asked: Asked, classes: dict[frozenset[str], int], *, clinical: bool
) -> tuple[pa.Table, dict[frozenset[str], int], dict[tuple[Counted, ...], int]]:
    member = _memberships(scheme, "dx", asked)
    wanted_first, wanted_further = (
        set(asked.first_dx.names),
        {*asked.further.names, *map(_bare, asked.counts)},
    )
    firsts: dict[frozenset[str], int] = {frozenset(): 0}
    severities: dict[tuple[Counted, ...], int] = {(): 0}
    exclusions = _exclusion_classes(scheme)
    number_of: dict[str, int] = {}
    rows = []
    for code, value in _codes(scheme, "dx", clinical=clinical):
        sets = member.get(value, frozenset())
        further = {f"dx:{name}" for name in sets}
        counted = scheme.counted.get(value, ())
        of = {one.level: 2 if one.alive else 1 for one in counted}
        rows.append(
            (
                code,
                number_of.setdefault(value, len(number_of) + 1),
                firsts.setdefault(sets & wanted_first, len(firsts)),
                classes.setdefault(frozenset(further & wanted_further), len(classes)),
                severities.setdefault(counted, len(severities)),
                of.get("mcc", 0),
                of.get("cc", 0),
                exclusions.get(scheme.exclusions.get(value, frozenset()), 0),
                *(int(value in scheme.sets[name].codes) for name in asked.whole),
            )
        )
    columns = ("code", "dx", "p", "o", "s", "m", "c", "x", *(f"z{n}" for n in range(len(asked.whole))))
    return _table(columns, rows), firsts, severities


def _procedures(
    scheme: Scheme, asked: Asked, classes: dict[frozenset[str], int], *, clinical: bool
) -> tuple[pa.Table, dict[frozenset[str], int]]:
    member = _memberships(scheme, "pr", asked)
    wanted_first, wanted_further = (
        set(asked.first_pr.names),
        {*asked.further.names, *map(_bare, asked.counts)},
    )
    firsts: dict[frozenset[str], int] = {frozenset(): 0}
    number_of: dict[str, int] = {}
    rows = []
    for code, value in _codes(scheme, "pr", clinical=clinical):
        sets = member.get(value, frozenset())
        rows.append(
            (
                code,
                number_of.setdefault(value, len(number_of) + 1),
                firsts.setdefault(sets & wanted_first, len(firsts)),
                classes.setdefault(frozenset({f"pr:{name}" for name in sets} & wanted_further), len(classes)),
            )
        )
    return _table(("code", "pr", "q", "o"), rows), firsts


def _bare(counted: str) -> str:
    """Return `dx:SET` of a counted set's `dx:any:SET`."""
    kind, _, name = counted.rpartition(":")
    return f"{kind[:2]}:{name}"


def _codes(scheme: Scheme, kind: CodeKind, *, clinical: bool) -> Iterable[tuple[str, str]]:
    """Yield each code that may come with the code it is grouped by."""
    known = scheme.all_codes(kind)
    mapped = scheme.maps.get(kind, {}) if clinical else {}
    for code in sorted(known | mapped.keys()):
        if code:
            yield code, mapped.get(code, code)


def _memberships(scheme: Scheme, kind: CodeKind, asked: Asked) -> dict[str, frozenset[str]]:
    wanted = {*asked.first_dx.names, *asked.first_pr.names}
    wanted |= {_bare(name).partition(":")[2] for name in (*asked.further.names, *asked.counts)}
    found: dict[str, set[str]] = {}
    for name in wanted:
        one = scheme.sets[name]
        if one.kind == kind:
            for code in one.codes:
                found.setdefault(code, set()).add(name)
    return {code: frozenset(names) for code, names in found.items()}


def _exclusion_classes(scheme: Scheme) -> dict[frozenset[str], int]:
    classes: dict[frozenset[str], int] = {frozenset(): 0}
    for pdx in sorted(scheme.exclusions):
        classes.setdefault(scheme.exclusions[pdx], len(classes))
    return classes


def _excluded(scheme: Scheme, severities: Mapping[tuple[Counted, ...], int]) -> pa.Table:
    """What is left of a diagnosis's severity under a principal's exclusion class, where anything is lost."""
    by_group: dict[str, list[tuple[tuple[Counted, ...], int]]] = {}
    for counted, number in severities.items():
        for one in counted:
            if one.excl:
                by_group.setdefault(one.excl, []).append((counted, number))
    rows: dict[tuple[int, int], tuple[int, int]] = {}
    for groups, x in _exclusion_classes(scheme).items():
        for group in groups:
            for counted, number in by_group.get(group, ()):
                left = {one.level: 2 if one.alive else 1 for one in counted if one.excl not in groups}
                rows[x, number] = left.get("mcc", 0), left.get("cc", 0)
    return _table(("x", "s", "m", "c"), [(*key, *left) for key, left in sorted(rows.items())])


def _suppressed(scheme: Scheme, dx: pa.Table) -> pa.Table:
    number_of = dict(zip(dx.column("code").to_pylist(), dx.column("dx").to_pylist(), strict=True))
    return _table(
        ("g", "dx"),
        [
            (group, number_of[code])
            for group, adrg in enumerate(sorted(scheme.suppressed), 1)
            for code in sorted(scheme.suppressed[adrg])
            if code in number_of
        ],
    )


def _words(letter: str, bits: Bits, classes: Mapping[frozenset[str], int]) -> pa.Table:
    rows = []
    for members, number in classes.items():
        words = [0] * max(bits.words, 1)
        for name in members:
            word, bit = bits.place(name)
            words[word] += bit
        rows.append((number, *words))
    return _table((letter, *(f"{letter}{n}" for n in range(max(bits.words, 1)))), rows)


def _table(columns: Iterable[str], rows: Iterable[tuple[object, ...]]) -> pa.Table:
    """Return an Arrow table: `code` is text, everything else a whole number."""
    names, listed = tuple(columns), list(rows)
    kind: Callable[[str], pa.DataType] = lambda name: pa.string() if name == "code" else pa.int64()  # noqa: E731
    return pa.table({name: pa.array([row[n] for row in listed], kind(name)) for n, name in enumerate(names)})
