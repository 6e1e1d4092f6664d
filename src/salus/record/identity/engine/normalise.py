"""Bring names, dates, phones, addresses and numbers to one written form, so that equal things are equal.

Every function takes what a source wrote and returns the normal form, or None where nothing usable is
there. None of them guesses: what cannot be read is missing, and a missing value is no evidence.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

MISSING = frozenset(
    "unknown unk null none nil na n/a nan - -- . 不详 未知 无 无名氏 未提供 未填 暂无 不明 拒绝提供".split()
)
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_HAS_HAN = re.compile(f"[{_HAN}]")
_NOT_HAN = re.compile(f"[^{_HAN}·]")
_DOTS = re.compile("[•・‧∙．.·]")
_SPACES = re.compile(r"\s+")
_NOT_LATIN = re.compile(r"[^a-z ,]")
_NOT_WORD = re.compile(r"[^\w]+", re.UNICODE)
_NOT_DIGIT = re.compile(r"\D")


def _surname_rows() -> list[dict[str, str]]:
    text = files("salus.record").joinpath("rules/identity/surnames.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@dataclass(frozen=True, slots=True)
class _Surnames:
    reading: dict[str, str]
    romanised: frozenset[str]


@lru_cache(maxsize=1)
def _surnames() -> _Surnames:
    reading = {row["surname"]: row["pinyin"] for row in _surname_rows()}
    return _Surnames(reading, frozenset(p.replace(" ", "") for p in reading.values()))


@dataclass(frozen=True, slots=True)
class Name:
    """A name in parts: Chinese characters where they were given, and toneless pinyin or Latin letters."""

    family_hanzi: str | None = None
    given_hanzi: str | None = None
    family: str | None = None
    given: str | None = None


def surname_readings() -> dict[str, str]:
    """Return the known surnames, compound ones too, and the reading each has as a surname."""
    return _surnames().reading


def text(value: str | None) -> str | None:
    """Fold width, case, punctuation and spacing."""
    if not value:
        return None
    folded = unicodedata.normalize("NFKC", value).casefold().strip()
    if folded in MISSING:
        return None
    folded = _NOT_WORD.sub(" ", folded).strip()
    return folded or None


@lru_cache(maxsize=65536)
def _reading(char: str) -> str:
    from pypinyin import Style, lazy_pinyin  # its tables are large, and few commands read names

    return "".join(lazy_pinyin(char, style=Style.NORMAL, errors="ignore")).replace("ü", "v")


def split_hanzi(name: str) -> tuple[str, str]:
    """Split a full name in Chinese characters into family and given name, knowing compound surnames.

    A name with a middle dot (many minority names) is given·family.
    """
    if "·" in name:
        given, _, family = name.rpartition("·")
        return family, given.replace("·", "")
    if len(name) > 2 and name[:2] in _surnames().reading:
        return name[:2], name[2:]
    return name[:1], name[1:]


def family_pinyin(hanzi: str) -> str:
    """Return the toneless pinyin of a surname, by the reading it has as a surname (单 is shan)."""
    known = _surnames().reading.get(hanzi)
    return known.replace(" ", "") if known else given_pinyin(hanzi)


def given_pinyin(hanzi: str) -> str:
    """Return the toneless pinyin of a given name, syllables joined."""
    return "".join(_reading(c) for c in hanzi)


def hanzi(value: str | None) -> str | None:
    """Keep the Chinese characters (and the middle dot) of a name; None if it has none."""
    if not value or not _HAS_HAN.search(value):
        return None
    folded = _DOTS.sub("·", unicodedata.normalize("NFKC", value).strip())
    if folded in MISSING:
        return None
    return _NOT_HAN.sub("", folded).strip("·") or None


def latin(value: str | None) -> str | None:
    """Fold a name in Latin letters: no tones or accents, lower case; ü and lyu become v and lv."""
    if not value or value.strip().casefold() in MISSING:
        return None
    lowered = unicodedata.normalize("NFC", value).casefold()
    for wide in "üǖǘǚǜ":
        lowered = lowered.replace(wide, "v")
    plain = "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))
    plain = plain.replace("'", "").replace("’", "").replace("-", "")
    plain = _SPACES.sub(" ", _NOT_LATIN.sub(" ", plain)).strip(" ,")
    plain = re.sub(r"\b([ln])yu", r"\1v", plain)
    return plain or None


def name(full: str | None = None, *, family: str | None = None, given: str | None = None) -> Name:
    """Normalise a name given whole, in parts, or both; Chinese characters win over letters.

    Parts in the wrong order are put right where that is certain: the family part is no surname and the
    given part is one, and longer.
    """
    family_h, given_h = hanzi(family), hanzi(given)
    if family_h is None and given_h is None and (whole := hanzi(full)):
        family_h, given_h = split_hanzi(whole)
    if family_h and given_h:
        known = _surnames().reading
        if family_h not in known and given_h in known:
            family_h, given_h = given_h, family_h
    if family_h or given_h:
        return Name(
            family_h or None,
            given_h or None,
            family_pinyin(family_h) if family_h else None,
            given_pinyin(given_h) if given_h else None,
        )
    family_l, given_l = latin(family), latin(given)
    if family_l is None and given_l is None and (whole := latin(full)):
        family_l, given_l = _split_latin(whole)
    joined = (part.replace(" ", "").replace(",", "") if part else None for part in (family_l, given_l))
    return Name(None, None, *joined)


def _split_latin(whole: str) -> tuple[str | None, str | None]:
    if "," in whole:
        family, _, given = whole.partition(",")
        return family.strip() or None, given.strip() or None
    parts = whole.split()
    if len(parts) == 1:
        return _split_joined(whole)
    known = _surnames().romanised
    if parts[0] in known or "".join(parts[:2]) in known and len(parts) > 2:
        cut = 1 if parts[0] in known else 2
        return "".join(parts[:cut]), "".join(parts[cut:])
    return parts[-1], "".join(parts[:-1])


def _split_joined(whole: str) -> tuple[str | None, str | None]:
    known = _surnames().romanised
    for cut in range(min(len(whole) - 1, 8), 1, -1):
        if whole[:cut] in known:
            return whole[:cut], whole[cut:]
    return None, whole


def sex(value: str | None) -> str | None:
    """Return "male" or "female" from words, letters or GB/T 2261.1 digits."""
    return _SEXES.get(value.strip().casefold()) if value else None


_SEXES = {
    **dict.fromkeys(("m", "male", "男", "男性", "1", "1-男", "man"), "male"),
    **dict.fromkeys(("f", "female", "女", "女性", "2", "2-女", "woman"), "female"),
}


def date_digits(value: str | None) -> str | None:
    """Return a date as eight digits, year first, as written: a mistyped day stays, to be compared.

    Reads 1980-02-03, 1980/2/3, 19800203, 1980年2月3日 and date-times beginning so.
    """
    if not value:
        return None
    found = _DATE.match(unicodedata.normalize("NFKC", value).strip())
    if not found:
        return None
    year, month, day = found["y"] or found["y2"], found["m"] or found["m2"], found["d"] or found["d2"]
    digits = f"{year}{int(month):02d}{int(day):02d}"
    return None if digits in {"19000101", "18991230", "99991231", "00010101"} else digits


_DATE = re.compile(
    r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:\D|\d{4,6}|$)"
    r"|(?P<y2>\d{4})\s*[-/.年]\s*(?P<m2>\d{1,2})\s*[-/.月]\s*(?P<d2>\d{1,2})(?:\D|$)"
)


def phone(value: str | None) -> str | None:
    """Return a phone number's digits without the country code; None for placeholders."""
    if not value:
        return None
    digits = _NOT_DIGIT.sub("", unicodedata.normalize("NFKC", value))
    if digits.startswith("0086"):
        digits = digits[4:]
    elif digits.startswith("86") and len(digits) == 13:
        digits = digits[2:]
    if len(digits) < 6 or len(set(digits)) <= 2 or digits in "01234567890123456789":
        return None
    return digits


def identifier(value: str | None) -> str | None:
    """Return an identifier in capitals without spaces and punctuation; None for placeholders."""
    if not value or value.strip().casefold() in MISSING:
        return None
    kept = "".join(c for c in unicodedata.normalize("NFKC", value).upper() if c.isalnum())
    return kept if kept and len(set(kept)) > 1 else None


def address(value: str | None) -> str | None:
    """Return an address without its province and city, in one style of building and unit words."""
    folded = text(value)
    if folded is None:
        return None
    if not _HAS_HAN.search(folded):
        return folded
    joined = folded.replace(" ", "")
    joined = _ABOVE_DISTRICT.sub("", joined, count=1)
    for pattern, plain in _BUILDING:
        joined = pattern.sub(plain, joined)
    return joined.strip("-") or None


ABOVE_DISTRICT = r"^(?:中国)?(?:[^省市区县]{2,8}(?:省|自治区))?(?:[^市区县]{2,8}市)?"
_ABOVE_DISTRICT = re.compile(ABOVE_DISTRICT)
_BUILDING = (
    (re.compile("(?:号楼|幢|栋|座|號)"), "号"),
    (re.compile("(?:单元|門|门)"), "-"),
    (re.compile("(?:室|房|户)$"), ""),
)


def joined_address(parts: Iterable[str | None]) -> str | None:
    """Normalise an address given in lines."""
    return address("".join(p for p in parts if p))
