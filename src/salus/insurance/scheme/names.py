"""What the name of a split asks for, where its table says only MCC or CC: an age, a stay, intensive care.

Published tables keep the usual severities and lose the rest, so that `癫痫病，年龄≤17岁` stands there as MCC.
"""

import re

from salus.insurance.scheme.predicates import (
    Compare,
    NumberField,
    Op,
    Predicate,
    Severity,
    all_of,
    any_of,
    negated,
)

_OPS: dict[str, Op] = {
    "≤": "<=", "<=": "<=", "小于等于": "<=", "不超过": "<=", "<": "<", "＜": "<", "小于": "<",
    "≥": ">=", ">=": ">=", "大于等于": ">=", ">": ">", "＞": ">", "大于": ">",
}  # fmt: skip
_SIGN = "(" + "|".join(sorted(map(re.escape, _OPS), key=len, reverse=True)) + ")"
_FLIPPED: dict[Op, Op] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
_UNITS: dict[str, NumberField] = {"周?岁": "age", "天": "los", "小时": "icu_hours"}


def asked_by_name(name: str, severity: str = "") -> Predicate | None:
    """Return what a split's name asks of age, stay or intensive care, or None if nothing.

    A name that also says "with complications" asks for that too, "without" for none. A death or transfer
    within days is not read: tables do not say which discharge codes it means.
    """
    if "死亡" in name or "转院" in name:
        return None
    asked: list[Predicate] = []
    for unit, field in _UNITS.items():
        words = name
        if field == "icu_hours":
            _, _, words = name.upper().partition("ICU")
        if field == "los" and "出生年龄" in name:
            field = "age_day"
        asked += _bounds(words, unit, field)
    if not asked:
        return None
    return all_of(*asked, *_severity(name))


def _bounds(name: str, unit: str, field: NumberField) -> list[Predicate]:
    if found := re.search(rf"(\d+)\s*{unit}?\s*{_SIGN}[^\d，,]{{0,12}}{_SIGN}\s*(\d+)\s*{unit}", name):
        low, left, right, high = found.groups()
        return [
            Compare(field, _FLIPPED[_OPS[left]], int(low)),
            Compare(field, _OPS[right], int(high)),
        ]
    if found := re.search(rf"{_SIGN}\s*(\d+)\s*{unit}", name):
        return [Compare(field, _OPS[found[1]], int(found[2]))]
    if found := re.search(rf"(\d+)\s*[-~至—]\s*(\d+)\s*{unit}", name):
        return [Compare(field, ">=", int(found[1])), Compare(field, "<=", int(found[2]))]
    if found := re.search(rf"(\d+)\s*{unit}(及以上|以上|以内|以下|内)", name):
        op: Op = ">=" if found[2].endswith("以上") else "<="
        return [Compare(field, op, int(found[1]))]
    if field == "los" and (found := re.search(rf"[，,]\s*(\d+)\s*{unit}$", name)):
        return [Compare(field, "=", int(found[1]))]
    return []


def _severity(name: str) -> list[Predicate]:
    mcc, cc = Severity("mcc"), Severity("cc")
    if re.search(r"不伴严重", name):
        return [negated(mcc)]
    if "不伴" in name:
        return [negated(mcc), negated(cc)]
    if re.search(r"伴有?严重或", name):
        return [any_of(mcc, cc)]
    if re.search(r"伴有?严重", name):
        return [mcc]
    if re.search(r"伴有?(一般)?并发症", name):
        return [any_of(mcc, cc)]
    return []
