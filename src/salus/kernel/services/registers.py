"""Filling the registers from files: districts as GeoJSON, groups, institutions and staff as CSV.

The columns are the fields' names; foreign keys are codes. Importing the same files again changes nothing.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel.errors import Invalid, NotFound
from salus.kernel.models import District, Institution, InstitutionKind, MedicalGroup, Staff, StaffRegistration
from salus.kernel.policy import Principal, Target, require

FILES = (
    "districts.geojson",
    "medical_groups.csv",
    "institutions.csv",
    "staff.csv",
    "staff_registrations.csv",
)
_TRUE = frozenset({"1", "true", "yes", "y", "是"})
_FALSE = frozenset({"0", "false", "no", "n", "否"})
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Imported:
    """What one file did: rows read, new, changed, unchanged."""

    file: str
    rows: int
    created: int
    updated: int
    unchanged: int


Row = dict[str, str]
Values = dict[str, Any]


def import_registers(principal: Principal, folder: Path) -> list[Imported]:
    """Import the register files that a folder holds, all or nothing.

    Args:
        principal: must be allowed to administer institutions.
        folder: holds some of `districts.geojson`, `medical_groups.csv`, `institutions.csv`, `staff.csv`,
            `staff_registrations.csv`, UTF-8 with or without a byte-order mark.

    Raises:
        NotAllowed: the principal may not.
        NotFound: the folder holds none of the files.
        Invalid: a row breaks a rule; `where` names file and line. Nothing is then imported.
    """
    require(principal, "administer", Target("institution"))
    present = [name for name in FILES if (folder / name).is_file()]
    if not present:
        raise NotFound("registers-missing", _("The folder holds no register files"), where=", ".join(FILES))
    importers: dict[str, Callable[[Path], Imported]] = {
        "districts.geojson": _districts,
        "medical_groups.csv": _groups,
        "institutions.csv": _institutions,
        "staff.csv": _staff,
        "staff_registrations.csv": _registrations,
    }
    with transaction.atomic():
        return [importers[name](folder / name) for name in present]


def _rows(path: Path, required: tuple[str, ...], known: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = [(name or "").strip() for name in reader.fieldnames or []]
        missing = [name for name in required if name not in names]
        if missing:
            raise Invalid(
                "register-columns", _("Columns are missing"), where=f"{path.name}: {', '.join(missing)}"
            )
        for row in reader:
            where = f"{path.name} line {reader.line_num}"
            if None in row:
                raise Invalid("register-width", _("The line has more cells than the header"), where=where)
            values = {name.strip(): (value or "").strip() for name, value in row.items() if name}
            for name in required:
                if not values[name]:
                    raise Invalid(
                        "register-empty", _("A cell that is needed is empty"), where=f"{where}, {name}"
                    )
            yield where, {name: values[name] for name in known if name in values}


def _districts(path: Path) -> Imported:
    try:
        collection = json.loads(path.read_text("utf-8-sig"))
        features = collection["features"]
    except (ValueError, KeyError, TypeError):
        raise Invalid(
            "register-geojson", _("This is no GeoJSON FeatureCollection"), where=path.name
        ) from None
    rows: dict[str, Values] = {}
    parents: dict[str, str] = {}
    for number, feature in enumerate(features, 1):
        where = f"{path.name} feature {number}"
        try:
            properties, geometry = feature["properties"], feature["geometry"]
            code = str(properties["code"])
            values: Values = {
                "name": str(properties["name"]),
                "name_en": str(properties.get("name_en") or ""),
                "level": str(properties.get("level") or "district"),
                "polygon": json.dumps(geometry, separators=(",", ":")) if geometry else "",
                "population": _integer(properties.get("population"), where),
            }
        except (KeyError, TypeError, AttributeError):
            raise Invalid("register-district", _("A district needs a code and a name"), where=where) from None
        if geometry and geometry.get("type") not in {"Polygon", "MultiPolygon"}:
            raise Invalid("register-geometry", _("A district's boundary must be a polygon"), where=where)
        rows[code] = values
        if properties.get("parent"):
            parents[code] = str(properties["parent"])
    known = set(rows) | set(District.objects.values_list("code", flat=True))
    for code, parent in parents.items():
        if parent not in known:
            raise Invalid(
                "register-parent", _("The district's parent is unknown"), where=f"{path.name} {code}"
            )
    # Two passes: a part may stand in the file before what it is part of.
    imported = _write(path.name, District, "code", rows)
    old = dict(District.objects.filter(code__in=list(rows)).values_list("code", "parent_id"))
    moved = [
        District(code=code, parent_id=parents.get(code)) for code in rows if old[code] != parents.get(code)
    ]
    District.objects.bulk_update(moved, ["parent"], batch_size=_BATCH)
    return imported


def _groups(path: Path) -> Imported:
    rows = {
        row.pop("code"): dict(row)
        for _line, row in _rows(path, ("code", "name"), ("code", "name", "name_en"))
    }
    return _write(path.name, MedicalGroup, "code", rows)


def _institutions(path: Path) -> Imported:
    groups = dict(MedicalGroup.objects.values_list("code", "pk"))
    districts = set(District.objects.values_list("code", flat=True))
    known = (
        "code",
        "name",
        "name_en",
        "kind",
        "tier",
        "group",
        "district",
        "licence_no",
        "licence_scope",
        "latitude",
        "longitude",
        "active",
    )
    rows: dict[str, Values] = {}
    for where, row in _rows(path, ("code", "name"), known):
        values: Values = {
            name: row[name]
            for name in ("name", "name_en", "tier", "licence_no", "licence_scope")
            if name in row
        }
        if row.get("kind"):
            if row["kind"] not in InstitutionKind.values:
                raise Invalid("register-kind", _("The kind of institution is unknown"), where=where)
            values["kind"] = row["kind"]
        if "group" in row:
            values["group_id"] = _known(groups, row["group"], "group", where)
        if "district" in row:
            values["district_id"] = _known(
                {code: code for code in districts}, row["district"], "district", where
            )
        for name, limit in (("latitude", 90), ("longitude", 180)):
            if name in row:
                values[name] = _degrees(row[name], limit, where)
        if row.get("active"):
            values["active"] = _truth(row["active"], where)
        rows[row["code"]] = values
    return _write(path.name, Institution, "code", rows)


def _staff(path: Path) -> Imported:
    institutions = dict(Institution.objects.values_list("code", "pk"))
    rows: dict[str, Values] = {}
    for where, row in _rows(path, ("code", "name", "institution"), ("code", "name", "institution")):
        rows[row["code"]] = {
            "name": row["name"],
            "institution_id": _known(institutions, row["institution"], "institution", where),
        }
    return _write(path.name, Staff, "code", rows)


def _registrations(path: Path) -> Imported:
    staff = dict(Staff.objects.values_list("code", "pk"))
    institutions = dict(Institution.objects.values_list("code", "pk"))
    required = ("staff", "institution", "profession", "registration_no", "valid_from")
    wanted: dict[tuple[str, int, date], Values] = {}
    for where, row in _rows(path, required, (*required, "specialty", "valid_to")):
        start = _day(row["valid_from"], where)
        end = _day(row["valid_to"], where) if row.get("valid_to") else None
        if end is not None and end < start:
            raise Invalid("register-validity", _("The registration ends before it begins"), where=where)
        institution = _known(institutions, row["institution"], "institution", where)
        wanted[(row["registration_no"], institution, start)] = {
            "staff_id": _known(staff, row["staff"], "staff", where),
            "profession": row["profession"],
            "specialty": row.get("specialty", ""),
            "valid_to": end,
        }
    old = {
        (row.registration_no, row.institution_id, row.valid_from): row
        for row in StaffRegistration.objects.all()
    }
    new, changed = [], []
    for key, values in wanted.items():
        row_old = old.get(key)
        if row_old is None:
            number, institution, start = key
            new.append(
                StaffRegistration(
                    registration_no=number, institution_id=institution, valid_from=start, **values
                )
            )
        elif _set(row_old, values):
            changed.append(row_old)
    StaffRegistration.objects.bulk_create(new, batch_size=_BATCH)
    StaffRegistration.objects.bulk_update(
        changed, ["staff", "profession", "specialty", "valid_to"], batch_size=_BATCH
    )
    return Imported(path.name, len(wanted), len(new), len(changed), len(wanted) - len(new) - len(changed))


def _write(file: str, model: type[models.Model], key: str, rows: dict[str, Values]) -> Imported:
    manager = model._default_manager
    old = {getattr(row, key): row for row in manager.all()}
    new, changed = [], []
    for code, values in rows.items():
        row = old.get(code)
        if row is None:
            new.append(model(**{key: code}, **values))
        elif _set(row, values):
            changed.append(row)
    manager.bulk_create(new, batch_size=_BATCH)
    if changed:
        names = sorted({name.removesuffix("_id") for values in rows.values() for name in values})
        manager.bulk_update(changed, names, batch_size=_BATCH)
    return Imported(file, len(rows), len(new), len(changed), len(rows) - len(new) - len(changed))


def _set(row: models.Model, values: Values) -> bool:
    different = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in different.items():
        setattr(row, name, value)
    return bool(different)


def _known(codes: dict[str, Any], code: str, name: str, where: str) -> Any:
    if not code:
        return None
    if code not in codes:
        raise Invalid("register-reference", _("The code is not in its register"), where=f"{where}, {name}")
    return codes[code]


def _integer(value: Any, where: str) -> int | None:
    if value in (None, ""):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Invalid("register-number", _("This is no whole number"), where=where) from None


def _degrees(text: str, limit: int, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise Invalid("register-number", _("This is no number"), where=where) from None
    if not -limit <= value <= limit:
        raise Invalid("register-degrees", _("The degrees are out of range"), where=where)
    return value


def _truth(text: str, where: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise Invalid("register-truth", _("Write true or false"), where=where)


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("register-date", _("Write a date like 2025-03-31"), where=where) from None
