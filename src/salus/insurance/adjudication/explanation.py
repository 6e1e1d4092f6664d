"""Why a part of a line is paid by whom, or what an edit found, as a sentence in English or Chinese."""

from collections.abc import Mapping
from typing import Any, Literal

from salus.insurance.adjudication.rules import Rules
from salus.kernel.errors import Invalid
from salus.kernel.money import format_yuan

Language = Literal["en", "zh"]

PAYERS: Mapping[str, Mapping[Language, str]] = {
    "basic": {"en": "the basic medical insurance fund", "zh": "基本医疗保险基金"},
    "serious": {"en": "the serious-illness insurance fund", "zh": "大病保险基金"},
    "aid": {"en": "medical aid", "zh": "医疗救助基金"},
    "free": {"en": "the free-treatment budget", "zh": "免费救治专项资金"},
    "self_in": {"en": "the resident, within the catalogue", "zh": "个人(目录内)"},
    "self_out": {"en": "the resident, outside the catalogue or cover", "zh": "个人(目录外或不予支付)"},
    "institution": {"en": "the institution", "zh": "医药机构"},
}
"""Who pays, in words."""
_CEILINGS: Mapping[str, Mapping[Language, str]] = {
    "stay": {"en": "stay or visit", "zh": "单次就医"},
    "quota": {"en": "quota", "zh": "定额"},
    "year": {"en": "year", "zh": "年度"},
}
_CLASSES: Mapping[str, Mapping[Language, str]] = {
    "destitute": {"en": "the destitute", "zh": "特困人员"},
    "low_income": {"en": "people on the minimum living allowance", "zh": "低保对象"},
    "poverty_return": {"en": "people who fell back into poverty", "zh": "返贫致贫人口"},
    "low_income_edge": {"en": "people at the edge of the allowance", "zh": "低保边缘家庭成员"},
    "illness_poverty": {"en": "people made poor by illness", "zh": "因病致贫重病患者"},
    "severe_disability": {"en": "people with a severe disability", "zh": "重度残疾人"},
}


def explain(row: Mapping[str, Any], rules: Rules, language: Language = "en") -> str:
    """Return the sentence for a row of the results' parts or findings.

    The sentence names, for a part, payer, amount and why, and always the rule and its version.
    Raises `Invalid` for a reason that the rules have no words for.
    """
    reason = row.get("reason") or row["code"]
    texts = rules.reasons.get(reason)
    if texts is None:
        raise Invalid("adjudication-reason", "there are no words for this reason", where=str(reason))
    why = texts[language].format_map(_words(row["params"] or "", rules, language))
    rule = f"{row['rule']}, {row['version']}" if row["rule"] else ""
    if "payer" not in row:
        return f"{why} ({rule})" if language == "en" else f"{why}({rule})"
    payer, amount = PAYERS[row["payer"]][language], format_yuan(row["amount"])
    if language == "en":
        return f"{amount} by {payer}: {why}" + (f" ({rule})" if rule else "")
    return f"{payer}支付{amount}:{why}" + (f"({rule})" if rule else "")


def _words(params: str, rules: Rules, language: Language) -> Mapping[str, str]:
    """Return the values of a reason's words as a person reads them."""
    said = _Words()
    for pair in filter(None, params.split(";")):
        name, _, value = pair.partition("=")
        if name in ("rate", "share"):
            said[name] = _percent(int(value))
        elif name in ("deductible", "base"):
            said[name] = format_yuan(int(value))
        elif name == "ceiling":
            said[name] = _CEILINGS[value][language] if value in _CEILINGS else value
        elif name == "class":
            said[name] = _CLASSES[value][language] if value in _CLASSES else value
        elif name == "illness":
            row = rules.illnesses.get(value)
            said[name] = row[f"name_{language}"] if row else value
        else:
            said[name] = value
    return said


class _Words(dict[str, str]):
    """Values by name; what is missing stays as it stands in the text."""

    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


def _percent(bp: int) -> str:
    whole, rest = divmod(bp, 100)
    return f"{whole}" + (f".{rest:02d}".rstrip("0") if rest else "") + " %"
