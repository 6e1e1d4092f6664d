"""Reads a built city as the platform will: every file through the connectors' own readers."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.connect.errors import Untranslatable
from salus.connect.files import items_of
from salus.connect.profiles import translate
from salus.connect.translation import SourceProfile, Translation


@dataclass
class Seen:
    """What one source's files hold."""

    received: int = 0
    repeated: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    patients: set[str] = field(default_factory=set)
    types: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    merges: list[tuple[str, str]] = field(default_factory=list)


def profiles(city: Path) -> Iterator[SourceProfile]:
    """Yield the profile of every source of a city."""
    for source in tomllib.loads((city / "sources.toml").read_text(encoding="utf-8"))["source"]:
        mapping: dict[str, Any] = {}
        if path := source.get("mapping"):
            mapping = tomllib.loads((city / path).read_text(encoding="utf-8"))
        yield SourceProfile(
            code=source["code"], format=source["format"], charset=source["charset"], mapping=mapping,
            system_base=f"urn:salus:source:{source['code']}",
        )  # fmt: skip


def translations(city: Path, profile: SourceProfile) -> Iterator[Translation | Untranslatable]:
    """Yield what each message of a source becomes, in order; repeats are left out."""
    for _, outcome in outcomes(city, profile):
        if outcome is not None:
            yield outcome


def outcomes(
    city: Path, profile: SourceProfile
) -> Iterator[tuple[bytes, Translation | Untranslatable | None]]:
    """Yield each message's bytes and what it becomes; None for a repeat."""
    digests: set[bytes] = set()
    for path in sorted((city / "inbox" / profile.code).iterdir()):
        for item in items_of(path, profile):
            incoming = item.incoming
            digest = incoming.digest or incoming.raw
            if digest in digests:
                yield incoming.raw, None
                continue
            digests.add(digest)
            outcome = incoming.translation
            if outcome is None:
                try:
                    outcome = translate(incoming.raw, profile)
                except Untranslatable as fault:
                    outcome = fault
            yield incoming.raw, outcome


def see(city: Path, profile: SourceProfile) -> Seen:
    """Read everything of a source."""
    seen = Seen()
    for _, outcome in outcomes(city, profile):
        seen.received += 1
        if outcome is None:
            seen.repeated += 1
        elif isinstance(outcome, Untranslatable):
            seen.dead[f"{outcome.code}: {outcome.message[:90]} {outcome.where}"] += 1
        else:
            seen.kinds[outcome.kind] += 1
            seen.warnings.update(outcome.warnings)
            seen.merges += [(merge.kept, merge.retired) for merge in outcome.merges]
            for entry in outcome.entries:
                seen.types[entry.resource["resourceType"]] += 1
                if entry.resource["resourceType"] == "Patient":
                    seen.patients.add(entry.resource["id"])
    return seen
