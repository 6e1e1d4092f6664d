"""The published file of a tender, and its check by anybody: seals, times, rules and decisions.

The file is one JSON object. `conclude` works the decisions out of what stands above them in the same file;
the platform uses it to decide and `verify` to decide again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from salus.insurance.tender.rules import RuleSet, parse_ruleset
from salus.insurance.tender.running import GroupResult, decide_group
from salus.insurance.tender.saving import Benefit
from salus.insurance.tender.sealing import PURPOSE, read_payload
from salus.insurance.tender.selecting import Bid, Decision, Group
from salus.insurance.tender.supplying import Need
from salus.insurance.tender.units import Strength
from salus.kernel.commit_reveal import Opening, draws, opens, root
from salus.kernel.errors import Invalid, SalusError

FORMAT = "salus-tender-1"
NOT_OPENED = "not-opened"
VOID = "void"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a published tender that is not as it should be: a stable code and where."""

    code: str
    where: str


def plain(value: Any) -> Any:
    """Return a rule set's table as JSON keeps it: days as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def decision_row(group: str, one: Decision) -> dict[str, Any]:
    """Return a decision as it is published; fractions of fen as exact text."""
    return {
        "group": group, "supplier": one.supplier, "reason": one.reason, "rank": one.rank,
        "comparable": None if one.comparable is None else str(one.comparable),
        "limit": None if one.limit is None else str(one.limit), "kept_by": one.kept_by, "tie": one.tie,
        "unmet": list(one.unmet),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Concluded:
    """A tender's results, and what decides about bids that were not opened or cannot be read."""

    results: tuple[GroupResult, ...]
    unread: tuple[tuple[str, Decision], ...]
    seed: str | None

    def published(self) -> dict[str, Any]:
        """Return the part of the file that holds what was decided."""
        decisions = [
            decision_row(one.group.code, made) for one in self.results for made in one.outcome.decisions
        ]
        decisions += [decision_row(group, made) for group, made in self.unread]
        return {
            "seed": self.seed,
            "decisions": sorted(decisions, key=_place),
            "outcomes": [
                {
                    "group": one.group.code, "bidders": one.outcome.bidders, "allowed": one.outcome.allowed,
                    "winners": list(one.outcome.winners), "share": str(one.outcome.share),
                    "years": one.outcome.years,
                }
                for one in self.results
            ],
            "regions": [
                {
                    "group": one.group.code, "region": row.region, "units": row.units, "main": row.main,
                    "second": row.second, "pick": row.pick,
                }
                for one in self.results
                for row in one.regions
            ],
            "volumes": [
                {
                    "group": one.group.code, "institution": row.institution, "region": row.region,
                    "base": row.base, "agreed": row.agreed,
                }
                for one in self.results
                for row in one.agreed
            ],
        }  # fmt: skip


def _place(row: Mapping[str, Any]) -> tuple[str, int, str]:
    """Sort decisions by group and rank, those without a rank last."""
    return row["group"], row["rank"] or 10**6, row["supplier"]


def conclude(file: Mapping[str, Any], benefits: Sequence[Benefit] = ()) -> Concluded:
    """Decide a whole tender from its published inputs.

    Raises:
        Invalid: the rule set or a group is faulty, or lots must be drawn and nothing was opened.
    """
    rules = parse_ruleset(file["ruleset"])
    openings = {row["party"]: row for row in file["openings"]}
    facts = {(row["group"], row["supplier"]): row for row in file["qualification"]}
    seed = None
    if openings:
        seed = draws.seed(file["round"]["code"], [row["nonce"] for row in openings.values()])
    unread: list[tuple[str, Decision]] = []
    bids: dict[str, list[Bid]] = defaultdict(list)
    groups = {row["code"]: _group(row) for row in file["groups"]}
    for row in file["commitments"]:
        group, _, supplier = row["party"].partition("/")
        if row["withdrawn_at"] is not None:
            continue
        if group not in groups or row["party"] not in openings:
            unread.append((group, Decision(supplier, NOT_OPENED if group in groups else VOID)))
            continue
        try:
            bid = read_payload(openings[row["party"]]["payload"], file["tender"], group, supplier)
            bids[group].append(_with_facts(bid, facts.get((group, supplier)), groups[group], rules))
        except SalusError:
            unread.append((group, Decision(supplier, VOID)))
    needs: dict[str, list[Need]] = defaultdict(list)
    for row in file["demand"]:
        needs[row["group"]].append(Need(row["institution"], row["region"], row["units"]))
    results = tuple(
        decide_group(group, bids[code], needs[code], rules, benefits, seed=seed)
        for code, group in sorted(groups.items())
    )
    return Concluded(results, tuple(unread), seed)


def _group(row: Mapping[str, Any]) -> Group:
    return Group(row["code"], Strength.parse(row["reference"]), row["pack"], row["ceiling"], row["old_price"])


def _with_facts(bid: Bid, fact: Mapping[str, Any] | None, group: Group, rules: RuleSet) -> Bid:
    rules.price_factor(bid.strength.over(group.reference))  # a strength that cannot be compared voids the bid
    if fact is None:
        return replace(bid, unmet=("qualification",))
    evaluated = fact.get("evaluated")
    return replace(
        bid,
        unmet=tuple(fact["unmet"]),
        evaluated=date.fromisoformat(evaluated) if evaluated else None,
        demand=fact.get("demand", 0),
    )


def read(path: Path) -> dict[str, Any]:
    """Read a published file; raises Invalid when it is none."""
    try:
        file = json.loads(path.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError, RecursionError):
        file = None
    if not isinstance(file, dict) or file.get("format") != FORMAT:
        raise Invalid("publication-unreadable", "The file is no published tender", where=path.name)
    return file


def verify(file: Mapping[str, Any]) -> list[Finding]:
    """Check a published tender whole and return what is wrong with it; an empty list when nothing is.

    Raises:
        Invalid: a part of the file is missing or of another form.
    """
    try:
        found = [*_seals(file), *_openings(file)]
        made = conclude(file).published()
        for part in ("seed", "decisions", "outcomes", "regions", "volumes"):
            if file[part] != made[part]:
                found += _differences(part, file[part], made[part])
        return found
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Invalid("publication-malformed", f"A part is missing or malformed: {error}") from None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seals(file: Mapping[str, Any]) -> list[Finding]:
    times = file["round"]
    opened, until = _instant(times["opened_at"]), _instant(times["commit_until"])
    found = []
    standing: list[tuple[str, str]] = []
    for row in file["commitments"]:
        if not opened <= _instant(row["committed_at"]) < until:
            found.append(Finding("commitment-late", row["party"]))
        if row["withdrawn_at"] is None:
            standing.append((row["party"], row["digest"]))
        elif _instant(row["withdrawn_at"]) >= until:
            found.append(Finding("withdrawal-late", row["party"]))
    if len({name for name, _ in standing}) != len(standing):
        found.append(Finding("commitment-twice", times["code"]))
    if root(standing) != times["root"]:
        found.append(Finding("root-differs", times["code"]))
    return found


def _openings(file: Mapping[str, Any]) -> list[Finding]:
    times = file["round"]
    begins, ends = _instant(times["commit_until"]), _instant(times["reveal_until"])
    digests = {row["party"]: row["digest"] for row in file["commitments"] if row["withdrawn_at"] is None}
    found = []
    for row in file["openings"]:
        opening = Opening(PURPOSE, times["code"], row["party"], row["nonce"], row["payload"])
        if not opens(digests.get(row["party"], ""), opening):
            found.append(Finding("opening-differs", row["party"]))
        if not begins <= _instant(row["revealed_at"]) < ends:
            found.append(Finding("opening-time", row["party"]))
    return found


def _differences(part: str, told: Any, made: Any) -> list[Finding]:
    """Name the rows that differ; a part without rows is named itself."""
    if not isinstance(told, list) or not isinstance(made, list):
        return [Finding(f"{part}-differs", part)]
    mine, theirs = ({json.dumps(row, sort_keys=True) for row in rows} for rows in (made, told))
    names = ("group", "supplier", "region", "institution")
    odd = [json.loads(row) for row in mine ^ theirs]
    places = {"/".join(str(row[key]) for key in names if key in row) for row in odd}
    return [Finding(f"{part}-differs", place) for place in sorted(places or {part})]
