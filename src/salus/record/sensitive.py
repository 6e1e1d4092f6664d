"""Sensitive categories of resources: HIV, mental health, reproductive health, by their codes."""

import csv
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from django.db.backends.utils import CursorWrapper

from salus.kernel.policy import Principal, Target
from salus.record import json
from salus.record.identity import rows

if TYPE_CHECKING:
    from salus.record.store.types import Written

NONE: frozenset[str] = frozenset()
_NEVER = frozenset({"Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Person"})


@lru_cache(maxsize=1)
def _rules() -> tuple[re.Pattern[bytes], list[tuple[str, str, str]]]:
    """Return a quick test on stored bytes, and the rules: part of the system, prefix, category."""
    text = files("salus.record").joinpath("rules/identity/sensitive.csv").read_text(encoding="utf-8")
    found = [(r["system"], r["prefix"], r["category"]) for r in csv.DictReader(text.splitlines())]
    prefixes = "|".join(sorted({re.escape(prefix) for _, prefix, _ in found}, key=len, reverse=True))
    labels = "|".join(sorted(_LABELS))
    return re.compile(f'"code" ?: ?"(?:{prefixes}|(?:{labels})")'.encode()), found


# HL7 v3 ActCode security labels that a sender may put into meta.security.
_LABELS = {"HIV": "hiv", "PSY": "mental", "MH": "mental", "SEX": "reproductive", "REPRO": "reproductive"}


def of_label(code: str) -> str:
    """Return the category that a security label of HL7 v3 ActCode stands for; empty if none."""
    return _LABELS.get(code, "")


def label_of(category: str) -> str:
    """Return the security label of HL7 v3 ActCode that says a category in meta.security."""
    return next(label for label, named in _LABELS.items() if named == category)


@lru_cache(maxsize=4096)
def _of_code(system: str, code: str) -> frozenset[str]:
    named = system.casefold()
    return frozenset(
        c for part, prefix, c in _rules()[1] if code.startswith(prefix) and (part in named or not named)
    )


def categories(resource_type: str, body: bytes) -> frozenset[str]:
    """Return the sensitive categories of a stored resource, from its codes and security labels.

    A code without a system counts as each system's it could be of: doubt protects.
    """
    if resource_type in _NEVER or not body or not _rules()[0].search(body):
        return NONE
    found: set[str] = set()
    stack: list[Any] = [json.loads(body)]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        elif isinstance(item, dict):
            code, system = item.get("code"), item.get("system")
            if isinstance(code, str):
                named = system if isinstance(system, str) else ""
                found |= _of_code(named, code)
                if "v3-ActCode" in named and code in _LABELS:
                    found.add(_LABELS[code])
            stack += [v for v in item.values() if isinstance(v, dict | list)]
    return frozenset(found)


def note(cursor: CursorWrapper, written: "Sequence[Written]") -> None:
    """Keep the categories of resources just written, for lists; in the writer's transaction."""
    changed = [w for w in written if w.outcome in ("created", "updated") and w.type not in _NEVER]
    again = [(w.rid,) for w in changed if w.outcome == "updated"]
    rows.many(cursor, "delete from record_sensitive where rid = %s", again)
    found = [(w.rid, c) for w in changed for c in categories(w.type, w.body)]
    rows.insert_or_skip(cursor, "record_sensitive", "rid, category", found)


def check(principal: Principal, target: Target) -> bool:
    """Whether the principal may see all categories of the target."""
    return "*" in principal.sensitive or target.categories <= principal.sensitive


def filter_sql(principal: Principal, column: str) -> tuple[str, list[Any]]:
    """Return the condition that a row's categories are all open to the principal."""
    alias, dot, _ = column.rpartition(".")
    opened = sorted(principal.sensitive)
    text = f"not exists (select 1 from record_sensitive s where s.rid = {alias}{dot}rid"  # noqa: S608
    if opened:
        text += f" and s.category not in ({', '.join(['%s'] * len(opened))})"
    return text + ")", list(opened)
