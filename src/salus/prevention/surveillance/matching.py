"""Whether two reports are of one case: by identity, or by name, birth and sex where there is none.

A report of the same person and disease within the disease's episode is the same case. A report without
identity is held against those of the same name: the pairs are judged by points (not probabilities), and a
person decides on those that are only likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from salus.prevention.surveillance.catalogue import plain


class Likeness(StrEnum):
    """How sure it is that two reports are of one case."""

    SAME = "same"
    LIKELY = "likely"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Reported:
    """What is known of who was reported: `born` or else `age` in years on `day` (of onset or diagnosis)."""

    disease: str
    day: date
    person_id: UUID | None = None
    name: str = ""
    born: date | None = None
    age: float | None = None
    sex: str = ""
    district: str = ""


def name_key(name: str) -> str:
    """Return a name as it is looked for: without case, blanks and punctuation, at most 80 characters."""
    return plain(name).replace("·", "").replace(",", "")[:80]


def likeness(one: Reported, other: Reported, episode_days: int) -> tuple[Likeness, tuple[str, ...]]:
    """Judge two reports; returns how sure it is and by what.

    `person`: the same person; `name`, `birth`, `age`, `sex`, `district`: that agrees. Another disease, a
    different person, or a longer time than the disease's episode between them is no.
    """
    if one.disease != other.disease or abs((one.day - other.day).days) > episode_days:
        return Likeness.NO, ()
    if one.person_id is not None and other.person_id is not None:
        return (Likeness.SAME, ("person",)) if one.person_id == other.person_id else (Likeness.NO, ())
    if not name_key(one.name) or name_key(one.name) != name_key(other.name):
        return Likeness.NO, ()
    if one.sex and other.sex and one.sex != other.sex:
        return Likeness.NO, ()
    agree = ["name"]
    if one.born and other.born:
        if one.born != other.born:
            return Likeness.NO, ()
        agree.append("birth")
    else:
        mine, hers = _age(one), _age(other)
        if mine is not None and hers is not None:
            if abs(mine - hers) > 1.5:
                return Likeness.NO, ()
            agree.append("age")
    if one.sex and one.sex == other.sex:
        agree.append("sex")
    if one.district and one.district == other.district:
        agree.append("district")
    if "birth" in agree:
        return Likeness.SAME, tuple(agree)
    return Likeness.LIKELY, tuple(agree)


def _age(reported: Reported) -> float | None:
    if reported.age is not None:
        return reported.age
    return None if reported.born is None else (reported.day - reported.born).days / 365.25
