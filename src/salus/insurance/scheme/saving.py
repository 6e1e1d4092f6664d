"""A scheme written as a folder, whole or not at all."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from salus.insurance.scheme.folder import ABOUT, FORMAT, check
from salus.insurance.scheme.model import BadScheme, Scheme, site_set
from salus.insurance.scheme.predicates import written
from salus.insurance.scheme.tables import write_csv, write_parquet


def save_scheme(scheme: Scheme, path: str | Path, *, parquet: bool = False) -> None:
    """Write a scheme's folder, whole or not at all; an older one of that name is replaced."""
    check(scheme)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        (made / "scheme.toml").write_text(_toml_text(scheme), encoding="utf-8")
        for name, columns, rows in _tables(scheme):
            listed = list(rows)
            if listed or name in ("mdc", "adrg", "drg", "code_set"):
                writer = write_parquet if parquet else write_csv
                writer(made / f"{name}.{'parquet' if parquet else 'csv'}", columns, listed)
        if target.exists():
            if not (target / "scheme.toml").exists():
                raise BadScheme("scheme-folder", "the folder holds something else", where=str(target))
            shutil.rmtree(target)
        made.chmod(0o755)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _tables(scheme: Scheme) -> Iterable[tuple[str, Sequence[str], Iterable[Sequence[object]]]]:
    yield (
        "mdc",
        ("ord", "mdc", "gate", "name"),
        ((number, one.mdc, written(one.gate), one.name) for number, one in enumerate(scheme.mdcs)),
    )
    within: dict[str, int] = defaultdict(int)
    adrgs = []
    for one in scheme.adrgs:
        adrgs.append((within[one.mdc], one.mdc, one.adrg, written(one.when), one.name))
        within[one.mdc] += 1
    yield "adrg", ("ord", "mdc", "adrg", "cond", "name"), adrgs
    done = {one.adrg: one for one in reversed(scheme.adrgs)}
    yield (
        "drg",
        ("adrg", "ord", "drg", "severity", "name"),
        (
            (adrg, number, split.drg, split.severity, split.name)
            for adrg in dict.fromkeys(one.adrg for one in scheme.adrgs)
            for number, split in enumerate(done[adrg].splits)
        ),
    )
    of_mdc = {f"mdc_{one.mdc}" for one in scheme.mdcs}
    of_site = {site_set(mdc, site) for mdc, by in scheme.sites.items() for site in by.values()}
    yield (
        "code_set",
        ("set", "kind", "code"),
        (
            (name, one.kind, code)
            for name, one in sorted(scheme.sets.items())
            if name not in of_mdc and name not in of_site
            for code in sorted(one.codes)
        ),
    )
    yield (
        "mdc_dx",
        ("mdc", "dx", "site"),
        (
            (one.mdc, dx, scheme.sites.get(one.mdc, {}).get(dx, ""))
            for one in scheme.mdcs
            if f"mdc_{one.mdc}" in scheme.sets
            for dx in sorted(scheme.sets[f"mdc_{one.mdc}"].codes)
        ),
    )
    yield (
        "cc",
        ("dx", "level", "excl", "alive"),
        (
            (dx, one.level.upper(), one.excl, "yes" if one.alive else "")
            for dx, found in sorted(scheme.counted.items())
            for one in found
        ),
    )
    yield (
        "pdx_exclusion",
        ("excl", "pdx"),
        sorted((excl, pdx) for pdx, groups in scheme.exclusions.items() for excl in groups),
    )
    yield (
        "suppressed",
        ("adrg", "dx"),
        sorted((adrg, dx) for adrg, found in scheme.suppressed.items() for dx in found),
    )
    for name, column, both in (("code_map", "value", scheme.maps), ("valid_code", "name", scheme.valid)):
        yield (
            name,
            ("kind", "code", column),
            (
                (kind, code, value)
                for kind in ("dx", "pr")
                for code, value in sorted(both.get(kind, {}).items())
            ),
        )
    yield "parameter", ("name", "value"), sorted(scheme.parameters.items())
    yield (
        "weight",
        ("drg", "weight", "los"),
        (
            (drg, one.weight, "" if one.los is None else one.los)
            for drg, one in sorted(scheme.weights.items())
        ),
    )


def _toml_text(scheme: Scheme) -> str:
    about = {name: getattr(scheme, name) for name in ABOUT}
    lines = ["[scheme]", f"format = {FORMAT}"]
    lines += [f"{name} = {_toml_value(value)}" for name, value in about.items() if value not in (None, "")]
    mdc, adrg, drg = scheme.ungrouped
    lines += [
        "", "[grouping]",
        f"source = {_toml_value(scheme.source)}", f"checked = {_toml_value(scheme.checked)}",
        f"mdc_prefix = {_toml_value(scheme.mdc_prefix)}", f"no_split = {_toml_value(scheme.no_split)}",
        f"ungrouped = {_toml_value([mdc, adrg, drg])}", f"died = {_toml_value(list(scheme.died))}",
    ]  # fmt: skip
    if scheme.notes:
        lines += [
            "",
            "[notes]",
            f"source = {_toml_value(scheme.source)}",
            f"checked = {_toml_value(scheme.checked)}",
        ]
        lines += ["import = [", *(f"    {_toml_value(note)}," for note in scheme.notes), "]"]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    text = "".join(one if one.isprintable() else " " for one in str(value))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
