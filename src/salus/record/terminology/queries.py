"""What a code means, whether it is one, what it is under, and what it is in another code system."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Q

from salus.kernel.errors import Invalid, NotFound
from salus.record.models import TerminologyCode, TerminologyMapping, TerminologyRelease
from salus.record.terminology.shipped import VERSION, Concept, systems, value_sets

DEEPEST = 50
EXPANDED_MOST = 1_000
REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}


class NotLoaded(NotFound):
    """A code system, value set or map that is not here: nothing can be said of its codes."""


@dataclass(frozen=True, slots=True)
class System:
    """A code system that can be asked: shipped with the program (`release` None) or loaded."""

    url: str
    version: str
    name: str
    complete: bool
    release: int | None = None

    def find(self, code: str) -> Concept | None:
        """Return a code's concept."""
        if self.release is None:
            return systems()[self.url].get(code)
        row = TerminologyCode.objects.filter(release_id=self.release, code=code).first()
        return Concept(row.code, row.display, row.parent) if row else None

    def children(self, code: str) -> list[Concept]:
        """Return the concepts right under a code."""
        if self.release is None:
            return [one for one in systems()[self.url].values() if one.parent == code]
        found = TerminologyCode.objects.filter(release_id=self.release, parent=code).order_by("code")
        return [Concept(row.code, row.display, row.parent) for row in found[:EXPANDED_MOST]]

    def above(self, code: str) -> Iterator[str]:
        """Yield the codes above a code, the nearest first."""
        concept = self.find(code)
        for _ in range(DEEPEST):
            if concept is None or not concept.parent:
                return
            yield concept.parent
            concept = self.find(concept.parent)

    def below(self, code: str) -> list[str]:
        """Return the codes under a code, at any depth.

        Raises `Invalid` ("too-costly") for more than 1,000.
        """
        found: list[str] = []
        level = [code]
        for _ in range(DEEPEST):
            level = [one.code for above in level for one in self.children(above)]
            found += level
            if len(found) > EXPANDED_MOST:
                raise Invalid(
                    "too-costly", "More than 1,000 codes are under this one", fix="Ask for a narrower one"
                )
            if not level:
                break
        return found

    def concepts(self, text: str, limit: int) -> tuple[list[Concept], int]:
        """Return up to `limit` concepts with a text in the display or at the code's start, and how many."""
        if self.release is None:
            wanted = text.casefold()
            found = [
                one
                for one in systems()[self.url].values()
                if one.code.casefold().startswith(wanted) or wanted in one.display.casefold()
            ]
            return found[:limit], len(found)
        rows = TerminologyCode.objects.filter(release_id=self.release)
        if text:
            rows = rows.filter(Q(code__istartswith=text) | Q(display__icontains=text))
        page = [Concept(row.code, row.display, row.parent) for row in rows.order_by("code")[:limit]]
        return page, rows.count()


@dataclass(frozen=True, slots=True)
class Translation:
    """One translation of a code: FHIR's equivalence, the target, and the map that says so."""

    equivalence: str
    system: str
    code: str
    display: str
    map: str


def system(url: str, version: str = "") -> System:
    """Return a code system that can be asked; of several loaded versions the current one.

    Raises `NotLoaded`.
    """
    rows = TerminologyRelease.objects.filter(kind="codes", url=url)
    row = rows.filter(version=version).first() if version else rows.filter(current=True).first()
    if row is not None:
        return System(url, row.version, row.name, row.complete, row.pk)
    if url in systems() and version in {"", VERSION}:
        return System(url, VERSION, url.rsplit("/", 1)[1], True)
    raise NotLoaded(
        "code-system-not-loaded",
        "The code system is not loaded here, so nothing can be said of its codes",
        fix="An operator loads it: salus record terminology import FILE --system URL",
    )


def lookup(url: str, code: str, version: str = "") -> tuple[System, Concept]:
    """Return a code's concept; raises `NotLoaded`, or `NotFound` for a code that is not there."""
    where = system(url, version)
    concept = where.find(code)
    if concept is None:
        words = (
            "The code system has no such code"
            if where.complete
            else "The code is not in the part loaded here"
        )
        raise NotFound("code-unknown", words)
    return where, concept


def subsumes(url: str, a: str, b: str, version: str = "") -> str:
    """Return "equivalent", "subsumes" (a is above b), "subsumed-by" or "not-subsumed".

    Raises `NotLoaded`, or `NotFound` for a code that is not there.
    """
    where, _ = lookup(url, a, version)
    lookup(url, b, version)
    if a == b:
        return "equivalent"
    if a in where.above(b):
        return "subsumes"
    return "subsumed-by" if b in where.above(a) else "not-subsumed"


def members(url: str) -> Sequence[tuple[str, tuple[str, ...]]]:
    """Return what a value set includes: code systems with their codes, none for all.

    "CODESYSTEM?fhir_vs" is all of a code system. Raises `NotLoaded`.
    """
    plain = url.split("|")[0]
    if plain.endswith("?fhir_vs"):
        return [(system(plain.removesuffix("?fhir_vs")).url, ())]
    if plain in value_sets():
        return value_sets()[plain]
    raise NotLoaded(
        "value-set-not-loaded",
        "The value set is not loaded here, so nothing can be said of its codes",
        fix="Those of R4's required bindings are here, and SYSTEM?fhir_vs for all of a code system",
    )


def in_value_set(url: str, system_url: str, code: str) -> Concept | None:
    """Return a code's concept if a value set has it; without a system, of any of its systems.

    Raises `NotLoaded`.
    """
    for of, codes in members(url):
        if system_url in {"", of} and (not codes or code in codes):
            concept = system(of).find(code)
            if concept is not None:
                return concept
    return None


def expand(
    url: str, text: str = "", *, offset: int = 0, count: int | None = None
) -> tuple[list[tuple[str, Concept]], int]:
    """Return the codes of a value set with their systems, narrowed by a text, and how many there are.

    Raises `NotLoaded`, or `Invalid` ("too-costly") for more than 1,000 without a count.
    """
    most = EXPANDED_MOST if count is None else offset + count
    found: list[tuple[str, Concept]] = []
    total = 0
    for of, codes in members(url):
        where = system(of)
        if codes:
            some = [one for code in codes if (one := where.find(code)) is not None]
            wanted = text.casefold()
            kept = [o for o in some if o.code.casefold().startswith(wanted) or wanted in o.display.casefold()]
            total += len(kept)
        else:
            kept, size = where.concepts(text, most)
            total += size
        found += [(of, one) for one in kept]
    if count is None and total > EXPANDED_MOST:
        raise Invalid(
            "too-costly",
            "The value set has more than 1,000 codes",
            fix="Ask with filter, or count and offset",
        )
    return found[offset : offset + (total if count is None else count)], total


def translate(
    source: str, code: str, *, target: str = "", map_url: str = "", reverse: bool = False
) -> list[Translation]:
    """Return what the loaded maps say a code is elsewhere, or with `reverse` what becomes the code.

    Raises `NotLoaded` when no loaded map is about the code system.
    """
    maps = {row.pk: row.url for row in TerminologyRelease.objects.filter(kind="map", current=True)}
    if map_url:
        maps = {pk: url for pk, url in maps.items() if url == map_url}
    rows = TerminologyMapping.objects.filter(release_id__in=list(maps))
    side, other = ("target", "source") if reverse else ("source", "target")
    about = rows.filter(**{side: source})
    if target:
        about = about.filter(**{other: target})
    if not about.exists():
        raise NotLoaded(
            "concept-map-not-loaded",
            "No map between these code systems is loaded here",
            fix="An operator loads it: salus record terminology import FILE",
        )
    found = about.filter(**{"target_code" if reverse else "code": code}).order_by("id")
    return [
        Translation(
            REVERSED.get(row.equivalence, row.equivalence) if reverse else row.equivalence,
            row.source if reverse else row.target,
            row.code if reverse else row.target_code,
            "" if reverse else row.display,
            maps[row.release_id],
        )
        for row in found
        if row.equivalence not in {"unmatched", "disjoint"}
    ]
