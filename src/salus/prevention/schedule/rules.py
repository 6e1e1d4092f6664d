"""Schedules as data: services, their paths and steps, and what must be kept apart; read from `rules/`."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any

from salus.kernel.errors import Invalid
from salus.prevention.schedule.offsets import Span, span

ALWAYS = date(9999, 12, 31)
KINDS = ("series", "windows", "recurring")
PERIODS = ("rolling", "year", "quarter", "month", "week")


@dataclass(frozen=True, slots=True)
class Step:
    """One dose or visit. All spans count from the anchor but the intervals, which count from earlier steps.

    It is due from `due` on, counts from `earliest` on (`earliest_of`: for a product), is overdue from
    `overdue` on and is no longer given from `until` on. `interval` is the least time since the step before,
    `interval_due` what is recommended, `interval_first` the least since the first step.
    """

    due: Span
    earliest: Span
    overdue: Span | None = None
    until: Span | None = None
    interval: Span | None = None
    interval_due: Span | None = None
    interval_first: Span | None = None
    earliest_of: dict[str, Span] = field(default_factory=dict)
    product: str = ""
    name_en: str = ""
    name_zh: str = ""
    includes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class After:
    """A least time since the last dose of another product, given before."""

    products: tuple[str, ...]
    interval: Span


@dataclass(frozen=True, slots=True)
class Path:
    """The steps for those whom its conditions fit; the first fitting path of a service is taken.

    `products`: what was given first (or `default` where nothing was). `first_from`, `first_to`: the age at
    which the first was given, or would be given today, from … to below. `anchor_from`, `anchor_to`: the
    anchor's first and last day. `prior`: the service whose counted doses lie between `prior_from` and
    `prior_to`. `after` replaces the service's own.
    """

    steps: tuple[Step, ...]
    name: str = ""
    products: tuple[str, ...] = ()
    default: bool = False
    first_from: Span | None = None
    first_to: Span | None = None
    anchor_from: date | None = None
    anchor_to: date | None = None
    prior: str = ""
    prior_from: int = 0
    prior_to: int = 99
    after: tuple[After, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """What a resident is owed: a series of doses, visits each in its window, or one that recurs.

    `anchor` names the event from which spans count: `birth`, `discharge`, `lmp`, `delivery` or a disease.
    `grace`: days by which a dose may be too early and still count. `spaced_from`: intervals count from the
    last dose that `counted` or that was `given`. `late`: overdue so long after a due day which no step's
    `overdue` bounds. `age_from`, `age_to`: the resident's age. A recurring service has one step for the
    first time and comes again `every` so long after the last one, or once each calendar `period`.
    """

    code: str
    schedule: str
    kind: str
    anchor: str
    products: tuple[str, ...]
    paths: tuple[Path, ...]
    name_en: str
    name_zh: str
    jurisdiction: str
    start: date
    end: date
    source: str
    checked: str
    grace: int = 0
    spaced_from: str = "counted"
    late: Span = Span(1, 0)
    every: Span | None = None
    period: str = "rolling"
    age_from: Span | None = None
    age_to: Span | None = None
    after: tuple[After, ...] = ()
    roll: bool = False

    @property
    def priors(self) -> tuple[str, ...]:
        """The services whose counted doses decide on the path."""
        return tuple(dict.fromkeys(path.prior for path in self.paths if path.prior))


@dataclass(frozen=True, slots=True)
class Conflict:
    """Products that are given on one day (`same_day`) or at least `days` apart."""

    name: str
    products: tuple[str, ...]
    days: int
    same_day: bool
    source: str
    checked: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The services that hold on a day, those first whose doses others build on."""

    services: tuple[Service, ...]
    conflicts: tuple[Conflict, ...]

    def of(self, code: str) -> Service:
        """Return a service by its code.

        Raises:
            Invalid: there is none.
        """
        for service in self.services:
            if service.code == code:
                return service
        raise Invalid("schedule-service", "There is no such service", where=code)

    def only(self, codes: Iterable[str]) -> "Rules":
        """Return the rules of some services and of those they build on."""
        wanted = set(codes)
        for service in reversed(self.services):
            if service.code in wanted:
                wanted.update(service.priors)
        return Rules(tuple(s for s in self.services if s.code in wanted), self.conflicts)

    @property
    def products(self) -> tuple[str, ...]:
        """All products that any service counts or conflict names."""
        named = [p for s in self.services for p in s.products]
        named += [p for s in self.services for a in s.after for p in a.products]
        named += [p for s in self.services for path in s.paths for a in path.after for p in a.products]
        named += [p for c in self.conflicts for p in c.products]
        return tuple(dict.fromkeys(named))


def parse(text: str, name: str) -> tuple[list[Service], list[Conflict]]:
    """Read one file of rules; `name` is used for it in errors.

    Raises:
        Invalid: no TOML, a missing or unknown key, a span that is none, or steps out of order.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid("schedule-toml", f"No TOML: {error}", where=name) from None
    services = []
    for row in document.get("service", []):
        where = f"{name}: {row.get('code', 'a service without code')}"
        try:
            services.append(_service({**_common(document), **row}, where))
        except KeyError as error:
            raise Invalid("schedule-key", f"The key {error.args[0]} is missing", where=where) from None
        except (TypeError, ValueError) as error:
            raise Invalid("schedule-value", f"A value is of the wrong kind: {error}", where=where) from None
    conflicts = [
        Conflict(
            row["name"], tuple(row["products"]), int(row["days"]), bool(row["same_day"]),
            row["source"], row["checked"],
        )
        for row in document.get("conflict", [])
    ]  # fmt: skip
    return services, conflicts


_COMMON = ("schedule", "jurisdiction", "valid_from", "valid_to", "source", "checked", "month_end")
_KEYS = {
    *_COMMON, "code", "kind", "anchor", "products", "name_en", "name_zh", "grace", "spaced_from", "late",
    "every", "period", "age_from", "age_to", "after", "paths", "steps", "until",
}  # fmt: skip
_PATH_KEYS = {
    "name", "products", "default", "first_from", "first_to", "anchor_from", "anchor_to", "prior",
    "prior_from", "prior_to", "steps", "after",
}  # fmt: skip
_STEP_KEYS = {
    "due", "earliest", "overdue", "until", "interval", "interval_due", "interval_first", "earliest_of",
    "product", "name_en", "name_zh", "includes",
}  # fmt: skip


def _common(document: dict[str, Any]) -> dict[str, Any]:
    return {key: document[key] for key in _COMMON if key in document}


def _known(row: dict[str, Any], keys: set[str], where: str) -> None:
    if unknown := sorted(set(row) - keys):
        raise Invalid("schedule-key", f"There is no key {unknown[0]}", where=where)


def _maybe(row: dict[str, Any], key: str) -> Span | None:
    return span(row[key]) if row.get(key) else None


def _step(row: dict[str, Any], until: Span | None, where: str) -> Step:
    _known(row, _STEP_KEYS, where)
    due = span(row["due"])
    return Step(
        due,
        _maybe(row, "earliest") or due,
        _maybe(row, "overdue"),
        _maybe(row, "until") or until,
        _maybe(row, "interval"),
        _maybe(row, "interval_due"),
        _maybe(row, "interval_first"),
        {product: span(text) for product, text in row.get("earliest_of", {}).items()},
        row.get("product", ""),
        row.get("name_en", ""),
        row.get("name_zh", ""),
        tuple(row.get("includes", ())),
    )


def _path(row: dict[str, Any], until: Span | None, where: str) -> Path:
    _known(row, _PATH_KEYS, where)
    return Path(
        tuple(_step(step, until, where) for step in row["steps"]),
        row.get("name", ""),
        tuple(row.get("products", ())),
        bool(row.get("default", False)),
        _maybe(row, "first_from"),
        _maybe(row, "first_to"),
        row.get("anchor_from"),
        row.get("anchor_to"),
        row.get("prior", ""),
        int(row.get("prior_from", 0)),
        int(row.get("prior_to", 99)),
        _afters(row),
    )


def _afters(row: dict[str, Any]) -> tuple[After, ...]:
    return tuple(After(tuple(a["products"]), span(a["interval"])) for a in row.get("after", ()))


def _service(row: dict[str, Any], where: str) -> Service:
    _known(row, _KEYS, where)
    until = _maybe(row, "until")
    paths = row["paths"] if "paths" in row else [{"steps": row["steps"]}]
    service = Service(
        code=row["code"],
        schedule=row["schedule"],
        kind=row["kind"],
        anchor=row["anchor"],
        products=tuple(row.get("products", (row["code"],))),
        paths=tuple(_path(path, until, where) for path in paths),
        name_en=row["name_en"],
        name_zh=row["name_zh"],
        jurisdiction=row["jurisdiction"],
        start=row["valid_from"],
        end=row.get("valid_to", ALWAYS),
        source=row["source"],
        checked=row["checked"],
        grace=int(row.get("grace", 0)),
        spaced_from=row.get("spaced_from", "counted"),
        late=_maybe(row, "late") or Span(1, 0),
        every=_maybe(row, "every"),
        period=row.get("period", "rolling"),
        age_from=_maybe(row, "age_from"),
        age_to=_maybe(row, "age_to"),
        after=_afters(row),
        roll=row.get("month_end", "clip") == "roll",
    )
    _check(service, where)
    return service


def _check(service: Service, where: str) -> None:
    """Raise for what the engine would misread."""

    def bad(words: str) -> Invalid:
        return Invalid("schedule-rule", words, where=where)

    if service.kind not in KINDS:
        raise bad(f"The kind is none of {', '.join(KINDS)}")
    if service.period not in PERIODS:
        raise bad(f"The period is none of {', '.join(PERIODS)}")
    if service.spaced_from not in ("counted", "given"):
        raise bad("spaced_from is neither counted nor given")
    if service.checked not in ("read", "memory"):
        raise bad("checked is neither read nor memory")
    if service.kind == "recurring":
        if service.period == "rolling" and service.every is None:
            raise bad("A rolling service needs every")
        if any(len(path.steps) != 1 for path in service.paths):
            raise bad("A recurring service has one step, the first")
    for path in service.paths:
        if not path.steps:
            raise bad("A path has no steps")
        for step in path.steps:
            if step.earliest.least > step.due.most:
                raise bad("A step is due before it may be given")
            if step.until is not None and step.until.most <= step.due.least:
                raise bad("A step ends before it is due")
        if service.kind == "windows":
            if service.grace or any(step.until is None for step in path.steps):
                raise bad("Each window needs an end, and windows have no days of grace")
            for before, after in zip(path.steps, path.steps[1:], strict=False):
                if before.until is not None and before.until != after.earliest:
                    if before.until.most > after.earliest.least:
                        raise bad("Two windows overlap")


def _names() -> list[str]:
    folder = files("salus.prevention").joinpath("rules")
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.name.startswith("schedule_") and entry.name.endswith(".toml")
    )


@lru_cache(maxsize=1)
def _all() -> tuple[tuple[Service, ...], tuple[Conflict, ...]]:
    services: list[Service] = []
    conflicts: list[Conflict] = []
    for name in _names():
        text = files("salus.prevention").joinpath(f"rules/{name}").read_text(encoding="utf-8")
        more, apart = parse(text, name)
        services += more
        conflicts += apart
    return tuple(services), tuple(conflicts)


def compose(
    services: Iterable[Service], conflicts: Iterable[Conflict], jurisdictions: tuple[str, ...], today: date
) -> Rules:
    """Return the rules that hold on a day where `jurisdictions` hold, a later one over an earlier one.

    Raises:
        Invalid: two versions of a service hold on the day, or a path builds on a service that is not there.
    """
    chosen: dict[str, Service] = {}
    for place in jurisdictions:
        here: set[str] = set()
        for service in services:
            if service.jurisdiction == place and service.start <= today <= service.end:
                if service.code in here:
                    raise Invalid(
                        "schedule-overlap", "Two versions of a service hold on one day", where=service.code
                    )
                here.add(service.code)
                chosen[service.code] = service
    ordered: list[Service] = []
    waiting = list(chosen.values())
    while waiting:
        done = {service.code for service in ordered}
        ready = [s for s in waiting if done.issuperset(s.priors)]
        if not ready:
            raise Invalid(
                "schedule-prior", "A service builds on one that is not there", where=waiting[0].code
            )
        for service in ready:
            if any(chosen[prior].anchor != service.anchor for prior in service.priors):
                raise Invalid(
                    "schedule-prior", "A service builds on one of another anchor", where=service.code
                )
        ordered += ready
        waiting = [s for s in waiting if s not in ready]
    return Rules(tuple(ordered), tuple(conflicts))


@lru_cache(maxsize=32)
def load_rules(today: date, jurisdictions: tuple[str, ...] = ("CN",)) -> Rules:
    """Return the room's schedules that hold on a day, such as `("CN", "CN-52")` with a province's own."""
    services, conflicts = _all()
    return compose(services, conflicts, jurisdictions, today)


def read_rules(paths: Iterable[FilePath], jurisdictions: tuple[str, ...], today: date) -> Rules:
    """Return the rules of a user's own files, in the form of the room's.

    Raises:
        Invalid: a file is not there or is no UTF-8, and as `parse` and `compose` do.
    """
    services: list[Service] = []
    conflicts: list[Conflict] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise Invalid("schedule-file", "The file cannot be read", where=path.name) from None
        more, apart = parse(text, path.name)
        services += more
        conflicts += apart
    return compose(services, conflicts, jurisdictions, today)
